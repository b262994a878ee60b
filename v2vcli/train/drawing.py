"""One clip of a batch: which footage, which window, what scale, crop and mirroring. NumPy only, in any process.

Everything is a function of (recipe's seed, stage, draw, place in the batch): no state, no order. So a resumed run, any
number of workers, and any number of processes that share a batch, see the same clips.

Peculiar: a file that cannot be read when it is drawn is named in the `Sample` and another one drawn, again as a
function of the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError, RecipeError
from v2vcli.maps.label_schema import LabelSchema
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train.clip_sampling import clip_window
from v2vcli.train.cropping import CropPlan, window_plan
from v2vcli.train.flow import teacher_flow
from v2vcli.train.flow_cache import FlowCache
from v2vcli.train.footage import Footage, Moment, Pictures, resized_frames
from v2vcli.train.recipe import DataRecipe, StageRecipe

FlowMaker = Callable[[Pictures], tuple[NDArray[np.floating[Any]], NDArray[np.generic]]]
"""(T, H, W, 3) frames -> (T, H, W, 2) flow to the frame before, (T, H, W) confidence; nothing for the first."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One clip, cut to the stage's size.

    Attributes:
        images: (T, H, W, 3) uint8.
        maps: T maps of what the model is painted from.
        flow: (T, H, W, 2) float32 pixels to the frame before; zero for the first. None: see `uncut`.
        confidence: (T, H, W) float32 in [0, 1].
        uncut: what the flow, which a network has to find, is found of; None where there is flow, or none is wanted.
        left_out: a line for each file that could not be read on the way here.
    """

    images: Pictures
    maps: list[MapFrame]
    flow: NDArray[np.float32] | None
    confidence: NDArray[np.float32] | None
    uncut: Uncut | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Uncut:
    """A moment as it was read, and how it is cut: for flow that is found, and remembered, before cutting."""

    moment: Moment
    plan: CropPlan


@dataclass(frozen=True, eq=False)
class LabelledSample:
    """One labelled picture: (H, W, 3) uint8, and (H / 2, W / 2) uint8 ids of a schema."""

    image: Pictures
    ids: NDArray[np.uint8]
    schema: LabelSchema
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Drawer:
    """Draws the clips of one stage.

    Attributes:
        clips: the footage.
        data: the recipe's data table.
        stage: the recipe's stage.
        seed: (recipe's seed, number of the stage).
        spec: what the model is painted from; None for a segmenter, which is shown labels as they are stored.
    """

    clips: Sequence[Footage]
    data: DataRecipe
    stage: StageRecipe
    seed: tuple[int, int]
    spec: MapSpec | None
    _places: dict[int, _Places] = field(default_factory=dict, repr=False)

    def clip(self, draw: int, place: int, frames: int) -> Sample:
        """The clip at `place` of the batch of `draw`, of `frames` frames."""
        moment, rng, left_out = self._moment(draw, place, frames)
        assert self.spec is not None
        height, width = moment.images.shape[1:3]
        plan = window_plan(
            (width, height),
            self.stage.size,
            rng,
            factors=self.data.scale,
            flip=self.data.flip and self.spec.kind != "pose",
            near_the_top=self.data.fit == "cover",
        )
        images = plan.cut(resized_frames(moment.images, plan.scaled))
        maps = [_cut(_remapped(each, self.spec), plan) for each in moment.maps]
        if self.stage.kind != "video":
            return Sample(images, maps, None, None, left_out=left_out)
        if moment.flow is None and self.data.teacher in ("raft_small", "raft_large"):
            moment = with_cached_flow(moment, self.flow_cache())
        elif moment.flow is None:
            moment = with_flow(moment, teacher_flow, self.flow_cache())
        if moment.flow is None:
            return Sample(images, maps, None, None, Uncut(moment, plan), left_out)
        flow, confidence = cut_flow(moment, plan)
        return Sample(images, maps, flow, confidence, left_out=left_out)

    def labelled(self, draw: int, place: int) -> LabelledSample:
        """The picture at `place` of the batch of `draw`, scaled, cropped, mirrored and recoloured at random."""
        moment, rng, left_out = self._moment(draw, place, 1)
        made = moment.maps[0]
        if made.spec.schema is None:
            raise RecipeError(f"a segmenter is trained on labels, and a source of this recipe has {made.spec.kind}")
        image, ids = _labelled(rng, moment.images[0], made.array, self.stage.size, self.data)
        return LabelledSample(image, ids, made.spec.schema, left_out)

    def flow_cache(self) -> FlowCache | None:
        """Where flow is kept, if the recipe says so."""
        if self.data.cache is None:
            return None
        method = "dis" if self.data.teacher == "exact" else self.data.teacher
        return FlowCache(Path(self.data.cache).expanduser() / "flow" / method)

    def _moment(self, draw: int, place: int, frames: int) -> tuple[Moment, np.random.Generator, tuple[str, ...]]:
        """A window that can be read, and the generator that everything after it is drawn from."""
        left_out: list[str] = []
        while True:
            rng = np.random.default_rng((*self.seed, draw, place, len(left_out)))
            clip, stretch, length = self._places_of(frames).drawn(rng)
            window = clip_window(length, painted=frames, chunk=frames, past=0, rng=rng, longest_step=self.data.stride)
            try:
                return self.clips[clip].read(stretch, window, rng), rng, tuple(left_out)
            except (InputError, OSError) as error:
                left_out.append(str(error))
                if len(left_out) > self.data.max_bad_files:
                    raise RecipeError(
                        f"more than data.max_bad_files = {self.data.max_bad_files} files cannot be read; the last: "
                        f"{error}"
                    ) from None

    def _places_of(self, frames: int) -> _Places:
        if frames not in self._places:
            self._places[frames] = _Places.of(self.clips, frames)
        return self._places[frames]

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process: not what can be counted again."""
        return {**self.__dict__, "_places": {}}


@dataclass(frozen=True, eq=False)
class _Places:
    """Every stretch that is long enough, and how much of the odds lies in it and in those before."""

    clips: NDArray[np.int64]
    stretches: NDArray[np.int64]
    lengths: NDArray[np.int64]
    odds: NDArray[np.float64]

    @classmethod
    def of(cls, footage: Sequence[Footage], frames: int) -> _Places:
        lengths = [clip.stretches for clip in footage]
        clips = np.concatenate([np.full(len(each), number) for number, each in enumerate(lengths)])
        stretches = np.concatenate([np.arange(len(each)) for each in lengths])
        weights = np.concatenate([np.full(len(each), clip.weight) for clip, each in zip(footage, lengths, strict=True)])
        flat = np.concatenate(lengths)
        long = flat >= frames
        odds = np.cumsum(((flat - frames + 1) * weights)[long])
        return cls(clips[long], stretches[long], flat[long], odds)

    def drawn(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """Number of a footage, of one of its stretches, and the length of that."""
        row = int(np.searchsorted(self.odds, rng.random() * self.odds[-1], side="right"))
        row = min(row, len(self.odds) - 1)
        return int(self.clips[row]), int(self.stretches[row]), int(self.lengths[row])


def with_cached_flow(moment: Moment, cache: FlowCache | None) -> Moment:
    """The moment with its flow, if all of that is in the cache."""
    found = None if cache is None else cache.found(moment)
    return moment if found is None else replace(moment, flow=found[0], confidence=found[1])


def with_flow(moment: Moment, maker: FlowMaker, cache: FlowCache | None) -> Moment:
    """The moment with its flow: from the cache, or made and put there."""
    moment = with_cached_flow(moment, cache)
    if moment.flow is not None:
        return moment
    flow, confidence = maker(moment.images)
    moment = replace(moment, flow=flow, confidence=confidence)
    if cache is not None:
        cache.keep(moment)
    return moment


def cut_flow(moment: Moment, plan: CropPlan) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Flow (T, H, W, 2) and confidence (T, H, W) of a moment that has them, cut to a plan; zero for the first frame."""
    assert moment.flow is not None and moment.confidence is not None
    flow, confidence = moment.flow.astype(np.float32), moment.confidence.astype(np.float32)
    height, width = flow.shape[1:3]
    if plan.scaled != (width, height):
        ratio = np.array([plan.scaled[0] / width, plan.scaled[1] / height], np.float32)
        flow = np.stack([cv2.resize(each, plan.scaled, interpolation=cv2.INTER_LINEAR) for each in flow]) * ratio
        confidence = np.stack([cv2.resize(each, plan.scaled, interpolation=cv2.INTER_LINEAR) for each in confidence])
    flow, confidence = plan.cut_flow(flow), plan.cut(confidence)
    flow[0], confidence[0] = 0, 0
    return flow, confidence


def _cut(frame: MapFrame, plan: CropPlan) -> MapFrame:
    frame = frame.resized(*plan.scaled)
    instances = None if frame.instances is None else plan.cut(frame.instances[None])[0]
    return MapFrame(frame.spec, plan.cut(frame.array[None])[0], instances)


def _remapped(frame: MapFrame, spec: MapSpec) -> MapFrame:
    """The map in the model's schema."""
    if frame.spec == spec:
        return frame
    if spec.kind != frame.spec.kind or frame.spec.schema is None or spec.schema is None:
        raise RecipeError(f"the model paints from {spec.kind} maps, but a source has {frame.spec.kind} maps")
    table = frame.spec.schema.remap_table(spec.schema)
    return MapFrame(spec, table[frame.array], frame.instances)


def _labelled(
    rng: np.random.Generator, image: Pictures, label: NDArray[np.uint8], size: tuple[int, int], data: DataRecipe
) -> tuple[Pictures, NDArray[np.uint8]]:
    width, height = size
    scale = float(np.exp(rng.uniform(*np.log(data.scale))))
    scale = max(scale, width / image.shape[1], height / image.shape[0])
    # scale only the crop: its window in the unscaled picture is (width, height) / scale
    wide = min(image.shape[1], round(width / scale))
    high = min(image.shape[0], round(height / scale))
    left, top = int(rng.integers(image.shape[1] - wide + 1)), int(rng.integers(image.shape[0] - high + 1))
    image, label = image[top : top + high, left : left + wide], label[top : top + high, left : left + wide]
    shrink = cv2.INTER_AREA if wide > width else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(image, (width, height), interpolation=shrink), np.uint8)
    label = np.asarray(cv2.resize(label, (width // 2, height // 2), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
    if data.flip and rng.random() < 0.5:
        image, label = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(label[:, ::-1])
    return recoloured(image, rng, data.jitter), label


def recoloured(image: NDArray[np.uint8], rng: np.random.Generator, amount: float) -> NDArray[np.uint8]:
    """Random gamma, gain, saturation and white balance; `amount` 0 leaves the picture as it is, 1 is strong."""
    if amount == 0:
        return image
    x = image.astype(np.float32) / 255
    x = x ** np.exp(rng.normal(0, 0.35 * amount))
    grey = x.mean(-1, keepdims=True)
    x = grey + (x - grey) * np.exp(rng.normal(0, 0.4 * amount))
    x = x * np.exp(rng.normal(0, 0.1 * amount, 3)).astype(np.float32) * np.exp(rng.normal(0, 0.2 * amount))
    return np.asarray(np.clip(x * 255, 0, 255), np.uint8)
