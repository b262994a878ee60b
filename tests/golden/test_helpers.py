"""Small maths shared by all networks: what maps, pyramids, warp and flow confidence are made of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.golden.recording import Golden, Parity
from v2vcli.maps.conditioning import foreground_mask, halved, instance_edges, one_hot, pyramid
from v2vcli.maps.over_time import flow as measuring
from v2vcli.models.warp import reading_grid, warp
from v2vcli.train.flow_teacher import FlowTeacher, flow_confidence, squared_residual

FILE = "helpers"
TOLERANCE = 1e-6
WARP_TOLERANCE = 1e-5
"""The reference's own two ways of writing a position, in -1..1 and in pixels, differ by 3e-6."""
OPENCV_IS_EXACT = int(cv2.__version__.split(".")[0]) >= 5
"""OpenCV 4 interpolates on a grid of 1/32 pixel."""

TOLERANCES = {
    "edges": 0.0,
    "onehot": 0.0,
    "resample": WARP_TOLERANCE,
    "resample_pixelspace_check": WARP_TOLERANCE if OPENCV_IS_EXACT else 0.05,
    "conf": 0.0,
    "conf_sqdiff": WARP_TOLERANCE,
    "wrapper_resize/flow": WARP_TOLERANCE,
    "wrapper_resize/conf": WARP_TOLERANCE,
}
"""Where they are not `TOLERANCE`."""


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> Golden:
    return Golden(golden_dir / "helpers.safetensors")


def _maps_and_pyramids(golden: Golden) -> dict[str, Tensor]:
    found = {
        "edges": instance_edges(golden["i/inst"]),
        "onehot": one_hot(golden["i/label"][:, :, 0], golden.hyper["label_nc"]),
        "avgpool_odd_output": halved(golden["o/avgpool_odd_input"]),
    }
    maps = pyramid(torch.cat((found["onehot"], found["edges"]), 2), golden.hyper["n_scales"])
    images = pyramid(golden["i/video"], golden.hyper["n_scales"])
    for level, (planes, image) in enumerate(zip(maps, images, strict=True)):
        found[f"label_pyramid{level}"], found[f"image_pyramid{level}"] = planes, image
        found[f"fg_mask_last_frame{level}"] = foreground_mask(planes[:, -1], golden.hyper["fg_labels"])
    return found


def _warp_and_confidence(golden: Golden) -> dict[str, Tensor]:
    current, previous, flow = golden["i/frame1"], golden["i/frame2"], golden["i/flow12"]
    pairs = zip(golden["i/image"], golden["i/flow"], strict=True)
    in_pixels = np.stack([measuring.warp(_hwc(image), _hwc(each)) for image, each in pairs])
    return {
        "grid": reading_grid(torch.zeros_like(flow)).permute(0, 3, 1, 2),
        "resample": warp(golden["i/image"], golden["i/flow"]),
        "resample_pixelspace_check": torch.from_numpy(in_pixels).permute(0, 3, 1, 2),
        "conf": flow_confidence(current, previous, flow),
        "conf_sqdiff": squared_residual(current, previous, flow),
    }


def _flow_at_another_size(golden: Golden) -> dict[str, Tensor]:
    """The flow network's wrapper, with the stand-in for the network that the recording was made with."""

    def stand_in(current: Tensor, previous: Tensor) -> Tensor:
        assert current.shape[-2:] == previous.shape[-2:] == (64, 64)
        return torch.stack((4 * current[:, 0], 3 * previous[:, 1]), 1)

    teacher = FlowTeacher(stand_in, multiple=64, reference_quirks=True)
    flow, confidence = teacher(golden["o/wrapper_resize/im1"], golden["o/wrapper_resize/im2"])
    return {"wrapper_resize/flow": flow, "wrapper_resize/conf": confidence}


def test_every_recorded_output(golden: Golden, parity: Parity) -> None:
    found = _maps_and_pyramids(golden) | _warp_and_confidence(golden) | _flow_at_another_size(golden)
    given = {"wrapper_resize/im1", "wrapper_resize/im2", "avgpool_odd_input"}  # inputs, in spite of their prefix
    recorded = golden.below("o/")
    assert found.keys() == recorded.keys() - given
    for name, tensor in found.items():
        parity.check(FILE, f"o/{name}", tensor, recorded[name], TOLERANCES.get(name, TOLERANCE))


@pytest.mark.skipif(not OPENCV_IS_EXACT, reason="OpenCV 4 interpolates on a grid of 1/32 pixel")
def test_the_confidence_that_metrics_use(golden: Golden, parity: Parity) -> None:
    trusted = measuring.confident(*(_hwc(golden[name][0]) for name in ("i/frame1", "i/frame2", "i/flow12")))
    parity.check(FILE, "o/conf", trusted[None, None], golden["o/conf"], 0)


def _hwc(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.permute(1, 2, 0).numpy())
