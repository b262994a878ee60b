"""Patterns of the solid things in a street: facades, roofs, pavements, leaves, cars, clothes, signs and lamps.

Each function takes points of one material and gives their albedo (N, 3), with glow and gloss where there are any.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.noise import lookup_2d, smoothstep
from v2vcli.worlds.street_objects import Material
from v2vcli.worlds.street_paint import Points, SolidTable, StreetPainter, Surface
from v2vcli.worlds.textures import cell_hash, ground_noise, pulse, ramp

Array = NDArray[Any]


def paint_solids(painter: StreetPainter, table: SolidTable, p: Points) -> Surface:
    """Paint points on solids of any materials."""
    normal = table.normal(p)
    albedo = table.colour[p.solid].copy()
    glow = np.zeros_like(albedo)
    gloss = np.zeros_like(p.x)
    material = table.material[p.solid]
    place = np.stack((p.x, p.y, p.z), 1) - table.centre[p.solid]
    for kind, paint in _PAINTERS.items():
        at = np.flatnonzero(material == kind)
        if len(at):
            some = Points(*(getattr(p, name)[at] for name in ("x", "y", "z", "dx", "dy", "dz", "depth", "footprint", "solid", "face")))
            paint(painter, table, some, place[at], at, albedo, normal, glow, gloss)
    return Surface(albedo, normal, glow, gloss)


def _facade(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    i = p.solid
    storey, bay, salt, shop = table.detail[i].T
    size = table.size[i]
    n = normal[at]
    side_wall = np.abs(n[:, 0]) > 0.5
    s = np.where(side_wall, place[:, 2] + size[:, 2], place[:, 0] + size[:, 0])
    width = np.where(side_wall, 2 * size[:, 2], 2 * size[:, 0])
    # A whole number of bays fits the wall.
    bay = width / np.maximum(np.round(width / bay), 1)
    y = p.y - np.float32(0.6)
    slant = np.maximum(np.abs(p.dx * n[:, 0] + p.dy * n[:, 1] + p.dz * n[:, 2]), np.float32(0.04))
    fs, fy = p.footprint / slant, p.footprint
    top = 2 * size[:, 1] - np.float32(1.4)
    colour = albedo[at]
    stain = ground_noise(painter.broad, s + salt, y, 0.5, fs)
    brick = cell_hash(np.floor(salt), np.zeros_like(salt), 5) > 0.55
    courses = pulse(y, 0.3, 0.85, fy) * np.float32(0.12) + np.float32(0.88)
    colour = colour * (1 + np.float32(0.035) * stain)[:, None] * np.where(brick, courses, 1)[:, None]
    ground = y < storey - np.float32(0.2)
    shops = (shop < 0.55) & ground
    duty_w = np.where(shops, np.float32(0.84), np.float32(0.42) + np.float32(0.14) * cell_hash(np.floor(salt), np.zeros_like(salt), 9))
    duty_h = np.where(shops, np.float32(0.8), np.float32(0.56))
    low = np.where(shops, np.float32(0.06), np.float32(0.24))
    lead = (1 - duty_w) * np.float32(0.5)
    rows = (y > 0) & (y < top)
    glass = pulse(s, bay, duty_w, fs, lead) * pulse(y, storey, duty_h, fy, low) * rows
    frame_w, frame_h = duty_w + np.float32(0.22) / bay, duty_h + np.float32(0.22) / storey
    frame = pulse(s, bay, frame_w, fs, lead - np.float32(0.11) / bay) * pulse(y, storey, frame_h, fy, low - np.float32(0.11) / storey) * rows
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
    hue = cell_hash(np.floor(s / (bay * 3)), np.zeros_like(s), salt + 3)
    awning = np.stack((np.float32(0.25) + np.float32(0.5) * hue, np.float32(0.2) + np.float32(0.25) * np.mod(hue * 7, 1), np.float32(0.2) + np.float32(0.4) * np.mod(hue * 13, 1)), 1)
    colour = colour + (awning - colour) * sign[:, None]
    cornice = ramp(y, top + np.float32(0.3), top + np.float32(0.75), fy)
    colour = colour + (trim - colour) * (cornice * np.float32(0.75))[:, None]
    band = ramp(y, storey - np.float32(0.1), storey + np.float32(0.06), fy) * (shop >= 0.55)
    colour = colour * (1 - np.float32(0.25) * band - np.float32(0.3) * ramp(y, -1, 0, fy) - np.float32(0.35) * ramp(y, top + np.float32(0.2), top + np.float32(0.3), fy))[:, None]
    roof = n[:, 1] > 0.5
    albedo[at] = np.where(roof[:, None], np.array([0.33, 0.32, 0.31], np.float32), colour)
    gloss[at] = np.where(roof, 0, opening * np.float32(0.55))


def _roof(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    slope = np.abs(normal[at][:, 1]) < 0.98
    tiles = pulse(p.y, 0.22, 0.8, p.footprint * 1.5)
    albedo[at] *= (1 - np.float32(0.28) * (1 - tiles) * slope + np.float32(0.05) * ground_noise(painter.broad, p.z + p.x, p.y, 0.4, p.footprint))[:, None]


def _pavement(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    along = np.minimum(p.footprint * p.depth * np.float32(1 / 1.25), 60)
    half = painter.style.road_half
    flat = normal[at][:, 1] > 0.5
    across = np.abs(p.x) - np.float32(half)
    slabs = np.minimum(pulse(p.x, 0.8, 0.95, p.footprint), pulse(p.z, 0.8, 0.95, along))
    shade = np.float32(0.92) + np.float32(0.08) * slabs + np.float32(0.035) * ground_noise(painter.rough, p.x, p.z, 0.05, along)
    shade = shade + np.float32(0.05) * (cell_hash(np.floor(p.x / np.float32(0.8)), np.floor(p.z / np.float32(0.8)), 3) - np.float32(0.5)) * np.clip(np.float32(1.6) - along, 0, 1)
    colour = albedo[at] * np.where(flat, shade, np.float32(0.82))[:, None]
    kerb = np.maximum(ramp(across, -0.05, 0.16, p.footprint), ~flat)
    joints = pulse(p.z, 1.0, 0.96, along)
    colour = colour + (np.float32(0.66) * (np.float32(0.85) + np.float32(0.15) * joints)[:, None] - colour) * (kerb * np.where(flat, 1, np.float32(0.6)))[:, None]
    albedo[at] = colour


def _grass(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    along = np.minimum(p.footprint * p.depth * np.float32(0.7), 60)
    n = ground_noise(painter.leaf, p.x, p.z, 0.06, along) * np.float32(0.1) + ground_noise(painter.broad, p.x, p.z, 0.4, along) * np.float32(0.08)
    albedo[at] *= (1 + n)[:, None]


def leaf_noise(painter: StreetPainter, x: Array, y: Array, z: Array, salt: Array | float, footprint: Array | float) -> Array:
    """Leafy noise on the surface of a crown, in its own coordinates; finer leaves go where pixels get large."""
    a = lookup_2d(painter.leaf, (x + np.float32(0.6) * z) * 10 + salt, (y - np.float32(0.3) * x) * 10 + salt)
    fade = np.clip(np.float32(1.5) - np.asarray(footprint, np.float32) * 16, 0, 1)
    b = lookup_2d(painter.leaf, (z - np.float32(0.4) * x) * 24 + salt, (y + np.float32(0.5) * z) * 24)
    return a * np.float32(0.65) + b * fade * np.float32(0.5)


def _leaves(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    noise = leaf_noise(painter, place[:, 0], place[:, 1], place[:, 2], table.detail[p.solid, 1], p.footprint)
    calm = np.clip(np.float32(1.4) - p.footprint * 6, np.float32(0.25), 1)
    size = table.size[p.solid]
    height = place[:, 1] / size[:, 1]
    shade = np.exp(np.float32(0.30) * noise * calm) * (np.float32(0.82) + np.float32(0.26) * height)
    colour = albedo[at] * shade[:, None]
    yellow = np.clip(noise * calm, 0, 1)[:, None] * np.array([0.05, 0.035, -0.01], np.float32)
    albedo[at] = np.clip(colour + yellow, 0.01, 1)
    n = normal[at]
    n += np.float32(0.3) * np.stack((noise, noise * 0 + np.float32(0.35), np.roll(noise, 0) * np.float32(-0.5)), 1) * calm[:, None]
    normal[at] = n / np.sqrt((n * n).sum(1, keepdims=True))


def _bark(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    turn = np.arctan2(place[:, 2], place[:, 0])
    albedo[at] *= (1 + np.float32(0.13) * ground_noise(painter.rough, turn * np.float32(0.4), p.y * np.float32(0.2), 0.02, p.footprint))[:, None]


def _hedge(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    noise = leaf_noise(painter, p.x, p.y, p.z, 3.0, p.footprint) * np.clip(np.float32(1.4) - p.footprint * 6, np.float32(0.2), 1)
    albedo[at] *= (np.exp(np.float32(0.26) * noise) * (np.float32(0.75) + np.float32(0.3) * np.clip(p.y, 0, 1)))[:, None]


def _fence(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    slant = np.maximum(np.abs(p.dx), np.float32(0.05))
    gaps = pulse(p.z, 0.16, 0.75, p.footprint / slant)
    rails = np.maximum(ramp(p.y, 0.4, 0.5, p.footprint), ramp(p.y, 0.95, 1.05, p.footprint))
    albedo[at] *= (np.float32(0.35) + np.float32(0.65) * np.maximum(gaps, rails))[:, None]


def _car_body(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    heading, length, braking, _ = table.detail[p.solid].T
    n, f = normal[at], p.footprint
    hy = table.size[p.solid, 1]
    along, y = place[:, 2] * heading, place[:, 1]
    colour = albedo[at]
    end_face = np.abs(n[:, 2]) > 0.75
    front, rear = end_face & (along > 0), end_face & (along < 0)
    side = np.abs(n[:, 0]) > 0.75
    dark = np.maximum(ramp(y, -hy - 1, -hy * np.float32(0.62), f), np.float32(0.8) * ramp(y, -hy * np.float32(0.62), -hy * np.float32(0.5), f) * end_face)
    for door in (-0.95, 0.15, 1.05):
        dark = np.maximum(dark, np.float32(0.55) * ramp(along, door - 0.012, door + 0.012, f) * side * (y > -hy * 0.7))
    handles = (ramp(along, -0.78, -0.6, f) + ramp(along, 0.3, 0.48, f)) * ramp(y, hy * np.float32(0.42), hy * np.float32(0.54), f) * side
    for axle in (-1.0, 1.0):
        u, v = along - axle * (length - np.float32(0.72)), y + hy - np.float32(0.05)
        arch = smoothstep(0.43, 0.37, np.sqrt(u * u + v * v)) * side
        dark = np.maximum(dark, arch * np.float32(0.95))
    colour = colour + (np.float32(0.045) - colour) * np.clip(dark + handles * np.float32(0.5), 0, 1)[:, None]
    grille = ramp(np.abs(place[:, 0]), -1, 0.42, f) * ramp(y, -hy * np.float32(0.35), hy * np.float32(0.25), f) * front
    colour = colour + (np.float32(0.06) - colour) * grille[:, None]
    plate = ramp(np.abs(place[:, 0]), -1, 0.26, f) * ramp(y, -hy * np.float32(0.45), -hy * np.float32(0.1), f) * end_face
    colour = colour + (np.float32(0.85) - colour) * plate[:, None]
    lamp = ramp(np.abs(place[:, 0]), 0.5, 0.82, f) * ramp(y, hy * np.float32(0.05), hy * np.float32(0.62), f)
    colour = colour + (np.array([0.9, 0.9, 0.88], np.float32) - colour) * (lamp * front)[:, None]
    colour = colour + (np.array([0.55, 0.03, 0.03], np.float32) - colour) * (lamp * rear)[:, None]
    albedo[at] = colour
    glow[at] = (lamp * rear * (np.float32(0.12) + np.float32(0.5) * braking))[:, None] * np.array([1.0, 0.12, 0.08], np.float32) + (lamp * front * np.float32(0.25))[:, None]
    gloss[at] = np.float32(0.42) * (1 - np.clip(dark, 0, 1))


def _car_glass(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    _, half_z, hy, _ = table.detail[p.solid].T
    n, f = normal[at], p.footprint
    roof = n[:, 1] > 0.75
    side = np.abs(n[:, 0]) > 0.7
    rise = (place[:, 1] + hy) / (2 * hy)
    # Pillars lean with the ends of the cabin.
    lean = half_z - np.float32(0.30) * rise - np.float32(0.12)
    pane_side = ramp(place[:, 2], -lean, lean, f) * (1 - ramp(place[:, 2], -0.05, 0.05, f)) * ramp(rise, 0.08, 0.86, f / (2 * hy))
    pane_end = ramp(np.abs(place[:, 0]), -1, table.size[p.solid, 0] * np.float32(0.9) - np.float32(0.15) * rise, f) * ramp(rise, 0.06, 0.9, f / (2 * hy))
    pane = np.where(roof, 0, np.where(side, pane_side, pane_end))
    glass = np.array([0.055, 0.065, 0.075], np.float32)
    albedo[at] = albedo[at] + (glass - albedo[at]) * pane[:, None]
    gloss[at] = np.float32(0.4) + np.float32(0.35) * pane


def _bus(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    heading, length, height, is_bus = table.detail[p.solid].T
    n, f = normal[at], p.footprint
    side, end_face = np.abs(n[:, 0]) > 0.5, np.abs(n[:, 2]) > 0.5
    along, y = place[:, 2] * heading, place[:, 1]
    rise = (y + height) / (2 * height)
    level = ramp(rise, 0.44, 0.84, f / (2 * height))
    panes = pulse(along + length, 1.3, 0.9, f / np.maximum(np.abs(p.dx), np.float32(0.05))) * level * side * (np.abs(along) < length - 0.2)
    screen = ramp(np.abs(place[:, 0]), -1, 1.08, f) * ramp(rise, 0.38, 0.88, f / (2 * height)) * end_face
    pane = np.clip(panes + screen, 0, 1) * is_bus
    colour = albedo[at] + (np.array([0.06, 0.07, 0.08], np.float32) - albedo[at]) * pane[:, None]
    skirt = ramp(rise, -1, 0.06, f)
    colour = colour * (1 - np.float32(0.7) * skirt)[:, None]
    lamp = ramp(np.abs(place[:, 0]), 0.78, 1.1, f) * ramp(rise, 0.1, 0.19, f / (2 * height)) * end_face
    tone = np.where((along < 0)[:, None], np.array([0.6, 0.04, 0.04], np.float32), np.array([0.9, 0.9, 0.85], np.float32))
    albedo[at] = colour + (tone - colour) * lamp[:, None]
    glow[at] = tone * (lamp * np.float32(0.25))[:, None]
    gloss[at] = np.float32(0.2) + np.float32(0.4) * pane


def _wheel(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    radius = table.size[p.solid, 1]
    r = np.sqrt(place[:, 1] ** 2 + place[:, 2] ** 2) / radius
    rim = smoothstep(0.68, 0.6, r)
    spokes = table.detail[p.solid, 1] > 0.5
    metal = np.where(spokes, np.float32(0.30), np.float32(0.52))
    albedo[at] = albedo[at] + (metal[:, None] - albedo[at]) * (rim * np.float32(0.85))[:, None]


def _cloth(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    albedo[at] *= (1 + np.float32(0.06) * ground_noise(painter.broad, place[:, 0] + place[:, 2], place[:, 1], 0.03, p.footprint))[:, None]


def _metal(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    gloss[at] = np.float32(0.15)


def _sign(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    shape, toward, radius, _ = table.detail[p.solid].T
    n, f = normal[at], p.footprint
    x, y = place[:, 0] / radius, place[:, 1] / radius
    f = f / radius
    front = n[:, 2] * toward > 0.5
    red, blue, white = (np.array(c, np.float32) for c in ((0.75, 0.06, 0.07), (0.08, 0.22, 0.58), (0.93, 0.93, 0.92)))
    r = np.sqrt(x * x + y * y)
    edge = np.where(shape == 1, np.maximum(-y, np.abs(x) * np.float32(0.866) + y * np.float32(0.5)) * np.float32(1 / 0.6), r)
    ring = ramp(edge, -1, 0.72, f * 2)
    bar = ramp(np.abs(x), -1, 0.12, f) * ramp(y, -0.3, 0.38, f)
    warning = red + (white + (np.float32(0.08) - white) * (bar * np.float32(0.9))[:, None] - red) * ring[:, None]
    inside = ramp(np.maximum(np.abs(x), np.abs(y)), -1, 0.72, f)
    arrow = np.clip(ramp(np.abs(x), -1, 0.1, f) * ramp(y, -0.5, 0.3, f) + ramp(np.abs(x) + y, -1, 0.55, f) * ramp(y, 0.15, 0.6, f), 0, 1)
    info = white + (blue + (white - blue) * arrow[:, None] - white) * inside[:, None]
    stop = red + (white - red) * np.maximum(ramp(edge, 0.86, 0.95, f), ramp(np.abs(x), -1, 0.62, f) * ramp(np.abs(y), -1, 0.16, f))[:, None]
    colour = np.where((shape < 1.5)[:, None], warning, np.where((shape < 2.5)[:, None], info, stop))
    albedo[at] = np.where(front[:, None], colour, np.float32(0.42))


def _lamps(painter: StreetPainter, table: SolidTable, p: Points, place: Array, at: Array, albedo: Array, normal: Array, glow: Array, gloss: Array) -> None:
    phase, toward, _, _ = table.detail[p.solid].T
    front = normal[at][:, 2] * toward > 0.5
    for k, (y, tone) in enumerate(((0.31, (1.0, 0.13, 0.08)), (0.0, (1.0, 0.65, 0.1)), (-0.31, (0.15, 0.95, 0.45)))):
        r = np.sqrt(place[:, 0] ** 2 + (place[:, 1] - np.float32(y)) ** 2)
        disc = np.clip((np.float32(0.125) - r) / np.maximum(p.footprint, np.float32(0.01)) + np.float32(0.5), 0, 1) * front
        on = phase == k
        glow[at] += (disc * np.where(on, np.float32(0.95), np.float32(0.06)))[:, None] * np.array(tone, np.float32)


_PAINTERS = {
    Material.FACADE: _facade, Material.ROOF: _roof, Material.PAVEMENT: _pavement, Material.GRASS: _grass, Material.LEAVES: _leaves, Material.BARK: _bark,
    Material.HEDGE: _hedge, Material.FENCE: _fence, Material.CAR_BODY: _car_body, Material.CAR_GLASS: _car_glass, Material.BUS: _bus, Material.WHEEL: _wheel,
    Material.CLOTH: _cloth, Material.METAL: _metal, Material.SIGN: _sign, Material.LAMPS: _lamps,
}  # fmt: skip
