"""What a painted sequence remembers, as a value.

Peculiar: every spatial scale of a generator keeps its own history, of what that scale painted: the coarse history is
not the fine one made smaller (only where a sequence starts is it). Maps are remembered at the finest scale alone,
since the coarser ones follow from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from v2vcli.maps.conditioning import pyramid


class Painted(Protocol):
    """What a step of a generator gives."""

    @property
    def frames(self) -> Sequence[Tensor]:
        """The frame at every scale, coarsest first."""


@dataclass(frozen=True, eq=False)
class PastFrames:
    """The last K frames of B sequences and their maps, oldest first.

    Attributes:
        images_BK3HW: the painted frames in [-1, 1], one tensor for each scale, coarsest first.
        maps_BKCHW: the maps they were painted from, at the finest scale.
        painted: whether there is a frame to warp; a blank past has none, and the next frame is hallucinated.
    """

    images_BK3HW: tuple[Tensor, ...]
    maps_BKCHW: Tensor
    painted: bool = True

    @classmethod
    def starting(cls, images_BK3HW: Tensor, maps_BKCHW: Tensor, scales: int = 1) -> PastFrames:
        """The past of sequences of which K frames and maps exist at the finest of `scales` scales."""
        return cls(tuple(reversed(pyramid(images_BK3HW, scales))), maps_BKCHW)

    @classmethod
    def blank(cls, maps_BKCHW: Tensor, scales: int = 1) -> PastFrames:
        """The past of sequences of which no frame exists: zeros (mid grey), which are never warped."""
        nothing = torch.zeros_like(maps_BKCHW[:, :, :1]).expand(-1, -1, 3, -1, -1)
        return replace(cls.starting(nothing, maps_BKCHW, scales), painted=False)

    def after_maps(self, maps_BNCHW: Tensor) -> PastFrames:
        """The same frames, with N more maps seen."""
        return replace(self, maps_BKCHW=torch.cat((self.maps_BKCHW, maps_BNCHW), 1)[:, maps_BNCHW.shape[1] :])

    def after_frames(self, frames_B3HW: Sequence[Tensor]) -> PastFrames:
        """The same maps, with one more frame painted at every scale (coarsest first) and the oldest forgotten."""
        images = tuple(
            torch.cat((history, frame[:, None]), 1)[:, 1:]
            for history, frame in zip(self.images_BK3HW, frames_B3HW, strict=True)
        )
        return replace(self, images_BK3HW=images, painted=True)

    def after(self, output: Painted) -> PastFrames:
        """`after_frames`, of the output of a step."""
        return self.after_frames(output.frames)

    def detached(self) -> PastFrames:
        """The same numbers, with no way back for gradients."""
        return self.changed(Tensor.detach)

    def changed(self, change: Callable[[Tensor], Tensor]) -> PastFrames:
        """The same maps, and images that `change` made of these: (B, K, 3, H, W) each -> the same shape."""
        return replace(self, images_BK3HW=tuple(change(images) for images in self.images_BK3HW))
