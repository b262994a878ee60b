"""What the process does when it is told to stop; the one place where that is decided.

| signal | sent by | exit code |
|---|---|---|
| SIGINT | Ctrl-C | 255 |
| SIGHUP | a terminal that is gone | 255 |
| SIGTERM, SIGUSR1 | `kill`, and schedulers before they take the machine away | 75 |

Peculiar:

- the first signal unwinds the work (`Stopped` is raised in the main thread), and unfinished files go with it; or, where
  a job said that it can (`willing`), Ctrl-C lets it finish its file up to the last frame;
- the second one removes unfinished files and ends the process on the spot. A thread of its own sees to that, since the
  main thread may be deep inside a library. `timeout` and terminals send a signal to a process and to its group, so what
  comes within a moment of the first is still the first;
- what was ignored when the process began (``nohup``, a background job) stays ignored;
- training saves before it stops, and answers signals itself meanwhile (`v2vcli.train.stopping`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING

from v2vcli.errors import INTERRUPTED, RESUMABLE

if TYPE_CHECKING:
    from v2vcli.engine.stopping import StopRequest

SAME = 0.3
"""Seconds after the first signal within which another one is its echo."""

_CODES = {
    number: code
    for name, code in (("SIGINT", INTERRUPTED), ("SIGHUP", INTERRUPTED), ("SIGTERM", RESUMABLE), ("SIGUSR1", RESUMABLE))
    if (number := getattr(signal, name, None)) is not None
}


class Stopped(BaseException):
    """A signal asked to stop. Not a `KeyboardInterrupt`, which the libraries for command lines take for themselves.

    Attributes:
        number: which signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """What the process exits with."""
        return _CODES[signal.Signals(self.number)]

    def __str__(self) -> str:
        return f"stopped by {'Ctrl-C' if self.number == signal.SIGINT else signal.Signals(self.number).name}"


class Signals:
    """The signals of this process, from `install` to `finish`."""

    def __init__(self) -> None:
        self.came: int | None = None
        """The first one."""
        self._job: StopRequest | None = None
        self._over = False

    def install(self) -> None:
        """Answer signals from now on; does nothing the second time, and only the main thread may."""
        if self._answered():
            return
        for number in _CODES:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._first)
        read, write = socket.socketpair()
        write.setblocking(False)
        write_fd = write.detach()
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        if hasattr(os, "register_at_fork"):  # or what a child is sent would count as ours
            os.register_at_fork(after_in_child=lambda: _forget(write_fd))
        threading.Thread(target=self._watch, args=(read,), name="v2v-signals", daemon=True).start()

    def finish(self) -> None:
        """The work is over: what comes now is too late to change anything, and must not look like a failure."""
        self._over = True

    def check(self) -> None:
        """Raise what a signal raised, once more: somebody on the way, a library perhaps, may have swallowed it.

        Raises:
            Stopped: a signal came, and the job was not asked to finish instead.
        """
        if self.came is not None and not self._over and (self._job is None or not self._job.asked):
            raise Stopped(self.came)

    def willing(self, job: StopRequest | None) -> None:
        """From now on the first Ctrl-C asks this job to finish its file instead of unwinding it; None: no more."""
        self._job = job

    def _answered(self) -> bool:
        return any(signal.getsignal(number) == self._first for number in _CODES)

    def _first(self, number: int, frame: FrameType | None) -> None:
        if self.came is not None or self._over:
            return  # `_watch` answers the second
        self.came = number
        if self._job is not None and number == signal.SIGINT:
            self._job.ask()
        else:
            raise Stopped(number)

    def _watch(self, read: socket.socket) -> None:
        """Wait for the second signal."""
        first: float | None = None
        while numbers := read.recv(64):
            ours = [number for number in numbers if number in _CODES and signal.getsignal(number) == self._first]
            if not ours:
                continue
            now = time.monotonic()
            if first is None:
                first = now
            elif now - first > SAME:
                self._leave(Stopped(self.came if self.came is not None else ours[0]))

    def _leave(self, stopped: Stopped) -> None:
        """End the process from whatever it is doing."""
        partfile = sys.modules.get("v2vcli.partfile")  # not imported here: nothing was written if nobody has
        if partfile is not None:
            partfile.discard_all()
        with contextlib.suppress(OSError, ValueError):
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # a progress bar hides the cursor
        os._exit(stopped.exit_code)


def _forget(write_fd: int) -> None:
    with contextlib.suppress(ValueError, OSError):
        signal.set_wakeup_fd(-1)
    with contextlib.suppress(OSError):
        os.close(write_fd)


signals = Signals()
"""Those of this process."""
