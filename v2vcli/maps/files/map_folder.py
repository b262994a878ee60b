"""Writing maps as a folder of PNGs, which other programs read. `picture_folder` reads it back.

What a folder holds (docs/formats.md):

- `000000.png, 000001.png, ...`: the first picture of each map (`stored_planes`); labels with the palette of their
  schema. Its exact time is the text chunk `v2v_pts`, `numerator/denominator` seconds;
- `planes/000000_1.png` and so on: its further pictures; `instances/000000.png`: 16-bit instance ids where maps have
  them; `keypoints/000000.json`: the keypoints of the maps that have them (`keypoint_json`);
- `maps.json`: the `spec` of the maps, their `source`, and the `version` of v2v; `schema.json` beside labels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Final

from v2vcli.errors import InputError, OutputError
from v2vcli.maps.files.keypoint_json import keypoints_to_json
from v2vcli.maps.files.png_files import text_of, write_png
from v2vcli.maps.files.stored_planes import StoredAs, as_uint16, taken_apart, time_text
from v2vcli.maps.spec import MapFrame, MapSpec

SCHEMA_FILE: Final = "schema.json"
MAPS_FILE: Final = "maps.json"
INSTANCES_FOLDER: Final = "instances"
PLANES_FOLDER: Final = "planes"
KEYPOINTS_FOLDER: Final = "keypoints"
PTS_KEY: Final = "v2v_pts"
_NUMBERED: Final = re.compile(r"\d{6,}\.png")
_BESIDE: Final = {
    INSTANCES_FOLDER: re.compile(r"(\d{6,})\.png"),
    PLANES_FOLDER: re.compile(r"(\d{6,})_\d+\.png"),
    KEYPOINTS_FOLDER: re.compile(r"(\d{6,})\.json"),
}
"""What the names are of what lies in the folders beside the maps; each begins with the name of its map."""


class MapFolderWriter:
    """Writes a folder of PNGs. `store.MapWriter` adds the temporary name and the checks of the target.

    Args:
        path: The folder; it exists and is empty.
        spec: What the maps are.
        source: Who made them.
    """

    def __init__(self, path: Path, spec: MapSpec, source: str = "") -> None:
        self._path = path
        self._spec = spec
        self._index = 0
        about = {"spec": spec.as_dict(), "source": source, "version": version("v2vcli")}
        (path / MAPS_FILE).write_text(json.dumps(about), encoding="utf-8")
        if spec.schema is not None:
            (path / SCHEMA_FILE).write_text(spec.schema.to_json(), encoding="utf-8")

    def write(self, frame: MapFrame, pts: Fraction) -> None:
        """Write one map at `pts` seconds.

        Raises:
            OutputError: Its instances do not fit 16 bits.
        """
        first, *further = taken_apart(self._spec, frame.array)
        name = f"{self._index:06d}"
        palette = None if self._spec.schema is None else self._spec.schema.palette
        write_png(self._path / f"{name}.png", first, {PTS_KEY: time_text(pts)}, palette)
        for number, picture in enumerate(further, 1):
            write_png(self._beside(PLANES_FOLDER) / f"{name}_{number}.png", picture, {})
        if frame.instances is not None:
            write_png(self._beside(INSTANCES_FOLDER) / f"{name}.png", as_uint16(frame.instances), {})
        if frame.keypoints is not None:
            text = keypoints_to_json(self._spec.kind, frame.keypoints)
            (self._beside(KEYPOINTS_FOLDER) / f"{name}.json").write_text(text, encoding="utf-8")
        self._index += 1

    def _beside(self, folder: str) -> Path:
        (self._path / folder).mkdir(exist_ok=True)
        return self._path / folder

    def close(self) -> None:
        """Nothing is left to finish; there for symmetry with `MapFileWriter`."""


def folder_stored_as(folder: Path) -> StoredAs | None:
    """What the maps of a folder are and who made them if it is one of ours, else None.

    Raises:
        InputError: Its `maps.json` cannot be understood.
    """
    file = folder / MAPS_FILE
    try:
        data = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as e:
        raise InputError(f"{file} cannot be read: {e.strerror}; check it") from e
    except (ValueError, RecursionError) as e:
        raise InputError(f"{file} is not JSON ({e}); make the maps anew") from e
    if not isinstance(data, dict):
        raise InputError(f"{file} is no object with a 'spec'; make the maps anew")
    spec = MapSpec.from_dict(data.get("spec"), f"{file}: spec")
    return StoredAs(spec, str(data.get("source", "")), str(data.get("version", "")))


def strangers(folder: Path) -> list[str]:
    """What lies in a folder that `MapFolderWriter` did not write, by name; empty if the folder may be replaced.

    A map counts as ours if it says its time in our text chunk, what lies in the folders beside it by the map of its
    name: one that was edited and saved by another program is somebody's work.
    """
    names = {entry.name for entry in folder.iterdir()}
    ours = {name for name in names if _NUMBERED.fullmatch(name) and _is_stored_map(folder / name)}
    found = names - ours
    if ours:
        found -= {name for name in (SCHEMA_FILE, MAPS_FILE) if (folder / name).is_file()}
    for name in _BESIDE:
        if name in found and (folder / name).is_dir() and not (folder / name).is_symlink():
            known = {each.name for each in _beside(folder, name, ours)}
            inside = {each.name for each in (folder / name).iterdir() if each.name not in known}
            found = found - {name} | {f"{name}/{each}" for each in inside}
    return sorted(found)


def _beside(folder: Path, name: str, maps: Iterable[str]) -> list[Path]:
    """The files in one of the folders beside the maps that belong to maps of these names."""
    stems = {Path(each).stem for each in maps}
    found = []
    for each in (folder / name).iterdir() if (folder / name).is_dir() else ():
        match = _BESIDE[name].fullmatch(each.name)
        if match and match[1] in stems and each.is_file():
            found.append(each)
    return found


def _is_stored_map(file: Path) -> bool:
    return file.is_file() and not file.is_symlink() and text_of(file, PTS_KEY) is not None


def remove_maps(folder: Path) -> None:
    """Remove a folder that `MapFolderWriter` wrote, file by file: what came into it meanwhile is kept.

    Raises:
        OutputError: Something in it is not ours; nothing has been removed.
        OSError: The disk refuses.
    """
    if found := strangers(folder):
        raise OutputError(f"{folder} holds other files than maps of v2v ({found[0]}); give another folder")
    maps = [entry.name for entry in folder.iterdir() if _NUMBERED.fullmatch(entry.name)]
    for file in [
        *(each for name in _BESIDE for each in _beside(folder, name, maps)),
        *(folder / name for name in maps),
    ]:
        file.unlink()
    for name in (SCHEMA_FILE, MAPS_FILE):
        (folder / name).unlink(missing_ok=True)
    for name in _BESIDE:
        if (folder / name).is_dir():
            (folder / name).rmdir()
    folder.rmdir()
