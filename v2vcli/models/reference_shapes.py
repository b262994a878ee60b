"""Which network a reference file holds, told from the names and shapes of its tensors alone.

Such files carry no configuration. Peculiar: only as much is read as fixes a configuration; whether every tensor then
fits is for `reference_import` to check, key by key, so a guess made from a damaged file is found out there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from v2vcli.errors import ModelError
from v2vcli.models.feature_encoder import FeatureEncoderConfig
from v2vcli.models.generator import GeneratorConfig
from v2vcli.models.image_generator import ImageGeneratorConfig
from v2vcli.models.layers import Norm
from v2vcli.models.reference_file import StateFile

Role: TypeAlias = Literal["coarse", "finer", "image", "encoder"]
"""A generator at the coarsest scale or at a finer one, the generator of first frames, its feature encoder."""

_DISCRIMINATOR = re.compile(r"(scale\d+_)?layer\d+\.")


class Branch:
    """One ``Sequential`` of a reference file, as far as shapes go.

    Attributes:
        convolutions: index -> shape of the weight.
        blocks: number of residual blocks, one after the other.
        last: the highest index of all; -1 where nothing is.
        learns: whether its norms have a scale and a shift.
    """

    def __init__(self, file: StateFile, name: str) -> None:
        own = {
            key.removeprefix(f"{name}."): value.shape
            for key, value in file.tensors.items()
            if key.startswith(f"{name}.")
        }
        self.convolutions = {
            int(match[1]): tuple(shape)
            for key, shape in own.items()
            if (match := re.fullmatch(r"(\d{1,3})\.weight", key)) and len(shape) == 4
        }
        self.last = max((int(match[0]) for key in own if (match := re.match(r"\d{1,3}(?=\.)", key))), default=-1)
        blocks = {int(match[1]) for key in own if (match := re.match(r"(\d{1,3})\.conv_block\.", key))}
        first = min(blocks, default=0)
        self.blocks = next(n for n in range(len(blocks) + 1) if first + n not in blocks)
        self.learns = any(
            re.fullmatch(r"\d+\.(conv_block\.\d+\.)?weight", key) and len(shape) == 1 for key, shape in own.items()
        )

    def __bool__(self) -> bool:
        return self.last >= 0

    @property
    def norm(self) -> Norm:
        """How it normalises; both with the statistics of the frame, as the reference does when it paints."""
        return "frame" if self.learns else "instance"


def role_of(file: StateFile) -> Role:
    """What a file is for.

    Raises:
        ModelError: it holds no generator or encoder of the reference.
    """
    if maps := Branch(file, "model_down_seg"):
        return "coarse" if maps.blocks else "finer"  # a finer scale has its residual blocks elsewhere
    if Branch(file, "model_downsample"):
        return "image"
    if whole := Branch(file, "model"):
        return "image" if whole.blocks else "encoder"
    if any(_DISCRIMINATOR.match(key) for key in file.tensors):
        raise ModelError(f"{file.path}: holds a discriminator; only what paints is imported")
    raise ModelError(
        f"{file.path}: {next(iter(file.tensors))!r} belongs to no generator of vid2vid or pix2pixHD; check the path"
    )


def first_convolution(file: StateFile, name: str) -> tuple[int, ...]:
    """Shape of the weight with which a branch begins: outputs, inputs, kernel, kernel.

    Raises:
        ModelError: it is not there, or not of four dimensions.
    """
    shape = Branch(file, name).convolutions.get(1)
    if shape is None or 0 in shape:
        raise ModelError(f"{file.path}: {name}.1.weight, a convolution, is missing or empty; is the file whole?")
    return shape


def past_frames(file: StateFile) -> int:
    """How many painted frames a generator looks at.

    Raises:
        ModelError: no whole number of RGB frames.
    """
    channels = first_convolution(file, "model_down_img")[1]
    if channels == 0 or channels % 3:
        raise ModelError(f"{file.path}: model_down_img.1.weight reads {channels} channels, not a number of RGB frames")
    return channels // 3


def map_channels(file: StateFile) -> int:
    """Channels of one frame's map that a generator reads.

    Raises:
        ModelError: not as many for each frame.
    """
    frames, stacked = past_frames(file) + 1, first_convolution(file, "model_down_seg")[1]
    if stacked == 0 or stacked % frames:
        raise ModelError(
            f"{file.path}: model_down_seg.1.weight reads {stacked} channels, not a map for each of {frames} frames"
        )
    return stacked // frames


def in_order(files: Sequence[StateFile]) -> list[StateFile]:
    """The generators of a chain, coarsest first; each is told by its width, which halves from scale to scale.

    Raises:
        ModelError: a scale is missing, or there twice.
    """
    coarse = [file for file in files if role_of(file) == "coarse"]
    finer = [file for file in files if role_of(file) == "finer"]
    if len(coarse) != 1:
        found = f"two: {coarse[0].path} and {coarse[1].path}" if coarse else f"only {finer[0].path}, a finer one"
        raise ModelError(f"a chain has one coarsest generator (latest_net_G0.pth), but there is {found}")
    widths = {file: first_convolution(file, "model_down_seg")[0] for file in (*coarse, *finer)}
    ordered = [*coarse, *sorted(finer, key=lambda file: -widths[file])]
    for s, file in enumerate(ordered):
        if widths[file] != (due := widths[coarse[0]] >> s):
            raise ModelError(
                f"{file.path}: has {widths[file]} channels; scale {s} on top of {coarse[0].path} has {due}. "
                f"Is latest_net_G{s}.pth missing, or a file given twice?"
            )
    return ordered


def chain_config(ordered: Sequence[StateFile], foreground: tuple[int, ...]) -> GeneratorConfig:
    """The configuration of a chain.

    Args:
        ordered: its files, coarsest first.
        foreground: map channels that are foreground, if it has that branch.

    Raises:
        ModelError: no configuration gives such shapes.
    """
    coarse = ordered[0]
    width, _, kernel, _ = first_convolution(coarse, "model_down_seg")
    maps, decoder = Branch(coarse, "model_down_seg"), Branch(coarse, "model_up_img")
    foreground_width = first_convolution(coarse, "indv_down")[0] if has_foreground(coarse) else None
    try:
        return GeneratorConfig(
            map_channels=map_channels(coarse),
            past=past_frames(coarse),
            width=width,
            downsamplings=decoder.last // 3 + 1,  # convolution, norm, ReLU
            blocks=maps.blocks + Branch(coarse, "model_res_img").blocks,
            finer=len(ordered) - 1,
            finer_blocks=Branch(ordered[1], "model_up_img").blocks if len(ordered) > 1 else 3,
            foreground_width=foreground_width,
            flow=bool(Branch(coarse, "model_final_flow")),
            foreground=foreground,
            norm=maps.norm,
            kernel=kernel,
        )
    except ValueError as error:
        raise ModelError(f"{coarse.path}: its tensors fit no generator: {error}") from None


def has_foreground(file: StateFile) -> bool:
    """Whether a generator paints the foreground apart."""
    return bool(Branch(file, "indv_down"))


def image_config(file: StateFile, shown: int) -> ImageGeneratorConfig:
    """The configuration of an image generator.

    Args:
        file: its file.
        shown: channels of the map it is shown; whatever else it reads are features.

    Raises:
        ModelError: no configuration gives such shapes.
    """
    entrance = "model_downsample" if features_within(file) else "model"
    width, inputs, kernel, _ = first_convolution(file, entrance)
    main = Branch(file, entrance)
    enhancers = 0
    while Branch(file, f"model{enhancers + 1}_1"):
        enhancers += 1
    if features_within(file):
        downsamplings, blocks = (main.last - 1) // 3, Branch(file, "model_resnet").blocks
    else:  # in a row: entrance, halvings, blocks, doublings, and the head where no enhancer has it
        downsamplings, blocks = (main.last - main.blocks - (1 if enhancers else 5)) // 6, main.blocks
    try:
        full = width << downsamplings
        deepest = main.convolutions.get(1 + 3 * downsamplings, (full,))[0]
        return ImageGeneratorConfig(
            map_channels=shown,
            width=width,
            downsamplings=downsamplings,
            blocks=blocks,
            norm=main.norm,
            kernel=kernel,
            features=inputs - shown,
            enhancers=enhancers,
            enhancer_blocks=Branch(file, "model1_2").blocks if enhancers else 3,
            max_width=deepest if deepest < full else None,
            features_within=features_within(file) or inputs == shown,
        )
    except ValueError as error:
        raise ModelError(f"{file.path}: its tensors fit no image generator: {error}") from None


def features_within(file: StateFile) -> bool:
    """Whether an image generator is of vid2vid's kind that is shown features inside, too."""
    return bool(Branch(file, "model_downsample"))


def image_channels(file: StateFile) -> int:
    """Channels that an image generator reads: those of the map, and of features where it is shown any."""
    return first_convolution(file, "model_downsample" if features_within(file) else "model")[1]


def inner_features(file: StateFile) -> int:
    """Channels of the features that an image generator of vid2vid's kind is shown; 0 for every other."""
    if not features_within(file):
        return 0
    first_convolution(file, "model_downsample")
    down, up = Branch(file, "model_downsample").convolutions, Branch(file, "model_upsample").convolutions
    return max(0, up.get(0, (0,))[0] - down[max(down)][0]) // 2  # they come in twice around the trunk


def encoder_config(file: StateFile) -> FeatureEncoderConfig:
    """The configuration of a feature encoder.

    Raises:
        ModelError: no configuration gives such shapes.
    """
    width, _, kernel, _ = first_convolution(file, "model")
    main = Branch(file, "model")
    try:
        return FeatureEncoderConfig(
            features=main.convolutions[max(main.convolutions)][0],
            width=width,
            downsamplings=(main.last - 5) // 6,
            norm=main.norm,
            kernel=kernel,
        )
    except ValueError as error:
        raise ModelError(f"{file.path}: its tensors fit no feature encoder: {error}") from None
