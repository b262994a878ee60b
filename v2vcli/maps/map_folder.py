"""Maps as a folder of pictures: one PNG per map.

What is peculiar:

- In a label PNG with a palette the pixel *value* is the class; the palette is only there to look at (and OpenCV would
  expand it, so Pillow reads them). But programs that shrink PNGs make palettes of their own: where every colour in use
  is a colour of the schema, standing at another index, the PNG is read as colour-coded.
- Written folders hold `000000.png, 000001.png, ...`, `schema.json` beside label PNGs, and 16-bit `instances/000000.png`
  where there are instances. The exact time of a map is the PNG's text chunk `v2v_pts`, `numerator/denominator` seconds.
- Cityscapes folders work as they are: `*_labelIds.png` or `*_labelTrainIds.png`, with `*_instanceIds.png`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from v2vcli.errors import InputError, OutputError
from v2vcli.maps.map_file import as_uint16
from v2vcli.maps.raw_map import RawMap
from v2vcli.maps.schema import CITYSCAPES19, CITYSCAPES35, SCHEMAS, LabelSchema, load_schema
from v2vcli.maps.spec import MapFrame, MapKind, MapSpec

SCHEMA_FILE: Final = "schema.json"
INSTANCES_FOLDER: Final = "instances"
_PTS_KEY: Final = "v2v_pts"
_NUMBERED: Final = re.compile(r"\d{6,}\.png")
_PICTURES: Final = frozenset({".png", ".jpg", ".jpeg"})
_CITYSCAPES: Final[Mapping[str, LabelSchema]] = MappingProxyType(
    {"_labelIds.png": CITYSCAPES35, "_labelTrainIds.png": CITYSCAPES19}
)


class MapFolderWriter:
    """Writes a folder of PNGs. `store.MapWriter` adds the temporary name and the checks of the target.

    Args:
        path: The folder; it exists and is empty.
        spec: What the maps are.
    """

    def __init__(self, path: Path, spec: MapSpec) -> None:
        self._path = path
        self._spec = spec
        self._index = 0
        if spec.schema is not None:
            (path / SCHEMA_FILE).write_text(spec.schema.to_json(), encoding="utf-8")

    def write(self, frame: MapFrame, pts: Fraction) -> None:
        """Write one map at `pts` seconds.

        Raises:
            OutputError: Its instances do not fit 16 bits.
        """
        name = f"{self._index:06d}.png"
        picture = Image.fromarray(frame.array)
        if self._spec.schema is not None:
            picture.putpalette(self._spec.schema.palette.tobytes())  # all 256 entries keep the PNG at 8 bits
        text = PngInfo()
        text.add_text(_PTS_KEY, f"{pts.numerator}/{pts.denominator}")
        picture.save(self._path / name, pnginfo=text)
        if frame.instances is not None:
            (self._path / INSTANCES_FOLDER).mkdir(exist_ok=True)
            Image.fromarray(as_uint16(frame.instances)).save(self._path / INSTANCES_FOLDER / name)
        self._index += 1

    def close(self) -> None:
        """Nothing is left to finish; there for symmetry with `MapFileWriter`."""


def strangers(folder: Path) -> list[str]:
    """What lies in a folder that `MapFolderWriter` did not write, by name; empty if the folder may be replaced.

    A map counts as ours if it says its time in our text chunk, an instance PNG by the map of its name: one that was
    edited and saved by another program is somebody's work.
    """
    names = {entry.name for entry in folder.iterdir()}
    ours = {name for name in names if _NUMBERED.fullmatch(name) and _is_stored_map(folder / name)}
    found = names - ours
    if ours and (folder / SCHEMA_FILE).is_file():
        found -= {SCHEMA_FILE}
    instances = folder / INSTANCES_FOLDER
    if INSTANCES_FOLDER in found and instances.is_dir() and not instances.is_symlink():
        inside = {entry.name for entry in instances.iterdir() if entry.name not in ours or not entry.is_file()}
        found = found - {INSTANCES_FOLDER} | {f"{INSTANCES_FOLDER}/{name}" for name in inside}
    return sorted(found)


def remove_maps(folder: Path) -> None:
    """Remove a folder that `MapFolderWriter` wrote, file by file: what came into it meanwhile is kept.

    Raises:
        OutputError: Something in it is not ours; nothing has been removed.
        OSError: The disk refuses.
    """
    if found := strangers(folder):
        raise OutputError(f"{folder} holds other files than maps of v2v ({found[0]}); give another folder")
    for name in [entry.name for entry in folder.iterdir() if _NUMBERED.fullmatch(entry.name)]:
        (folder / INSTANCES_FOLDER / name).unlink(missing_ok=True)
        (folder / name).unlink()
    (folder / SCHEMA_FILE).unlink(missing_ok=True)
    if (folder / INSTANCES_FOLDER).is_dir():
        (folder / INSTANCES_FOLDER).rmdir()
    folder.rmdir()


@dataclass(frozen=True)
class MapFolder:
    """A folder of maps that somebody made.

    Attributes:
        path: The folder.
        kind: What is sought in it.
        files: The maps in natural order (`2.png` before `10.png`).
        instances: The instance PNG of each map, or empty.
        schema: The schema that the folder itself declares (`schema.json`, or Cityscapes' file names), or None.
    """

    path: Path
    kind: MapKind
    files: tuple[Path, ...]
    instances: tuple[Path, ...]
    schema: LabelSchema | None

    @classmethod
    def open(cls, path: Path, kind: MapKind) -> MapFolder:
        """Look through a folder.

        Raises:
            InputError: No pictures in it, or some maps have instances and some have none.
        """
        pictures = sorted((f for f in path.iterdir() if f.suffix.lower() in _PICTURES), key=_natural)
        if kind != "rgb":
            pictures = [f for f in pictures if f.suffix.lower() == ".png"]
        if not pictures:
            raise InputError(f"{path} has no {'pictures' if kind == 'rgb' else 'PNGs'} in it; check the folder")
        if kind != "labels":
            return cls(path, kind, tuple(pictures), (), None)
        schema = load_schema(path / SCHEMA_FILE) if (path / SCHEMA_FILE).is_file() else None
        for suffix, cityscapes in _CITYSCAPES.items():
            if chosen := [f for f in pictures if f.name.endswith(suffix)]:
                pictures, schema = chosen, schema or cityscapes
                instances = [f.with_name(f.name.removesuffix(suffix) + "_instanceIds.png") for f in pictures]
                break
        else:
            instances = [path / INSTANCES_FOLDER / f.name for f in pictures]
        missing = [f for f in instances if not f.is_file()]
        if missing and len(missing) < len(instances):
            raise InputError(f"{path}: some maps have instances but {missing[0].name} is missing; add it or remove all")
        return cls(path, kind, tuple(pictures), () if missing else tuple(instances), schema)

    def schema_of_palette(self, preferred: LabelSchema) -> LabelSchema | None:
        """The schema whose palette the first PNG carries: `preferred` or a built-in one; None if it has neither."""
        with _open(self.files[0]) as picture:
            palette = _palette(picture)
        if palette is None:
            return None
        candidates = (preferred, *SCHEMAS.values())
        return next((s for s in candidates if all(tuple(palette[c.id].tolist()) == c.colour for c in s.classes)), None)

    def is_colour_coded(self) -> bool:
        """Whether the first picture holds colours rather than values."""
        with _open(self.files[0]) as picture:
            return picture.mode in ("RGB", "RGBA")

    def maps(self, schema: LabelSchema | None) -> Iterator[RawMap]:
        """Maps one at a time.

        Args:
            schema: Of the folder's labels; None for other kinds.

        Raises:
            InputError: A picture cannot be read, or is of a kind that no such map has; the message names it.
        """
        for index, file in enumerate(self.files):
            instances = _instances(self.instances[index]) if self.instances else None
            with _open(file) as picture:
                array = _rgb(picture, file) if self.kind == "rgb" else _values(picture, file, schema)
                pts = _pts(picture)
            if instances is not None and instances.shape != array.shape[:2]:
                raise InputError(f"{self.instances[index]} is not of the same size as {file}; make it anew")
            yield RawMap(array, f"{file} (map {index})", pts, instances)


def _is_stored_map(file: Path) -> bool:
    """Whether a file is a PNG with our text chunk, which stands before the pixels: only the head is read."""
    if file.is_symlink() or not file.is_file():
        return False
    try:
        with Image.open(file, formats=["PNG"]) as picture:
            return _PTS_KEY in picture.info
    except (OSError, SyntaxError, ValueError):
        return False


def _natural(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Sort key: runs of digits as numbers, the rest as text."""
    parts = re.split(r"(\d+)", path.name)
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts)


