"""Edges of the photo behind a face map: Canny's detector with gradients and thresholds in floating point.

What is peculiar: models of faces were trained on the edges that ``skimage.feature.canny`` finds with its default
settings, and `edges.canny` (OpenCV's, on integers, with thresholds that follow the picture) finds others. So this is
that detector: Gaussian blur (sigma 1, weights renormalised at the border), Sobel gradient, suppression of what is not
the largest along the gradient (interpolated between neighbours), hysteresis at 0.1 and 0.2 for luma in 0..1. Sums run
in the order of SciPy's filters, so that even ties are decided alike: the edges are the same to the pixel.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]

_LOW: Final = 0.1
_HIGH: Final = 0.2
_RADIUS: Final = 4  # of the Gaussian, in sigmas


def background_edges(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find edges.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (H, W) bool; never on the outermost pixels.
    """
    import cv2
    from PIL import Image

    luma = np.asarray(Image.fromarray(image).convert("L"), np.float64) * (1 / 255)
    down, right = _gradient(_blurred(luma))
    magnitude = np.sqrt(down * down + right * right)
    ridge = _ridge(down, right, magnitude)
    strong = ridge & (magnitude >= _HIGH)
    _, regions = cv2.connectedComponents(ridge.astype(np.uint8), connectivity=8)
    kept = np.zeros(int(regions.max()) + 1, np.bool_)
    kept[np.unique(regions[strong])] = True
    return np.asarray(kept[regions])


def _blurred(luma: Plane) -> Plane:
    return np.asarray(_smoothed(luma) / _inside(*luma.shape))


@lru_cache(maxsize=4)  # the frames of a clip are of one size
def _inside(height: int, width: int) -> Plane:
    """How much of the Gaussian round each pixel lies inside the picture."""
    return np.asarray(_smoothed(np.ones((height, width))) + np.finfo(np.float64).eps)


def _smoothed(plane: Plane) -> Plane:
    """Gaussian along both axes; outside the picture is 0."""
    weights = np.exp(-0.5 * np.arange(-_RADIUS, _RADIUS + 1) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(plane, [(_RADIUS, _RADIUS) if a == axis else (0, 0) for a in (0, 1)])
        shifted = [_part(padded, axis, start, plane.shape[axis]) for start in range(2 * _RADIUS + 1)]
        plane = shifted[_RADIUS] * weights[_RADIUS]
        pair = np.empty_like(plane)
        for k in range(_RADIUS):
            np.add(shifted[k], shifted[-1 - k], out=pair)
            pair *= weights[k]
            plane += pair
    return plane


def _gradient(plane: Plane) -> tuple[Plane, Plane]:
    """Sobel, down and right, not normalised; the border is mirrored."""
    height, width = plane.shape
    padded = np.pad(plane, 1, mode="symmetric")
    across = _part(padded, 1, 2, width) - _part(padded, 1, 0, width)
    below = _part(padded, 0, 2, height) - _part(padded, 0, 0, height)
    right = _part(across, 0, 1, height) * 2 + (_part(across, 0, 0, height) + _part(across, 0, 2, height))
    down = _part(below, 1, 1, width) * 2 + (_part(below, 1, 0, width) + _part(below, 1, 2, width))
    return down, right


def _part(plane: Plane, axis: int, start: int, length: int) -> Plane:
    return plane[start : start + length] if axis == 0 else plane[:, start : start + length]


def _ridge(down: Plane, right: Plane, magnitude: Plane) -> NDArray[np.bool_]:
    """Where the gradient is at least `_LOW` and not below that of the places one step along it, on either side."""
    candidate = magnitude >= _LOW
    candidate[[0, -1]] = candidate[:, [0, -1]] = False
    y, x = np.nonzero(candidate)
    dy, dx, here = down[y, x], right[y, x], magnitude[y, x]
    steep = np.abs(dy) >= np.abs(dx)
    # One step along the gradient leads between the neighbour along its larger component and the one on the diagonal.
    diagonal = np.minimum(np.abs(dy), np.abs(dx)) / np.maximum(np.abs(dy), np.abs(dx))
    sy, sx = np.where(dy > 0, 1, -1), np.where(dx > 0, 1, -1)
    largest = np.ones(len(y), np.bool_)
    for sign in (1, -1):
        straight = magnitude[y + sign * sy * steep, x + sign * sx * ~steep]
        corner = magnitude[y + sign * sy, x + sign * sx]
        largest &= corner * diagonal + straight * (1 - diagonal) <= here
    ridge = np.zeros_like(candidate)
    ridge[y[largest], x[largest]] = True
    return ridge
