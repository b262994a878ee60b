"""Ending a job early without losing what is done: asked for by a signal handler or another thread, obeyed by the job.

Peculiar: only the reading of frames stops. All frames that are on their way are painted and written, and the output is
finished as if the input had ended there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class StopRequest:
    """Whether somebody asked a job to end.

    Attributes:
        asked: somebody has.
        obeyed: and something was left out for it.
    """

    def __init__(self) -> None:
        """Nobody has."""
        self.asked = self.obeyed = False

    def ask(self) -> None:
        """Ask; does nothing the second time, and may be called from anywhere, a signal handler too."""
        self.asked = True

    def until(self, items: Iterable[T]) -> Iterator[T]:
        """The items, up to where somebody asks; the first comes in any case, as an output of none cannot be kept."""
        first = True
        for item in items:
            if self.asked and not first:
                self.obeyed = True
                return
            first = False
            yield item
            del item  # or it would live until the next one comes
