"""From a recipe's stage to the task that trains it, with the clips that it draws from.

Peculiar: clips are loaded once for each size that they are loaded at, and shared by the stages that follow one another
at that size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import torch

from v2vcli.engine.makers import load_segmenter
from v2vcli.errors import RecipeError
from v2vcli.maps.makers.edges import CannyExtractor
from v2vcli.maps.makers.extractors import MapExtractor
from v2vcli.maps.schema import SCHEMAS
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train.batches import Sampler
from v2vcli.train.clips import load_clips
from v2vcli.train.distributed import World
from v2vcli.train.footage import Footage, MapMaker, Pictures, Size
from v2vcli.train.painting import ImageTask, VideoTask
from v2vcli.train.recipe import Recipe, StageRecipe
from v2vcli.train.segmentation import SegmentTask
from v2vcli.train.stage_schedule import StageSchedule
from v2vcli.train.task import Task


class StageTasks:
    """Makes the task of each stage of one recipe."""

    def __init__(self, recipe: Recipe, device: torch.device, world: World, report: Callable[[str], None]) -> None:
        """Nothing is loaded yet; `report` will be told a line per source."""
        self.recipe, self.device, self.world, self.report = recipe, device, world, report
        self.spec = map_spec(recipe)
        self._clips: tuple[Size, list[Footage]] | None = None
        self._sampler: Sampler | None = None

    def of(self, number: int, stage: StageRecipe, start: Path | None) -> tuple[Task, StageSchedule]:
        """The task of stage `number`, from the checkpoint `start` or anew, and its draws.

        Raises:
            RecipeError: data missing, or not what the stage needs.
            ModelError: `start` does not fit.
        """
        self.close()
        self._sampler = sampler = Sampler(
            self._loaded(self.recipe.load_size_of(stage)),
            self.recipe.data,
            stage,
            (self.recipe.seed, number),
            past=self.recipe.model.past,
            world=self.world,
            report=self.report,
        )
        return self._task(stage, sampler, start), sampler.schedule

    def _task(self, stage: StageRecipe, sampler: Sampler, start: Path | None) -> Task:
        match stage.kind:
            case "segment":
                return SegmentTask(self.recipe, stage, sampler, self.device, start)
            case "image":
                return ImageTask(self.recipe, stage, sampler, self.spec, self.device, start)
            case "video":
                return VideoTask(self.recipe, stage, sampler, self.spec, self.device, start, self.world)

    def close(self) -> None:
        """End the processes that prepare clips; safe to call twice."""
        if self._sampler is not None:
            self._sampler.close()
            self._sampler = None

    def _loaded(self, load_size: Size) -> list[Footage]:
        if self._clips is None or self._clips[0] != load_size:
            self._clips = None  # both sizes at once would need twice the memory
            clips = load_clips(
                self.recipe.data,
                self.spec,
                self._maker,
                with_flow=any(stage.kind == "video" for stage in self.recipe.stage),
                report=self.report,
                load_size=load_size,
            )
            self._clips = (load_size, clips)
        return self._clips[1]

    def _maker(self, name: str) -> MapMaker:
        if name == "edges":
            return CannyExtractor().extract
        kind, _, model = name.partition(":")
        if kind != "segmenter":
            raise RecipeError(f"nothing makes {name!r} maps; known: edges, segmenter:MODEL")

        @cache
        def extractor(width: int, height: int) -> MapExtractor:
            return load_segmenter(model, self.device, (width, height))

        def make(images: Sequence[Pictures], size: tuple[int, int]) -> list[MapFrame]:
            return extractor(*images[0].shape[1::-1]).extract(images, size)

        return make


def map_spec(recipe: Recipe) -> MapSpec:
    """What the recipe's model is painted from (for a segmenter: what it gives)."""
    if recipe.model.maps != "labels":
        return MapSpec(recipe.model.maps)
    name = recipe.model.schema_name or "cityscapes19"
    if name not in SCHEMAS:
        raise RecipeError(f"model.schema is {name!r}; known: {', '.join(SCHEMAS)}")
    return MapSpec("labels", schema=SCHEMAS[name], instance_edges=recipe.model.instance_edges)
