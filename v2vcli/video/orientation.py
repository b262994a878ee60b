"""Rotation and mirroring that a container asks for with a display matrix.

The matrix is the one of ISO 14496-12 (``tkhd``): nine int32, 16.16 fixed point, row-vector convention, so that a stored
pixel (x, y) is shown at (a x + c y, b x + d y) up to a shift. Cameras only ever write quarter turns and mirrors; those
are applied exactly by swapping axes. Anything else (all zeros, 30 degrees) is left alone, as players do.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Orientation:
    """A quarter turn and/or a mirror: first swap the axes if ``transpose``, then flip left-right, then top-bottom."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def from_matrix(cls, matrix: bytes) -> Orientation:
        """Read a 36-byte native-endian display matrix; one that is no quarter turn or mirror counts as upright."""
        if len(matrix) != 36:
            return cls()
        a, b, _, c, d = (int(v) for v in np.frombuffer(matrix, np.int32)[:5])
        if a and d and abs(b) < abs(a) // 64 + 1 and abs(c) < abs(d) // 64 + 1:
            return cls(False, a < 0, d < 0)
        if b and c and abs(a) < abs(b) // 64 + 1 and abs(d) < abs(c) // 64 + 1:
            return cls(True, c < 0, b < 0)
        return cls()

    @property
    def rotation(self) -> int:
        """Degrees clockwise; if there is a mirror too, those that follow a left-right mirror."""
        turns = {
            (False, False, False): 0,
            (True, True, False): 90,
            (False, True, True): 180,
            (True, False, True): 270,
            (False, True, False): 0,
            (True, True, True): 90,
            (False, False, True): 180,
            (True, False, False): 270,
        }
        return turns[self.transpose, self.flip_x, self.flip_y]

    def apply(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Turn a stored (H, W, 3) picture the way it is to be shown."""
        if self.transpose:
            image = image.transpose(1, 0, 2)
        if self.flip_x:
            image = image[:, ::-1]
        if self.flip_y:
            image = image[::-1]
        return np.ascontiguousarray(image)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Display (width, height) of a stored picture of this size."""
        return (height, width) if self.transpose else (width, height)

    def sample_aspect(self, stored: Fraction) -> Fraction:
        """Aspect of a pixel as shown."""
        return 1 / stored if self.transpose else stored
