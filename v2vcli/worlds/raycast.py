"""Vectorised ray casting of a few hundred analytic solids into a depth buffer.

Each solid is intersected only inside the rectangle of the picture that can show it, all rays of the rectangle at
once; a z-buffer keeps the nearest. Rays are scaled so that their component along the optical axis is 1, hence the ray
parameter *is* the depth. World axes: X right, Y up, Z along the street; metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
NEAR = 0.25


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera: position in metres, yaw to the right and pitch upwards in radians, focal length in pixels."""

    position: tuple[float, float, float]
    yaw: float
    pitch: float
    focal: float
    width: int
    height: int

    def axes(self) -> Array:
        """(3, 3) rows: the camera's right, down and forward in world axes."""
        cy, sy, cp, sp = math.cos(self.yaw), math.sin(self.yaw), math.cos(self.pitch), math.sin(self.pitch)
        forward = (sy * cp, sp, cy * cp)
        right = (cy, 0.0, -sy)
        down = (sy * sp, -cp, cy * sp)
        return np.array([right, down, forward])

    @property
    def centre(self) -> tuple[float, float]:
        """The principal point in pixels."""
        return 0.5 * (self.width - 1), 0.46 * (self.height - 1)

    def project(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Pixels (u, v) and depth of world points (float64 inside, so that flow is exact far down the street)."""
        a = self.axes()
        dx, dy, dz = x - self.position[0], y - self.position[1], z - self.position[2]
        depth = a[2, 0] * dx + a[2, 1] * dy + a[2, 2] * dz
        scale = self.focal / np.maximum(depth, 1e-3)
        cx, cy = self.centre
        u = (a[0, 0] * dx + a[0, 1] * dy + a[0, 2] * dz) * scale + cx
        v = (a[1, 0] * dx + a[1, 1] * dy + a[1, 2] * dz) * scale + cy
        return u, v, depth


@dataclass(frozen=True, slots=True)
class Solid:
    """One analytic solid, placed for one moment.

    Attributes:
        kind: "hull" (planes), "ellipsoid" or "capsule".
        centre: of hull and ellipsoid; for a capsule its first end.
        size: half extents (hull bounds, ellipsoid radii); a capsule's second end relative to the first.
        material: what paints it (`street_paint.Material`).
        key: stable over time, unique for each object and part: ``object * 32 + part``.
        label: Cityscapes-19 train id.
        instance: instance id or 0.
        colour: base colour, sRGB in [0, 1].
        moved: where the solid was one frame earlier, minus where it is now; for a capsule of its first end.
        moved_end: the same for a capsule's second end.
        radius: of a capsule.
        planes: (n, 4) outward normals and offsets of a hull about its centre; None for a box.
        detail: four free numbers for the painter.
    """

    kind: str
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    material: int
    key: int
    label: int
    instance: int
    colour: tuple[float, float, float]
    moved: tuple[float, float, float] = (0.0, 0.0, 0.0)
    moved_end: tuple[float, float, float] = (0.0, 0.0, 0.0)
    radius: float = 0.0
    planes: Array | None = None
    detail: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def bounds(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Lowest and highest corner."""
        (x, y, z), (a, b, c), r = self.centre, self.size, self.radius
        if self.kind == "capsule":
            low = (min(x, x + a) - r, min(y, y + b) - r, min(z, z + c) - r)
            return low, (max(x, x + a) + r, max(y, y + b) + r, max(z, z + c) + r)
        return (x - a, y - b, z - c), (x + a, y + b, z + c)


BOX_PLANES = np.array([[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]], np.float64)


@dataclass(eq=False)
class Rays:
    """A grid of rays; ``step`` is the distance between samples in pixels, the first sample lies at ``first``."""

    camera: Camera
    step: float
    first: float
    u: Array
    v: Array
    dx: Array
    dy: Array
    dz: Array
    inverse: tuple[Array, Array, Array]

    @staticmethod
    def grid(camera: Camera, *, half_pixels: bool = False) -> Rays:
        """One ray through each pixel centre, or also through the points half-way between and around them."""
        step, first = (0.5, -0.5) if half_pixels else (1.0, 0.0)
        columns = 2 * camera.width + 1 if half_pixels else camera.width
        rows = 2 * camera.height + 1 if half_pixels else camera.height
        u = first + step * np.arange(columns)
        v = first + step * np.arange(rows)
        a = camera.axes()
        cx, cy = camera.centre
        right, down = ((u - cx) / camera.focal)[None, :], ((v - cy) / camera.focal)[:, None]
        dx, dy, dz = (
            np.ascontiguousarray((a[0, k] * right + a[1, k] * down + a[2, k]).astype(np.float32)) for k in range(3)
        )
        inverse = tuple(1 / np.where(np.abs(d) < 1e-7, np.float32(1e-7), d) for d in (dx, dy, dz))
        return Rays(camera, step, first, u, v, dx, dy, dz, (inverse[0], inverse[1], inverse[2]))

    def rectangles(self, low: Array, high: Array) -> list[tuple[slice, slice] | None]:
        """Rows and columns of the samples that can see each of (n, 3) boxes, or None."""
        camera = self.camera
        picks = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], bool)
        corners = np.where(picks[None], high[:, None, :], low[:, None, :])
        seen = (corners - np.array(camera.position)) @ camera.axes().T
        depth = seen[:, :, 2]
        ahead = depth > NEAR
        slopes = seen[:, :, :2] / np.maximum(depth, NEAR)[:, :, None]
        smallest, largest = slopes.min(1), slopes.max(1)
        for n in np.flatnonzero(ahead.any(1) & ~ahead.all(1)):
            # Cut the edges of the box at the near plane.
            points = [slopes[n, ahead[n]]]
            for i in np.flatnonzero(ahead[n]):
                for bit in (1, 2, 4):
                    j = int(i) ^ bit
                    if not ahead[n, j]:
                        t = (NEAR - depth[n, i]) / (depth[n, j] - depth[n, i])
                        cut = seen[n, i] + t * (seen[n, j] - seen[n, i])
                        points.append(cut[None, :2] / NEAR)
            every = np.concatenate(points)
            smallest[n], largest[n] = every.min(0), every.max(0)
        first = (smallest * camera.focal + np.array(camera.centre) - self.first) / self.step
        last = (largest * camera.focal + np.array(camera.centre) - self.first) / self.step
        limit = np.array([len(self.u), len(self.v)])
        start = np.clip(np.ceil(first - 0.01), 0, limit).astype(int)
        stop = np.clip(np.floor(last + 0.01) + 1, 0, limit).astype(int)
        usable = ahead.any(1) & (start < stop).all(1)
        return [
            (slice(r0, r1), slice(c0, c1)) if ok else None
            for ok, (c0, r0), (c1, r1) in zip(usable.tolist(), start.tolist(), stop.tolist(), strict=True)
        ]


