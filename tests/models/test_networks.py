"""Warp, discriminators and segmenter: shapes and known answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from tests.models.reference import Golden, worst
from v2vcli.models.discriminators import DiscriminatorConfig, MultiScaleDiscriminator, halved, temporal_input
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


@torch.no_grad()
def test_discriminator_is_the_references(golden_dir: Path) -> None:
    golden = Golden(golden_dir / "p2p_disc_numD2.safetensors")
    h = golden.hyper
    config = DiscriminatorConfig(h["input_nc"], h["ndf"], h["n_layers"], h["num_D"], "instance")
    network = MultiScaleDiscriminator(config).eval()
    state = {}
    for key, value in golden.parameters("D").items():
        scale, layer, rest = re.match(r"scale(\d)_layer(\d)\.(.*)", key).groups()  # type: ignore[union-attr]
        # the reference's highest copy is the one at full resolution, our index 0; its last layer is a bare convolution
        rest = rest.removeprefix("0.") if int(layer) == h["n_layers"] + 1 else rest
        state[f"scales.{h['num_D'] - 1 - int(scale)}.{layer}.{rest}"] = value
    network.load_state_dict(state)
    for i, scale_out in enumerate(network(golden["i/x"])):
        for j, activation in enumerate(scale_out):
            assert worst(activation, golden[f"o/train/out{i}_{j}"]) <= 3e-5


def test_temporal_input_has_thirteen_channels() -> None:
    x = temporal_input(torch.zeros(2, 3, 3, 8, 8), torch.full((2, 2, 2, 8, 8), 20.0))
    assert x.shape == (2, 13, 8, 8)
    assert x[:, 9:].eq(1).all()


def test_discriminator_gives_every_layer_of_every_scale() -> None:
    network = MultiScaleDiscriminator(DiscriminatorConfig(5, width=4, layers=3, scales=2))
    result = network(torch.rand(1, 5, 33, 48))
    assert [len(scale) for scale in result] == [5, 5]
    assert result[0][0].shape == (1, 4, 17, 25)
    assert result[0][-1].shape[1] == 1
    assert result[1][0].shape == (1, 4, 9, 13)


@pytest.mark.parametrize("size", [(64, 96), (37, 53), (1, 1)])
def test_segmenter_takes_any_size(size: tuple[int, int]) -> None:
    network = Segmenter(SegmenterConfig(7, (4, 8, 8))).eval()
    assert network(torch.rand(2, 3, *size)).shape == (2, 7, *size)
