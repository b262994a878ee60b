"""What painting costs: against the reference's counts, and against what PyTorch allocates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from v2vcli.errors import ModelError
from v2vcli.maps.spec import MapSpec
from v2vcli.models.checkpoint import PARTS, ModelInfo
from v2vcli.models.cost import painting_cost
from v2vcli.models.covst import CovstConfig
from v2vcli.models.generator import GeneratorConfig
from v2vcli.models.image_generator import ImageGeneratorConfig
from v2vcli.models.live_bytes import LiveBytes
from v2vcli.models.painter import Painter
from v2vcli.models.segmenter import SegmenterConfig

STREET = {"map_channels": 36, "foreground": (26,)}
"""Cityscapes' 35 labels and the instance edges; cars are foreground."""

MEASURED = [
    ((256, 128), GeneratorConfig(**STREET), 411_335_241, 264),
    ((512, 256), GeneratorConfig(**STREET), 411_335_241, 1058),
    ((512, 256), GeneratorConfig(**STREET, finer=1), 414_215_730, 413),
    ((256, 128), GeneratorConfig(**STREET, downsamplings=2), 137_792_649, 337),
    ((256, 128), GeneratorConfig(36, width=64), 91_567_878, 63),
    ((1024, 512), GeneratorConfig(**STREET, downsamplings=2, finer=2), 142_763_835, 825),
    ((2048, 1024), GeneratorConfig(**STREET, finer=2), 415_075_371, 2532),
]
"""Size, generator, its parameters, billions of multiply-adds per frame: the reference's (golden README, section 15)."""


def model(**parts: Any) -> ModelInfo:
    """A model of these networks, as its checkpoint would describe it."""
    arch = "pix2pixHD" if list(parts) == ["image_generator"] else "vid2vid"
    spec = MapSpec("rgb")
    return ModelInfo(
        "model", arch, spec, (64, 32), "none", {}, {part: asdict(config) for part, config in parts.items()}
    )


@pytest.mark.parametrize(("size", "config", "parameters", "gmac"), MEASURED)
def test_full_size_generators_cost_what_the_references_do(
    size: tuple[int, int], config: GeneratorConfig, parameters: int, gmac: float
) -> None:
    part = painting_cost(model(generator=config), size, 1).parts["generator"]
    assert part.parameters == parameters
    assert (part.hoisted + part.recurrent) / 2e9 == pytest.approx(gmac, rel=0.02)
    assert part.hoisted > 0 and part.recurrent > 0


def test_pix2pixhd_has_the_references_parameters() -> None:
    cost = painting_cost(model(image_generator=ImageGeneratorConfig(36, 64, 4)), (64, 64))
    assert cost.parts["image_generator"].parameters == 182_546_755


def test_one_convolution_at_a_time_by_hand() -> None:
    """A generator small enough to be counted on paper: one halving, one block, 8 x 4 pixels."""
    config = ImageGeneratorConfig(map_channels=2, width=3, downsamplings=1, blocks=1, kernel=5)
    cost = painting_cost(model(image_generator=config), (8, 4))
    full, half = 8 * 4, 4 * 2
    entrance, halving, block = full * 3 * 2 * 25, half * 6 * 3 * 9, 2 * half * 6 * 6 * 9
    doubling, head = half * 6 * 3 * 9, full * 3 * 3 * 25  # a transposed convolution spends on what it reads
    assert cost.parts["image_generator"].hoisted == 2 * (entrance + halving + block + doubling + head)
    assert (cost.parts["image_generator"].recurrent, cost.parts["image_generator"].first) == (0, 0)


def test_what_is_hoisted_depends_on_maps_alone() -> None:
    """More past frames to look at cost maps and frames; a foreground branch costs maps alone; flow frames alone."""
    small = {"map_channels": 3, "width": 4, "downsamplings": 2, "blocks": 2}
    size, one = (32, 32), painting_cost(model(generator=GeneratorConfig(**small)), (32, 32), 2).parts["generator"]
    fg = painting_cost(model(generator=GeneratorConfig(**small, foreground=(1,))), size, 2).parts["generator"]
    rigid = painting_cost(model(generator=GeneratorConfig(**small, flow=False)), size, 2).parts["generator"]
    assert (fg.hoisted > one.hoisted, fg.recurrent) == (True, one.recurrent)
    assert (rigid.hoisted, rigid.recurrent < one.recurrent) == (one.hoisted, True)


def test_a_window_changes_memory_and_not_arithmetic() -> None:
    info = model(generator=GeneratorConfig(3, width=4, blocks=2), image_generator=ImageGeneratorConfig(3, 4, 2, 2))
    short, long = (painting_cost(info, (64, 32), window) for window in (1, 6))
    assert short.parts == long.parts
    assert short.memory.weights == long.memory.weights == 4 * sum(each.parameters for each in short.parts.values())
    assert short.memory.activations < long.memory.activations


