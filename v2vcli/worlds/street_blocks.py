"""The fixed part of a street, one block at a time: pavements, buildings or houses with gardens, trees, lamps, signs.

A block is drawn from a generator seeded with its index, so any block can be built first. It begins with its junction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from v2vcli.worlds import street_furniture as furniture
from v2vcli.worlds import street_objects as things
from v2vcli.worlds.raycast import Solid
from v2vcli.worlds.street_objects import Colour, Material
from v2vcli.worlds.street_style import WALLS, StreetStyle, jitter


@dataclass(frozen=True, slots=True)
class Building:
    """One building of the row: side -1 or 1, its stretch of Z, where its front is, and its height."""

    side: int
    z0: float
    z1: float
    front: float
    height: float


def slot_generator(seed: int, row: int, slot: int) -> np.random.Generator:
    """The generator that draws what is in a slot of a row of things (trees, parked cars, walkers, blocks)."""
    return np.random.default_rng([seed, row, slot + 1_000_000])


def object_number(row: int, slot: int) -> int:
    """An object number unique for a row and a slot, even apart by two, exact in a float32 too."""
    return 1 + row * 800_000 + (slot * 2) % 800_000


class BlockBuilder:
    """Builds the blocks of one seeded street."""

    def __init__(self, seed: int, style: StreetStyle) -> None:
        """Blocks depend on nothing else."""
        self.seed, self.style = seed, style

    def build(self, n: int) -> tuple[tuple[Building, ...], tuple[Solid, ...]]:
        """Buildings and all other fixed solids of block ``n``."""
        s = self.style
        z0, z1 = n * s.block + s.junction, (n + 1) * s.block
        buildings: list[Building] = []
        solids: list[Solid] = []
        for side in (-1, 1):
            row = 1 if side > 0 else 0
            rng = slot_generator(self.seed, row, n)
            middle, half = 0.5 * (z0 + z1), 0.5 * (z1 - z0)
            number = object_number(row, n * 40)
            # The pavement with its kerb, carried on under the buildings.
            edge, deep = s.road_half, 60.0
            solids.append(
                Solid(
                    "hull",
                    (side * (edge + deep / 2), -0.03, middle),
                    (deep / 2, 0.17, half),
                    Material.PAVEMENT,
                    number * things.PARTS,
                    things.SIDEWALK,
                    0,
                    (0.60, 0.58, 0.55),
                    detail=(float(side), s.facade, 0, 0),
                )
            )
            buildings += (
                self._row_of_houses(side, z0, z1, rng, number, solids)
                if s.houses
                else self._row_of_blocks(side, z0, z1, rng, number, solids)
            )
            self._furnish(side, n, z0, z1, rng, solids)
        return tuple(buildings), tuple(solids)

    def _row_of_blocks(
        self, side: int, z0: float, z1: float, rng: np.random.Generator, number: int, solids: list[Solid]
    ) -> list[Building]:
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
            colour = jitter(WALLS[int(rng.integers(len(WALLS)))], rng, 0.03)
            depth = float(rng.uniform(11, 15))
            centre = (side * (front + depth / 2), height / 2, z + width / 2)
            solids.append(
                Solid(
                    "hull",
                    centre,
                    (depth / 2, height / 2, width / 2 - 0.02),
                    Material.FACADE,
                    (number + 2 * k) * things.PARTS,
                    things.BUILDING,
                    0,
                    colour,
                    detail=(storey, float(rng.uniform(2.1, 3.1)), float(rng.uniform(0, 1000)), float(rng.random())),
                )
            )
            if rng.random() < 0.35:
                solids.append(
                    furniture.gable(
                        number + 2 * k,
                        1,
                        (centre[0], height + 1.3, centre[2]),
                        (depth / 2 + 0.3, 1.3, width / 2),
                        jitter((0.40, 0.25, 0.20), rng, 0.04),
                        along=True,
                    )
                )
            out.append(Building(side, z, z + width, front, height))
            z += width
            k += 1
        # A far wall closes the view down the side street.
        gap = z0 - 0.5 * s.junction
        solids.append(
            Solid(
                "hull",
                (side * (s.facade + 48), 7.0, gap),
                (4.0, 7.0, 16.0),
                Material.FACADE,
                (number + 2) * things.PARTS,
                things.BUILDING,
                0,
                WALLS[int(rng.integers(len(WALLS)))],
                detail=(3.3, 2.6, float(rng.uniform(0, 1000)), 0.9),
            )
        )
        return out

    def _row_of_houses(
        self, side: int, z0: float, z1: float, rng: np.random.Generator, number: int, solids: list[Solid]
    ) -> list[Building]:
        s = self.style
        out: list[Building] = []
        half = 0.5 * (z1 - z0)
        # Front gardens behind a hedge or a fence.
        solids.append(
            Solid(
                "hull",
                (side * (s.facade + 28.2), 0.0, z0 + half),
                (28.0, 0.16, half - 0.4),
                Material.GRASS,
                number * things.PARTS + 1,
                things.TERRAIN,
                0,
                (0.30, 0.39, 0.16),
            )
        )
        z, k = z0 + 3.0, 2
        while z < z1 - 8:
            width = min(float(rng.uniform(8, 12)), z1 - 3 - z)
            gap = float(rng.uniform(2.5, 5.0))
            front = s.facade + float(rng.uniform(3.5, 6.5))
            storey = float(rng.uniform(2.7, 3.0))
            height = 0.5 + storey * (2 if rng.random() < 0.75 else 1)
            depth = float(rng.uniform(8, 10))
            colour = jitter(WALLS[int(rng.integers(len(WALLS)))], rng, 0.03)
            centre = (side * (front + depth / 2), height / 2, z + width / 2)
            solids.append(
                Solid(
                    "hull",
                    centre,
                    (depth / 2, height / 2, width / 2),
                    Material.FACADE,
                    (number + 2 * k) * things.PARTS,
                    things.BUILDING,
                    0,
                    colour,
                    detail=(storey, float(rng.uniform(2.6, 3.4)), float(rng.uniform(0, 1000)), 0.95),
                )
            )
            roof = float(rng.uniform(1.2, 2.0))
            solids.append(
                furniture.gable(
                    number + 2 * k,
                    1,
                    (centre[0], height + roof - 0.1, centre[2]),
                    (depth / 2 + 0.5, roof, width / 2 + 0.4),
                    jitter(
                        ((0.42, 0.24, 0.18), (0.27, 0.27, 0.29), (0.35, 0.29, 0.24))[int(rng.integers(3))], rng, 0.03
                    ),
                    along=bool(rng.random() < 0.6),
                )
            )
            if rng.random() < 0.75:
                hedge = rng.random() < 0.55
                tall = float(rng.uniform(0.8, 1.5)) if hedge else 1.0
                line = side * (s.facade + 0.35)
                kind, label = (Material.HEDGE, things.VEGETATION) if hedge else (Material.FENCE, things.FENCE)
                tone = self.style.leaf if hedge else jitter((0.55, 0.48, 0.40), rng, 0.08)
                solids.append(
                    Solid(
                        "hull",
                        (line, 0.14 + tall / 2, z + width / 2 - 0.6),
                        (0.35 if hedge else 0.04, tall / 2, width / 2 - 0.8),
                        kind,
                        (number + 2 * k) * things.PARTS + 2,
                        label,
                        0,
                        tone,
                    )
                )
            if rng.random() < s.trees:
                high = float(rng.uniform(4.5, 8))
                solids += furniture.tree(
                    number + 2 * k + 1,
                    (side * (front - 1.2), 0.14, z + width + gap / 2),
                    high,
                    high * 0.3,
                    jitter(s.leaf, rng, 0.02),
                    rng,
                    far=False,
                )
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
            number = object_number(row, n * 40 + k)
            chance, high, tint = rng.random(), float(rng.uniform(5.5, 9.5)), jitter(s.leaf, rng, 0.02)
            if k % 3 == (1 if side > 0 else 2):
                solids += furniture.lamp_post(number, (line, 0.14, z), 6.6, -side * 1.5, grey)
            elif chance < s.trees:
                solids += furniture.tree(
                    number, (line, 0.14, z), high, high * float(rng.uniform(0.22, 0.3)), tint, rng, far=False
                )
            elif chance > 0.9:
                solids += furniture.traffic_sign(number, (line, 0.14, z), int(rng.integers(4)), -1 if side > 0 else 1)
        corner = object_number(row, n * 40 + 30)
        if n % 2 == 0:
            near = z0 - s.junction - 0.8 if side > 0 else z0 + 0.8
            solids += furniture.traffic_light(corner, (line, 0.14, near), int(rng.integers(3)), -1 if side > 0 else 1)
        else:
            near = z0 - s.junction - 1.0 if side > 0 else z0 + 1.0
            solids += furniture.traffic_sign(corner, (line, 0.14, near), int(rng.integers(4)), -1 if side > 0 else 1)
