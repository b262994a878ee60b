"""Writing maps: one `.mkv` per clip (`map_file`) or a folder of PNGs (`map_folder`). `sources.open_maps` reads them.

What is peculiar: everything is written beside the target under a `.part` name and renamed when it is complete, so that
the final name never holds half a clip. A folder is replaced only if all that it holds was written here.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av

from v2vcli.errors import OutputError, SchemaMismatch
from v2vcli.maps.files.map_file import MapFileWriter, stored_as
from v2vcli.maps.files.map_folder import MapFolderWriter, folder_stored_as, remove_maps, strangers
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.partfile import PartFile, refuse_inputs, require_free


class MapWriter:
    """Context manager that stores the maps of one clip, exactly.

    Args:
        path: `NAME.mkv` for one file, a name without suffix for a folder.
        spec: What all maps are.
        overwrite: Replace what is there (`-y`).
        source: Who made the maps, such as ``bundled:street-segmenter 1a2b3c`` or ``torchvision:deeplabv3_resnet50``.

    Raises:
        OutputError: As `require_maps_free`, or the folder takes no files.
    """

    def __init__(self, path: str | Path, spec: MapSpec, *, overwrite: bool = False, source: str = "") -> None:
        self.path = Path(path)
        self.spec = spec
        self.count = 0
        self._size: tuple[int, int] | None = None
        self._has_instances = False
        is_file = _is_file(self.path)
        require_maps_free(self.path, overwrite=overwrite)
        self._output = PartFile(self.path, overwrite=overwrite, folder=not is_file)
        try:
            self._writer: MapFileWriter | MapFolderWriter = (MapFileWriter if is_file else MapFolderWriter)(
                self._output.part, spec, source
            )
        except (OSError, av.error.FFmpegError) as e:
            self._output.discard()
            raise OutputError(f"{self.path} cannot be written: {e.strerror or e}; check the folder") from e
        except BaseException:
            self._output.discard()
            raise

    def write(self, frame: MapFrame, pts: Fraction) -> None:
        """Append one map at `pts` seconds (exact).

        Raises:
            OutputError: The disk refuses, or size or kind differ from those of the clip, or instances come and go.
            SchemaMismatch: A label map has ids that its schema does not know.
        """
        if frame.spec != self.spec:
            raise OutputError(f"map {self.count} is not what {self.path} was opened for; remap it first")
        if self._size is None:
            self._size, self._has_instances = frame.size, frame.instances is not None
        if frame.size != self._size:
            raise OutputError(f"map {self.count} is {frame.size} but {self.path} holds {self._size}; resize it first")
        if (frame.instances is not None) != self._has_instances:
            raise OutputError("some maps of the clip have instances and some have none; give all of them or none")
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
                    self._output.require_ready()  # or the old maps would go for nothing
                    remove_maps(self.path)
                self._output.commit()
        except (OSError, av.error.FFmpegError) as e:
            if kind is None:
                raise OutputError(f"{self.path} cannot be written: {e.strerror or e}; is the disk full?") from e
        finally:
            self._output.discard()


def require_maps_free(path: Path, *, overwrite: bool, inputs: Iterable[str | Path] = ()) -> None:
    """Check that maps may be written to a file or folder; changes nothing on the disk.

    Raises:
        OutputError: as `partfile.require_free`; a name that maps cannot have; or a folder that holds anything but maps.
    """
    refuse_inputs(path, inputs)
    is_file = _is_file(path)
    if not is_file and path.suffix and not path.is_dir():
        raise OutputError(f"maps cannot be written as {path}; give a name ending in .mkv, or a folder")
    require_free(path, overwrite=overwrite, inputs=inputs, folder=not is_file)
    if not is_file and path.is_dir() and (found := strangers(path)):
        raise OutputError(f"{path} holds other files than maps of v2v ({found[0]}); give another folder")


def stored_source(path: str | Path) -> str | None:
    """Who made the maps of a file or folder that v2v wrote; None if another program did.

    Raises:
        InputError: The path cannot be read, or what it says of itself cannot be understood.
    """
    path = Path(path)
    stored = folder_stored_as(path) if path.is_dir() else stored_as(path)
    return None if stored is None else stored.source


def _is_file(path: Path) -> bool:
    return path.suffix.lower() == ".mkv"
