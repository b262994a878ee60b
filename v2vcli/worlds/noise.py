"""Smooth seeded randomness: tables of periodic noise, and functions of time that can be asked for any moment.

Everything here is band-limited on purpose. White noise in a texture would fill an edge map with specks and flicker
when the camera moves; these tables can be blurred to the size of a pixel before they are sampled.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def smoothstep(low: float, high: float, value: Array) -> Array:
    """Hermite ramp from 0 at ``low`` to 1 at ``high`` (``low`` may be the larger)."""
    t = np.clip((value - np.float32(low)) * np.float32(1.0 / (high - low)), 0, 1)
    out: Array = t * t * (3 - 2 * t)
    return out


def periodic_noise_2d(rng: np.random.Generator, size: int, octaves: tuple[tuple[int, float], ...]) -> Array:
    """(size, size) float32 noise that tiles, mean 0, standard deviation 1.

    Args:
        rng: source of the random lattice.
        size: side in cells.
        octaves: (lattice points per side, weight) for each octave; lattice sizes must divide nothing in particular.
    """
    total = np.zeros((size, size), np.float32)
    for points, weight in octaves:
        lattice = rng.standard_normal((points, points)).astype(np.float32)
        pad = 3
        padded = np.pad(lattice, pad, mode="wrap")
        cells = round(size * (points + 2 * pad) / points)
        big = cv2.resize(padded, (cells, cells), interpolation=cv2.INTER_CUBIC)
        edge = round(size * pad / points)
        total += np.float32(weight) * big[edge : edge + size, edge : edge + size]
    total -= total.mean()
    return total / np.float32(total.std() + 1e-6)


def periodic_noise_1d(rng: np.random.Generator, size: int, octaves: tuple[tuple[int, float], ...]) -> Array:
    """(size,) float32 noise that tiles, mean 0, standard deviation 1; see `periodic_noise_2d`."""
    position = np.arange(size) / size
    total = np.zeros(size)
    for points, weight in octaves:
        lattice = rng.standard_normal(points)
        u = position * points
        cell = u.astype(int)
        t = u - cell
        t = t * t * (3 - 2 * t)
        total += weight * (lattice[cell % points] * (1 - t) + lattice[(cell + 1) % points] * t)
    total -= total.mean()
    out: Array = (total / (total.std() + 1e-6)).astype(np.float32)
    return out


def lookup_1d(table: Array, position: Array) -> Array:
    """Sample a periodic table at float positions in cells (linear interpolation)."""
    cell = np.floor(position)
    t = (position - cell).astype(np.float32)
    i = cell.astype(np.int32)
    size = len(table)
    a = table.take(i % size)
    return a + (table.take((i + 1) % size) - a) * t


class NoiseTile:
    """A square table of noise that tiles the plane, sampled bilinearly at float positions in cells."""

    def __init__(self, table: Array) -> None:
        """``table``: (size, size) float32, as `periodic_noise_2d` makes it."""
        self._size = np.float32(table.shape[0])
        # One more row and column, so that the last cell blends into the first.
        self._padded = cv2.copyMakeBorder(table, 0, 1, 0, 1, cv2.BORDER_WRAP)

    def __call__(self, x: Array, y: Array) -> Array:
        """Noise at ``x``, ``y`` (any shape, the same); positions are wrapped, however far they are."""
        size, inverse = self._size, 1 / self._size
        shape = x.shape
        if not x.size:
            return np.zeros(shape, np.float32)
        # OpenCV takes a picture of positions, no side longer than 32767.
        columns = min(max(1, x.size), 8192)
        rows = -(-x.size // columns)
        u = np.zeros(rows * columns, np.float32)
        v = np.zeros(rows * columns, np.float32)
        for wrapped, given in ((u, x.ravel()), (v, y.ravel())):
            wrapped[: x.size] = given - np.floor(given * inverse) * size
        found: Array = cv2.remap(self._padded, u.reshape(rows, columns), v.reshape(rows, columns), cv2.INTER_LINEAR)
        return found.ravel()[: x.size].reshape(shape)


class Wander:
    """A smooth random function of time with values mostly in [-1, 1]: a sum of sinusoids of unrelated frequencies."""

    def __init__(self, rng: np.random.Generator, slowest: float, fastest: float, terms: int = 4) -> None:
        """``slowest`` and ``fastest`` are in hertz."""
        edges = np.geomspace(slowest, fastest, terms + 1)
        self._frequency = 2 * np.pi * rng.uniform(edges[:-1], edges[1:])
        self._phase = rng.uniform(0, 2 * np.pi, terms)
        weight = 1.0 / np.sqrt(np.arange(1, terms + 1))
        self._weight = weight / weight.sum() * 1.3

    def __call__(self, seconds: float) -> float:
        """Value at a moment in seconds."""
        return float(np.sum(self._weight * np.sin(self._frequency * seconds + self._phase)))
