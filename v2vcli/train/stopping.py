"""Signals that ask a run to stop: the step in hand is finished and saved, and a second Ctrl-C stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ctrl-C, and what schedulers warn with."""


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
        """Within, signals only ask; without, they act as ever. Only the main thread can listen."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.signal(number, self.ask) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
