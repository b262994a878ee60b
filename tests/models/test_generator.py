"""The generator chain: a value for a past, the same frames however they are asked for, gradients everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from v2vcli.errors import ModelError
from v2vcli.models.generator import GeneratorConfig, PastFrames, StepOutput, Vid2VidGenerator

THREE_SCALES = GeneratorConfig(5, 2, 8, 1, 3, finer=2, finer_blocks=2, foreground=(1, 3))


def _generator(config: GeneratorConfig = THREE_SCALES) -> Vid2VidGenerator:
    """Untrained, and in double precision, since an untrained recurrence amplifies rounding."""
    torch.manual_seed(3)
    network = Vid2VidGenerator(config).double()
    for head in (part for scale in network.scales for name, part in scale.named_children() if name.endswith("_head")):
        head[1].weight.data *= 3  # frames that differ visibly from step to step
    return network


def _maps(config: GeneratorConfig, frames: int, batch: int = 1) -> Tensor:
    side = 4 * config.multiple
    return torch.rand(
        batch, frames, config.map_channels, side, side, generator=torch.Generator().manual_seed(5)
    ).double()


def _frames(outputs: Iterator[tuple[StepOutput, PastFrames]]) -> Tensor:
    """(B, N, 3, H, W)."""
    return torch.stack([output.frame for output, _ in outputs], 1)


def _in_windows(network: Vid2VidGenerator, maps: Tensor, window: int) -> Tensor:
    frames, past = [], network.start(None, maps[:, 0])
    for part in maps.split(window, 1):
        encoded, past = network.encode(part, past)
        for each in encoded:
            output, past = network.step(each, past)
            frames.append(output.frame)
    return torch.stack(frames, 1)


@pytest.mark.parametrize("norm", ["frame", "instance", "batch"])
@pytest.mark.parametrize("finer", [0, 1, 2])
@torch.no_grad()
def test_windows_streams_and_batches_give_the_same_frames(norm: Any, finer: int) -> None:
    network = _generator(GeneratorConfig(5, 2, 8, 1, 3, finer, 2, foreground=(1, 3), norm=norm))
    maps = _maps(network.config, 7, batch=2)
    plain = _in_windows(network, maps, 1)
    assert plain.std(1).mean() > 1e-3, "frames that are all alike would prove nothing"
    for window in (2, 3, 7):
        assert (_in_windows(network, maps, window) - plain).abs().max() < 1e-9
    for lookahead in (1, 4):
        assert (_frames(network.stream(maps.unbind(1), lookahead=lookahead)) - plain).abs().max() < 1e-9
    if norm != "batch":
        for b in range(2):
            assert (_in_windows(network, maps[b : b + 1], 3) - plain[b]).abs().max() < 1e-9


@torch.no_grad()
def test_painting_goes_on_from_the_past_of_any_frame() -> None:
    """The past that comes with a frame knows the maps up to that frame, not those that were read ahead."""
    network, maps = _generator(), _maps(THREE_SCALES, 6)
    steps = list(network.roll(maps, network.start(None, maps[:, 0])))
    for t, (_, past) in enumerate(steps[:-1]):
        again = list(network.roll(maps[:, t + 1 :], past))
        assert (again[-1][0].frame - steps[-1][0].frame).abs().max() < 1e-9


@torch.no_grad()
def test_without_a_past_every_frame_is_on_its_own() -> None:
    config = GeneratorConfig(5, 0, 8, 1, 3, finer=1, finer_blocks=2, foreground=(1, 3), flow=False)
    network = _generator(config)
    maps = _maps(config, 4)
    together = _frames(network.roll(maps, network.start(None, maps[:, 0])))
    for t in range(4):
        image = torch.rand(1, 3, *maps.shape[-2:]).double()
        alone = _frames(network.roll(maps[:, t : t + 1], network.start(image, maps[:, 0])))
        assert (alone[:, 0] - together[:, t]).abs().max() < 1e-9
    with pytest.raises(ValueError, match="past must be at least 1, since flow is True"):
        GeneratorConfig(5, 0)


def _attributes(network: nn.Module) -> dict[str, Any]:
    """Everything that hangs on every module, by name: what it is, and one level into each dictionary."""
    return {
        f"{name}.{key}": {k: id(v) for k, v in value.items()} if isinstance(value, dict) else id(value)
        for name, module in network.named_modules()
        for key, value in vars(module).items()
    }


@pytest.mark.parametrize("norm", ["frame", "batch", "instance"])
def test_the_past_is_a_value(norm: Any) -> None:
    """Rolling changes nothing on any module, nor the past that was handed in."""
    network = _generator(GeneratorConfig(5, 2, 8, 1, 3, 1, 2, foreground=(1, 3), norm=norm)).train()
    maps = _maps(network.config, 4)
    before, state = _attributes(network), {key: value.clone() for key, value in network.state_dict().items()}
    start = network.start(torch.rand_like(maps[:, 0, :3]), maps[:, 0])
    images, seen = [each.clone() for each in start.images_BK3HW], start.maps_BKCHW.clone()
    first = _frames(network.roll(maps, start))
    assert _attributes(network) == before
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert all(torch.equal(mine, kept) for mine, kept in zip(start.images_BK3HW, images, strict=True))
    assert torch.equal(start.maps_BKCHW, seen)
    assert torch.equal(_frames(network.roll(maps, start)), first)


@pytest.mark.parametrize(("past", "finer"), list(product([1, 2, 3, 4], [0, 1])))
@torch.no_grad()
def test_one_to_four_past_frames(past: int, finer: int) -> None:
    """Every one of the K past frames and maps matters, and none before."""
    network = _generator(GeneratorConfig(2, past, 4, 2, 2, finer, 1))
    maps = _maps(network.config, 1)
    side = maps.shape[-1]
    images, seen = torch.rand(1, past, 3, side, side).double(), torch.rand(1, past, 2, side, side).double()
    start = PastFrames.starting(images, seen, 1 + finer)
    assert [history.shape[1] for history in start.images_BK3HW] == [past] * (1 + finer)
    ((output, reached),) = network.roll(maps, start)
    assert [history.shape for history in reached.images_BK3HW] == [history.shape for history in start.images_BK3HW]
    assert torch.equal(reached.images_BK3HW[-1][:, -1], output.frame)
    assert torch.equal(reached.images_BK3HW[-1][:, :-1], images[:, 1:])
    assert torch.equal(reached.maps_BKCHW, torch.cat((seen, maps), 1)[:, 1:])
    for t in range(past):
        other_images, other_maps = images.clone(), seen.clone()
        other_images[:, t] *= -1
        other_maps[:, t] *= -1
        for changed in (
            PastFrames.starting(other_images, seen, 1 + finer),
            PastFrames.starting(images, other_maps, 1 + finer),
        ):
            assert not torch.equal(next(network.roll(maps, changed))[0].frame, output.frame)


@torch.no_grad()
def test_a_blank_past_is_never_warped() -> None:
    network, maps = _generator(), _maps(THREE_SCALES, 2)
    (first, past), (second, _) = network.roll(maps, network.start(None, maps[:, 0]))
    assert past.painted
    for output in (first, first.coarser, first.coarser.coarser):  # type: ignore[union-attr]
        assert output is not None
        assert torch.equal(output.frame, output.hallucinated)
        assert output.flow is not None  # it is computed all the same
    assert (second.frame - second.hallucinated).abs().max() > 1e-3
    encoded, past = network.encode(maps[:, 1:], past)
    raw, _ = network.step(encoded[0], past, raw=True)
    assert torch.equal(raw.frame, raw.hallucinated)
    assert torch.equal(raw.hallucinated, second.hallucinated)


@torch.no_grad()
def test_each_scale_keeps_its_own_history() -> None:
    network, maps = _generator(), _maps(THREE_SCALES, 3)
    image = torch.rand(1, 3, *maps.shape[-2:]).double()
    start = network.start(image, maps[:, 0])
    assert [history.shape[-1] for history in start.images_BK3HW] == [
        maps.shape[-1] // 4,
        maps.shape[-1] // 2,
        maps.shape[-1],
    ]
    for output, past in network.roll(maps, start):
        for history, frame in zip(past.images_BK3HW, output.frames, strict=True):
            assert torch.equal(history[:, -1], frame)


@pytest.mark.parametrize("flow", [True, False])
@torch.no_grad()
def test_equations_hold_between_the_outputs(flow: bool) -> None:
    """Where nothing is foreground a frame is its own mixture; where all is, it is H_F's."""
    network = _generator(GeneratorConfig(5, 2, 8, 1, 3, 1, 2, foreground=(1, 3), flow=flow))
    maps = _maps(network.config, 1)
    start = network.start(torch.rand(1, 3, *maps.shape[-2:]).double(), maps[:, 0])
    maps[:, :, [1, 3]] = 0.0
    maps[..., :8, 1] = 0.5
    maps[:, :, [1, 3], :8] = 0.75  # 1.5 together: clamped to 1
    ((output, _),) = network.roll(maps, start)
    assert output.foreground is not None
    assert torch.equal(output.frame[..., :8, :], output.foreground[..., :8, :])
    if flow:
        assert output.mask is not None
        assert 0 <= output.mask.min() <= output.mask.max() <= 1
        assert not torch.equal(output.frame[..., 8:, :], output.hallucinated[..., 8:, :])
    else:
        assert output.flow is output.mask is output.flow_features is None
        assert torch.equal(output.frame, output.hallucinated)


