"""What a recipe would do: its stages, networks and memory, without reading data or training anything (``--dry-run``).

Peculiar: memory is what `v2vcli.train.rehearsal` finds, per process. How many steps an epoch has is known only once the
data is there, so that stages in epochs say epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from v2vcli.errors import RecipeError
from v2vcli.train.recipe import Recipe, StageRecipe
from v2vcli.train.rehearsal import StepNeeds, rehearse
from v2vcli.train.stage_schedule import StageSchedule
from v2vcli.train.stage_tasks import map_spec

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class StagePlan:
    """One stage.

    Attributes:
        name, kind, size: the recipe's.
        length: "4000 steps", "20 epochs".
        batch: clips per step of each process.
        frames: read of each clip, at first and at last.
        chunk: frames between two steps of the optimisers, at first and at last.
        scales: of the painter.
        rate: at first and at last; epochs and draws between them are the schedule's.
        parameters: trained ones, network by network.
        weights: bytes of weights, per process.
        memory: bytes in all, per process.
    """

    name: str
    kind: str
    size: tuple[int, int]
    length: str
    batch: int
    frames: tuple[int, int]
    chunk: tuple[int, int]
    scales: int
    rate: tuple[float, float]
    parameters: dict[str, int]
    weights: int
    memory: int


@dataclass(frozen=True)
class Plan:
    """A whole recipe, and how many processes share its batches."""

    WIDTH: ClassVar[int] = 120
    """Columns that the tables want."""
    recipe: Recipe
    processes: int
    stages: Sequence[StagePlan]

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return {
            "recipe": self.recipe.model_dump(mode="json", by_alias=True),
            "processes": self.processes,
            "stages": [asdict(stage) for stage in self.stages],
        }

    def table(self) -> Table:
        """A rich table of the stages."""
        from rich.table import Table

        each = "" if self.processes == 1 else f", each of {self.processes} processes"
        table = Table(title=f"{self.recipe.name}: stages{each}", title_justify="left")
        table.add_column("stage", no_wrap=True)
        for heading in ("size", "length", "batch", "frames", "chunk", "scales", "rate", "parameters", "memory"):
            table.add_column(heading, justify="right", no_wrap=True)
        for stage in self.stages:
            video = stage.kind == "video"
            table.add_row(
                stage.name,
                "x".join(map(str, stage.size)),
                stage.length,
                str(stage.batch),
                _from_to(stage.frames),
                _from_to(stage.chunk) if video else "",
                str(stage.scales) if video else "",
                f"{stage.rate[0]:g}",
                f"{sum(stage.parameters.values()) / 1e6:,.1f} M",
                amount(stage.memory),
            )
        return table

    def networks(self) -> Table:
        """A rich table of what each stage trains: parameters, network by network."""
        from rich.table import Table

        table = Table(title="parameters that are trained", title_justify="left")
        table.add_column("stage", no_wrap=True)
        names = list(dict.fromkeys(name for stage in self.stages for name in stage.parameters))
        for name in names:
            table.add_column(name, justify="right")
        for stage in self.stages:
            table.add_row(
                stage.name, *(f"{stage.parameters[name]:,}" if name in stage.parameters else "" for name in names)
            )
        return table


def plan(recipe: Recipe, *, processes: int = 1) -> Plan:
    """Lay a recipe out.

    Args:
        recipe: the recipe.
        processes: so many share each batch.

    Raises:
        RecipeError: a batch cannot be shared evenly.
        ModelError: a segmenter that the recipe names is not there.
    """
    for stage in recipe.stage:
        if stage.batch % processes:
            raise RecipeError(
                f"stage {stage.name!r}: a batch of {stage.batch} cannot be divided among {processes} processes"
            )
    spec = map_spec(recipe)
    needs = [rehearse(recipe, stage, spec, processes=processes) for stage in recipe.stage]
    stages = [_planned(recipe, stage, processes, each) for stage, each in zip(recipe.stage, needs, strict=True)]
    return Plan(recipe, processes, stages)


def _planned(recipe: Recipe, stage: StageRecipe, processes: int, needs: StepNeeds) -> StagePlan:
    schedule = StageSchedule(stage, past=recipe.model.past, windows=stage.batch)
    first, last = schedule.at(0), schedule.at(schedule.steps - 1)
    return StagePlan(
        name=stage.name,
        kind=stage.kind,
        size=stage.size,
        length=f"{stage.length:,} {stage.unit.replace('frames_seen', 'frames')}",
        batch=stage.batch // processes,
        frames=(first.frames, last.frames),
        chunk=(first.chunk, last.chunk),
        scales=recipe.scales_of(stage) if stage.kind == "video" else 1,
        rate=(first.rate, last.rate),
        parameters=dict(needs.parameters),
        weights=needs.weights,
        memory=needs.memory,
    )


def _from_to(values: tuple[int, int]) -> str:
    return str(values[0]) if values[0] == values[1] else f"{values[0]} to {values[1]}"


def amount(size: int) -> str:
    """Bytes, readable."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
