"""The flow teacher: any size, each component by its own side, and what the reference does instead."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from v2vcli.errors import UsageError
from v2vcli.train.flow_teacher import FlowTeacher, flow_confidence


class Constant:
    """A network that finds one motion everywhere, and remembers the sizes it was shown."""

    def __init__(self, u: float, v: float) -> None:
        self.motion = (u, v)
        self.sizes: list[tuple[int, int]] = []

    def __call__(self, current: Tensor, previous: Tensor) -> Tensor:
        self.sizes.append((current.shape[-2], current.shape[-1]))
        assert current.shape == previous.shape
        return current.new_tensor(self.motion)[None, :, None, None].expand(len(current), 2, *current.shape[-2:])


def frames(height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(2, 3, height, width, generator=generator), torch.rand(2, 3, height, width, generator=generator))


def test_frames_that_fit_are_not_touched() -> None:
    network = Constant(3, -2)
    flow, confidence = FlowTeacher(network)(*frames(64, 128))
    assert network.sizes == [(64, 128)]
    assert flow[:, 0].eq(3).all()
    assert flow[:, 1].eq(-2).all()
    assert set(confidence.unique().tolist()) <= {0.0, 1.0}
    assert confidence.shape == (2, 1, 64, 128)


def test_each_component_grows_with_its_side() -> None:
    network = Constant(1, 1)
    flow, confidence = FlowTeacher(network)(*frames(96, 72))
    assert network.sizes == [(64, 64)]
    assert flow.shape == (2, 2, 96, 72)
    assert confidence.shape == (2, 1, 96, 72)
    torch.testing.assert_close(flow[0, :, 5, 5], torch.tensor([72 / 64, 96 / 64]))


def test_a_width_that_does_not_fit_is_enough() -> None:
    network = Constant(1, 1)
    flow, _ = FlowTeacher(network)(*frames(64, 96))
    assert network.sizes == [(64, 64)]
    torch.testing.assert_close(flow[0, :, 5, 5], torch.tensor([1.5, 1.0]))


def test_the_reference_looks_at_the_height_alone() -> None:
    network = Constant(1, 1)
    FlowTeacher(network, reference_quirks=True)(*frames(64, 100))
    flow, _ = FlowTeacher(network, reference_quirks=True)(*frames(96, 72))
    assert network.sizes == [(64, 100), (64, 64)]
    torch.testing.assert_close(flow[0, :, 5, 5], torch.tensor([1.5, 1.5]))


def test_small_frames_grow_to_the_least_side() -> None:
    network = Constant(2, 2)
    flow, _ = FlowTeacher(network, multiple=8, least=128)(*frames(64, 200))
    assert network.sizes == [(128, 200)]
    torch.testing.assert_close(flow[0, :, 5, 5], torch.tensor([2.0, 1.0]))
    with pytest.raises(UsageError, match="least side 100 is no multiple of 64"):
        FlowTeacher(network, least=100)


def test_confidence_is_high_where_the_flow_is_right() -> None:
    previous, _ = frames(64, 64)
    current = torch.roll(previous, -2, dims=3)  # what is at x now was at x + 2
    right = Constant(2, 0)(current, previous)
    wrong = Constant(-5, 3)(current, previous)
    assert flow_confidence(current, previous, right)[..., :-2].mean() == 1
    assert flow_confidence(current, previous, wrong).mean() < 0.2


def test_raft_is_such_a_network() -> None:
    """Torchvision's RAFT, untrained: sizes and shapes are what it takes."""
    from torchvision.models.optical_flow import raft_small

    network = raft_small(weights=None).eval()

    def last(current: Tensor, previous: Tensor) -> Tensor:
        return network(current, previous, num_flow_updates=1)[-1]

    with torch.no_grad():
        flow, confidence = FlowTeacher(last, multiple=8, least=128)(*frames(70, 150))
    assert flow.shape == (2, 2, 70, 150)
    assert confidence.shape == (2, 1, 70, 150)
    assert bool(flow.isfinite().all())
