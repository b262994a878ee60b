"""Schedules: what changes when. The published ones are compared in tests/golden/test_schedule.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from v2vcli.train.schedule import LONGEST, Schedule

STREET = Schedule(rate=1.0, constant_epochs=3, decay_epochs=4, clip_frames=4, doubling_epochs=2, chunk_frames=6)


def test_the_rate_stays_then_falls_and_never_reaches_zero() -> None:
    rates = [STREET.at(epoch, longest_clip=99).rate for epoch in range(1, STREET.epochs + 1)]
    assert rates == [1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]


def test_temporal_discriminators_follow_unless_told_not_to() -> None:
    assert STREET.at(7, longest_clip=99).temporal_rate == 0.25
    assert replace(STREET, temporal_rate_decays=False).at(7, longest_clip=99).temporal_rate == 1.0


def test_without_decay_the_rate_stays() -> None:
    assert replace(STREET, decay_epochs=0).at(3, longest_clip=99).rate == 1.0


def test_clips_double_up_to_what_there_is() -> None:
    def lengths(longest: int) -> list[int]:
        return [STREET.at(epoch, longest_clip=longest).clip_frames for epoch in range(1, 8)]

    assert lengths(99) == [4, 4, 8, 8, 16, 16, 32]
    assert lengths(17) == [4, 4, 8, 8, 15, 15, 15]
    assert replace(STREET, clip_frames=100).at(7, longest_clip=10_000).clip_frames == LONGEST - 2


def test_chunks_grow_to_their_limit_in_whole_units() -> None:
    def chunks(unit: int) -> list[int]:
        schedule = replace(STREET, chunk_frames=12, chunk_unit=unit)
        return [schedule.at(epoch, longest_clip=99).chunk_frames for epoch in (1, 3, 5, 7)]

    assert chunks(1) == [4, 8, 12, 12]
    assert chunks(3) == [3, 6, 12, 12]
    assert chunks(6) == [6, 12, 12, 12]  # a clip of 4 frames is not a whole unit: one unit all the same


def test_gradients_flow_back_through_equal_portions_of_a_chunk() -> None:
    schedule = replace(STREET, backpropagated_frames=4, clip_frames=6)
    assert [schedule.at(epoch, longest_clip=99).backpropagated_frames for epoch in (1, 3, 5)] == [1, 2, 3]


def test_the_finest_scale_is_alone_at_first() -> None:
    schedule = replace(STREET, finest_alone_epochs=2)
    assert [schedule.at(epoch, longest_clip=99).finest_alone for epoch in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0},
        {"clip_frames": 0},
        {"decay_epochs": -1},
        {"constant_epochs": 0, "decay_epochs": 0},
        {"chunk_unit": 4},
    ],
)
def test_impossible_schedules_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(STREET, **wrong)


def test_epochs_and_clips_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="epoch 8"):
        STREET.at(8, longest_clip=99)
    with pytest.raises(ValueError, match="2 frames"):
        STREET.at(1, longest_clip=2)
