"""The things that stand, drive and walk in a street, as lists of analytic solids.

Every function takes where the thing is now and how far it was moved from one frame earlier, and gives each part a key that is
stable over time, so that instances can be followed and occlusion can be told.
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np

from v2vcli.worlds.raycast import Solid

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


def _planes(points: list[tuple[float, float, float, float]]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Normalise (nx, ny, nz, offset) rows; the offset is kept as the distance of the plane from the centre."""
    table = np.array(points, np.float64)
    length = np.linalg.norm(table[:, :3], axis=1, keepdims=True)
    return table / length


def _tapered(hx: float, hy: float, front: float, back: float, top_front: float, top_back: float, side_taper: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A block whose ends and sides lean: z runs from -back to front at the bottom, -top_back to top_front at the top."""
    rise = 2 * hy
    rows = [
        (-rise, side_taper, 0, hx * rise - side_taper * hy),
        (rise, side_taper, 0, hx * rise - side_taper * hy),
        (0, -1, 0, hy),
        (0, 1, 0, hy),
        (0, back - top_back, -rise, rise * back - (back - top_back) * hy),
        (0, front - top_front, rise, rise * front - (front - top_front) * hy),
    ]
    return _planes(rows)


def car(number: int, at: Point, moved: Point, heading: int, colour: Colour, style: float, *, far: bool, braking: bool = False) -> list[Solid]:
    """A car on the ground at ``at`` (centre of its footprint), driving along +Z (heading 1) or -Z (-1)."""
    x, y, z = at
    estate, tall = style > 0.55, 0.16 if style > 0.8 else 0.0
    length, width = 2.05 + 0.25 * style, 0.88
    key, h = number * PARTS, heading

    def flip(table: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        if h < 0:
            table = table.copy()
            table[:, 2] *= -1
        return table

    body_hy = 0.33 + 0.5 * tall
    body = _tapered(width, body_hy, length, length - 0.02, length - 0.16, length - 0.1, 0.05)
    # The bonnet slopes down to the front.
    body = np.concatenate((body, _planes([(0, 1.0, 0.16, body_hy - 0.0 + 0.16 * 0.75)])))
    body_y = y + 0.27 + body_hy
    top = body_y + body_hy
    cabin_hy = 0.27 + 0.3 * tall
    cabin_front, cabin_back = 0.75, (length - 0.22 if estate else length - 0.72)
    half_z = 0.5 * (cabin_front + cabin_back)
    shift = 0.5 * (cabin_front - cabin_back) * h
    cabin = _tapered(width - 0.06, cabin_hy, half_z, half_z, half_z - 0.62, half_z - (0.18 if estate else 0.45), 0.17)
    lamp = 1.0 if braking else 0.0
    solids = [
        Solid("hull", (x, body_y, z), (width, body_hy, length), Material.CAR_BODY, key, CAR, number, colour, moved, planes=flip(body), detail=(float(h), length, lamp, style)),
        Solid("hull", (x, top + cabin_hy - 0.01, z + shift), (width - 0.06, cabin_hy, half_z), Material.CAR_GLASS, key + 1, CAR, number, colour, moved, planes=flip(cabin), detail=(float(h), half_z, cabin_hy, style)),
    ]
    part = 2
    for side in (-1, 1):
        for end in (-1, 1):
            if not far:
                centre = (x + side * (width - 0.08), y + 0.32, z + end * (length - 0.72))
                solids.append(Solid("ellipsoid", centre, (0.13, 0.32, 0.32), Material.WHEEL, key + part, CAR, number, (0.05, 0.05, 0.055), moved))
            part += 1
    return solids


def van(number: int, at: Point, moved: Point, heading: int, colour: Colour, kind: int) -> list[Solid]:
    """A bus or a box truck (``kind`` is its label)."""
    x, y, z = at
    key = number * PARTS
    length, height = (5.2, 1.4) if kind == BUS else (3.6, 1.35)
    solids = [Solid("hull", (x, y + 0.35 + height, z), (1.22, height, length), Material.BUS, key, kind, number, colour, moved, detail=(float(heading), length, height, float(kind == BUS)))]
    if kind == TRUCK:
        cab = _tapered(1.05, 0.95, 0.8, 0.8, 0.6, 0.75, 0.08)
        if heading < 0:
            cab[:, 2] *= -1
        solids.append(Solid("hull", (x, y + 1.35, z + heading * (length + 0.75)), (1.05, 0.95, 0.8), Material.CAR_GLASS, key + 1, kind, number, (0.75, 0.75, 0.78), moved, planes=cab, detail=(float(heading), 0.8, 0.95, 0.2)))
    for part, (side, end) in enumerate(((-1, -1), (-1, 1), (1, -1), (1, 1))):
        centre = (x + side * 1.12, y + 0.45, z + end * (length - 1.0))
        solids.append(Solid("ellipsoid", centre, (0.16, 0.45, 0.45), Material.WHEEL, key + 2 + part, kind, number, (0.05, 0.05, 0.055), moved))
    return solids


def person(
    number: int, at: Point, before: Point, heading: int, phase: tuple[float, float], colours: tuple[Colour, Colour, Colour, Colour], height: float, *, label: int = PERSON, far: bool = False
) -> list[Solid]:
    """A walking person; ``phase`` = (now, one frame earlier) of the step, radians; colours = (top, trousers, skin, hair)."""
    top, trousers, skin, hair = colours
    key, s = number * PARTS, height / 1.75

    def joints(base: Point, turn: float) -> list[Point]:
        x, y, z = base
        swing = math.sin(turn) * 0.32 * s * heading
        bob = 0.02 * math.cos(2 * turn) * s
        hip, shoulder = y + (0.9 + bob) * s, y + (1.42 + bob) * s
        points: list[Point] = []
        for side, way in ((-1, 1), (1, -1)):
            points += [(x + side * 0.1 * s, hip, z), (x + side * 0.1 * s, y + 0.07 * s + max(0.0, -way * math.cos(turn)) * 0.08, z + way * swing)]
        points += [(x, hip + 0.05, z), (x, shoulder - 0.1 * s, z)]
        for side, way in ((-1, -1), (1, 1)):
            points += [(x + side * 0.23 * s, shoulder - 0.06, z), (x + side * 0.27 * s, hip + 0.02, z + way * swing * 0.7)]
        points += [(x, y + (1.62 + bob) * s, z + 0.02 * heading)]
        return points

    now, then = joints(at, phase[0]), joints(before, phase[1])

    def shift(k: int) -> Point:
        return then[k][0] - now[k][0], then[k][1] - now[k][1], then[k][2] - now[k][2]

    def limb(a: int, b: int, radius: float, colour: Colour, part: int) -> Solid:
        p, q = now[a], now[b]
        axis = (q[0] - p[0], q[1] - p[1], q[2] - p[2])
        return Solid("capsule", p, axis, Material.CLOTH, key + part, label, number, colour, shift(a), shift(b), radius * s)

    solids = [limb(0, 1, 0.085, trousers, 0), limb(2, 3, 0.085, trousers, 1), limb(4, 5, 0.175, top, 2)]
    if not far:
        solids += [limb(6, 7, 0.055, top, 3), limb(8, 9, 0.055, top, 4)]
    x, y, z = now[10]
    solids.append(Solid("ellipsoid", (x, y, z), (0.095 * s, 0.125 * s, 0.11 * s), Material.CLOTH, key + 5, label, number, skin, shift(10)))
    solids.append(Solid("ellipsoid", (x, y + 0.045 * s, z - 0.025 * heading), (0.108 * s, 0.11 * s, 0.115 * s), Material.CLOTH, key + 6, label, number, hair, shift(10)))
    return solids


def cyclist(number: int, at: Point, before: Point, heading: int, phase: tuple[float, float], colours: tuple[Colour, Colour, Colour, Colour]) -> list[Solid]:
    """A rider (label rider) on a bicycle (label bicycle, its own instance ``number + 1``)."""
    top, trousers, skin, hair = colours
    x, y, z = at
    moved = (before[0] - x, before[1] - y, before[2] - z)
    key, bike = number * PARTS, (number + 1) * PARTS
    dark: Colour = (0.08, 0.08, 0.09)
    solids = []
    for part, end in enumerate((-1, 1)):
        solids.append(Solid("ellipsoid", (x, y + 0.34, z + end * 0.52), (0.03, 0.34, 0.34), Material.WHEEL, bike + part, BICYCLE, number + 1, dark, moved, detail=(0.0, 1.0, 0.0, 0.0)))
    for part, (a, b) in enumerate((((0.0, 0.36, -0.5), (0.0, 0.85, -0.12)), ((0.0, 0.85, -0.12), (0.0, 0.95, 0.4)), ((0.0, 0.34, 0.52), (0.0, 1.05, 0.38)))):
        p = (x + a[0], y + a[1], z + a[2] * heading)
        axis = (b[0] - a[0], b[1] - a[1], (b[2] - a[2]) * heading)
        solids.append(Solid("capsule", p, axis, Material.METAL, bike + 2 + part, BICYCLE, number + 1, top, moved, moved, 0.025))
    for part, side in enumerate((-1, 1)):
        def foot(turn: float, side: int = side) -> tuple[float, float]:
            return 0.32 + 0.14 * math.sin(turn + side * math.pi / 2), 0.14 * math.cos(turn + side * math.pi / 2)

        (fy, fz), (py, pz) = foot(phase[0]), foot(phase[1])
        p = (x + side * 0.09, y + 0.95, z - 0.15 * heading)
        axis = (0.0, fy - 0.95, (fz + 0.15) * heading)
        late = (moved[0], moved[1] + py - fy, moved[2] + (pz - fz) * heading)
        solids.append(Solid("capsule", p, axis, Material.CLOTH, key + part, RIDER, number, trousers, moved, late, 0.075))
    solids.append(Solid("capsule", (x, y + 1.0, z - 0.14 * heading), (0.0, 0.42, 0.24 * heading), Material.CLOTH, key + 2, RIDER, number, top, moved, moved, 0.16))
    for part, side in enumerate((-1, 1)):
        solids.append(Solid("capsule", (x + side * 0.2, y + 1.4, z + 0.08 * heading), (0.0, -0.36, 0.32 * heading), Material.CLOTH, key + 3 + part, RIDER, number, top, moved, moved, 0.05))
    solids.append(Solid("ellipsoid", (x, y + 1.67, z + 0.16 * heading), (0.1, 0.13, 0.12), Material.CLOTH, key + 5, RIDER, number, skin, moved))
    solids.append(Solid("ellipsoid", (x, y + 1.73, z + 0.14 * heading), (0.12, 0.1, 0.14), Material.CLOTH, key + 6, RIDER, number, hair, moved))
    return solids


def tree(number: int, at: Point, height: float, spread: float, colour: Colour, rng: np.random.Generator, *, far: bool) -> list[Solid]:
    """A trunk and a crown of leafy balls."""
    x, y, z = at
    key = number * PARTS
    trunk = height * 0.42
    solids = [Solid("capsule", (x, y, z), (0.0, trunk + 0.4, 0.0), Material.BARK, key, VEGETATION, 0, (0.30, 0.23, 0.17), radius=0.11 + 0.012 * height)]
    balls = 3 if far else 6
    places = rng.uniform(-1, 1, (6, 3))
    sizes = rng.uniform(0.8, 1.1, 6)
    for k in range(balls):
        r = spread * (0.72 if k else 0.95) * sizes[k] * (1.25 if far and k else 1.0)
        centre = (x + places[k, 0] * spread * 0.62 * (k > 0), y + trunk + spread * 0.75 + places[k, 1] * spread * 0.6 * (k > 0), z + places[k, 2] * spread * 0.62 * (k > 0))
        tint = 1 + 0.12 * places[k, 1]
        shade = (colour[0] * tint, colour[1] * tint, colour[2] * tint)
        solids.append(Solid("ellipsoid", centre, (r, r * 0.86, r), Material.LEAVES, key + 1 + k, VEGETATION, 0, shade, detail=(1.0, places[k, 0] * 31, 0, 0)))
    return solids


def pole(number: int, at: Point, height: float, radius: float, colour: Colour) -> Solid:
    """A straight post."""
    return Solid("capsule", at, (0.0, height, 0.0), Material.METAL, number * PARTS, POLE, 0, colour, radius=radius)


def lamp_post(number: int, at: Point, height: float, inward: float, colour: Colour) -> list[Solid]:
    """A street light with an arm over the road."""
    x, y, z = at
    key = number * PARTS
    arm = Solid("capsule", (x, y + height, z), (inward, 0.25, 0.0), Material.METAL, key + 1, POLE, 0, colour, radius=0.05)
    head = Solid("ellipsoid", (x + inward * 1.15, y + height + 0.22, z), (0.34, 0.09, 0.16), Material.METAL, key + 2, POLE, 0, (0.75, 0.75, 0.72))
    return [pole(number, at, height, 0.075, colour), arm, head]


def traffic_light(number: int, at: Point, phase: int, toward: int) -> list[Solid]:
    """A signal box on a post; ``phase`` 0 red, 1 amber, 2 green; ``toward`` -1 faces the camera."""
    x, y, z = at
    key = number * PARTS
    box = Solid("hull", (x, y + 3.0, z + toward * 0.12), (0.17, 0.48, 0.13), Material.LAMPS, key + 1, LIGHT, 0, (0.06, 0.06, 0.065), detail=(float(phase), float(toward), 0, 0))
    return [pole(number, at, 3.4, 0.06, (0.28, 0.29, 0.30)), box]


def traffic_sign(number: int, at: Point, shape: int, toward: int) -> list[Solid]:
    """A round (0), triangular (1), square (2) or octagonal (3) sign on a post."""
    x, y, z = at
    r = 0.36
    if shape in (0, 3):
        n = 8 if shape == 3 else 16
        rows = [(math.cos(2 * math.pi * (k + 0.5) / n), math.sin(2 * math.pi * (k + 0.5) / n), 0.0, r) for k in range(n)]
    elif shape == 1:
        rows = [(0.0, -1.0, 0.0, r * 0.6), (math.cos(math.pi / 6), math.sin(math.pi / 6), 0.0, r * 0.6), (-math.cos(math.pi / 6), math.sin(math.pi / 6), 0.0, r * 0.6)]
    else:
        rows = [(1.0, 0.0, 0.0, r * 0.85), (-1.0, 0.0, 0.0, r * 0.85), (0.0, 1.0, 0.0, r * 0.85), (0.0, -1.0, 0.0, r * 0.85)]
    rows += [(0.0, 0.0, 1.0, 0.02), (0.0, 0.0, -1.0, 0.02)]
    plate = Solid("hull", (x, y + 2.5, z + toward * 0.08), (0.75, 0.75, 0.03), Material.SIGN, number * PARTS + 1, SIGN, 0, (0.9, 0.9, 0.9), planes=_planes(rows), detail=(float(shape), float(toward), r, 0))
    return [pole(number, at, 2.9, 0.035, (0.55, 0.56, 0.58)), plate]


def gable(number: int, part: int, centre: Point, size: Point, colour: Colour, *, along: bool) -> Solid:
    """A pitched roof: a prism of half extents ``size`` whose ridge runs along Z (``along``) or X."""
    hx, hy, hz = size
    rise = 2 * hy
    if along:
        rows = [(rise, hx, 0.0, hx * hy), (-rise, hx, 0.0, hx * hy), (0.0, -1.0, 0.0, hy), (0.0, 0.0, 1.0, hz), (0.0, 0.0, -1.0, hz)]
    else:
        rows = [(0.0, hz, rise, hz * hy), (0.0, hz, -rise, hz * hy), (0.0, -1.0, 0.0, hy), (1.0, 0.0, 0.0, hx), (-1.0, 0.0, 0.0, hx)]
    return Solid("hull", centre, size, Material.ROOF, number * PARTS + part, BUILDING, 0, colour, planes=_planes(rows), detail=(float(along), 0, 0, 0))
