"""docs/recipes.md names every field of a recipe, with type, default and meaning."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from v2vcli.train.recipe import Recipe, StageRecipe
from v2vcli.train.recipe_reference import reference, updated
from v2vcli.train.recipe_tables import RecipeTable

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"


def _tables() -> list[type[BaseModel]]:
    return [*RecipeTable.__subclasses__()]


def test_the_page_is_what_the_fields_say() -> None:
    page = PAGE.read_text()
    assert updated(page) == page, "fields changed: run `python -m v2vcli.train.recipe_reference docs/recipes.md`"


@pytest.mark.parametrize("table", _tables(), ids=lambda table: table.__name__)
def test_every_field_says_what_it_means(table: type[BaseModel]) -> None:
    for name, field in table.model_fields.items():
        assert field.description, name
        assert f"| `{field.alias or name}` |" in reference(), name
        assert "|" not in field.description, name  # would end the cell


def test_types_defaults_and_bounds_are_said() -> None:
    text = reference()
    rate = StageRecipe.model_fields["rate"].description
    assert f"| `rate` | number above 0 | `0.0002` | {rate} |" in text
    assert '| `kind` | `"segment"`, `"image"`, `"video"` | required |' in text
    assert "| `seeds` | [whole number at least 0, whole number at least 0] | `[0, 1]` |" in text
    assert "### `[[data.source]]`" in text and "### `[[stage]]`" in text
    assert text.count("| `name` |") == 2 == sum("name" in table.model_fields for table in (Recipe, StageRecipe))


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="put the fields between"):
        updated("# Recipes")