CONFIGURATIONS = [
    GeneratorConfig(5, 2, 4, 2, 3),
    GeneratorConfig(5, 1, 4, 1, 1, flow=False),
    GeneratorConfig(5, 2, 4, 3, 2, foreground=(0,)),
    GeneratorConfig(5, 2, 8, 1, 2, 2, 1, foreground=(1,), norm="instance"),
    GeneratorConfig(5, 3, 8, 1, 2, 1, 2, foreground_width=6, foreground=(1,), flow=False, kernel=3),
]


@pytest.mark.parametrize("config", CONFIGURATIONS)
def test_gradients_reach_every_parameter(config: GeneratorConfig) -> None:
    network = _generator(config)
    maps = _maps(config, 3)
    start = network.start(torch.rand(1, 3, *maps.shape[-2:]).double(), maps[:, 0])
    objective = sum(
        (frame * torch.randn_like(frame)).mean() for output, _ in network.roll(maps, start) for frame in output.frames
    )
    assert isinstance(objective, Tensor)
    objective.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        # a bias right before a norm is taken out again by it: its true gradient is zero
        if name.endswith("weight"):
            assert parameter.grad.abs().max() > 0, name


def test_only_the_finest_scale_is_trained() -> None:
    network = _generator()
    network.freeze_coarser()
    maps = _maps(THREE_SCALES, 2)
    outputs = [output for output, _ in network.roll(maps, network.start(None, maps[:, 0]))]
    outputs[-1].frame.mean().backward()
    for output in outputs:
        assert [frame.requires_grad for frame in output.frames] == [False, False, True]
    trained = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert trained == {name for name, _ in network.named_parameters() if name.startswith("finer.1.")}
    network.freeze_coarser(False)
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"past": 0}, "past must be at least 1"),
        ({"width": 0, "blocks": 0}, "width, blocks must be at least 1"),
        ({"finer_blocks": 0}, "finer_blocks must be at least 1"),
        ({"kernel": 4}, "kernel must be odd"),
        ({"finer": -1}, "cannot be halved"),
        ({"width": 6, "finer": 2}, "width 6 cannot be halved for each of 2 finer scales"),
        ({"width": 4, "downsamplings": 3, "finer": 2, "foreground": (0,)}, "foreground width 2 cannot be halved"),
        ({"width": 1, "downsamplings": 3, "foreground": (0,)}, "foreground width 0 cannot"),
        ({"foreground": (3,)}, "not among 3 map channels"),
        ({"norm": "layer"}, "unknown norm 'layer'"),
    ],
)
def test_odd_configurations_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        GeneratorConfig(**{"map_channels": 3, "width": 4, **values})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 1, 5, 30, 32), (1, 1, 5, 32, 36), (1, 1, 4, 32, 32)])
def test_maps_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    network, maps = _generator(), torch.rand(shape).double()
    with pytest.raises(ModelError, match="takes 5 channels and sides that are multiples of 8") as caught:
        network.encode(maps, network.start(None, maps[:, 0]))
    assert "\n" not in str(caught.value)


def test_a_stream_without_lookahead_is_refused() -> None:
    with pytest.raises(ValueError, match="lookahead must be at least 1"):
        next(_generator().stream([], lookahead=0))


def test_widths_and_flow_units_of_the_scales() -> None:
    config = GeneratorConfig(3, 2, 16, 3, 2, finer=2, foreground=(0,))
    network = Vid2VidGenerator(config)
    assert config.multiple == 32
    assert [scale.image_head[1].in_channels for scale in network.scales] == [16, 8, 4]
    assert [scale.foreground_head[1].in_channels for scale in network.scales] == [8, 4, 2]
    assert [scale.flow_scale for scale in network.scales] == [20.0, 40.0, 80.0]
    wide = GeneratorConfig(3, 2, 16, 2, 2, finer=1, foreground=(0,))
    assert [wide.foreground_width_at(s) for s in (0, 1)] == [16, 8]
