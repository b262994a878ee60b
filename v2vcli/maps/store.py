"""Writing maps: one `.mkv` per clip (`map_file`) or a folder of PNGs (`map_folder`). `sources.open_maps` reads them.

What is peculiar: everything is written beside the target under a `.part` name and renamed when it is complete, so that
the final name never holds half a clip. A folder is replaced only if it holds nothing but maps.
"""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av

from v2vcli.errors import OutputError, SchemaMismatch
from v2vcli.maps.map_file import MapFileWriter
from v2vcli.maps.map_folder import INSTANCES_FOLDER, SCHEMA_FILE, MapFolderWriter
from v2vcli.maps.spec import MapFrame, MapSpec


class MapWriter:
    """Context manager that stores the maps of one clip, exactly.

    Args:
        path: `NAME.mkv` for one file, a name without suffix for a folder.
        spec: What all maps are.
        overwrite: Replace what is there (`-y`).

    Raises:
        OutputError: Another suffix, the target exists, or its parent folder does not.
    """

    def __init__(self, path: str | Path, spec: MapSpec, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.spec = spec
        self.count = 0
        self._size: tuple[int, int] | None = None
        is_file = self.path.suffix.lower() == ".mkv"
        if not is_file and (self.path.suffix and not self.path.is_dir()):
            raise OutputError(f"maps cannot be written as {self.path}; give a name ending in .mkv, or a folder")
        if not self.path.absolute().parent.is_dir():
            raise OutputError(f"{self.path} cannot be written: there is no folder {self.path.parent}; make it first")
        _check_target(self.path, is_file, overwrite)
        self._part = self.path.with_name(
            f"{self.path.stem}.part{self.path.suffix}" if is_file else f"{self.path.name}.part"
        )
        _remove(self._part)
        try:
            if is_file:
                self._part.touch()  # PyAV creates the file with the first packet only; a forbidden folder shows now
            self._writer: MapFileWriter | MapFolderWriter = (
                MapFileWriter(self._part, spec) if is_file else MapFolderWriter(self._part, spec)
            )
        except (OSError, av.error.FFmpegError) as e:
            raise OutputError(f"{self.path} cannot be written: {e.strerror or e}; check the folder") from e

    def write(self, frame: MapFrame, pts: Fraction) -> None:
        """Append one map at `pts` seconds (exact).

        Raises:
            OutputError: The disk refuses, or size or kind differ from those of the clip.
            SchemaMismatch: A label map has ids that its schema does not know.
        """
        if frame.spec != self.spec:
            raise OutputError(f"map {self.count} is not what {self.path} was opened for; remap it first")
        self._size = self._size or frame.size
        if frame.size != self._size:
            raise OutputError(f"map {self.count} is {frame.size} but {self.path} holds {self._size}; resize it first")
        if self.spec.schema is not None and (unknown := self.spec.schema.unknown_ids(frame.array)):
            raise SchemaMismatch(
                f"map {self.count} has ids {unknown} that schema '{self.spec.schema.name}' does not know"
            )
        try:
            self._writer.write(frame, pts)
        except (OSError, av.error.FFmpegError) as e:
            raise OutputError(f"{self.path} cannot be written: {e.strerror or e}; is the disk full?") from e
        self.count += 1

    def __enter__(self) -> MapWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish and rename; on an exception, or without maps, leave nothing behind."""
        try:
            self._writer.close()
            if kind is None:
                if self.count == 0:
                    raise OutputError(f"{self.path} was not written: there were no maps; check the input")
                if self.path.is_dir():
                    shutil.rmtree(self.path)
                self._part.replace(self.path)
        except (OSError, av.error.FFmpegError) as e:
            if kind is None:
                raise OutputError(f"{self.path} cannot be written: {e.strerror or e}; is the disk full?") from e
        finally:
            _remove(self._part)


def _check_target(path: Path, is_file: bool, overwrite: bool) -> None:
    if not path.exists():
        return
    if not overwrite:
        raise OutputError(f"{path} exists; give -y to replace it, or another name")
    if is_file == path.is_dir():
        raise OutputError(f"{path} is a {'folder' if is_file else 'file'}; give another name")
    if not is_file:
        ours = {SCHEMA_FILE, INSTANCES_FOLDER}
        strangers = sorted(f.name for f in path.iterdir() if f.name not in ours and f.suffix.lower() != ".png")
        if strangers:
            raise OutputError(f"{path} holds other files than maps ({strangers[0]}); give another folder")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
