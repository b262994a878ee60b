"""Between a head and its picture: where the head is placed, how it is seen, and sphere tracing of its bodies.

The view is orthographic. Camera axes are those of the head: x right, y down, z to the viewer, in head units; the ray
of a pixel runs along -z, so the ray parameter is camera depth and larger is nearer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.head_motion import HeadPose
from v2vcli.worlds.head_shape import Distance

Array = NDArray[Any]
Triple = tuple[Array, Array, Array]
_PIVOT = np.array([0.0, 0.75, -0.3])  # a head turns on its neck
_STEPS = 34
_TOUCH = 0.0015  # a ray this near has arrived


def turn(matrix: Array, x: Array, y: Array, z: Array | np.floating[Any]) -> Triple:
    """``matrix`` (3, 3) times points given by their coordinates."""
    m = matrix.astype(np.float32)
    rows = [m[k, 0] * x + m[k, 1] * y + m[k, 2] * z for k in range(3)]
    return rows[0], rows[1], rows[2]


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the head is: camera point = rotation @ head point + offset."""

    rotation: Array
    offset: Array

    @staticmethod
    def of(pose: HeadPose) -> Placement:
        """The placement that a pose asks for."""
        rotation = pose.rotation()
        shift = np.array([pose.x + 0.5 * pose.body_x, pose.y, 0.0])
        return Placement(rotation, _PIVOT - rotation @ _PIVOT + shift)

    def to_camera(self, x: Array, y: Array, z: Array) -> Triple:
        """Camera coordinates of head points."""
        cx, cy, cz = turn(self.rotation, x, y, z)
        return cx + np.float32(self.offset[0]), cy + np.float32(self.offset[1]), cz + np.float32(self.offset[2])

    def to_head(self, x: Array, y: Array, z: Array | np.floating[Any]) -> Triple:
        """Head coordinates of camera points."""
        o = self.offset.astype(np.float32)
        return turn(self.rotation.T, x - o[0], y - o[1], z - o[2])

    def ray(self) -> tuple[float, float, float]:
        """What one unit of camera depth is in head coordinates."""
        return float(self.rotation[2, 0]), float(self.rotation[2, 1]), float(self.rotation[2, 2])


@dataclass(frozen=True, slots=True)
class View:
    """The picture: size in pixels, and pixels per head unit."""

    width: int
    height: int
    scale: float

    @property
    def pixel(self) -> float:
        """The size of a pixel in head units."""
        return 1 / self.scale

    @property
    def centre(self) -> tuple[float, float]:
        """The pixel that camera (0, 0) falls on."""
        return 0.5 * (self.width - 1), 0.49 * (self.height - 1)

    def to_pixels(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Pixels of camera coordinates."""
        s, (cx, cy) = np.float32(self.scale), self.centre
        return x * s + np.float32(cx), y * s + np.float32(cy)

    def window(self, x0: float, x1: float, y0: float, y1: float) -> Triple:
        """Flat indices and camera x, y of the pixels inside a box of camera coordinates."""
        s, (cx, cy) = self.scale, self.centre
        c0, c1 = max(0, int(x0 * s + cx)), min(self.width, int(x1 * s + cx) + 2)
        r0, r1 = max(0, int(y0 * s + cy)), min(self.height, int(y1 * s + cy) + 2)
        columns, rows = np.meshgrid(np.arange(c0, max(c0, c1)), np.arange(r0, max(r0, r1)))
        x = ((columns - cx) / s).astype(np.float32).ravel()
        y = ((rows - cy) / s).astype(np.float32).ravel()
        return (rows * self.width + columns).ravel(), x, y


@dataclass(eq=False)
class Traced:
    """The pixels in which a body is seen.

    Attributes:
        index: (N,) flat pixel indices.
        cover: (N,) float32, how much of the pixel it covers.
        depth: (N,) float32 camera z, larger is nearer.
        x: (N,) float32 position in the body's own frame, as are ``y`` and ``z``.
        y: see ``x``.
        z: see ``x``.
    """

    index: Array
    cover: Array
    depth: Array
    x: Array
    y: Array
    z: Array

    def take(self, at: Array) -> Traced:
        """The pixels at some places of the list."""
        return Traced(self.index[at], self.cover[at], self.depth[at], self.x[at], self.y[at], self.z[at])


def trace(
    distance: Distance,
    index: Array,
    origin: Triple,
    ray: tuple[float, float, float],
    start: float,
    far: float,
    pixel: float,
) -> Traced:
    """Sphere-trace rays ``origin + t * ray`` with t falling from ``start`` to ``far``.

    A ray that misses keeps its closest approach: how near it passed, against the size of a pixel, is how much of the
    pixel the body covers. That is the anti-aliasing of every silhouette.
    """
    ox, oy, oz = origin
    rx, ry, rz = (np.float32(r) for r in ray)
    best = np.full(len(index), 9.0, np.float32)
    best_t = np.full(len(index), start, np.float32)
    active = np.arange(len(index))
    ax, ay, az, at = ox, oy, oz, best_t.copy()
    for step in range(_STEPS):
        d = distance(ax + at * rx, ay + at * ry, az + at * rz)
        near = np.abs(d)
        closer = near < best[active]
        best[active[closer]] = near[closer]
        best_t[active[closer]] = at[closer]
        # Never crawl: a ray that grazes a nose must get past it to the cheek behind. Inside, step back out.
        at = at - np.where(d > 0, np.maximum(d, np.float32(2 * _TOUCH)), d)
        if step >= 2:
            keep = (near > np.float32(_TOUCH)) & (at > far)
            active, ax, ay, az, at = active[keep], ax[keep], ay[keep], az[keep], at[keep]
            if not len(active):
                break
    cover = np.clip(np.float32(0.5) - (best - np.float32(2 * _TOUCH)) * np.float32(1 / pixel), 0, 1)
    cover = np.where(best <= np.float32(_TOUCH), np.float32(1), cover)
    seen = cover > 0.01
    t = best_t[seen]
    return Traced(index[seen], cover[seen], t, ox[seen] + t * rx, oy[seen] + t * ry, oz[seen] + t * rz)
