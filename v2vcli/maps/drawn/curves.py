"""Curves through landmarks, drawn as strokes: what face and pose maps are made of.

What is peculiar:

- A curve is a straight line through 2 points or a parabola through 3, over the axis along which the points lie farther
  apart. The reference fits it with an iterative solver, whose last digits depend on its version; here the solution is
  exact. Coordinates are truncated afterwards, so a few pixels of every drawing land beside the reference's.
- A stroke of half-width n is the curve drawn once for every offset in -n..n-1, across and down.
- A colour that meets another is averaged with it. With ``quirks`` that is decided as the reference does: once per
  offset, for all pixels of the curve. As later offsets meet earlier ones, its lines are mostly of half the colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from v2vcli.maps.drawn.keypoints import Colour, Points

Pixels = NDArray[np.intp]
"""(N, 2): x and y of each pixel, along the curve."""

_SHARPEST = 1.0  # of the parabola's leading coefficient: beyond that it turns away from its points, far out


def curve(points: Points, *, quirks: bool = False) -> Pixels:
    """Pixels on the curve through 2 or 3 points.

    Args:
        points: (2, 2) or (3, 2): x and y, in order along the curve.
        quirks: Leave a parabola that bends too sharply (leading coefficient above 1) out, as the reference does;
            otherwise straight lines between the points stand in for it, and for one that turns back on its axis.

    Returns:
        (N, 2), one pixel per unit of the axis along which the points lie farther apart; none if that is below one.
    """
    steps = np.abs(np.diff(points, axis=0)).max(axis=0)
    swapped = bool(steps[1] > steps[0])
    x, y = (points[:, ::-1] if swapped else points).T
    if len(x) == 2:
        drawn = _sampled(x, lambda at: _line(x, y, at))
    else:
        bend = _bend(x, y)
        fits = bend is not None and abs(bend) <= _SHARPEST
        if bend is None or (not quirks and not (fits and min(x[0], x[2]) < x[1] < max(x[0], x[2]))):
            return np.concatenate([curve(points[:2]), curve(points[1:])])
        if not fits:
            return np.empty((0, 2), np.intp)
        drawn = _sampled(x, lambda at: _line(x[[0, 2]], y[[0, 2]], at) + bend * (at - x[0]) * (at - x[2]))
    return drawn[:, ::-1] if swapped else drawn


def chain(points: Points, *, quirks: bool = False) -> Pixels:
    """Pixels on a longer curve: pieces through 3 points that share their ends, the last through 2 where one is left.

    Args:
        points: (N, 2), in order along the curve.
        quirks: As `curve`.
    """
    pieces = [curve(points[i : i + 3], quirks=quirks) for i in range(0, len(points) - 1, 2)]
    return np.concatenate(pieces) if pieces else np.empty((0, 2), np.intp)


def draw(plane: NDArray[np.uint8], pixels: Pixels, half_width: int, *, quirks: bool = False) -> None:
    """Draw a stroke of 255, in place.

    Args:
        plane: (H, W) uint8.
        pixels: The curve, as from `curve`.
        half_width: n for offsets -n..n-1.
        quirks: Draw what lies outside the picture on its border, as the reference does; otherwise it is not drawn.
    """
    y, x = _shifted(pixels, _square(half_width), plane.shape, clamp=quirks)
    plane[y, x] = 255


def draw_coloured(
    canvas: NDArray[np.uint8], pixels: Pixels, colour: Colour, half_width: int, *, quirks: bool = False
) -> None:
    """Draw a stroke with round ends, twice as thick, in a colour; in place.

    Args:
        canvas: (H, W, 3) uint8, black where nothing is drawn yet.
        pixels: The curve, as from `curve`.
        colour: Where the canvas is black; elsewhere it becomes the mean of the two.
        half_width: n for offsets -n..n-1; the ends are discs of radius 2n.
        quirks: See the top of the module, and `draw`.
    """
    if not len(pixels):
        return
    reach = 2 * half_width
    strokes = ((pixels, _square(half_width)), (pixels[[0, -1]], _disc(reach)))
    if quirks:
        for line, offsets in strokes:
            for offset in offsets:
                y, x = _shifted(line, offset[None], canvas.shape, clamp=True)
                old = canvas[y, x]
                canvas[y, x] = (old.astype(np.float64) + colour) / 2 if old.any() else colour
        return
    drawn = np.zeros(canvas.shape[:2], np.bool_)
    for line, offsets in strokes:
        drawn[_shifted(line, offsets, canvas.shape, clamp=False)] = True
    y, x = np.nonzero(drawn)
    old = canvas[y, x]
    canvas[y, x] = np.where(old.any(axis=1, keepdims=True), (old + np.array(colour, np.uint16)) // 2, colour)


def _square(half_width: int) -> Pixels:
    """(4 n^2, 2) offsets dy, dx in -n..n-1, row by row."""
    offsets = np.arange(-half_width, half_width)
    return np.stack(np.meshgrid(offsets, offsets, indexing="ij"), axis=-1).reshape(-1, 2)


def _disc(radius: int) -> Pixels:
    offsets = _square(radius)
    return np.asarray(offsets[(offsets**2).sum(axis=1) < radius**2])


def _shifted(
    pixels: Pixels, offsets: Pixels, shape: Sequence[int], *, clamp: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pixels at all offsets; those outside the picture on its border, or left out."""
    y = (pixels[:, 1] + offsets[:, :1]).ravel()
    x = (pixels[:, 0] + offsets[:, 1:]).ravel()
    if clamp:
        return np.clip(y, 0, shape[0] - 1), np.clip(x, 0, shape[1] - 1)
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    return y[inside], x[inside]


def _sampled(x: Points, height: Callable[[Points], Points]) -> Pixels:
    """Pixels at ``height`` over ``x`` from its first to its last entry, in ascending order."""
    first, last = sorted((float(x[0]), float(x[-1])))
    at = np.linspace(first, last, int(last - first))
    return np.stack([at.astype(np.intp), height(at).astype(np.intp)], axis=1)


def _line(x: Points, y: Points, at: Points) -> Points:
    return np.asarray(y[0] + (y[1] - y[0]) * ((at - x[0]) / (x[1] - x[0])))


def _bend(x: Points, y: Points) -> float | None:
    """Leading coefficient of the parabola through 3 points; None where two of them share their x."""
    if x[0] == x[1] or x[1] == x[2] or x[0] == x[2]:
        return None
    return float(((y[2] - y[1]) / (x[2] - x[1]) - (y[1] - y[0]) / (x[1] - x[0])) / (x[2] - x[0]))
