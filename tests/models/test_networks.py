"""Warp and segmenter: shapes and known answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.models.reference import Golden, worst
from v2vcli.models.discriminators import halved
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.models.segmenter import Segmenter, SegmenterConfig
from v2vcli.models.warp import warp


def test_warp_reads_where_the_flow_points() -> None:
    previous = torch.arange(12.0).reshape(1, 1, 3, 4)
    flow = torch.zeros(1, 2, 3, 4)
    flow[:, 0] = 1.0
    assert torch.allclose(warp(previous, flow)[0, 0, 0], torch.tensor([1.0, 2.0, 3.0, 3.0]), atol=1e-5)
    flow[:, 0], flow[:, 1] = 0.0, 0.5
    assert torch.allclose(warp(previous, flow)[0, 0, :, 0], torch.tensor([2.0, 6.0, 8.0]), atol=1e-5)


def test_warp_of_one_pixel() -> None:
    assert warp(torch.full((1, 3, 1, 1), 0.5), torch.full((1, 2, 1, 1), 9.0)).flatten().tolist() == [0.5] * 3


@pytest.mark.usefixtures("first_tanh")
def test_warp_and_pooling_are_the_references(golden_dir: Path) -> None:
    golden = Golden(golden_dir / "helpers.safetensors")
    assert worst(warp(golden["i/image"], golden["i/flow"]), golden["o/resample"]) < 1e-5
    assert worst(halved(golden["o/avgpool_odd_input"]), golden["o/avgpool_odd_output"]) < 1e-6


@pytest.mark.usefixtures("first_tanh")
@torch.no_grad()
def test_image_generator_is_pix2pixhds(golden_dir: Path) -> None:
    golden = Golden(golden_dir / "p2p_global_instance.safetensors")
    h = golden.hyper
    d, n = h["n_downsampling"], h["n_blocks"]
    network = ImageGenerator(ImageGeneratorConfig(h["input_nc"], h["ngf"], d, n, "instance")).eval()
    # the reference numbers all layers in a row; ours start anew with each part
    starts = {"image_head": 4 + 6 * d + n, "decoder": 4 + 3 * d + n, "trunk": 4 + 3 * d + n - n // 2, "map_encoder": 0}
    state = {}
    for key, value in golden.parameters("G").items():
        _, index, rest = key.split(".", 2)
        part = next(part for part, start in starts.items() if int(index) >= start)
        state[f"{part}.{int(index) - starts[part]}.{rest}"] = value
    network.load_state_dict(state)
    assert worst(network(golden["i/input"]), golden["o/train/out"]) <= 3e-5


@pytest.mark.parametrize("size", [(64, 96), (37, 53), (1, 1)])
def test_segmenter_takes_any_size(size: tuple[int, int]) -> None:
    network = Segmenter(SegmenterConfig(7, (4, 8, 8))).eval()
    assert network(torch.rand(2, 3, *size)).shape == (2, 7, *size)
