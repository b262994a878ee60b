"""Poses by ViTPose of transformers: the points of every person that a detector has found.

What is peculiar:

- ViTPose looks at one person at a time and has to be told where. Who tells comes after the model's name: an object
  detector of transformers, ``user/vitpose+user/detector``; ``+frame``, the whole picture, for a video of one person who
  fills it; `DETECTOR` where nothing is said, the one that transformers' own documentation pairs with ViTPose. From
  Python, `PoseMaker` takes any function that gives boxes.
- A person counts from `LEAST_SCORE`, a point from `LEAST_CONFIDENCE`: the score of a point is the height of its heat
  map, near 1 where it is plain to see.
- ViTPose+ has experts for several data sets; those for COCO are its first.
- The detector runs in float32: a box decides what all the rest sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.drawn.keypoints import PoseSettings, from_coco17
from v2vcli.maps.drawn.pose import pose_map
from v2vcli.maps.makers.transformers_loading import OpenedModel, architecture_of, find_folder, open_model
from v2vcli.maps.makers.weights import HUB
from v2vcli.maps.schema_names import canonical_name
from v2vcli.maps.spec import MapFrame, MapSpec

Picture: TypeAlias = NDArray[np.uint8]
Boxes: TypeAlias = NDArray[np.float64]
PersonDetector: TypeAlias = Callable[[Sequence[Picture]], list[Boxes]]
"""Pictures (H, W, 3) to the boxes of people, for each picture (people, 4): left, top, width, height in pixels. Those
who matter most come last, and are drawn last."""

DETECTOR: Final = "PekingU/rtdetr_r50vd_coco_o365"
"""The detector where none is named."""
WHOLE_FRAME: Final = "frame"
"""Stands for a detector that always sees one person: all of the picture."""
LEAST_SCORE: Final = 0.5
"""Score from which a person counts, 0..1."""
LEAST_CONFIDENCE: Final = 0.3
"""Height of a heat map from which its point counts, about 0..1."""

_PICTURES: Final = 4  # at once, of the detector
_PEOPLE: Final = 8  # at once, of ViTPose
_ON_CUDA: Final = 4  # times as many
_COCO_POINTS: Final = 17
_COCO_EXPERT: Final = 0


def whole_frame(images: Sequence[Picture]) -> list[Boxes]:
    """One box for each picture: all of it. A `PersonDetector`."""
    return [np.array([[0.0, 0.0, image.shape[1], image.shape[0]]]) for image in images]


def open_detector(name: str, device: torch.device) -> PersonDetector:
    """What finds people.

    Args:
        name: a hub id or folder of an object detector of transformers, `WHOLE_FRAME`, or nothing for `DETECTOR`.
        device: where it runs.

    Raises:
        UsageError: it is no hub id.
        ModelError: it is neither here nor to be had, damaged, or finds no people.
    """
    if name == WHOLE_FRAME:
        return whole_frame
    name = name or DETECTOR
    folder = find_folder(name)
    architecture = architecture_of(name, folder)
    if not architecture.endswith("ForObjectDetection"):
        raise ModelError(f"{HUB}:{name}: is a {architecture}, no object detector; ViTPose needs one, or +{WHOLE_FRAME}")
    return ObjectDetector(open_model(name, folder, architecture, device))


class ObjectDetector:
    """People by an object detector of transformers. A `PersonDetector`."""

    def __init__(self, model: OpenedModel) -> None:
        """Take a detector.

        Raises:
            ModelError: it knows no people.
        """
        self._model = model
        self._people = [n for n, each in enumerate(model.class_names) if canonical_name(each) == "person"]
        if not self._people:
            raise ModelError(f"{HUB}:{model.name}: finds no people, only {', '.join(model.class_names[:8])}, ...")

    @torch.inference_mode()
    def __call__(self, images: Sequence[Picture]) -> list[Boxes]:
        """As `PersonDetector`; the highest score last."""
        boxes: list[Boxes] = []
        count = _PICTURES * (_ON_CUDA if self._model.device.type == "cuda" else 1)
        for start in range(0, len(images), count):
            part = images[start : start + count]
            outputs = self._model.run(self._model.prepared(part), half=False)
            found = self._model.processor.post_process_object_detection(
                outputs, threshold=LEAST_SCORE, target_sizes=[image.shape[:2] for image in part]
            )
            boxes += [self._boxes(one, image) for one, image in zip(found, part, strict=True)]
        return boxes

    def _boxes(self, found: dict[str, Tensor], image: Picture) -> Boxes:
        people = np.isin(found["labels"].cpu().numpy(), self._people)
        corners = found["boxes"].double().cpu().numpy()[people].reshape(-1, 2, 2)
        corners = corners.clip(0, image.shape[1::-1])
        corners = corners[np.argsort(found["scores"].cpu().numpy()[people], kind="stable")]
        seen = (corners[:, 1] - corners[:, 0] >= 1).all(axis=1)  # a box outside of the picture holds nobody
        return np.concatenate((corners[seen, 0], corners[seen, 1] - corners[seen, 0]), axis=1)


class PoseMaker:
    """Pose maps, with the points that they were drawn from. A `maps.makers.extractors.MapExtractor`.

    They are drawn at the size of the picture and scaled, as `maps.drawn.pose` says. The points have no feet, hands and
    faces.
    """

    def __init__(
        self,
        model: OpenedModel,
        detector: PersonDetector,
        settings: PoseSettings = PoseSettings(),  # noqa: B008 - frozen
    ) -> None:
        """Take a ViTPose and who finds people for it.

        Raises:
            UsageError: `settings` want DensePose.
            ModelError: it finds other points than COCO's 17.
        """
        if settings.densepose:
            raise UsageError(f"{HUB}:{model.name}: tells no DensePose; give such maps with --maps")
        points = model.config.num_labels
        if points != _COCO_POINTS:
            raise ModelError(f"{HUB}:{model.name}: finds {points} points; only COCO's {_COCO_POINTS} are known here")
        self.spec = MapSpec("pose", pose=settings)
        self._model = model
        self._detector = detector
        self._settings = settings
        self._experts = getattr(model.config.backbone_config, "num_experts", 1) > 1

    def extract(self, images: Sequence[Picture], size: tuple[int, int]) -> list[MapFrame]:
        """As `maps.makers.extractors.MapExtractor.extract`."""
        maps = []
        for image, people in zip(images, self._people(images), strict=True):
            height, width = image.shape[:2]
            maps.append(pose_map(from_coco17(people), width, height, self._settings).resized(*size))
        return maps

    @torch.inference_mode()
    def _people(self, images: Sequence[Picture]) -> list[NDArray[np.float64]]:
        """For each picture (people, 17, 3) x, y, confidence; zero where a point was not found."""
        boxes = self._detector(images)
        starts = [0, *np.cumsum([len(each) for each in boxes]).tolist()]
        owners = [number for number, each in enumerate(boxes) for _ in each]
        single = [box.tolist() for each in boxes for box in each]
        count = _PEOPLE * (_ON_CUDA if self._model.device.type == "cuda" else 1)
        people = np.zeros((len(single), _COCO_POINTS, 3))
        for start in range(0, len(single), count):
            pictures = [images[number] for number in owners[start : start + count]]
            people[start : start + count] = self._points(pictures, single[start : start + count])
        return [people[first:last] for first, last in pairwise(starts)]

    def _points(self, images: Sequence[Picture], boxes: list[list[float]]) -> NDArray[np.float64]:
        """(N, 17, 3) of one person in each picture."""
        nested = [[box] for box in boxes]
        inputs = self._model.prepared(images, on_device=False, boxes=nested)
        if self._experts:
            inputs["dataset_index"] = torch.full((len(boxes),), _COCO_EXPERT, device=self._model.device)
        heatmaps = SimpleNamespace(heatmaps=self._model.run(inputs).heatmaps)
        found = self._model.processor.post_process_pose_estimation(heatmaps, boxes=nested)
        points = np.zeros((len(boxes), _COCO_POINTS, 3))
        for person, (one,), (left, top, width, height) in zip(points, found, boxes, strict=True):
            scores, places = one["scores"].double().numpy(), one["keypoints"].double().numpy()
            away = np.abs(places - (left + width / 2, top + height / 2)).max(axis=1)
            # refining a flat heat map throws its point anywhere, or makes it no number; none lies so far from its box
            seen = (scores >= LEAST_CONFIDENCE) & (away <= max(width, height))
            person[seen, :2] = places[seen]
            person[seen, 2] = scores[seen].clip(0, 1)
        return points
