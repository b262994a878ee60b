"""COVST: windows and batches give the same frames, the mask chooses, and its flow learns to follow what moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from v2vcli.models.covst import Covst, CovstConfig, CovstOutput, PastFeatures, feature_flow
from v2vcli.models.warp import warp

CONFIG = CovstConfig(2, width=8, downsamplings=2, blocks=2, flow_width=4, flow_blocks=1, mask_width=4, kernel=3)


def _network(config: CovstConfig = CONFIG) -> Covst:
    torch.manual_seed(0)
    network = Covst(config).double()  # an untrained recurrence amplifies rounding
    with torch.no_grad():
        network.flow_head[1].bias.copy_(torch.tensor([0.8, -0.6]))  # flows that move something
    return network


def _maps(frames: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, frames, 2, 16, 24, generator=torch.Generator().manual_seed(1)).double()


def _frames(outputs: Iterator[tuple[CovstOutput, PastFeatures]]) -> Tensor:
    return torch.stack([output.frame for output, _ in outputs], 1)


@pytest.mark.parametrize("windows", [(1,) * 6, (2, 4), (5, 1)])
@pytest.mark.parametrize("painted", [False, True])
@torch.no_grad()
def test_windows_do_not_change_the_frames(windows: tuple[int, ...], painted: bool) -> None:
    network, maps = _network(), _maps(6)
    image = torch.rand(1, 3, 16, 24).double() * 2 - 1 if painted else None
    whole = _frames(network.roll(maps, network.start(image, maps[:, 0])))
    past, found = network.start(image, maps[:, 0]), []
    for window in maps.split(windows, 1):
        steps = list(network.roll(window, past))
        found += [output.frame for output, _ in steps]
        past = steps[-1][1]
    assert (torch.stack(found, 1) - whole).abs().max() < 1e-9


@torch.no_grad()
def test_every_past_can_be_gone_on_from() -> None:
    network, maps = _network(), _maps(4)
    steps = list(network.roll(maps, network.start(None, maps[:, 0])))
    for t in range(3):
        again = _frames(network.roll(maps[:, t + 1 :], steps[t][1]))
        assert (again[:, -1] - steps[-1][0].frame).abs().max() < 1e-9


@torch.no_grad()
def test_a_window_can_be_encoded_before_the_last_one_is_painted() -> None:
    network, maps = _network(), _maps(4)
    past = seen = network.start(None, maps[:, 0])
    ahead, frames = [], []
    for window in maps.split(2, 1):
        encoded, seen = network.encode(window, seen)
        ahead += encoded
    for each in ahead:
        output, past = network.step(each, past)
        frames.append(output.frame)
    whole = _frames(network.roll(maps, network.start(None, maps[:, 0])))
    assert (torch.stack(frames, 1) - whole).abs().max() < 1e-9


@torch.no_grad()
def test_sequences_in_a_batch_do_not_meet() -> None:
    network, maps = _network(), _maps(4, batch=3)
    together = _frames(network.roll(maps, network.start(None, maps[:, 0])))
    for b in range(3):
        alone = _frames(network.roll(maps[b : b + 1], network.start(None, maps[b : b + 1, 0])))
        assert (alone[0] - together[b]).abs().max() < 1e-9


@torch.no_grad()
def test_the_first_frame_is_the_stylisation_networks() -> None:
    network, maps = _network(), _maps(2)
    (first, past), (second, _) = network.roll(maps, network.start(None, maps[:, 0]))
    assert (first.frame - network.image_generator(maps[:, 0])).abs().max() < 1e-12
    assert first.flow is None and first.mask is None
    assert past.image_B3HW is first.frame
    assert (second.frame - network.image_generator(maps[:, 1])).abs().max() > 1e-3


@torch.no_grad()
def test_a_frame_that_is_there_is_looked_at() -> None:
    network, maps = _network(), _maps(2)
    one, other = (
        _frames(network.roll(maps[:, 1:], network.start(image, maps[:, 0])))
        for image in (torch.zeros(1, 3, 16, 24).double(), torch.rand(1, 3, 16, 24).double())
    )
    assert (one - other).abs().max() > 1e-5


def _with_mask(value: float) -> Covst:
    network = _network()
    last = network.mask_head[-2]
    with torch.no_grad():
        last.weight.zero_()  # type: ignore[union-attr, operator]
        last.bias.fill_(1e3 if value else -1e3)  # type: ignore[union-attr, operator]
    return network


@torch.no_grad()
def test_a_mask_of_one_is_stylisation_alone() -> None:
    network, maps = _with_mask(1.0), _maps(4)
    found = _frames(network.roll(maps, network.start(None, maps[:, 0])))
    assert (found[0] - network.image_generator(maps[0])).abs().max() < 1e-9


@torch.no_grad()
def test_a_mask_of_zero_is_warping_alone() -> None:
    network, maps = _with_mask(0.0), _maps(4)
    past = network.start(None, maps[:, 0])
    expected = network.features(maps[:, 0])
    for output, _ in network.roll(maps, past):
        if output.flow is not None:
            assert output.flow.abs().max() > 0.1
            expected = warp(expected, output.flow)
        assert (output.features - expected).abs().max() < 1e-12
        assert (output.frame - network.painted(expected)).abs().max() < 1e-12


@torch.no_grad()
def test_a_given_flow_takes_the_place_of_its_own() -> None:
    network, maps = _with_mask(0.0), _maps(2)
    right = torch.zeros(1, 2, 4, 6).double()
    right[:, 0] = 1.0
    (first, _), (second, _) = network.roll(maps, network.start(None, maps[:, 0]), [right, right])
    assert (second.features[..., :-1] - first.features[..., 1:]).abs().max() < 1e-9


def test_feature_flow_is_in_pixels_of_the_features() -> None:
    flow = torch.tensor([8.0, -4.0]).reshape(1, 2, 1, 1).expand(1, 2, 16, 24)
    small = feature_flow(flow, 4)
    assert small.shape == (1, 2, 4, 6)
    assert small[:, 0].eq(2).all() and small[:, 1].eq(-1).all()


def test_gradients_reach_every_part() -> None:
    network, maps = _network(), _maps(3)
    frames = _frames(network.roll(maps, network.start(None, maps[:, 0])))
    (frames[:, 1:] * torch.rand_like(frames[:, 1:])).sum().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_impossible_shapes_are_refused() -> None:
    for wrong in ({"flow_width": 0}, {"mask_width": 0}, {"blocks": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            CovstConfig(2, **wrong)


def _moving(clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two frames of a random pattern of black and white that moves by 4 pixels left or right, and their maps.

    The maps show stripes that move along. The pattern itself is in the first map only: to paint the second frame is to
    carry the first one over.
    """
    pattern = torch.rand(clips, 1, 4, 4, generator=generator).round() * 2 - 1
    pattern = pattern.repeat_interleave(4, -1).repeat_interleave(4, -2)
    speed = torch.randint(0, 2, (clips,), generator=generator) * 8 - 4
    moved = torch.stack([one.roll(int(v), -1) for one, v in zip(pattern, speed, strict=True)])
    across = torch.arange(16.0) - torch.stack((torch.zeros(clips), speed))[..., None]
    stripes = torch.sin(across * torch.pi / 8)[..., None, None, :].expand(2, clips, 1, 16, 16)
    maps = torch.cat((stripes, torch.stack((pattern, torch.zeros_like(pattern)))), 2)
    return maps.transpose(0, 1), torch.stack((pattern, moved), 1).expand(-1, -1, 3, -1, -1)


def test_it_learns_to_warp() -> None:
    torch.manual_seed(0)
    network = Covst(CovstConfig(2, 8, 1, 1, 8, 1, 8, "frame", 3))
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    generator = torch.Generator().manual_seed(0)

    def differences(*, moving: bool = True) -> tuple[Tensor, Tensor]:
        """Mean difference of the first and of the second frame from what they should be."""
        maps, wanted = _moving(4, generator)
        still = None if moving else [torch.zeros(4, 2, 8, 8)] * 2
        difference = (_frames(network.roll(maps, network.start(None, maps[:, 0]), still)) - wanted).abs()
        return difference[:, 0].mean(), difference[:, 1].mean()

    history = []
    for _ in range(110):
        first, second = differences()
        optimiser.zero_grad()
        (first + second).backward()
        optimiser.step()
        history.append(float(second.detach()))
    before, after = sum(history[:5]) / 5, sum(history[-10:]) / 10
    with torch.no_grad():
        unmoved = sum(float(differences(moving=False)[1]) for _ in range(10)) / 10
    # nothing in the second map tells the pattern: whoever does not carry it over is wrong by 1 on average
    assert before > 0.8
    assert after < 0.6 * before
    assert unmoved > 2 * after
