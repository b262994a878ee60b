"""How far a job is: what a callback is told, and the clock behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a running job.

    Attributes:
        frames: written so far.
        total: about how many there will be, None if nobody knows.
        media: seconds of video they last.
        elapsed: seconds of wall time since the first frame was asked for.
        file: of several inputs, which one is worked on and how many there are: (2, 5); None where there is one.
    """

    frames: int
    total: int | None
    media: Fraction
    elapsed: float
    file: tuple[int, int] | None = None

    @property
    def fps(self) -> float:
        """Frames per second of wall time."""
        return self.frames / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def speed(self) -> float:
        """Seconds of video per second of wall time; 1 is real time."""
        return float(self.media) / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds left, None if nobody knows."""
        if self.total is None or self.frames == 0:
            return None
        return max(0, self.total - self.frames) / self.frames * self.elapsed


OnProgress: TypeAlias = Callable[[Progress], None]


class Meter:
    """Counts what was written and tells a callback."""

    def __init__(self, total: int | None, on_progress: OnProgress | None) -> None:
        self._total, self._on_progress = total, on_progress
        self._began = time.monotonic()
        self._frames, self._media = 0, Fraction(0)

    def wrote(self, durations: list[Fraction]) -> None:
        """So many frames more, each with its duration in seconds."""
        self._frames += len(durations)
        self._media += sum(durations, Fraction(0))
        if self._on_progress is not None:
            self._on_progress(self.progress())

    def progress(self) -> Progress:
        """How far it is now."""
        return Progress(self._frames, self._total, self._media, time.monotonic() - self._began)


@dataclass(frozen=True)
class Result:
    """What a finished job left.

    Attributes:
        output: the file (or folder) that was written.
        width: of the frames in it.
        height: of the frames in it.
        progress: the last look: frames, seconds, speed.
        model: name of the model, empty if none was needed.
        warnings: what could not be done as asked or was met in the input, one line each.
        stopped: it ends early, as somebody asked for (`engine.stopping`).
    """

    output: str
    width: int
    height: int
    progress: Progress
    model: str = ""
    warnings: tuple[str, ...] = ()
    stopped: bool = False
