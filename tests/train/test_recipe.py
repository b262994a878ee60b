"""Recipes: what is shipped opens, what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from v2vcli.errors import RecipeError
from v2vcli.train.recipe import load_recipe
from v2vcli.train.run import map_spec
from v2vcli.train.stage_schedule import StageSchedule

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_open(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert recipe.licence
    assert map_spec(recipe).channels >= 1
    header = path.read_text().split("name =")[0]
    assert all(f"{each}:" in header for each in ("Cost", "Hardware", "Data", "Licence"))
    assert f"v2v train recipes/{path.name}" in header


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "r.toml"
    path.write_text(text)
    return path


GOOD = """
name = "r"
[model]
maps = "edges"
[data]
load_size = [32, 32]
[[data.source]]
world = "head"
[[stage]]
name = "image"
kind = "image"
size = [32, 32]
steps = 2
"""


def test_overrides_reach_into_tables_and_lists(tmp_path: Path) -> None:
    recipe = load_recipe(
        _write(tmp_path, GOOD),
        ["stage.0.steps=9", "data.root=/some where", "losses.pixel=3.5", "data.source.0.seeds=[4, 6]"],
    )
    assert recipe.stage[0].steps == 9
    assert recipe.data.root == "/some where"
    assert recipe.losses.pixel == 3.5
    assert recipe.data.source[0].seeds == (4, 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("steps = 2", "stepz = 2"), "unknown key 'stage.0.stepz'; did you mean 'steps'"),
        (('maps = "edges"', 'mapz = "edges"'), "unknown key 'model.mapz'; did you mean 'maps'"),
        (('kind = "image"', 'kind = "painting"'), "stage.0.kind"),
        (("steps = 2", "steps = 0"), "exactly one of steps, epochs, frames_seen"),
        (('name = "r"', 'name = "r'), "not TOML"),
        (('name = "r"', 'name = "../r"'), "name"),
        (('name = "image"', 'name = "a/b"'), "stage.0.name"),
        (("size = [32, 32]\nsteps", "size = [64, 32]\nsteps"), "size .64, 32. is larger than load_size"),
        (("size = [32, 32]\nsteps", "size = [30, 32]\nsteps"), "must be multiples of 8"),
        (("size = [32, 32]\nsteps", "size = [0, -5]\nsteps"), "stage.0.size"),
        (('kind = "image"', 'kind = "video"'), "at least 2 frames"),
        (('kind = "image"', 'kind = "segment"'), "model.arch 'vid2vid' does not fit"),
        (('world = "head"', 'world = "head"\nseeds = [5, 3]'), "seeds are .first, last . 1.; .5, 3. names none"),
        (('world = "head"', 'world = "head"\nvideo = "v.mp4"'), "one of video, stills, world"),
        (('maps = "edges"', 'maps = "labels"'), "'head' has no labels"),
        (('maps = "edges"', 'maps = "rgb"'), "each source needs video and control"),
        (('maps = "edges"', 'maps = "edges"\nschema = "camvid11"'), "belong to label maps"),
        (('maps = "edges"', 'schema = "nope"'), "schema 'nope' is not one of"),
        (("[model]", "[losses]\nperceptual = 1.0\n[model]"), "perceptual needs a perceptual_model"),
        (("[model]", "[losses]\ngan = -5\n[model]"), "losses.gan"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(_write(tmp_path, GOOD.replace(*change)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("override", ["steps", "stage.7.steps=1", "stage.-1.steps=1", "name.x=1"])
def test_overrides_that_lead_nowhere(tmp_path: Path, override: str) -> None:
    with pytest.raises(RecipeError, match="--set"):
        load_recipe(_write(tmp_path, GOOD), [override])


def test_a_missing_recipe_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_recipe(tmp_path / "absent.toml")


def test_rate_is_constant_then_falls(tmp_path: Path) -> None:
    stage = load_recipe(_write(tmp_path, GOOD), ["stage.0.steps=100", "stage.0.rate=1.0", "stage.0.decay=0.5"]).stage[0]
    schedule = StageSchedule(stage)
    assert [schedule.at(draw).rate for draw in (0, 50, 75)] == [1.0, 1.0, 0.5]
    assert 0 < schedule.at(99).rate < 0.05
