"""A complete pix2pixHD step: map, painting, losses and gradients, without and with encoded features."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.golden.recording import Golden, Parity
from tests.golden.reference_discriminator import before_a_norm, rebuilt, reference_gradients
from v2vcli.maps.conditioning import instance_edges, one_hot
from v2vcli.models.feature_encoder import FeatureEncoder, FeatureEncoderConfig
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.models.reference_names import feature_encoder_keys, image_generator_keys
from v2vcli.train import objectives
from v2vcli.train.objectives import Judge, Judged, LossWeights

LOSS, GRADIENT, ZERO_GRADIENT, IMAGE = 1e-5, 1e-4, 1e-5, 3e-5
"""Tolerances; a convolution's bias before a norm has a gradient of rounding noise, and is compared absolutely."""

WIDTH, DOWNSAMPLINGS, BLOCKS, FEATURES = 4, 2, 2, 3
"""Of every network in these recordings; golden/README.md, section 7."""


class Step:
    """One recorded step, done by ours."""

    def __init__(self, golden: Golden) -> None:
        self.golden = golden
        labels, instances, image = (golden[f"i/{key}"] for key in ("label", "inst", "image"))
        planes = one_hot(labels[:, 0], golden.hyper["label_nc"])
        self.maps = torch.cat((planes, instance_edges(instances[:, 0])[:, None]), 1)
        features = _encoder(golden)(image, instances) if golden.hyper["feat"] else None
        self.painter = ImageGenerator(self.config)
        _load(self.painter, golden.state("netG"), image_generator_keys(self.config))
        self.fake = self.painter(self.maps, features)
        self.discriminator = rebuilt(golden.state("netD"), "instance", width=WIDTH, scales=2, narrow_first=False)
        # their passes are separate; instance norm does not mind that ours are not
        self.judged: Judged = objectives.image_terms(
            Judge.of(self.discriminator), self.maps, [self.fake], image, LossWeights()
        )

    @property
    def config(self) -> ImageGeneratorConfig:
        """Of the painter; pix2pixHD's own form shows features beside the map alone."""
        features = FEATURES if self.golden.hyper["feat"] else 0
        return ImageGeneratorConfig(
            self.maps.shape[1], WIDTH, DOWNSAMPLINGS, BLOCKS, "instance", features=features, features_within=False
        )


def _encoder(golden: Golden) -> FeatureEncoder:
    config = FeatureEncoderConfig(FEATURES, WIDTH, DOWNSAMPLINGS, "instance")
    network = FeatureEncoder(config)
    _load(network, golden.state("netE"), feature_encoder_keys(config))
    return network


def _load(network: torch.nn.Module, recorded: dict[str, Tensor], keys: dict[str, str]) -> None:
    assert set(keys.values()) == set(recorded)
    network.load_state_dict({ours: recorded[theirs] for ours, theirs in keys.items()})


@pytest.fixture(scope="module", params=["p2p_losses", "p2p_losses_feat"])
def step(request: pytest.FixtureRequest, golden_dir: Path, first_tanh: None) -> Step:
    return Step(Golden(golden_dir / f"{request.param}.safetensors"))


def test_the_map_and_the_painting(step: Step, parity: Parity) -> None:
    golden = step.golden
    parity.check(golden.name, "net_input_label_edge", step.maps, golden["o/net_input_label_edge"], 0.0)
    parity.check(golden.name, "fake", step.fake, golden["o/fake"], IMAGE)


def test_every_term(step: Step, parity: Parity) -> None:
    judged = step.judged
    found = {
        "G_GAN": judged.terms["gan"],
        "G_GAN_Feat": judged.terms["feature_matching"],
        "D_real": judged.real,
        "D_fake": judged.fake,
    }
    recorded = step.golden.below("o/loss/")
    assert set(found) == set(recorded)
    for key, expected in recorded.items():
        parity.check(step.golden.name, f"loss/{key}", found[key].reshape(1), expected, LOSS, relative=True)


def test_the_painters_gradients(step: Step, parity: Parity) -> None:
    recorded = step.golden.below("o/grad_G/")
    ours = {theirs: key for key, theirs in image_generator_keys(step.config).items()}
    parameters = dict(step.painter.named_parameters())
    wanted = [parameters[ours[key]] for key in recorded]
    found = torch.autograd.grad(objectives.total(step.judged.terms), wanted, retain_graph=True)
    head = f"model.{4 + 6 * DOWNSAMPLINGS + BLOCKS + 1}.bias"  # the only bias that no norm follows
    for (key, expected), gradient in zip(recorded.items(), found, strict=True):
        zero = key.endswith("bias") and key != head
        _check(step.golden, parity, f"grad_G/{key}", gradient, expected, zero)


def test_the_discriminators_gradients(step: Step, parity: Parity) -> None:
    recorded = step.golden.below("o/grad_D/")
    for key, gradient in reference_gradients(step.discriminator, list(recorded), step.judged.objective):
        _check(step.golden, parity, f"grad_D/{key}", gradient, recorded[key], before_a_norm(key))


def _check(golden: Golden, parity: Parity, name: str, found: Tensor, expected: Tensor, zero: bool) -> None:
    parity.check(golden.name, name, found, expected, ZERO_GRADIENT if zero else GRADIENT, relative=not zero)
