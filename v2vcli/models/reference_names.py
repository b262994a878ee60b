"""What the reference calls our layers: the keys of its state dicts beside ours, in its order.

The layers inside a ``Sequential`` are numbered alike in both, so a name translates by its prefix; where the reference
numbers a whole network in a row, by prefix and an offset. Peculiar: the reference keeps one file for each scale of a
chain, and running statistics in its norms that nothing ever reads (it paints with the statistics of the current frame,
and so do we). A `Layer` therefore knows its norm's channels, so that a file can be written whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from v2vcli.models.feature_encoder import FeatureEncoder, FeatureEncoderConfig
from v2vcli.models.generator import GeneratorConfig, Vid2VidGenerator
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig

CHAIN = {
    "foreground_encoder": "indv_down",
    "foreground_trunk": "indv_res",
    "foreground_decoder": "indv_up",
    "foreground_head": "indv_final",
    "map_encoder": "model_down_seg",
    "past_encoder": "model_down_img",
    "trunk": "model_res_img",
    "decoder": "model_up_img",
    "image_head": "model_final_img",
    "flow_trunk": "model_res_flow",
    "flow_decoder": "model_up_flow",
    "flow_head": "model_final_flow",
    "mask_head": "model_final_w",
}
"""Branches of a video generator, ours -> the reference's, in the reference's order; the same at every scale."""

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
"""What a norm of the reference may keep besides scale and shift."""


@dataclass(frozen=True)
class Layer:
    """A convolution or a norm under both names.

    Attributes:
        theirs: its name in a file of the reference, ``model_down_seg.1``.
        ours: its name in our network, ``coarse.map_encoder.1``.
        tensors: the shapes of its ``weight`` and ``bias``, where it has them.
        channels: of a norm; None for a convolution.
    """

    theirs: str
    ours: str
    tensors: Mapping[str, torch.Size]
    channels: int | None = None


@dataclass(frozen=True)
class _Place:
    """Where the reference has one of our ``Sequential``s: in which of its own, and from which number on."""

    theirs: str
    offset: int = 0


def chain_layers(config: GeneratorConfig) -> list[list[Layer]]:
    """The layers of a video generator, one list for each of the reference's files, coarsest scale first."""
    with torch.device("meta"):
        network = Vid2VidGenerator(config)
    parts = ["coarse", *(f"finer.{n}" for n in range(config.finer))]
    return [
        list(_layers(network, {f"{part}.{ours}": _Place(theirs) for ours, theirs in CHAIN.items()})) for part in parts
    ]


def image_generator_layers(config: ImageGeneratorConfig) -> list[Layer]:
    """The layers of an image generator: one file of pix2pixHD, or of vid2vid where it is conditioned on features."""
    with torch.device("meta"):
        network = ImageGenerator(config)
    d, n, enhancers = config.downsamplings, config.blocks, config.enhancers
    head = _Place("model", 4 + 6 * d + n)
    if config.inner_features:
        head = _Place("model_final" if enhancers else "model_upsample_conv")
    elif enhancers:
        head = _Place(f"model{enhancers}_2", config.enhancer_blocks + 3)
    if config.inner_features:
        places = {
            "map_encoder": _Place("model_downsample"),
            "trunk": _Place("model_resnet"),
            "decoder": _Place("model_upsample"),
        }
    else:
        bottom = 4 + 3 * d
        places = {
            "map_encoder": _Place("model"),
            "trunk": _Place("model", bottom + config.encoder_blocks),
            "decoder": _Place("model", bottom + n),
        }
    for k in range(1, enhancers + 1):
        places[f"enhancers.{k - 1}.map_encoder"] = _Place(f"model{k}_1")
        places[f"enhancers.{k - 1}.decoder"] = _Place(f"model{k}_2")
    return list(_layers(network, {**places, "image_head": head}))


def feature_encoder_layers(config: FeatureEncoderConfig) -> list[Layer]:
    """The layers of a feature encoder."""
    with torch.device("meta"):
        network = FeatureEncoder(config)
    d = config.downsamplings
    places = {
        "image_encoder": _Place("model"),
        "decoder": _Place("model", 4 + 3 * d),
        "feature_head": _Place("model", 4 + 6 * d),
    }
    return list(_layers(network, places))


def names(layers: Sequence[Layer]) -> dict[str, str]:
    """Key in our state dict -> key in the reference's, in the reference's order."""
    return {f"{layer.ours}.{key}": f"{layer.theirs}.{key}" for layer in layers for key in layer.tensors}


def image_generator_keys(config: ImageGeneratorConfig) -> dict[str, str]:
    """`names` of an image generator."""
    return names(image_generator_layers(config))


def feature_encoder_keys(config: FeatureEncoderConfig) -> dict[str, str]:
    """`names` of a feature encoder."""
    return names(feature_encoder_layers(config))


def _layers(network: nn.Module, places: dict[str, _Place]) -> Iterator[Layer]:
    """Every layer with parameters or statistics in our ``Sequential``s of these names, in their order."""
    for sequential, place in places.items():
        try:
            branch = network.get_submodule(sequential)
        except AttributeError:  # no flow, no foreground
            continue
        for name, module in branch.named_modules():
            norm = isinstance(module, nn.InstanceNorm2d | nn.BatchNorm2d)
            if norm or isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                index, dot, rest = name.partition(".")
                theirs = f"{place.theirs}.{int(index) + place.offset}{dot}{rest}"
                tensors = {key: value.shape for key, value in module.state_dict().items()}
                yield Layer(theirs, f"{sequential}.{name}", tensors, module.num_features if norm else None)
