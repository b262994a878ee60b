"""Patterns of the solid things in a street: facades, roofs, pavements, leaves, clothes, signs and lamps.

Each function takes a `Patch` of one material and sets its albedo, and glow, gloss or bent normals where there are
any.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.noise import smoothstep
from v2vcli.worlds.street_coachwork import car_body, car_cabin, coachwork, wheel
from v2vcli.worlds.street_objects import Material
from v2vcli.worlds.street_paint import Patch, Points, SolidTable, StreetPainter, Surface
from v2vcli.worlds.textures import cell_hash, ground_noise, pulse, ramp

Array = NDArray[Any]

# The colours that shops paint their boards in.
_SIGNBOARDS = np.array(
    [
        [0.45, 0.08, 0.09],
        [0.10, 0.26, 0.18],
        [0.12, 0.18, 0.36],
        [0.70, 0.55, 0.18],
        [0.16, 0.16, 0.17],
        [0.75, 0.72, 0.66],
    ],
    np.float32,
)


def paint_solids(painter: StreetPainter, table: SolidTable, p: Points) -> Surface:
    """Paint points on solids of any materials."""
    normal = table.normal(p)
    albedo = table.colour[p.solid]
    glow = np.zeros_like(albedo)
    gloss = np.zeros_like(p.x)
    material = table.material[p.solid]
    place = np.stack((p.x, p.y, p.z), 1) - table.centre[p.solid]
    for kind, paint in _PAINTERS.items():
        at = np.flatnonzero(material == kind)
        if len(at):
            some = p.take(at)
            i = some.solid
            patch = Patch(some, place[at], table.detail[i], table.size[i], albedo[at], normal[at], glow[at], gloss[at])
            paint(painter, patch)
            albedo[at], normal[at], glow[at], gloss[at] = patch.albedo, patch.normal, patch.glow, patch.gloss
    return Surface(albedo, normal, glow, gloss)


def _facade(painter: StreetPainter, patch: Patch) -> None:
    p = patch.points
    storey, bay, salt, shop = patch.detail.T
    size = patch.size
    n = patch.normal
    side_wall = np.abs(n[:, 0]) > 0.5
    s = np.where(side_wall, patch.place[:, 2] + size[:, 2], patch.place[:, 0] + size[:, 0])
    width = np.where(side_wall, 2 * size[:, 2], 2 * size[:, 0])
    # A whole number of bays fits the wall.
    bay = width / np.maximum(np.round(width / bay), 1)
    y = p.y - np.float32(0.6)
    slant = np.maximum(np.abs(p.dx * n[:, 0] + p.dy * n[:, 1] + p.dz * n[:, 2]), np.float32(0.04))
    fs, fy = p.footprint / slant, p.footprint
    top = 2 * size[:, 1] - np.float32(1.4)
    colour = patch.albedo
    stain = ground_noise(painter.broad, s + salt, y, 0.5, fs)
    brick = cell_hash(np.floor(salt), np.zeros_like(salt), 5) > 0.55
    courses = pulse(y, 0.3, 0.85, fy) * np.float32(0.12) + np.float32(0.88)
    colour = colour * (1 + np.float32(0.035) * stain)[:, None] * np.where(brick, courses, 1)[:, None]
    ground = y < storey - np.float32(0.2)
    shops = (shop < 0.55) & ground
    duty_w = np.where(
        shops, np.float32(0.84), np.float32(0.42) + np.float32(0.14) * cell_hash(np.floor(salt), np.zeros_like(salt), 9)
    )
    duty_h = np.where(shops, np.float32(0.8), np.float32(0.56))
    low = np.where(shops, np.float32(0.06), np.float32(0.24))
    lead = (1 - duty_w) * np.float32(0.5)
    rows = (y > 0) & (y < top)
    glass = pulse(s, bay, duty_w, fs, lead) * pulse(y, storey, duty_h, fy, low) * rows
    frame_w, frame_h = duty_w + np.float32(0.22) / bay, duty_h + np.float32(0.22) / storey
    frame = (
        pulse(s, bay, frame_w, fs, lead - np.float32(0.11) / bay)
        * pulse(y, storey, frame_h, fy, low - np.float32(0.11) / storey)
        * rows
    )
    bars = pulse(s, bay * duty_w * np.float32(0.5), np.float32(0.9), fs, lead * 2 / duty_w)
    trim = np.clip(colour * np.float32(0.5) + np.float32(0.42), 0, 0.9)
    colour = colour + (trim - colour) * (frame * np.float32(0.8))[:, None]
    cell_s, cell_y = np.floor(s / bay), np.floor(y / storey)
    calm = np.clip(np.float32(1.5) - fs / bay * 2, 0, 1)
    lit = (cell_hash(cell_s, cell_y, salt) - np.float32(0.5)) * calm
    pane = np.array([0.10, 0.125, 0.15], np.float32) * (1 + lit * np.float32(1.3))[:, None]
    curtain = (cell_hash(cell_s, cell_y, salt + 7) > 0.72) & ~shops
    pane = np.where((curtain & (calm > 0.5))[:, None], np.float32(0.34) + np.float32(0.16) * lit[:, None], pane)
    opening = glass * (np.float32(0.45) + np.float32(0.55) * bars)
    colour = colour + (pane - colour) * opening[:, None]
    # Shop signs over the ground floor, a plinth, a cornice under the roof.
    sign = (shop < 0.55) * ramp(y, storey - np.float32(0.62), storey - np.float32(0.18), fy)
    trade = cell_hash(np.floor(s / (bay * 3)), np.zeros_like(s), salt + 3)
    awning = _SIGNBOARDS[(trade * len(_SIGNBOARDS)).astype(np.intp)]
    colour = colour + (awning - colour) * sign[:, None]
    cornice = ramp(y, top + np.float32(0.3), top + np.float32(0.75), fy)
    colour = colour + (trim - colour) * (cornice * np.float32(0.75))[:, None]
    band = ramp(y, storey - np.float32(0.1), storey + np.float32(0.06), fy) * (shop >= 0.55)
    colour = (
        colour
        * (
            1
            - np.float32(0.25) * band
            - np.float32(0.3) * ramp(y, -1, 0, fy)
            - np.float32(0.35) * ramp(y, top + np.float32(0.2), top + np.float32(0.3), fy)
        )[:, None]
    )
    roof = n[:, 1] > 0.5
    patch.albedo = np.where(roof[:, None], np.array([0.33, 0.32, 0.31], np.float32), colour)
    patch.gloss = np.where(roof, 0, opening * np.float32(0.55))


def _roof(painter: StreetPainter, patch: Patch) -> None:
    p = patch.points
    slope = np.abs(patch.normal[:, 1]) < 0.98
    tiles = pulse(p.y, 0.22, 0.8, p.footprint * 1.5)
    patch.albedo *= (
        1
        - np.float32(0.28) * (1 - tiles) * slope
        + np.float32(0.05) * ground_noise(painter.broad, p.z + p.x, p.y, 0.4, p.footprint)
    )[:, None]


def _pavement(painter: StreetPainter, patch: Patch) -> None:
    p = patch.points
    along = np.minimum(p.footprint * p.depth * np.float32(1 / 1.25), 60)
    half = painter.style.road_half
    flat = patch.normal[:, 1] > 0.5
    across = np.abs(p.x) - np.float32(half)
    slabs = np.minimum(pulse(p.x, 0.8, 0.95, p.footprint), pulse(p.z, 0.8, 0.95, along))
    shade = (
        np.float32(0.92)
        + np.float32(0.08) * slabs
        + np.float32(0.035) * ground_noise(painter.rough, p.x, p.z, 0.05, along)
    )
    shade = shade + np.float32(0.05) * (
        cell_hash(np.floor(p.x / np.float32(0.8)), np.floor(p.z / np.float32(0.8)), 3) - np.float32(0.5)
    ) * np.clip(np.float32(1.6) - along, 0, 1)
    colour = patch.albedo * np.where(flat, shade, np.float32(0.82))[:, None]
    kerb = np.maximum(ramp(across, -0.05, 0.16, p.footprint), ~flat)
    joints = pulse(p.z, 1.0, 0.96, along)
    colour = (
        colour
        + (np.float32(0.66) * (np.float32(0.85) + np.float32(0.15) * joints)[:, None] - colour)
        * (kerb * np.where(flat, 1, np.float32(0.6)))[:, None]
    )
    patch.albedo = colour


def _grass(painter: StreetPainter, patch: Patch) -> None:
    p = patch.points
    along = np.minimum(p.footprint * p.depth * np.float32(0.7), 60)
    n = ground_noise(painter.leaf, p.x, p.z, 0.06, along) * np.float32(0.1) + ground_noise(
        painter.broad, p.x, p.z, 0.4, along
    ) * np.float32(0.08)
    patch.albedo *= (1 + n)[:, None]


def leaf_noise(
    painter: StreetPainter, x: Array, y: Array, z: Array, salt: Array | float, footprint: Array | float
) -> Array:
    """Leafy noise on the surface of a crown, in its own coordinates: twigs, leaves, and single leaves close by."""
    f = np.asarray(footprint, np.float32)
    # Two slanted projections: wherever the surface faces, at least one of them is not stretched.
    p, q = x + np.float32(0.45) * z, y + np.float32(0.45) * z
    r, s = x - np.float32(0.7) * z + np.float32(0.3) * y, y - np.float32(0.35) * x
    twigs = painter.leaf(p * 15 + salt, q * 17 + salt)
    leaves = painter.leaf(r * 46 + salt, s * 52) * np.clip(np.float32(1.5) - f * 16, 0, 1)
    out: Array = twigs * np.float32(0.6) + leaves * np.float32(0.75)
    if np.min(f) < 0.03:
        out = out + painter.leaf(q * 121, p * 113 + salt) * (np.clip(np.float32(1.5) - f * 50, 0, 1) * np.float32(0.5))
    return out


def _leaves(painter: StreetPainter, patch: Patch) -> None:
    p, place = patch.points, patch.place
    noise = leaf_noise(painter, place[:, 0], place[:, 1], place[:, 2], patch.detail[:, 1], p.footprint)
    calm = np.clip(np.float32(1.3) - p.footprint * 4, np.float32(0.3), 1)
    # Deep between the leaves it is dark, and so is the underside of every ball of leaves.
    under = np.float32(0.66) + np.float32(0.42) * smoothstep(-0.9, 0.7, place[:, 1] / patch.size[:, 1])
    shade = np.exp(np.float32(0.42) * np.clip(noise, -2, 1.6) * calm) * under
    bright = np.clip(noise * calm, 0, 1.5)[:, None] * np.array([0.055, 0.05, -0.005], np.float32)
    patch.albedo = np.clip(patch.albedo * shade[:, None] + bright, 0.01, 1)
    # Leaves face every way: soften the ball's shading, tilt it here and there.
    n = patch.normal * np.float32(0.75)
    n[:, 1] += np.float32(0.22)
    n[:, 0] += np.float32(0.25) * noise * calm
    n[:, 2] -= np.float32(0.18) * noise * calm
    patch.normal = n / np.sqrt((n * n).sum(1, keepdims=True))


def _bark(painter: StreetPainter, patch: Patch) -> None:
    p = patch.points
    turn = np.arctan2(patch.place[:, 2], patch.place[:, 0])
    patch.albedo *= (
        1
        + np.float32(0.13)
        * ground_noise(painter.rough, turn * np.float32(0.4), p.y * np.float32(0.2), 0.02, p.footprint)
    )[:, None]


def _hedge(painter: StreetPainter, patch: Patch) -> None:
    p = patch.points
    noise = leaf_noise(painter, p.x, p.y, p.z, 3.0, p.footprint) * np.clip(
        np.float32(1.4) - p.footprint * 6, np.float32(0.2), 1
    )
    patch.albedo *= (np.exp(np.float32(0.26) * noise) * (np.float32(0.75) + np.float32(0.3) * np.clip(p.y, 0, 1)))[
        :, None
    ]


def _fence(painter: StreetPainter, patch: Patch) -> None:
    p = patch.points
    slant = np.maximum(np.abs(p.dx), np.float32(0.05))
    gaps = pulse(p.z, 0.16, 0.75, p.footprint / slant)
    rails = np.maximum(ramp(p.y, 0.4, 0.5, p.footprint), ramp(p.y, 0.95, 1.05, p.footprint))
    patch.albedo *= (np.float32(0.35) + np.float32(0.65) * np.maximum(gaps, rails))[:, None]


def _cloth(painter: StreetPainter, patch: Patch) -> None:
    p = patch.points
    patch.albedo *= (
        1
        + np.float32(0.06)
        * ground_noise(painter.broad, patch.place[:, 0] + patch.place[:, 2], patch.place[:, 1], 0.03, p.footprint)
    )[:, None]


def _metal(painter: StreetPainter, patch: Patch) -> None:
    patch.gloss[:] = np.float32(0.15)


def _sign(painter: StreetPainter, patch: Patch) -> None:
    p = patch.points
    shape, toward, radius, _ = patch.detail.T
    n, f = patch.normal, p.footprint
    x, y = patch.place[:, 0] / radius, patch.place[:, 1] / radius
    f = f / radius
    front = n[:, 2] * toward > 0.5
    red, blue, white = (np.array(c, np.float32) for c in ((0.75, 0.06, 0.07), (0.08, 0.22, 0.58), (0.93, 0.93, 0.92)))
    r = np.sqrt(x * x + y * y)
    edge = np.where(
        shape == 1, np.maximum(-y, np.abs(x) * np.float32(0.866) + y * np.float32(0.5)) * np.float32(1 / 0.6), r
    )
    ring = ramp(edge, -1, 0.72, f * 2)
    bar = ramp(np.abs(x), -1, 0.12, f) * ramp(y, -0.3, 0.38, f)
    warning = red + (white + (np.float32(0.08) - white) * (bar * np.float32(0.9))[:, None] - red) * ring[:, None]
    inside = ramp(np.maximum(np.abs(x), np.abs(y)), -1, 0.72, f)
    arrow = np.clip(
        ramp(np.abs(x), -1, 0.1, f) * ramp(y, -0.5, 0.3, f) + ramp(np.abs(x) + y, -1, 0.55, f) * ramp(y, 0.15, 0.6, f),
        0,
        1,
    )
    info = white + (blue + (white - blue) * arrow[:, None] - white) * inside[:, None]
    stop = (
        red
        + (white - red)
        * np.maximum(ramp(edge, 0.86, 0.95, f), ramp(np.abs(x), -1, 0.62, f) * ramp(np.abs(y), -1, 0.16, f))[:, None]
    )
    colour = np.where((shape < 1.5)[:, None], warning, np.where((shape < 2.5)[:, None], info, stop))
    patch.albedo = np.where(front[:, None], colour, np.float32(0.42))


def _lamps(painter: StreetPainter, patch: Patch) -> None:
    p = patch.points
    phase, toward, _, _ = patch.detail.T
    front = patch.normal[:, 2] * toward > 0.5
    for k, (y, tone) in enumerate(((0.31, (1.0, 0.13, 0.08)), (0.0, (1.0, 0.65, 0.1)), (-0.31, (0.15, 0.95, 0.45)))):
        r = np.sqrt(patch.place[:, 0] ** 2 + (patch.place[:, 1] - np.float32(y)) ** 2)
        disc = (
            np.clip((np.float32(0.125) - r) / np.maximum(p.footprint, np.float32(0.01)) + np.float32(0.5), 0, 1) * front
        )
        on = phase == k
        patch.glow += (disc * np.where(on, np.float32(0.95), np.float32(0.06)))[:, None] * np.array(tone, np.float32)


_PAINTERS = {
    Material.FACADE: _facade,
    Material.ROOF: _roof,
    Material.PAVEMENT: _pavement,
    Material.GRASS: _grass,
    Material.LEAVES: _leaves,
    Material.BARK: _bark,
    Material.HEDGE: _hedge,
    Material.FENCE: _fence,
    Material.CAR_BODY: car_body,
    Material.CAR_GLASS: car_cabin,
    Material.BUS: coachwork,
    Material.WHEEL: wheel,
    Material.CLOTH: _cloth,
    Material.METAL: _metal,
    Material.SIGN: _sign,
    Material.LAMPS: _lamps,
}
