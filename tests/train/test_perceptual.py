"""Perceptual losses: which layers, which weights, and what happens where VGG's weights are not here."""

from __future__ import annotations

import logging
import os
import pickle
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import VGG19_Weights, vgg19
from torchvision.models.vgg import make_layers

from v2vcli.errors import ModelError
from v2vcli.train.perceptual import MissingWeights, SegmenterPerceptual, VggPerceptual, perceptual_loss

NARROW: list[str | int] = [4, 4, "M", 4, 4, "M", *[8] * 4, "M", *[8] * 4, "M", *[8] * 4, "M"]
"""VGG-19 with a few channels."""


def _narrow() -> nn.Sequential:
    torch.manual_seed(0)
    return make_layers(NARROW)


def _layer_names(features: nn.Sequential) -> dict[nn.Module, str]:
    """``relu4_1`` is the first ReLU after the third pooling."""
    names, block, conv = {}, 1, 0
    for layer in features:
        if isinstance(layer, nn.MaxPool2d):
            block, conv = block + 1, 0
        elif isinstance(layer, nn.Conv2d):
            conv += 1
        else:
            names[layer] = f"relu{block}_{conv}"
    return names


def test_slices_end_after_the_first_relu_of_each_block() -> None:
    with torch.device("meta"):
        features = vgg19(weights=None, init_weights=False).features
    names = _layer_names(features)
    ends = [names[part[-1]] for part in VggPerceptual(features).slices]
    assert ends == ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


def _by_hand(features: nn.Sequential, fake: Tensor, real: Tensor) -> float:
    """Run the whole network and pick the activations by name."""
    weights = {"relu1_1": 1 / 32, "relu2_1": 1 / 16, "relu3_1": 1 / 8, "relu4_1": 1 / 4, "relu5_1": 1.0}
    names, found = _layer_names(features), 0.0
    for layer in features:
        fake, real = layer(fake), layer(real)
        if (name := names.get(layer)) in weights:
            found += weights[name] * (fake - real).abs().mean().item()
    return found


def test_value() -> None:
    features = _narrow()
    fake, real = torch.rand(2, 2, 3, 32, 48) * 2 - 1
    with torch.no_grad():
        plain = _by_hand(features, fake, real)
        mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        normalised = _by_hand(
            features, *((each / 2 + 0.5 - mean[:, None, None]) / spread[:, None, None] for each in (fake, real))
        )
    assert VggPerceptual(features, normalised=False)(fake, real).item() == pytest.approx(plain, rel=1e-4)
    assert VggPerceptual(features)(fake, real).item() == pytest.approx(normalised, rel=1e-4)
    assert plain > 0 and abs(normalised / plain - 1) > 0.1


def test_several_paintings_of_the_same_pictures() -> None:
    perceptual = VggPerceptual(_narrow())
    one, two, real = torch.rand(3, 2, 3, 32, 32)
    both = perceptual(torch.cat((one, two)), real)
    assert 2 * both.item() == pytest.approx(perceptual(one, real).item() + perceptual(two, real).item(), rel=1e-5)


@pytest.mark.parametrize(("width", "halvings"), [(1024, 0), (1026, 1), (4096, 2)])
def test_wide_pictures_are_halved(width: int, halvings: int) -> None:
    perceptual = VggPerceptual(_narrow())
    fake, real = torch.rand(2, 1, 3, 64, width)
    small = [each if halvings == 0 else F.avg_pool2d(each, 2**halvings) for each in (fake, real)]
    assert perceptual(fake, real).item() == pytest.approx(perceptual(*small).item(), rel=1e-5)


def test_only_the_painting_gets_a_gradient() -> None:
    features = _narrow()
    fake, real = torch.rand(2, 1, 3, 32, 32).unbind()
    fake.requires_grad_()
    real.requires_grad_()
    VggPerceptual(features)(fake, real).backward()
    assert fake.grad is not None and fake.grad.abs().sum() > 0
    assert real.grad is None
    assert all(parameter.grad is None for parameter in features.parameters())


@pytest.fixture
def weights_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torchvision looks for VGG-19's weights; the network is not there."""

    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    file: Path = tmp_path / "checkpoints" / VGG19_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[1]
    file.parent.mkdir()
    return file


def test_missing_weights_are_an_error_that_names_the_file(weights_file: Path) -> None:
    with pytest.raises(MissingWeights, match="not here") as error:
        perceptual_loss("vgg19")
    message = str(error.value)
    assert str(weights_file) in message
    assert VGG19_Weights.IMAGENET1K_V1.url in message and "perceptual_fallback" in message
    assert "\n" not in message


def test_or_the_segmenter_that_the_recipe_names(weights_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        chosen = perceptual_loss("vgg19", fallback="street-segmenter")
    assert isinstance(chosen, SegmenterPerceptual)
    assert "street-segmenter" in caplog.text and weights_file.name in caplog.text
    same = torch.rand(1, 3, 32, 32)
    assert chosen(same, same).item() == 0.0
    assert chosen(torch.cat((same, same)), same).item() == pytest.approx(0.0, abs=1e-5)


class _Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("content", [b"", b"not a model", b"pickle"])
def test_a_damaged_or_hostile_file_is_refused(weights_file: Path, content: bytes) -> None:
    proof = weights_file.parent / "executed"
    weights_file.write_bytes(pickle.dumps(_Malicious(proof), protocol=2) if content == b"pickle" else content)
    with pytest.raises(ModelError, match="damaged") as error:
        perceptual_loss("vgg19", fallback="street-segmenter")
    assert str(weights_file) in str(error.value) and "\n" not in str(error.value)
    assert not proof.exists()


def _vgg_state() -> dict[str, Tensor]:
    """VGG-19's whole state dict, each tensor one number over and over (on disk: only that number)."""
    with torch.device("meta"):
        state = vgg19(weights=None, init_weights=False).state_dict()
    return {key: torch.tensor(0.01 * index).expand(value.shape) for index, (key, value) in enumerate(state.items())}


def test_weights_in_the_cache_are_used(weights_file: Path) -> None:
    torch.save(_vgg_state(), weights_file)
    chosen = perceptual_loss("vgg19")
    assert isinstance(chosen, VggPerceptual)
    convs = [layer for part in chosen.slices for layer in part if isinstance(layer, nn.Conv2d)]
    assert len(convs) == 13
    # the n-th convolution's weight and bias are the (2 n)-th and (2 n + 1)-th tensors of the state dict
    for index, conv in enumerate(convs):
        assert conv.bias is not None
        assert conv.weight.unique().tolist() == pytest.approx([0.02 * index])
        assert conv.bias.unique().tolist() == pytest.approx([0.02 * index + 0.01])


def test_weights_of_another_network_are_refused(weights_file: Path) -> None:
    state = _vgg_state()
    state["features.5.weight"] = state["features.5.weight"][:, :3]
    torch.save(state, weights_file)
    with pytest.raises(ModelError, match="not VGG-19's weights"):
        perceptual_loss("vgg19")
    torch.save({"features.0.weight": torch.zeros(1)}, weights_file)
    with pytest.raises(ModelError, match="not VGG-19's weights"):
        perceptual_loss("vgg19")


def test_a_painter_is_no_perceptual_model() -> None:
    with pytest.raises(ModelError, match="wants a segmenter"):
        perceptual_loss("edge2face")
