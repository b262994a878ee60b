"""Our networks, in the sizes of the published ones, have exactly their parameters: names, shapes, order and number."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.golden.recording import Parity
from tests.golden.reference_discriminator import our_key
from v2vcli.models.discriminators import DiscriminatorConfig, MultiScaleDiscriminator
from v2vcli.models.feature_encoder import FeatureEncoderConfig
from v2vcli.models.generator import GeneratorConfig
from v2vcli.models.image_generator import ImageGeneratorConfig
from v2vcli.models.reference_names import Layer, chain_layers, feature_encoder_layers, image_generator_layers

FILE = "full_size_state"

STREET = GeneratorConfig(36, foreground=(26,), finer=2)
SMALL_STREET = GeneratorConfig(36, downsamplings=2, foreground=(26,), finer=2)
GENERATORS = {
    "street_512_G0": (STREET, 0),
    "street_1024_G1": (STREET, 1),
    "street_2048_G2": (STREET, 2),
    "street_512_no_fg_G0": (GeneratorConfig(36), 0),
    "street_g1_256_G0": (SMALL_STREET, 0),
    "street_g1_512_G1": (SMALL_STREET, 1),
    "street_g1_1024_G2": (SMALL_STREET, 2),
    "face_512_G0": (GeneratorConfig(15), 0),
    "pose_256_G0": (GeneratorConfig(6, finer=1), 0),
    "pose_512_G1": (GeneratorConfig(6, finer=1), 1),
}
"""Published networks that are a scale of a chain; ours, and which of its scales."""
IMAGE_GENERATORS = {
    "vid2vid_single_street_512": ImageGeneratorConfig(35, max_width=1024),
    "vid2vid_single_street_1024": ImageGeneratorConfig(35, downsamplings=4, max_width=1024),
    "vid2vid_single_street_2048": ImageGeneratorConfig(35, downsamplings=4, enhancers=1, max_width=1024),
    "vid2vid_single_face_512": ImageGeneratorConfig(15, features=16, max_width=1024),
    "pix2pixHD_512_G": ImageGeneratorConfig(36, downsamplings=4),
    "pix2pixHD_1024_G_local": ImageGeneratorConfig(36, downsamplings=4, enhancers=1),
}
ENCODERS = {"vid2vid_face_encoder": FeatureEncoderConfig(16), "pix2pixHD_E": FeatureEncoderConfig(3)}
DISCRIMINATORS = {
    "street_512_D_numD2": DiscriminatorConfig(39, scales=2, norm="frame"),
    "street_512_D_T_numD2": DiscriminatorConfig(13, scales=2, norm="frame"),
    "street_1024_D_numD3": DiscriminatorConfig(39, scales=3, norm="frame"),
    "pix2pixHD_D": DiscriminatorConfig(39, scales=2, norm="instance"),
}

Shapes = dict[str, list[int]]


@cache
def _recorded(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / f"{FILE}.json").read_text())
    return data


def _shapes(layers: list[Layer]) -> Shapes:
    """Under the reference's names, in its order."""
    return {f"{layer.theirs}.{key}": list(shape) for layer in layers for key, shape in layer.tensors.items()}


def _discriminator(config: DiscriminatorConfig, theirs: Shapes) -> Shapes:
    with torch.device("meta"):
        ours = {key: list(value.shape) for key, value in MultiScaleDiscriminator(config).state_dict().items()}
    # the reference's order; a key of ours that it lacks comes last, and is found out by the comparison
    return {key: ours.pop(our_key(key, config.scales, config.layers)) for key in theirs} | ours


def _found(name: str, theirs: Shapes) -> Shapes:
    if name in GENERATORS:
        config, scale = GENERATORS[name]
        return _shapes(chain_layers(config)[scale])
    if name in IMAGE_GENERATORS:
        return _shapes(image_generator_layers(IMAGE_GENERATORS[name]))
    if name in ENCODERS:
        return _shapes(feature_encoder_layers(ENCODERS[name]))
    return _discriminator(DISCRIMINATORS[name], theirs)


@pytest.mark.parametrize("name", [*GENERATORS, *IMAGE_GENERATORS, *ENCODERS, *DISCRIMINATORS])
def test_names_shapes_and_number_of_parameters(golden_dir: Path, parity: Parity, name: str) -> None:
    recorded = _recorded(golden_dir)[name]
    found = _found(name, recorded["state"])
    assert list(found.items()) == list(recorded["state"].items())
    assert sum(torch.Size(shape).numel() for shape in found.values()) == recorded["parameters"]
    parity.note("full_size_state", name, 0.0)


def test_the_norms_of_a_generator_keep_the_recorded_number_of_statistics(golden_dir: Path) -> None:
    recorded = _recorded(golden_dir)
    layers = {name: chain_layers(config)[scale] for name, (config, scale) in GENERATORS.items()}
    layers |= {name: image_generator_layers(c) for name, c in IMAGE_GENERATORS.items() if name.startswith("vid2vid")}
    layers["vid2vid_face_encoder"] = feature_encoder_layers(ENCODERS["vid2vid_face_encoder"])
    for name, mine in layers.items():
        # a mean and a variance each; their counters were not counted
        assert recorded[name]["buffers"] == 2 * sum(layer.channels is not None for layer in mine), name


def test_every_published_network_is_compared(golden_dir: Path) -> None:
    assert set(_recorded(golden_dir)) == {*GENERATORS, *IMAGE_GENERATORS, *ENCODERS, *DISCRIMINATORS}
