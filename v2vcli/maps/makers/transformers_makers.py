"""Maps made by models of transformers: label maps with and without instances, and poses (`transformers_pose`).

A model is a hub id, ``user/repo[@revision]``, or a local folder that ``save_pretrained`` wrote. What it makes follows
from its configuration:

| architecture | for example | maps |
|---|---|---|
| ``*ForSemanticSegmentation`` | SegFormer, UperNet, BEiT, DPT | labels |
| ``*ForUniversalSegmentation`` | EoMT, Mask2Former, OneFormer | labels, with instances where the task has them |
| ``MaskFormerForInstanceSegmentation``, ``DetrForSegmentation`` | MaskFormer, DETR | the same |
| ``VitPoseForPoseEstimation`` | ViTPose | poses |

The schema is that of the names in its ``id2label`` (`maps.makers.model_schema`).

What is peculiar:

- Masks with a class each can be read in three ways, and a configuration does not say for which one a model was trained.
  A task after the name says it: ``user/repo#semantic``, ``#panoptic`` or ``#instance``. Without one, in this order: the
  word in the name of a hub's repository (``mask2former-swin-large-cityscapes-semantic``); semantic where its processor
  cuts pictures into pieces (EoMT); instance where all of its classes are things; else panoptic.
- Masks are read here (`maps.makers.mask_reading`). Panoptic maps have a class everywhere, and instances of things
  alone; in instance maps, what belongs to no object is void. How sure a network must be is what the library takes for
  its kind.
- Pictures are taken a few at a time, fewer for large maps: reading holds many masks at the size of the map.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.drawn.keypoints import PoseSettings
from v2vcli.maps.makers.extractors import MapExtractor
from v2vcli.maps.makers.mask_reading import best_class, cropped, instances, panoptic, semantic_scores, stitched
from v2vcli.maps.makers.model_schema import schema_of, tells_only_things
from v2vcli.maps.makers.transformers_loading import OpenedModel, architecture_of, find_folder, open_model
from v2vcli.maps.makers.weights import HUB
from v2vcli.maps.spec import MapFrame, MapSpec

Task: TypeAlias = Literal["semantic", "panoptic", "instance"]
Picture: TypeAlias = NDArray[np.uint8]

TASKS: Final[tuple[Task, ...]] = get_args(Task)

_PER_PIXEL: Final = "ForSemanticSegmentation"
_MASKS: Final = ("ForUniversalSegmentation", "MaskFormerForInstanceSegmentation", "DetrForSegmentation")
_POSES: Final = "VitPoseForPoseEstimation"
_SURE: Final = 0.5  # where a processor has no threshold of its own
_BATCH: Final = 4
_BATCH_ON_CUDA: Final = 16
_PIXELS: Final = 512 * 288 * _BATCH  # of the maps of a batch on a CPU, where it is more than one


def open_transformers(
    model: str,
    device: torch.device | str,
    *,
    pose: PoseSettings = PoseSettings(),  # noqa: B008 - frozen
) -> MapExtractor:
    """The maker of maps that a model of transformers is.

    Args:
        model: a hub id, ``user/repo[@revision]``, or a folder; then ``#TASK`` if wanted. Of a pose model, ``+DETECTOR``
            may follow (`maps.makers.transformers_pose`).
        device: where the network runs; in bfloat16 on CUDA, in float32 elsewhere.
        pose: how poses are drawn.

    Raises:
        UsageError: it is no hub id, there is no such task, or the model cannot do it.
        ModelError: transformers is not installed; the model is neither here nor to be had, damaged, incomplete, or
            makes no maps.
    """
    where = torch.device(device)
    model, _, detector = _parted(model, "+")
    name, marked, task = _parted(model, "#")
    if marked and task not in TASKS:
        raise UsageError(f"{HUB}:{model}: there is no task '{task}'; choose #{' or #'.join(TASKS)}")
    folder = find_folder(name)
    architecture = architecture_of(name, folder)
    if architecture == _POSES:
        if marked:
            raise UsageError(f"{HUB}:{model}: finds poses, and has no tasks; leave #{task} out")
        from v2vcli.maps.makers.transformers_pose import PoseMaker, open_detector

        return PoseMaker(open_model(name, folder, architecture, where), open_detector(detector, where), pose)
    if detector:
        raise UsageError(f"{HUB}:{model}+{detector}: only pose models need a detector, this is a {architecture}")
    if architecture.endswith(_PER_PIXEL):
        if marked and task != "semantic":
            raise UsageError(f"{HUB}:{model}: a {architecture} tells no instances; leave #{task} out")
        return Segmenter(open_model(name, folder, architecture, where), "semantic")
    if architecture.endswith(_MASKS):
        opened = open_model(name, folder, architecture, where)
        return Segmenter(opened, cast(Task, task) if marked else task_of(opened))
    raise ModelError(f"{HUB}:{name}: is a {architecture or 'model without architecture'}, which makes no maps")


def _parted(model: str, mark: str) -> tuple[str, str, str]:
    """The model, the mark and what follows it; a folder may have the mark in its name."""
    return (model, "", "") if Path(model).is_dir() else model.partition(mark)


def task_of(model: OpenedModel) -> Task:
    """What a network of masks was trained for, as far as that can be known."""
    if not Path(model.name).expanduser().is_dir():
        words = re.split(r"[-_.]", model.name.partition("@")[0].partition("/")[2].lower())
        named = [task for task in TASKS if task in words]
        if len(named) == 1:
            return named[0]
    if _cuts_pictures(model):
        return "semantic"
    only_things = tells_only_things(schema_of(model.class_names, Path(model.name).name))
    return "instance" if only_things else "panoptic"


def _cuts_pictures(model: OpenedModel) -> bool:
    """Whether the processor hands over pieces of pictures: only their semantic reading can put them together again."""
    return bool(getattr(model.processor, "do_split_image", False))


class Segmenter:
    """Label maps by a segmentation model of transformers. A `maps.makers.extractors.MapExtractor`."""

    def __init__(self, model: OpenedModel, task: Task) -> None:
        """Take a model.

        Args:
            model: one that tells logits of every pixel, or masks with a class each.
            task: how they are read.

        Raises:
            UsageError: it cannot be read so.
            ModelError: its classes make no schema.
        """
        if task != "semantic" and _cuts_pictures(model):
            raise UsageError(f"{HUB}:{model.name}: cuts pictures into pieces, which hold no whole objects; #semantic")
        schema = schema_of(model.class_names, Path(model.name).name)
        self.spec = MapSpec("labels", schema=schema, instance_edges=task != "semantic")
        self._model = model
        self._task = task
        self._things = schema.foreground_ids or tuple(c.id for c in schema.classes if not c.void)
        self._threshold = _threshold(model.processor, task)

    @torch.inference_mode()
    def extract(self, images: Sequence[Picture], size: tuple[int, int]) -> list[MapFrame]:
        """As `maps.makers.extractors.MapExtractor.extract`."""
        maps: list[MapFrame] = []
        batch = _batch(size, self._model.device)
        for start in range(0, len(images), batch):
            for labels, numbers in self._read(images[start : start + batch], size[::-1]):
                held = None if numbers is None else numbers.cpu().numpy()
                maps.append(MapFrame(self.spec, labels.cpu().numpy(), held))
        return maps

    def _read(self, images: Sequence[Picture], size: tuple[int, int]) -> Iterator[tuple[Tensor, Tensor | None]]:
        """For each picture ids and, if the task has them, instances; `size` is (height, width)."""
        tells = hasattr(self._model.processor, "tokenizer")  # OneFormer is told the task in words
        asked: dict[str, Any] = {"task_inputs": [self._task] * len(images)} if tells else {}
        inputs = self._model.prepared(images, **asked)
        outputs = self._model.run(inputs)
        if "class_queries_logits" in outputs:
            classes, masks = outputs["class_queries_logits"], outputs["masks_queries_logits"]
        elif "pred_masks" in outputs:  # DETR
            classes, masks = outputs["logits"], outputs["pred_masks"]
        else:
            for labels in self._model.processor.post_process_semantic_segmentation(outputs, [size] * len(images)):
                yield labels.to(torch.uint8), None
            return
        if offsets := inputs.get("patch_offsets"):
            yield from ((labels, None) for labels in self._put_together(images, classes, masks, offsets, size))
            return
        for number, image in enumerate(images):
            content, padded = _content(self._model.processor, inputs, number, image)
            whole = cropped(masks[number], content, padded)
            if self._task == "panoptic":
                yield panoptic(classes[number], whole, size, self._things, self._threshold)
            elif self._task == "instance":
                yield instances(classes[number], whole, size, self._threshold)
            else:
                yield best_class(semantic_scores(classes[number], whole), size), None

    def _put_together(
        self, images: Sequence[Picture], classes: Tensor, masks: Tensor, offsets: Sequence[Any], size: tuple[int, int]
    ) -> Iterator[Tensor]:
        """Ids of pictures that were cut; an offset is the picture's number, the start of the piece, and its end."""
        where = [(int(picture), (int(start), int(end))) for picture, start, end in offsets]
        for number, image in enumerate(images):
            mine = [n for n, (picture, _) in enumerate(where) if picture == number]
            pieces = [semantic_scores(classes[n], masks[n]) for n in mine]
            spans = [where[n][1] for n in mine]
            side = self._model.processor.size["shortest_edge"]
            yield best_class(stitched(pieces, spans, side, vertical=image.shape[0] > image.shape[1]), size)


