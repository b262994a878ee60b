"""The tables of `docs/recipes.md`: every field of a recipe, from the lines that the fields themselves carry.

    python -m v2vcli.train.recipe_reference docs/recipes.md     # writes them anew; a test says when that is due

Peculiar: what stands in the page outside of the two marks is written by people and left alone.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from v2vcli.train.recipe import Recipe

BEGIN, END = "<!-- fields: begin -->", "<!-- fields: end -->"
_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
_CALLED = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
_MODULE = re.compile(r"`v2vcli(?:\.\w+)*\.(\w+)`|``([^`]+)``")


def reference() -> str:
    """Tables in Markdown: the recipe's own fields, then those of each of its tables."""
    schema = Recipe.model_json_schema()
    tables: dict[str, dict[str, Any]] = schema["$defs"]
    parts = [_section("The recipe itself", schema, tables)]
    for name, field in schema["properties"].items():
        table, many = _table_of(field, tables)
        if table is None:
            continue
        parts.append(_section(f"`[[{name}]]`" if many else f"`[{name}]`", table, tables))
        for inner, below in table["properties"].items():
            nested, several = _table_of(below, tables)
            if nested is not None and several:
                parts.append(_section(f"`[[{name}.{inner}]]`", nested, tables))
    return "\n".join(parts)


def updated(page: str) -> str:
    """The page with the tables between its marks.

    Raises:
        ValueError: the marks are not there.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} and {END} to put the fields between")
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def _section(heading: str, table: dict[str, Any], tables: dict[str, dict[str, Any]]) -> str:
    lines = [f"### {heading}", "", _in_markdown(table.get("description", "")), ""]
    lines += ["| field | type | default | meaning |", "|---|---|---|---|"]
    required = table.get("required", [])
    for name, field in table["properties"].items():
        default = "required" if name in required else _default(field)
        lines.append(f"| `{name}` | {_type(field, tables)} | {default} | {field['description']} |")
    return "\n".join([*lines, ""])


def _in_markdown(docstring: str) -> str:
    """A docstring without the marks of code that Markdown spells otherwise."""
    return _MODULE.sub(lambda found: f"`{found[1] or found[2]}`", " ".join(docstring.split()))


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if "default" not in field or value is None:
        return "none"
    return "see its table" if isinstance(value, dict) else f"`{json.dumps(value)}`"


def _type(field: dict[str, Any], tables: dict[str, dict[str, Any]]) -> str:
    choices = [each for each in field.get("anyOf", []) if each.get("type") != "null"]
    if choices:
        return " or ".join(_type(each, tables) for each in choices)
    if "$ref" in field or "allOf" in field:
        return "table"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    if field["type"] == "array":
        if "prefixItems" in field:
            return "[" + ", ".join(_type(each, tables) for each in field["prefixItems"]) + "]"
        inner = _type(field["items"], tables)
        return "tables" if inner == "table" else f"list of {inner}"
    bounds = [f"{says} {field[bound]:g}" for bound, says in _BOUNDS.items() if bound in field]
    return " ".join([_CALLED[field["type"]], *([", ".join(bounds)] if bounds else [])])


def _table_of(field: dict[str, Any], tables: dict[str, dict[str, Any]]) -> tuple[dict[str, Any] | None, bool]:
    """The table that a field holds, if it does, and whether it holds several."""
    many = field.get("type") == "array"
    target = field.get("items", {}) if many else field
    name = target.get("$ref", "").rpartition("/")[2]
    return tables.get(name), many


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        page.write_text(updated(page.read_text()))
