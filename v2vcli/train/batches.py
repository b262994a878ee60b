"""Batches out of clips: which frames, which crop, which augmentation; all of it a function of (seed, stage, draw).

Peculiar: no iterator state. The n-th batch of a stage is drawn with a generator seeded by n, so a resumed run sees
exactly the batches that the uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2vcli.errors import RecipeError
from v2vcli.maps.conditioning import map_tensor
from v2vcli.maps.schema import LabelSchema
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train.clips import Clip
from v2vcli.train.cropping import CropPlan
from v2vcli.train.recipe import DataRecipe, StageRecipe
from v2vcli.train.stage_schedule import Shot, StageSchedule, windows_per_epoch


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """B clips of T frames: images in [-1, 1], maps as `MapSpec` says, flow to the frame before and its confidence."""

    images_BT3HW: Tensor
    maps_BTCHW: Tensor
    flow_BT2HW: Tensor
    confidence_BT1HW: Tensor


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Pictures with the ids a segmenter should find, at half their resolution, where it is trained.

    Shapes: images (B, 3, H, W) in [-1, 1]; ids (B, H/2, W/2) int64 in `schemas[b]`.
    """

    images: Tensor
    ids: Tensor
    schemas: list[LabelSchema]


class Sampler:
    """Draws batches for one stage.

    Attributes:
        schedule: the stage laid out for these clips: how many draws there are, and what holds for each.
    """

    def __init__(
        self, clips: Sequence[Clip], data: DataRecipe, stage: StageRecipe, seed: tuple[int, int], *, past: int = 2
    ) -> None:
        """Keep the clips long enough for the stage; `seed` is (recipe seed, stage number), `past` the model's."""
        self.clips = [clip for clip in clips if len(clip) >= stage.frames and (clip.consecutive or stage.frames == 1)]
        if not self.clips:
            raise RecipeError(f"stage {stage.name!r} reads {stage.frames} frames at a time; no clip is that long")
        places = np.array([(len(clip) - stage.frames + 1) * clip.weight for clip in self.clips], np.float64)
        self._odds = places / places.sum()
        self._data, self._stage, self._seed = data, stage, seed
        shots = [Shot(clip.source, len(clip)) for clip in self.clips]
        windows = windows_per_epoch(stage, self.clips[0].spec.kind, shots)
        self.schedule = StageSchedule(stage, past=past, windows=windows, longest=max(map(len, self.clips)))

    def clips_batch(self, draw: int, spec: MapSpec, device: torch.device) -> ClipBatch:
        """The `draw`-th batch of clips."""
        rng = np.random.default_rng((*self._seed, draw))
        parts = [self._clip(rng, spec, device) for _ in range(self._stage.batch)]
        return ClipBatch(*(torch.stack(tensors) for tensors in zip(*parts, strict=True)))

    def _window(self, rng: np.random.Generator) -> tuple[Clip, slice]:
        clip = self.clips[rng.choice(len(self.clips), p=self._odds)]
        start = int(rng.integers(len(clip) - self._stage.frames + 1))
        return clip, slice(start, start + self._stage.frames)

    def _clip(self, rng: np.random.Generator, spec: MapSpec, device: torch.device) -> tuple[Tensor, ...]:
        clip, window = self._window(rng)
        width, height = self._stage.size
        top = int(rng.integers(clip.images.shape[1] - height + 1))
        left = int(rng.integers(clip.images.shape[2] - width + 1))
        whole = (clip.images.shape[2], clip.images.shape[1])
        plan = CropPlan(whole, (left, top), (width, height), self._data.flip and bool(rng.random() < 0.5))
        images = plan.cut(clip.images[window])
        maps = [MapFrame(spec, each) for each in _remapped(plan.cut(clip.maps[window]), clip, spec)]
        frames = len(maps)
        if clip.flow is None or clip.confidence is None:
            flow = np.zeros((frames, height, width, 2), np.float32)
            confidence = np.zeros((frames, height, width), np.float32)
        else:
            flow = plan.cut_flow(clip.flow[window]).astype(np.float32)
            confidence = plan.cut(clip.confidence[window]).astype(np.float32)
        return (
            as_tensor(images, device),
            map_tensor(maps, device),
            torch.from_numpy(flow).permute(0, 3, 1, 2).to(device),
            torch.from_numpy(confidence)[:, None].to(device),
        )

    def labelled_batch(self, draw: int, device: torch.device) -> LabelledBatch:
        """The `draw`-th batch of single labelled pictures, scaled, cropped, mirrored and recoloured at random."""
        rng = np.random.default_rng((*self._seed, draw))
        images, ids, schemas = [], [], []
        for _ in range(self._stage.batch):
            clip, window = self._window(rng)
            image, label = self._labelled(rng, clip.images[window.start], clip.maps[window.start])
            images.append(as_tensor(image[None], device)[0])
            ids.append(torch.from_numpy(label.astype(np.int64)))
            if clip.spec.schema is None:
                raise RecipeError(f"{clip.name}: a segmenter is trained on labels, this source has {clip.spec.kind}")
            schemas.append(clip.spec.schema)
        return LabelledBatch(torch.stack(images), torch.stack(ids).to(device), schemas)

    def _labelled(
        self, rng: np.random.Generator, image: NDArray[np.uint8], label: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        width, height = self._stage.size
        scale = float(np.exp(rng.uniform(*np.log(self._data.scale))))
        scale = max(scale, width / image.shape[1], height / image.shape[0])
        # scale only the crop: its window in the unscaled picture is (width, height) / scale
        wide = min(image.shape[1], round(width / scale))
        high = min(image.shape[0], round(height / scale))
        left, top = int(rng.integers(image.shape[1] - wide + 1)), int(rng.integers(image.shape[0] - high + 1))
        image, label = image[top : top + high, left : left + wide], label[top : top + high, left : left + wide]
        shrink = cv2.INTER_AREA if wide > width else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (width, height), interpolation=shrink), np.uint8)
        label = np.asarray(
            cv2.resize(label, (width // 2, height // 2), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8
        )
        if self._data.flip and rng.random() < 0.5:
            image, label = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(label[:, ::-1])
        return recoloured(image, rng, self._data.jitter), label


def as_tensor(images: NDArray[np.generic], device: torch.device) -> Tensor:
    """(T, H, W, 3) uint8 -> (T, 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1.0)


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


def _remapped(maps: NDArray[np.generic], clip: Clip, spec: MapSpec) -> NDArray[np.uint8]:
    array = np.asarray(maps, np.uint8)
    if spec.kind != "labels" or clip.spec.schema == spec.schema:
        return array
    if clip.spec.schema is None or spec.schema is None:
        raise RecipeError(f"{clip.name}: label maps without a schema cannot be painted from")
    return np.asarray(clip.spec.schema.remap_table(spec.schema)[array], np.uint8)
