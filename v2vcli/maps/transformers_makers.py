"""Maps made by models of transformers: label maps with and without instances, and poses (`maps.transformers_pose`).

A model is a hub id, ``user/repo[@revision]``, or a local folder that ``save_pretrained`` wrote. What it makes follows
from its configuration:

| architecture | for example | maps |
|---|---|---|
| ``*ForSemanticSegmentation`` | SegFormer, UperNet, BEiT, DPT | labels |
| ``*ForUniversalSegmentation`` | EoMT, Mask2Former, OneFormer | labels, with instances where the task has them |
| ``*ForInstanceSegmentation``, ``DetrForSegmentation`` | MaskFormer, DETR | the same |
| ``VitPoseForPoseEstimation`` | ViTPose | poses |

The schema is that of the names in its ``id2label`` (`maps.model_schema`).

What is peculiar:

- Masks with a class each can be read in three ways, and a configuration does not say for which one a model was trained.
  A task after the name says it: ``user/repo#semantic``, ``#panoptic`` or ``#instance``. Without one, in this order: the
  word in the name of a hub's repository (``mask2former-swin-large-cityscapes-semantic``); semantic where its processor
  cuts pictures into pieces (EoMT); instance where all of its classes are things; else panoptic.
- Panoptic: what the thresholds of the library's read-out leave open gets the class of its best mask, without thresholds
  (MaskFormer's general inference), because a painter wants to know of every pixel. Only things have instances: 1, 2,
  and so on, in the order in which the network tells them.
- Instance: what belongs to no object is void.
- Read-outs are the library's, at the size of the map. It would fuse the masks of stuff itself, but numbers what comes
  after them so that two objects may share a number; so it is not asked to.
- Pictures are taken a few at a time, fewer for large maps: read-outs hold every mask at the size of the map.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.extractors import MapExtractor
from v2vcli.maps.keypoints import PoseSettings
from v2vcli.maps.label_schema import VOID
from v2vcli.maps.model_schema import schema_of, tells_only_things
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.maps.transformers_loading import OpenedModel, architecture_of, find_folder, open_model
from v2vcli.maps.weights import HUB

Task: TypeAlias = Literal["semantic", "panoptic", "instance"]
Picture: TypeAlias = NDArray[np.uint8]

TASKS: Final[tuple[Task, ...]] = get_args(Task)

_PER_PIXEL: Final = "ForSemanticSegmentation"
_MASKS: Final = ("ForUniversalSegmentation", "ForInstanceSegmentation", "DetrForSegmentation")
_POSES: Final = "VitPoseForPoseEstimation"
_READING: Final = "post_process_{}_segmentation"  # of processors, by task
_BATCH: Final = 4
_BATCH_ON_CUDA: Final = 16
_PIXELS: Final = 512 * 288 * _BATCH  # of the maps of a batch on a CPU, where it is more than one
_NO_THRESHOLDS: Final = {"threshold": 0.0, "mask_threshold": 0.0, "overlap_mask_area_threshold": 0.0}


def open_transformers(
    model: str,
    device: torch.device | str,
    *,
    pose: PoseSettings = PoseSettings(),  # noqa: B008 - frozen
) -> MapExtractor:
    """The maker of maps that a model of transformers is.

    Args:
        model: a hub id, ``user/repo[@revision]``, or a folder; then ``#TASK`` if wanted. Of a pose model, ``+DETECTOR``
            may follow (`maps.transformers_pose`).
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
        from v2vcli.maps.transformers_pose import PoseMaker, open_detector

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
    return "instance" if only_things or not hasattr(model.processor, _READING.format("panoptic")) else "panoptic"


def _cuts_pictures(model: OpenedModel) -> bool:
    """Whether the processor hands over pieces of pictures: only their semantic reading can put them together again."""
    return bool(getattr(model.processor, "do_split_image", False))


