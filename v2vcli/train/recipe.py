"""Recipes: one TOML file says everything a model was trained with. What is not a stage is in `recipe_tables`.

Peculiar: every table is strict and frozen. An unknown key names the nearest known one; ``--set a.b=value`` overrides
are applied to the TOML before it is validated, so that they are checked like the rest.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import Field, ValidationError, model_validator

from v2vcli.errors import RecipeError
from v2vcli.train.recipe_tables import (
    DataRecipe,
    DiscriminatorRecipe,
    LogRecipe,
    LossRecipe,
    ModelRecipe,
    OptimiserRecipe,
    PrecisionRecipe,
    RecipeTable,
    Size,
    SourceRecipe,
)
from v2vcli.train.schedule import LONGEST

__all__ = [
    "DataRecipe",
    "DiscriminatorRecipe",
    "LogRecipe",
    "LossRecipe",
    "ModelRecipe",
    "OptimiserRecipe",
    "PrecisionRecipe",
    "Recipe",
    "SourceRecipe",
    "StageRecipe",
    "load_recipe",
]

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
"""Names become file names."""
UNITS = ("steps", "epochs", "frames_seen")
"""What the length of a stage may be given in."""
KINDS = {"vid2vid": ("image", "video"), "pix2pixHD": ("image",), "covst": ("image", "video"), "segmenter": ("segment",)}
"""Kinds of stages that each architecture is trained in."""


class StageRecipe(RecipeTable):
    """One stretch of training.

    A step is one draw of data: ``batch`` clips of ``frames`` frames, or as many single frames. A video stage paints
    them with its own past fed back, but for those that a clip starts from, and steps its optimisers every ``chunk``.

    Exactly one of ``steps``, ``epochs``, ``frames_seen`` says how long the stage is, and ``grow_every`` and
    ``finest_alone`` are in that unit too. What an epoch is depends on the source: see `v2vcli.train.stage_schedule`.
    """

    name: str = Field(pattern=NAME, description="becomes part of file names")
    kind: Literal["segment", "image", "video"] = Field(description="what is trained")
    size: Size = Field(description="(width, height) that is cut from load_size and trained at")
    load_size: Size | None = Field(
        default=None, description="in place of data.load_size; a coarse stage wants smaller frames"
    )
    steps: int = Field(default=0, ge=0, description="length of the stage in draws of data; a batch each")
    epochs: int = Field(default=0, ge=0, description="length of the stage in passes over the data")
    frames_seen: int = Field(
        default=0, ge=0, description="length of the stage in frames read, of all clips of all batches"
    )
    batch: int = Field(default=1, ge=1, description="clips per step, over all processes together")
    frames: int = Field(default=1, ge=1, description="frames read of each clip at first, those it starts from included")
    grow_every: int = Field(
        default=0, ge=0, description="after every so much of the stage, clips get twice as long; 0: never"
    )
    longest: int = Field(
        default=LONGEST, ge=2, description="clips that grow get no longer than this, nor than the longest shot"
    )
    chunk: int = Field(default=4, ge=1, description="frames painted between two steps of the optimisers")
    backprop: int = Field(
        default=1, ge=1, description="painted frames that gradients flow back through; 1: not through time"
    )
    scales: int | None = Field(default=None, ge=1, description="scales that are trained and painted; without it, all")
    finest_alone: int = Field(default=0, ge=0, description="for so much of the stage, coarser scales are not trained")
    start: Literal["painted", "real", "blank"] = Field(
        default="painted",
        description="what clips start from: a frame of the image generator, real frames as in the reference, or "
        "nothing, so that no image generator is needed; of the last two, as many frames as model.past are not painted",
    )
    noise: float = Field(default=0.0, ge=0.0, description="standard deviation of what is added to past frames")
    judged: bool = Field(
        default=True,
        description="false leaves discriminators out: a picture is laid out faster, for a GAN to start from",
    )
    rate: float = Field(default=2e-4, gt=0.0, description="learning rate, before it falls")
    decay: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description="share of the stage at its end, over which the rate falls linearly to zero",
    )
    discriminator: DiscriminatorRecipe | None = Field(default=None, description="in place of the recipe's")

    @model_validator(mode="after")
    def _numbers_fit(self) -> Self:
        if sum(getattr(self, unit) > 0 for unit in UNITS) != 1:
            raise ValueError(f"exactly one of {', '.join(UNITS)} says how long a stage is")
        if self.kind == "video" and self.frames < 2:
            raise ValueError("a video stage reads clips of at least 2 frames: set frames")
        if self.kind != "video" and (self.grow_every or self.finest_alone or self.scales):
            raise ValueError("grow_every, finest_alone, scales belong to video stages")
        if self.backprop > self.chunk:
            raise ValueError(f"backprop {self.backprop} is more than a chunk of {self.chunk} frames has")
        return self

    @property
    def unit(self) -> str:
        """What the length is given in: one of `UNITS`."""
        return next(unit for unit in UNITS if getattr(self, unit) > 0)

    @property
    def length(self) -> int:
        """The length, in `unit`."""
        return int(getattr(self, self.unit))


class Recipe(RecipeTable):
    """A whole recipe."""

    name: str = Field(pattern=NAME, description="of the model, and of the run's folder")
    seed: int = Field(default=0, ge=0, description="of everything that is drawn at random")
    licence: str = Field(default="Apache-2.0", description="of the weights, for their card")
    about: str = Field(default="", description="what the model does, for its card")
    data_note: str = Field(default="", description="what the data was, for its card")
    model: ModelRecipe = Field(default=ModelRecipe(), description="what is trained")
    data: DataRecipe = Field(description="clips, and what is done to them")
    losses: LossRecipe = Field(default=LossRecipe(), description="weights of the loss terms")
    discriminator: DiscriminatorRecipe = Field(default=DiscriminatorRecipe(), description="shape of the discriminators")
    optimiser: OptimiserRecipe = Field(default=OptimiserRecipe(), description="Adam's settings")
    precision: PrecisionRecipe = Field(default=PrecisionRecipe(), description="number formats and memory layout")
    log: LogRecipe = Field(default=LogRecipe(), description="what is written down")
    ema: float = Field(
        default=0.999, ge=0.0, lt=1.0, description="weights that are published: decay of their running mean"
    )
    save_every: int = Field(default=200, ge=1, description="steps between two savings of the state")
    stage: tuple[StageRecipe, ...] = Field(min_length=1, description="stretches of training, one table each, in order")

    @model_validator(mode="after")
    def _stages_fit(self) -> Self:
        for stage in self.stage:
            where = f"stage {stage.name!r}"
            if self.discriminator_of(stage).face and self.model.maps != "pose":
                raise ValueError(
                    f"{where}: discriminator.face finds faces in pose maps, not in {self.model.maps!r} maps"
                )
            if stage.kind not in KINDS[self.model.arch]:
                kinds = [each.kind for each in self.stage]
                raise ValueError(f"model.arch {self.model.arch!r} does not fit stages of kind {kinds}")
            if stage.kind == "video" and stage.start != "painted" and self.model.past == 0:
                raise ValueError(f'{where}: with model.past 0 nothing is looked back at: leave start at "painted"')
            if stage.kind == "video" and stage.start != "painted" and stage.frames <= self.model.past:
                raise ValueError(f"{where}: the first {self.model.past} frames are not painted: set frames to more")
            load_size = self.load_size_of(stage)
            if any(side > room for side, room in zip(stage.size, load_size, strict=True)):
                raise ValueError(f"{where}: size {stage.size} is larger than load_size {load_size}")
            if stage.scales is not None and stage.scales > self.model.finer + 1:
                raise ValueError(f"{where}: scales {stage.scales}, but model.finer {self.model.finer} makes one less")
            multiple = self.multiple_of(stage)
            if any(side % multiple for side in stage.size):
                raise ValueError(f"{where}: the sides of size {stage.size} must be multiples of {multiple}")
        return self

    @model_validator(mode="after")
    def _sources_fit(self) -> Self:
        maps = self.model.maps
        for source in self.data.source:
            if maps == "labels" and source.world == "head":
                raise ValueError("the world 'head' has no labels; train on its edges: model.maps = \"edges\"")
            if maps == "rgb" and (source.video is None or source.control is None) and source.layout is None:
                raise ValueError("rgb maps come from a control video: each source needs video and control, or layout")
            if maps in ("face", "pose") and source.layout is None and (maps, source.world) != ("face", "head"):
                raise ValueError(f"{maps} maps are drawn from stored keypoints: each source needs to be a layout")
        return self

    @property
    def needs_start(self) -> bool:
        """Whether the first stage paints from an image generator that no stage has trained; COVST has its own."""
        first = self.stage[0]
        return first.kind == "video" and first.start == "painted" and self.model.arch != "covst"

    def load_size_of(self, stage: StageRecipe) -> Size:
        """(width, height) that a stage's frames are scaled to."""
        return stage.load_size or self.data.load_size

    def discriminator_of(self, stage: StageRecipe) -> DiscriminatorRecipe:
        """Shape of a stage's discriminators."""
        return stage.discriminator or self.discriminator

    def scales_of(self, stage: StageRecipe) -> int:
        """Scales of the video generator that a stage trains and paints with."""
        return stage.scales or self.model.finer + 1

    def multiple_of(self, stage: StageRecipe) -> int:
        """Sides of a stage's size must be multiples of this: its networks halve them so often."""
        if stage.kind == "segment":
            return 2
        image = 1 << self.model.image_halvings
        if stage.kind == "image":
            return image
        return max(image, 1 << (self.model.downsamplings + self.scales_of(stage) - 1))


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
