"""Where a video goes: a file, a folder of pictures, or a stream; what is half done is never under the final name.

What is peculiar:

- A file, and a folder of pictures, is written beside its place under a ``.part`` name and renamed when it is complete.
- Pictures get a folder of their own, which appears with all of them or not at all. An existing one is replaced with
  ``-y`` and only if it holds nothing but pictures of that very pattern; an empty one counts as none.
- What has gone into a pipe has gone; there is nothing to rename or to remove.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Protocol

from v2vcli.errors import OutputError, UsageError
from v2vcli.partfile import PartFile, require_free
from v2vcli.video.containers import PIPED, ContainerFormat, find_container
from v2vcli.video.failures import plain
from v2vcli.video.pictures import is_pattern, matching
from v2vcli.video.pipes import PipeSink, is_stream


class Destination(Protocol):
    """What a writer writes to.

    Attributes:
        name: what to call it in a message.
        target: what PyAV opens.
        part: the file under its preliminary name; None: there is none.
        piped: there is no going back in it.
    """

    name: str
    target: str | PipeSink
    part: Path | None
    piped: bool

    def check(self) -> None:
        """Raise what went wrong where FFmpeg cannot tell."""

    def commit(self) -> None:
        """Everything is written: give it its name."""

    def discard(self) -> None:
        """Leave nothing of it, as far as that can be; never raises, and does nothing after `commit`."""


def require_writable(
    path: str | Path | BinaryIO,
    *,
    format: str | None = None,
    overwrite: bool = False,
    inputs: Iterable[str | Path] = (),
) -> None:
    """Check that an output may be written, of whichever kind it is; changes nothing on the disk.

    Raises:
        OutputError: as `partfile.require_free`, no known container, or a folder that holds other files.
        UsageError: a stream without a ``format``, or with one that cannot go through a pipe.
    """
    if is_stream(path):
        _piped_format(format)
        return
    assert isinstance(path, (str, Path))
    if format is None and is_pattern(path):
        _require_folder(Path(path), overwrite=overwrite, inputs=inputs)
    else:
        require_free(path, overwrite=overwrite, inputs=inputs)
    find_container(path, format)


def open_destination(
    path: str | Path | BinaryIO, format: str | None, *, overwrite: bool, inputs: Iterable[str | Path]
) -> tuple[Destination, ContainerFormat]:
    """The place to write to, made ready, and the container that goes there.

    Raises:
        OutputError, UsageError: as `require_writable`.
    """
    if is_stream(path):
        container = _piped_format(format)
        return StreamDestination(path), container
    assert isinstance(path, (str, Path))
    require_writable(path, format=format, overwrite=overwrite, inputs=inputs)
    container = find_container(path, format)
    if format is None and is_pattern(path):
        return FolderDestination(path, overwrite=overwrite, inputs=inputs), container
    return FileDestination(path, overwrite=overwrite, inputs=inputs), container


def _piped_format(format: str | None) -> ContainerFormat:
    if format is None:
        raise UsageError(f"a pipe has no file name that tells its format: give -f {'|'.join(PIPED)}")
    container = find_container("-", format)
    if not container.piped:
        raise UsageError(f"-f {format} cannot be written to a pipe; choose {', '.join(PIPED)}")
    return container


class FileDestination:
    """A file, written as ``OUT.part.ext``."""

    piped = False

    def __init__(self, path: str | Path, *, overwrite: bool, inputs: Iterable[str | Path]) -> None:
        self._output = PartFile(path, overwrite=overwrite, inputs=inputs)
        self.name = str(self._output.path)
        self.part: Path | None = self._output.part
        self.target: str | PipeSink = f"file:{self._output.part}"

    def check(self) -> None:
        """Nothing that FFmpeg does not tell."""

    def commit(self) -> None:
        """Give it its name.

        Raises:
            OutputError: as `PartFile.commit`.
        """
        self._output.commit()

    def discard(self) -> None:
        """Remove the part file, if it has not been renamed."""
        self._output.discard()


class FolderDestination:
    """A folder of numbered pictures, written as ``FOLDER.part``."""

    piped = False
    part: Path | None = None

    def __init__(self, pattern: str | Path, *, overwrite: bool, inputs: Iterable[str | Path]) -> None:
        pattern = Path(pattern)
        _require_folder(pattern, overwrite=overwrite, inputs=inputs)
        folder = pattern.parent
        self._pattern = pattern
        self._output = PartFile(folder, overwrite=overwrite or folder.is_dir(), inputs=inputs, folder=True)
        self.name = str(pattern)
        escaped = str(self._output.part).replace("%", "%%")
        self.target: str | PipeSink = f"file:{escaped}{os.sep}{pattern.name}"

    def check(self) -> None:
        """Nothing that FFmpeg does not tell."""

    def commit(self) -> None:
        """Put the folder in its place, and what it replaces out of the way first.

        Raises:
            OutputError: somebody put something else there meanwhile, or the disk refuses.
        """
        folder = self._pattern.parent
        self._output.require_ready()
        if not folder.is_dir():
            self._output.commit()
            return
        _require_only(self._pattern)
        try:
            aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.replaced.", dir=folder.parent))
            os.replace(folder, aside)
        except OSError as error:
            raise OutputError(f"cannot replace {folder}: {plain(error)}") from error
        try:
            self._output.commit()
        except BaseException:
            with contextlib.suppress(OSError):
                os.replace(aside, folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)

    def discard(self) -> None:
        """Remove the part folder, if it has not been renamed."""
        self._output.discard()


class StreamDestination:
    """Standard output or another stream."""

    piped = True
    part: Path | None = None

    def __init__(self, place: str | Path | BinaryIO) -> None:
        self._sink = PipeSink(place)
        self.name = self._sink.name
        self.target: str | PipeSink = self._sink

    def check(self) -> None:
        """Raise what went wrong in a write; see `PipeSink.check`."""
        self._sink.check()

    def commit(self) -> None:
        """Everything has been written: give standard output back."""
        self._sink.close()

    def discard(self) -> None:
        """What has gone has gone: give standard output back."""
        with contextlib.suppress(OSError):
            self._sink.close()


def _require_folder(pattern: Path, *, overwrite: bool, inputs: Iterable[str | Path]) -> None:
    folder = pattern.parent
    if folder.name in ("", ".."):
        raise OutputError(f"{pattern}: give the pictures a folder of their own, such as frames/{pattern.name}")
    empty = folder.is_dir() and not any(folder.iterdir())
    for source in inputs:
        if folder.is_dir() and Path(source).exists() and _lies_in(Path(source), folder):
            raise OutputError(f"{folder} holds the input itself; choose another output")
    require_free(folder, overwrite=overwrite or empty, inputs=inputs, folder=True)
    if folder.is_dir():
        _require_only(pattern)


def _lies_in(path: Path, folder: Path) -> bool:
    return folder.resolve() in (path.resolve(), *path.resolve().parents)


def _require_only(pattern: Path) -> None:
    """Refuse a folder that holds anything but pictures of a pattern."""
    fits = matching(pattern)
    other = next((p.name for p in sorted(pattern.parent.iterdir()) if p.is_dir() or not fits.fullmatch(p.name)), None)
    if other is not None:
        raise OutputError(f"{pattern.parent} holds other files than {pattern.name} ({other}); give another folder")
