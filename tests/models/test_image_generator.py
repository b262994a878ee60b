"""Image generators of every form, and the feature encoder: shapes, gradients, and averages against a plain loop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from v2vcli.models.feature_encoder import FeatureEncoder, FeatureEncoderConfig, instance_average
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.models.reference_names import image_generator_keys

FORMS = [(0, 0), (0, 2), (3, 0), (3, 1), (3, 2)]
"""Channels of features, enhancers."""


def _generator(features: int, enhancers: int) -> ImageGenerator:
    torch.manual_seed(0)
    return ImageGenerator(ImageGeneratorConfig(5, 8, 2, 3, "frame", 3, features, enhancers, 1))


@pytest.mark.parametrize(("features", "enhancers"), FORMS)
def test_every_parameter_has_a_say(features: int, enhancers: int) -> None:
    network = _generator(features, enhancers)
    z = torch.rand(2, features, 32, 48) if features else None
    image = network(torch.rand(2, 5, 32, 48), z)
    assert image.shape == (2, 3, 32, 48)
    (image * torch.rand_like(image)).sum().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize(("features", "enhancers"), FORMS)
def test_sides_of_its_multiple_come_back(features: int, enhancers: int) -> None:
    network = _generator(features, enhancers)
    side = network.config.multiple
    assert side == 4 * 2**enhancers
    assert network(torch.rand(1, 5, 2 * side, 3 * side)).shape[-2:] == (2 * side, 3 * side)


@pytest.mark.parametrize("enhancers", [0, 1, 2])
@torch.no_grad()
def test_no_features_are_features_of_zero(enhancers: int) -> None:
    network, maps = _generator(3, enhancers), torch.rand(1, 5, 32, 32)
    zeros = torch.zeros(1, 3, 32, 32)
    assert torch.equal(network(maps), network(maps, zeros))
    assert (network(maps, zeros + 1) - network(maps)).abs().max() > 1e-4


def test_features_where_none_are_expected_are_refused() -> None:
    with pytest.raises(ValueError, match="not conditioned on features"):
        _generator(0, 0)(torch.rand(1, 5, 16, 16), torch.rand(1, 3, 16, 16))


def test_the_width_limit_reaches_every_layer() -> None:
    config = ImageGeneratorConfig(5, 8, 3, 2, kernel=3, enhancers=1, enhancer_blocks=1, max_width=6)
    network = ImageGenerator(config)
    assert max(max(p.shape[:2]) for p in network.parameters() if p.ndim == 4) == 6
    assert network(torch.rand(1, 5, 32, 32)).shape == (1, 3, 32, 32)


@pytest.mark.parametrize("wrong", [{"width": 9, "enhancers": 1}, {"blocks": 0}, {"features": -1}, {"max_width": 0}])
def test_impossible_shapes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"image generator|enhancers"):
        ImageGeneratorConfig(5, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("features", "enhancers"), FORMS)
def test_reference_names_are_one_for_each_tensor(features: int, enhancers: int) -> None:
    config = _generator(features, enhancers).config
    keys = image_generator_keys(config)
    assert set(keys) == set(_generator(features, enhancers).state_dict())
    assert len(set(keys.values())) == len(keys)


def _averaged_one_by_one(features: Tensor, instances: Tensor) -> Tensor:
    out = features.clone()
    for b in range(len(features)):
        for each in instances[b].unique():
            inside = instances[b, 0] == each
            for channel in range(features.shape[1]):
                out[b, channel, inside] = features[b, channel, inside].mean()
    return out


@pytest.mark.parametrize("kind", [torch.int64, torch.float32, torch.uint8])
def test_instance_average_is_the_loops(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    instances = torch.randint(0, 7, (3, 1, 10, 12)).to(kind)
    instances[2] += 100  # ids that no other sample has
    features = torch.randn(3, 4, 10, 12, dtype=torch.float64)
    expected = _averaged_one_by_one(features, instances)
    assert (instance_average(features, instances) - expected).abs().max() < 1e-12
    assert torch.equal(instance_average(features, instances[:, 0]), instance_average(features, instances))


def test_instance_average_of_huge_and_negative_ids() -> None:
    instances = torch.tensor([[[26_001, -1], [26_001, 2**31]]])
    features = torch.tensor([[[[1.0, 5.0], [3.0, 7.0]]]])
    assert instance_average(features, instances).tolist() == [[[[2.0, 5.0], [2.0, 7.0]]]]


def test_instance_average_hands_gradients_to_all_pixels_alike() -> None:
    features = torch.randn(1, 1, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(
        instance_average(features, torch.tensor([[[1, 1], [1, 2]]]))[0, 0, 0, 0], features
    )
    assert torch.allclose(gradient, torch.tensor([[[[1 / 3, 1 / 3], [1 / 3, 0.0]]]]))


def test_instance_average_in_half_precision_sums_in_single() -> None:
    features = torch.full((1, 1, 64, 64), 1.5, dtype=torch.bfloat16)
    pooled = instance_average(features, torch.zeros(1, 64, 64))
    assert pooled.dtype == torch.bfloat16
    assert pooled.eq(1.5).all()


def test_feature_encoder_gives_each_instance_one_value() -> None:
    torch.manual_seed(0)
    network = FeatureEncoder(FeatureEncoderConfig(3, 4, 2, kernel=3))
    instances = torch.arange(2).repeat_interleave(16 * 8).reshape(1, 16, 16)
    features = network(torch.rand(1, 3, 16, 16) * 2 - 1, instances)
    assert features.shape == (1, 3, 16, 16)
    assert features.abs().max() <= 1
    assert [len(features[0, channel].unique()) for channel in range(3)] == [2, 2, 2]


@pytest.mark.parametrize("enhancers", [0, 2])
@torch.no_grad()
def test_features_beside_the_map_are_more_channels_of_it(enhancers: int) -> None:
    """pix2pixHD's own form: the plain network, which reads features where it reads the map."""
    torch.manual_seed(0)
    plain = ImageGenerator(ImageGeneratorConfig(8, 8, 1, 2, enhancers=enhancers))
    beside = ImageGenerator(ImageGeneratorConfig(5, 8, 1, 2, enhancers=enhancers, features=3, features_within=False))
    beside.load_state_dict(plain.state_dict())
    maps, features = torch.rand(1, 5, 16, 24), torch.rand(1, 3, 16, 24)
    assert torch.equal(beside(maps, features), plain(torch.cat((maps, features), 1)))
    assert torch.equal(beside(maps), plain(torch.cat((maps, torch.zeros_like(features)), 1)))
