"""The plan of an endless seeded street: what stands where, and what moves how.

The street runs along +Z. Whatever is in slot k of a row (parked cars, a lane, walkers) is drawn from a generator
seeded with (seed, row, k), so any stretch can be asked for at any time, and an object keeps its number. Everything
that moves is a function of time.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from v2vcli.worlds import street_objects as things
from v2vcli.worlds import street_people as people
from v2vcli.worlds import street_vehicles as vehicles
from v2vcli.worlds.raycast import Solid
from v2vcli.worlds.street_blocks import BlockBuilder, Building, object_number, slot_generator
from v2vcli.worlds.street_style import CAR_COLOURS, HAIRS, SKINS, TOPS, TROUSERS, StreetStyle, jitter, pick


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
        self._blocks = lru_cache(maxsize=64)(BlockBuilder(seed, self.style).build)

    # Motion -----------------------------------------------------------------------------------------------------------

    def drive(self, t: float) -> tuple[float, float, float, float, float]:
        """Camera position x, y, z, yaw and pitch at a moment."""
        a = self._sway
        speed = self.style.speed
        z = self._start + speed * t + 2.2 * math.sin(0.31 * t + a[0]) - 2.2 * math.sin(a[0])
        x = self.lane + 0.22 * math.sin(0.37 * t + a[1]) + 0.1 * math.sin(0.83 * t + a[2])
        yaw = (0.22 * 0.37 * math.cos(0.37 * t + a[1]) + 0.083 * math.cos(0.83 * t + a[2])) / speed + 0.02 * math.sin(
            0.23 * t + a[3]
        )
        y = 1.42 + 0.012 * math.sin(5.1 * t + a[4])
        pitch = -0.018 + 0.0035 * math.sin(4.3 * t + a[5]) + 0.004 * math.sin(1.1 * t + a[0])
        return x, y, z, yaw, pitch

    def block_of(self, z: float) -> int:
        """Index of the block that holds ``z``; a block starts with its junction."""
        return math.floor(z / self.style.block)

    def block(self, n: int) -> tuple[tuple[Building, ...], tuple[Solid, ...]]:
        """Buildings and all other fixed solids of block ``n``."""
        return self._blocks(n)

    # What moves -------------------------------------------------------------------------------------------------------

    def traffic(self, t: float, before: float, near: float, far: float) -> list[Solid]:
        """Cars, buses, walkers and cyclists between ``near`` and ``far`` (Z), and the parked cars."""
        s = self.style
        solids: list[Solid] = []
        z_now, z_then = self.drive(t)[2], self.drive(before)[2]
        for side in (-1, 1):
            for k in range(math.floor(near / 6.4), math.ceil(far / 6.4)):
                rng = slot_generator(self.seed, 8 + side, k)
                z = 6.4 * k + float(rng.uniform(-0.5, 0.5))
                within = z % s.block
                if rng.random() < s.parked and s.junction + 6 < within < s.block - 6:
                    x = side * (s.road_half - 1.12 + float(rng.uniform(-0.08, 0.08)))
                    solids += vehicles.car(
                        object_number(8 + side, k),
                        (x, 0, z),
                        (0, 0, 0),
                        side,
                        jitter(CAR_COLOURS[int(rng.integers(len(CAR_COLOURS)))], rng, 0.02),
                        float(rng.random()),
                        far=abs(z - z_now) > 45,
                    )
        # The other lane: a stream that keeps its spacing.
        speed = s.speed + 1.5
        for k in range(math.floor((near + speed * t) / 24), math.ceil((far + speed * t) / 24)):
            rng = slot_generator(self.seed, 11, k)
            if rng.random() < s.traffic:
                z = 24 * k + float(rng.uniform(-6, 6)) - speed * t
                at = (-self.lane + float(rng.uniform(-0.2, 0.2)), 0.0, z)
                solids += self._vehicle(11, k, at, (0, 0, speed * (t - before)), -1, rng, z - z_now)
        # Ahead in our lane: cars that follow one another at wandering distances.
        for k in range(4):
            rng = slot_generator(self.seed, 12, k)
            if k and rng.random() > s.traffic + 0.15:
                continue
            wander, phase = float(rng.uniform(1.5, 4)), float(rng.uniform(0, 6.28))

            def place(z: float, when: float, k: int = k, wander: float = wander, phase: float = phase) -> float:
                return z + self._lead_gap + 17.0 * k + wander * math.sin(0.4 * when + phase)

            z, z_before = place(z_now, t), place(z_then, before)
            at = (self.lane + float(rng.uniform(-0.15, 0.15)), 0.0, z)
            solids += self._vehicle(
                12, k, at, (0, 0, z_before - z), 1, rng, z - z_now, braking=math.cos(0.4 * t + phase) < -0.5
            )
        self._walk(t, before, near, far, z_now, solids)
        return solids

    def _vehicle(
        self,
        row: int,
        k: int,
        at: things.Point,
        moved: things.Point,
        heading: int,
        rng: np.random.Generator,
        distance: float,
        *,
        braking: bool = False,
    ) -> list[Solid]:
        colour = jitter(CAR_COLOURS[int(rng.integers(len(CAR_COLOURS)))], rng, 0.02)
        style, kind = float(rng.random()), rng.random()
        number = object_number(row, k)
        if kind < 0.1:
            big = things.BUS if kind < 0.06 else things.TRUCK
            return vehicles.van(number, at, moved, heading, colour, big)
        return vehicles.car(number, at, moved, heading, colour, style, far=abs(distance) > 45, braking=braking)

    def _walk(self, t: float, before: float, near: float, far: float, z_now: float, solids: list[Solid]) -> None:
        s = self.style
        for row, side, heading, speed, spacing in (
            (13, -1, 1, 1.3, 7.0),
            (14, -1, -1, 1.2, 8.0),
            (15, 1, 1, 1.35, 8.0),
            (16, 1, -1, 1.15, 7.0),
            (17, 1, 1, 4.4, 46.0),
            (18, -1, -1, 4.2, 52.0),
        ):
            velocity = heading * speed
            low, high = near - velocity * t, min(far, z_now + 75) - velocity * t
            for k in range(math.floor(low / spacing), math.ceil(high / spacing)):
                rng = slot_generator(self.seed, row, k)
                if rng.random() > (0.6 if row >= 17 else s.walkers * 0.6):
                    continue
                z = k * spacing + float(rng.uniform(-2.5, 2.5)) + velocity * t
                colours = (pick(TOPS, rng), pick(TROUSERS, rng), SKINS[int(rng.integers(4))], pick(HAIRS, rng))
                moved = velocity * (before - t)
                if row >= 17:
                    at = (side * (s.road_half - 2.6), 0.0, z)
                    turn = (z / 0.9 * heading, (z + moved) / 0.9 * heading)
                    solids += people.cyclist(object_number(row, k), at, (at[0], 0.0, z + moved), heading, turn, colours)
                else:
                    at = (side * (s.road_half + 1.4 + float(rng.uniform(0, max(0.2, s.pavement - 2.0)))), 0.14, z)
                    turn = (z * 4.2 * heading + k, (z + moved) * 4.2 * heading + k)
                    solids += people.person(
                        object_number(row, k),
                        at,
                        (at[0], 0.14, z + moved),
                        heading,
                        turn,
                        colours,
                        float(rng.normal(1.72, 0.09)),
                        far=abs(z - z_now) > 35,
                    )
