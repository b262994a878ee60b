"""Painting window by window: the past travels as a value, sizes are any."""

from __future__ import annotations

import pytest
import torch

from v2vcli.errors import ModelError
from v2vcli.maps.spec import MapSpec
from v2vcli.models.checkpoint import ModelInfo
from v2vcli.models.generator import GeneratorConfig, PastFrames, Vid2VidGenerator
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.models.painter import Painter

EDGES = MapSpec("edges")


def _painter(*, video: bool = True, channels: int = 1) -> Painter:
    torch.manual_seed(1)
    info = ModelInfo("tiny", "vid2vid", EDGES, (64, 32), "Apache-2.0")
    first = ImageGenerator(ImageGeneratorConfig(channels, 4, 2, 2, "frame"))
    generator = Vid2VidGenerator(GeneratorConfig(channels, 2, 4, 2, 3)) if video else None
    # an untrained recurrence amplifies rounding; in double precision there is none to speak of
    first, generator = first.double(), None if generator is None else generator.double()
    return Painter(info, first, generator, device=torch.device("cpu"))


@pytest.mark.parametrize("windows", [(7,), (1,) * 7, (3, 4), (2, 5)])
def test_windows_do_not_change_the_frames(windows: tuple[int, ...]) -> None:
    painter, maps = _painter(), torch.rand(7, 1, 21, 34).double()
    whole, _ = painter.paint(maps, None)
    past: PastFrames | None = None
    frames = []
    for window in maps.split(windows):
        painted, past = painter.paint(window, past)
        frames.append(painted)
    assert torch.cat(frames).shape == (7, 3, 21, 34)
    assert (torch.cat(frames) - whole).abs().max() < 1e-6


def test_sequences_in_a_batch_do_not_meet() -> None:
    painter = _painter()
    assert painter.generator is not None
    maps = torch.rand(2, 4, 1, 16, 24).double()
    images, seen = torch.rand(2, 2, 3, 16, 24).double(), torch.rand(2, 2, 1, 16, 24).double()
    past = PastFrames.starting(images, seen)
    together = [output.frame for output, _ in painter.generator.roll(maps, past)]
    for b in range(2):
        mine = PastFrames.starting(images[b : b + 1], seen[b : b + 1])
        alone = [output.frame for output, _ in painter.generator.roll(maps[b : b + 1], mine)]
        for one, both in zip(alone, together, strict=True):
            assert (one[0] - both[b]).abs().max() < 1e-6


def test_the_first_frame_is_the_image_generators() -> None:
    painter, maps = _painter(), torch.rand(3, 1, 16, 16).double()
    painted, _ = painter.paint(maps, None)
    assert torch.equal(painted[:1], painter.image_generator(maps[:1]).float())
    assert (painted[1] - painter.image_generator(maps[1:2])[0]).abs().max() > 1e-3


def test_an_image_model_paints_each_frame_alone() -> None:
    painter, maps = _painter(video=False), torch.rand(3, 1, 16, 16).double()
    painted, past = painter.paint(maps, None)
    assert past is None
    assert (painter.paint(maps[2:], None)[0][0] - painted[2]).abs().max() < 1e-6


@pytest.mark.parametrize("size", [(640, 360), (64, 32), (1, 1), (5000, 3), (3, 5000), (101, 77)])
def test_paint_size_keeps_area_and_aspect(size: tuple[int, int]) -> None:
    painter = _painter()
    width, height = painter.paint_size(*size)
    assert min(width, height) >= 2 * painter.multiple
    assert width * height <= 64 * 32 * 1.3
    if 0.3 < size[0] / size[1] < 3:
        assert abs(width / height - size[0] / size[1]) < 0.08 * size[0] / size[1]
    frames, _ = painter.paint(torch.rand(2, 1, height, width).double(), None)
    assert frames.shape == (2, 3, height, width)


def test_networks_of_other_maps_are_refused() -> None:
    with pytest.raises(ModelError, match=r"read \[3, 3\] map channels"):
        _painter(channels=3)