@dataclass(eq=False)
class Hits:
    """What each sample of a grid sees: depth (float32, inf none), solid (int16, -1 none), face of a hull (int8)."""

    depth: Array
    solid: Array
    face: Array


def _box(o: Array, inverse: tuple[Array, Array, Array], size: tuple[float, float, float]) -> tuple[Array, Array, Array]:
    """`_hull` for a box along the axes, by slabs; faces are numbered as in `BOX_PLANES`."""
    enter, leave, face = None, None, None
    for axis, (r, half) in enumerate(zip(inverse, size, strict=True)):
        a, b = r * np.float32(-half - o[axis]), r * np.float32(half - o[axis])
        near, far = np.minimum(a, b), np.maximum(a, b)
        if enter is None or leave is None or face is None:
            enter, leave, face = near, far, (a > b).astype(np.int8)
        else:
            later = near > enter
            np.copyto(face, (a > b).astype(np.int8) + np.int8(2 * axis), where=later)
            enter, leave = np.maximum(enter, near), np.minimum(leave, far)
    assert enter is not None and leave is not None and face is not None
    return enter, (enter < leave) & (enter > NEAR), face


def _hull(o: Array, dx: Array, dy: Array, dz: Array, planes: Array) -> tuple[Array, Array, Array]:
    """Entry depth, whether it hits, and the entered face, of rays from ``o`` (relative to the hull's centre)."""
    enter = np.full(dx.shape, -np.inf, np.float32)
    leave = np.full(dx.shape, np.inf, np.float32)
    face = np.zeros(dx.shape, np.int8)
    for k, (nx, ny, nz, offset) in enumerate(planes):
        slope: Array | None = None
        for n, d in ((nx, dx), (ny, dy), (nz, dz)):
            if n:
                part = d if n == 1 else d * np.float32(n)
                slope = part if slope is None else slope + part
        assert slope is not None
        room = np.float32(offset - (nx * o[0] + ny * o[1] + nz * o[2]))
        t = room / np.where(np.abs(slope) < 1e-7, np.float32(1e-7), slope)
        incoming = slope < 0
        later = incoming & (t > enter)
        np.copyto(enter, t, where=later)
        np.copyto(face, np.int8(k), where=later)
        np.copyto(leave, t, where=~incoming & (t < leave))
    return enter, (enter < leave) & (enter > NEAR), face


