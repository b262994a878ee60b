"""Which classes the label maps of a clip show, and how much of each: counted map by map, in constant memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from v2vcli.maps.label_schema import Colour, LabelSchema
from v2vcli.maps.spec import MapFrame


@dataclass(frozen=True, slots=True)
class ClassCount:
    """What was seen of one class.

    Attributes:
        name: of the class; ``void`` for pixels of no class.
        id: its value in the maps.
        colour: RGB bytes.
        pixels: in all maps.
        share: of all pixels of all maps, 0..1.
        maps: in how many maps it occurs.
        instances: how many different instance ids it has had; None where the maps have none, or it is no class of
            objects. Only ids that were followed (``--track``) count objects.
    """

    name: str
    id: int
    colour: Colour
    pixels: int
    share: float
    maps: int
    instances: int | None


class ClassHistogram:
    """Counts the classes of label maps of one schema."""

    def __init__(self, schema: LabelSchema) -> None:
        self.schema = schema
        self.maps = 0
        self._pixels = np.zeros(256, np.int64)
        self._occurs = np.zeros(256, np.int64)
        self._instances: dict[int, set[int]] | None = None

    def add(self, frame: MapFrame) -> None:
        """Count one label map of the schema."""
        found = np.bincount(frame.array.ravel(), minlength=256)
        self.maps += 1
        self._pixels += found
        self._occurs += found > 0
        if frame.instances is None:
            return
        if self._instances is None:
            self._instances = {label: set() for label in self.schema.foreground_ids}
        for label, seen in self._instances.items():
            if found[label]:
                seen.update(np.unique(frame.instances[frame.array == label]).tolist())

    def counts(self) -> list[ClassCount]:
        """Classes that occur, the largest first."""
        total = max(1, int(self._pixels.sum()))
        names = {c.id: c.name for c in self.schema.classes}
        found = [
            ClassCount(
                name=names.get(label, "void"),
                id=label,
                colour=_colour(self.schema, label),
                pixels=int(self._pixels[label]),
                share=int(self._pixels[label]) / total,
                maps=int(self._occurs[label]),
                instances=None if self._instances is None else _count(self._instances.get(label)),
            )
            for label in np.flatnonzero(self._pixels).tolist()
        ]
        return sorted(found, key=lambda each: (-each.pixels, each.id))

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON: the schema's name, the number of maps, and the classes that occur."""
        return {
            "schema": self.schema.name,
            "maps": self.maps,
            "classes": [asdict(each) | {"colour": list(each.colour)} for each in self.counts()],
        }


def _count(ids: set[int] | None) -> int | None:
    return None if ids is None else len(ids - {0})


def _colour(schema: LabelSchema, label: int) -> Colour:
    red, green, blue = (int(channel) for channel in schema.palette[label])
    return red, green, blue
