"""Flow networks as teachers: any size of frame, and how far to believe the flow. Torch, on any device.

What is peculiar:

- Flow networks want sides that are multiples of some number (RAFT 8, and at least 128; FlowNet2 64). `FlowTeacher`
  resizes the frames to the nearest such size below, and brings flow and confidence back: each component of the flow
  grows with its own side, and the confidence is fractional where its border is interpolated.
- With ``reference_quirks`` it is the reference's wrapper instead: it looks at the height alone to decide whether to
  resize, and scales both components by the heights.
- `train/flow.py` has the teacher that needs no weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor
from torch.nn import functional as F

from v2vcli.errors import UsageError
from v2vcli.maps.over_time.flow import CONFIDENCE_LIMIT
from v2vcli.models.warp import warp

FlowNetwork: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(current, previous), each (N, 3, H, W) in [-1, 1] -> (N, 2, H, W): flow from current to previous, in pixels."""


def squared_residual(current: Tensor, previous: Tensor, flow: Tensor) -> Tensor:
    """Squared distance between each pixel and the one that the flow finds, summed over channels.

    Args:
        current: (N, C, H, W) in [-1, 1].
        previous: (N, C, H, W) in [-1, 1].
        flow: (N, 2, H, W) pixels, from current to previous.

    Returns:
        (N, 1, H, W).
    """
    return (current - warp(previous, flow)).square().sum(dim=1, keepdim=True)


def flow_confidence(current: Tensor, previous: Tensor, flow: Tensor) -> Tensor:
    """Where the flow is believed: 1 where `squared_residual` is below 0.02, else 0; (N, 1, H, W) float."""
    return (squared_residual(current, previous, flow) < CONFIDENCE_LIMIT).to(current.dtype)


@dataclass(frozen=True)
class FlowTeacher:
    """A flow network for frames of any size.

    Attributes:
        network: The network, or any function that is called like one.
        multiple: What both sides must be multiples of.
        least: The shortest side that it takes.
        reference_quirks: See the top of the module.

    Raises:
        UsageError: `least` is no multiple of `multiple`.
    """

    network: FlowNetwork
    multiple: int = 64
    least: int = 64
    reference_quirks: bool = False

    def __post_init__(self) -> None:
        if self.multiple < 1 or self.least < self.multiple or self.least % self.multiple:
            raise UsageError(f"a flow network's least side {self.least} is no multiple of {self.multiple}")

    def __call__(self, current: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        """Flow from the current frames to the previous ones, and how far to believe it.

        Args:
            current: (N, 3, H, W) in [-1, 1].
            previous: (N, 3, H, W) in [-1, 1].

        Returns:
            flow (N, 2, H, W) in pixels, and confidence (N, 1, H, W) in [0, 1].
        """
        height, width = current.shape[-2:]
        inner_height, inner_width = self._side(height), self._side(width)
        fits = inner_height == height and (inner_width == width or self.reference_quirks)
        if not fits:
            current, previous = (_resized(frame, inner_height, inner_width) for frame in (current, previous))
        flow = self.network(current, previous)
        confidence = flow_confidence(current, previous, flow)
        if fits:
            return flow, confidence
        down = height / inner_height
        across = down if self.reference_quirks else width / inner_width
        flow = _resized(flow, height, width) * flow.new_tensor((across, down))[:, None, None]
        return flow, _resized(confidence, height, width)

    def _side(self, length: int) -> int:
        return max(length // self.multiple * self.multiple, self.least)


def _resized(x: Tensor, height: int, width: int) -> Tensor:
    """Bilinear, not corner-aligned."""
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False)
