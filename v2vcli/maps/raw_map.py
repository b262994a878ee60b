"""A map as it lies in a file, before anybody has asked whether it fits a model."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RawMap:
    """One picture of a map file or folder.

    Attributes:
        array: (H, W) uint8 values (ids, or edges), or (H, W, 3) uint8 RGB.
        where: File and frame, for messages.
        pts: Seconds, exact, or None where the file does not say.
        instances: (H, W) int32 or None.
    """

    array: NDArray[np.uint8]
    where: str
    pts: Fraction | None = None
    instances: NDArray[np.int32] | None = None
