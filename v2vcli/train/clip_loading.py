"""Clips on their way to the device: they wait in host memory as bytes and ids, and are brought over part by part.

Peculiar:
- a map becomes planes only where it is needed: 128 frames of 35 one-hot planes at 2048x1024 would be 38 GB, as ids in
  host memory they are 0.3 GB;
- on a GPU the next part is brought over on a stream of its own, while networks work on the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2vcli.maps.conditioning import map_tensor
from v2vcli.train.drawing import Sample


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """B clips of T frames on a device, or the same stretch of each of them.

    Images are in [-1, 1], maps as `MapSpec` says, flow leads to the frame before, with its confidence.

    Attributes:
        begin: position in the clips of the first frame that is here.
    """

    images_BT3HW: Tensor
    maps_BTCHW: Tensor
    flow_BT2HW: Tensor
    confidence_BT1HW: Tensor
    begin: int = 0

    @property
    def frames(self) -> int:
        """T."""
        return self.images_BT3HW.shape[1]

    def part(self, window: slice, coming: slice | None = None) -> ClipBatch:
        """As `Clips.part`; there is nothing to bring over."""
        images, maps, flow, confidence = (each[:, window] for each in self.tensors())
        return ClipBatch(images, maps, flow, confidence, self.begin + window.start)

    def tensors(self) -> list[Tensor]:
        """The four, in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self) if field.name != "begin"]


class Clips(Protocol):
    """B clips of as many frames. `ClipBatch` and `DrawnClips` follow it."""

    @property
    def frames(self) -> int:
        """Of each clip."""

    def part(self, window: slice, coming: slice | None = None) -> ClipBatch:
        """Some of the frames of every clip, on the device; `coming` is what will be asked for next."""


class DrawnClips:
    """Clips in host memory, as they were drawn."""

    def __init__(
        self,
        samples: Sequence[Sample],
        flows: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
        device: torch.device,
    ) -> None:
        """Hold on to the samples, and to what was found of each: (T, H, W, 2) flow and (T, H, W) confidence."""
        self._samples, self._flows, self._device = samples, flows, device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._ahead: tuple[slice, ClipBatch] | None = None

    @property
    def frames(self) -> int:
        """Of each clip."""
        return len(self._samples[0].images)

    def part(self, window: slice, coming: slice | None = None) -> ClipBatch:
        """See `Clips.part`."""
        found = self._arrived(window) or self._brought(window)
        if self._stream is not None and coming is not None:
            with torch.cuda.stream(self._stream):
                self._ahead = coming, self._brought(coming)
        return found

    def _arrived(self, window: slice) -> ClipBatch | None:
        """What was sent ahead, if it is this."""
        if self._stream is None or self._ahead is None or self._ahead[0] != window:
            return None
        batch, self._ahead = self._ahead[1], None
        here = torch.cuda.current_stream(self._device)
        here.wait_stream(self._stream)
        for tensor in batch.tensors():
            tensor.record_stream(here)  # or its memory could be given away while it is still read here
        return batch

    def _brought(self, window: slice) -> ClipBatch:
        return ClipBatch(
            torch.stack([as_tensor(sample.images[window], self._device) for sample in self._samples]),
            torch.stack([map_tensor(sample.maps[window], self._device) for sample in self._samples]),
            torch.stack([on_device(flow[window], self._device).permute(0, 3, 1, 2) for flow, _ in self._flows]),
            torch.stack([on_device(confidence[window], self._device)[:, None] for _, confidence in self._flows]),
            begin=window.start,
        )


def as_tensor(images: NDArray[np.generic], device: torch.device) -> Tensor:
    """(T, H, W, 3) uint8 -> (T, 3, H, W) float32 in [-1, 1]."""
    return on_device(images, device).permute(0, 3, 1, 2).float().div(127.5).sub(1.0)


def on_device(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """The array on a device; to a GPU without waiting for it."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
