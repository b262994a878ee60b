"""The stretch of the input that is worked on: which frames, at which times.

Peculiar: ``-ss``, ``-t`` and ``-to`` count from the beginning of the *file*, as in ffmpeg, while frames carry the
stream's own timestamps. The two differ where a file does not begin at 0 (MPEG-TS recordings start anywhere), so
`origin` is added once, here. The output keeps the frames' own times unless ``-ss`` makes it begin at 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av

from v2vcli.engine.request import ClipRequest
from v2vcli.errors import InputError
from v2vcli.video.demux import open_input
from v2vcli.video.frame import Frame, VideoInfo
from v2vcli.video.reader import VideoReader
from v2vcli.video.resample import resample


class Clip:
    """An opened input, cut and resampled as the request says; a context manager; one pass.

    Attributes:
        info: what the file is.
        start: seconds on the frames' clock, None without ``-ss``.
        end: seconds on the frames' clock, None without ``-t`` and ``-to``.
        rate: frames per second of what comes out, None if unknown or variable.
        time_base: every ``pts`` that comes out, less `start`, is a whole multiple of it.
    """

    def __init__(self, request: ClipRequest) -> None:
        """Open the input.

        Raises:
            InputError: it cannot be read, or its stretch is empty.
        """
        self._rate = request.rate
        self.start, self.end = _bounds(request)
        self._reader = VideoReader(request.input, start=self.start, end=self.end, tolerant=request.tolerant)
        self.info: VideoInfo = self._reader.info
        self.rate = request.rate or self.info.rate
        self.time_base = self.info.time_base if request.rate is None else 1 / request.rate

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

    @property
    def warnings(self) -> list[str]:
        """What the reader met; complete when the frames have been read."""
        return self._reader.warnings

    def frames(self) -> Iterator[Frame]:
        """The frames, in order, ``index`` from 0.

        Raises:
            DamagedInput: after the last good frame, unless the request is tolerant.
            InputError: no frame lies in the stretch.
        """
        empty = True
        for frame in self._resampled():
            empty = False
            yield frame
            del frame
        if empty:
            length = self.info.duration
            says = f"; it is {float(length):g} s long" if length else ""
            raise InputError(f"{self.info.path}: no frame lies in the stretch asked for with -ss, -t or -to{says}")

    def _resampled(self) -> Iterator[Frame]:
        if self._rate is None:
            yield from self._reader
            return
        # the grid of the new rate begins where the output does
        begin = self.start or Fraction(0)
        moved = (replace(frame, pts=frame.pts - begin) for frame in self._reader)
        for frame in resample(moved, self._rate):
            yield replace(frame, pts=frame.pts + begin)

    def expected_frames(self) -> int | None:
        """About how many frames will come, for a progress bar; None if nobody knows."""
        info = self.info
        if self.start is None and self.end is None and self._rate is None:
            return info.frames
        if info.duration is None or self.rate is None:
            return None
        first = max(self.start or info.start, info.start)
        last = info.start + info.duration if self.end is None else min(self.end, info.start + info.duration)
        return max(1, round((last - first) * self.rate))


def _bounds(request: ClipRequest) -> tuple[Fraction | None, Fraction | None]:
    """Start and end on the clock of the frames."""
    if request.start is None and request.duration is None and request.end is None:
        return None, None
    zero = origin(request.input)
    start = None if request.start is None else zero + request.start
    if request.duration is not None:
        return start, (zero if start is None else start) + request.duration
    return start, None if request.end is None else zero + request.end


def origin(path: Path) -> Fraction:
    """When a file begins, in seconds on the clock of its frames: the earliest time of any of its streams.

    Raises:
        InputError: it cannot be opened.
    """
    with open_input(path) as container:
        starts = {
            stream.type: stream.start_time * stream.time_base
            for stream in reversed(container.streams)
            if stream.type in ("video", "audio") and stream.start_time is not None and stream.time_base
        }
        if not starts:
            return Fraction(container.start_time or 0, av.time_base)
        # what lies before 0 is an audio encoder's priming, which no player shows
        return max(min(starts.values()), min(Fraction(0), starts.get("video", Fraction(0))))