def _open(file: Path) -> Image.Image:
    try:
        picture = Image.open(file)
        picture.load()  # decodes now, so that damage shows here
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:  # Pillow raises all of these
        raise InputError(f"{file} cannot be read as a picture ({e}); make it anew") from e
    return picture


def _palette(picture: Image.Image) -> NDArray[np.uint8] | None:
    """(256, 3) colours of a paletted picture, black where it has no more; None without a palette."""
    if picture.mode != "P":
        return None
    flat = picture.getpalette("RGB") or []
    table = np.zeros((256, 3), np.uint8)
    table[: len(flat) // 3] = np.reshape(flat, (-1, 3))
    return table


def _values(picture: Image.Image, file: Path, schema: LabelSchema | None) -> NDArray[np.uint8]:
    """Pixel values (H, W) where they are the map, colours (H, W, 3) where those are."""
    if picture.mode in ("RGB", "RGBA"):
        return np.asarray(picture.convert("RGB"), np.uint8)
    if picture.mode in ("1", "L") or (picture.mode == "P" and schema is None):
        return np.asarray(picture.convert("L"), np.uint8)
    palette = _palette(picture)
    if palette is None or schema is None:
        raise InputError(f"{file} is a '{picture.mode}' picture; maps are 8-bit grey, paletted or RGB PNGs")
    values = np.asarray(picture, np.uint8)
    used = np.unique(values)
    if np.array_equal(palette[used], schema.palette[used]):
        return values
    if all(tuple(colour) in schema.colours for colour in palette[used].tolist()):
        return np.asarray(palette[values], np.uint8)
    return values


def _rgb(picture: Image.Image, file: Path) -> NDArray[np.uint8]:
    if picture.mode not in ("RGB", "RGBA", "P", "L", "1", "LA", "CMYK", "YCbCr"):
        raise InputError(f"{file} is a '{picture.mode}' picture; RGB maps are 8-bit colour pictures")
    return np.asarray(picture.convert("RGB"), np.uint8)


def _instances(file: Path) -> NDArray[np.int32]:
    with _open(file) as picture:
        array = np.asarray(picture)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise InputError(f"{file} does not hold instance ids; they are 8- or 16-bit grey PNGs")
    return array.astype(np.int32)


def _pts(picture: Image.Image) -> Fraction | None:
    try:
        return Fraction(str(picture.info[_PTS_KEY]))
    except (KeyError, ValueError, ZeroDivisionError):
        return None
