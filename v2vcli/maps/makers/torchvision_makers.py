"""Maps made by torchvision's networks: label maps, label maps with instances, poses.

| models | maps |
|---|---|
| ``deeplabv3_*``, ``fcn_*``, ``lraspp_*`` | labels, Pascal VOC's 21 classes |
| ``maskrcnn_*`` | labels of COCO's 80 kinds of things, with instances |
| ``keypointrcnn_*`` | poses, from the 17 points of COCO |

Network and weights are torchvision's own, built and loaded by its constructors (`maps.makers.torchvision_networks`);
what is done here is what happens before and after.

What is peculiar:

- Networks see pictures at the size that their weights were evaluated at (520 on the shorter side for segmentation, 800
  for detection), whatever the size of the video. Masks are pasted at the size of the map, from the 28 x 28 that Mask
  R-CNN tells, and never at that of the picture.
- Pictures of a call are batched where they are of one size, as the frames of a video are; others get a batch of their
  own: padded to a common size, a picture's maps would depend on its neighbours.
- A detection counts from a score of `LEAST_SCORE` up. Where masks overlap, the better one is seen.
- Keypoint R-CNN gives its points logits. A point counts from `LEAST_LOGIT` up, as in the drawings of its authors
  (Detectron's ``kp_thresh``); its confidence is the logistic function of the logit, which ranks points and is no
  probability.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.drawn.keypoints import PoseSettings, from_coco17
from v2vcli.maps.drawn.pose import pose_map
from v2vcli.maps.label_schema import LabelClass, LabelSchema
from v2vcli.maps.makers.extractors import MapExtractor, SegmentationExtractor
from v2vcli.maps.makers.torchvision_networks import Detector, detect, in_half, open_network
from v2vcli.maps.makers.weights import TORCHVISION, nearest
from v2vcli.maps.schema import VOC21, numbered_schema
from v2vcli.maps.spec import MapFrame, MapSpec

Picture: TypeAlias = NDArray[np.uint8]

LEAST_SCORE: Final = 0.5
"""Score from which a detection counts, 0..1."""
LEAST_LOGIT: Final = 2.0
"""Logit from which a keypoint counts as found."""
MASK_THRESHOLD: Final = 0.5
"""Probability from which a pixel belongs to a mask, as Mask R-CNN's paper has it."""

_SEMANTIC: Final = ("deeplabv3_", "fcn_", "lraspp_")
_INSTANCES: Final = ("maskrcnn_",)
_POSES: Final = ("keypointrcnn_",)
_BATCH: Final = 2  # pictures at once on a CPU, where more take memory and gain nothing
_BATCH_ON_CUDA: Final = 8
_LONGEST: Final = 4  # times the shorter side: a narrower picture is segmented with its longer side at this
_NARROWEST: Final = 32  # pixels
_PERSON: Final = 1  # the label of Keypoint R-CNN


def open_torchvision(model: str, device: torch.device | str, pose: PoseSettings = PoseSettings()) -> MapExtractor:  # noqa: B008 - frozen
    """The maker of maps that a model of torchvision is.

    Args:
        model: as torchvision names it, ``deeplabv3_resnet50``.
        device: where the network runs; in float16 on CUDA, in float32 elsewhere.
        pose: how poses are drawn.

    Raises:
        UsageError: torchvision has no such model, or it makes no maps; the message has the nearest that does.
        ModelError: its weights are neither here nor to be had, or damaged.
    """
    if model.startswith(_SEMANTIC):
        return segmenter(model, device)
    if model.startswith(_INSTANCES):
        return instance_segmenter(model, device)
    if model.startswith(_POSES):
        return pose_maker(model, device, pose)
    known = makers()
    advice = nearest(model, known) or f"; these do: {', '.join(known)}"
    raise UsageError(f"{TORCHVISION}:{model}: no model of torchvision that makes maps{advice}")


def makers() -> list[str]:
    """The models of torchvision that make maps."""
    from torchvision.models import list_models  # type: ignore[attr-defined]  # public, but not listed in __all__

    return [name for name in list_models() if name.startswith((*_SEMANTIC, *_INSTANCES, *_POSES))]


