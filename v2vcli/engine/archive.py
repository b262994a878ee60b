r"""``--archive done.jsonl``: the record of what was converted, so that a second run does nothing.

One line of JSON for each finished file, written when its output has its final name:

    {"input": "/clips/a.mp4", "size": 1048576, "mtime_ns": 1790000000000000000, "output": "/out/a.mp4",
     "options": {"mode": "seg2street"}, "frames": 250, "finished": "2026-01-31T12:00:00+00:00"}

Peculiar:

- a file counts as done if input, its size and time of change, output and options are those of a line. Outputs are not
  looked at: they may have been moved away. Options that leave the picture as it is (``--device``, ``--window``,
  ``--verify``, ``-y``) do not count; of a model that is a file its size and time do;
- lines are only ever added, each in one write under a lock and flushed to disk: several processes may share one
  archive, and what a killed process left of a line is stepped over;
- a file that is not such a record is refused, and never written to.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from v2vcli.engine.request import ConvertRequest
from v2vcli.errors import OutputError, UsageError

if sys.platform != "win32":
    import fcntl

_BEGIN: Final = b'{"input": "'
_NOT_IN_THE_PICTURE: Final = frozenset({"input", "output", "overwrite", "device", "window", "verify"})


class Identity(NamedTuple):
    """Which version of a file it is."""

    size: int
    mtime_ns: int


def identity(path: Path) -> Identity:
    """Which version of a file is there now.

    Raises:
        OSError: there is none.
    """
    stat = os.stat(path)
    return Identity(stat.st_size, stat.st_mtime_ns)


def options_of(request: ConvertRequest) -> dict[str, Any]:
    """The options of a conversion that are not the default, in plain types, without its files."""
    found: dict[str, Any] = {}
    for each in fields(request):
        value = getattr(request, each.name)
        if each.name not in _NOT_IN_THE_PICTURE and (each.default is MISSING or value != each.default):
            found[each.name] = _plain(value)
    if request.model is not None and os.path.isfile(request.model):
        found["model"] = f"{os.path.abspath(request.model)} {'.'.join(map(str, identity(Path(request.model))))}"
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Path):
        return os.path.abspath(value)
    return str(value) if isinstance(value, Fraction) else value


class Archive:
    """The record of one batch, or of several that share it."""

    def __init__(self, path: Path) -> None:
        """Read it, or begin it.

        Raises:
            UsageError: the file holds something else.
            OutputError: it cannot be read or written.
        """
        self.path = path
        self._done: dict[tuple[str, str], dict[str, Any]] = {}
        try:
            data = path.read_bytes() if path.exists() else b""
            for number, line in enumerate(data.splitlines(keepends=True), start=1):
                if (entry := self._entry(line, number)) is not None:
                    self._done[entry["input"], entry["output"]] = entry
            with open(path, "ab"):  # that it cannot be written is better known before the work than after
                pass
        except OSError as error:
            raise OutputError(f"--archive {path}: {(error.strerror or str(error)).lower()}; choose another") from error

    def _entry(self, line: bytes, number: int) -> dict[str, Any] | None:
        if not line.strip():
            return None
        try:
            entry = json.loads(line)
            if isinstance(entry, dict) and isinstance(entry.get("input"), str) and isinstance(entry.get("output"), str):
                return entry
        except ValueError:
            if line[: len(_BEGIN)] == _BEGIN[: len(line.rstrip())]:  # somebody was killed while writing it
                return None
        raise UsageError(f"--archive {self.path}: line {number} is none of a record of conversions; give another name")

    def find(self, request: ConvertRequest, now: Identity) -> Literal["done", "changed"] | None:
        """What the record says of a conversion.

        Args:
            request: asked for now.
            now: the input as it is now.

        Returns:
            ``done``: this very one was finished; ``changed``: one of these files was, but the input or the options
            were others; None: nothing.
        """
        entry = self._done.get(_key(request))
        if entry is None:
            return None
        same = (entry.get("size"), entry.get("mtime_ns"), entry.get("options")) == (*now, options_of(request))
        return "done" if same else "changed"

    def add(self, request: ConvertRequest, was: Identity, frames: int) -> None:
        """Write down that a conversion is finished.

        Args:
            request: carried out.
            was: the input as it was before the work began.
            frames: that were written.

        Raises:
            OutputError: the disk refuses.
        """
        source, output = _key(request)
        entry = {
            "input": source,
            **was._asdict(),
            "output": output,
            "options": options_of(request),
            "frames": frames,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._done[source, output] = entry
        try:
            self._append(json.dumps(entry).encode())
        except OSError as error:
            raise OutputError(
                f"--archive {self.path}: {(error.strerror or str(error)).lower()}; {output} is whole, but not recorded"
            ) from error

    def _append(self, line: bytes) -> None:
        with open(self.path, "ab+", buffering=0) as file:
            if sys.platform != "win32":
                with contextlib.suppress(OSError):  # some network folders know no locks
                    fcntl.flock(file, fcntl.LOCK_EX)
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 1))
            torn = file.read(1) not in (b"", b"\n")
            file.write((b"\n" if torn else b"") + line + b"\n")  # at the end, wherever was read
            os.fsync(file.fileno())


def _key(request: ConvertRequest) -> tuple[str, str]:
    return os.path.abspath(request.input), os.path.abspath(request.output)
