"""Temporal sub-sampling is the reference's, chunk by chunk: by frame number, and as tensors that carry the numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.golden.recording import Parity
from v2vcli.train.temporal import (
    ClipFrames,
    TemporalSampling,
    TemporalState,
    TemporalWindows,
    dense_history,
    dense_windows,
    sparse_windows,
)

NAME = "skip_sampling"
Groups = list[list[list[int]] | None]


@pytest.fixture(scope="module")
def recorded(golden_dir: Path) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = json.loads((golden_dir / f"{NAME}.json").read_text())
    assert [len(tables[way]) for way in ("dense", "sparse")] == [30, 6]
    return tables


def _label(way: str, case: dict[str, Any]) -> str:
    return f"{way}/tD{case['tD']}_S{case['n_scales_temporal']}_chunk{case['frames_per_chunk']}"


def test_dense_windows(recorded: dict[str, list[dict[str, Any]]], parity: Parity) -> None:
    for case in recorded["dense"]:
        frames, scales = case["tD"], case["n_scales_temporal"]
        history: list[int] = []
        for step in case["steps"]:
            first, last = step["new"]
            history += range(first, last + 1)
            chosen = [dense_windows(len(history), last + 1 - first, frames, frames**scale) for scale in range(scales)]
            groups = [[[history[at] for at in window] for window in windows] or None for windows in chosen]
            assert groups == step["groups"]
            assert ([window[1:] for window in groups[0]] if groups[0] else None) == step["scale0_flow_index"]
            history = history[-dense_history(frames, scales) :]
            assert history == step["kept_history"]
        parity.note(NAME, _label("dense", case), 0.0)


def test_sparse_windows(recorded: dict[str, list[dict[str, Any]]], parity: Parity) -> None:
    for case in recorded["sparse"]:
        frames, scales = case["tD"], case["n_scales_temporal"]
        histories: list[list[int]] = [[] for _ in range(scales)]
        for step in case["steps"]:
            first, last = step["new"]
            groups: Groups = []
            for scale, history in enumerate(histories):
                new = [number for number in range(first, last + 1) if number % frames**scale == 0]
                forgotten, chosen = sparse_windows(len(history), len(new), frames)
                history[:] = (history + new)[forgotten:]
                groups.append([[history[at] for at in window] for window in chosen] or None)
            assert groups == step["groups"]
            flows = [None if group is None else [window[1:] for window in group] for group in groups]
            assert flows == step["flow_index"]
        parity.note(NAME, _label("sparse", case), 0.0)


CLIPS = 2
"""Clips in a batch; a pixel of clip b, frame t holds 100 b + t."""


def _numbered(first: int, last: int, channels: int) -> Tensor:
    numbers = torch.arange(first, last + 1, dtype=torch.float32) + 100.0 * torch.arange(CLIPS)[:, None]
    return numbers[:, :, None, None, None].expand(-1, -1, channels, 1, 1)


def _read(frames: Tensor) -> list[list[int]]:
    return [[int(number) for number in row] for row in frames[:, :, 0, 0, 0].tolist()]


def _of_every_clip(windows: list[list[int]]) -> list[list[int]]:
    """Windows outermost, clips within."""
    return [[100 * clip + number for number in window] for window in windows for clip in range(CLIPS)]


@pytest.mark.parametrize("way", ["dense", "sparse"])
def test_tensors_follow_the_numbers(recorded: dict[str, list[dict[str, Any]]], parity: Parity, way: str) -> None:
    for case in recorded[way]:
        sampling = TemporalSampling(case["tD"], case["n_scales_temporal"], sparse=way == "sparse")
        state = TemporalState()
        for step in case["steps"]:
            asked: list[tuple[list[int], list[int]]] = []

            def between(current: Tensor, previous: Tensor, asked: list[Any] = asked) -> Tensor:
                asked.append((_read(current[None])[0], _read(previous[None])[0]))
                return (current - previous)[:, :2]

            first, last = step["new"]
            chunk = ClipFrames(*(_numbered(first, last, channels) for channels in (3, 3, 2)))
            shown, state = sampling.windows(state, chunk, between)
            assert state.painted == last + 1
            assert [each is None for each in shown] == [group is None for group in step["groups"]]
            for scale, (each, group) in enumerate(zip(shown, step["groups"], strict=True)):
                if each is not None:
                    _check_window(each, group, scale, case["tD"])
            if way == "dense":
                kept = state.histories[0]
                assert kept is not None
                assert _read(kept.fake_BT3HW)[0] == step["kept_history"]
                _check_pairs(asked, step["recomputed_flow_pairs_cur_prev"])
        parity.note(NAME, f"{_label(way, case)}/tensors", 0.0)


def _check_window(shown: TemporalWindows, group: list[list[int]], scale: int, frames: int) -> None:
    assert _read(shown.real_NK3HW) == _read(shown.fake_NK3HW) == _of_every_clip(group)
    if scale == 0:  # the chunks' own flows, named by their later frame
        assert _read(shown.flow_NK2HW) == _of_every_clip([window[1:] for window in group])
    else:  # estimated between frames that are as far apart as the scale says
        assert shown.flow_NK2HW.eq(frames**scale).all()
        assert shown.flow_NK2HW.shape[:3] == (CLIPS * len(group), frames - 1, 2)


def _check_pairs(asked: list[tuple[list[int], list[int]]], pairs: list[list[list[int]]]) -> None:
    """The flows asked for: per scale >= 1 with windows, current frames of all windows, then the frames before them."""
    assert len(asked) == len(pairs)
    for both, recorded_pairs in zip(asked, pairs, strict=True):
        half = len(recorded_pairs) // 2
        for found, expected in zip(both, (recorded_pairs[:half], recorded_pairs[half:]), strict=True):
            assert found == [number for window in _of_every_clip(expected) for number in window]