def segmenter(model: str, device: torch.device | str) -> SemanticMaker:
    """DeepLabV3, FCN or LRASPP, with the weights for Pascal VOC's classes.

    Raises:
        UsageError: torchvision has no such model.
        ModelError: its weights are not there, damaged, or for other classes.
    """
    network, weights = open_network(model, torch.device(device))
    if len(weights.meta["categories"]) != VOC21.planes:
        raise ModelError(f"{TORCHVISION}:{model}: its weights are not for the {VOC21.planes} classes of Pascal VOC")
    preset = weights.transforms()
    return SemanticMaker(network, torch.device(device), preset.mean, preset.std, preset.resize_size[0])


def instance_segmenter(model: str, device: torch.device | str) -> InstanceMaker:
    """Mask R-CNN, with the weights for COCO.

    Raises:
        UsageError: torchvision has no such model.
        ModelError: its weights are not there or damaged.
    """
    network, weights = open_network(model, torch.device(device), box_score_thresh=LEAST_SCORE)
    return InstanceMaker(cast(Detector, network), torch.device(device), coco_schema(weights.meta["categories"]))


def pose_maker(
    model: str,
    device: torch.device | str,
    settings: PoseSettings = PoseSettings(),  # noqa: B008 - frozen
) -> PoseMaker:
    """Keypoint R-CNN, with the weights for COCO's people.

    Raises:
        UsageError: torchvision has no such model, or `settings` want DensePose.
        ModelError: its weights are not there or damaged.
    """
    if settings.densepose:
        raise UsageError(f"{TORCHVISION}:{model}: tells no DensePose; give such maps with --maps")
    network, _ = open_network(model, torch.device(device), box_score_thresh=LEAST_SCORE)
    return PoseMaker(cast(Detector, network), torch.device(device), settings)


def coco_schema(categories: Sequence[str]) -> LabelSchema:
    """COCO's things under the numbers that COCO gives them, 1..90, ten of which stand for nothing; 0 is the background.

    Colours are made from the numbers, as Pascal VOC makes them.

    Args:
        categories: a name for every number from 0 up, ``N/A`` where there is none.

    Raises:
        InputError: a number is above 254, or two classes have one name.
    """
    colours = numbered_schema(len(categories)).classes  # that of number n has the colour of n + 1: none is black
    things = (
        LabelClass(name, number, colours[number - 1].colour, foreground=True)
        for number, name in enumerate(categories)
        if number > 0 and name != "N/A"
    )
    return LabelSchema(
        "coco80", (LabelClass("background", 0, (0, 0, 0)), *things), len(categories), void_colour=VOC21.void_colour
    )


class SemanticMaker:
    """Label maps of Pascal VOC's classes. A `maps.makers.extractors.MapExtractor`."""

    def __init__(
        self, network: nn.Module, device: torch.device, mean: Sequence[float], spread: Sequence[float], side: int
    ) -> None:
        """Take a network for pictures of a mean and spread per channel, as they are in [0, 1].

        Args:
            network: (N, 3, H, W) to ``{"out": (N, 21, H, W) logits, ...}``, on `device`, in evaluation mode.
            device: where it lives.
            mean: of each channel.
            spread: standard deviation of each channel.
            side: the shorter side of the pictures that it sees.
        """
        self.spec = MapSpec("labels", schema=VOC21)
        self._network = network
        self._half = device.type == "cuda"
        self._mean = torch.tensor(mean, device=device)[:, None, None]
        self._spread = torch.tensor(spread, device=device)[:, None, None]
        self._extractor = SegmentationExtractor(
            self._logits, self.spec, device, lambda size: _seen_size(size, side), _batch_on(device)
        )

    def extract(self, images: Sequence[Picture], size: tuple[int, int]) -> list[MapFrame]:
        """As `maps.makers.extractors.MapExtractor.extract`."""
        return [made for alike in _of_one_size(images) for made in self._extractor.extract(alike, size)]

    def _logits(self, pixels: Tensor) -> Tensor:
        """From pictures in [-1, 1]."""
        normalised = ((pixels + 1) / 2 - self._mean) / self._spread
        return in_half(self._network, normalised, self._half)["out"]


