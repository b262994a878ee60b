"""Exact time: repairing what a stream says, and finding a time base that can say it again.

A decoded frame's own duration is not to be trusted: FFmpeg derives it from decoding timestamps, which differ from the
shown ones as soon as a variable-rate stream has B-frames. So a frame lasts until the next one appears, and only the
last frame's own duration is ever used.
"""

from __future__ import annotations

import math
from fractions import Fraction

MAX_TIMESCALE = 2**31 - 1
"""Largest denominator of a time base that FFmpeg and the mp4 format can hold."""


class PtsRepair:
    """Gives every decoded frame of a stream a presentation time that is there, and later than the one before.

    A missing time continues at the nominal rate from the last good one, rounded to the time base without accumulating
    error; a repeated or earlier one is moved to one tick after its predecessor, the least that makes it valid.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None) -> None:
        self._time_base = time_base
        self._step = 1 / rate if rate else Fraction(1, 25)
        self._last: int | None = None
        self._expected = Fraction(0)
        self.invented = 0
        self.moved = 0

    @property
    def step(self) -> Fraction:
        """Nominal duration of a frame, in seconds."""
        return self._step

    def __call__(self, pts: int | None) -> Fraction:
        """The frame's time in seconds, for its time in ticks (or None); call it once per frame, in output order."""
        if pts is None:
            self.invented += 1
            pts = round(self._expected / self._time_base)
            self._expected += self._step
        else:
            self._expected = pts * self._time_base + self._step
        if self._last is not None and pts <= self._last:
            self.moved += 1
            pts = self._last + 1
        self._last = pts
        return pts * self._time_base

    def warnings(self, path: str) -> list[str]:
        """One line for each kind of repair that was needed."""
        lines = []
        if self.invented:
            lines.append(f"{path}: {self.invented} frames carried no time; spaced {float(1 / self._step):.6g} a second")
        if self.moved:
            lines.append(f"{path}: {self.moved} frames repeated an earlier time; each moved just behind the one before")
        return lines


def unit_time_base(*times: Fraction) -> Fraction | None:
    """The coarsest 1/n of a second that every given time is a whole multiple of; None if n exceeds 2**31 - 1."""
    scale = math.lcm(1, *(time.denominator for time in times))
    return Fraction(1, scale) if scale <= MAX_TIMESCALE else None


def movie_timescale(scales: list[int]) -> int:
    """A movie timescale in which the start of every track of an mp4 can be said exactly.

    Edit lists give a track's start in movie ticks (1/1000 s by default, far too coarse). Where no common multiple fits
    31 bits the first scale, the video's, wins.
    """
    common = 1
    for scale in scales:
        if math.lcm(common, scale) <= MAX_TIMESCALE:
            common = math.lcm(common, scale)
    return common