def _ellipsoid(o: Array, dx: Array, dy: Array, dz: Array, radii: tuple[float, float, float]) -> tuple[Array, Array]:
    ox, oy, oz = (float(o[k]) / radii[k] for k in range(3))
    x, y, z = dx * np.float32(1 / radii[0]), dy * np.float32(1 / radii[1]), dz * np.float32(1 / radii[2])
    a = x * x + y * y + z * z
    b = x * np.float32(ox) + y * np.float32(oy) + z * np.float32(oz)
    inside = b * b - a * np.float32(ox * ox + oy * oy + oz * oz - 1)
    t = (-b - np.sqrt(np.maximum(inside, 0))) / a
    return t, (inside > 0) & (t > NEAR)


def _capsule(
    o: Array, dx: Array, dy: Array, dz: Array, axis: tuple[float, float, float], radius: float
) -> tuple[Array, Array]:
    """Nearest intersection with a capsule whose first end is the origin (after Quilez's analytic form)."""
    ax, ay, az = axis
    length2 = ax * ax + ay * ay + az * az
    along_d = dx * np.float32(ax) + dy * np.float32(ay) + dz * np.float32(az)
    along_o = float(o[0] * ax + o[1] * ay + o[2] * az)
    dd = dx * dx + dy * dy + dz * dz
    do = dx * np.float32(o[0]) + dy * np.float32(o[1]) + dz * np.float32(o[2])
    oo = float(o @ o)
    a = np.float32(length2) * dd - along_d * along_d
    b = np.float32(length2) * do - np.float32(along_o) * along_d
    c = length2 * oo - along_o * along_o - radius * radius * length2
    inside = b * b - a * np.float32(c)
    t = (-b - np.sqrt(np.maximum(inside, 0))) / np.maximum(a, 1e-9)
    place = np.float32(along_o) + t * along_d
    body = (inside > 0) & (place > 0) & (place < length2)
    # Outside the barrel: the ball at the nearer end.
    last = place >= length2
    ball_do = np.where(last, do - along_d, do)
    ball_oo = np.where(last, np.float32(oo - 2 * along_o + length2), np.float32(oo))
    ball = ball_do * ball_do - dd * (ball_oo - np.float32(radius * radius))
    ball_t = (-ball_do - np.sqrt(np.maximum(ball, 0))) / dd
    t = np.where(body, t, ball_t)
    return t, (body | ((ball > 0) & (inside > 0))) & (t > NEAR)


def cast(rays: Rays, solids: list[Solid], hits: Hits, reject: Any = None) -> None:
    """Add solids to a depth buffer.

    Args:
        rays: the grid.
        solids: what to draw; indices into this list are written to ``hits.solid``.
        hits: buffers to update.
        reject: optional ``(solid, x, y, z, dx, dy, dz) -> (..) bool`` that makes holes (leaves); called for ellipsoids
            with ``detail[0] > 0``, with hit points relative to the centre.
    """
    if not solids:
        return
    position = np.array(rays.camera.position)
    corners = np.array([solid.bounds() for solid in solids])
    for number, (solid, window) in enumerate(zip(solids, rays.rectangles(corners[:, 0], corners[:, 1]), strict=True)):
        if window is None:
            continue
        dx, dy, dz = rays.dx[window], rays.dy[window], rays.dz[window]
        o = position - np.array(solid.centre)
        face: Array | None = None
        if solid.kind == "hull":
            if solid.planes is None:
                x, y, z = rays.inverse
                t, hit, face = _box(o, (x[window], y[window], z[window]), solid.size)
            else:
                t, hit, face = _hull(o, dx, dy, dz, solid.planes)
        elif solid.kind == "ellipsoid":
            t, hit = _ellipsoid(o, dx, dy, dz, solid.size)
            if reject is not None and solid.detail[0] > 0:
                # Only where the solid would be seen.
                at = np.nonzero(hit & (t < hits.depth[window]))
                if len(at[0]):
                    ray = (dx[at], dy[at], dz[at])
                    hit[at] = ~reject(solid, *(np.float32(o[k]) + t[at] * ray[k] for k in range(3)), *ray)
        else:
            t, hit = _capsule(o, dx, dy, dz, solid.size, solid.radius)
        depth = hits.depth[window]
        hit &= t < depth
        np.copyto(depth, t, where=hit)
        np.copyto(hits.solid[window], np.int16(number), where=hit)
        if face is not None:
            np.copyto(hits.face[window], face, where=hit)
