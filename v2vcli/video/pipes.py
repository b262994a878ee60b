"""Standard input, standard output and other binary streams, as FFmpeg reads and writes them through PyAV.

What is peculiar:

- A read gives what is there and does not wait for more, so that a frame gets through as soon as it has arrived. The
  buffered readers of Python wait until they have all that was asked for.
- A read that waits for standard input can be ended from another thread (:meth:`PipeSource.cancel`): nobody who closes
  down has to wait for a sender that says nothing.
- FFmpeg calls back into Python, where an exception would be lost or, with Ctrl-C, ignored. So it is kept, FFmpeg is
  told of an end or an error, and :meth:`PipeSource.check` and :meth:`PipeSink.check` raise it where it can be met.
- While a video goes to standard output, descriptor 1 is standard error for everybody else: what some library prints
  cannot get into the video.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from pathlib import Path
from typing import BinaryIO

from v2vcli.errors import ClosedPipe, InputError, OutputError
from v2vcli.video.failures import plain

_CLOSED = (errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN)


def is_stream(place: str | Path | BinaryIO) -> bool:
    """Whether a place is no file that has a name: ``-``, or an object that is read from or written to."""
    return str(place) == "-" if isinstance(place, (str, Path)) else True


class PipeSource:
    """A stream that FFmpeg reads from, once, from front to back.

    Attributes:
        name: what to call it in a message.
        total: bytes read.
    """

    def __init__(self, place: str | Path | BinaryIO) -> None:
        """Take standard input (``-``) or a readable binary stream, which is not closed afterwards.

        Raises:
            InputError: standard input is closed or a terminal, or the object cannot be read from.
        """
        self._failure: BaseException | None = None
        self._descriptor: int | None = None
        self._wake: tuple[int, int] | None = None
        self.total = 0
        if isinstance(place, (str, Path)):
            self.name = "standard input"
            self._descriptor = _standard(0)
            if os.isatty(self._descriptor):
                raise InputError("standard input is a terminal; pipe a video into it, or give the name of a file")
        else:
            self.name = _called(place)
            # read1 gives what is there, where a buffered reader has it
            reader = getattr(place, "read1", None) or getattr(place, "read", None)
            if reader is None:
                raise InputError(f"{self.name} cannot be read from; give a binary stream that is open for reading")
            self._reader = reader
        if self._descriptor is not None and sys.platform != "win32":
            self._wake = os.pipe()

    def read(self, size: int) -> bytes:
        """What is there, at most ``size`` bytes; nothing at the end, after a failure and once cancelled."""
        if self._failure is not None:
            return b""
        try:
            data = self._read(size)
            self.total += len(data)
            return data
        except BaseException as error:
            self._failure = error
            return b""

    def _read(self, size: int) -> bytes:
        if self._descriptor is None:
            return bytes(self._reader(size) or b"")
        if self._wake is not None:
            ready, _, _ = select.select([self._descriptor, self._wake[0]], [], [])
            if self._wake[0] in ready:
                return b""
        return os.read(self._descriptor, size)

    def cancel(self) -> None:
        """End the read that is going on, and all later ones, as if the sender had finished; from any thread."""
        if self._wake is not None:
            with contextlib.suppress(OSError):
                os.write(self._wake[1], b"x")

    def check(self) -> None:
        """Raise what went wrong in a read.

        Raises:
            InputError: the stream could not be read.
        """
        failure, self._failure = self._failure, None
        if failure is None:
            return
        if isinstance(failure, (OSError, ValueError)):
            raise InputError(f"{self.name} cannot be read: {plain(failure)}; check what sends it") from failure
        raise failure

    def close(self) -> None:
        """Give up what was opened here; the stream itself stays open."""
        if self._wake is not None:
            for end in self._wake:
                os.close(end)
            self._wake = None


class PipeSink:
    """A stream that FFmpeg writes to, from front to back.

    Attributes:
        name: what to call it in a message.
    """

    def __init__(self, place: str | Path | BinaryIO) -> None:
        """Take standard output (``-``), with nobody else writing to it meanwhile, or a writable binary stream.

        Raises:
            OutputError: standard output is closed or a terminal, or the object cannot be written to.
        """
        self._failure: BaseException | None = None
        self._descriptor: int | None = None
        self._stream: BinaryIO | None = None
        if isinstance(place, (str, Path)):
            self.name = "standard output"
            if os.isatty(_standard(1)):
                raise OutputError("standard output is a terminal; pipe it into a player, or name a file with -o")
            self._descriptor = _take_standard_output()
        else:
            self.name = _called(place)
            if not hasattr(place, "write"):
                raise OutputError(f"{self.name} cannot be written to; give a binary stream that is open for writing")
            self._stream = place

    def write(self, data: bytes) -> int:
        """Write all of it, and pass it on at once.

        Raises:
            OSError: it could not be done; `check` says why.
        """
        if self._failure is None:
            try:
                self._write(data)
                return len(data)
            except BaseException as error:
                self._failure = error
        raise OSError(errno.EIO, "the stream takes no more")

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            if self._descriptor is not None:
                written: int | None = os.write(self._descriptor, rest)
            else:
                assert self._stream is not None
                written = self._stream.write(rest)
            rest = rest[len(rest) if written is None else written :]
        flush = getattr(self._stream, "flush", None)
        if flush is not None:
            flush()

    def check(self) -> None:
        """Raise what went wrong in a write.

        Raises:
            ClosedPipe: the reader is gone.
            OutputError: anything else.
        """
        if self._failure is None:
            return
        failure = self._failure
        if getattr(failure, "errno", None) in _CLOSED:
            raise ClosedPipe(f"{self.name}: its reader has closed it") from failure
        if isinstance(failure, (OSError, ValueError, TypeError)):
            raise OutputError(f"cannot write to {self.name}: {plain(failure)}; check what reads it") from failure
        raise failure

    def close(self) -> None:
        """Give standard output back; a stream that was given stays open. Does nothing the second time."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            _return_standard_output(descriptor)


def _called(stream: BinaryIO) -> str:
    name = getattr(stream, "name", None)  # of a bare descriptor it is the number
    return name if isinstance(name, str) else "the stream"


def _standard(descriptor: int) -> int:
    """0 or 1, if it is open.

    Raises:
        InputError, OutputError: it is closed.
    """
    try:
        os.fstat(descriptor)
    except OSError as error:
        if descriptor == 0:
            raise InputError("standard input is closed; pipe a video into it, or give the name of a file") from error
        raise OutputError("standard output is closed; pipe it into something, or name a file with -o") from error
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(descriptor, os.O_BINARY)
    return descriptor


def _flush_prints() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # None under pythonw, closed in some tests
        sys.stdout.flush()


def _take_standard_output() -> int:
    """A descriptor of our own for standard output; descriptor 1 becomes standard error, or nothing."""
    _flush_prints()
    own = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
    return own


def _return_standard_output(own: int) -> None:
    _flush_prints()  # what was printed meanwhile goes where it went meanwhile
    os.dup2(own, 1)
    os.close(own)