def _threshold(processor: Any, task: Task) -> float:
    """How sure a query must be of its class: what the library takes for this kind of model."""
    reading = getattr(processor, f"post_process_{task}_segmentation", None)
    told = inspect.signature(reading).parameters.get("threshold") if reading is not None else None
    return float(told.default) if told is not None else _SURE


def _content(
    processor: Any, inputs: Mapping[str, Any], number: int, image: Picture
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(height, width) of a picture as the network saw it, without padding and with it."""
    height, width = inputs["pixel_values"].shape[-2:]
    if (mask := inputs.get("pixel_mask")) is not None:
        seen = mask[number].bool()
        return (int(seen.any(dim=1).sum()), int(seen.any(dim=0).sum())), (height, width)
    if hasattr(processor, "unpad_image") and processor.do_pad:  # EoMT, which tells nobody how much it padded
        from transformers.image_transforms import get_size_with_aspect_ratio

        content = get_size_with_aspect_ratio(
            image.shape[:2], processor.size["shortest_edge"], processor.size["longest_edge"]
        )
        return content, (height, width)
    return (height, width), (height, width)


def _batch(size: tuple[int, int], device: torch.device) -> int:
    """Pictures at once."""
    most = _BATCH_ON_CUDA if device.type == "cuda" else _BATCH
    return min(most, max(1, _PIXELS * most // _BATCH // (size[0] * size[1])))
