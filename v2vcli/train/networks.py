"""The networks that a recipe asks for, and what they start from.

Peculiar:
- the video generator's hallucination branch starts from the image generator that was trained before it: trained jointly
  from scratch, the warp path takes over before the hallucination has learnt to draw;
- a stage may paint with the coarser scales alone (`StageRecipe.scales`). The next one starts from what that left, its
  own finer scales anew: coarse to fine in space, as the paper trains.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from v2vcli.errors import ModelError
from v2vcli.maps.spec import MapSpec
from v2vcli.models.checkpoint import load_model
from v2vcli.models.covst import Covst, CovstConfig
from v2vcli.models.discriminators import DiscriminatorConfig
from v2vcli.models.generator import GeneratorConfig, Vid2VidGenerator
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.train.recipe import DiscriminatorRecipe, Recipe
from v2vcli.train.task import start_from

__all__ = [
    "covst_config",
    "discriminator_config",
    "generator_config",
    "image_generator_config",
    "start_from",
    "start_from_coarser",
    "start_from_image_generator",
    "start_from_stylisation",
]

PAST_GAIN = 0.1
"""Norm scales of the past encoder at the start, so that the trained hallucination is not shouted down."""


def generator_config(recipe: Recipe, spec: MapSpec, scales: int | None = None) -> GeneratorConfig:
    """The video generator a recipe asks for, or as much of it as has `scales` spatial scales."""
    m = recipe.model
    foreground: tuple[int, ...] = ()
    if m.foreground and spec.schema is not None:
        foreground = tuple(sorted(label.id for label in spec.schema.classes if label.foreground))
    return GeneratorConfig(
        spec.channels,
        m.past,
        m.width,
        m.downsamplings,
        m.blocks,
        finer=m.finer if scales is None else scales - 1,
        finer_blocks=m.finer_blocks,
        flow=m.flow,
        foreground=foreground,
        kernel=m.kernel,
    )


def image_generator_config(recipe: Recipe, spec: MapSpec) -> ImageGeneratorConfig:
    """The image generator a recipe asks for; of COVST, its stylisation network."""
    m = recipe.model
    return ImageGeneratorConfig(
        spec.channels,
        m.image_width,
        m.image_halvings - m.image_enhancers,
        m.image_blocks,
        "frame",
        m.kernel,
        enhancers=m.image_enhancers,
        enhancer_blocks=m.image_enhancer_blocks,
    )


def covst_config(recipe: Recipe, spec: MapSpec) -> CovstConfig:
    """The baseline a recipe asks for: an image generator, and ``width`` and ``blocks`` for its flow sub-network.

    The mask sub-network, three convolutions, is twice as wide, as `CovstConfig` has it by default.
    """
    m, image = recipe.model, image_generator_config(recipe, spec)
    return CovstConfig(
        spec.channels, image.width, image.downsamplings, image.blocks, m.width, m.blocks, 2 * m.width, "frame", m.kernel
    )


def discriminator_config(shape: DiscriminatorRecipe, channels: int) -> DiscriminatorConfig:
    """A discriminator of the recipe's shape for `channels` inputs."""
    return DiscriminatorConfig(channels, shape.width, shape.layers, shape.scales, "frame", shape.cap)


def start_from_image_generator(generator: Vid2VidGenerator, image_generator: ImageGenerator) -> None:
    """Copy the image generator into the hallucination branch where shapes allow, and make the past whisper.

    The map encoder's first convolution sees K + 1 maps where the image generator's sees one: the copy goes to the
    planes of the current map, and the older ones start at zero.
    """
    coarse = generator.coarse
    mine = coarse.state_dict()
    for key, value in image_generator.state_dict().items():
        if key not in mine:
            continue
        if mine[key].shape == value.shape:
            mine[key] = value
        elif key == "map_encoder.1.weight" and mine[key].shape[0] == value.shape[0]:
            mine[key] = torch.zeros_like(mine[key])
            mine[key][:, -value.shape[1] :] = value
    coarse.load_state_dict(mine)
    for part in coarse.past_encoder.modules() if coarse.has_past else ():
        if isinstance(part, nn.InstanceNorm2d) and part.affine:
            nn.init.constant_(part.weight, PAST_GAIN)


def start_from_coarser(network: Vid2VidGenerator, path: Path) -> None:
    """Load a video generator's weights from a checkpoint's, which may have fewer spatial scales; those are left anew.

    Raises:
        ModelError: the checkpoint has no video generator, or one of another shape.
    """
    _, parts = load_model(path)
    found = parts.get("generator")
    if not isinstance(found, Vid2VidGenerator):
        raise ModelError(f"{path}: has no generator to start from, only {', '.join(parts)}; choose another --start")
    finer = found.config.finer
    if finer > network.config.finer or found.config != replace(network.config, finer=finer):
        raise ModelError(f"{path}: cannot start from its generator: it is {found.config}, not {network.config}")
    for mine, theirs in zip(network.scales, found.scales, strict=False):  # coarsest first
        mine.load_state_dict(theirs.state_dict())


def start_from_stylisation(network: Covst, path: Path) -> None:
    """Load COVST from a checkpoint's, or its stylisation network from the image generator there.

    Raises:
        ModelError: the checkpoint has neither, or one of another shape.
    """
    _, parts = load_model(path)
    if "covst" in parts:
        start_from(network, path, "covst")
    else:
        start_from(network.image_generator, path, "image_generator")
