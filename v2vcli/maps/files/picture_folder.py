"""Folders of pictures as maps: what `map_folder` wrote, and what others keep: one picture per map.

What is peculiar:

- In a label PNG with a palette the pixel *value* is the class; the palette is only there to look at (and OpenCV would
  expand it, so Pillow reads them). But programs that shrink PNGs make palettes of their own: where every colour in use
  is a colour of the schema, standing at another index, the PNG is read as colour-coded.
- Cityscapes folders work as they are: `*_labelIds.png` or `*_labelTrainIds.png`, with or without `*_instanceIds.png`;
  or the latter alone, whose 16-bit numbers are class * 1000 + object, or the class where objects are not told apart.
- Flow and depth are 16-bit PNGs as KITTI has them (`kitti`), from whatever program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from v2vcli.errors import InputError
from v2vcli.maps.drawn.keypoints import Points
from v2vcli.maps.files.keypoint_json import keypoints_from_json
from v2vcli.maps.files.map_folder import (
    INSTANCES_FOLDER,
    KEYPOINTS_FOLDER,
    MAPS_FILE,
    PLANES_FOLDER,
    PTS_KEY,
    SCHEMA_FILE,
    folder_stored_as,
)
from v2vcli.maps.files.png_files import open_picture, palette_of, read_grey, read_ids, read_rgb, read_wide, text_of
from v2vcli.maps.files.raw_map import RawMap
from v2vcli.maps.files.stored_planes import StoredAs, further_pictures, put_together, time_from
from v2vcli.maps.schema import CITYSCAPES19, CITYSCAPES35, SCHEMAS, LabelSchema, load_schema
from v2vcli.maps.spec import DRAWN_KINDS, MapKind, MapSpec, brief

_PICTURES: Final = frozenset({".png", ".jpg", ".jpeg"})
_CITYSCAPES: Final[Mapping[str, tuple[str, LabelSchema]]] = MappingProxyType(
    {
        "_labelIds.png": ("_instanceIds.png", CITYSCAPES35),
        "_labelTrainIds.png": ("_instanceIds.png", CITYSCAPES19),
        "_instanceIds.png": ("_instanceIds.png", CITYSCAPES35),
        "_instanceTrainIds.png": ("_instanceTrainIds.png", CITYSCAPES19),
    }
)
"""How files of labels end, how those of their instances do, and what the labels are; the first that is there counts."""
_OBJECTS: Final = 1000
"""Instance ids of Cityscapes from here up are class * 1000 + object."""


@dataclass(frozen=True)
class MapFolder:
    """A folder of maps that somebody made.

    Attributes:
        path: The folder.
        kind: What is sought in it.
        files: The maps in natural order (`2.png` before `10.png`).
        instances: The instance PNG of each map, or empty.
        schema: The schema that the folder itself declares (`schema.json`, or Cityscapes' file names), or None.
        stored: What the folder says of itself if it is one of ours, else None.
    """

    path: Path
    kind: MapKind
    files: tuple[Path, ...]
    instances: tuple[Path, ...] = ()
    schema: LabelSchema | None = None
    stored: StoredAs | None = None

    @classmethod
    def open(cls, path: Path, kind: MapKind) -> MapFolder:
        """Look through a folder.

        Raises:
            InputError: No pictures in it, or some maps have instances and some have none, or they are of another kind.
        """
        stored = folder_stored_as(path)
        if stored is not None and stored.spec.kind != kind:
            raise other_kind(path, stored.spec, kind)
        pictures = sorted((f for f in path.iterdir() if f.suffix.lower() in _PICTURES), key=natural)
        if kind != "rgb":
            pictures = [f for f in pictures if f.suffix.lower() == ".png"]
        if not pictures:
            raise InputError(f"{path} has no {'pictures' if kind == 'rgb' else 'PNGs'} in it; check the folder")
        if kind in DRAWN_KINDS and stored is None:
            raise InputError(
                f"{path} has no {MAPS_FILE}, so nothing says how its '{kind}' maps were drawn; give the keypoints"
            )
        if kind not in ("labels", "face"):
            return cls(path, kind, tuple(pictures), stored=stored)
        schema = _schema_of(path) if kind == "labels" else None
        instances = [path / INSTANCES_FOLDER / f.name for f in pictures]
        for suffix, (beside, cityscapes) in _CITYSCAPES.items():
            if kind == "labels" and (chosen := [f for f in pictures if f.name.endswith(suffix)]):
                pictures, schema = chosen, schema or cityscapes
                instances = [f.with_name(f.name.removesuffix(suffix) + beside) for f in pictures]
                break
        missing = [f for f in instances if not f.is_file()]
        if missing and len(missing) < len(instances):
            raise InputError(f"{path}: some maps have instances but {missing[0].name} is missing; add it or remove all")
        return cls(path, kind, tuple(pictures), () if missing else tuple(instances), schema, stored)

    def schema_of_palette(self, preferred: LabelSchema) -> LabelSchema | None:
        """The schema whose palette the first PNG carries: `preferred` or a built-in one; None if it has neither."""
        with open_picture(self.files[0]) as picture:
            palette = palette_of(picture)
        if palette is None:
            return None
        candidates = (preferred, *SCHEMAS.values())
        return next((s for s in candidates if all(tuple(palette[c.id].tolist()) == c.colour for c in s.classes)), None)

    def is_colour_coded(self) -> bool:
        """Whether the first picture holds colours rather than values."""
        with open_picture(self.files[0]) as picture:
            return picture.mode in ("RGB", "RGBA")

    def maps(self, schema: LabelSchema | None, start: Fraction | None = None) -> Iterator[RawMap]:
        """Maps one at a time.

        Args:
            schema: Of the folder's labels; None for other kinds.
            start: Leave out the maps that say to be from before this time, in seconds, without decoding them.

        Raises:
            InputError: A picture cannot be read, or is of a kind that no such map has; the message names it.
        """
        for index, file in enumerate(self.files):
            pts = time_from(text_of(file, PTS_KEY) or "")
            if start is not None and pts is not None and pts < start:
                continue
            instances = None
            if self.instances:
                with open_picture(self.instances[index]) as picture:
                    instances = read_ids(picture, self.instances[index])
            array = self._array(file, schema, instances)
            if instances is not None and instances.shape != array.shape[:2]:
                raise InputError(f"{self.instances[index]} is not of the same size as {file}; make it anew")
            yield RawMap(array, f"{file} (map {index})", pts, instances, self._keypoints(file))

    def _array(self, file: Path, schema: LabelSchema | None, instances: NDArray[np.int32] | None) -> NDArray[Any]:
        if instances is not None and file in self.instances:
            return _classes(instances, file)
        with open_picture(file) as picture:
            if self.kind in ("labels", "edges"):
                return _values(picture, file, schema)
            if self.kind == "flow":
                return read_wide(picture, file, planes=3)
            if self.kind == "depth":
                return read_wide(picture, file, planes=None)
            array = (read_grey if self.kind == "face" else read_rgb)(picture, file)
        if self.kind == "rgb" or self.stored is None:
            return array
        further = []
        for number in range(1, 1 + further_pictures(self.stored.spec)):
            beside = self.path / PLANES_FOLDER / f"{file.stem}_{number}.png"
            with open_picture(beside) as picture:
                further.append(read_rgb(picture, beside))
        return put_together(self.stored.spec, [array, *further], str(file))

    def _keypoints(self, file: Path) -> Points | None:
        """The keypoints that lie beside a map, if any."""
        beside = self.path / KEYPOINTS_FOLDER / f"{file.stem}.json"
        if self.kind not in DRAWN_KINDS or not beside.is_file():
            return None
        try:
            return keypoints_from_json(self.kind, beside.read_bytes(), str(beside))
        except OSError as e:
            raise InputError(f"{beside} cannot be read: {e.strerror}; check it") from e


def _schema_of(folder: Path) -> LabelSchema | None:
    """What a folder's `schema.json` says, if it has one."""
    if not (folder / SCHEMA_FILE).is_file():
        return None
    try:
        return load_schema(folder / SCHEMA_FILE)
    except (InputError, RecursionError) as e:
        raise InputError(brief(e)) from e


def other_kind(path: Path, stored: MapSpec, wanted: MapKind) -> InputError:
    """The refusal of maps of another kind than the model paints from."""
    return InputError(
        f"{path} holds '{stored.kind}' maps, but the model paints from '{wanted}' maps; "
        f"give maps of that kind, or a --model that paints from '{stored.kind}' (`v2v models list`)"
    )


def natural(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Sort key of file names: runs of digits as numbers, the rest as text."""
    parts = re.split(r"(\d+)", path.name)
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts)


def _classes(instances: NDArray[np.int32], file: Path) -> NDArray[np.uint8]:
    """(H, W) the classes of Cityscapes' instance ids."""
    classes = np.where(instances >= _OBJECTS, instances // _OBJECTS, instances)
    if classes.max() > 255:
        raise InputError(f"{file} has the id {classes.max()}, which is neither a class nor class * 1000 + object")
    return classes.astype(np.uint8)


def _values(picture: Image.Image, file: Path, schema: LabelSchema | None) -> NDArray[np.uint8]:
    """Pixel values (H, W) where they are the map, colours (H, W, 3) where those are."""
    if picture.mode in ("RGB", "RGBA"):
        return np.asarray(picture.convert("RGB"), np.uint8)
    if picture.mode in ("1", "L") or (picture.mode == "P" and schema is None):
        return np.asarray(picture.convert("L"), np.uint8)
    palette = palette_of(picture)
    if palette is None or schema is None:
        raise InputError(f"{file} is a '{picture.mode}' picture; maps are 8-bit grey, paletted or RGB PNGs")
    values = np.asarray(picture, np.uint8)
    used = np.unique(values)
    if np.array_equal(palette[used], schema.palette[used]):
        return values
    if all(tuple(colour) in schema.colours for colour in palette[used].tolist()):
        return np.asarray(palette[values], np.uint8)
    return values
