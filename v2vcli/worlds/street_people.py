"""People on foot and on bicycles, as capsules and ellipsoids that swing with their steps.

The joints are computed for now and for one frame earlier, so each limb knows how both of its ends moved.
"""

from __future__ import annotations

import math

from v2vcli.worlds.raycast import Solid
from v2vcli.worlds.street_objects import BICYCLE, PARTS, PERSON, RIDER, Colour, Material, Point


def person(
    number: int,
    at: Point,
    before: Point,
    heading: int,
    phase: tuple[float, float],
    colours: tuple[Colour, Colour, Colour, Colour],
    height: float,
    *,
    label: int = PERSON,
    far: bool = False,
) -> list[Solid]:
    """A walking person; ``phase``: step angle (now, a frame ago); colours: (top, trousers, skin, hair)."""
    top, trousers, skin, hair = colours
    key, s = number * PARTS, height / 1.75

    def joints(base: Point, turn: float) -> list[Point]:
        x, y, z = base
        swing = math.sin(turn) * 0.32 * s * heading
        bob = 0.02 * math.cos(2 * turn) * s
        hip, shoulder = y + (0.9 + bob) * s, y + (1.42 + bob) * s
        points: list[Point] = []
        for side, way in ((-1, 1), (1, -1)):
            points += [
                (x + side * 0.1 * s, hip, z),
                (x + side * 0.1 * s, y + 0.07 * s + max(0.0, -way * math.cos(turn)) * 0.08, z + way * swing),
            ]
        points += [(x, hip + 0.05, z), (x, shoulder - 0.1 * s, z)]
        for side, way in ((-1, -1), (1, 1)):
            points += [
                (x + side * 0.23 * s, shoulder - 0.06, z),
                (x + side * 0.27 * s, hip + 0.02, z + way * swing * 0.7),
            ]
        points += [(x, y + (1.62 + bob) * s, z + 0.02 * heading)]
        return points

    now, then = joints(at, phase[0]), joints(before, phase[1])

    def shift(k: int) -> Point:
        return then[k][0] - now[k][0], then[k][1] - now[k][1], then[k][2] - now[k][2]

    def limb(a: int, b: int, radius: float, colour: Colour, part: int) -> Solid:
        p, q = now[a], now[b]
        axis = (q[0] - p[0], q[1] - p[1], q[2] - p[2])
        return Solid(
            "capsule", p, axis, Material.CLOTH, key + part, label, number, colour, shift(a), shift(b), radius * s
        )

    solids = [limb(0, 1, 0.085, trousers, 0), limb(2, 3, 0.085, trousers, 1), limb(4, 5, 0.175, top, 2)]
    if not far:
        solids += [limb(6, 7, 0.055, top, 3), limb(8, 9, 0.055, top, 4)]
    x, y, z = now[10]
    solids.append(
        Solid(
            "ellipsoid",
            (x, y, z),
            (0.095 * s, 0.125 * s, 0.11 * s),
            Material.CLOTH,
            key + 5,
            label,
            number,
            skin,
            shift(10),
        )
    )
    solids.append(
        Solid(
            "ellipsoid",
            (x, y + 0.045 * s, z - 0.025 * heading),
            (0.108 * s, 0.11 * s, 0.115 * s),
            Material.CLOTH,
            key + 6,
            label,
            number,
            hair,
            shift(10),
        )
    )
    return solids


def cyclist(
    number: int,
    at: Point,
    before: Point,
    heading: int,
    phase: tuple[float, float],
    colours: tuple[Colour, Colour, Colour, Colour],
) -> list[Solid]:
    """A rider (label rider) on a bicycle (label bicycle, its own instance ``number + 1``)."""
    top, trousers, skin, hair = colours
    x, y, z = at
    moved = (before[0] - x, before[1] - y, before[2] - z)
    key, bike = number * PARTS, (number + 1) * PARTS
    dark: Colour = (0.08, 0.08, 0.09)
    solids = []
    for part, end in enumerate((-1, 1)):
        solids.append(
            Solid(
                "ellipsoid",
                (x, y + 0.34, z + end * 0.52),
                (0.03, 0.34, 0.34),
                Material.WHEEL,
                bike + part,
                BICYCLE,
                number + 1,
                dark,
                moved,
                detail=(0.0, 1.0, 0.0, 0.0),
            )
        )
    for part, (a, b) in enumerate(
        (
            ((0.0, 0.36, -0.5), (0.0, 0.85, -0.12)),
            ((0.0, 0.85, -0.12), (0.0, 0.95, 0.4)),
            ((0.0, 0.34, 0.52), (0.0, 1.05, 0.38)),
        )
    ):
        p = (x + a[0], y + a[1], z + a[2] * heading)
        axis = (b[0] - a[0], b[1] - a[1], (b[2] - a[2]) * heading)
        solids.append(
            Solid("capsule", p, axis, Material.METAL, bike + 2 + part, BICYCLE, number + 1, top, moved, moved, 0.025)
        )
    for part, side in enumerate((-1, 1)):

        def foot(turn: float, side: int = side) -> tuple[float, float]:
            return 0.32 + 0.14 * math.sin(turn + side * math.pi / 2), 0.14 * math.cos(turn + side * math.pi / 2)

        (fy, fz), (py, pz) = foot(phase[0]), foot(phase[1])
        p = (x + side * 0.09, y + 0.95, z - 0.15 * heading)
        axis = (0.0, fy - 0.95, (fz + 0.15) * heading)
        late = (moved[0], moved[1] + py - fy, moved[2] + (pz - fz) * heading)
        solids.append(
            Solid("capsule", p, axis, Material.CLOTH, key + part, RIDER, number, trousers, moved, late, 0.075)
        )
    solids.append(
        Solid(
            "capsule",
            (x, y + 1.0, z - 0.14 * heading),
            (0.0, 0.42, 0.24 * heading),
            Material.CLOTH,
            key + 2,
            RIDER,
            number,
            top,
            moved,
            moved,
            0.16,
        )
    )
    for part, side in enumerate((-1, 1)):
        solids.append(
            Solid(
                "capsule",
                (x + side * 0.2, y + 1.4, z + 0.08 * heading),
                (0.0, -0.36, 0.32 * heading),
                Material.CLOTH,
                key + 3 + part,
                RIDER,
                number,
                top,
                moved,
                moved,
                0.05,
            )
        )
    solids.append(
        Solid(
            "ellipsoid",
            (x, y + 1.67, z + 0.16 * heading),
            (0.1, 0.13, 0.12),
            Material.CLOTH,
            key + 5,
            RIDER,
            number,
            skin,
            moved,
        )
    )
    solids.append(
        Solid(
            "ellipsoid",
            (x, y + 1.73, z + 0.14 * heading),
            (0.12, 0.1, 0.14),
            Material.CLOTH,
            key + 6,
            RIDER,
            number,
            hair,
            moved,
        )
    )
    return solids
