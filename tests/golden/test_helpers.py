"""Small maths shared by all networks: what maps, pyramids, warp and flow confidence are made of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.golden.recording import Golden, Parity
from v2vcli.maps.conditioning import foreground_mask, halved, instance_edges, one_hot, pyramid

FILE = "helpers"
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> Golden:
    return Golden(golden_dir / "helpers.safetensors")


def test_instance_edges_and_one_hot_exactly(golden: Golden, parity: Parity) -> None:
    parity.check(FILE, "o/edges", instance_edges(golden["i/inst"]), golden["o/edges"], 0)
    parity.check(FILE, "o/onehot", one_hot(golden["i/label"][:, :, 0], golden.hyper["label_nc"]), golden["o/onehot"], 0)


def test_pyramids_and_the_foreground_mask_on_every_level(golden: Golden, parity: Parity) -> None:
    planes = one_hot(golden["i/label"][:, :, 0], golden.hyper["label_nc"])
    maps = pyramid(torch.cat((planes, instance_edges(golden["i/inst"])), 2), golden.hyper["n_scales"])
    images = pyramid(golden["i/video"], golden.hyper["n_scales"])
    for level, (planes, image) in enumerate(zip(maps, images, strict=True)):
        parity.check(FILE, f"o/label_pyramid{level}", planes, golden[f"o/label_pyramid{level}"], TOLERANCE)
        parity.check(FILE, f"o/image_pyramid{level}", image, golden[f"o/image_pyramid{level}"], TOLERANCE)
        mask = foreground_mask(planes[:, -1], golden.hyper["fg_labels"])
        parity.check(FILE, f"o/fg_mask_last_frame{level}", mask, golden[f"o/fg_mask_last_frame{level}"], TOLERANCE)


def test_pooling_of_odd_sizes(golden: Golden, parity: Parity) -> None:
    pooled = halved(golden["o/avgpool_odd_input"])
    parity.check(FILE, "o/avgpool_odd_output", pooled, golden["o/avgpool_odd_output"], TOLERANCE)
