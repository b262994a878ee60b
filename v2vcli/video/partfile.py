"""An output that is either whole under its name or not there: written as ``OUT.part.ext``, renamed at the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from v2vcli.errors import OutputError
from v2vcli.video.failures import plain


class PartFile:
    """The file beside the target that takes the bytes until all of them are on disk.

    Every reason not to write is found here, before any work is done: the folder is missing or read-only, the output
    exists and may not be replaced, or it (or its ``.part`` twin) is one of the inputs.
    """

    def __init__(self, path: str | Path, *, overwrite: bool, inputs: Iterable[str | Path] = ()) -> None:
        """Check the target and create the empty part file.

        Raises:
            OutputError: one of the reasons above.
        """
        self.path = Path(path)
        self.part = self.path.with_name(f"{self.path.stem}.part{self.path.suffix}")
        self._overwrite = overwrite
        folder = self.path.parent
        if not folder.is_dir():
            state = "is a file" if folder.exists() else "does not exist"
            raise OutputError(f"{self.path}: the folder {folder} {state}; create it or choose another output")
        if self.path.is_dir():
            raise OutputError(f"{self.path} is a folder; give the name of a file")
        for source in inputs:
            for target in (self.path, self.part):
                if target.exists() and Path(source).exists() and target.samefile(source):
                    raise OutputError(f"{target} is the input itself; choose another output")
        self._refuse_existing()
        try:
            with open(self.part, "wb"):
                pass
        except OSError as error:
            raise OutputError(f"cannot write in {folder}: {plain(error)}; choose another folder") from error

    def _refuse_existing(self) -> None:
        if self.path.exists() and not self._overwrite:
            raise OutputError(f"{self.path} exists; -y overwrites it")

    def commit(self) -> None:
        """Flush the part file to disk and give it its final name.

        Raises:
            OutputError: the disk or the folder refuses, or the target appeared meanwhile.
        """
        self._refuse_existing()
        try:
            with open(self.part, "rb") as file:
                os.fsync(file.fileno())
            os.replace(self.part, self.path)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {plain(error)}") from error

    def discard(self) -> None:
        """Remove the part file; never raises."""
        with contextlib.suppress(OSError):
            self.part.unlink(missing_ok=True)
