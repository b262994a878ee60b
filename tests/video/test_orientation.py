"""Display matrices: all eight quarter turns and mirrors, and nonsense."""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np
import pytest

from v2vcli.video import VideoReader
from v2vcli.video.orientation import Orientation

from .made import Maker, set_display_matrix

ONE = 1 << 16
TURNS = {
    "upright": ((1, 0, 0, 1), 0),
    "90": ((0, 1, -1, 0), 90),
    "180": ((-1, 0, 0, -1), 180),
    "270": ((0, -1, 1, 0), 270),
    "mirror": ((-1, 0, 0, 1), 0),
    "mirror 180": ((1, 0, 0, -1), 180),
    "mirror 90": ((0, -1, -1, 0), 90),
    "mirror 270": ((0, 1, 1, 0), 270),
}


def _matrix(a: int, b: int, c: int, d: int) -> list[int]:
    return [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30]


def _shown(image: np.ndarray, a: int, b: int, c: int, d: int) -> np.ndarray:
    """Move every pixel by the definition: (x, y) goes to (a x + c y, b x + d y), up to a shift."""
    height, width = image.shape[:2]
    places = {(x, y): (a * x + c * y, b * x + d * y) for y in range(height) for x in range(width)}
    left, top = min(p[0] for p in places.values()), min(p[1] for p in places.values())
    out = np.zeros((width, height, 3) if b else (height, width, 3), np.uint8)
    for (x, y), (u, v) in places.items():
        out[v - top, u - left] = image[y, x]
    return out


@pytest.mark.parametrize("name", TURNS)
def test_every_quarter_turn_and_mirror(name: str) -> None:
    coefficients, degrees = TURNS[name]
    image = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    turn = Orientation.from_matrix(struct.pack("=9i", *_matrix(*coefficients)))
    assert np.array_equal(turn.apply(image), _shown(image, *coefficients))
    assert turn.rotation == degrees
    width, height = turn.size(5, 3)
    assert turn.apply(image).shape[:2] == (height, width)
    assert turn.sample_aspect(Fraction(4, 3)) == (Fraction(3, 4) if coefficients[1] else Fraction(4, 3))


@pytest.mark.parametrize("matrix", [[0] * 9, _matrix(1, 1, -1, 1), [ONE, 0, 0, 0, 0, 0, 0, 0, 1 << 30], [-(2**31)] * 9])
def test_nonsense_counts_as_upright(matrix: list[int]) -> None:
    assert Orientation.from_matrix(struct.pack("=9i", *matrix)) == Orientation()
    assert Orientation.from_matrix(b"short") == Orientation()


@pytest.mark.parametrize("name", ["90", "180", "270", "mirror 90"])
def test_files_are_read_the_way_they_are_shown(make: Maker, name: str) -> None:
    coefficients, degrees = TURNS[name]
    path = make("turned.mp4", size=(64, 32), sample_aspect=Fraction(2, 1), options={"qp": "0"}, pix_fmt="yuv444p")
    with VideoReader(path) as reader:
        upright = next(iter(reader)).image
    set_display_matrix(path, _matrix(*coefficients))
    with VideoReader(path) as reader:
        info = reader.info
        turned = next(iter(reader)).image
    assert info.rotation == degrees
    assert np.array_equal(turned, _shown(upright, *coefficients))
    assert (info.height, info.width) == turned.shape[:2]
    assert info.sample_aspect == (Fraction(1, 2) if coefficients[1] else Fraction(2))
