"""What surrounds a talking head: the clothes below and the blurred room behind."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.head_look import HeadLook
from v2vcli.worlds.head_paint import blend, rgb
from v2vcli.worlds.noise import smoothstep

Array = NDArray[Any]


def clothes(look: HeadLook, x: Array, y: Array, z: Array, pixel: float) -> tuple[Array, Array, Array]:
    """Colour (N, 3) and cloth weight (N,) of body-frame points, and gloss; where the weight is 0 there is skin."""
    soft = np.float32(max(pixel, 0.006))
    ax = np.abs(x)
    neck = look.build.neck
    outfit = look.outfit
    # The neckline in front view: a round collar, or a V for shirts, suits and v-necks.
    depth = {"tee": 0.13, "stripes": 0.15, "hoodie": 0.04, "plaid": 0.26, "shirt": 0.22, "suit": 0.2, "vneck": 0.42}[
        outfit
    ]
    reach = np.clip(ax * np.float32(1 / (neck * 1.15)), 0, 2)
    if outfit in ("tee", "stripes", "hoodie"):
        line = np.float32(1.19 + depth) - np.float32(depth) * reach**2
    else:
        line = np.float32(1.17 + depth) - np.float32(depth * 1.05) * reach
    line = line - smoothstep(0.0, -0.5, z) * np.float32(0.12)
    inside = y - line
    weight = smoothstep(-1, 1, inside / soft)
    base, second = rgb(look.cloth), rgb(look.cloth_second)
    colour = np.repeat(base[None, :], len(x), 0)

    def band(value: Array, width: float) -> Array:
        return smoothstep(1, -1, (np.abs(value) - np.float32(width)) / soft)

    if outfit == "stripes":
        colour = blend(
            colour,
            second,
            smoothstep(-0.3, 0.3, np.sin((y + ax * ax * np.float32(0.18)) * np.float32(2 * np.pi / 0.17))),
        )
    elif outfit == "plaid":
        for wave in (
            np.sin(x * np.float32(2 * np.pi / 0.22)),
            np.sin((y + ax * ax * np.float32(0.15)) * np.float32(2 * np.pi / 0.22)),
        ):
            colour = blend(colour, second, smoothstep(0.35, 0.75, wave) * np.float32(0.5))
    if outfit in ("shirt", "plaid"):
        placket = x - np.float32(0.03)
        colour *= (1 - np.float32(0.25) * band(np.abs(placket) - np.float32(0.045), 0.005) * (y > 1.42))[:, None]
        buttons = np.sqrt(placket**2 + (np.mod(y - np.float32(1.4), np.float32(0.24)) - np.float32(0.12)) ** 2)
        colour = blend(
            colour, base * np.float32(0.55), smoothstep(1, -1, (buttons - np.float32(0.018)) / soft) * (y > 1.42)
        )
    if outfit == "suit":
        # A white shirt and a tie show between the lapels.
        opening = (y - np.float32(1.15)) * np.float32(-0.5) + np.float32(0.47)
        shirt = smoothstep(-1, 1, (opening - ax) / soft)
        colour = blend(
            base[None, :] * np.ones((len(x), 1), np.float32), np.array([0.92, 0.92, 0.93], np.float32), shirt
        )
        knot = np.float32(0.045) + np.float32(0.06) * smoothstep(1.5, 2.1, y)
        colour = blend(colour, second, smoothstep(-1, 1, (knot - ax) / soft) * (y > 1.38))
        lapel = band(ax - opening - np.float32(0.17) + np.abs(y - np.float32(1.6)) * np.float32(0.3), 0.007) * (
            ax > opening
        )
        colour *= (1 - np.float32(0.35) * np.maximum(lapel, band(ax - opening - np.float32(0.01), 0.008)))[:, None]
    if outfit == "hoodie":
        colour *= (1 - np.float32(0.4) * np.exp(-(((inside - np.float32(0.15)) * np.float32(1 / 0.035)) ** 2)))[:, None]
        for side in (-1, 1):
            cord = (
                band(x - np.float32(side * 0.13) - np.float32(0.02) * (y - np.float32(1.4)), 0.013)
                * (y > 1.36)
                * (y < 1.78)
            )
            colour = blend(colour, np.array([0.85, 0.85, 0.84], np.float32), cord)
    if outfit in ("shirt", "plaid", "suit"):
        collar = smoothstep(-1, 1, (np.float32(0.1) - inside) / soft)
        points = base if outfit != "suit" else np.array([0.97, 0.97, 0.98], np.float32)
        colour = blend(colour, points * np.float32(1.05), collar)
        colour *= (1 - np.float32(0.35) * band(inside - np.float32(0.1), 0.006))[:, None]
    elif outfit != "hoodie":
        colour *= (1 - np.float32(0.28) * band(inside - np.float32(0.045), 0.006))[:, None]
    # Folds: broad, soft creases running down from the shoulders.
    fold = np.sin(x * np.float32(5.5) + np.sin(y * np.float32(3.1)) * np.float32(1.3)) * np.sin(
        y * np.float32(2.3) + ax * 4
    )
    colour *= (1 + np.float32(0.06) * fold)[:, None]
    return np.clip(colour, 0, 1), weight, weight * np.float32(-0.85) + 1


def background(look: HeadLook, rng: np.random.Generator, width: int, height: int) -> Array:
    """(H, W, 3) float32 room, out of focus; it stands still."""
    # Drawn in a unit of the picture's height so that the room is the same at every size, then blurred.
    rows, columns = 144, max(16, round(144 * width / height))
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    canvas: Array = np.empty((rows, columns, 3), np.float32)
    falloff = (x / columns - 0.5) * np.float32(0.5 * look.light[0]) + (y / rows - 0.5) * np.float32(-0.35)
    canvas[:] = rgb(look.wall) * (1 + falloff)[..., None]
    blur = 5.0
    if look.wall_kind == "window":
        left, pane = rng.uniform(-0.1, 0.75) * columns, rng.uniform(0.3, 0.42) * rows
        sky = np.array([0.86, 0.92, 0.98], np.float32)
        for k in range(2):
            x0 = int(left + k * (pane + 7))
            cv2.rectangle(
                canvas,
                (x0 - 5, 6),
                (int(x0 + pane + 5), 108),
                tuple(float(v) for v in rgb(look.wall_second) * 0.9 + 0.1),
                -1,
            )
            cv2.rectangle(canvas, (x0, 10), (int(x0 + pane), 104), tuple(float(v) for v in sky), -1)
            cv2.rectangle(canvas, (x0, 72), (int(x0 + pane), 104), (0.52, 0.66, 0.46), -1)
            cv2.line(canvas, (x0, 55), (int(x0 + pane), 55), tuple(float(v) for v in rgb(look.wall_second)), 3)
        blur = 2.6
    elif look.wall_kind == "shelves":
        wood = tuple(float(v) for v in rgb(look.wall_second) * 0.55)
        for row in range(4):
            base = int(rng.integers(-10, 4)) + row * 42 + 36
            position = float(rng.uniform(-6, 4))
            while position < columns:
                thick, tall = float(rng.uniform(5, 13)), float(rng.uniform(20, 33))
                colour = np.clip(
                    np.array(look.wall_second) * rng.uniform(0.5, 1.3) + rng.normal(0, 0.13, 3), 0.05, 0.95
                )
                if rng.random() < 0.85:
                    cv2.rectangle(
                        canvas,
                        (int(position), int(base - tall)),
                        (int(position + thick - 1), base),
                        tuple(float(v) for v in colour),
                        -1,
                    )
                position += thick
            cv2.rectangle(canvas, (0, base), (columns, base + 4), wood, -1)
        blur = 2.2
    elif look.wall_kind == "bokeh":
        canvas *= np.float32(0.55)
        for _ in range(22):
            centre = (int(rng.uniform(0, columns)), int(rng.uniform(0, rows)))
            tone = np.clip(np.array(look.wall_second) + rng.normal(0.2, 0.15, 3), 0, 1) * rng.uniform(0.3, 0.9)
            disc = np.zeros_like(canvas)
            cv2.circle(disc, centre, int(rng.uniform(4, 13)), tuple(float(v) for v in tone), -1)
            canvas += disc * np.float32(0.5)
        blur = 1.6
    canvas = cv2.GaussianBlur(canvas, (0, 0), blur, borderType=cv2.BORDER_REPLICATE)
    vignette = 1 - np.float32(0.25) * (
        ((x / columns - 0.5) * 2) ** 2 * np.float32(0.5) + ((y / rows - 0.45) * 2) ** 2 * np.float32(0.5)
    )
    canvas *= vignette[..., None]
    out: Array = np.clip(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    return out
