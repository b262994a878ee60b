"""What a whole street has in common: its width, its light, its palettes, how much lives in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from v2vcli.worlds.street_objects import Colour

CAR_COLOURS: tuple[Colour, ...] = (
    (0.75, 0.76, 0.78),
    (0.12, 0.13, 0.15),
    (0.88, 0.88, 0.87),
    (0.35, 0.37, 0.40),
    (0.45, 0.07, 0.08),
    (0.10, 0.17, 0.34),
    (0.20, 0.31, 0.36),
    (0.55, 0.50, 0.42),
    (0.62, 0.30, 0.10),
)
WALLS: tuple[Colour, ...] = (
    (0.72, 0.64, 0.53),
    (0.60, 0.36, 0.28),
    (0.78, 0.75, 0.69),
    (0.55, 0.50, 0.45),
    (0.68, 0.52, 0.40),
    (0.50, 0.53, 0.56),
    (0.80, 0.70, 0.52),
    (0.45, 0.30, 0.25),
    (0.66, 0.67, 0.62),
)
TOPS: tuple[Colour, ...] = (
    (0.14, 0.16, 0.24),
    (0.55, 0.12, 0.13),
    (0.80, 0.78, 0.74),
    (0.18, 0.32, 0.24),
    (0.72, 0.55, 0.22),
    (0.32, 0.42, 0.58),
    (0.12, 0.12, 0.13),
    (0.60, 0.38, 0.48),
)
TROUSERS: tuple[Colour, ...] = (
    (0.12, 0.13, 0.18),
    (0.20, 0.24, 0.34),
    (0.32, 0.28, 0.23),
    (0.09, 0.09, 0.10),
    (0.45, 0.42, 0.38),
)
SKINS: tuple[Colour, ...] = ((0.88, 0.69, 0.57), (0.76, 0.55, 0.42), (0.55, 0.37, 0.26), (0.36, 0.24, 0.18))
HAIRS: tuple[Colour, ...] = ((0.09, 0.07, 0.06), (0.24, 0.16, 0.10), (0.55, 0.40, 0.22), (0.5, 0.5, 0.5))
LEAVES: tuple[Colour, ...] = ((0.24, 0.36, 0.13), (0.18, 0.32, 0.14), (0.34, 0.40, 0.14), (0.44, 0.34, 0.12))


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
            leaf=LEAVES[int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))],
            speed=float(rng.uniform(6.5, 10.5)),
            sun=(float(sun[0]), float(sun[1]), float(sun[2])),
            sun_strength=float(0.35 + 0.65 * max(0.0, 1 - max(0.0, cloud - 0.55) * 2)),
            cloud=cloud,
            haze=float(rng.uniform(140, 320)),
            centre_line=bool(rng.random() < 0.8),
        )


def jitter(colour: Colour, rng: np.random.Generator, amount: float) -> Colour:
    """A colour near another: lighter or darker, and a little off in hue."""
    r, g, b = np.clip(np.array(colour) + rng.normal(0, amount) + rng.normal(0, amount * 0.5, 3), 0.02, 0.95)
    return float(r), float(g), float(b)


def pick(colours: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    """A colour of a palette, jittered."""
    return jitter(colours[int(rng.integers(len(colours)))], rng, 0.03)
