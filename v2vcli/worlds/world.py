"""What every procedural world hands out: one frame with everything that is known about it exactly.

A world is a pure function of ``(seed, width, height, rate)`` and of the frame index, so frames may be asked for in
any order and two runs give the same bytes. Flow goes *backwards*: ``flow`` at ``(x, y)`` of the current frame points
to where the same bit of surface was in the previous frame, the convention of the generator's warp: ``warped(x, y) =
previous(x + u, y + v)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, slots=True)
class WorldFrame:
    """One rendered frame; parts that a world does not know are None.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        flow: (H, W, 2) float32, pixels (u, v) to the previous frame, on this frame's grid; zero for frame 0.
        valid: (H, W) bool, where the flow ends on the same surface, seen in the previous frame; all True for frame 0.
        index: frame number.
        labels: (H, W) uint8 Cityscapes-19 train ids, 255 void.
        instances: (H, W) int32, 0 for none, the same id for the same object in every frame.
        depth: (H, W) float32 metres along the optical axis, inf for the sky.
        landmarks: (68, 2) float32 pixels, iBUG order.
    """

    image: Array
    flow: Array
    valid: Array
    index: int
    labels: Array | None = None
    instances: Array | None = None
    depth: Array | None = None
    landmarks: Array | None = None

    @property
    def occlusion(self) -> Array:
        """(H, W) bool, True where the previous frame does not show what this pixel shows."""
        return ~self.valid


class World(Protocol):
    """Anything that renders frames by index."""

    seed: int
    width: int
    height: int
    rate: Fraction

    def frame(self, index: int) -> WorldFrame:
        """Render frame ``index`` (0-based; time is ``index / rate`` seconds)."""
        ...


def warp_backward(picture: Array, flow: Array, *, nearest: bool = False) -> Array:
    """Fetch ``picture(x + u, y + v)`` for every pixel: the previous frame seen on the current grid.

    Args:
        picture: (H, W) or (H, W, C), any type that OpenCV remaps.
        flow: (H, W, 2) float32 pixels.
        nearest: take the nearest pixel (labels) in place of bilinear interpolation; edges repeat.
    """
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32)[None, :] + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    mode = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    return cv2.remap(picture, x, y, mode, borderMode=cv2.BORDER_REPLICATE)


def agreeing_neighbours(flow: Array, surface: Array, previous_surface: Array) -> Array:
    """(H, W) bool: the flow stays inside the picture and all four pixels it would blend show this pixel's surface.

    Args:
        flow: (H, W, 2) float32 pixels.
        surface: (H, W) integer ids of what each pixel shows now.
        previous_surface: the same for the previous frame.
    """
    height, width = surface.shape
    x = np.arange(width, dtype=np.float32)[None, :] + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    # A hair of slack: a resting pixel's flow is 1e-6, and must not be said to leave the picture or to need a neighbour.
    slack = np.float32(0.02)
    inside = (x > -slack) & (y > -slack) & (x < width - 1 + slack) & (y < height - 1 + slack)
    x0 = np.clip(np.floor(x + slack), 0, width - 1).astype(np.intp)
    x1 = np.clip(np.ceil(x - slack), 0, width - 1).astype(np.intp)
    y0 = np.clip(np.floor(y + slack), 0, height - 1).astype(np.intp) * width
    y1 = np.clip(np.ceil(y - slack), 0, height - 1).astype(np.intp) * width
    flat = np.ascontiguousarray(previous_surface).ravel()
    result: Array = inside
    for row in (y0, y1):
        for column in (x0, x1):
            result = result & (flat.take(row + column) == surface)
    return result
