"""What one person looks like: proportions, colours, hair, beard, glasses, clothes, all drawn from a seed.

Colours are sRGB in [0, 1]. Palettes are hand-mixed; skin runs along a line from fair to deep with a drawn undertone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from v2vcli.worlds.head_shape import Build

Colour = tuple[float, float, float]
HairStyle = Literal["bald", "buzz", "short", "quiff", "bob", "long", "bun", "curls", "fringe"]
Outfit = Literal["tee", "stripes", "shirt", "suit", "hoodie", "plaid", "vneck"]

HAIR_STYLES: tuple[HairStyle, ...] = ("bald", "buzz", "short", "quiff", "bob", "long", "bun", "curls", "fringe")
OUTFITS: tuple[Outfit, ...] = ("tee", "stripes", "shirt", "suit", "hoodie", "plaid", "vneck")

_SKIN: tuple[Colour, ...] = (
    (0.96, 0.80, 0.71),
    (0.91, 0.73, 0.61),
    (0.86, 0.66, 0.52),
    (0.76, 0.56, 0.42),
    (0.62, 0.43, 0.31),
    (0.47, 0.31, 0.22),
    (0.34, 0.22, 0.165),
)
_HAIR: tuple[Colour, ...] = (
    (0.07, 0.06, 0.06),
    (0.16, 0.10, 0.07),
    (0.27, 0.17, 0.10),
    (0.40, 0.26, 0.14),
    (0.55, 0.22, 0.09),
    (0.72, 0.54, 0.29),
    (0.85, 0.72, 0.47),
    (0.62, 0.61, 0.60),
)
_IRIS: tuple[Colour, ...] = (
    (0.24, 0.14, 0.07),
    (0.36, 0.22, 0.10),
    (0.40, 0.36, 0.16),
    (0.28, 0.40, 0.28),
    (0.30, 0.45, 0.58),
    (0.44, 0.50, 0.54),
)
_CLOTH: tuple[Colour, ...] = (
    (0.16, 0.20, 0.30),
    (0.62, 0.15, 0.16),
    (0.20, 0.38, 0.30),
    (0.86, 0.85, 0.82),
    (0.15, 0.15, 0.16),
    (0.34, 0.45, 0.62),
    (0.78, 0.60, 0.26),
    (0.46, 0.28, 0.42),
    (0.52, 0.53, 0.55),
    (0.80, 0.45, 0.36),
    (0.24, 0.50, 0.56),
)
_WALL: tuple[Colour, ...] = (
    (0.55, 0.60, 0.64),
    (0.72, 0.68, 0.62),
    (0.32, 0.38, 0.44),
    (0.60, 0.66, 0.58),
    (0.45, 0.36, 0.34),
    (0.78, 0.76, 0.72),
    (0.24, 0.26, 0.30),
    (0.56, 0.47, 0.54),
)


@dataclass(frozen=True, slots=True)
class HeadLook:
    """One person and the room behind; see the palettes above for what is likely."""

    build: Build
    skin: Colour
    lips: Colour
    blush: float
    freckles: float
    hair: Colour
    hair_style: HairStyle
    hairline: float
    parting: float
    brow: Colour
    brow_weight: float
    brow_arch: float
    iris: Colour
    lashes: float
    beard: float
    moustache: float
    stubble: float
    glasses: Literal["none", "round", "square"]
    frame_colour: Colour
    outfit: Outfit
    cloth: Colour
    cloth_second: Colour
    wall: Colour
    wall_second: Colour
    wall_kind: Literal["plain", "window", "shelves", "bokeh"]
    light: tuple[float, float, float]
    warmth: float
    size: float


def draw_look(rng: np.random.Generator) -> HeadLook:
    """Draw a person; every call uses the same number of draws in the same order."""

    def pick(items: tuple[Colour, ...], jitter: float = 0.03) -> Colour:
        base = np.array(items[int(rng.integers(len(items)))]) + rng.normal(0, jitter, 3)
        r, g, b = np.clip(base, 0.02, 0.98)
        return float(r), float(g), float(b)

    tone = rng.uniform(0, len(_SKIN) - 1.001)
    low, t = int(tone), tone - int(tone)
    skin_rgb = np.array(_SKIN[low]) * (1 - t) + np.array(_SKIN[low + 1]) * t
    skin_rgb = np.clip(skin_rgb + rng.normal(0, 0.015) * np.array([0.2, 0.6, -1.0]), 0.05, 0.98)
    skin = (float(skin_rgb[0]), float(skin_rgb[1]), float(skin_rgb[2]))
    feminine = bool(rng.random() < 0.5)
    lip_mix = np.array([0.72, 0.24, 0.27]) * (0.5 if feminine else 0.3) + skin_rgb * np.array([0.9, 0.66, 0.66]) * (
        0.5 if feminine else 0.7
    )
    deep = tone / len(_SKIN)
    hair_weights = np.array([1.0, 1.2, 1.2, 1.0, 0.5, 0.8, 0.6, 0.5]) * np.exp(-2.6 * deep * np.arange(8) / 3)
    hair_rgb = np.array(_HAIR[int(rng.choice(8, p=hair_weights / hair_weights.sum()))]) * np.exp(
        rng.normal(0, (0.1, 0.04, 0.06)).cumsum()
    )
    hair_rgb = np.clip(hair_rgb, 0.03, 0.95)
    hair = (float(hair_rgb[0]), float(hair_rgb[1]), float(hair_rgb[2]))
    weights = {
        "bald": 0.0 if feminine else 0.7,
        "buzz": 0.2 if feminine else 1.2,
        "short": 0.4 if feminine else 2.0,
        "quiff": 0.1 if feminine else 1.2,
        "bob": 1.6 if feminine else 0.15,
        "long": 2.0 if feminine else 0.3,
        "bun": 1.0 if feminine else 0.2,
        "curls": 0.9,
        "fringe": 1.2 if feminine else 0.5,
    }
    p = np.array([weights[s] for s in HAIR_STYLES])
    style = HAIR_STYLES[int(rng.choice(len(HAIR_STYLES), p=p / p.sum()))]
    build = Build(
        jaw=float(rng.normal(0.94 if feminine else 1.08, 0.07)),
        cheek=float(rng.normal(1.0, 0.035)),
        skull=float(rng.normal(1.0, 0.02)),
        nose_width=float(rng.normal(0.92 if feminine else 1.05, 0.1) + 0.2 * deep),
        nose_length=float(rng.normal(1.0, 0.06)),
        nose_out=float(rng.normal(0.9 if feminine else 1.1, 0.25)),
        lips=float(rng.normal(1.08 if feminine else 0.92, 0.1) + 0.25 * deep),
        mouth=float(rng.normal(0.205, 0.013)),
        eye_size=float(rng.normal(1.08 if feminine else 0.94, 0.07)),
        eye_tilt=float(rng.normal(0.06, 0.05)),
        chin=float(rng.normal(1.0, 0.03)),
        neck=float(rng.normal(0.285 if feminine else 0.36, 0.02)),
        shoulders=float(rng.normal(0.9 if feminine else 1.06, 0.05)),
        ears=float(rng.normal(1.0, 0.1)),
    )
    facial, shadow = rng.random(), rng.random()
    beard = 0.0 if feminine or facial > 0.32 else float(rng.uniform(0.6, 1.0))
    moustache = 0.0 if feminine or facial > 0.42 else float(rng.uniform(0.6, 1.0))
    brow = tuple(float(c) * 0.62 for c in hair)
    kinds: tuple[Literal["none", "round", "square"], ...] = ("none", "round", "square")
    walls: tuple[Literal["plain", "window", "shelves", "bokeh"], ...] = ("plain", "window", "shelves", "bokeh")
    side = float(rng.choice([-1.0, 1.0]))
    return HeadLook(
        build=build,
        skin=skin,
        lips=(float(lip_mix[0]), float(lip_mix[1]), float(lip_mix[2])),
        blush=float(rng.uniform(0.3, 1.0)),
        freckles=float(max(0.0, rng.uniform(-2.0, 1.0)) * (1 - deep) * 0.6),
        hair=hair,
        hair_style=style,
        hairline=float(rng.normal(0.0, 0.035)),
        parting=float(rng.uniform(-0.3, 0.3)),
        brow=(brow[0], brow[1], brow[2]),
        brow_weight=float(rng.uniform(0.7, 1.0) if feminine else rng.uniform(0.95, 1.45)),
        brow_arch=float(rng.uniform(0.4, 1.2)),
        iris=_IRIS[int(rng.choice(6, p=[0.3, 0.25, 0.12, 0.1, 0.13, 0.1]))]
        if deep < 0.5
        else _IRIS[int(rng.integers(2))],
        lashes=1.0 if feminine else 0.55,
        beard=beard,
        moustache=moustache,
        stubble=0.0 if feminine else float(max(0.0, shadow - 0.4)),
        glasses=kinds[int(rng.choice(3, p=[0.72, 0.14, 0.14]))],
        frame_colour=((0.07, 0.06, 0.06), (0.3, 0.18, 0.1), (0.45, 0.42, 0.38), (0.45, 0.1, 0.12))[
            int(rng.integers(4))
        ],
        outfit=OUTFITS[int(rng.integers(len(OUTFITS)))],
        cloth=pick(_CLOTH),
        cloth_second=pick(_CLOTH),
        wall=pick(_WALL, 0.04),
        wall_second=pick(_WALL, 0.05),
        wall_kind=walls[int(rng.choice(4, p=[0.3, 0.25, 0.25, 0.2]))],
        light=(side * float(rng.uniform(0.25, 0.7)), -float(rng.uniform(0.3, 0.65)), 0.8),
        warmth=float(rng.uniform(-1, 1)),
        size=float(rng.uniform(0.295, 0.335)),
    )
