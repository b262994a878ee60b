"""The process's own stdout and stderr where the shell closed them (``2>&-``), or whoever read them has gone."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, Any


def open_closed_streams() -> None:
    """Open on /dev/null whatever of stdin, stdout and stderr is closed.

    Otherwise the next file that is opened, perhaps the output video, gets a closed stream's number, and with it
    everything that a library writes to "stderr".
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def silence(stream: IO[str]) -> None:
    """Send the rest of a stream nowhere, so that the interpreter does not fail to flush it at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class Lenient:
    """A stream for others to write to (`rich`) that goes silent, once and for all, where nobody reads it any more."""

    def __init__(self, stream: IO[str]) -> None:
        """Wrap a stream."""
        self._stream = stream

    def write(self, text: str) -> int:
        """As a stream's."""
        with self._forgiving():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As a stream's."""
        with self._forgiving():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _forgiving(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):
            silence(self._stream)
