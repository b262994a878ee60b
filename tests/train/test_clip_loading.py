"""Clips that are brought over part by part are the clips that were drawn; what waits, waits as bytes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.train.whole_clips import whole
from v2vcli.maps.schema import CITYSCAPES19
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train import clip_loading
from v2vcli.train.clip_loading import DrawnClips
from v2vcli.train.drawing import Sample

CPU = torch.device("cpu")
LABELS = MapSpec("labels", schema=CITYSCAPES19)


def _clips(frames: int = 7, clips: int = 2) -> DrawnClips:
    rng = np.random.default_rng(frames)
    samples = [
        Sample(
            rng.integers(0, 256, (frames, 8, 12, 3)).astype(np.uint8),
            [MapFrame(LABELS, rng.integers(0, 19, (8, 12)).astype(np.uint8)) for _ in range(frames)],
            None,
            None,
        )
        for _ in range(clips)
    ]
    flows = [(rng.random((frames, 8, 12, 2), np.float32), rng.random((frames, 8, 12), np.float32)) for _ in samples]
    return DrawnClips(samples, flows, CPU)


def test_parts_are_what_the_whole_is() -> None:
    clips = _clips()
    everything = whole(clips)
    assert (clips.frames, everything.frames, everything.begin) == (7, 7, 0)
    for window in (slice(0, 3), slice(2, 5), slice(4, 7)):
        part = clips.part(window, slice(window.stop - 1, window.stop + 2))
        assert (part.begin, part.frames) == (window.start, 3)
        for mine, all_of_it in zip(part.tensors(), everything.tensors(), strict=True):
            assert torch.equal(mine, all_of_it[:, window])
        again = part.part(slice(1, None))
        assert (again.begin, again.frames) == (window.start + 1, 2)
        assert torch.equal(again.maps_BTCHW, everything.maps_BTCHW[:, window][:, 1:])


def test_no_more_maps_become_planes_than_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    real = clip_loading.map_tensor
    monkeypatch.setattr(clip_loading, "map_tensor", lambda maps, device: made.append(len(maps)) or real(maps, device))
    clips = _clips(frames=30, clips=1)
    for begin in range(0, 30, 5):
        clips.part(slice(begin, begin + 5), slice(begin + 5, begin + 10))
    assert made == [5] * 6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: parts are sent ahead on a stream there")
def test_what_was_sent_ahead_is_what_was_asked_for() -> None:
    clips = _clips()
    expected = whole(clips)
    on_gpu = DrawnClips(clips._samples, clips._flows, torch.device("cuda"))
    for begin in (0, 2, 4):
        part = on_gpu.part(slice(begin, begin + 3), slice(begin + 2, begin + 5))
        for mine, all_of_it in zip(part.tensors(), expected.tensors(), strict=True):
            assert torch.equal(mine.cpu(), all_of_it[:, begin : begin + 3])
