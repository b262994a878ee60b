"""Colour drift: the largest departure, in its own unit, with the scene's own change told apart."""

from __future__ import annotations

import numpy as np
import pytest

from v2vcli.evaluation import Context, Measurement, Moment
from v2vcli.evaluation.colour import START_FRAMES, ColourDrift


def _measure(greens: list[int], reference_greens: list[int] | None = None) -> Measurement:
    measuring = ColourDrift(Context(6, 4))
    for index, green in enumerate(greens):
        twin = None if reference_greens is None else _flat(reference_greens[index])
        measuring.update(Moment(index, _flat(green), twin))
    return measuring.measurement()


def _flat(green: int) -> np.ndarray:
    return np.broadcast_to(np.array([50, green, 200], np.uint8), (4, 6, 3)).copy()


def test_steady_colour_does_not_drift() -> None:
    assert _measure([80] * 30).value == 0


def test_the_worst_channel_of_the_worst_frame_counts() -> None:
    found = _measure([100] * START_FRAMES + [101, 107, 94, 100])
    assert found.value == pytest.approx(7)
    assert found.details["at_frame"] == START_FRAMES + 1
    assert "beyond_reference" not in found.details


def test_the_origin_is_the_mean_of_the_first_frames() -> None:
    first = [90, 110] * (START_FRAMES // 2)
    assert _measure([*first, 100]).value == pytest.approx(10)
    assert _measure([*first, 130]).value == pytest.approx(30)


def test_a_change_that_the_reference_shows_too_is_told_apart() -> None:
    scene = [100] * START_FRAMES + list(range(100, 140))
    drifting = [green + (3 if index >= 40 else 0) for index, green in enumerate(scene)]
    found = _measure(drifting, scene)
    assert found.value == pytest.approx(42)
    assert found.details["beyond_reference"] == pytest.approx(3)


def test_a_short_video_is_held_against_its_own_mean() -> None:
    assert _measure([100, 104]).value == pytest.approx(2)
    assert _measure([]).value is None
