"""docs/json.md as a contract: its tables, and whether an event keeps to them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
    "list of strings": (list,),
}


@dataclass(frozen=True)
class Key:
    """A row of a table."""

    types: tuple[type, ...]
    optional: bool


@cache
def exit_codes() -> dict[int, str]:
    """The table of exit codes."""
    return {int(code): when for code, when in re.findall(r"^\| (\d+) \| (.+) \|$", PAGE.read_text("utf-8"), re.M)}


@cache
def events() -> dict[str, dict[str, Key]]:
    """For each event the keys that it may have; those of all events are with the empty name."""
    text = PAGE.read_text("utf-8").split("## Events")[1].split("## `-progress")[0]
    found: dict[str, dict[str, Key]] = {"": {}}
    name = ""
    for line in text.splitlines():
        if heading := re.match(r"`(\w+)`", line):
            name = heading[1]
            found[name] = {}
        elif row := re.match(r"\| `(\w+)` \| ([^|]+) \|", line):
            kind = row[2].strip()
            types = kind.removesuffix(", optional").split(" or ")
            found[name][row[1]] = Key(
                tuple(each for word in types for each in _TYPES[word]), kind.endswith(", optional")
            )
    return found


def read_events(text: str) -> list[dict[str, Any]]:
    """The events of a stream of lines, each held against the contract, and their order too."""
    told = [json.loads(line) for line in text.splitlines()]
    for event in told:
        require_kept(event)
    assert [event["event"] for event in told].count("summary") == 1
    assert told[-1]["event"] == "summary"
    assert all((event["event"] == "start") == (n == 0) for n, event in enumerate(told)) or told[0]["event"] == "error"
    return told


def require_kept(event: dict[str, Any]) -> None:
    """Exactly the documented keys, of the documented types."""
    known = events()
    assert event["event"] in known, event
    keys = known[""] | known[event["event"]]
    assert set(event) <= set(keys), f"not documented: {set(event) - set(keys)} of {event}"
    missing = {name for name, key in keys.items() if not key.optional and name not in event}
    assert not missing, f"missing: {missing} of {event}"
    for name, value in event.items():
        assert isinstance(value, keys[name].types) and not isinstance(value, bool), f"{name} of {event}"
        assert not isinstance(value, list) or all(isinstance(each, str) for each in value)
    assert event["time"].endswith("Z") and datetime.fromisoformat(event["time"])
    assert "\n" not in str(event.get("message", ""))
