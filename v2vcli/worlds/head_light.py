"""Light on a talking head: one soft key light, a fill from above, a rim, highlights, and soft shadows.

Nothing here is physical beyond Lambert; it is portrait lighting that makes round things look round. Skin is lit past
the terminator and reddens there, as light that has travelled below the surface does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.head_look import HeadLook
from v2vcli.worlds.head_shape import Distance
from v2vcli.worlds.head_view import Traced, Triple, turn

Array = NDArray[Any]


class PortraitLight:
    """The lamp of one portrait; it stands still beside the camera."""

    def __init__(self, look: HeadLook) -> None:
        """Take direction and colour from the look."""
        direction = np.array(look.light)
        self.direction: Array = (direction / np.linalg.norm(direction)).astype(np.float32)
        half = self.direction + np.array([0, 0, 1], np.float32)
        self._half: Array = half / np.linalg.norm(half)
        warm = 0.04 * look.warmth
        self._key = np.array([1 + warm, 1, 1 - warm], np.float32) * np.float32(0.80)
        self._fill = np.array([1 - warm, 1, 1 + warm], np.float32)

    def shade(self, colour: Array, normal: Triple, gloss: Array, shadow: Array, *, skin: bool) -> Array:
        """Lit colour (N, 3).

        Args:
            colour: (N, 3) albedo.
            normal: unit normals in the camera frame.
            gloss: (N,) strength of the highlight, 1 for skin.
            shadow: (N,) how much of the key light arrives.
            skin: lit as skin; otherwise as something harder.
        """
        nx, ny, nz = normal
        lx, ly, lz = self.direction
        lambert = nx * lx + ny * ly + nz * lz
        wrap = 0.35 if skin else 0.15
        key = np.clip((lambert + np.float32(wrap)) * np.float32(1 / (1 + wrap)), 0, 1) * shadow
        fill = np.float32(0.30) - np.float32(0.10) * ny + np.float32(0.05) * nz
        light = fill[:, None] * self._fill + key[:, None] * self._key
        if skin:
            bleed = np.exp(-(((lambert + np.float32(0.02)) * np.float32(1 / 0.22)) ** 2)) * shadow
            light[:, 0] += np.float32(0.055) * bleed
        along = np.clip(nx * self._half[0] + ny * self._half[1] + nz * self._half[2], 0, 1)
        # x^24 and x^96 by squaring: powers of floats are slow.
        p8 = ((along * along) ** 2) ** 2
        p24 = p8 * p8 * p8
        spec = (p24 * np.float32(0.13) + (p24 * p24) ** 2 * np.float32(0.10)) * gloss * shadow
        grazing = 1 - np.clip(nz, 0, 1)
        rim = np.clip(-nx * np.float32(np.sign(lx) * 0.7) - ny * np.float32(0.3), 0, 1) * np.float32(0.13)
        lit = colour * light + (spec + rim * grazing * grazing * grazing)[:, None]
        return shoulder(lit)


def shoulder(colour: Array) -> Array:
    """Bend what is brighter than 0.7 towards 1, as film does, so that a pale forehead keeps its shape."""
    knee = np.float32(0.7)
    over = np.maximum(colour - knee, 0) * np.float32(1 / 0.42)
    out: Array = np.minimum(colour, knee) + np.float32(0.30) * over / np.sqrt(1 + over * over)
    return out


def normals(distance: Distance, body: Traced, rotation: Array | None) -> Triple:
    """Unit normals in the camera frame by forward differences; ``rotation`` takes the body's frame there."""
    e = np.float32(0.012)
    base = distance(body.x, body.y, body.z)
    nx = distance(body.x + e, body.y, body.z) - base
    ny = distance(body.x, body.y + e, body.z) - base
    nz = distance(body.x, body.y, body.z + e) - base
    if rotation is not None:
        nx, ny, nz = turn(rotation, nx, ny, nz)
    scale = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-12))
    return nx * scale, ny * scale, nz * scale


def light_past(blocker: Distance, x: Array, y: Array, z: Array, light: Array, reach: float, softness: float) -> Array:
    """How much light passes a body on the way to points (all in the body's frame): 1 is all; two looks."""
    passed = np.ones_like(x)
    for part in (0.4, 1.0):
        step = (light * np.float32(reach * part)).astype(np.float32)
        d = blocker(x + step[0], y + step[1], z + step[2])
        passed = np.minimum(passed, np.clip(np.float32(0.5) + d * np.float32(1 / (softness * (0.4 + part))), 0, 1))
    return passed
