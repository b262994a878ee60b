"""The baselines of the paper convert videos as the main model does: COVST, and pix2pixHD frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import v2vcli
from tests.engine.material import EDGES, SIZE, read
from v2vcli.maps.makers.edges import CannyExtractor
from v2vcli.models.checkpoint import ModelInfo, load_model, save_model
from v2vcli.models.covst import Covst, CovstConfig
from v2vcli.models.feature_encoder import FeatureEncoder, FeatureEncoderConfig
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.models.painter import Painter

LOSSLESS = {"codec": "libx264rgb", "pix_fmt": "rgb24", "crf": 0}


def _parts(kind: str) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    covst = CovstConfig(1, width=4, downsamplings=2, blocks=2, flow_width=4, flow_blocks=1, mask_width=4)
    image = ImageGeneratorConfig(1, width=4, downsamplings=2, blocks=2)
    match kind:
        case "covst":
            return {"covst": Covst(covst)}
        case "covst after an image generator":
            return {"covst": Covst(covst), "image_generator": ImageGenerator(image)}
        case "pix2pixHD with features":
            conditioned = ImageGeneratorConfig(1, 4, 2, 2, features=3, enhancers=1, enhancer_blocks=1)
            encoder = FeatureEncoder(FeatureEncoderConfig(3, 4, 2))
            return {"image_generator": ImageGenerator(conditioned), "feature_encoder": encoder}
    raise ValueError(kind)


@pytest.fixture(params=["covst", "covst after an image generator", "pix2pixHD with features"])
def baseline(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A checkpoint of random weights."""
    path = tmp_path / "baseline.safetensors"
    info = ModelInfo("baseline", request.param.split()[0], EDGES, SIZE, "Apache-2.0", {"kind": request.param})
    save_model(path, info, _parts(request.param))
    return path


def test_a_baseline_comes_back_from_its_file(baseline: Path) -> None:
    info, networks = load_model(baseline)
    assert set(networks) == set(info.parts)
    for part, network in networks.items():
        fresh = _parts(info.provenance["kind"])[part]
        assert network.config == fresh.config
        found = network.state_dict()
        assert all(torch.equal(found[key], value) for key, value in fresh.state_dict().items())


def test_a_baseline_converts(baseline: Path, clip: Path, tmp_path: Path) -> None:
    v2vcli.convert(clip, tmp_path / "out.mp4", model=str(baseline), window=4, **LOSSLESS)
    maps = CannyExtractor().extract([frame.image for frame in read(clip)], SIZE)
    expected = list(v2vcli.load(baseline, device="cpu").stream(maps, window=4))
    for frame, image in zip(read(tmp_path / "out.mp4"), expected, strict=True):
        np.testing.assert_array_equal(frame.image, image)


def test_a_baseline_paints_windows_alike(baseline: Path) -> None:
    painter, maps = Painter.load(baseline), torch.rand(6, 1, 30, 44)
    whole, _ = painter.paint(maps, None)
    assert whole.shape == (6, 3, 30, 44)
    past, found = None, []
    for window in maps.split((1, 3, 2)):
        frames, past = painter.paint(window, past)
        found.append(frames)
    assert (torch.cat(found) - whole).abs().max() < 1e-3
