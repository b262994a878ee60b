"""Paint for a head: what colour the skin, the eyes, the mouth and the clothes have at a point of the rest face.

Features are drawn with distances in the plane of the face and edges one pixel soft, so they stay sharp and
anti-aliased at every size. Nothing is noisier than a real feature: an edge map of a frame should read as a drawing of
a face.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.head_look import Colour, HeadLook
from v2vcli.worlds.head_motion import HeadPose
from v2vcli.worlds.head_shape import EYE_HALF, EYE_X, EYE_Y, LID_Y, MOUTH_Y, Build, Expression
from v2vcli.worlds.noise import NoiseTile, periodic_noise_2d, smoothstep

Array = NDArray[Any]


def rgb(colour: Colour) -> Array:
    """A palette colour as a (3,) float32 row."""
    return np.array(colour, np.float32)


def blend(base: Array, colour: Array, weight: Array) -> Array:
    """``base`` (N, 3) towards ``colour`` by ``weight`` (N,)."""
    out: Array = base + (colour - base) * weight[:, None]
    return out


def brow_centre(look: HeadLook, along: Array) -> Array:
    """Y of the middle of a brow, ``along`` it from 0 at the nose to 1 at the temple."""
    arch = np.float32(0.05 * look.brow_arch) * np.sin(along * np.float32(2.3))
    return np.float32(0.045) * along * along - arch - np.float32(0.195)


def lip_edges(build: Build, x: Array) -> tuple[Array, Array]:
    """Y of the upper and the lower outline of the closed lips at ``x``."""
    s = x * np.float32(1 / (build.mouth * 1.04))
    lens = np.clip(1 - s * s, 0, 1)
    bow = np.exp(-((x * np.float32(1 / 0.035)) ** 2))
    top = np.float32(MOUTH_Y) - np.float32(0.075 * build.lips) * lens ** np.float32(0.8) + np.float32(0.017) * bow
    return top, np.float32(MOUTH_Y) + np.float32(0.098 * build.lips) * lens ** np.float32(0.7)


class SkinPaint:
    """Colours of the rest face in front view."""

    def __init__(self, look: HeadLook, rng: np.random.Generator) -> None:
        """Draw mottling, freckles and beard edges of one person."""
        self.look = look
        self._mottle = NoiseTile(periodic_noise_2d(rng, 128, ((5, 1.0), (11, 0.6))))
        self._freckle = NoiseTile(periodic_noise_2d(rng, 256, ((60, 1.0),)))
        self._bristle = NoiseTile(periodic_noise_2d(rng, 256, ((24, 1.0), (60, 0.7))))

    def albedo(self, x: Array, y: Array, z: Array, pixel: float) -> tuple[Array, Array]:
        """Colour (N, 3) and gloss (N,) of rest points; ``pixel``: size of a pixel in head units, for soft edges."""
        look, b = self.look, self.look.build
        ax = np.abs(x)
        soft = max(pixel, 0.006)
        front = smoothstep(-0.05, 0.25, z)
        skin = rgb(look.skin)
        colour = np.repeat(skin[None, :], len(x), 0)
        gloss = np.ones_like(x)
        mottle = self._mottle(x * 40 + 64, y * 40 + 64)
        colour *= (1 + np.float32(0.018) * mottle)[:, None]
        warm = skin * np.array([1.02, 0.76, 0.72], np.float32)
        cheek = np.exp(-((ax - np.float32(0.34)) ** 2) * 28 - (y - np.float32(0.32)) ** 2 * 30)
        nose = np.exp(-(x * x) * 60 - (y - np.float32(0.38)) ** 2 * 45)
        colour = blend(
            colour, warm, front * (cheek * np.float32(0.5 * look.blush) + nose * np.float32(0.35 * look.blush))
        )
        if look.freckles > 0.02:
            spots = smoothstep(1.1, 1.7, self._freckle(x * 240, y * 240))
            zone = np.exp(-((ax - np.float32(0.2)) ** 2) * 14 - (y - np.float32(0.24)) ** 2 * 30)
            colour = blend(
                colour, skin * np.array([0.72, 0.58, 0.5], np.float32), spots * zone * front * np.float32(look.freckles)
            )
        # Around the eyes: a shadowed socket and a crease above the lid.
        ex, ey = (
            ax - np.float32(EYE_X),
            y - np.float32(LID_Y) + np.float32(b.eye_tilt) * (ax - np.float32(EYE_X)),
        )
        socket = np.exp(-(ex * ex) * 30 - (ey + np.float32(0.02)) ** 2 * 90)
        colour *= (1 - np.float32(0.2) * socket * front)[:, None]
        s = np.clip(1 - (ex * np.float32(1 / EYE_HALF)) ** 2, 0, 1)
        crease = (
            np.exp(-(((ey + np.float32(0.042) * s + np.float32(0.012)) * np.float32(1 / max(0.01, soft))) ** 2)) * s
        )
        colour *= (1 - np.float32(0.38) * crease * front)[:, None]
        self._lashes(colour, ex, ey, front, soft)
        self._lips(colour, gloss, x, y, front, soft)
        # Nostrils and the fold beside the mouth.
        nx = (ax - np.float32(0.068 * b.nose_width)) * np.float32(1 / 0.034)
        ny = (y - np.float32(0.36 * b.nose_length + 0.078)) * np.float32(1 / 0.02)
        nostril = smoothstep(1.15, 0.6, np.sqrt(nx * nx + ny * ny)) * front
        colour *= (1 - np.float32(0.72) * nostril)[:, None]
        along = np.clip((y - np.float32(0.42)) * np.float32(1 / 0.26), 0, 1)
        fold = np.exp(-(((ax - np.float32(0.155) - np.float32(0.14) * along) * np.float32(1 / 0.022)) ** 2))
        fold = fold * smoothstep(0.4, 0.47, y) * smoothstep(0.7, 0.58, y)
        colour *= (1 - np.float32(0.13) * fold * front)[:, None]
        self._facial_hair(colour, gloss, x, y, z)
        self._brows(colour, gloss, x, y, front, soft)
        return colour, gloss

    def _lashes(self, colour: Array, ex: Array, ey: Array, front: Array, soft: float) -> None:
        reach = smoothstep(EYE_HALF + 0.02, EYE_HALF - 0.02, np.abs(ex)) * front
        thick = np.float32(0.008 + 0.007 * self.look.lashes) * (1 + 2 * np.clip(ex, -0.1, 0.2))
        upper = smoothstep(1, -1, (np.abs(ey + thick * np.float32(0.5)) - thick) / np.float32(soft)) * reach
        lower = smoothstep(1, -1, (np.abs(ey - np.float32(0.005)) - np.float32(0.006)) / np.float32(soft)) * reach
        dark = np.array([0.07, 0.045, 0.04], np.float32)
        colour[:] = blend(
            colour, dark, np.maximum(upper * np.float32(0.6 + 0.35 * self.look.lashes), np.float32(0.35) * lower)
        )

    def _lips(self, colour: Array, gloss: Array, x: Array, y: Array, front: Array, soft: float) -> None:
        b = self.look.build
        s = x * np.float32(1 / (b.mouth * 1.04))
        lens = np.clip(1 - s * s, 0, 1)
        top, bottom = lip_edges(b, x)
        edge = np.minimum(y - top, bottom - y)
        lip = smoothstep(-soft, soft * 1.5 + 0.008, edge) * (lens > 0) * front
        tone = rgb(self.look.lips)
        # The upper lip faces down and is darker; the lower one catches the light in the middle.
        v = (y - np.float32(MOUTH_Y)) * np.float32(1 / (0.098 * b.lips))
        shade = np.where(
            v < 0,
            np.float32(0.84) + 0 * v,
            np.float32(0.98) + np.float32(0.16) * np.exp(-((v - np.float32(0.45)) ** 2) * 14) * lens,
        )
        line = np.exp(-(((y - np.float32(MOUTH_Y)) * np.float32(1 / max(0.011, soft))) ** 2))
        shade = shade * (1 - np.float32(0.55) * line * (lens > 0))
        colour[:] = colour + (tone[None, :] * shade[:, None] - colour) * lip[:, None]
        corner = np.exp(
            -(((np.abs(x) - np.float32(b.mouth)) ** 2) + (y - np.float32(MOUTH_Y)) ** 2) * np.float32(1 / 0.0009)
        )
        colour *= (1 - np.float32(0.35) * corner * front)[:, None]
        gloss += lip * np.float32(0.8)

    def _brows(self, colour: Array, gloss: Array, x: Array, y: Array, front: Array, soft: float) -> None:
        look = self.look
        u = (np.abs(x) - np.float32(0.12)) * np.float32(1 / 0.36)  # 0 at the root, 1 at the tip
        uc = np.clip(u, 0, 1)
        centre = brow_centre(look, uc)
        half = np.float32(0.03 * look.brow_weight) * (1 - np.float32(0.75) * uc**2) * smoothstep(-0.06, 0.12, u)
        # Hairs lean outwards: a stripe pattern along the brow, faint, seen only when there are pixels for it.
        fine = np.float32(np.clip(1.6 - soft * 100, 0, 1))
        hairs = np.sin((np.abs(x) * 1.0 + (y - centre) * np.float32(0.9)) * np.float32(2 * np.pi / 0.034))
        edge = half - np.abs(y - centre) + hairs * fine * np.float32(0.004)
        brow = smoothstep(-soft, soft + 0.012, edge) * smoothstep(1.04, 0.9, u) * smoothstep(-0.06, 0.06, u) * front
        strength = np.float32(0.86) + np.float32(0.07) * fine * hairs
        colour[:] = blend(colour, rgb(look.brow), np.clip(brow * strength, 0, 1))
        gloss *= 1 - brow * np.float32(0.8)

    def _facial_hair(self, colour: Array, gloss: Array, x: Array, y: Array, z: Array) -> None:
        look = self.look
        if not (look.beard or look.moustache or look.stubble):
            return
        ax = np.abs(x)
        ragged = self._bristle(x * 120, y * 90)
        # The beard: below a curve from the sideburn to the corner of the mouth, not on the lips.
        curve = np.float32(0.62) - np.float32(0.5) * smoothstep(0.24, 0.62, ax)
        zone = smoothstep(-0.02, 0.05, y - curve + np.float32(0.01) * ragged) * smoothstep(-0.25, -0.1, z)
        ring = np.sqrt(
            (x * np.float32(1 / 0.25)) ** 2 + ((y - np.float32(MOUTH_Y + 0.01)) * np.float32(1 / 0.125)) ** 2
        )
        zone = zone * smoothstep(0.95, 1.1, ring)
        s = np.clip(1 - (x * np.float32(1 / 0.26)) ** 2, 0, 1)
        lip_top = np.float32(0.505) + np.float32(0.06) * (1 - s)
        bar = (
            smoothstep(-0.015, 0.02, y - lip_top + np.float32(0.006) * ragged)
            * smoothstep(0.012, -0.012, y - lip_top - np.float32(0.075))
            * smoothstep(0.0, 0.15, s)
            * smoothstep(0.2, 0.3, z)
        )
        dark = rgb(look.hair) * np.float32(0.8)
        grain = np.exp(np.float32(0.12) * ragged)
        for weight, area in ((look.beard, zone), (look.moustache, bar)):
            if weight:
                colour[:] = (
                    colour + (dark[None, :] * grain[:, None] - colour) * (area * np.float32(0.9 * weight))[:, None]
                )
                gloss *= 1 - area * np.float32(0.85)
        if look.stubble and not look.beard:
            grey = rgb(look.skin) * np.float32(0.55) + rgb(look.hair) * np.float32(0.3)
            colour[:] = blend(colour, grey, np.maximum(zone, bar) * np.float32(0.5 * look.stubble))


def paint_eye(look: HeadLook, pose: HeadPose, light_x: float, x: Array, y: Array, depth: Array, pixel: float) -> Array:
    """Colour (N, 3), already lit, of points inside an eye; ``depth`` is how far inside the lids they are."""
    side = np.where(x < 0, np.float32(-1), np.float32(1))
    ex = x - side * np.float32(EYE_X) - np.float32(pose.gaze_x)
    ey = y - np.float32(EYE_Y - 0.008) - np.float32(pose.gaze_y)
    r = np.sqrt(ex * ex + ey * ey)
    soft = np.float32(max(pixel * 0.8, 0.005))
    white = np.array([0.93, 0.91, 0.90], np.float32) * np.float32(0.97)
    colour = np.repeat(white[None, :], len(x), 0)
    out = np.abs(x - side * np.float32(EYE_X)) * np.float32(1 / EYE_HALF)
    colour = blend(colour, np.array([0.78, 0.55, 0.5], np.float32), smoothstep(0.55, 1.05, out) * np.float32(0.6))
    radius = np.float32(0.068)
    iris = smoothstep(1, -1, (r - radius) / soft)
    tone = (
        rgb(look.iris)[None, :]
        * (np.float32(0.75) + np.float32(0.85) * np.clip(ey * np.float32(9) + np.float32(0.3), 0, 1))[:, None]
    )
    tone = tone * (1 - np.float32(0.6) * smoothstep(0.045, 0.068, r))[:, None]
    colour = colour + (tone - colour) * iris[:, None]
    colour = blend(colour, np.array([0.02, 0.018, 0.02], np.float32), smoothstep(1, -1, (r - np.float32(0.029)) / soft))
    # The upper lid shades the ball.
    colour *= (np.float32(0.5) + np.float32(0.5) * smoothstep(0.0, 0.04, depth))[:, None]
    hx, hy = ex - np.float32(0.024 * np.sign(light_x)), ey + np.float32(0.026)
    spark = smoothstep(1, -1, (np.sqrt(hx * hx + hy * hy) - np.float32(0.014)) / soft)
    return blend(colour, np.array([1, 1, 1], np.float32), spark * np.float32(0.95))


def paint_mouth(expression: Expression, x: Array, y: Array, depth: Array, pixel: float) -> tuple[Array, Array]:
    """Colour (N, 3), already lit, inside the open mouth, and True where it moves with the jaw (tongue, lower teeth)."""
    slit = expression.mouth
    line, _, _ = slit.edges(x)
    soft = np.float32(max(pixel, 0.008))
    colour = np.repeat(np.array([[0.16, 0.05, 0.05]], np.float32), len(x), 0)
    jaw_line = line + np.float32(slit.down)  # the middle of the lower lip
    rise = np.float32(0.075) - (x * np.float32(1.2)) ** 2
    tongue = smoothstep(-0.03, 0.03, y - (jaw_line - rise))
    colour = blend(colour, np.array([0.66, 0.27, 0.27], np.float32), tongue * np.float32(0.85))
    enamel = np.array([0.93, 0.90, 0.84], np.float32)
    curve = (x * np.float32(1 / slit.half)) ** 2
    upper_edge = line + np.float32(0.026) - curve * np.float32(0.03)
    teeth = smoothstep(1, -1, (y - upper_edge) / soft)
    gap = np.abs(np.mod(x + np.float32(0.5 * 0.045), np.float32(0.045)) - np.float32(0.0225))
    gaps = 1 - np.float32(0.22 * np.clip(1.4 - pixel * 40, 0, 1)) * smoothstep(
        0.008, 0.0, np.abs(gap - np.float32(0.0225))
    )
    colour = (
        colour + ((enamel[None, :] * gaps[:, None]) * (1 - np.float32(0.35) * curve)[:, None] - colour) * teeth[:, None]
    )
    low_edge = jaw_line - np.float32(0.03) + curve * np.float32(0.03)
    low = smoothstep(-1, 1, (y - low_edge) / soft) * np.float32(0.8)
    colour = blend(colour, enamel * np.float32(0.85), low)
    colour *= (np.float32(0.35) + np.float32(0.65) * smoothstep(0.0, 0.035, depth))[:, None]
    return colour, (teeth < 0.5) & ((tongue > 0.4) | (low > 0.4))