class InstanceMaker:
    """Label maps of things, with instances 1, 2, ... from the best to the least; 0 is none. A `MapExtractor`."""

    def __init__(self, network: Detector, device: torch.device, schema: LabelSchema) -> None:
        """Take a Mask R-CNN that lives on `device`, whose labels are the ids of `schema`."""
        self.spec = MapSpec("labels", schema=schema, instance_edges=True)
        self._network = network
        self._device = device
        self._known = torch.from_numpy(schema.known & ~schema.void).to(device)

    @torch.inference_mode()
    def extract(self, images: Sequence[Picture], size: tuple[int, int]) -> list[MapFrame]:
        """As `maps.makers.extractors.MapExtractor.extract`."""
        return [
            self._painted(found, size)
            for batch in _batches(images, self._device)
            for found in detect(self._network, batch, self._device, size)
        ]

    def _painted(self, found: dict[str, Tensor], size: tuple[int, int]) -> MapFrame:
        """The masks of one picture, each over those that are worse."""
        kept = self._known[found["labels"]].nonzero()[:, 0].tolist()  # weights may have numbers that stand for nothing
        labels = torch.zeros(size[::-1], dtype=torch.uint8, device=self._device)
        instances = torch.zeros(size[::-1], dtype=torch.int32, device=self._device)
        for number, index in reversed(list(enumerate(kept, 1))):  # torchvision has the best first
            mask = found["masks"][index, 0] > MASK_THRESHOLD
            labels[mask] = found["labels"][index].to(torch.uint8)
            instances[mask] = number
        return MapFrame(self.spec, labels.cpu().numpy(), instances.cpu().numpy())


class PoseMaker:
    """Pose maps, with the points that they were drawn from. A `MapExtractor`.

    They are drawn at the size of the picture and scaled, as `maps.drawn.pose` says; people of a higher score are drawn
    over those of a lower one. The points have no feet, hands and faces.
    """

    def __init__(self, network: Detector, device: torch.device, settings: PoseSettings) -> None:
        """Take a Keypoint R-CNN that lives on `device`."""
        self.spec = MapSpec("pose", pose=settings)
        self._network = network
        self._device = device
        self._settings = settings

    @torch.inference_mode()
    def extract(self, images: Sequence[Picture], size: tuple[int, int]) -> list[MapFrame]:
        """As `maps.makers.extractors.MapExtractor.extract`."""
        maps = []
        for batch in _batches(images, self._device):
            height, width = batch[0].shape[:2]
            for found in detect(self._network, batch, self._device, (width, height)):
                drawn = pose_map(from_coco17(coco_people(found)), width, height, self._settings)
                maps.append(drawn.resized(*size))
        return maps


def coco_people(found: dict[str, Tensor]) -> NDArray[np.float64]:
    """(people, 17, 3) x, y, confidence from what Keypoint R-CNN found in a picture; the best person last."""
    people = found["labels"] == _PERSON
    points, logits = found["keypoints"][people].double(), found["keypoints_scores"][people].double()
    points[..., 2] = logits.sigmoid()
    points[logits < LEAST_LOGIT] = 0.0
    return points.flip(0).cpu().numpy()


def _of_one_size(images: Sequence[Picture]) -> Iterator[list[Picture]]:
    return (list(alike) for _, alike in groupby(images, key=lambda image: image.shape))


def _batches(images: Sequence[Picture], device: torch.device) -> Iterator[Sequence[Picture]]:
    count = _batch_on(device)
    for alike in _of_one_size(images):
        yield from (alike[start : start + count] for start in range(0, len(alike), count))


def _batch_on(device: torch.device) -> int:
    return _BATCH_ON_CUDA if device.type == "cuda" else _BATCH


def _seen_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(width, height) at which a picture is segmented: its shorter side at `side`, unless it is very narrow."""
    scale = min(side / min(size), _LONGEST * side / max(size))
    width, height = (max(round(length * scale), _NARROWEST) for length in size)
    return width, height