def test_the_first_frame_is_spent_once() -> None:
    painter = ImageGeneratorConfig(3, 4, 2, 2)
    alone = painting_cost(model(image_generator=painter), (64, 32)).parts["image_generator"]
    both = painting_cost(model(generator=GeneratorConfig(3, width=4, blocks=2), image_generator=painter), (64, 32))
    first = both.parts["image_generator"]
    assert (alone.first, alone.hoisted) == (0, first.first)
    assert (first.hoisted, first.recurrent) == (0, 0)


def test_sizes_are_enlarged_to_what_networks_can_halve() -> None:
    info = model(generator=GeneratorConfig(3, width=4, downsamplings=3, blocks=2, finer=1))
    assert painting_cost(info, (100, 49)).size == (112, 64)


def test_a_segmenter_looks_at_every_frame() -> None:
    cost = painting_cost(model(segmenter=SegmenterConfig(19, (8, 16))), (64, 32)).parts["segmenter"]
    assert cost.hoisted > 0 and cost.recurrent == 0


def test_parts_that_cannot_be_built_are_named() -> None:
    with pytest.raises(ModelError, match="'crystal_ball'"):
        painting_cost(ModelInfo("m", "vid2vid", MapSpec("edges"), (8, 8), "none", {}, {"crystal_ball": {}}), (8, 8))
    with pytest.raises(ModelError, match="generator cannot be built"):
        painting_cost(ModelInfo("m", "vid2vid", MapSpec("edges"), (8, 8), "none", {}, {"generator": {"x": 1}}), (8, 8))


def allocated(call: Callable[[], object]) -> int:
    """Most bytes that PyTorch's CPU allocator had given out at a time during a call."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as measured:
        call()
    assert measured.profiler is not None and measured.profiler.kineto_results is not None
    events = [event for event in measured.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: cast(int, event.start_ns())):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


@pytest.mark.parametrize(
    "parts",
    [
        {"generator": GeneratorConfig(3, width=32, blocks=4, foreground=(1,))},
        {"generator": GeneratorConfig(3, width=32, blocks=4, finer=1), "image_generator": ImageGeneratorConfig(3, 32)},
        {"generator": GeneratorConfig(3, width=32, blocks=4, flow=False, norm="instance")},
        {"covst": CovstConfig(3, width=32, blocks=4, flow_width=16)},
        {"image_generator": ImageGeneratorConfig(3, 32, blocks=4)},
    ],
    ids=["one scale", "two scales", "no flow", "covst", "pix2pixHD"],
)
def test_memory_is_what_is_allocated_within_a_tenth(parts: dict[str, Any]) -> None:
    window, (width, height) = 4, (256, 128)
    info = model(**parts)
    networks: dict[str, Any] = {part: PARTS[part][1](config) for part, config in parts.items()}
    sequence = networks.get("generator", networks.get("covst"))
    painter = Painter(info, networks.get("image_generator"), sequence, device=torch.device("cpu"))

    def paint() -> None:
        past = None
        for _ in range(3):
            past = painter.paint(torch.zeros(window, 3, height, width), past)[1]

    memory = painting_cost(info, (width, height), window).memory
    estimate = memory.past + memory.activations
    # the profiler loses events on a busy machine: of three readings one has to be whole
    assert any(estimate / allocated(paint) == pytest.approx(1.0, abs=0.1) for _ in range(3))
    assert (memory.past > 0) == (sequence is not None)


def test_live_bytes_counts_storages_once_and_while_they_live() -> None:
    known = torch.zeros(100)
    with LiveBytes([known]) as live:
        view = known[:50].view(5, 10)
        first = torch.zeros(1000)
        second = first + 1
        assert (live.now, live.peak) == (8000, 8000)
        part = second[:10]
        del second
        assert live.now == 8000  # a view keeps it alive
        del part
        assert (live.now, live.peak) == (4000, 8000)
        first.add_(1)
        assert live.now == 4000
    del view, first
    assert live.now == 0


def test_live_bytes_lets_a_convolution_lay_things_out_anew() -> None:
    picture, kernel = torch.zeros(1, 2, 8, 8), torch.zeros(2, 3, 2, 2)
    with LiveBytes([picture, kernel]) as live:
        result = torch.conv2d(picture, kernel.transpose(0, 1))
    assert (live.now, live.peak) == (result.nbytes, result.nbytes + picture.nbytes + kernel.nbytes)
    with LiveBytes([picture, kernel]) as live:
        result = torch.conv_transpose2d(picture, kernel, stride=2)
    assert (live.now, live.peak) == (result.nbytes, 3 * result.nbytes)
