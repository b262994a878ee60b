"""What the things of a street have in common: materials, labels, object numbers, and planes of leaning blocks.

An object has a number; each of its solids is a part, and ``number * PARTS + part`` is its key, stable over time, by
which instances are followed and occlusion is told.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[Any]
Colour = tuple[float, float, float]
Point = tuple[float, float, float]
PARTS = 32


class Material(IntEnum):
    """What paints a solid."""

    PLAIN = 0
    FACADE = 1
    ROOF = 2
    PAVEMENT = 3
    GRASS = 4
    LEAVES = 5
    BARK = 6
    CAR_BODY = 7
    CAR_GLASS = 8
    WHEEL = 9
    CLOTH = 10
    METAL = 11
    SIGN = 12
    LAMPS = 13
    HEDGE = 14
    FENCE = 15
    BUS = 16


# Cityscapes-19 train ids.
ROAD, SIDEWALK, BUILDING, WALL, FENCE, POLE, LIGHT, SIGN, VEGETATION, TERRAIN, SKY = range(11)
PERSON, RIDER, CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE = range(11, 19)


def half_spaces(points: list[tuple[float, float, float, float]]) -> Planes:
    """Normalise (nx, ny, nz, offset) rows; the offset is kept as the distance of the plane from the centre."""
    table = np.array(points, np.float64)
    length = np.linalg.norm(table[:, :3], axis=1, keepdims=True)
    out: Planes = table / length
    return out


def leaning_block(
    hx: float, hy: float, front: float, back: float, top_front: float, top_back: float, side_taper: float
) -> Planes:
    """A block whose ends and sides lean: z is -back to front at the bottom, -top_back to top_front at the top."""
    rise = 2 * hy
    rows = [
        (-rise, side_taper, 0, hx * rise - side_taper * hy),
        (rise, side_taper, 0, hx * rise - side_taper * hy),
        (0, -1, 0, hy),
        (0, 1, 0, hy),
        (0, back - top_back, -rise, rise * back - (back - top_back) * hy),
        (0, front - top_front, rise, rise * front - (front - top_front) * hy),
    ]
    return half_spaces(rows)
