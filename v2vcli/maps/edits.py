"""Semantic manipulation: label maps changed by rule before they are stored or painted (``--relabel``).

How an edit is written is in `maps.edit_grammar`; here is what it does. Peculiar:

- every edit looks at the map as it was made, so that ``car=bus`` with ``bus=car`` swaps the two; where several change
  the same pixel the last one wins;
- an object that becomes something without objects (a car that becomes road) is no instance any more: its pixels get
  the instance id that most pixels of that class have, so that no edge is left round what is gone;
- places are said in the video's pixels and times in seconds of the file, as ``-ss`` counts them: the same edit means
  the same thing whatever size a model paints at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import SchemaMismatch, UsageError
from v2vcli.maps.edit_grammar import Edit, parse_edit, require_edit
from v2vcli.maps.label_schema import LabelSchema
from v2vcli.maps.spec import MapFrame

__all__ = ["Edit", "Edits", "parse_edit", "require_edit"]


class Edits:
    """Edits of the maps of one video, in order; counts what they change."""

    def __init__(
        self, edits: Sequence[Edit], *, video: tuple[int, int] | None = None, origin: Fraction = Fraction(0)
    ) -> None:
        """Take the edits.

        Args:
            edits: for maps of one schema.
            video: (width, height) that regions are said in; None: they are said in pixels of the maps.
            origin: when the file begins on the clock of the frames' pts, seconds (`engine.clip.origin`).

        Raises:
            UsageError: a region lies outside the video.
        """
        self._edits = tuple(edits)
        self._video = video
        self._origin = origin
        self._changed = [0] * len(self._edits)
        self._tables = [_table(edit) for edit in self._edits]
        if video is not None:
            for edit in self._edits:
                _require_inside(edit, video)

    @classmethod
    def parse(
        cls,
        texts: Sequence[str],
        schema: LabelSchema | None,
        *,
        video: tuple[int, int] | None = None,
        origin: Fraction = Fraction(0),
    ) -> Edits:
        """Read edits as ``--relabel`` takes them; see `parse_edit` and the constructor.

        Raises:
            UsageError: one cannot be understood, or there are edits but the maps are no labels (`schema` is None).
        """
        if texts and schema is None:
            raise UsageError(f"--relabel '{texts[0]}' changes labels, but these maps are none; leave it out")
        parsed = [parse_edit(text, schema) for text in texts] if schema is not None else []
        return cls(parsed, video=video, origin=origin)

    def __bool__(self) -> bool:
        return bool(self._edits)

    def apply(self, frame: MapFrame, pts: Fraction) -> MapFrame:
        """Change one map.

        Args:
            frame: a label map of the edits' schema; it is not changed itself.
            pts: the frame's time in seconds, on the stream's clock.

        Raises:
            SchemaMismatch: the map is of another schema, or of another kind.
            UsageError: an edit names an instance, but the map has none.
        """
        time = pts - self._origin
        active = [index for index, edit in enumerate(self._edits) if edit.place.is_at(time)]
        if not active:
            return frame
        labels, instances = frame.array.copy(), frame.instances
        for index in active:
            edit = self._edits[index]
            part, chosen = self._selected(edit, self._tables[index], frame)
            count = int(np.count_nonzero(chosen))
            self._changed[index] += count
            if count == 0:
                continue
            labels[part][chosen] = edit.target
            if instances is not None and edit.target not in edit.schema.foreground_ids:
                instances = instances.copy() if instances is frame.instances else instances
                instances[part][chosen] = _usual_instance(frame, edit.target)
        return replace(frame, array=labels, instances=instances)

    def idle(self) -> list[str]:
        """Edits that have changed nothing so far, as they were written: there may be a slip in them."""
        return [edit.text for edit, count in zip(self._edits, self._changed, strict=True) if count == 0]

    def _selected(
        self, edit: Edit, table: NDArray[np.bool_], frame: MapFrame
    ) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
        """A part of a map, and which pixels of the part are changed."""
        if frame.spec.schema is not edit.schema and frame.spec.schema != edit.schema:
            found = f"schema '{frame.spec.schema.name}'" if frame.spec.schema else f"kind '{frame.spec.kind}'"
            raise SchemaMismatch(f"--relabel '{edit.text}' is for labels of '{edit.schema.name}', not of {found}")
        everywhere = (slice(None), slice(None))
        part = (
            everywhere if edit.place.region is None else edit.place.region.slices(self._video or frame.size, frame.size)
        )
        chosen = table[frame.array[part]]
        if edit.place.instance is not None:
            if frame.instances is None:
                raise UsageError(
                    f"--relabel '{edit.text}' names an instance, but these maps have none; use a --segmenter that"
                    " tells instances (and --track, so that they keep their ids), or maps that hold them"
                )
            chosen &= frame.instances[part] == edit.place.instance
        return part, chosen


def _table(edit: Edit) -> NDArray[np.bool_]:
    """(256,) bool: which pixel values an edit changes."""
    table = np.zeros(256, np.bool_)
    table[list(edit.sources)] = True
    return table


def _require_inside(edit: Edit, video: tuple[int, int]) -> None:
    if edit.place.region is None:
        return
    for start, side in ((edit.place.region.left, video[0]), (edit.place.region.top, video[1])):
        if start.pixels(side) >= side:
            raise UsageError(
                f"--relabel '{edit.text}': the region begins outside the video of {video[0]}x{video[1]}; give"
                " X,Y,WxH in its pixels, or in percent (50%,0,50%x100%)"
            )


def _usual_instance(frame: MapFrame, label: int) -> int:
    """The instance id of most pixels of a class: 0, or what a data set numbers its background with."""
    assert frame.instances is not None  # asked for maps with instances alone
    ids = frame.instances[frame.array == label]
    if ids.size == 0:
        return 0
    found, counts = np.unique(ids, return_counts=True)
    return int(found[counts.argmax()])
