"""The table of `docs/schemas.md`: how the labels of each built-in schema become those of each other one, or why not.

    python -m v2vcli.maps.schema_pairs docs/schemas.md     # writes it anew; a test says when that is due

Peculiar: what stands in the page outside of the two marks is written by people and left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from v2vcli.maps.label_schema import LabelSchema
from v2vcli.maps.schema import SCHEMAS
from v2vcli.maps.schema_names import plain_name

BEGIN, END = "<!-- pairs: begin -->", "<!-- pairs: end -->"


def missing(source: LabelSchema, target: LabelSchema) -> list[str]:
    """The classes of `source` for which it is refused where `target` is wanted; none if it is not."""
    return [c.name for c, home in source.homes(target).items() if home is None and not c.void]


def pairs(schemas: Sequence[LabelSchema] = tuple(SCHEMAS.values())) -> str:
    """Every pair of schemas, in Markdown: a table of which fit, then what becomes of the classes of each pair."""
    rows = ["| maps in ↓, model for → | " + " | ".join(f"`{each.name}`" for each in schemas) + " |"]
    rows.append("|---" * (len(schemas) + 1) + "|")
    for source in schemas:
        rows.append(" | ".join([f"| `{source.name}`", *(_verdict(source, target) for target in schemas)]) + " |")
    parts = ["\n".join(rows)]
    for source, target in product(schemas, schemas):
        if source != target:
            parts.append(f"### `{source.name}` → `{target.name}`\n\n{_details(source, target)}")
    return "\n\n".join(parts) + "\n"


def _verdict(source: LabelSchema, target: LabelSchema) -> str:
    if source == target:
        return "as it is"
    lacking = len(missing(source, target))
    return f"refused: {lacking} missing" if lacking else "remapped"


def _details(source: LabelSchema, target: LabelSchema) -> str:
    """What goes elsewhere than to its namesake, or what is missing."""
    if lacking := missing(source, target):
        return f"Refused. `{target.name}` has no class for: {', '.join(lacking)}."
    moved: dict[str, list[str]] = {}
    for c, home in source.homes(target).items():
        if home is None:
            moved.setdefault("void", []).append(c.name)
        elif plain_name(home.name) != plain_name(c.name):
            moved.setdefault(home.name, []).append(c.name)
    lines = [f"- {', '.join(names)} → {home}" for home, names in moved.items()]
    return "\n".join(["By name, but for:", "", *lines]) if lines else "By name."


def updated(page: str) -> str:
    """The page with the pairs as they are now, between its marks.

    Raises:
        ValueError: it has no such marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"put the pairs between lines '{BEGIN}' and '{END}'")
    return f"{before}{BEGIN}\n\n{pairs()}\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
