"""An output that is either whole under its name or not there: written as ``OUT.part.ext``, renamed at the end.

What is peculiar:

- The part file (or folder) is made exclusively: nothing that already has its name is ever opened for writing, emptied
  or removed. What a killed run left behind looks like a file of the user's own, so the user is asked to remove it.
- It is locked (``flock``, where there is one) as long as it is written. The lock protects nothing, as making it
  exclusively does that; it tells "another v2v is writing this" from "something is in the way".
- Others write it by name. Only the very file that was made here is renamed or removed, which its inode tells.
- `require_free` finds every reason not to write without leaving a trace on the disk.
- What this process has not finished is known (`discard_all`), for when it has to end on the spot.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from v2vcli.errors import OutputError

if sys.platform != "win32":
    import fcntl


_unfinished: set[PartFile] = set()


class PartFile:
    """The file or folder beside the target that takes the bytes until all of them are on disk.

    Attributes:
        path: the target.
        part: what to write until `commit`; it exists, and is empty.
    """

    def __init__(
        self, path: str | Path, *, overwrite: bool, inputs: Iterable[str | Path] = (), folder: bool = False
    ) -> None:
        """Check the target and make the part file, or the part folder.

        Raises:
            OutputError: as `require_free`, or the folder takes no files.
        """
        self.path = Path(path)
        self.part = part_of(self.path)
        self._overwrite = overwrite
        self._folder = folder
        require_free(self.path, overwrite=overwrite, inputs=inputs, folder=folder)
        self._lock: int | None = None
        self._made: os.stat_result | None = None
        self._maker = os.getpid()  # a forked child has our memory, but nothing of this is its own
        _unfinished.add(self)
        try:
            self._make()
        except FileExistsError as error:
            self.discard()
            _refuse_taken(self.path)
            raise OutputError(f"{self.path}: {self.part.name} came and went; try again") from error
        except OSError as error:
            self.discard()
            raise OutputError(f"cannot write in {self.path.parent}: {_plain(error)}; choose another folder") from error
        try:
            _refuse_existing(self.path, overwrite)  # whoever held the part file until now may have finished
        except OutputError:
            self.discard()
            raise

    def _make(self) -> None:
        if self._folder:
            self.part.mkdir()
            self._made = os.lstat(self.part)
            if sys.platform != "win32":  # where a folder cannot be opened
                self._lock = os.open(self.part, os.O_RDONLY)
        else:
            self._lock = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            self._made = os.fstat(self._lock)
        if sys.platform != "win32" and self._lock is not None:
            with contextlib.suppress(OSError):  # some network folders know no locks
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def require_ready(self) -> None:
        """Check that `commit` would find things as they were when the part file was made.

        Raises:
            OutputError: the target appeared meanwhile, or somebody removed or replaced the part file.
        """
        _refuse_existing(self.path, self._overwrite)
        if not self._is_own():
            raise OutputError(f"{self.path} was not written: somebody moved or replaced {self.part.name}; run it again")

    def _is_own(self) -> bool:
        if os.getpid() != self._maker:
            return False
        try:
            return self._made is not None and os.path.samestat(self._made, os.lstat(self.part))
        except OSError:
            return False

    def commit(self) -> None:
        """Flush the part file to disk and give it its final name. A folder in the way has to be gone by now.

        Raises:
            OutputError: as `require_ready`, or the disk or the folder refuses.
        """
        self.require_ready()
        try:
            if self._lock is not None and not self._folder:
                os.fsync(self._lock)
            self._unlock()  # Windows renames no open file
            os.replace(self.part, self.path)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {_plain(error)}") from error
        self._made = None
        _unfinished.discard(self)

    def discard(self) -> None:
        """Remove what was made here, if it has not been renamed; never raises."""
        own = self._is_own()
        self._made = None
        _unfinished.discard(self)
        self._unlock()
        if own:
            with contextlib.suppress(OSError):
                if self._folder:
                    shutil.rmtree(self.part)
                else:
                    self.part.unlink()

    def _unlock(self) -> None:
        if self._lock is not None:
            lock, self._lock = self._lock, None
            with contextlib.suppress(OSError):
                os.close(lock)


def discard_all() -> None:
    """Remove whatever this process has made and not finished; never raises, and any thread may call it."""
    for part in tuple(_unfinished):
        part.discard()


def part_of(path: Path) -> Path:
    """The name under which ``path`` is written: ``OUT.part.ext``."""
    return path.with_name(f"{path.stem}.part{path.suffix}")


def abandoned_part(path: Path) -> Path | None:
    """What has the name of an output's part file although nobody is writing it, if there is such a thing.

    It may be left from a process that was killed, or somebody's own: whether it may be removed is for the caller to
    find out from what it holds.
    """
    part = part_of(path)
    return part if os.path.lexists(part) and not _is_being_written(part) else None


def require_free(path: str | Path, *, overwrite: bool, inputs: Iterable[str | Path] = (), folder: bool = False) -> None:
    """Check that an output may be written; changes nothing on the disk.

    Args:
        path: the output.
        overwrite: it may exist.
        inputs: files that it must not be.
        folder: it is to be a folder, not a file.

    Raises:
        OutputError: the folder it goes to is missing or read-only, the output exists and may not be replaced or is of
            the other kind, it (or its ``.part`` twin) is one of the inputs, somebody is writing it, or something that
            may not be ours has the name of the part file.
    """
    path = Path(path)
    parent = path.parent
    if not parent.is_dir():
        state = "is a file" if os.path.exists(parent) else "does not exist"
        raise OutputError(f"{path}: the folder {parent} {state}; create it or choose another output")
    if not folder and path.is_dir():
        raise OutputError(f"{path} is a folder; give the name of a file")
    refuse_inputs(path, inputs)
    _refuse_existing(path, overwrite)
    if folder and os.path.lexists(path) and (path.is_symlink() or not path.is_dir()):
        raise OutputError(f"{path} is a {'link' if path.is_symlink() else 'file'}; give the name of a folder")
    if _is_being_written(path):  # it is the part file of another output
        raise OutputError(_busy(path))
    _refuse_taken(path)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write in {parent}: permission denied or read-only; choose another folder")


def refuse_inputs(path: Path, inputs: Iterable[str | Path]) -> None:
    """Check that neither an output nor its part file is one of the inputs.

    Raises:
        OutputError: it is.
    """
    for source in inputs:
        for target in (path, part_of(path)):
            if os.path.exists(target) and os.path.exists(source) and os.path.samefile(target, source):
                raise OutputError(f"{target} is the input itself; choose another output")


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if os.path.lexists(path) and not overwrite:
        raise OutputError(f"{path} exists; -y overwrites it")


def _refuse_taken(path: Path) -> None:
    part = part_of(path)
    if _is_being_written(part):
        raise OutputError(_busy(path))
    if os.path.lexists(part):
        raise OutputError(
            f"{part} is in the way: remove it if it is left from an interrupted v2v, or choose another output"
        )


def _busy(path: Path) -> str:
    return f"{path}: another v2v is writing this; wait for it or choose another name"


def _is_being_written(path: Path) -> bool:
    """Whether somebody holds a lock on it."""
    if sys.platform == "win32":
        return False
    try:
        probe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe of that name would block
    except OSError:
        return False
    try:
        fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(probe)
    return False


def _plain(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
