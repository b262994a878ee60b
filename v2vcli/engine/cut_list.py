"""Where shots begin, as somebody wrote it down: what ``--cuts FILE`` names.

One entry after another, on lines or between commas; what follows ``#`` is a remark:

    0:12.5      a time, as -ss takes it: the first frame at or after it begins a shot
    14.2  19s   the same; a time without a point or colon has a unit
    480         a whole number is a frame, counted from 0: it begins a shot itself

Times count from the beginning of the file, as ``-ss`` does. Frames are counted in the input, from its first; with
``-ss`` or ``-r`` nobody can count them, and times are needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from v2vcli.errors import InputError, UsageError
from v2vcli.values import seconds
from v2vcli.video.frame import Frame


class CutFinder(Protocol):
    """Tells where shots begin: a `CutList`, or `video.shots.ShotDetector`."""

    def is_cut(self, frame: Frame) -> bool:
        """Whether a frame begins a new shot; asked once for every frame, in order."""


@dataclass(frozen=True)
class ListedCuts:
    """What such a file says.

    Attributes:
        times: seconds from the beginning of the file, in order.
        frames: numbers of frames, from 0.
    """

    times: tuple[Fraction, ...]
    frames: frozenset[int]


class CutList:
    """Finds the frames of a video at which a listed shot begins."""

    def __init__(self, listed: ListedCuts, origin: Fraction) -> None:
        """Take a list; ``origin``: the beginning of the file, in seconds on the frames' clock."""
        self._times = [origin + time for time in reversed(listed.times)]
        self._frames = listed.frames

    def is_cut(self, frame: Frame) -> bool:
        """Whether ``frame`` begins a new shot; call it once for every frame, in order."""
        cut = frame.index in self._frames
        while self._times and self._times[-1] <= frame.pts:
            self._times.pop()
            cut = True
        return cut


def read_cuts(path: Path, *, counted: bool = True) -> ListedCuts:
    """Read a list.

    Args:
        path: the file.
        counted: whether frames can be told by their numbers.

    Raises:
        InputError: it cannot be read, or an entry is neither a time nor a number.
        UsageError: it holds numbers of frames, and ``counted`` is False.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise InputError(f"--cuts {path}: {reason.lower()}; give auto, none, or a file with a time a line") from error
    times: list[Fraction] = []
    frames: set[int] = set()
    for number, entry in _entries(text.splitlines()):
        if entry.isdecimal():
            if not counted:
                raise UsageError(
                    f"{path}, line {number}: with -ss or -r frames cannot be told by number; write the time ({entry}s"
                    " would be seconds)"
                )
            frames.add(int(entry))
            continue
        try:
            times.append(seconds(entry, "--cuts"))
        except UsageError:
            raise InputError(
                f"{path}, line {number}: '{entry[:40]}' is no time (12.5, 1:02.5, 500ms) and no frame number"
            ) from None
    return ListedCuts(tuple(sorted(times)), frozenset(frames))


def _entries(lines: Iterable[str]) -> Iterable[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        for entry in re.split(r"[\s,;]+", line.split("#")[0].strip()):
            if entry:
                yield number, entry
