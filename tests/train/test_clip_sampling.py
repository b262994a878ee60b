"""Which frames of a clip are read. The reference's are compared in tests/golden/test_clip_sampling.py."""

from __future__ import annotations

import numpy as np
import pytest

from v2vcli.errors import RecipeError
from v2vcli.train.clip_sampling import ClipWindow, clip_window, frames_to_read


def test_whole_chunks_are_read_and_the_past_before_them() -> None:
    assert frames_to_read(100, painted=14, chunk=4, past=2) == 12 + 2
    assert frames_to_read(100, painted=3, chunk=4, past=2) == 3 + 2  # less than a chunk is one
    assert frames_to_read(12, painted=30, chunk=4, past=2) == 8 + 2  # no more than there is
    assert frames_to_read(5, painted=5, chunk=5, past=0) == 5


def test_every_possible_window_is_drawn_and_no_other() -> None:
    rng = np.random.default_rng(0)
    drawn = {clip_window(8, painted=2, chunk=2, past=1, longest_step=4, rng=rng) for _ in range(3000)}
    steps = {1: 6, 2: 4, 3: 2}  # a step of 4 would need 9 frames
    assert drawn == {ClipWindow(start, step, 3) for step, starts in steps.items() for start in range(starts)}
    assert max(window.indices[-1] for window in drawn) == 7


def test_a_short_clip_is_read_at_the_step_that_fits() -> None:
    window = clip_window(5, painted=9, chunk=1, past=2, longest_step=4, rng=np.random.default_rng(0))
    assert list(window.indices) == [0, 1, 2, 3, 4]


def test_a_single_frame_is_read_from_anywhere() -> None:
    rng = np.random.default_rng(0)
    starts = {clip_window(4, painted=1, chunk=1, past=0, rng=rng).start for _ in range(100)}
    assert starts == {0, 1, 2, 3}


def test_positions_wrap_around() -> None:
    rng = np.random.default_rng(0)
    starts = [clip_window(6, painted=2, chunk=1, past=2, rng=rng, position=each).start for each in range(5)]
    assert starts == [0, 1, 2, 0, 1]


def test_a_clip_without_a_frame_to_paint_is_refused() -> None:
    with pytest.raises(RecipeError, match="2 frames"):
        frames_to_read(2, painted=4, chunk=1, past=2)
