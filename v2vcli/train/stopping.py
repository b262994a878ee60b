"""Signals that ask a run to stop: the step in hand is finished and saved, and a second Ctrl-C stops at once.

Peculiar: while clips are loaded there is nothing to finish, and it may take hours; there the run is left on the spot,
by an exception that nobody who forgives a bad file can catch by mistake.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ctrl-C, and what schedulers warn with."""
WARNINGS = (signal.SIGTERM, signal.SIGUSR1)


class StopNow(BaseException):
    """Somebody asked to stop while there was no step in hand."""


class StopRequest:
    """Whether somebody asked to stop.

    Attributes:
        asked: a signal came.
    """

    def __init__(self) -> None:
        """Nobody has."""
        self.asked = False

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """A signal's handler."""
        self.asked = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within, signals only ask."""
        with _handled(SIGNALS, self.ask):
            yield

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Within, a scheduler's warning raises `StopNow`; Ctrl-C acts as ever."""
        with _handled(WARNINGS, _leave):
            yield


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise StopNow


@contextmanager
def _handled(numbers: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle signals so; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, each in before.items():
            signal.signal(number, each)
