"""Glasses: two rims, a bridge and the starts of the temples, drawn in a plane before the eyes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.head_look import HeadLook
from v2vcli.worlds.noise import smoothstep

Array = NDArray[Any]
PLANE_Z = 0.73


def spectacles(look: HeadLook, x: Array, y: Array, pixel: float) -> tuple[Array, Array, Array]:
    """Weights (N,) of frame, lens and glint at points of the plane ``z = PLANE_Z`` of the head."""
    ax = np.abs(x)
    if look.glasses == "round":
        d = np.sqrt((ax - np.float32(0.305)) ** 2 + (y - np.float32(0.03)) ** 2) - np.float32(0.205)
    else:
        # A rectangle with round corners.
        qx = np.abs(ax - np.float32(0.315)) - np.float32(0.14)
        qy = np.abs(y - np.float32(0.025)) - np.float32(0.085)
        outside = np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qy, 0) ** 2)
        d = outside + np.minimum(np.maximum(qx, qy), 0) - np.float32(0.065)
    thick, soft = np.float32(0.017), 0.6 * pixel
    bridge = np.maximum(np.abs(y + np.float32(0.02) - np.float32(0.25) * x * x) - thick, ax - np.float32(0.13))
    hinge = np.maximum(np.abs(y + np.float32(0.03)) - thick, np.maximum(np.float32(0.5) - ax, ax - np.float32(0.6)))
    frame = smoothstep(soft, -soft, np.minimum(np.abs(d) - thick, np.minimum(bridge, hinge)))
    lens = smoothstep(soft, -soft, d)
    slant = np.abs(x - np.sign(x) * np.float32(0.33) + (y + np.float32(0.05)) * np.float32(0.7))
    glint = smoothstep(0.042, 0.012, slant) * smoothstep(0.02, -0.08, y) * lens
    return frame, lens, glint
