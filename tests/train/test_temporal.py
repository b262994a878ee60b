"""Temporal windows: gradients, values, the painted frame before. Which frames: tests/golden/test_skip_sampling.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from v2vcli.train.temporal import ClipFrames, TemporalSampling, TemporalState, frames_before


def _chunk(fake: Tensor) -> ClipFrames:
    return ClipFrames(torch.zeros_like(fake), fake, torch.zeros_like(fake[:, :, :2]))


def _no_flow(current: Tensor, previous: Tensor) -> Tensor:
    return torch.zeros_like(current[:, :2])


@pytest.mark.parametrize("sparse", [False, True])
def test_gradients_reach_the_new_chunk_alone(sparse: bool) -> None:
    sampling, state = TemporalSampling(3, 1, sparse=sparse), TemporalState()
    old, new = (torch.zeros(1, 2, 3, 2, 2, requires_grad=True) for _ in range(2))
    shown, state = sampling.windows(state, _chunk(old), _no_flow)
    assert shown == [None]
    (window,), _ = sampling.windows(state, _chunk(new), _no_flow)
    assert window is not None
    window.fake_NK3HW.sum().backward()
    assert old.grad is None
    assert new.grad is not None and new.grad.eq(1).all()  # frames 1, 2, 3: both new ones


@pytest.mark.parametrize("sparse", [False, True])
def test_a_state_can_be_used_twice(sparse: bool) -> None:
    sampling = TemporalSampling(2, 2, sparse=sparse)
    _, state = sampling.windows(TemporalState(), _chunk(torch.rand(1, 3, 3, 2, 2)), _no_flow)
    chunk = _chunk(torch.rand(1, 3, 3, 2, 2))
    (one, two), (again, more) = (sampling.windows(state, chunk, _no_flow)[0] for _ in range(2))
    assert one is not None and two is not None and again is not None and more is not None
    assert torch.equal(one.fake_NK3HW, again.fake_NK3HW)
    assert torch.equal(two.fake_NK3HW, more.fake_NK3HW)


def test_the_history_of_the_dense_way_is_bounded() -> None:
    sampling, state = TemporalSampling(3, 2), TemporalState()
    for _ in range(8):
        _, state = sampling.windows(state, _chunk(torch.zeros(1, 2, 3, 1, 1)), _no_flow)
    assert [len(history) for history in state.histories if history] == [6]
    assert state.painted == 16


def test_frames_before() -> None:
    painted = torch.arange(4.0).reshape(1, 4, 1, 1, 1).expand(1, 4, 3, 1, 1).clone().requires_grad_()
    before = frames_before(painted, torch.full((1, 3, 1, 1), 9.0))
    assert before[0, :, 0, 0, 0].tolist() == [9.0, 0.0, 1.0, 2.0]
    assert not before.requires_grad


def test_windows_need_a_flow() -> None:
    with pytest.raises(ValueError, match="windows of 2 frames"):
        TemporalSampling(frames=1)
