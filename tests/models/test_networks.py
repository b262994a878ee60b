"""Warp and segmenter: shapes and known answers."""

from __future__ import annotations

import pytest
import torch

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


@pytest.mark.parametrize("size", [(64, 96), (37, 53), (1, 1)])
def test_segmenter_takes_any_size(size: tuple[int, int]) -> None:
    network = Segmenter(SegmenterConfig(7, (4, 8, 8))).eval()
    assert network(torch.rand(2, 3, *size)).shape == (2, 7, *size)
