"""How edits of label maps are written (``--relabel``): one line of text each.

The grammar; spaces are allowed round every part::

    WHAT[@PLACE...]=CLASS

    tree=building                       every tree
    car@#12=bus                         the car that is instance 12
    car@100,50,300x200=bus              cars inside X,Y,WxH, pixels of the video; 50%,0,50%x100% are shares of it
    car@1.5-3=bus                       cars from 1.5 s on, up to 3 s; 1:02- to the end, -500ms from the beginning
    *@#12@0,0,50%x100%@2-=void          all at once: whatever is instance 12, on the left, from 2 s on

WHAT and CLASS are names of classes of the maps' schema, or synonyms of them (``tree`` for Cityscapes' *vegetation*);
``void`` is whatever is void there, and ``*`` everything. Each kind of place may stand once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fractions import Fraction
from math import ceil
from typing import Final

import numpy as np

from v2vcli.errors import SchemaMismatch, UsageError
from v2vcli.maps.label_schema import LabelSchema
from v2vcli.maps.schema_names import SYNONYMS, canonical_name, plain_name
from v2vcli.values import seconds

ANY: Final = "*"
_GRAMMAR: Final = "write WHAT=CLASS, WHAT@#INSTANCE=CLASS, WHAT@X,Y,WxH=CLASS or WHAT@FROM-TO=CLASS"
_NUMBER: Final = r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*"
_REGION: Final = re.compile(f"{_NUMBER},{_NUMBER},{_NUMBER}[xX]{_NUMBER}")


@dataclass(frozen=True, slots=True)
class Length:
    """A distance along one side of a video: in pixels, or as a share (0..1) of the side."""

    value: Fraction
    is_share: bool = False

    def pixels(self, side: int) -> Fraction:
        """In pixels of a side that has so many."""
        return self.value * side if self.is_share else self.value


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a video, from its left upper corner.

    Attributes:
        left: from the left border.
        top: from the upper border.
        width: more than nothing.
        height: more than nothing.
    """

    left: Length
    top: Length
    width: Length
    height: Length

    def slices(self, video: tuple[int, int], size: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of a map whose pixels' centres lie inside.

        Args:
            video: (width, height) of the video that the rectangle is said in.
            size: (width, height) of the map.
        """
        columns = _covered(self.left, self.width, video[0], size[0])
        return _covered(self.top, self.height, video[1], size[1]), columns


@dataclass(frozen=True, slots=True)
class Place:
    """What of a video an edit is confined to; None: it is not.

    Attributes:
        instance: one object, by its id.
        region: a rectangle.
        start: from this second of the file on.
        end: before this second of the file.
    """

    instance: int | None = None
    region: Region | None = None
    start: Fraction | None = None
    end: Fraction | None = None

    def is_at(self, time: Fraction) -> bool:
        """Whether the frame at this second of the file is meant."""
        return (self.start is None or time >= self.start) and (self.end is None or time < self.end)


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit, its classes found in a schema.

    Attributes:
        text: as it was written, for messages.
        schema: whose ids it speaks of.
        sources: ids that are changed.
        target: the id that they become.
        place: where and when.
    """

    text: str
    schema: LabelSchema
    sources: frozenset[int]
    target: int
    place: Place


def parse_edit(text: str, schema: LabelSchema) -> Edit:
    """Read one edit; the grammar is at the top of the module.

    Args:
        text: as ``--relabel`` takes it.
        schema: of the maps that it is for; synonyms of its names are understood (``tree`` for ``vegetation``).

    Raises:
        UsageError: it cannot be understood, or names a class that the schema lacks; the nearest is named.
    """
    what, places, becomes = _split(text)
    return Edit(text, schema, _source_ids(what, schema, text), _target_id(becomes, schema, text), _place(places, text))


def require_edit(text: str) -> None:
    """Check all of an edit that can be judged before the schema of the maps is known.

    Raises:
        UsageError: it cannot be understood.
    """
    _, places, _ = _split(text)
    _place(places, text)


def _split(text: str) -> tuple[str, list[str], str]:
    """WHAT, places, CLASS."""
    select, equals, becomes = text.rpartition("=")
    what, *places = (part.strip() for part in select.split("@"))
    if not equals or not what or not becomes.strip() or "" in places:
        raise UsageError(f"--relabel '{text}': {_GRAMMAR}")
    return what, places, becomes.strip()


def _place(parts: Sequence[str], text: str) -> Place:
    """What stands behind each ``@``: an instance, a region or a time range, in any order, each at most once."""
    place = Place()
    for part in parts:
        if part.startswith("#"):
            found, taken = _instance(part, place, text), place.instance is not None
        elif "," in part:
            found, taken = _region(part, place, text), place.region is not None
        else:
            found, taken = _times(part, place, text), (place.start, place.end) != (None, None)
        if taken:
            raise UsageError(f"--relabel '{text}': '@{part}' is the second of its kind; write two edits")
        place = found
    return place


def _instance(part: str, place: Place, text: str) -> Place:
    number = part.removeprefix("#").strip()
    if not number.isascii() or not number.isdigit():
        raise UsageError(f"--relabel '{text}': '@{part}' is no instance; write its id, such as @#12")
    return replace(place, instance=int(number))


def _region(part: str, place: Place, text: str) -> Place:
    match = _REGION.fullmatch(part)
    if match is None:
        raise UsageError(
            f"--relabel '{text}': '@{part}' is no region; write @X,Y,WxH in pixels, or @50%,0,50%x100% in percent"
        )
    numbers = zip(match.groups()[::2], match.groups()[1::2], strict=True)
    lengths = [Length(Fraction(number) / (100 if percent else 1), bool(percent)) for number, percent in numbers]
    if not (lengths[2].value and lengths[3].value):
        raise UsageError(f"--relabel '{text}': the region '@{part}' is empty; give a width and a height")
    return replace(place, region=Region(*lengths))


def _times(part: str, place: Place, text: str) -> Place:
    first, dash, last = (each.strip() for each in part.partition("-"))
    if not dash or not (first or last):
        raise UsageError(
            f"--relabel '{text}': '@{part}' is none of @#INSTANCE, @X,Y,WxH and @FROM-TO (1.5-3, 1:02- or -500ms)"
        )
    option = f"--relabel '{text}':"
    start, end = (seconds(each, option) if each else None for each in (first, last))
    if start is not None and end is not None and end <= start:
        raise UsageError(f"--relabel '{text}': {last} is not after {first}; nothing lies between")
    return replace(place, start=start, end=end)


def _source_ids(name: str, schema: LabelSchema, text: str) -> frozenset[int]:
    if name == ANY:
        return frozenset(range(256))
    if plain_name(name) == "void":
        return frozenset(np.flatnonzero(schema.void).tolist())
    return frozenset({_class_id(name, schema, text)})


def _target_id(name: str, schema: LabelSchema, text: str) -> int:
    return schema.void_id if plain_name(name) == "void" else _class_id(name, schema, text)


def _class_id(name: str, schema: LabelSchema, text: str) -> int:
    try:
        return schema.class_named(name).id
    except SchemaMismatch:
        raise UsageError(
            f"--relabel '{text}': schema '{schema.name}' has no class '{name}'; {_nearest(name, schema)}"
        ) from None


def _nearest(name: str, schema: LabelSchema) -> str:
    """What may have been meant: the nearest class, by its own name or a synonym's; else all there are."""
    own = {plain_name(c.name): c.name for c in schema.classes}
    synonyms = {synonym: own[canonical] for synonym, canonical in SYNONYMS.items() if canonical in own}
    synonyms |= {canonical_name(c.name): c.name for c in schema.classes}
    known = {**synonyms, **own}
    near = get_close_matches(plain_name(name), list(known), n=1)
    if near:
        name = known[near[0]]
        return f"did you mean '{name}'?" if near[0] in own else f"did you mean '{near[0]}', which is '{name}' there?"
    return f"it has {', '.join(c.name for c in schema.classes)}, and void"


def _covered(start: Length, length: Length, side: int, pixels: int) -> slice:
    """Of `pixels` along a side of a video, those whose centres lie in a stretch of it."""
    scale = Fraction(pixels, side)
    first = start.pixels(side) * scale
    last = first + length.pixels(side) * scale
    half = Fraction(1, 2)
    return slice(min(pixels, max(0, ceil(first - half))), min(pixels, max(0, ceil(last - half))))
