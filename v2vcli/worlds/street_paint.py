"""Materials and light of the street: what colour a point has, filtered to the size of its pixel.

All textures live in world or object coordinates, so they move with what they are on. Every pattern is averaged over
the footprint of a pixel (`textures.pulse`) or fades out with it, so distant facades grow calm and do not flicker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.noise import NoiseTile, periodic_noise_2d, smoothstep
from v2vcli.worlds.raycast import BOX_PLANES, Solid
from v2vcli.worlds.street_blocks import Building
from v2vcli.worlds.street_objects import PARTS, Material
from v2vcli.worlds.street_style import StreetStyle
from v2vcli.worlds.textures import cell_hash, ground_noise, pulse, ramp

Array = NDArray[Any]


@dataclass(eq=False)
class Points:
    """Points to be painted, each array (N,): world place, view ray, depth, and the solid and face they lie on.

    ``footprint`` is the width of a pixel at the point, metres across the line of sight.
    """

    x: Array
    y: Array
    z: Array
    dx: Array
    dy: Array
    dz: Array
    depth: Array
    footprint: Array
    solid: Array
    face: Array

    def take(self, at: Array) -> Points:
        """The points at some indices."""
        return Points(
            self.x[at],
            self.y[at],
            self.z[at],
            self.dx[at],
            self.dy[at],
            self.dz[at],
            self.depth[at],
            self.footprint[at],
            self.solid[at],
            self.face[at],
        )


@dataclass(eq=False)
class Patch:
    """Points of one material, with what is known about them and what the material decides.

    Attributes:
        points: the points, (N,) each.
        place: (N, 3) position about the centre of the solid (of a capsule: its first end).
        detail: (N, 4) the solid's free numbers.
        size: (N, 3) the solid's half extents.
        albedo: (N, 3) in: the solid's colour; out: the colour here.
        normal: (N, 3) unit, may be bent.
        glow: (N, 3) own light.
        gloss: (N,) how much of the sky is mirrored.
    """

    points: Points
    place: Array
    detail: Array
    size: Array
    albedo: Array
    normal: Array
    glow: Array
    gloss: Array


@dataclass(eq=False)
class Surface:
    """What painting gives: albedo (N, 3), normal (N, 3), own light (N, 3) or None, and gloss (N,)."""

    albedo: Array
    normal: Array
    glow: Array | None = None
    gloss: Array | None = None


class SolidTable:
    """Attributes of all solids as arrays, so that thousands of points look theirs up at once."""

    def __init__(self, solids: list[Solid]) -> None:
        """Collect; rows follow the list."""
        count = max(1, len(solids))
        self.material = np.array([s.material for s in solids] or [0], np.int8)
        self.key = np.array([s.key for s in solids] or [0], np.int32)
        self.label = np.array([s.label for s in solids] or [0], np.uint8)
        self.instance = np.array([s.instance for s in solids] or [0], np.int32)
        self.centre = np.array([s.centre for s in solids] or [(0, 0, 0)], np.float32)
        self.size = np.array([s.size for s in solids] or [(1, 1, 1)], np.float32)
        self.colour = np.array([s.colour for s in solids] or [(0, 0, 0)], np.float32)
        self.detail = np.array([s.detail for s in solids] or [(0, 0, 0, 0)], np.float32)
        self.moved = np.array([s.moved for s in solids] or [(0, 0, 0)], np.float64)
        self.moved_end = np.array([s.moved_end for s in solids] or [(0, 0, 0)], np.float64)
        self.kind = np.array([{"hull": 0, "ellipsoid": 1, "capsule": 2}[s.kind] for s in solids] or [0], np.int8)
        self.normals = np.zeros((count, 18, 3), np.float32)
        for i, s in enumerate(solids):
            if s.kind == "hull":
                table = BOX_PLANES if s.planes is None else s.planes[:, :3]
                self.normals[i, : len(table)] = table

    def surface(self, solid: Array) -> Array:
        """For occlusion: a number for the object and label behind each index; limbs, which move apart, count alone."""
        i = np.maximum(solid, 0)
        whole = self.key[i] // PARTS * PARTS + self.label[i]
        return np.where(solid < 0, solid, np.where(self.material[i] == Material.CLOTH, -3 - self.key[i], whole))

    def normal(self, p: Points) -> Array:
        """Unit normals of points on solids, (N, 3)."""
        i = p.solid
        out: Array = self.normals[i, p.face]
        round_ones = np.flatnonzero(self.kind[i] > 0)
        if len(round_ones):
            j = i[round_ones]
            place = np.stack((p.x[round_ones], p.y[round_ones], p.z[round_ones]), 1) - self.centre[j]
            axis = self.size[j]
            along = np.clip((place * axis).sum(1) / np.maximum((axis * axis).sum(1), 1e-9), 0, 1)
            capsule = (self.kind[j] == 2)[:, None]
            n = np.where(capsule, place - along[:, None] * axis, place / np.maximum(axis * axis, np.float32(1e-6)))
            out[round_ones] = n / np.sqrt((n * n).sum(1, keepdims=True) + 1e-12)
        return out


class StreetPainter:
    """Paints the points of one street."""

    def __init__(self, seed: int, style: StreetStyle) -> None:
        """Draw the noise tables and the sky's colours."""
        self.style = style
        rng = np.random.default_rng([seed, 0x7E47])
        self.rough = NoiseTile(periodic_noise_2d(rng, 256, ((37, 1.0), (97, 0.8))))
        self.broad = NoiseTile(periodic_noise_2d(rng, 256, ((7, 1.0), (19, 0.5))))
        self.leaf = NoiseTile(periodic_noise_2d(rng, 256, ((64, 1.0), (31, 0.7))))
        self.clouds = NoiseTile(periodic_noise_2d(rng, 512, ((5, 1.0), (11, 0.55), (23, 0.3), (47, 0.16), (96, 0.08))))
        warm = np.clip(1.2 - 1.6 * style.sun[1], 0, 1)
        dull = np.clip((style.cloud - 0.6) * 2.5, 0, 1)
        mix = np.array
        self.zenith: Array = (mix([0.25, 0.46, 0.78]) * (1 - dull) + mix([0.58, 0.62, 0.68]) * dull).astype(np.float32)
        horizon = mix([0.74, 0.82, 0.90]) * (1 - warm) + mix([0.93, 0.80, 0.66]) * warm
        self.horizon = (horizon * (1 - dull) + mix([0.78, 0.79, 0.80]) * dull).astype(np.float32)
        self.sunlight = (mix([1.0, 0.95, 0.86]) * (1 - warm) + mix([1.0, 0.80, 0.58]) * warm).astype(
            np.float32
        ) * np.float32(style.sun_strength * 0.98)
        self.ambient = (0.42 * self.zenith + 0.30 * self.horizon).astype(np.float32) * np.float32(
            0.86 + 0.12 * (1 - style.sun_strength)
        )
        self.sun = np.array(style.sun, np.float32)

    # Sky --------------------------------------------------------------------------------------------------------------

    def sky(self, dx: Array, dy: Array, dz: Array) -> Array:
        """Colours (N, 3) of view rays that meet nothing."""
        length = np.sqrt(dx * dx + dy * dy + dz * dz)
        up = np.maximum(dy / length, 0)
        colour = (
            self.horizon
            + (self.zenith - self.horizon) * (np.clip(up * np.float32(1.7), 0, 1) ** np.float32(0.6))[:, None]
        )
        toward = np.clip((dx * self.sun[0] + dy * self.sun[1] + dz * self.sun[2]) / length, 0, 1)
        colour += self.sunlight * (toward**8 * np.float32(0.13) + toward**180 * np.float32(0.8))[:, None]
        # Clouds on a plane far above; near the horizon they melt into the haze.
        reach = np.float32(26) / np.maximum(up, np.float32(0.04))
        n = self.clouds(dx / length * reach * 4 + 100, dz / length * reach * 4)
        n = n + np.float32(0.5) * self.clouds(dx / length * reach * 9, dz / length * reach * 9 + 50)
        edge = 1.1 - 2.0 * self.style.cloud
        cover = smoothstep(edge, edge + 1.3, n) * smoothstep(0.03, 0.2, up)
        white = np.float32(0.93) - np.float32(0.16) * smoothstep(edge + 0.6, edge + 2.6, n)
        tone = (self.sunlight * np.float32(0.25) + np.float32(0.72)) * white[:, None]
        out: Array = colour + (tone - colour) * (cover * np.float32(0.88))[:, None]
        return out

    # Ground -----------------------------------------------------------------------------------------------------------

    def road(self, p: Points, height: float) -> Surface:
        """The carriageway (plane Y = 0) with its marks."""
        s = self.style
        # Along Z a pixel covers more ground, the farther the more.
        along = np.minimum(p.footprint * p.depth * np.float32(1 / height), 60)
        across = p.footprint
        mean = np.sqrt(along * across)
        x, z = p.x, p.z
        grey = (
            np.float32(0.295)
            + np.float32(0.022) * ground_noise(self.broad, x, z, 0.35, mean)
            + np.float32(0.016) * ground_noise(self.rough, x, z, 0.012, mean)
        )
        lane = np.abs(np.abs(x) - np.float32(1.8))
        grey = grey - np.float32(0.022) * np.exp(-(((lane - np.float32(0.75)) * np.float32(1 / 0.28)) ** 2))
        patch = cell_hash(np.floor(x * 0.5), np.floor(z * np.float32(0.11)), 17)
        grey = grey * (1 - np.float32(0.11) * (patch > 0.93) * np.clip(2 - along, 0, 1))
        albedo = grey[:, None] * np.array([1.0, 1.0, 1.02], np.float32)
        inside = np.mod(z, np.float32(s.block))
        open_road = ramp(inside, s.junction + 3.5, s.block - 3.0, along)
        paint = np.zeros_like(x)
        if s.centre_line:
            paint = ramp(x, -0.06, 0.06, across) * pulse(z, 6.0, 0.5, along) * open_road
        side = s.road_half - 2.25
        for line in (-side, side):
            paint = np.maximum(paint, ramp(x, line - 0.05, line + 0.05, across) * open_road * np.float32(0.85))
        # Zebra crossings before and after the junction, and a stop line.
        for start, length in ((s.junction + 0.6, 2.6), (s.block - 3.2, 2.6)):
            bars = (
                pulse(x, 1.0, 0.5, across, 0.25)
                * ramp(inside, start, start + length, along)
                * (np.abs(x) < s.road_half - 0.3)
            )
            paint = np.maximum(paint, bars)
        stop = ramp(inside, s.block - 4.4, s.block - 4.0, along) * ramp(x, 0.1, s.road_half - 0.4, across)
        paint = np.maximum(paint, stop)
        worn = np.float32(0.86) + np.float32(0.07) * ground_noise(self.broad, z, x, 0.12, mean)
        albedo = albedo + (np.float32(0.68) - albedo) * (paint * worn)[:, None]
        gutter = ramp(np.abs(x), s.road_half - 0.32, s.road_half, across) * open_road
        albedo *= (1 - np.float32(0.22) * gutter)[:, None]
        normal = np.zeros((len(x), 3), np.float32)
        normal[:, 1] = 1
        return Surface(albedo, normal)

    # Light ------------------------------------------------------------------------------------------------------------

    def sun_reaches(self, p: Points, buildings: list[Building]) -> Array:
        """(N,) 1 in the sun, 0 where the row of buildings on the sunny side keeps it off; soft at the edge."""
        side = 1 if self.sun[0] > 0 else -1
        row = sorted((b for b in buildings if b.side == side), key=lambda b: b.z0)
        if not row:
            return np.ones_like(p.x)
        # Walk to the middle of the buildings' depth: their ridge or back edge is what casts the shadow's outline.
        plane = np.float32(side * (row[0].front + (4.5 if self.style.houses else 1.0)))
        t = (plane - p.x) / self.sun[0]
        y, z = p.y + t * self.sun[1], p.z + t * self.sun[2]
        starts = np.array([b.z0 for b in row], np.float32)
        ends = np.array([b.z1 for b in row], np.float32)
        heights = np.array([b.height for b in row], np.float32)
        i = np.clip(np.searchsorted(starts, z, side="right") - 1, 0, len(row) - 1)
        soft = np.float32(0.2) + np.float32(0.02) * np.abs(t)
        within = np.clip((z - starts[i]) / soft + 0.5, 0, 1) * np.clip((ends[i] - z) / soft + 0.5, 0, 1)
        blocked = np.clip((heights[i] - y) / soft + np.float32(0.5), 0, 1) * within
        return np.where(t > 0, 1 - blocked, 1)

    def shade(self, surface: Surface, p: Points, sun: Array, open_sky: Array) -> Array:
        """Colour (N, 3) of lit points, seen through the haze. ``open_sky`` (N,) darkens the ambient light."""
        n = surface.normal
        sx, sy, sz = self.sun
        lambert = np.clip(n[:, 0] * sx + n[:, 1] * sy + n[:, 2] * sz, 0, 1) * sun
        ambient = self.ambient * ((np.float32(0.78) + np.float32(0.22) * n[:, 1]) * open_sky)[:, None]
        bounce = (
            np.array([0.08, 0.075, 0.065], np.float32)
            * np.clip(1 - n[:, 1], 0, 1)[:, None]
            * np.float32(self.style.sun_strength)
        )
        colour = surface.albedo * (ambient + bounce + self.sunlight * lambert[:, None]) * np.float32(1.22)
        if surface.gloss is not None:
            shiny = np.flatnonzero(surface.gloss > 0)
            if len(shiny):
                d = np.stack((p.dx[shiny], p.dy[shiny], p.dz[shiny]), 1)
                d /= np.sqrt((d * d).sum(1, keepdims=True))
                m = n[shiny]
                facing = (d * m).sum(1, keepdims=True)
                r = d - 2 * facing * m
                fresnel = np.float32(0.14) + np.float32(0.86) * (1 - np.clip(-facing[:, 0], 0, 1)) ** 4
                up = np.clip(r[:, 1] * np.float32(1.4), 0, 1)[:, None]
                seen = np.where(
                    r[:, 1:2] > 0.06,
                    self.horizon + (self.zenith - self.horizon) * up,
                    np.array([0.25, 0.25, 0.25], np.float32),
                )
                spark = np.clip(r[:, 0] * sx + r[:, 1] * sy + r[:, 2] * sz, 0, 1) ** 60 * sun[shiny]
                g = (surface.gloss[shiny] * fresnel)[:, None]
                colour[shiny] += (seen * np.float32(0.75) - colour[shiny]) * g + self.sunlight * (
                    spark * surface.gloss[shiny]
                )[:, None]
        if surface.glow is not None:
            colour += surface.glow
        haze = 1 - np.exp(-p.depth * np.float32(1 / self.style.haze))
        fog = self.horizon * np.float32(0.96)
        out: Array = colour + (fog - colour) * haze[:, None]
        return out
