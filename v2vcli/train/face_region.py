"""Where the face is in a pose map: the box that the face discriminator looks at.

Peculiar: read off the map, not detected. One box serves the whole batch, since crops have to be of one size and a
chunk's frames show one person a moment apart. A box larger than the picture is cut down to it (the reference's
wraps around).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

HEAD_ABOVE = 0.9
"""DensePose's part plane is (part / 24 - 0.5) / 0.5: its two head parts, 23 and 24, are those above."""
PART_PLANE = 2
"""Where a six-channel pose map holds DensePose's part ids; OpenPose's drawing comes after it."""
NOSE_TO_NECK = (0.2, -1.0, -0.6)
"""Colour in [-1, 1] of the limb that OpenPose's drawing has in the face, for pose maps without DensePose."""
COLOUR_TOLERANCE = 0.01


@dataclass(frozen=True)
class FaceRegion:
    """A box in pixels, half open: rows [top, bottom), columns [left, right)."""

    top: int
    bottom: int
    left: int
    right: int

    def crop(self, images: Tensor) -> Tensor:
        """(..., H, W) -> (..., bottom - top, right - left)."""
        return images[..., self.top : self.bottom, self.left : self.right]


def face_region(maps_NCHW: Tensor, fine_size: int) -> FaceRegion | None:
    """The square around the faces of all N pose maps; None where there is none.

    Args:
        maps_NCHW: pose maps in [-1, 1], 6 channels (DensePose, OpenPose) or 3 (OpenPose alone).
        fine_size: the side training crops to; the box's side is a quarter of it, in steps of 8 pixels.
    """
    if maps_NCHW.shape[1] > 3:
        found = maps_NCHW[:, PART_PLANE] > HEAD_ABOVE
    else:
        colour = maps_NCHW.new_tensor(NOSE_TO_NECK)[:, None, None]
        found = ((maps_NCHW - colour).abs() < COLOUR_TOLERANCE).all(1)
    _, rows, columns = torch.nonzero(found, as_tuple=True)
    if not len(rows):
        return None
    side = fine_size // 32 * 8
    height, width = maps_NCHW.shape[-2:]
    return FaceRegion(*_span(rows, side, height), *_span(columns, side, width))


def _span(positions: Tensor, side: int, size: int) -> tuple[int, int]:
    """`side` pixels around the middle of all positions, moved to lie inside [0, size)."""
    side = min(side, size)
    centre = (int(positions.min()) + int(positions.max())) // 2
    start = min(max(centre - side // 2, 0), size - side)
    return start, start + side
