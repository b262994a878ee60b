"""The looks of vehicles: paint, panes, lamps, plates and wheels, drawn in the coordinates of the vehicle."""

from __future__ import annotations

import numpy as np

from v2vcli.worlds.noise import smoothstep
from v2vcli.worlds.street_paint import Patch, StreetPainter
from v2vcli.worlds.textures import pulse, ramp


def car_body(painter: StreetPainter, patch: Patch) -> None:
    """The body of a car: doors, wheel arches, grille, plate and lamps."""
    p = patch.points
    heading, length, braking, _ = patch.detail.T
    n, f = patch.normal, p.footprint
    hy = patch.size[:, 1]
    along, y = patch.place[:, 2] * heading, patch.place[:, 1]
    colour = patch.albedo
    end_face = np.abs(n[:, 2]) > 0.75
    front, rear = end_face & (along > 0), end_face & (along < 0)
    side = np.abs(n[:, 0]) > 0.75
    dark = np.maximum(
        ramp(y, -hy - 1, -hy * np.float32(0.62), f),
        np.float32(0.8) * ramp(y, -hy * np.float32(0.62), -hy * np.float32(0.5), f) * end_face,
    )
    for door in (-0.95, 0.15, 1.05):
        dark = np.maximum(dark, np.float32(0.55) * ramp(along, door - 0.012, door + 0.012, f) * side * (y > -hy * 0.7))
    handles = (
        (ramp(along, -0.78, -0.6, f) + ramp(along, 0.3, 0.48, f))
        * ramp(y, hy * np.float32(0.42), hy * np.float32(0.54), f)
        * side
    )
    for axle in (-1.0, 1.0):
        u, v = along - axle * (length - np.float32(0.72)), y + hy - np.float32(0.05)
        arch = smoothstep(0.43, 0.37, np.sqrt(u * u + v * v)) * side
        dark = np.maximum(dark, arch * np.float32(0.95))
    colour = colour + (np.float32(0.045) - colour) * np.clip(dark + handles * np.float32(0.5), 0, 1)[:, None]
    grille = (
        ramp(np.abs(patch.place[:, 0]), -1, 0.42, f) * ramp(y, -hy * np.float32(0.35), hy * np.float32(0.25), f) * front
    )
    colour = colour + (np.float32(0.06) - colour) * grille[:, None]
    plate = (
        ramp(np.abs(patch.place[:, 0]), -1, 0.26, f)
        * ramp(y, -hy * np.float32(0.45), -hy * np.float32(0.1), f)
        * end_face
    )
    colour = colour + (np.float32(0.85) - colour) * plate[:, None]
    lamp = ramp(np.abs(patch.place[:, 0]), 0.5, 0.82, f) * ramp(y, hy * np.float32(0.05), hy * np.float32(0.62), f)
    colour = colour + (np.array([0.9, 0.9, 0.88], np.float32) - colour) * (lamp * front)[:, None]
    colour = colour + (np.array([0.55, 0.03, 0.03], np.float32) - colour) * (lamp * rear)[:, None]
    patch.albedo = colour
    patch.glow = (lamp * rear * (np.float32(0.12) + np.float32(0.5) * braking))[:, None] * np.array(
        [1.0, 0.12, 0.08], np.float32
    ) + (lamp * front * np.float32(0.25))[:, None]
    patch.gloss = np.float32(0.42) * (1 - np.clip(dark, 0, 1))


def car_cabin(painter: StreetPainter, patch: Patch) -> None:
    """The cabin of a car: panes between pillars, and the roof."""
    p = patch.points
    _, half_z, hy, _ = patch.detail.T
    n, f = patch.normal, p.footprint
    roof = n[:, 1] > 0.75
    side = np.abs(n[:, 0]) > 0.7
    rise = (patch.place[:, 1] + hy) / (2 * hy)
    # Pillars lean with the ends of the cabin.
    lean = half_z - np.float32(0.30) * rise - np.float32(0.12)
    pane_side = (
        ramp(patch.place[:, 2], -lean, lean, f)
        * (1 - ramp(patch.place[:, 2], -0.05, 0.05, f))
        * ramp(rise, 0.08, 0.86, f / (2 * hy))
    )
    pane_end = ramp(
        np.abs(patch.place[:, 0]), -1, patch.size[:, 0] * np.float32(0.9) - np.float32(0.15) * rise, f
    ) * ramp(rise, 0.06, 0.9, f / (2 * hy))
    pane = np.where(roof, 0, np.where(side, pane_side, pane_end))
    glass = np.array([0.055, 0.065, 0.075], np.float32)
    patch.albedo = patch.albedo + (glass - patch.albedo) * pane[:, None]
    patch.gloss = np.float32(0.4) + np.float32(0.35) * pane


def coachwork(painter: StreetPainter, patch: Patch) -> None:
    """A bus with a row of windows, or the box of a truck."""
    p = patch.points
    heading, length, height, is_bus = patch.detail.T
    n, f = patch.normal, p.footprint
    side, end_face = np.abs(n[:, 0]) > 0.5, np.abs(n[:, 2]) > 0.5
    along, y = patch.place[:, 2] * heading, patch.place[:, 1]
    rise = (y + height) / (2 * height)
    level = ramp(rise, 0.44, 0.84, f / (2 * height))
    panes = (
        pulse(along + length, 1.3, 0.9, f / np.maximum(np.abs(p.dx), np.float32(0.05)))
        * level
        * side
        * (np.abs(along) < length - 0.2)
    )
    screen = ramp(np.abs(patch.place[:, 0]), -1, 1.08, f) * ramp(rise, 0.38, 0.88, f / (2 * height)) * end_face
    pane = np.clip(panes + screen, 0, 1) * is_bus
    colour = patch.albedo + (np.array([0.06, 0.07, 0.08], np.float32) - patch.albedo) * pane[:, None]
    skirt = ramp(rise, -1, 0.06, f)
    colour = colour * (1 - np.float32(0.7) * skirt)[:, None]
    lamp = ramp(np.abs(patch.place[:, 0]), 0.78, 1.1, f) * ramp(rise, 0.1, 0.19, f / (2 * height)) * end_face
    tone = np.where(
        (along < 0)[:, None], np.array([0.6, 0.04, 0.04], np.float32), np.array([0.9, 0.9, 0.85], np.float32)
    )
    patch.albedo = colour + (tone - colour) * lamp[:, None]
    patch.glow = tone * (lamp * np.float32(0.25))[:, None]
    patch.gloss = np.float32(0.2) + np.float32(0.4) * pane


def wheel(painter: StreetPainter, patch: Patch) -> None:
    """A tyre and its rim."""
    radius = patch.size[:, 1]
    r = np.sqrt(patch.place[:, 1] ** 2 + patch.place[:, 2] ** 2) / radius
    rim = smoothstep(0.68, 0.6, r)
    spokes = patch.detail[:, 1] > 0.5
    metal = np.where(spokes, np.float32(0.30), np.float32(0.52))
    patch.albedo = patch.albedo + (metal[:, None] - patch.albedo) * (rim * np.float32(0.85))[:, None]