class Segmenter:
    """Label maps by a segmentation model of transformers. A `maps.extractors.MapExtractor`."""

    def __init__(self, model: OpenedModel, task: Task) -> None:
        """Take a model.

        Args:
            model: one whose processor reads label maps from its outputs.
            task: how they are read.

        Raises:
            UsageError: it cannot be read so.
            ModelError: its classes make no schema.
        """
        if task != "semantic" and _cuts_pictures(model):
            raise UsageError(f"{HUB}:{model.name}: cuts pictures into pieces, which hold no whole objects; #semantic")
        self._model = model
        self._task = task
        # EoMT pads pictures that it does not cut, and only the panoptic reading leaves the padding out
        pads = hasattr(model.processor, "unpad_image") and not _cuts_pictures(model)
        self._reading: Task = "panoptic" if task == "semantic" and pads else task
        if not hasattr(model.processor, _READING.format(self._reading)):
            raise UsageError(f"{HUB}:{model.name}: its processor reads no {task} maps; give another #task")
        self._read: Callable[..., list[Any]] = getattr(model.processor, _READING.format(self._reading))
        schema = schema_of(model.class_names, Path(model.name).name)
        self.spec = MapSpec("labels", schema=schema, instance_edges=task != "semantic")
        self._things = set(schema.foreground_ids) or {c.id for c in schema.classes if not c.void}
        self._more: dict[str, Any] = {}
        if "label_ids_to_fuse" in inspect.signature(self._read).parameters:
            self._more["label_ids_to_fuse"] = set()

    @torch.inference_mode()
    def extract(self, images: Sequence[Picture], size: tuple[int, int]) -> list[MapFrame]:
        """As `maps.extractors.MapExtractor.extract`."""
        maps: list[MapFrame] = []
        batch = _batch(size, self._model.device)
        for start in range(0, len(images), batch):
            maps += self._maps(images[start : start + batch], size)
        return maps

    def _maps(self, images: Sequence[Picture], size: tuple[int, int]) -> Iterator[MapFrame]:
        tells = hasattr(self._model.processor, "tokenizer")  # OneFormer is told the task in words
        asked: dict[str, Any] = {"task_inputs": [self._task] * len(images)} if tells else {}
        outputs = self._model.run(self._model.prepared(images, **asked))
        sizes = [size[::-1]] * len(images)
        if self._reading == "semantic":
            for labels in self._read(outputs, target_sizes=sizes):
                yield MapFrame(self.spec, labels.to(torch.uint8).cpu().numpy())
            return
        found = self._read(outputs, target_sizes=sizes, **self._more)
        if self._reading == "instance":
            for one in found:
                yield MapFrame(self.spec, *self._painted(one, only_things=False))
            return
        rest = self._read(outputs, target_sizes=sizes, **self._more, **_NO_THRESHOLDS)
        for one, unsure in zip(found, rest, strict=True):
            labels, instances = self._painted(one)
            filled = np.where(labels == VOID, self._painted(unsure)[0], labels)
            yield MapFrame(self.spec, filled, instances if self._task == "panoptic" else None)

    def _painted(
        self, found: dict[str, Any], *, only_things: bool = True
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """(H, W) classes, `VOID` where no segment is, and (H, W) numbers of instances, 0 where none is."""
        segments = found["segmentation"].to(torch.int64).cpu().numpy() + 1  # 0: none
        count = max([segments.max(), *(one["id"] + 1 for one in found["segments_info"])]) + 1
        classes, numbers = np.full(count, VOID, np.uint8), np.zeros(count, np.int32)
        objects = 0
        for one in found["segments_info"]:
            classes[one["id"] + 1] = one["label_id"]
            if not only_things or one["label_id"] in self._things:
                objects += 1
                numbers[one["id"] + 1] = objects
        return classes[segments], numbers[segments]


def _batch(size: tuple[int, int], device: torch.device) -> int:
    """Pictures at once."""
    most = _BATCH_ON_CUDA if device.type == "cuda" else _BATCH
    return min(most, max(1, _PIXELS * most // _BATCH // (size[0] * size[1])))
