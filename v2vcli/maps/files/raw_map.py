"""A map as it lies in a file, before anybody has asked whether it fits a model."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.maps.drawn.keypoints import Points


@dataclass(frozen=True, eq=False)
class RawMap:
    """One picture of a map file or folder.

    Attributes:
        array: (H, W) uint8 values (ids, or edges), or (H, W, 3) uint8 RGB; of stored maps, what `MapFrame.array` was.
        where: File and frame, for messages.
        pts: Seconds, exact, or None where the file does not say.
        instances: (H, W) int32 or None.
        keypoints: As `MapFrame.keypoints`, or None.
    """

    array: NDArray[Any]
    where: str
    pts: Fraction | None = None
    instances: NDArray[np.int32] | None = None
    keypoints: Points | None = None
