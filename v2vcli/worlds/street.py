"""A procedural street seen from a moving car: picture, labels, instances, depth, exact flow.

Rays are cast on a grid of half pixels. The rays through pixel centres decide labels, instances, depth and flow; where
the nine rays of a pixel do not all see the same thing, all nine are painted and averaged with a tent filter,
elsewhere the centre ray alone (its texture is already averaged over the pixel). So edges are smooth and the work
stays small.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.raycast import Camera, Hits, Rays, Solid, cast
from v2vcli.worlds.street_blocks import Building
from v2vcli.worlds.street_materials import leaf_noise, paint_solids
from v2vcli.worlds.street_objects import ROAD, SKY, Material
from v2vcli.worlds.street_paint import Points, SolidTable, StreetPainter
from v2vcli.worlds.street_plan import StreetPlan
from v2vcli.worlds.world import WorldFrame, agreeing_neighbours, warp_backward

Array = NDArray[Any]
_SKY, _GROUND = -1, -2
_VIEW = 170.0  # metres; the haze hides what is farther


@dataclass(eq=False)
class _Scene:
    """All that one moment shows."""

    camera: Camera
    solids: list[Solid]
    buildings: list[Building]
    table: SolidTable


class ProceduralStreet:
    """A world of one seeded drive; see the module's docstring.

    Args:
        seed: draws the street, its light and its traffic.
        width: picture width in pixels, any.
        height: picture height in pixels, any.
        rate: frames per second.
    """

    def __init__(self, seed: int, width: int = 256, height: int = 128, rate: Fraction = Fraction(25)) -> None:
        self.seed, self.width, self.height, self.rate = seed, width, height, Fraction(rate)
        self.plan = StreetPlan(seed)
        self._painter = StreetPainter(seed, self.plan.style)
        self._before: tuple[int, Array, Array] | None = None

    def camera(self, index: int) -> Camera:
        """The camera of a frame."""
        x, y, z, yaw, pitch = self.plan.drive(float(max(0, index) / self.rate))
        return Camera((x, y, z), yaw, pitch, 0.86 * max(self.width, 1.35 * self.height), self.width, self.height)

    def frame(self, index: int) -> WorldFrame:
        """Render one frame; see `WorldFrame`."""
        if index < 0:
            raise IndexError(f"frame {index}: a world starts at frame 0")
        scene = self._scene(index)
        rays = Rays.grid(scene.camera, half_pixels=True)
        hits = self._cast(rays, scene)
        image = self._paint(rays, hits, scene)
        centre = (slice(1, None, 2), slice(1, None, 2))
        solid, depth = hits.solid[centre], hits.depth[centre]
        table = scene.table
        on_solid = np.maximum(solid, 0)
        labels = np.where(solid == _SKY, SKY, np.where(solid == _GROUND, ROAD, table.label[on_solid])).astype(np.uint8)
        instances = np.where(solid >= 0, table.instance[on_solid], 0).astype(np.int32)
        surface = table.surface(solid)
        if index == 0:
            flow, valid = np.zeros((self.height, self.width, 2), np.float32), np.ones(solid.shape, bool)
        else:
            flow, expected = self._flow(scene, rays, solid, depth, centre, self.camera(index - 1))
            surface_before, depth_before = self._surfaces(index - 1)
            valid = agreeing_neighbours(flow, surface, surface_before)
            seen = warp_backward(depth_before, flow, nearest=True)
            # The same object, but another side of it: depth tells.
            near = np.abs(seen - expected) < 0.05 * expected + 0.3
            valid &= near | (solid == _SKY)
        self._before = (index, surface, depth)
        return WorldFrame(
            image=image, flow=flow, valid=valid, index=index, labels=labels, instances=instances, depth=depth.copy()
        )

    # Geometry ---------------------------------------------------------------------------------------------------------

    def _scene(self, index: int) -> _Scene:
        plan = self.plan
        t, before = float(index / self.rate), float(max(0, index - 1) / self.rate)
        camera = self.camera(index)
        z = camera.position[2]
        solids: list[Solid] = []
        buildings: list[Building] = []
        for n in range(plan.block_of(z - 12), plan.block_of(z + _VIEW) + 1):
            houses, fixed = plan.block(n)
            buildings += houses
            for s in fixed:
                start, end = s.centre[2] - abs(s.size[2]) - 2, s.centre[2] + abs(s.size[2])
                small = s.material in (Material.LEAVES, Material.BARK, Material.METAL, Material.LAMPS, Material.SIGN)
                if end > z - 3 and start < z + (110 if small else _VIEW):
                    solids.append(s)
        solids += plan.traffic(t, before, z - 8, z + 120)
        # Near things first: the far ones then fail the depth test early.
        return _Scene(camera, solids, buildings, SolidTable(solids))

    def _cast(self, rays: Rays, scene: _Scene) -> Hits:
        shape = rays.dx.shape
        down = rays.dy < -1e-4
        depth = np.where(
            down, np.float32(scene.camera.position[1]) / np.maximum(-rays.dy, np.float32(1e-4)), np.float32(np.inf)
        ).astype(np.float32)
        depth[depth > 2500] = np.inf
        solid = np.where(np.isfinite(depth), _GROUND, _SKY).astype(np.int16)
        hits = Hits(depth, solid, np.zeros(shape, np.int8))
        focal = scene.camera.focal

        def between_leaves(s: Solid, x: Array, y: Array, z: Array, dx: Array, dy: Array, dz: Array) -> Array:
            rx, ry, rz = s.size
            nx, ny, nz = x * np.float32(1 / rx), y * np.float32(1 / ry), z * np.float32(1 / rz)
            # How squarely the ray meets the crown; near its outline leaves let light through.
            across = nx * dx * np.float32(1 / rx) + ny * dy * np.float32(1 / ry) + nz * dz * np.float32(1 / rz)
            facing = across * np.float32(-rx)
            away = float(np.hypot(s.centre[0] - scene.camera.position[0], s.centre[2] - scene.camera.position[2]))
            noise = leaf_noise(self._painter, x, y, z, s.detail[1], away / focal)
            holes: Array = noise * np.float32(0.45) > facing - np.float32(0.04)
            return holes

        cast(rays, scene.solids, hits, between_leaves)
        return hits

    def _flow(
        self, scene: _Scene, rays: Rays, solid: Array, depth: Array, centre: tuple[slice, slice], before: Camera
    ) -> tuple[Array, Array]:
        """Flow to the previous frame and the depth that each point had there."""
        cx, cy, cz = scene.camera.position
        sky = solid == _SKY
        # The sky is a point very far away: only the camera's turning moves it.
        t = np.where(sky, 1e7, depth).astype(np.float64)
        x, y, z = (c + t * d[centre] for c, d in ((cx, rays.dx), (cy, rays.dy), (cz, rays.dz)))
        table, on = scene.table, solid >= 0
        i = solid[on]
        centre_i, axis = table.centre[i].astype(np.float64), table.size[i].astype(np.float64)
        place = np.stack((x[on], y[on], z[on]), 1)
        along = np.clip(((place - centre_i) * axis).sum(1) / np.maximum((axis * axis).sum(1), 1e-9), 0, 1)[:, None]
        capsule = (table.kind[i] == 2)[:, None]
        place += np.where(capsule, table.moved[i] * (1 - along) + table.moved_end[i] * along, table.moved[i])
        x[on], y[on], z[on] = place.T
        u, v, expected = before.project(x, y, z)
        flow = np.stack((u - np.arange(self.width)[None, :], v - np.arange(self.height)[:, None]), 2)
        return flow.astype(np.float32), expected.astype(np.float32)

    def _surfaces(self, index: int) -> tuple[Array, Array]:
        """Surface keys and depth of a frame, remembered from the last call or cast again."""
        if self._before is not None and self._before[0] == index:
            return self._before[1], self._before[2]
        scene = self._scene(index)
        hits = self._cast(Rays.grid(scene.camera), scene)
        return scene.table.surface(hits.solid), hits.depth

    # Picture ----------------------------------------------------------------------------------------------------------

    def _paint(self, rays: Rays, hits: Hits, scene: _Scene) -> Array:
        """(H, W, 3) uint8."""
        rows, columns = hits.solid.shape
        # A sample differs from its neighbours by what it sees: solid and face, as one number.
        seen = hits.solid.astype(np.int32) * 32 + hits.face
        edge = np.zeros((self.height, self.width), bool)
        middle = seen[1::2, 1::2]
        for r in (0, 1, 2):
            for c in (0, 1, 2):
                edge |= (
                    seen[r : r + rows - 2 + (r > 0) * 0 : 2, c : c + columns - 2 : 2][: self.height, : self.width]
                    != middle
                )
        wanted = np.zeros((rows, columns), bool)
        wanted[1::2, 1::2] = True
        for r in (0, 1, 2):
            for c in (0, 1, 2):
                wanted[r : r + 2 * self.height - 1 : 2, c : c + 2 * self.width - 1 : 2] |= edge
        at = np.flatnonzero(wanted)
        colours = np.zeros((rows * columns, 3), np.float32)
        colours[at] = self._colours(rays, hits, scene, at)
        colours = colours.reshape(rows, columns, 3)
        picture = colours[1::2, 1::2].copy()
        er, ec = np.nonzero(edge)
        total = np.zeros((len(er), 3), np.float32)
        for r, wr in ((0, 0.25), (1, 0.5), (2, 0.25)):
            for c, wc in ((0, 0.25), (1, 0.5), (2, 0.25)):
                total += colours[2 * er + r, 2 * ec + c] * np.float32(wr * wc)
        picture[er, ec] = total
        return (np.clip(picture, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)

    def _colours(self, rays: Rays, hits: Hits, scene: _Scene, at: Array) -> Array:
        painter, camera = self._painter, scene.camera
        dx, dy, dz = rays.dx.ravel()[at], rays.dy.ravel()[at], rays.dz.ravel()[at]
        depth, solid, face = hits.depth.ravel()[at], hits.solid.ravel()[at], hits.face.ravel()[at]
        out = np.zeros((len(at), 3), np.float32)
        sky = np.flatnonzero(solid == _SKY)
        out[sky] = painter.sky(dx[sky], dy[sky], dz[sky])
        for chosen, ground in ((np.flatnonzero(solid == _GROUND), True), (np.flatnonzero(solid >= 0), False)):
            if not len(chosen):
                continue
            t = depth[chosen]
            ray = (dx[chosen], dy[chosen], dz[chosen])
            x, y, z = (np.float32(c) + t * d for c, d in zip(camera.position, ray, strict=True))
            p = Points(x, y, z, *ray, t, t * np.float32(1.1 / camera.focal), solid[chosen], face[chosen])
            surface = painter.road(p, camera.position[1]) if ground else paint_solids(painter, scene.table, p)
            sun = painter.sun_reaches(p, scene.buildings)
            open_sky = np.ones_like(x)
            level = np.flatnonzero((p.y < 0.2) & (surface.normal[:, 1] > 0.5))
            if len(level):
                self._small_shadows(scene, p, level, sun, open_sky)
            out[chosen] = painter.shade(surface, p, sun, open_sky)
        return out

    def _small_shadows(self, scene: _Scene, p: Points, level: Array, sun: Array, open_sky: Array) -> None:
        """Shadows of cars, people and trees on the ground: soft outlines, and a dark rim below cars."""
        x, z = p.x[level], p.z[level]
        lit, opened = sun[level], open_sky[level]
        lean = self._painter.sun / self._painter.sun[1]
        far = scene.camera.position[2] + 70
        for s in scene.solids:
            if s.centre[2] > far:
                continue
            if s.material in (Material.CAR_BODY, Material.BUS):
                hx, hy, hz = s.size
                top = s.centre[1] + hy
                # Contact: the ground under the body sees no sky.
                near = np.flatnonzero(
                    (np.abs(z - np.float32(s.centre[2])) < hz + 4) & (np.abs(x - np.float32(s.centre[0])) < hx + 4)
                )
                if not len(near):
                    continue
                ux, uz = (
                    np.abs(x[near] - np.float32(s.centre[0])) - np.float32(hx),
                    np.abs(z[near] - np.float32(s.centre[2])) - np.float32(hz),
                )
                gap = np.sqrt(np.maximum(ux, 0) ** 2 + np.maximum(uz, 0) ** 2) + np.minimum(np.maximum(ux, uz), 0)
                opened[near] *= 1 - np.float32(0.85) * np.clip(np.float32(0.6) - gap * np.float32(1.6), 0, 1)
                # Sun: the box swept along the ground away from the sun.
                shadow = np.ones(len(near), np.float32)
                for part in (0.15, 0.5, 0.9):
                    ox, oz = s.centre[0] - lean[0] * top * part, s.centre[2] - lean[2] * top * part
                    ux, uz = (
                        np.abs(x[near] - np.float32(ox)) - np.float32(hx * (1.05 - 0.2 * part)),
                        np.abs(z[near] - np.float32(oz)) - np.float32(hz * (1.05 - 0.3 * part)),
                    )
                    shadow = np.minimum(shadow, np.clip(np.float32(0.5) + np.maximum(ux, uz) * np.float32(5), 0, 1))
                lit[near] *= shadow
            elif s.material == Material.LEAVES:
                ox, oz = s.centre[0] - lean[0] * s.centre[1], s.centre[2] - lean[2] * s.centre[1]
                r = s.size[0]
                near = np.flatnonzero((np.abs(z - np.float32(oz)) < 2 * r) & (np.abs(x - np.float32(ox)) < 2 * r))
                if len(near):
                    d = np.sqrt((x[near] - np.float32(ox)) ** 2 + (z[near] - np.float32(oz)) ** 2) * np.float32(1 / r)
                    ragged = d + np.float32(0.14) * leaf_noise(
                        self._painter,
                        x[near] * np.float32(0.5),
                        z[near] * np.float32(0.5),
                        z[near] * 0,
                        s.detail[1],
                        p.footprint[level[near]],
                    )
                    lit[near] *= 1 - np.float32(0.8) * np.clip((1 - ragged) * np.float32(4), 0, 1)
            elif s.kind == "capsule" and s.centre[1] < 1.2 and s.centre[2] < far - 35:
                # A post or a leg: a thin streak.
                length = s.centre[1] + max(s.size[1], 0.3)
                ex, ez = -lean[0] * length, -lean[2] * length
                near = np.flatnonzero(
                    (np.abs(z - np.float32(s.centre[2])) < abs(ez) + 1)
                    & (np.abs(x - np.float32(s.centre[0])) < abs(ex) + 1)
                )
                if len(near):
                    qx, qz = x[near] - np.float32(s.centre[0]), z[near] - np.float32(s.centre[2])
                    along = np.clip((qx * ex + qz * ez) / max(ex * ex + ez * ez, 1e-6), 0, 1)
                    gap = np.sqrt((qx - along * ex) ** 2 + (qz - along * ez) ** 2) - np.float32(s.radius)
                    lit[near] *= np.clip(np.float32(0.5) + gap * np.float32(8), np.float32(0.1), 1)
        sun[level], open_sky[level] = lit, opened
