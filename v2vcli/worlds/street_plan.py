"""The plan of an endless seeded street: what stands where, and what moves how.

The street runs along +Z and is cut into blocks, each ending at a junction. Whatever is in slot k of a row (trees, parked
cars, walkers) is drawn from a generator seeded with (seed, row, k), so any stretch can be asked for at any time, and an
object keeps its number. Everything that moves is a function of time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from v2vcli.worlds import street_objects as things
from v2vcli.worlds.raycast import Solid
from v2vcli.worlds.street_objects import Colour, Material

_CAR_COLOURS: tuple[Colour, ...] = (
    (0.75, 0.76, 0.78), (0.12, 0.13, 0.15), (0.88, 0.88, 0.87), (0.35, 0.37, 0.40), (0.45, 0.07, 0.08), (0.10, 0.17, 0.34), (0.20, 0.31, 0.36), (0.55, 0.50, 0.42), (0.62, 0.30, 0.10),
)  # fmt: skip
_WALLS: tuple[Colour, ...] = (
    (0.72, 0.64, 0.53), (0.60, 0.36, 0.28), (0.78, 0.75, 0.69), (0.55, 0.50, 0.45), (0.68, 0.52, 0.40), (0.50, 0.53, 0.56), (0.80, 0.70, 0.52), (0.45, 0.30, 0.25), (0.66, 0.67, 0.62),
)  # fmt: skip
_TOPS: tuple[Colour, ...] = ((0.14, 0.16, 0.24), (0.55, 0.12, 0.13), (0.80, 0.78, 0.74), (0.18, 0.32, 0.24), (0.72, 0.55, 0.22), (0.32, 0.42, 0.58), (0.12, 0.12, 0.13), (0.60, 0.38, 0.48))
_TROUSERS: tuple[Colour, ...] = ((0.12, 0.13, 0.18), (0.20, 0.24, 0.34), (0.32, 0.28, 0.23), (0.09, 0.09, 0.10), (0.45, 0.42, 0.38))
_SKINS: tuple[Colour, ...] = ((0.88, 0.69, 0.57), (0.76, 0.55, 0.42), (0.55, 0.37, 0.26), (0.36, 0.24, 0.18))
_HAIRS: tuple[Colour, ...] = ((0.09, 0.07, 0.06), (0.24, 0.16, 0.10), (0.55, 0.40, 0.22), (0.5, 0.5, 0.5))
_LEAVES: tuple[Colour, ...] = ((0.24, 0.36, 0.13), (0.18, 0.32, 0.14), (0.34, 0.40, 0.14), (0.44, 0.34, 0.12))


@dataclass(frozen=True, slots=True)
class StreetStyle:
    """What a whole street has in common; lengths in metres, densities in [0, 1]."""

    houses: bool
    road_half: float
    pavement: float
    block: float
    junction: float
    trees: float
    parked: float
    walkers: float
    traffic: float
    storeys: tuple[int, int]
    leaf: Colour
    speed: float
    sun: tuple[float, float, float]
    sun_strength: float
    cloud: float
    haze: float
    centre_line: bool

    @property
    def facade(self) -> float:
        """Distance of the building line from the middle of the road."""
        return self.road_half + self.pavement

    @staticmethod
    def draw(rng: np.random.Generator) -> StreetStyle:
        """Draw a street."""
        houses = bool(rng.random() < 0.4)
        side = float(rng.choice([-1.0, 1.0]))
        sun = np.array([side * rng.uniform(0.25, 0.75), rng.uniform(0.55, 1.0), rng.uniform(-0.7, 0.4)])
        sun /= np.linalg.norm(sun)
        low = int(rng.integers(2, 4))
        cloud = float(rng.uniform(0, 1))
        return StreetStyle(
            houses=houses,
            road_half=float(rng.uniform(5.2, 6.6)),
            pavement=float(rng.uniform(2.6, 3.8)),
            block=float(rng.uniform(72, 104)),
            junction=float(rng.uniform(9, 12)),
            trees=float(rng.uniform(0.3, 0.95)),
            parked=float(rng.uniform(0.25, 0.85)),
            walkers=float(rng.uniform(0.2, 0.7)),
            traffic=float(rng.uniform(0.3, 0.8)),
            storeys=(low, low + int(rng.integers(1, 5))),
            leaf=_LEAVES[int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))],
            speed=float(rng.uniform(6.5, 10.5)),
            sun=(float(sun[0]), float(sun[1]), float(sun[2])),
            sun_strength=float(0.35 + 0.65 * max(0.0, 1 - max(0.0, cloud - 0.55) * 2)),
            cloud=cloud,
            haze=float(rng.uniform(140, 320)),
            centre_line=bool(rng.random() < 0.8),
        )


@dataclass(frozen=True, slots=True)
class Building:
    """One building of the row: side -1 or 1, its stretch of Z, where its front is, and its height."""

    side: int
    z0: float
    z1: float
    front: float
    height: float


class StreetPlan:
    """The contents of one seeded street."""

    def __init__(self, seed: int) -> None:
        """Draw the style and the flows of traffic."""
        self.seed = seed
        self.style = StreetStyle.draw(np.random.default_rng([seed, 0x57EE7]))
        rng = np.random.default_rng([seed, 0xCA5])
        self.lane = 1.75 if self.style.road_half < 5.9 else 1.9
        self._lead_gap = float(rng.uniform(11, 26))
        self._sway = rng.uniform(0, 2 * math.pi, 6)
        self._start = float(rng.uniform(0, self.style.block))
        self._blocks = lru_cache(maxsize=64)(self._build_block)

    # Motion -----------------------------------------------------------------------------------------------------------

    def drive(self, t: float) -> tuple[float, float, float, float, float]:
        """Camera position x, y, z, yaw and pitch at a moment."""
        a = self._sway
        speed = self.style.speed
        z = self._start + speed * t + 2.2 * math.sin(0.31 * t + a[0]) - 2.2 * math.sin(a[0])
        x = self.lane + 0.22 * math.sin(0.37 * t + a[1]) + 0.1 * math.sin(0.83 * t + a[2])
        yaw = (0.22 * 0.37 * math.cos(0.37 * t + a[1]) + 0.083 * math.cos(0.83 * t + a[2])) / speed + 0.02 * math.sin(0.23 * t + a[3])
        y = 1.42 + 0.012 * math.sin(5.1 * t + a[4])
        pitch = -0.018 + 0.0035 * math.sin(4.3 * t + a[5]) + 0.004 * math.sin(1.1 * t + a[0])
        return x, y, z, yaw, pitch

    def _rng(self, row: int, slot: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, row, slot + 1_000_000])

    @staticmethod
    def _number(row: int, slot: int) -> int:
        """An object number that is unique for a row and a slot, and small enough for ``number * PARTS`` in 31 bits."""
        return 1 + row * 1_500_000 + (slot * 2) % 1_500_000

    # What stands ------------------------------------------------------------------------------------------------------

    def block_of(self, z: float) -> int:
        """Index of the block that holds ``z``; a block starts with its junction."""
        return math.floor(z / self.style.block)

    def block(self, n: int) -> tuple[tuple[Building, ...], tuple[Solid, ...]]:
        """Buildings and all other fixed solids of block ``n``; far simplifications are left to `solids`."""
        return self._blocks(n)

    def _build_block(self, n: int) -> tuple[tuple[Building, ...], tuple[Solid, ...]]:
        s = self.style
        z0, z1 = n * s.block + s.junction, (n + 1) * s.block
        buildings: list[Building] = []
        solids: list[Solid] = []
        for side in (-1, 1):
            row = 1 if side > 0 else 0
            rng = self._rng(row, n)
            middle, half = 0.5 * (z0 + z1), 0.5 * (z1 - z0)
            number = self._number(row, n * 40)
            # The pavement with its kerb, carried on under the buildings.
            edge, deep = s.road_half, 60.0
            solids.append(Solid("hull", (side * (edge + deep / 2), -0.03, middle), (deep / 2, 0.17, half), Material.PAVEMENT, number * things.PARTS, things.SIDEWALK, 0, (0.60, 0.58, 0.55), detail=(float(side), s.facade, 0, 0)))
            buildings += self._row_of_houses(side, z0, z1, rng, number, solids) if s.houses else self._row_of_blocks(side, z0, z1, rng, number, solids)
            self._furnish(side, n, z0, z1, rng, solids)
        return tuple(buildings), tuple(solids)

    def _row_of_blocks(self, side: int, z0: float, z1: float, rng: np.random.Generator, number: int, solids: list[Solid]) -> list[Building]:
        s = self.style
        out: list[Building] = []
        z, k = z0 + 2.2, 2
        while z < z1 - 6:
            width = min(float(rng.uniform(9, 21)), z1 - 2.2 - z)
            if z1 - 2.2 - (z + width) < 6:
                width = z1 - 2.2 - z
            storey = float(rng.uniform(3.0, 3.6))
            height = 0.6 + storey * int(rng.integers(s.storeys[0], s.storeys[1] + 1)) + 0.8
            front = s.facade + float(rng.choice([0.0, 0.0, 0.35]))
            colour = _jitter(_WALLS[int(rng.integers(len(_WALLS)))], rng, 0.03)
            depth = float(rng.uniform(11, 15))
            centre = (side * (front + depth / 2), height / 2, z + width / 2)
            solids.append(Solid("hull", centre, (depth / 2, height / 2, width / 2 - 0.02), Material.FACADE, (number + 2 * k) * things.PARTS, things.BUILDING, 0, colour, detail=(storey, float(rng.uniform(2.1, 3.1)), float(rng.uniform(0, 1000)), float(rng.random()))))
            if rng.random() < 0.35:
                solids.append(things.gable(number + 2 * k, 1, (centre[0], height + 1.3, centre[2]), (depth / 2 + 0.3, 1.3, width / 2), _jitter((0.40, 0.25, 0.20), rng, 0.04), along=True))
            out.append(Building(side, z, z + width, front, height))
            z += width
            k += 1
        # A far wall closes the view down the side street.
        gap = z0 - 0.5 * s.junction
        solids.append(Solid("hull", (side * (s.facade + 48), 7.0, gap), (4.0, 7.0, 16.0), Material.FACADE, (number + 2) * things.PARTS, things.BUILDING, 0, _WALLS[int(rng.integers(len(_WALLS)))], detail=(3.3, 2.6, float(rng.uniform(0, 1000)), 0.9)))
        return out

    def _row_of_houses(self, side: int, z0: float, z1: float, rng: np.random.Generator, number: int, solids: list[Solid]) -> list[Building]:
        s = self.style
        out: list[Building] = []
        half = 0.5 * (z1 - z0)
        # Front gardens behind a hedge or a fence.
        solids.append(Solid("hull", (side * (s.facade + 28.2), 0.0, z0 + half), (28.0, 0.16, half - 0.4), Material.GRASS, number * things.PARTS + 1, things.TERRAIN, 0, (0.30, 0.39, 0.16)))
        z, k = z0 + 3.0, 2
        while z < z1 - 8:
            width = min(float(rng.uniform(8, 12)), z1 - 3 - z)
            gap = float(rng.uniform(2.5, 5.0))
            front = s.facade + float(rng.uniform(3.5, 6.5))
            storey = float(rng.uniform(2.7, 3.0))
            height = 0.5 + storey * (2 if rng.random() < 0.75 else 1)
            depth = float(rng.uniform(8, 10))
            colour = _jitter(_WALLS[int(rng.integers(len(_WALLS)))], rng, 0.03)
            centre = (side * (front + depth / 2), height / 2, z + width / 2)
            solids.append(Solid("hull", centre, (depth / 2, height / 2, width / 2), Material.FACADE, (number + 2 * k) * things.PARTS, things.BUILDING, 0, colour, detail=(storey, float(rng.uniform(2.6, 3.4)), float(rng.uniform(0, 1000)), 0.95)))
            roof = float(rng.uniform(1.2, 2.0))
            solids.append(things.gable(number + 2 * k, 1, (centre[0], height + roof - 0.1, centre[2]), (depth / 2 + 0.5, roof, width / 2 + 0.4), _jitter(((0.42, 0.24, 0.18), (0.27, 0.27, 0.29), (0.35, 0.29, 0.24))[int(rng.integers(3))], rng, 0.03), along=bool(rng.random() < 0.6)))
            if rng.random() < 0.75:
                hedge = rng.random() < 0.55
                tall = float(rng.uniform(0.8, 1.5)) if hedge else 1.0
                line = side * (s.facade + 0.35)
                kind, label = (Material.HEDGE, things.VEGETATION) if hedge else (Material.FENCE, things.FENCE)
                tone = self.style.leaf if hedge else _jitter((0.55, 0.48, 0.40), rng, 0.08)
                solids.append(Solid("hull", (line, 0.14 + tall / 2, z + width / 2 - 0.6), (0.35 if hedge else 0.04, tall / 2, width / 2 - 0.8), kind, (number + 2 * k) * things.PARTS + 2, label, 0, tone))
            if rng.random() < s.trees:
                high = float(rng.uniform(4.5, 8))
                solids += things.tree(number + 2 * k + 1, (side * (front - 1.2), 0.14, z + width + gap / 2), high, high * 0.3, _jitter(s.leaf, rng, 0.02), rng, far=False)
            out.append(Building(side, z, z + width, front, height + roof))
            z += width + gap
            k += 1
        return out

    def _furnish(self, side: int, n: int, z0: float, z1: float, rng: np.random.Generator, solids: list[Solid]) -> None:
        """Street trees, lamps, signs and the traffic light of one side of a block."""
        s = self.style
        line = side * (s.road_half + 0.75)
        row = 3 if side > 0 else 2
        spacing = 9.5
        grey: Colour = (0.33, 0.35, 0.36)
        for k in range(int((z1 - z0 - 8) / spacing)):
            z = z0 + 7 + k * spacing + float(rng.uniform(-0.8, 0.8))
            number = self._number(row, n * 40 + k)
            chance, high, tint = rng.random(), float(rng.uniform(5.5, 9.5)), _jitter(s.leaf, rng, 0.02)
            if k % 3 == (1 if side > 0 else 2):
                solids += things.lamp_post(number, (line, 0.14, z), 6.6, -side * 1.5, grey)
            elif chance < s.trees:
                solids += things.tree(number, (line, 0.14, z), high, high * float(rng.uniform(0.22, 0.3)), tint, rng, far=False)
            elif chance > 0.9:
                solids += things.traffic_sign(number, (line, 0.14, z), int(rng.integers(4)), -1 if side > 0 else 1)
        corner = self._number(row, n * 40 + 30)
        if n % 2 == 0:
            near = z0 - s.junction - 0.8 if side > 0 else z0 + 0.8
            solids += things.traffic_light(corner, (line, 0.14, near), int(rng.integers(3)), -1 if side > 0 else 1)
        else:
            near = z0 - s.junction - 1.0 if side > 0 else z0 + 1.0
            solids += things.traffic_sign(corner, (line, 0.14, near), int(rng.integers(4)), -1 if side > 0 else 1)

    # What moves -------------------------------------------------------------------------------------------------------

    def traffic(self, t: float, before: float, near: float, far: float) -> list[Solid]:
        """Cars, buses, walkers and cyclists between ``near`` and ``far`` (Z), and the parked cars."""
        s = self.style
        solids: list[Solid] = []
        z_now, z_then = self.drive(t)[2], self.drive(before)[2]
        for side in (-1, 1):
            for k in range(math.floor(near / 6.4), math.ceil(far / 6.4)):
                rng = self._rng(8 + side, k)
                z = 6.4 * k + float(rng.uniform(-0.5, 0.5))
                within = z % s.block
                if rng.random() < s.parked and s.junction + 6 < within < s.block - 6:
                    x = side * (s.road_half - 1.12 + float(rng.uniform(-0.08, 0.08)))
                    solids += things.car(self._number(8 + side, k), (x, 0, z), (0, 0, 0), side, _jitter(_CAR_COLOURS[int(rng.integers(len(_CAR_COLOURS)))], rng, 0.02), float(rng.random()), far=abs(z - z_now) > 45)
        # The other lane: a stream that keeps its spacing.
        speed = s.speed + 1.5
        for k in range(math.floor((near + speed * t) / 24), math.ceil((far + speed * t) / 24)):
            rng = self._rng(11, k)
            if rng.random() < s.traffic:
                z = 24 * k + float(rng.uniform(-6, 6)) - speed * t
                at = (-self.lane + float(rng.uniform(-0.2, 0.2)), 0.0, z)
                solids += self._vehicle(11, k, at, (0, 0, speed * (t - before)), -1, rng, z - z_now)
        # Ahead in our lane: cars that follow one another at wandering distances.
        for k in range(4):
            rng = self._rng(12, k)
            if k and rng.random() > s.traffic + 0.15:
                continue
            wander, phase = float(rng.uniform(1.5, 4)), float(rng.uniform(0, 6.28))

            def place(z: float, when: float, k: int = k, wander: float = wander, phase: float = phase) -> float:
                return z + self._lead_gap + 17.0 * k + wander * math.sin(0.4 * when + phase)

            z, z_before = place(z_now, t), place(z_then, before)
            at = (self.lane + float(rng.uniform(-0.15, 0.15)), 0.0, z)
            solids += self._vehicle(12, k, at, (0, 0, z_before - z), 1, rng, z - z_now, braking=math.cos(0.4 * t + phase) < -0.5)
        self._walk(t, before, near, far, z_now, solids)
        return solids

    def _vehicle(self, row: int, k: int, at: things.Point, moved: things.Point, heading: int, rng: np.random.Generator, distance: float, *, braking: bool = False) -> list[Solid]:
        colour = _jitter(_CAR_COLOURS[int(rng.integers(len(_CAR_COLOURS)))], rng, 0.02)
        style, kind = float(rng.random()), rng.random()
        number = self._number(row, k)
        if kind < 0.1:
            big = things.BUS if kind < 0.06 else things.TRUCK
            return things.van(number, at, moved, heading, colour, big)
        return things.car(number, at, moved, heading, colour, style, far=abs(distance) > 45, braking=braking)

    def _walk(self, t: float, before: float, near: float, far: float, z_now: float, solids: list[Solid]) -> None:
        s = self.style
        for row, side, heading, speed, spacing in ((13, -1, 1, 1.3, 7.0), (14, -1, -1, 1.2, 8.0), (15, 1, 1, 1.35, 8.0), (16, 1, -1, 1.15, 7.0), (17, 1, 1, 4.4, 46.0), (18, -1, -1, 4.2, 52.0)):
            velocity = heading * speed
            low, high = near - velocity * t, min(far, z_now + 75) - velocity * t
            for k in range(math.floor(low / spacing), math.ceil(high / spacing)):
                rng = self._rng(row, k)
                if rng.random() > (0.6 if row >= 17 else s.walkers * 0.6):
                    continue
                z = k * spacing + float(rng.uniform(-2.5, 2.5)) + velocity * t
                colours = (_pick(_TOPS, rng), _pick(_TROUSERS, rng), _SKINS[int(rng.integers(4))], _pick(_HAIRS, rng))
                moved = velocity * (before - t)
                if row >= 17:
                    at = (side * (s.road_half - 2.6), 0.0, z)
                    turn = (z / 0.9 * heading, (z + moved) / 0.9 * heading)
                    solids += things.cyclist(self._number(row, k), at, (at[0], 0.0, z + moved), heading, turn, colours)
                else:
                    at = (side * (s.road_half + 1.4 + float(rng.uniform(0, max(0.2, s.pavement - 2.0)))), 0.14, z)
                    turn = (z * 4.2 * heading + k, (z + moved) * 4.2 * heading + k)
                    solids += things.person(self._number(row, k), at, (at[0], 0.14, z + moved), heading, turn, colours, float(rng.normal(1.72, 0.09)), far=abs(z - z_now) > 35)


def _jitter(colour: Colour, rng: np.random.Generator, amount: float) -> Colour:
    r, g, b = np.clip(np.array(colour) + rng.normal(0, amount) + rng.normal(0, amount * 0.5, 3), 0.02, 0.95)
    return float(r), float(g), float(b)


def _pick(colours: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    return _jitter(colours[int(rng.integers(len(colours)))], rng, 0.03)
