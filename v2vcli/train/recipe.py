"""Recipes: one TOML file says everything a model was trained with.

Peculiar: every table is strict and frozen. An unknown key names the nearest known one; ``--set a.b=value`` overrides
are applied to the TOML before it is validated, so that they are checked like the rest.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from v2vcli.errors import RecipeError


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRecipe(_Table):
    """What is trained.

    ``maps`` is what the painter is told (ignored by a segmenter); ``width``, ``downsamplings``, ``blocks``, ``kernel``
    are those of `GeneratorConfig`; the image generator gets ``image_width`` and ``image_blocks``.
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
    widths: tuple[int, ...] = (24, 48, 96, 128, 160)


class SourceRecipe(_Table):
    """Where clips come from.

    ``video``: a video, relative to ``data.root``; ``labels``: a folder of PNGs whose pixel values are ids of
    ``schema``, or ``"segmenter:NAME"`` to have a segmenter make them. ``stills``: a folder of pictures that are not
    consecutive. ``world``: a procedural world, with ``seeds`` = [first, last + 1] and ``frames`` of each.
    ``weight``: how often it is drawn, relative to its length. The last ``hold_out`` of a video is never trained on.
    """

    video: str | None = None
    stills: str | None = None
    world: Literal["street", "head"] | None = None
    labels: str | None = None
    schema_name: str | None = Field(default=None, alias="schema")
    hold_out: float = Field(default=0.0, ge=0.0, lt=1.0)
    seeds: tuple[int, int] = (0, 1)
    frames: int = Field(default=12, ge=1)
    weight: float = Field(default=1.0, gt=0.0)


class DataRecipe(_Table):
    """Clips, the size they are loaded at, and the augmentation."""

    root: str = "."
    load_size: tuple[int, int]
    flip: bool = True
    scale: tuple[float, float] = (1.0, 1.0)
    jitter: float = Field(default=0.0, ge=0.0, le=1.0)
    source: tuple[SourceRecipe, ...] = Field(min_length=1)


class LossRecipe(_Table):
    """Weights of the loss terms; see `v2vcli.train.losses` for each."""

    gan: float = 1.0
    feature_matching: float = 10.0
    perceptual: float = 0.0
    perceptual_model: str | None = None
    pixel: float = 0.0
    gradient: float = 0.0
    flow: float = 10.0
    flow_warp: float = 10.0
    frame_warp: float = 10.0
    temporal: float = 1.0


class DiscriminatorRecipe(_Table):
    """Shape of the image and temporal discriminators."""

    width: int = 32
    layers: int = 3
    scales: int = 2
    cap: int = 256


class StageRecipe(_Table):
    """One stretch of training.

    ``kind``: what is trained. ``steps`` optimiser steps of ``batch`` clips. A video stage reads clips of ``frames``
    and steps once per ``chunk`` of them, with its own past fed back from chunk to chunk. ``noise``: standard deviation
    of what is added to past frames. ``rate`` is constant, then falls linearly to zero over the last ``decay`` of the
    stage. ``judged = false`` leaves the discriminators out: pixel and perceptual terms alone lay out a picture several
    times faster than a GAN does, which can then start from it.
    """

    name: str
    kind: Literal["segment", "image", "video"]
    size: tuple[int, int]
    steps: int = Field(ge=1)
    batch: int = Field(default=1, ge=1)
    frames: int = Field(default=1, ge=1)
    chunk: int = Field(default=4, ge=1)
    noise: float = Field(default=0.0, ge=0.0)
    judged: bool = True
    rate: float = Field(default=2e-4, gt=0.0)
    decay: float = Field(default=0.5, ge=0.0, le=1.0)


class Recipe(_Table):
    """A whole recipe."""

    name: str
    seed: int = 0
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
            node = node[int(parent)] if isinstance(node, list) else node.setdefault(parent, {})
        node[int(last) if isinstance(node, list) else last] = value
    except (IndexError, ValueError, TypeError, AttributeError):
        raise RecipeError(f"--set {override}: the recipe has nothing at {key!r}") from None


def _explain(error: ValidationError) -> str:
    # a misspelt key also leaves the right one missing: name the cause
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{where}: {first['msg'].lower()}"
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
