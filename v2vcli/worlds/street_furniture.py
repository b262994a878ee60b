"""What stands in a street: trees, lamps, traffic lights, signs, and the roofs of houses."""

from __future__ import annotations

import math

import numpy as np

from v2vcli.worlds.raycast import Solid
from v2vcli.worlds.street_objects import (
    BUILDING,
    LIGHT,
    PARTS,
    POLE,
    SIGN,
    VEGETATION,
    Colour,
    Material,
    Point,
    half_spaces,
)


def tree(
    number: int, at: Point, height: float, spread: float, colour: Colour, rng: np.random.Generator, *, far: bool
) -> list[Solid]:
    """A trunk and a crown of leafy balls."""
    x, y, z = at
    key = number * PARTS
    trunk = height * 0.42
    solids = [
        Solid(
            "capsule",
            (x, y, z),
            (0.0, trunk + 0.4, 0.0),
            Material.BARK,
            key,
            VEGETATION,
            0,
            (0.30, 0.23, 0.17),
            radius=0.11 + 0.012 * height,
        )
    ]
    balls = 3 if far else 6
    places = rng.uniform(-1, 1, (6, 3))
    sizes = rng.uniform(0.8, 1.1, 6)
    for k in range(balls):
        r = spread * (0.72 if k else 0.95) * sizes[k] * (1.25 if far and k else 1.0)
        centre = (
            x + places[k, 0] * spread * 0.62 * (k > 0),
            y + trunk + spread * 0.75 + places[k, 1] * spread * 0.6 * (k > 0),
            z + places[k, 2] * spread * 0.62 * (k > 0),
        )
        tint = 1 + 0.12 * places[k, 1]
        shade = (colour[0] * tint, colour[1] * tint, colour[2] * tint)
        solids.append(
            Solid(
                "ellipsoid",
                centre,
                (r, r * 0.86, r),
                Material.LEAVES,
                key + 1 + k,
                VEGETATION,
                0,
                shade,
                detail=(1.0, places[k, 0] * 31, 0, 0),
            )
        )
    return solids


def pole(number: int, at: Point, height: float, radius: float, colour: Colour) -> Solid:
    """A straight post."""
    return Solid("capsule", at, (0.0, height, 0.0), Material.METAL, number * PARTS, POLE, 0, colour, radius=radius)


def lamp_post(number: int, at: Point, height: float, inward: float, colour: Colour) -> list[Solid]:
    """A street light with an arm over the road."""
    x, y, z = at
    key = number * PARTS
    arm = Solid(
        "capsule", (x, y + height, z), (inward, 0.25, 0.0), Material.METAL, key + 1, POLE, 0, colour, radius=0.05
    )
    head = Solid(
        "ellipsoid",
        (x + inward * 1.15, y + height + 0.22, z),
        (0.34, 0.09, 0.16),
        Material.METAL,
        key + 2,
        POLE,
        0,
        (0.75, 0.75, 0.72),
    )
    return [pole(number, at, height, 0.075, colour), arm, head]


def traffic_light(number: int, at: Point, phase: int, toward: int) -> list[Solid]:
    """A signal box on a post; ``phase`` 0 red, 1 amber, 2 green; ``toward`` -1 faces the camera."""
    x, y, z = at
    key = number * PARTS
    box = Solid(
        "hull",
        (x, y + 3.0, z + toward * 0.12),
        (0.17, 0.48, 0.13),
        Material.LAMPS,
        key + 1,
        LIGHT,
        0,
        (0.06, 0.06, 0.065),
        detail=(float(phase), float(toward), 0, 0),
    )
    return [pole(number, at, 3.4, 0.06, (0.28, 0.29, 0.30)), box]


def traffic_sign(number: int, at: Point, shape: int, toward: int) -> list[Solid]:
    """A round (0), triangular (1), square (2) or octagonal (3) sign on a post."""
    x, y, z = at
    r = 0.36
    if shape in (0, 3):
        n = 8 if shape == 3 else 16
        rows = [
            (math.cos(2 * math.pi * (k + 0.5) / n), math.sin(2 * math.pi * (k + 0.5) / n), 0.0, r) for k in range(n)
        ]
    elif shape == 1:
        rows = [
            (0.0, -1.0, 0.0, r * 0.6),
            (math.cos(math.pi / 6), math.sin(math.pi / 6), 0.0, r * 0.6),
            (-math.cos(math.pi / 6), math.sin(math.pi / 6), 0.0, r * 0.6),
        ]
    else:
        rows = [
            (1.0, 0.0, 0.0, r * 0.85),
            (-1.0, 0.0, 0.0, r * 0.85),
            (0.0, 1.0, 0.0, r * 0.85),
            (0.0, -1.0, 0.0, r * 0.85),
        ]
    rows += [(0.0, 0.0, 1.0, 0.02), (0.0, 0.0, -1.0, 0.02)]
    plate = Solid(
        "hull",
        (x, y + 2.5, z + toward * 0.08),
        (0.75, 0.75, 0.03),
        Material.SIGN,
        number * PARTS + 1,
        SIGN,
        0,
        (0.9, 0.9, 0.9),
        planes=half_spaces(rows),
        detail=(float(shape), float(toward), r, 0),
    )
    return [pole(number, at, 2.9, 0.035, (0.55, 0.56, 0.58)), plate]


def gable(number: int, part: int, centre: Point, size: Point, colour: Colour, *, along: bool) -> Solid:
    """A pitched roof: a prism of half extents ``size`` whose ridge runs along Z (``along``) or X."""
    hx, hy, hz = size
    rise = 2 * hy
    if along:
        rows = [
            (rise, hx, 0.0, hx * hy),
            (-rise, hx, 0.0, hx * hy),
            (0.0, -1.0, 0.0, hy),
            (0.0, 0.0, 1.0, hz),
            (0.0, 0.0, -1.0, hz),
        ]
    else:
        rows = [
            (0.0, hz, rise, hz * hy),
            (0.0, hz, -rise, hz * hy),
            (0.0, -1.0, 0.0, hy),
            (1.0, 0.0, 0.0, hx),
            (-1.0, 0.0, 0.0, hx),
        ]
    return Solid(
        "hull",
        centre,
        size,
        Material.ROOF,
        number * PARTS + part,
        BUILDING,
        0,
        colour,
        planes=half_spaces(rows),
        detail=(float(along), 0, 0, 0),
    )
