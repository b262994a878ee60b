"""The 68 landmarks of a head in iBUG order, taken from the same geometry and curves that are drawn.

0-16 jaw, 17-21 and 22-26 brows, 27-30 bridge and 31-35 base of the nose, 36-41 and 42-47 eyes, 48-59 outer and 60-67
inner lips; left to right as seen in the picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.head_look import HeadLook
from v2vcli.worlds.head_paint import brow_centre, lip_edges
from v2vcli.worlds.head_shape import EYE_HALF, EYE_X, LID_Y, MOUTH_Y, Build, Distance, Expression
from v2vcli.worlds.head_view import Placement, View, trace

Array = NDArray[Any]
_UPPER_LID = (36, 37, 38, 39, 42, 43, 44, 45)
_LOWER_LID = (40, 41, 46, 47)
_UPPER_LIP = (*range(48, 55), *range(60, 65))
_LOWER_LIP = (*range(55, 60), *range(65, 68))


class Landmarks:
    """The landmarks of one person: points of the rest face, moved with expression and pose."""

    def __init__(self, look: HeadLook, head: Distance) -> None:
        """Find the 68 points on the rest head whose signed distance is ``head``."""
        flat = np.array(_front_points(look), np.float32)
        x, y = flat.T
        zero = np.zeros(len(flat), np.float32)
        front = trace(head, np.arange(len(flat)), (x, y, zero), (0, 0, 1), 1.05, -1.0, 0.01)
        jaw = np.array(_jaw(head), np.float32)
        self._points = np.concatenate((jaw, np.stack((front.x, front.y, front.z), 1)))
        self._above_mouth = self._points[:, 1] < MOUTH_Y
        self._above_mouth[list(_UPPER_LIP)], self._above_mouth[list(_LOWER_LIP)] = True, False
        self._above_eyes = self._points[:, 1] < LID_Y
        self._above_eyes[list(_UPPER_LID)], self._above_eyes[list(_LOWER_LID)] = True, False

    def at(self, placement: Placement, expression: Expression, view: View) -> Array:
        """(68, 2) float32 pixels; hidden points (of a turned cheek) are given too."""
        x, y, z = self._points.T
        # The corners of the eyes follow the tilt of the lids.
        line = np.where(x < 0, expression.left_eye.edges(x)[0], expression.right_eye.edges(x)[0])
        y = np.where((np.arange(68) >= 36) & (np.arange(68) < 48), line, y)
        qx, qy = expression.express(x, y, z, self._above_mouth, self._above_eyes, (x, y), rounds=40)
        cx, cy, _ = placement.to_camera(qx, qy, z)
        return np.stack(view.to_pixels(cx, cy), 1).astype(np.float32)


def _jaw(head: Distance) -> list[tuple[float, float, float]]:
    """Points 0-16: the outline from ear to ear, found by walking outwards from the axis of the face."""
    points = []
    for k in range(17):
        a = np.pi * k / 16
        across, down = -np.cos(a), 0.1 + 0.9 * np.sin(a) ** 0.9
        z = 0.05 + 0.36 * np.sin(a) ** 2
        low, high = 0.2, 1.6
        for _ in range(30):
            middle = 0.5 * (low + high)
            x, y = (np.array([v], np.float32) for v in (across * middle, 0.05 + down * middle))
            low, high = (middle, high) if head(x, y, np.array([z], np.float32))[0] < 0 else (low, middle)
        points.append((float(across * low), float(0.05 + down * low), float(z)))
    return points


def _front_points(look: HeadLook) -> list[tuple[float, float]]:
    """Points 17-67 in front view, (x, y)."""
    b: Build = look.build
    brow = [(0.12 + 0.36 * u, float(brow_centre(look, np.array(u)))) for u in np.linspace(0, 1, 5)]
    points = [(-x, y) for x, y in reversed(brow)] + brow
    tip = 0.36 * b.nose_length
    points += [(0.0, -0.05 + (tip + 0.05) * k / 3) for k in range(4)]
    points += [(0.07 * b.nose_width * k, tip + 0.095 + 0.012 * (2 - abs(k))) for k in range(-2, 3)]
    for side in (-1, 1):
        points += [(side * EYE_X + EYE_HALF * s, LID_Y) for s in (-1.0, -0.4, 0.4, 1.0, 0.4, -0.4)]
    m = b.mouth

    def lip(s: float, edge: int) -> tuple[float, float]:
        return m * s, MOUTH_Y if abs(s) == 1 else float(lip_edges(b, np.array([m * s]))[edge][0])

    points += [lip(s, 0) for s in (-1, -0.6, -0.25, 0, 0.25, 0.6, 1)]
    points += [lip(s, 1) for s in (0.6, 0.25, 0, -0.25, -0.6)]
    points += [(m * s, MOUTH_Y) for s in (-0.85, -0.3, 0, 0.3, 0.85, 0.3, 0, -0.3)]
    return points
