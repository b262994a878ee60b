"""Hair: its volume as a signed distance in the frame of the head, and its strands.

Hair never deforms with the face. Every style starts as a cap around the skull, cut by a sloping plane that makes the
hairline at the forehead, the temples and over the ears; long styles add curtains and a back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.head_look import HeadLook
from v2vcli.worlds.head_shape import Distance, blob, carve, ellipsoid, join
from v2vcli.worlds.head_view import Triple
from v2vcli.worlds.noise import lookup_1d, periodic_noise_1d

Array = NDArray[Any]

_THICKNESS = {
    "buzz": 0.018,
    "short": 0.07,
    "quiff": 0.06,
    "bob": 0.12,
    "long": 0.11,
    "bun": 0.05,
    "curls": 0.24,
    "fringe": 0.11,
}
# How far below the middle of the head long styles reach, head units.
REACH = {"long": 1.95, "bob": 1.1, "fringe": 1.1}


def hair_volume(look: HeadLook) -> Distance | None:
    """The signed distance of the hair, or None for a bald head."""
    style = look.hair_style
    if style == "bald":
        return None
    thick = _THICKNESS[style]
    grow = look.build.skull
    slope = np.float32(0.02 + look.hairline)
    covers_ears = style in ("bob", "long", "curls", "fringe")

    def distance(x: Array, y: Array, z: Array) -> Array:
        ax = np.abs(x)
        d = ellipsoid(
            x, y, z, (0, -0.27 - 0.35 * thick, -0.17), (0.69 * grow + thick, 0.745 + 0.9 * thick, 0.83 + 0.6 * thick)
        )
        if style == "quiff":
            d = join(d, blob(x, y, z, (0.18 * np.sign(look.parting), -0.88, 0.32), (0.5, 0.2, 0.36)), 0.2)
        elif style == "bun":
            d = join(d, blob(x, y, z, (0, -1.05, -0.45), (0.27, 0.25, 0.27)), 0.08)
        elif style == "curls":
            bumps = np.sin(x * 13 + np.sin(y * 7) * 2) * np.sin(y * 12 + np.sin(z * 9 + x * 5)) * np.sin(z * 12)
            # Bumps make the slope steeper than 1; shorter steps keep the tracing from passing through them.
            d = (d - np.float32(0.028) * bumps) * np.float32(0.7)
        # The hairline: high in the middle of the forehead, receding a little at the temples, down to the ears.
        front = y * np.float32(0.72) + z * np.float32(0.69) - slope - np.float32(0.1) * (ax - np.float32(0.3)) ** 2
        if style == "fringe":
            front = np.maximum(front - np.float32(0.3), y * np.float32(0.9) + z * np.float32(0.1) + np.float32(0.2))
            front = np.where(ax > 0.5, y - np.float32(0.9), front)
        d = -join(-d, -front, 0.07)
        if style in ("bob", "long", "fringe"):
            bottom = 1.75 if style == "long" else 0.78
            middle, half = (bottom - 0.5) / 2, (bottom + 0.5) / 2
            curtain = ellipsoid(ax, y, z, (0.66, middle, -0.16), (0.21, half, 0.34))
            d = join(d, curtain, 0.15)
            d = join(d, ellipsoid(x, y, z, (0, middle, -0.6), (0.72, half, 0.36)), 0.2)
            d = np.maximum(d, y - np.float32(bottom - 0.1))
        elif covers_ears:
            d = join(d, blob(ax, y, z, (0.66, 0.1, -0.25), (0.3, 0.42, 0.4)), 0.15)
        else:
            # Short hair ends above the nape.
            d = np.maximum(d, y - z * np.float32(0.3) - np.float32(0.42))
        return carve(d, blob(x, y, z, (0, 0.3, 0.78), (0.5, 0.75, 0.62)), 0.05)

    return distance


class Strands:
    """Streaks along the hair: noise that is constant along a strand, so that its edges run like hair."""

    def __init__(self, look: HeadLook, rng: np.random.Generator) -> None:
        """Draw the streaks of one head."""
        self._parting = np.float32(look.parting)
        self._curly = look.hair_style == "curls"
        self._coarse = periodic_noise_1d(rng, 2048, ((48, 1.0), (110, 0.6)))
        self._fine = periodic_noise_1d(rng, 2048, ((190, 1.0), (380, 0.5)))
        self._colour = np.array(look.hair, np.float32)

    def albedo(self, x: Array, y: Array, z: Array, pixel: float) -> tuple[Array, Array]:
        """Colour (N, 3) and gloss shift (N,) at head-frame points; ``pixel`` is the size of a pixel in head units."""
        # Strands fall from the parting: the angle around the vertical axis stays, a little wave comes with the height.
        angle = np.arctan2(x - self._parting * np.clip(0.4 - y, 0, 1), np.abs(z + 0.1) + 0.55)
        wave = np.float32(0.05) * np.sin(y * (11 if self._curly else 5) + x * 4) * (1.6 if self._curly else 1)
        position = (angle + wave) * np.float32(2048 / 6.2832)
        coarse = lookup_1d(self._coarse, position)
        fine = lookup_1d(self._fine, position) * np.float32(np.clip(1.5 - pixel * 60, 0, 1))
        shade = np.exp(np.float32(0.16) * coarse + np.float32(0.12) * fine)
        return self._colour[None, :] * shade[:, None], coarse

    def shine(self, normal: Triple, streak: Array, light: Array) -> Array:
        """(N, 3) light to add: strands shine in a band across the head, across the half-way direction."""
        nx, ny, nz = normal
        lift = nx * light[0] + (ny - np.float32(0.03) * streak) * light[1] + nz * np.float32(0.75)
        band = np.exp(-(((lift - np.float32(0.80)) * np.float32(1 / 0.13)) ** 2))
        tone = np.sqrt(self._colour) * np.float32(0.6) + np.float32(0.2)
        out: Array = tone[None, :] * (band * np.float32(0.17) * (1 + np.float32(0.3) * streak))[:, None]
        return out
