"""The reference's parameters in our networks. Index layouts inside a `Sequential` are shared: keys map by prefix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.golden.recording import Golden
from v2vcli.maps.conditioning import instance_edges, one_hot
from v2vcli.models.generator import GeneratorConfig, Vid2VidGenerator
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.models.layers import Norm
from v2vcli.models.reference_names import CHAIN, image_generator_keys

OURS = {theirs: ours for ours, theirs in CHAIN.items()}
"""The reference's module names and ours, at every scale."""


def norm_of(golden: Golden, *, stored: bool = False) -> Norm:
    """The norm a file was recorded with; statistics of a batch of one are those of the frame."""
    if stored:
        return "stored"
    if golden.hyper["norm"] == "instance":
        return "instance"
    return "batch" if golden.hyper.get("batch", 1) > 1 else "frame"


def parameters(golden: Golden, network: str, *, stored: bool = False) -> dict[str, Tensor]:
    """A network's state without running statistics, which ours keep only with norm ``stored``.

    The reference's instance norm has running statistics and no scale and shift: with `stored` it gets 1 and 0.
    """
    state = golden.state(network)
    if not stored:
        return {key: value for key, value in state.items() if "running_" not in key and "num_batches" not in key}
    for key, value in list(state.items()):
        if key.endswith("running_mean"):
            norm = key.removesuffix("running_mean")
            state.setdefault(f"{norm}weight", torch.ones_like(value))
            state.setdefault(f"{norm}bias", torch.zeros_like(value))
    return state


def scale_state(golden: Golden, network: str, *, stored: bool = False) -> dict[str, Tensor]:
    """The state of one spatial scale of the generator, under our names."""
    state = {}
    for key, value in parameters(golden, network, stored=stored).items():
        prefix, rest = key.split(".", 1)
        state[f"{OURS[prefix]}.{rest}"] = value
    return state


def generator(golden: Golden, config: GeneratorConfig, *, stored: bool = False) -> Vid2VidGenerator:
    """The whole chain with the parameters of G0 (coarsest), G1, ... of a file; or of G alone in a chain of one."""
    built = Vid2VidGenerator(config)
    alone = not golden.state("G0")
    for s, scale in enumerate(built.scales):
        scale.load_state_dict(scale_state(golden, "G" if alone else f"G{s}", stored=stored))
    return built.eval()


def first_frame_generator(golden: Golden) -> ImageGenerator:
    """The image generator that starts a roll-out (``single``): 2 halvings, 2 residual blocks, instance norm."""
    config = ImageGeneratorConfig(golden.hyper["label_nc"], 4, 2, 2, "instance")
    network, recorded = ImageGenerator(config), parameters(golden, "single")
    network.load_state_dict({ours: recorded.pop(theirs) for ours, theirs in image_generator_keys(config).items()})
    assert not recorded
    return network.eval()


def clip_maps(golden: Golden) -> Tensor:
    """A roll-out's maps, (T, C, H, W): one-hot labels and instance edges, or the dense maps as they are."""
    hyper: dict[str, Any] = golden.hyper
    if hyper["label_nc"] == 0:
        return golden["i/A"]
    planes = one_hot(golden["i/A"][:, 0], hyper["label_nc"])
    if hyper["use_instance"]:
        planes = torch.cat((planes, instance_edges(golden["i/inst"][:, 0])[:, None]), 1)
    return planes
