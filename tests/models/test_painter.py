"""Painting window by window: the past travels as a value, sizes are any."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from v2vcli.errors import ModelError
from v2vcli.maps.schema import CAMVID11
from v2vcli.maps.spec import MapSpec
from v2vcli.models.checkpoint import ModelInfo, save_model
from v2vcli.models.covst import Covst, CovstConfig
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


def test_the_first_frame_is_the_image_generators_painted_over() -> None:
    painter, maps = _painter(), torch.rand(3, 1, 16, 16).double()
    painted, _ = painter.paint(maps, None)
    assert painter.generator is not None and painter.image_generator is not None
    past = painter.generator.start(painter.image_generator(maps[:1]), maps[:1])
    wanted = [output.frame for output, _ in painter.generator.roll(maps[None], past)]
    assert torch.equal(painted, torch.cat(wanted).float())


def test_a_model_without_an_image_generator_starts_from_a_blank_past() -> None:
    torch.manual_seed(1)
    generator = Vid2VidGenerator(GeneratorConfig(1, 2, 4, 1, 3, finer=1)).double()
    info = ModelInfo("tiny", "vid2vid", EDGES, (64, 32), "Apache-2.0")
    painter, maps = Painter(info, None, generator, device=torch.device("cpu")), torch.rand(3, 1, 16, 16).double()
    painted, past = painter.paint(maps, None)
    first, _ = next(generator.roll(maps[None], generator.start(None, maps[:1])))
    assert torch.equal(first.frame, first.hallucinated)
    assert torch.equal(painted[:1], first.frame.float())
    assert isinstance(past, PastFrames)
    assert past.painted


def test_an_image_generator_may_be_shown_labels_without_instance_edges() -> None:
    spec = MapSpec("labels", schema=CAMVID11, instance_edges=True)
    info = ModelInfo("tiny", "vid2vid", spec, (64, 32), "Apache-2.0")
    first = ImageGenerator(ImageGeneratorConfig(11, 4, 2, 2, "frame"))
    generator = Vid2VidGenerator(GeneratorConfig(12, 2, 4, 2, 3))
    painter, maps = Painter(info, first, generator, device=torch.device("cpu")), torch.rand(2, 12, 16, 16)
    painted, _ = painter.paint(maps, None)
    wanted, _ = next(generator.roll(maps[None, :1], generator.start(first(maps[:1, :11]), maps[:1])))
    assert (painted[:1] - wanted.frame).abs().max() < 1e-4
    with pytest.raises(ModelError, match=r"read \[10, 12\] map channels"):
        Painter(info, ImageGenerator(ImageGeneratorConfig(10, 4, 2, 2)), generator, device=torch.device("cpu"))


@pytest.mark.parametrize("with_image_generator", [True, False])
def test_any_sequence_model_is_painted_with(tmp_path: Path, with_image_generator: bool) -> None:
    torch.manual_seed(1)
    covst = Covst(CovstConfig(1, width=4, downsamplings=2, blocks=2, flow_width=4, flow_blocks=1, mask_width=4))
    first = ImageGenerator(ImageGeneratorConfig(1, 4, 3, 2))
    parts: dict[str, torch.nn.Module] = {"covst": covst} | ({"image_generator": first} if with_image_generator else {})
    save_model(tmp_path / "m.safetensors", ModelInfo("tiny", "covst", EDGES, (64, 32), "Apache-2.0"), parts)
    painter, maps = Painter.load(tmp_path / "m.safetensors"), torch.rand(4, 1, 16, 16)
    assert painter.multiple == (8 if with_image_generator else 4)
    whole, _ = painter.paint(maps, None)
    begun, past = painter.paint(maps[:2], None)
    assert (torch.cat((begun, painter.paint(maps[2:], past)[0])) - whole).abs().max() < 1e-4
    past = covst.start(first(maps[:1]) if with_image_generator else None, maps[:1])
    assert (whole[:1] - next(covst.roll(maps[None], past))[0].frame).abs().max() < 1e-5


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
