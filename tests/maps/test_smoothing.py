"""Smoothing of label maps along the flow, on a textured plane that moves by whole pixels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from v2vcli.errors import UsageError
from v2vcli.maps.over_time.smoothing import LabelSmoother
from v2vcli.maps.schema import CAMVID11
from v2vcli.maps.spec import MapFrame, MapSpec

SPEC = MapSpec("labels", CAMVID11)
SIZE = 96
FRAMES = 12


@pytest.fixture(scope="module")
def panning() -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """A smooth random texture panned by 2 pixels a frame, and its true labels: left of a line 1, right of it 3."""
    import cv2

    noise = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE + 2 * FRAMES, 3)).astype(np.uint8)
    wide = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    labels = np.full(wide.shape[:2], 3, np.uint8)
    labels[:, : SIZE // 2] = 1
    return (
        [np.ascontiguousarray(wide[:, 2 * t : 2 * t + SIZE]) for t in range(FRAMES)],
        [np.ascontiguousarray(labels[:, 2 * t : 2 * t + SIZE]) for t in range(FRAMES)],
    )


def _noisy(labels: list[NDArray[np.uint8]], share: float) -> list[MapFrame]:
    """A share of the blocks of 4x4 pixels answers with another class, anew in every frame."""
    rng, noisy = np.random.default_rng(7), []
    for truth in labels:
        wrong = np.kron(rng.random((SIZE // 4, SIZE // 4)) < share, np.ones((4, 4), bool))
        noisy.append(MapFrame(SPEC, np.where(wrong, 5, truth).astype(np.uint8)))
    return noisy


def _errors(maps: list[MapFrame], truth: list[NDArray[np.uint8]]) -> float:
    return float(np.mean([found.array != asked for found, asked in zip(maps, truth, strict=True)][4:]))


def test_flicker_goes_and_the_truth_moves_along(
    panning: tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]],
) -> None:
    images, truth = panning
    maps = _noisy(truth, 0.1)
    smoothed, _ = LabelSmoother(0.8).smooth(images, maps, None)
    assert _errors(maps, truth) > 0.09
    assert _errors(smoothed, truth) < 0.03


def test_windows_make_no_difference(panning: tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]) -> None:
    images, truth = panning
    maps, smoother = _noisy(truth, 0.1), LabelSmoother(0.8)
    whole, _ = smoother.smooth(images, maps, None)
    memory, parts = None, []
    for t in range(0, FRAMES, 5):
        some, memory = smoother.smooth(images[t : t + 5], maps[t : t + 5], memory)
        parts += some
    assert all(np.array_equal(a.array, b.array) for a, b in zip(whole, parts, strict=True))


def test_no_strength_changes_nothing_and_a_cut_is_believed_at_once(
    panning: tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]],
) -> None:
    images, truth = panning
    maps = _noisy(truth, 0.1)
    same, _ = LabelSmoother(0).smooth(images, maps, None)
    assert all(np.array_equal(a.array, b.array) for a, b in zip(same, maps, strict=True))
    # another picture altogether: nothing of the flow is to be trusted, or nearly nothing
    other = np.random.default_rng(3).integers(0, 256, images[0].shape).astype(np.uint8)
    after = MapFrame(SPEC, np.full((SIZE, SIZE), 8, np.uint8))
    smoothed, _ = LabelSmoother(0.8).smooth([images[0], other], [maps[0], after], None)
    assert np.mean(smoothed[1].array == 8) > 0.95


def test_a_label_gives_way_to_four_contradictions() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    before, after = (MapFrame(SPEC, np.full((32, 32), label, np.uint8)) for label in (2, 4))
    maps, _ = LabelSmoother(0.8).smooth([image] * 6, [before] + [after] * 5, None)
    assert [int(each.array[16, 16]) for each in maps] == [2, 2, 2, 2, 4, 4]


def test_odd_sizes() -> None:
    tiny = np.zeros((5, 7, 3), np.uint8)  # too small for any flow: each map stands as it is
    maps = [MapFrame(SPEC, np.full((9, 3), label, np.uint8)) for label in (1, 2)]
    found, _ = LabelSmoother(0.9).smooth([tiny, tiny], maps, None)
    assert [int(each.array[0, 0]) for each in found] == [1, 2]
    with pytest.raises(UsageError, match="from 0"):
        LabelSmoother(1.0)
