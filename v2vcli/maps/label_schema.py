"""`LabelSchema`: what the numbers in a label map mean, and how one numbering becomes another.

What is peculiar:

- An id is the plane of the one-hot tensor. `LabelSchema.planes` says how many there are: one more than the highest id
  that is not void, so that a trailing "unlabelled" class (CamVid) costs no plane. Cityscapes-35 sets it, because
  networks that were trained on all 35 ids have a plane for the void ones too.
- `VOID` (255) is void in every schema, even where no class has that id. All void pixels count as "nothing known".
- Void classes may share a colour with another class (Cityscapes paints *polegroup* as *pole*). Such a colour reads back
  as the class that is not void; every other duplicate is refused.
- Schemas are matched by name, with the synonyms and the many-to-one homes of `v2vcli.maps.schema_names`.

This module imports neither torch nor OpenCV: the command line reads it to print help.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError, SchemaMismatch
from v2vcli.maps.schema_names import canonical_name, coarser_names, plain_name

Colour: TypeAlias = tuple[int, int, int]

VOID: Final = 255


def _is_byte(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


@dataclass(frozen=True)
class LabelClass:
    """One class of a schema.

    Attributes:
        name: What it is called; matched by name when schemas differ.
        id: The value of its pixels, 0..254 (255 only for a void class).
        colour: RGB, 0..255 each.
        foreground: Painted by the generator's foreground branch (things that move on their own).
        void: Stands for "unknown, do not judge"; it needs no home in another schema.

    Raises:
        InputError: A field is out of range, or the class is foreground and void at once.
    """

    name: str
    id: int
    colour: Colour
    foreground: bool = False
    void: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"label class {self.id}: the name is {self.name!r}; give it a name")
        if not _is_byte(self.id) or (self.id == VOID and not self.void):
            raise InputError(f"label class '{self.name}': id {self.id!r} is not in 0..254 (255 is for void only)")
        if not isinstance(self.colour, tuple) or len(self.colour) != 3 or not all(map(_is_byte, self.colour)):
            raise InputError(f"label class '{self.name}': colour {self.colour!r} is not three bytes 0..255")
        if self.foreground and self.void:
            raise InputError(f"label class '{self.name}' is foreground and void at once; choose one")


@dataclass(frozen=True)
class LabelSchema:
    """Names, ids and colours of a label map.

    Attributes:
        name: What `--maps-schema` and messages call it.
        classes: In any order; ids need not be contiguous.
        planes: How many one-hot planes a map has; 0 at construction means "one more than the highest id not void".
        void_colour: How `VOID` pixels are coloured.

    Raises:
        InputError: Duplicate ids, names or colours, no class that is not void, or too few planes for the ids.
    """

    name: str
    classes: tuple[LabelClass, ...]
    planes: int = 0
    void_colour: Colour = (0, 0, 0)

    def __post_init__(self) -> None:
        where = f"label schema '{self.name}'"
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"a label schema is called {self.name!r}; give it a name")
        ids: dict[int, str] = {}
        names: dict[str, str] = {}
        owners: dict[Colour, str] = {}
        for c in self.classes:
            if c.id in ids:
                raise InputError(f"{where}: id {c.id} is both '{ids[c.id]}' and '{c.name}'; ids must differ")
            if plain_name(c.name) in names:
                raise InputError(f"{where}: two classes are called '{c.name}'; names must differ")
            if not c.void and c.colour in owners:
                raise InputError(f"{where}: '{owners[c.colour]}' and '{c.name}' have the colour {c.colour}; change one")
            ids[c.id] = c.name
            names[plain_name(c.name)] = c.name
            if not c.void:
                owners[c.colour] = c.name
        if not owners:
            raise InputError(f"{where} has no class that is not void; add one")
        if (
            not isinstance(self.void_colour, tuple)
            or len(self.void_colour) != 3
            or not all(map(_is_byte, self.void_colour))
        ):
            raise InputError(f"{where}: void_colour {self.void_colour!r} is not three bytes 0..255")
        if self.void_colour in owners:
            raise InputError(
                f"{where}: void_colour {self.void_colour} is the colour of '{owners[self.void_colour]}'; "
                "give void_colour another value"
            )
        needed = 1 + max(c.id for c in self.classes if not c.void)
        if self.planes == 0:
            object.__setattr__(self, "planes", needed)
        elif not isinstance(self.planes, int) or not needed <= self.planes <= VOID:
            raise InputError(f"{where}: planes is {self.planes!r}, but its ids need {needed}..{VOID}")

    # ---- looking things up

    @cached_property
    def foreground_ids(self) -> tuple[int, ...]:
        """Ids (= planes) that the foreground branch paints, ascending."""
        return tuple(sorted(c.id for c in self.classes if c.foreground))

    @cached_property
    def void_id(self) -> int:
        """The id that unknown pixels get: the lowest void class's, or `VOID` where the schema has none."""
        return min((c.id for c in self.classes if c.void), default=VOID)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """(256,) bool: which pixel values the schema knows; `VOID` always is."""
        table = np.zeros(256, np.bool_)
        table[[c.id for c in self.classes]] = True
        table[VOID] = True
        table.flags.writeable = False
        return table

    @cached_property
    def void(self) -> NDArray[np.bool_]:
        """(256,) bool: which pixel values are void, `VOID` among them."""
        table = np.zeros(256, np.bool_)
        table[[c.id for c in self.classes if c.void]] = True
        table[VOID] = True
        table.flags.writeable = False
        return table

    @cached_property
    def palette(self) -> NDArray[np.uint8]:
        """(256, 3) uint8 RGB: the colour of every pixel value; values the schema does not know have the void colour."""
        table = np.empty((256, 3), np.uint8)
        table[:] = self.void_colour
        for c in self.classes:
            table[c.id] = c.colour
        table.flags.writeable = False
        return table

    @cached_property
    def colours(self) -> dict[Colour, int]:
        """What each colour reads back as, the void colour first; shared ones go to the class that is not void."""
        table = {self.void_colour: self.void_id}
        for c in sorted(self.classes, key=lambda c: (not c.void, -c.id)):  # the last to write wins: not void, lowest id
            table[c.colour] = c.id
        return table

    def class_named(self, name: str) -> LabelClass:
        """Return the class called `name`, synonyms included.

        Raises:
            SchemaMismatch: The schema has no such class.
        """
        found = self._find(name)
        if found is None:
            raise SchemaMismatch(
                f"label schema '{self.name}' has no class '{name}'; it has {', '.join(c.name for c in self.classes)}"
            )
        return found

    def _find(self, name: str) -> LabelClass | None:
        """The class of exactly this name if there is one, else the first synonym."""
        plain = plain_name(name)
        synonym: LabelClass | None = None
        for c in self.classes:
            if plain_name(c.name) == plain:
                return c
            if synonym is None and canonical_name(c.name) == canonical_name(name):
                synonym = c
        return synonym

    # ---- pixels

    def unknown_ids(self, ids: NDArray[np.uint8]) -> list[int]:
        """Pixel values in `ids` (any shape, uint8) that the schema does not know, ascending."""
        known = self.known
        if known[ids].all():  # the usual case costs one table look-up, no sort
            return []
        return [int(i) for i in np.unique(ids) if not known[i]]

    def colourise(self, ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Colour a label map.

        Args:
            ids: (..., H, W) uint8 class ids.

        Returns:
            (..., H, W, 3) uint8 RGB.

        Raises:
            SchemaMismatch: `ids` has values that the schema does not know.
        """
        if unknown := self.unknown_ids(ids):
            raise SchemaMismatch(
                f"label map has ids {unknown} that schema '{self.name}' does not know; check the schema"
            )
        return self.palette[ids]

    def ids_from_colours(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Read a colour-coded label map back: nearest colour of the palette (Euclidean in RGB), blurred borders mended.

        Whether a picture is colour-coded in this palette at all is judged by `v2vcli.maps.files.palette.PaletteReader`.

        Args:
            rgb: (H, W, 3) uint8 RGB.

        Returns:
            (H, W) uint8 ids; `void_id` where the void colour is nearest.
        """
        from v2vcli.maps.files.palette import PaletteReader

        return PaletteReader.of_schema(self).read(rgb).values

    def remap_table(self, target: LabelSchema) -> NDArray[np.uint8]:
        """Look-up table from this schema's ids to the target's: `table[ids]` is the remapped map.

        A class goes to the target's class of the same name, else to a synonym, else to the first coarser class that
        the target has (`schema_names.COARSER`). Void classes go to their namesake or to the target's `void_id`. Every
        class that is not void must find a home; the target may have classes that nothing maps to.

        Returns:
            (256,) uint8; values that this schema does not know map to the target's `void_id`: check with `unknown_ids`.

        Raises:
            SchemaMismatch: Classes of this schema have no home in the target; the message lists all of them.
        """
        if self == target:
            table = np.arange(256, dtype=np.uint8)
            table[~self.known] = self.void_id
            return table
        table = np.full(256, target.void_id, np.uint8)
        homeless = []
        for c, home in self.homes(target).items():
            if home is not None:
                table[c.id] = home.id
            elif not c.void:
                homeless.append(c.name)
        if homeless:
            raise SchemaMismatch(
                f"schema '{self.name}' does not fit '{target.name}': no home for {', '.join(homeless)}; "
                f"use a model trained on '{self.name}' or maps in '{target.name}'"
            )
        return table

    def homes(self, target: LabelSchema) -> dict[LabelClass, LabelClass | None]:
        """Where `remap_table` sends each class; None: to `void_id` if it is void, else nowhere, and that is refused."""
        homes = {}
        for c in self.classes:
            home = target._find(c.name)
            if home is None and not c.void:
                candidates = (target._find(name) for name in coarser_names(c.name))
                home = next((t for t in candidates if t is not None and not t.void), None)
            homes[c] = home
        return homes

    # ---- JSON

    def as_dict(self) -> dict[str, Any]:
        """Return plain types, for JSON."""
        return {
            "name": self.name,
            "planes": self.planes,
            "void_colour": list(self.void_colour),
            "classes": [
                {"name": c.name, "id": c.id, "colour": list(c.colour), "foreground": c.foreground, "void": c.void}
                for c in self.classes
            ],
        }

    @classmethod
    def from_dict(cls, data: object, where: str = "label schema") -> LabelSchema:
        """Read what `as_dict` made; `name` and `classes` suffice.

        Raises:
            InputError: A key is missing, unknown, or has the wrong type; `where` says in which file.
        """
        if not isinstance(data, dict) or not isinstance(data.get("classes"), list):
            raise InputError(f"{where} is not an object with a list of 'classes'; see `v2v segment` output for one")
        _only_keys(data, {"name", "planes", "void_colour", "classes"}, where)
        classes = []
        for entry in data["classes"]:
            if not isinstance(entry, dict):
                raise InputError(f"{where}: class {entry!r} is not an object with name, id and colour")
            _only_keys(entry, {"name", "id", "colour", "foreground", "void"}, where)
            if missing := sorted({"name", "id", "colour"} - set(entry)):
                raise InputError(f"{where}: class {entry!r} lacks {', '.join(missing)}")
            classes.append(
                LabelClass(
                    name=entry["name"],
                    id=entry["id"],
                    colour=_colour(entry["colour"]),
                    foreground=bool(entry.get("foreground", False)),
                    void=bool(entry.get("void", False)),
                )
            )
        return cls(
            name=data.get("name", ""),
            classes=tuple(classes),
            planes=data.get("planes", 0),
            void_colour=_colour(data.get("void_colour", (0, 0, 0))),
        )

    def to_json(self) -> str:
        """Serialise for a checkpoint's or a map file's metadata."""
        return json.dumps(self.as_dict())

    @classmethod
    def from_json(cls, text: str, where: str = "label schema") -> LabelSchema:
        """Inverse of `to_json`.

        Raises:
            InputError: Not JSON, or not a schema; `where` says in which file.
        """
        try:
            data = json.loads(text)
        except ValueError as e:
            raise InputError(f"{where} is not JSON ({e}); write it anew") from e
        return cls.from_dict(data, where)


def _only_keys(data: dict[str, Any], allowed: set[str], where: str) -> None:
    if surplus := sorted(set(data) - allowed):
        raise InputError(f"{where}: unknown key {', '.join(surplus)}; known are {', '.join(sorted(allowed))}")


def _colour(value: object) -> Colour:
    """JSON has no tuples; anything but three values is left for LabelClass to refuse."""
    return tuple(value) if isinstance(value, (list, tuple)) else value  # type: ignore[return-value]
