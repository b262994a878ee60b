"""Pictures to look at: images as bytes, flow in colours, the palettes of labels. All to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.golden.recording import Golden, Parity
from v2vcli.maps.pictures import flow_picture, image_picture
from v2vcli.maps.schema import CITYSCAPES19, CITYSCAPES35

FILE = "visuals"


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> Golden:
    return Golden(golden_dir / "visuals.safetensors")


def test_images_as_bytes(golden: Golden, parity: Parity) -> None:
    image = np.moveaxis(golden["i/image"].numpy(), 0, 2)
    assert image.min() < -1 < 1 < image.max()
    parity.check(FILE, "o/tensor2im_norm_hwc", image_picture(image), golden["o/tensor2im_norm_hwc"], 0)
    parity.check(FILE, "o/tensor2im_nonorm_hwc", image_picture(image, low=0), golden["o/tensor2im_nonorm_hwc"], 0)


def test_flow_in_colours(golden: Golden, parity: Parity) -> None:
    picture = flow_picture(np.moveaxis(golden["i/flow"].numpy(), 0, 2))
    parity.check(FILE, "o/flow_rgb_hwc", picture, golden["o/flow_rgb_hwc"], 0)


def test_palettes_and_labels_in_colours(golden: Golden, parity: Parity) -> None:
    parity.check(FILE, "o/colormap35", CITYSCAPES35.palette[:35].copy(), golden["o/colormap35"], 0)
    # the 20th colour of the reference's 19 classes is that of void, black
    parity.check(FILE, "o/colormap20", CITYSCAPES19.palette[:20].copy(), golden["o/colormap20"], 0)
    labels = golden["i/label"][0].numpy().astype(np.uint8)
    parity.check(FILE, "o/label_rgb_35_hwc", CITYSCAPES35.colourise(labels), golden["o/label_rgb_35_hwc"], 0)
