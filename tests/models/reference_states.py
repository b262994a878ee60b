"""State dicts as the reference would save them, of small networks with random weights: no recording is needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from v2vcli.models.feature_encoder import FeatureEncoderConfig
from v2vcli.models.generator import GeneratorConfig
from v2vcli.models.image_generator import ImageGeneratorConfig
from v2vcli.models.reference_names import (
    BUFFERS,
    Layer,
    chain_layers,
    feature_encoder_layers,
    image_generator_layers,
)

State = OrderedDict[str, Tensor]

STREET = GeneratorConfig(36, width=8, downsamplings=3, blocks=3, finer=2, finer_blocks=1, foreground=(26,))
FACE = GeneratorConfig(15, width=4, downsamplings=2, blocks=2)
FIRST_FRAMES = ImageGeneratorConfig(35, 4, 2, 2, "instance")
POSE = GeneratorConfig(6, past=1, width=4, downsamplings=1, blocks=2, finer=1, finer_blocks=2, norm="instance")


def chain(config: GeneratorConfig) -> dict[str, State]:
    """Role (``G0``, ``G1``, ...) -> state."""
    return {f"G{s}": state(layers) for s, layers in enumerate(chain_layers(config))}


def image_generator(config: ImageGeneratorConfig, *, statistics: bool = True) -> State:
    """State of ``latest_net_G.pth``."""
    return state(image_generator_layers(config), statistics=statistics)


def feature_encoder(config: FeatureEncoderConfig) -> State:
    """State of ``latest_net_E.pth``, as pix2pixHD saves it."""
    return state(feature_encoder_layers(config), statistics=False)


def state(layers: Sequence[Layer], *, statistics: bool = True) -> State:
    """Random weights, and random running statistics that no network of ours may look at."""
    made: State = OrderedDict()
    for layer in layers:
        for key, shape in layer.tensors.items():
            made[f"{layer.theirs}.{key}"] = torch.randn(shape) * 0.1
        if layer.channels is not None and statistics:
            values = (torch.randn(layer.channels), torch.rand(layer.channels), torch.tensor(17))
            made |= zip((f"{layer.theirs}.{buffer}" for buffer in BUFFERS), values, strict=True)
    return made


def save(folder: Path, states: Mapping[str, Mapping[str, Tensor]], *, old: bool = False) -> Path:
    """Write ``latest_net_ROLE.pth`` of every state, in today's format or in that of PyTorch before 1.6."""
    folder.mkdir(exist_ok=True)
    for role, tensors in states.items():
        torch.save(OrderedDict(tensors), folder / f"latest_net_{role}.pth", _use_new_zipfile_serialization=not old)
    return folder


def load(folder: Path) -> dict[str, State]:
    """Role -> state of every file in a folder."""
    return {
        path.stem.removeprefix("latest_net_"): torch.load(path, weights_only=True) for path in sorted(folder.iterdir())
    }


def require_same(found: Mapping[str, Mapping[str, Tensor]], expected: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Fail unless both hold the same files, keys in the same order, and tensors of the same type and bytes."""
    assert sorted(found) == sorted(expected)
    for role, tensors in expected.items():
        assert list(found[role]) == list(tensors), role
        for key, value in tensors.items():
            assert found[role][key].dtype == value.dtype, f"{role}: {key}"
            assert found[role][key].shape == value.shape, f"{role}: {key}"
            assert found[role][key].numpy().tobytes() == value.numpy().tobytes(), f"{role}: {key}"
