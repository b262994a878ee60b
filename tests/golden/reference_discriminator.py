"""The reference's discriminators as ours: state keys and widths. Shared by the tests of networks and of losses."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from v2vcli.models.discriminators import DiscriminatorConfig, MultiScaleDiscriminator
from v2vcli.models.layers import Norm

FLAT = ("0", "2", "5", "8", "11")
"""Where the convolutions stand in a recording without intermediate features; a norm follows its convolution."""


def our_key(key: str, scales: int, layers: int) -> str:
    """``scale1_layer2.0.weight`` -> ``scales.I.2.0.weight``; their highest copy is at full resolution, our index 0."""
    with_features = re.fullmatch(r"scale(\d+)_layer(\d+)\.(\d+)\.(\w+)", key)
    if with_features:
        scale, layer, index, rest = with_features.groups()
    else:
        scale, position, rest = re.fullmatch(r"layer(\d+)\.(\d+)\.(\w+)", key).groups()  # type: ignore[union-attr]
        conv = position if position in FLAT else str(int(position) - 1)
        layer, index = str(FLAT.index(conv)), str(int(position) - int(conv))
    # ours ends in a bare convolution, theirs in a Sequential of one
    place = layer if int(layer) == layers + 1 else f"{layer}.{index}"
    return f"scales.{scales - 1 - int(scale)}.{place}.{rest}"


def before_a_norm(key: str, layers: int = 3) -> bool:
    """Whether a parameter, by its name with features, is a bias that the norm after it takes away again.

    Its gradient is zero but for rounding.
    """
    return key.endswith(".0.bias") and not any(f"layer{layer}." in key for layer in (0, layers + 1))


def rebuilt(
    state: dict[str, Tensor], norm: Norm, *, width: int, scales: int, layers: int = 3, narrow_first: bool = True
) -> MultiScaleDiscriminator:
    """Our discriminator with the reference's `state`, loaded strictly.

    Running statistics are taken over by norm ``stored`` alone, which has a scale and shift where their instance norm
    has none.
    """
    ours = {our_key(key, scales, layers): value for key, value in state.items()}
    if norm == "stored":
        for key in [key for key in ours if key.endswith("running_mean")]:
            ours.setdefault(key.replace("running_mean", "weight"), torch.ones_like(ours[key]))
            ours.setdefault(key.replace("running_mean", "bias"), torch.zeros_like(ours[key]))
    else:
        ours = {key: value for key, value in ours.items() if "running_" not in key and "num_batches" not in key}
    channels = ours["scales.0.0.0.weight"].shape[1]
    network = MultiScaleDiscriminator(
        DiscriminatorConfig(channels, width, layers, scales, norm, narrow_first=narrow_first)
    )
    network.load_state_dict(ours)
    return network.eval()  # only ``stored`` has another mode


def reference_gradients(
    network: MultiScaleDiscriminator, keys: list[str], objective: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """Gradient of `objective` for each of the reference's parameter names."""
    config = network.config
    ours = dict(network.named_parameters())
    wanted = [ours[our_key(key, config.scales, config.layers)] for key in keys]
    yield from zip(keys, torch.autograd.grad(objective, wanted), strict=True)
