"""COCO's panoptic format as maps: PNGs whose colours are segment ids, and a JSON that says what each segment is.

What is peculiar:

- A pixel's segment is R + 256 G + 65536 B; 0 is void. The JSON lists the segments of each PNG (`segments_info`) and the
  categories, from which the label schema is made: the category's id is the class's, `isthing` makes it foreground.
  (COCO's own ids go to 200; where ids do not fit a byte, the categories are numbered in their order.)
- Instances are the segments. Where their ids go beyond 16 bits they are numbered, 1 and up in the order of the JSON, so
  that a segment keeps its number in all pictures of a clip; where there are too many for that, in each picture anew.
- The JSON lies in the folder of PNGs, or beside it under the folder's name, and either may be given as the path.

Source: https://cocodataset.org/#format-data, "Panoptic Segmentation".
"""

from __future__ import annotations

import colorsys
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from v2vcli.errors import InputError
from v2vcli.maps.files.picture_folder import natural
from v2vcli.maps.files.png_files import open_picture, read_rgb
from v2vcli.maps.files.raw_map import RawMap
from v2vcli.maps.label_schema import VOID, Colour, LabelClass, LabelSchema
from v2vcli.maps.spec import brief

_MOST_INSTANCES: Final = 2**16 - 1


@dataclass(frozen=True)
class PanopticFolder:
    """The pictures of one JSON.

    Attributes:
        json: The JSON.
        files: The PNGs, in natural order.
        segments: Of each PNG: segment id to class id.
        schema: The categories.
        numbers: Segment id to instance id where they differ; None: each picture numbers its own.
    """

    json: Path
    files: tuple[Path, ...]
    segments: tuple[Mapping[int, int], ...]
    schema: LabelSchema
    numbers: Mapping[int, int] | None

    @classmethod
    def open(cls, path: Path) -> PanopticFolder | None:
        """Look at a JSON, or a folder of PNGs with one.

        Returns:
            None if there is no JSON of panoptic annotations.

        Raises:
            InputError: There is, but it contradicts itself, or a picture is missing.
        """
        for file in _candidates(path):
            data = _annotations(file, must=path.is_file())
            if data is not None:
                return cls._of(file, path if path.is_dir() else None, data)
        return None

    @classmethod
    def _of(cls, file: Path, folder: Path | None, data: dict[str, Any]) -> PanopticFolder:
        try:
            schema, classes = _schema(file.stem, data["categories"])
            pictures = {
                str(each["file_name"]): {int(s["id"]): classes[s["category_id"]] for s in each["segments_info"]}
                for each in data["annotations"]
            }
        except InputError as e:
            raise InputError(brief(f"{file}: {e}")) from e
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as e:
            raise InputError(brief(f"{file} is no panoptic JSON of COCO: {type(e).__name__} {e}")) from e
        names = sorted(pictures, key=lambda name: natural(Path(name)))
        folders = [folder] if folder is not None else [file.with_suffix(""), file.parent]
        place = next((each for each in folders if _holds(each, names[0])), folders[0])
        if missing := [name for name in names if not _holds(place, name)]:
            raise InputError(brief(f"{file} names {missing[0]!r}, which is not in {place}"))
        segments = tuple(pictures[name] for name in names)
        return cls(file, tuple(place / name for name in names), segments, schema, _numbers(segments))

    def maps(self) -> Iterator[RawMap]:
        """Label maps with instances, one at a time.

        Raises:
            InputError: A picture cannot be read, or has segments that the JSON does not know; the message names it.
        """
        for index, (file, segments) in enumerate(zip(self.files, self.segments, strict=True)):
            with open_picture(file) as picture:
                rgb = read_rgb(picture, file).astype(np.int32)
            ids = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
            used, where = np.unique(ids, return_inverse=True)
            if unknown := [int(each) for each in used if each and int(each) not in segments]:
                raise InputError(
                    f"{file} has the segments {unknown[:5]}, which {self.json} does not know; make it anew"
                )
            numbers = self.numbers if self.numbers is not None else {each: n + 1 for n, each in enumerate(segments)}
            classes = np.array([segments[int(each)] if each else VOID for each in used], np.uint8)
            objects = np.array([numbers.get(int(each), int(each)) if each else 0 for each in used], np.int32)
            yield RawMap(
                classes[where].reshape(ids.shape), f"{file} (map {index})", None, objects[where].reshape(ids.shape)
            )


def _candidates(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" else []
    beside = path.with_name(f"{path.name}.json")
    inside = sorted(each for each in path.iterdir() if each.suffix.lower() == ".json" and each.is_file())
    # a folder of OpenPose has a JSON for every picture: no use in reading them all
    return [each for each in (beside, *(inside if len(inside) <= 3 else ())) if each.is_file()]


def _annotations(file: Path, *, must: bool) -> dict[str, Any] | None:
    """The JSON, or None if it is something else and that `must` not be an error."""
    try:
        data = json.loads(file.read_bytes())
    except OSError as e:
        raise InputError(f"{file} cannot be read: {e.strerror}; check it") from e
    except (ValueError, RecursionError) as e:
        if must:
            raise InputError(f"{file} is not JSON ({e}); make it anew") from e
        return None
    listed = data.get("annotations") if isinstance(data, dict) else None
    if isinstance(listed, list) and listed and isinstance(listed[0], dict) and "segments_info" in listed[0]:
        return dict(data)
    if must:
        raise InputError(f"{file} lists no panoptic annotations ('segments_info'); give COCO's panoptic JSON")
    return None


def _schema(name: str, categories: Any) -> tuple[LabelSchema, dict[Any, int]]:
    """The schema of the categories, and the class id of each category id."""
    ids = [each["id"] for each in categories]
    fit = all(type(each) is int and 0 <= each < VOID for each in ids)
    classes = {each: each if fit else number for number, each in enumerate(ids)}
    taken: set[Colour] = {(0, 0, 0)}
    found = []
    for number, each in enumerate(categories):
        listed = each.get("color")
        colour = tuple(listed) if isinstance(listed, list) else None
        if colour is None or colour in taken:
            colour = _colour(number, taken)
        taken.add(colour)
        found.append(LabelClass(each["name"], classes[each["id"]], colour, bool(each.get("isthing", 0))))
    return LabelSchema(name, tuple(found)), classes


def _colour(number: int, taken: set[Colour]) -> Colour:
    """A colour that no other class has: hues a golden section apart."""
    while True:
        hue, value = number * 0.618034 % 1, 0.95 - number % 3 * 0.2
        red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.7, value))
        if (red, green, blue) not in taken:
            return red, green, blue
        number += 1


def _numbers(segments: tuple[Mapping[int, int], ...]) -> dict[int, int] | None:
    ids = dict.fromkeys(each for picture in segments for each in picture)
    if max(ids, default=0) <= _MOST_INSTANCES:
        return {}
    if len(ids) > _MOST_INSTANCES:
        return None
    return {each: number + 1 for number, each in enumerate(ids)}


def _holds(folder: Path, name: str) -> bool:
    """Whether a folder holds a file; names that lead out of it, or that no file can have, do not count."""
    try:
        return (folder / name).is_file() and (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False
