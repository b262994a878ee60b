"""Image generators and the feature encoder give the reference's numbers, in every form and mode recorded.

Recordings called "eval" use stored statistics, which ours have with norm ``stored`` only (docs/parity.md).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.golden.recording import Golden, Parity
from v2vcli.models.feature_encoder import FeatureEncoder, FeatureEncoderConfig, instance_average
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.models.layers import Norm
from v2vcli.models.reference_names import feature_encoder_keys, image_generator_keys

TOLERANCE = 3e-5

FILES = [
    "p2p_global_instance",
    "p2p_global_nd4_batch",
    "p2p_local1_instance",
    "p2p_local2_instance",
    "v2v_global_with_features",
    "v2v_local_with_features",
]
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def norm_of(golden: Golden, mode: str) -> Norm:
    """Ours for a recorded mode: pix2pixHD's instance norm has no statistics to store, its batch norm has."""
    if golden.hyper["norm"] == "instance":
        return "instance"
    return "stored" if mode == "eval" else "batch"


def load(network: nn.Module, golden: Golden, keys: dict[str, str]) -> None:
    """Give the network the recorded parameters; every one of them must have its place."""
    recorded = golden.state("G")
    network.load_state_dict({ours: recorded[theirs] for ours, theirs in keys.items()})
    left = {key for key in set(recorded) - set(keys.values()) if not key.endswith(STATISTICS)}
    assert not left, f"recorded, and not in our network: {sorted(left)}"


def compare(parity: Parity, golden: Golden, mode: str, found: dict[str, Tensor]) -> None:
    """Compare all that was recorded in a mode, and see to it that no mode is left out."""
    assert {key.split("/")[0] for key in golden.below("o/")} == set(golden.hyper["modes"])
    recorded = golden.below(f"o/{mode}/")
    assert set(found) == set(recorded)
    for key, expected in recorded.items():
        parity.check(golden.name, f"{mode}/{key}", found[key], expected, TOLERANCE)


@pytest.mark.parametrize("name", FILES)
@torch.no_grad()
def test_image_generator(golden_dir: Path, parity: Parity, name: str) -> None:
    golden = Golden(golden_dir / f"{name}.safetensors")
    h = golden.hyper
    enhancers = h["n_enh"] if h["kind"].startswith("local") else 0
    features = golden.tensors.get("i/feat")
    for mode in h["modes"]:
        config = ImageGeneratorConfig(
            map_channels=h["input_nc"],
            width=h["ngf"] * 2**enhancers,  # theirs is the finest stage's
            downsamplings=h["n_downsampling"],
            blocks=h["n_blocks"],
            norm=norm_of(golden, mode),
            features=0 if features is None else h["feat"],
            enhancers=enhancers,
            enhancer_blocks=h["n_blocks_local"],
            max_width=1024 if h["lib"] == "vid2vid" else None,
        )
        network = ImageGenerator(config).eval()
        load(network, golden, image_generator_keys(config))
        compare(parity, golden, mode, {"out": network(golden["i/input"], features)})


@torch.no_grad()
def test_feature_encoder(golden_dir: Path, parity: Parity) -> None:
    golden = Golden(golden_dir / "p2p_encoder.safetensors")
    h = golden.hyper
    for mode in h["modes"]:
        config = FeatureEncoderConfig(h["feat"], h["ngf"], h["n_downsampling"], norm_of(golden, mode))
        network = FeatureEncoder(config).eval()
        load(network, golden, feature_encoder_keys(config))
        before = network(golden["i/image"])
        found = {"before_pool": before, "out": network(golden["i/image"], golden["i/inst"])}
        compare(parity, golden, mode, found)
        # the pooling by itself, on the recorded features
        pooled = instance_average(golden[f"o/{mode}/before_pool"], golden["i/inst"])
        parity.check(golden.name, f"{mode}/out, pooled alone", pooled, golden[f"o/{mode}/out"], 1e-6)
