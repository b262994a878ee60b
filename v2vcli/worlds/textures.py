"""Procedural textures that can be filtered to a pixel: pulse trains, hashed cells, world-anchored noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.worlds.noise import NoiseTile

Array = NDArray[Any]
Number = Array | float | np.floating[Any]


def pulse(position: Array, period: Number, duty: Number, footprint: Array, phase: Number = 0.0) -> Array:
    """A train of pulses, averaged over each pixel's ``footprint``: 1 for the first ``duty`` of every period.

    The average of a pulse train over an interval is a difference of its integral, so no detail is ever aliased: far
    away it tends to ``duty``.
    """
    inverse = np.float32(1) / np.asarray(period, np.float32)
    u = position * inverse - phase
    w = np.maximum(footprint * inverse, np.float32(1e-4))
    d = np.asarray(duty, np.float32)

    def integral(p: Array) -> Array:
        cell = np.floor(p)
        out: Array = cell * d + np.minimum(p - cell, d)
        return out

    out: Array = (integral(u + 0.5 * w) - integral(u - 0.5 * w)) / w
    return out


def ramp(value: Array, low: Number, high: Number, footprint: Array) -> Array:
    """1 where ``low`` < value < ``high``, averaged over the footprint (one interval)."""
    w = np.maximum(footprint, np.float32(1e-4))
    top = np.minimum(value + 0.5 * w, high)
    bottom = np.maximum(value - 0.5 * w, low)
    out: Array = np.clip((top - bottom) / w, 0, 1)
    return out


def cell_hash(a: Array, b: Array, salt: Array | int) -> Array:
    """A float in [0, 1) for each integer cell; integer arithmetic only, so the same everywhere."""
    h = a.astype(np.int64).astype(np.uint32) * np.uint32(0x9E3779B1)
    h ^= b.astype(np.int64).astype(np.uint32) * np.uint32(0x85EBCA77)
    h ^= np.asarray(salt).astype(np.int64).astype(np.uint32) * np.uint32(0xC2B2AE3D)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x2C1B3C6D)
    h ^= h >> np.uint32(12)
    h *= np.uint32(0x297A2D39)
    h ^= h >> np.uint32(15)
    return (h >> np.uint32(8)).astype(np.float32) * np.float32(1 / (1 << 24))


def ground_noise(table: NoiseTile, x: Array, y: Array, cell: float, footprint: Array) -> Array:
    """Noise with ``cell`` metres per table cell, faded out where a pixel covers more than a few cells."""
    fade = np.clip(np.float32(1.6) - footprint * np.float32(0.8 / cell), 0, 1)
    out: Array = table(x * np.float32(1 / cell), y * np.float32(1 / cell)) * fade
    return out
