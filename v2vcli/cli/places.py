"""Where lines for other programs go: what ``-progress`` and ``--json-to`` take, with ffmpeg's spellings.

    PATH, file:PATH        a file, emptied first
    -, pipe:, pipe:1       standard output
    pipe:N, fd:N           a descriptor that was handed down: `3> log`
    tcp://HOST:PORT        somebody who listens
    unix:PATH              the same, on this machine

Peculiar: writing never fails and never waits for a buffer in this process. Who stops reading is told no more, and the
work goes on; `Place.lost` says so.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from pathlib import Path

from v2vcli.cli.streams import silence
from v2vcli.errors import OutputError, UsageError

PATIENCE = 5.0
"""Seconds to wait for somebody who ought to listen."""


class Place:
    """Somewhere that takes lines.

    Attributes:
        name: as it was given.
        lost: whoever read has gone, or the disk is full.
    """

    def __init__(self, name: str, descriptor: int, *, owned: bool) -> None:
        """Take a descriptor that is open for writing; ``owned``: close it at the end."""
        self.name = name
        self.lost = False
        self._descriptor, self._owned = descriptor, owned

    def write(self, text: str) -> None:
        """Write at once and whole; what cannot be written is dropped."""
        left = memoryview(text.encode("utf-8", "surrogateescape"))
        while left and not self.lost:
            try:
                left = left[os.write(self._descriptor, left) :]
            except OSError:
                self.lost = True

    def close(self) -> None:
        """Close it, if it was opened here; does nothing the second time."""
        self.lost = True
        if self._owned:
            self._owned = False
            with contextlib.suppress(OSError):
                os.close(self._descriptor)


class StderrPlace(Place):
    """This process's stderr, in step with what else is written there."""

    def __init__(self) -> None:
        """Nothing is opened, and nothing will be closed."""
        super().__init__("stderr", 2, owned=False)

    def write(self, text: str) -> None:
        """Write at once; what cannot be written is dropped."""
        if not self.lost:
            try:
                sys.stderr.write(text)
                sys.stderr.flush()
            except (OSError, ValueError):
                self.lost = True
                silence(sys.stderr)


def open_place(name: str, option: str, *, stdout_taken: bool = False) -> Place:
    """Open a place.

    Args:
        name: one of the spellings above.
        option: which option named it, for messages.
        stdout_taken: standard output carries the video, and nothing else may go there.

    Raises:
        UsageError: no such kind of place, or standard output is taken.
        OutputError: it cannot be opened.
    """
    descriptor = _descriptor(name)
    if descriptor is not None:
        if descriptor == 1 and stdout_taken:
            raise UsageError(f"{option} {name}: standard output carries the video; give pipe:2, a file or tcp://")
        try:
            os.fstat(descriptor)
        except (OSError, OverflowError) as error:
            raise OutputError(
                f"{option} {name}: no descriptor {descriptor} is open; write {descriptor}> FILE"
            ) from error
        return Place(name, descriptor, owned=False)
    try:
        if match := re.fullmatch(r"tcp://(\[[^]]+\]|[^:/?]+):(\d{1,5})/?", name):
            connected = socket.create_connection((match[1].strip("[]"), int(match[2])), timeout=PATIENCE)
        elif name.startswith("unix:"):
            connected = socket.socket(socket.AF_UNIX)
            connected.settimeout(PATIENCE)
            connected.connect(name.removeprefix("unix:"))
        elif re.match(r"[A-Za-z][\w+.-]*://", name) and not name.startswith("file://"):
            raise UsageError(f"{option} {name}: give a file, pipe:N, fd:N, tcp://HOST:PORT or unix:PATH")
        else:
            path = Path(name.removeprefix("file://") if name.startswith("file://") else name.removeprefix("file:"))
            return Place(name, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), owned=True)
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error).lower()
        raise OutputError(f"{option} {name}: cannot be opened: {reason}; give another place") from error
    connected.settimeout(None)
    return Place(name, connected.detach(), owned=True)


def _descriptor(name: str) -> int | None:
    """The descriptor that is named, None if it is not one."""
    if name == "-":
        return 1
    match = re.fullmatch(r"(pipe|fd):(\d*)", name)
    return None if match is None else int(match[2] or 1)
