"""Stages laid out draw by draw: lengths in each unit, clips that double, the rate, and what an epoch is."""

from __future__ import annotations

from typing import Any

import pytest

from v2vcli.errors import RecipeError
from v2vcli.train.recipe import StageRecipe
from v2vcli.train.stage_schedule import Shot, StageSchedule, windows_per_epoch


def _stage(**values: Any) -> StageRecipe:
    return StageRecipe(**{"name": "s", "kind": "video", "size": (32, 32), "frames": 3, **values})


def _frames(schedule: StageSchedule) -> list[int]:
    return [schedule.at(draw).frames for draw in range(schedule.steps)]


def test_without_growth_every_draw_is_what_the_recipe_says() -> None:
    schedule = StageSchedule(_stage(steps=10, frames=13, chunk=4, backprop=2, rate=1.0, decay=0.5))
    plans = [schedule.at(draw) for draw in range(10)]
    assert schedule.steps == 10
    assert {(plan.frames, plan.chunk, plan.backprop, plan.finest_alone) for plan in plans} == {(13, 4, 2, False)}
    assert [plan.rate for plan in plans] == pytest.approx([1.0] * 6 + [0.8, 0.6, 0.4, 0.2])
    assert schedule.frames_before(10) == 130


def test_painted_frames_double_after_every_so_many_steps() -> None:
    schedule = StageSchedule(_stage(steps=7, frames=3, grow_every=2, chunk=4, backprop=4), longest=12)
    assert _frames(schedule) == [3, 3, 5, 5, 9, 9, 12]
    assert [schedule.at(draw).chunk for draw in range(7)] == [2, 2, 4, 4, 4, 4, 4]
    assert [schedule.at(draw).backprop for draw in range(7)] == [1, 1, 2, 2, 4, 4, 4]


def test_real_frames_that_clips_start_from_do_not_double() -> None:
    assert _frames(StageSchedule(_stage(steps=3, frames=8, grow_every=1, start="real"), past=2)) == [8, 14, 26]


def test_no_clip_grows_beyond_what_there_is_or_beyond_the_limit() -> None:
    assert max(_frames(StageSchedule(_stage(steps=40, grow_every=1)))) == 128
    assert max(_frames(StageSchedule(_stage(steps=40, grow_every=1), longest=50))) == 50
    assert max(_frames(StageSchedule(_stage(steps=40, grow_every=1, longest=30), longest=50))) == 30
    assert set(_frames(StageSchedule(_stage(steps=3, frames=200)))) == {200}  # asked for in so many words


def test_a_length_in_frames_counts_all_that_is_read() -> None:
    schedule = StageSchedule(_stage(frames_seen=60, frames=3, batch=2, grow_every=20, rate=1.0, decay=1.0))
    # 6 frames a draw until 20 are seen, 10 until 40, 18 after
    assert _frames(schedule) == [3, 3, 3, 3, 5, 5, 9]
    assert [schedule.frames_before(draw) for draw in range(8)] == [0, 6, 12, 18, 24, 34, 44, 62]
    assert schedule.at(6).rate == pytest.approx((60 - 44) / 60)
    assert all(schedule.at(draw).rate > 0 for draw in range(schedule.steps))


def test_frames_before_is_the_sum_of_what_draws_read() -> None:
    schedule = StageSchedule(_stage(epochs=7, frames=4, batch=3, grow_every=2), windows=10, longest=40)
    read = [3 * frames for frames in _frames(schedule)]
    assert [schedule.frames_before(draw) for draw in range(schedule.steps + 1)] == [
        sum(read[:draw]) for draw in range(schedule.steps + 1)
    ]


def test_epochs_round_up_to_batches_and_the_rate_falls_with_them() -> None:
    stage = _stage(epochs=4, batch=2, grow_every=2, finest_alone=1, rate=1.0, decay=0.5)
    schedule = StageSchedule(stage, windows=5)
    plans = [schedule.at(draw) for draw in range(schedule.steps)]
    assert schedule.steps == 4 * 3
    assert [plan.epoch for plan in plans] == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    assert [plan.rate for plan in plans] == [1.0] * 9 + [0.5] * 3
    assert [plan.frames for plan in plans] == [3] * 6 + [5] * 6
    assert [plan.finest_alone for plan in plans] == [True] * 3 + [False] * 9


def test_the_finest_scale_is_alone_for_its_steps() -> None:
    schedule = StageSchedule(_stage(steps=5, finest_alone=2))
    assert [schedule.at(draw).finest_alone for draw in range(5)] == [True, True, False, False, False]


def test_what_an_epoch_is() -> None:
    video = _stage(epochs=1, frames=7)
    shots = [Shot("video", 30), Shot("videos", 7), Shot("world", 6), Shot("layout", 30), Shot("layout", 6)]
    # 4 clips side by side in the first, 1, none, and one of the folder that is long enough
    assert windows_per_epoch(video, "labels", shots) == 4 + 1 + 0 + 1
    assert windows_per_epoch(video, "pose", shots[3:]) == 24
    assert windows_per_epoch(_stage(kind="image", epochs=1, frames=1), "labels", shots) == 79


def test_epochs_of_nothing_and_draws_that_are_not_there() -> None:
    with pytest.raises(RecipeError, match="epochs of no data"):
        StageSchedule(_stage(epochs=2), windows=0)
    with pytest.raises(ValueError, match="draw 5 of a stage of 5"):
        StageSchedule(_stage(steps=5)).at(5)
