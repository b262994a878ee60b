"""Recipes: one TOML file says everything a model was trained with.

Peculiar: every table is strict and frozen. An unknown key names the nearest known one; ``--set a.b=value`` overrides
are applied to the TOML before it is validated, so that they are checked like the rest.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from v2vcli.errors import RecipeError
from v2vcli.maps.schema import SCHEMAS

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
"""Names become file names."""
Weight = Annotated[float, Field(ge=0.0)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRecipe(_Table):
    """What is trained.

    ``arch`` says what comes out, and has to fit the stages. ``maps`` is what the painter is told (for a segmenter: what
    it gives); ``width``, ``downsamplings``, ``blocks``, ``kernel`` are those of `GeneratorConfig`;
    the image generator gets ``image_width`` and ``image_blocks``.
    """

    arch: Literal["vid2vid", "segmenter"] = "vid2vid"
    maps: Literal["labels", "edges", "rgb"] = "labels"
    schema_name: str | None = Field(default=None, alias="schema")
    foreground: bool = False
    width: int = Field(default=16, ge=1)
    downsamplings: int = Field(default=3, ge=1, le=6)
    blocks: int = Field(default=4, ge=1)
    kernel: Literal[3, 5, 7] = 7
    past: int = Field(default=2, ge=1, le=4)
    image_width: int = Field(default=16, ge=1)
    image_blocks: int = Field(default=4, ge=1)
    widths: tuple[PositiveInt, ...] = Field(default=(24, 48, 96, 128, 160), min_length=2)

    @model_validator(mode="after")
    def _labels_have_a_schema(self) -> Self:
        if self.maps != "labels" and (self.schema_name is not None or self.foreground):
            raise ValueError(f"schema and foreground belong to label maps, not to {self.maps!r} maps")
        if self.schema_name is not None and self.schema_name not in SCHEMAS:
            raise ValueError(f"schema {self.schema_name!r} is not one of {', '.join(SCHEMAS)}")
        return self


class SourceRecipe(_Table):
    """Where clips come from.

    ``video``: a video, relative to ``data.root``; ``labels``: a folder of PNGs whose pixel values are ids of
    ``schema``, or ``"segmenter:NAME"`` to have a segmenter make them; ``control``: for ``rgb`` maps, a video in step
    with it. ``stills``: a folder of pictures that are not consecutive.
    ``world``: a procedural world, with ``seeds`` = [first, last + 1] and ``frames`` of each.
    ``weight``: how often it is drawn, relative to its length. The last ``hold_out`` of a video is never trained on.
    """

    video: str | None = None
    stills: str | None = None
    world: Literal["street", "head"] | None = None
    labels: str | None = None
    control: str | None = None
    schema_name: str | None = Field(default=None, alias="schema")
    hold_out: float = Field(default=0.0, ge=0.0, lt=1.0)
    seeds: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] = (0, 1)
    frames: int = Field(default=12, ge=1)
    weight: float = Field(default=1.0, gt=0.0)

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if sum(each is not None for each in (self.video, self.stills, self.world)) != 1:
            raise ValueError("a source is one of video, stills, world")
        if self.seeds[0] >= self.seeds[1]:
            raise ValueError(f"seeds are [first, last + 1]; {list(self.seeds)} names none")
        return self


class DataRecipe(_Table):
    """Clips, the size they are loaded at, and the augmentation."""

    root: str = "."
    load_size: tuple[PositiveInt, PositiveInt]
    flip: bool = True
    scale: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (1.0, 1.0)
    jitter: float = Field(default=0.0, ge=0.0, le=1.0)
    source: tuple[SourceRecipe, ...] = Field(min_length=1)


class LossRecipe(_Table):
    """Weights of the loss terms; see `v2vcli.train.losses` for each.

    ``form`` is that of the GAN. ``perceptual_model`` is ``"vgg19"`` or a segmenter, by name or path;
    ``perceptual_fallback`` the segmenter to take where VGG-19's weights are not to be had: without it that is an error.
    ``imagenet_input = false`` feeds VGG as the reference does, see `v2vcli.train.perceptual`.
    """

    form: Literal["lsgan", "hinge"] = "lsgan"
    gan: Weight = 1.0
    feature_matching: Weight = 10.0
    perceptual: Weight = 0.0
    perceptual_model: str | None = None
    perceptual_fallback: str | None = None
    imagenet_input: bool = True
    pixel: Weight = 0.0
    gradient: Weight = 0.0
    flow: Weight = 10.0
    flow_warp: Weight = 10.0
    frame_warp: Weight = 10.0
    temporal: Weight = 1.0

    @model_validator(mode="after")
    def _perceptual_has_a_model(self) -> Self:
        if self.perceptual > 0 and self.perceptual_model is None:
            raise ValueError('perceptual needs a perceptual_model: "vgg19", or a segmenter by name or path')
        return self


class DiscriminatorRecipe(_Table):
    """Shape of the image and temporal discriminators."""

    width: PositiveInt = 32
    layers: PositiveInt = 3
    scales: PositiveInt = 2
    cap: PositiveInt = 256


class StageRecipe(_Table):
    """One stretch of training.

    ``kind``: what is trained. ``steps`` optimiser steps of ``batch`` clips. A video stage reads clips of ``frames``
    and steps once per ``chunk`` of them, with its own past fed back from chunk to chunk. ``noise``: standard deviation
    of what is added to past frames. ``rate`` is constant, then falls linearly to zero over the last ``decay`` of the
    stage. ``judged = false`` leaves the discriminators out: pixel and perceptual terms alone lay out a picture several
    times faster than a GAN does, which can then start from it.
    """

    name: str = Field(pattern=NAME)
    kind: Literal["segment", "image", "video"]
    size: tuple[PositiveInt, PositiveInt]
    steps: int = Field(ge=1)
    batch: int = Field(default=1, ge=1)
    frames: int = Field(default=1, ge=1)
    chunk: int = Field(default=4, ge=1)
    noise: float = Field(default=0.0, ge=0.0)
    judged: bool = True
    rate: float = Field(default=2e-4, gt=0.0)
    decay: float = Field(default=0.5, ge=0.0, le=1.0)

    @model_validator(mode="after")
    def _video_has_frames(self) -> Self:
        if self.kind == "video" and self.frames < 2:
            raise ValueError("a video stage reads clips of at least 2 frames: set frames")
        return self


class Recipe(_Table):
    """A whole recipe."""

    name: str = Field(pattern=NAME)
    seed: int = Field(default=0, ge=0)
    licence: str = "Apache-2.0"
    about: str = ""
    data_note: str = ""
    model: ModelRecipe = ModelRecipe()
    data: DataRecipe
    losses: LossRecipe = LossRecipe()
    discriminator: DiscriminatorRecipe = DiscriminatorRecipe()
    ema: float = Field(default=0.999, ge=0.0, lt=1.0)
    save_every: int = Field(default=200, ge=1)
    stage: tuple[StageRecipe, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        model, segments = self.model, [stage.kind == "segment" for stage in self.stage]
        if any(segments) != (model.arch == "segmenter") or any(segments) != all(segments):
            raise ValueError(f"model.arch {model.arch!r} does not fit stages of kind {[s.kind for s in self.stage]}")
        multiple = 2 if model.arch == "segmenter" else 1 << model.downsamplings
        for stage in self.stage:
            if any(side > room for side, room in zip(stage.size, self.data.load_size, strict=True)):
                raise ValueError(
                    f"stage {stage.name!r}: size {stage.size} is larger than load_size {self.data.load_size}"
                )
            if any(side % multiple for side in stage.size):
                raise ValueError(
                    f"stage {stage.name!r}: the sides of size {stage.size} must be multiples of {multiple}"
                )
        for source in self.data.source:
            if model.maps == "labels" and source.world == "head":
                raise ValueError("the world 'head' has no labels; train on its edges: model.maps = \"edges\"")
            if model.maps == "rgb" and (source.video is None or source.control is None):
                raise ValueError("rgb maps come from a control video: each source needs video and control")
        return self


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        path: the TOML file.
        overrides: ``"data.root=/videos"``, values in TOML notation or bare strings;
            ``stage.0.steps=100`` reaches into lists.

    Raises:
        RecipeError: missing file, broken TOML, unknown key (names the nearest), impossible value.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise RecipeError(
            f"{path}: cannot read the recipe ({error.strerror}); `ls recipes` shows those we ship"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML: {error}") from None
    for override in overrides:
        _override(values, override)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{path}: {_explain(error)}") from None


def _override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator:
        raise RecipeError(f"--set {override}: write it as KEY=VALUE, as in --set data.root=/videos")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string, as a shell user expects
    *parents, last = key.strip().split(".")
    node: Any = values
    try:
        for parent in parents:
            node = node[_index(parent)] if isinstance(node, list) else node.setdefault(parent, {})
        node[_index(last) if isinstance(node, list) else last] = value
    except (IndexError, ValueError, TypeError, AttributeError):
        raise RecipeError(f"--set {override}: the recipe has nothing at {key!r}") from None


def _index(text: str) -> int:
    if not text.isdecimal():  # a negative one would quietly mean another entry
        raise ValueError(text)
    return int(text)


def _explain(error: ValidationError) -> str:
    # a misspelt key also leaves the right one missing: name the cause
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        says = first["msg"].removeprefix("Value error, ")
        return f"{where}: {says}" if where else says
    table: Any = Recipe
    for part in first["loc"][:-1]:
        if isinstance(part, int):
            continue
        annotation = table.model_fields[part].annotation
        table = next((kind for kind in (annotation, *get_args(annotation)) if hasattr(kind, "model_fields")), table)
    known = [field.alias or name for name, field in table.model_fields.items()]
    near = difflib.get_close_matches(str(first["loc"][-1]), known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
    return f"unknown key {where!r}; {hint}"
