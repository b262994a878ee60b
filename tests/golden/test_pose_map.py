"""Pose maps from OpenPose's points and a DensePose picture.

Limbs, fingers and DensePose are straight lines and copies. The recorded ones depend on the last digits of an iterative
fit (the recordings' README, 9.1), so full drawings are compared by the share of bytes that differ.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.golden.recording import Golden, Parity
from v2vcli.maps.conditioning import map_tensor
from v2vcli.maps.drawn.keypoints import PoseSettings
from v2vcli.maps.drawn.pose import draw_people, middle_columns, pose_map
from v2vcli.maps.spec import MapFrame

FILE = "pose_map"
SHARE = 0.005
"""Of the bytes of a drawing that may differ: those of two versions of SciPy differ by 0.0029."""


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> Golden:
    return Golden(golden_dir / "pose_map.safetensors")


@pytest.mark.parametrize(
    ("name", "people", "body_only"),
    [("person0/full_hwc", 1, False), ("both/full_hwc", 2, False), ("both/basic_hwc", 2, True)],
)
def test_skeletons(golden: Golden, parity: Parity, name: str, people: int, body_only: bool) -> None:
    settings = PoseSettings(body_only=body_only, reference_quirks=True)
    recorded = golden[f"o/{name}"].numpy()
    found = draw_people(golden["i/people"].numpy()[:people], recorded.shape[1], recorded.shape[0], settings)
    share = float(np.mean(found != recorded))
    parity.note(FILE, f"o/{name}", share)
    assert share <= SHARE


def test_the_networks_input(golden: Golden, parity: Parity) -> None:
    """DensePose exactly, with its part number over 24; skeletons by the share of values that differ."""
    width, height = (int(v) for v in golden["o/new_size_wh"])
    densepose = golden["i/densepose_hwc"].numpy()
    settings = PoseSettings(densepose=True, reference_quirks=True)
    whole = pose_map(golden["i/people"].numpy(), densepose.shape[1], densepose.shape[0], settings, densepose)
    kept = middle_columns(width)
    found = map_tensor([MapFrame(whole.spec, whole.resized(width, height).array[:, kept])], "cpu")[0]
    recorded = golden["o/A_6ch"]
    parity.check(FILE, "o/A_6ch[:3]", found[:3], recorded[:3], 1e-6)
    share = float(((found[3:] - recorded[3:]).abs() > 1e-6).float().mean())
    parity.note(FILE, "o/A_6ch[3:]", share)
    assert share <= SHARE
    photo = Image.fromarray(golden["i/image_hwc"].numpy()).resize((width, height), Image.Resampling.BICUBIC)
    parity.check(FILE, "o/B_img_x255", np.moveaxis(np.array(photo)[:, kept], 2, 0), golden["o/B_img_x255"], 0)
