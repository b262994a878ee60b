"""What --dry-run says: of every recipe we ship, and of numbers that can be checked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from v2vcli.errors import RecipeError
from v2vcli.train.plan import amount, plan
from v2vcli.train.recipe import Recipe, load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
SHIPPED = [
    pytest.param(path.stem, marks=[] if path.stem == "tiny" else [pytest.mark.slow], id=path.stem)
    for path in sorted(RECIPES.glob("*.toml"))
]


def shown(recipe: Recipe) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(plan(recipe).table())
    return console.export_text()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_can_be_planned(name: str) -> None:
    recipe = load_recipe(RECIPES / f"{name}.toml")
    found = plan(recipe)
    assert [stage.name for stage in found.stages] == [stage.name for stage in recipe.stage]
    for stage in found.stages:
        assert stage.memory > stage.weights > 4 * sum(stage.parameters.values())
    assert json.loads(json.dumps(found.as_dict()))["recipe"]["name"] == name


def test_the_table_says_what_the_recipe_says() -> None:
    lines = shown(load_recipe(RECIPES / "tiny.toml", ["stage.1.frames=3", "stage.1.grow_every=30"])).splitlines()
    layout, video = (next(line for line in lines if f" {name} " in line) for name in ("layout", "video"))
    assert [cell.strip() for cell in layout.split("│")][1:6] == ["layout", "96x48", "400 steps", "4", "1"]
    assert [cell.strip() for cell in video.split("│")][1:9] == [
        "video", "96x48", "120 steps", "2", "3 to 17", "2 to 4", "1", "0.0002",
    ]  # fmt: skip


def test_processes_share_the_batch_and_its_memory() -> None:
    recipe = load_recipe(RECIPES / "tiny.toml")
    alone, shared = plan(recipe), plan(recipe, processes=2)
    assert [stage.batch for stage in shared.stages] == [2, 1]
    assert all(mine.memory < whole.memory for mine, whole in zip(shared.stages, alone.stages, strict=True))
    with pytest.raises(RecipeError, match="stage 'video': a batch of 2 cannot be divided among 4 processes"):
        plan(recipe, processes=4)


def test_amounts() -> None:
    assert [amount(size) for size in (25_000_000, 1_530_000_000, 1_200_000_000_000)] == [
        "25 MB",
        "1.5 GB",
        "1,200.0 GB",
    ]
