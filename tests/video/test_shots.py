"""Cuts are found on the frame where they happen; motion, noise and slow fades are not cuts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from v2vcli.video import Frame, ShotDetector


def _scene(seed: int, size: tuple[int, int]) -> np.ndarray:
    """Smooth coloured blobs."""
    rng = np.random.default_rng(seed)
    width, height = size
    coarse = rng.integers(0, 256, (4, 4, 3)).astype(np.float32)
    rows, columns = np.linspace(0, 3, height).astype(int), np.linspace(0, 3, width).astype(int)
    return coarse[rows][:, columns].astype(np.uint8)


def _frame(image: np.ndarray, index: int) -> Frame:
    return Frame(np.ascontiguousarray(image), Fraction(index, 25), Fraction(1, 25), index)


@pytest.mark.parametrize("size", [(320, 180), (16, 180), (64, 48)])
def test_finds_each_cut_where_it_is(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    detector = ShotDetector()
    cuts = []
    for index in range(40):
        image = np.roll(_scene(1 + index // 10, size), index % 10, axis=1)  # 10 frames of panning per scene
        noisy = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
        if detector.is_cut(_frame(noisy, index)):
            cuts.append(index)
    assert cuts == [10, 20, 30]


def test_consecutive_cuts_all_count() -> None:
    detector = ShotDetector()
    assert [detector.is_cut(_frame(_scene(i, (64, 48)), i)) for i in range(4)] == [False, True, True, True]


def test_a_slow_fade_is_no_cut() -> None:
    detector = ShotDetector()
    scene = _scene(3, (64, 48)).astype(np.float32)
    assert not any(detector.is_cut(_frame((scene * (1 - i / 50)).astype(np.uint8), i)) for i in range(50))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (200, 1)])
def test_tiny_pictures(shape: tuple[int, int]) -> None:
    detector = ShotDetector()
    black, white = np.zeros((*shape, 3), np.uint8), np.full((*shape, 3), 255, np.uint8)
    flags = [detector.is_cut(_frame(image, i)) for i, image in enumerate([black, black, white, white])]
    assert flags == [False, False, True, False]
