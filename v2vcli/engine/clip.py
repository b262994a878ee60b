"""The stretch of the input that is worked on: which frames, at which times.

Peculiar:

- ``-ss``, ``-t`` and ``-to`` count from the beginning of the *file*, as in ffmpeg, while frames carry the stream's own
  timestamps. The two differ where a file does not begin at 0 (MPEG-TS recordings start anywhere). The output keeps the
  frames' own times unless ``-ss`` makes it begin at 0.
- Before ``-ss`` come a few frames to warm up with (`is_wanted` tells them apart): they are painted, and what was
  painted is remembered, but not written. Frames have no even rate, so they are looked for in a stretch that is twice as
  long as they would last on average; where frames are sparser than that there are fewer of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice
from types import TracebackType
from typing import Self

from v2vcli.engine.request import STREAM, ClipRequest, ConvertRequest
from v2vcli.engine.stopping import StopRequest
from v2vcli.errors import InputError
from v2vcli.video.frame import Frame, VideoInfo
from v2vcli.video.reader import VideoReader
from v2vcli.video.resample import resample
from v2vcli.video.source import RawVideo, SidePackets

_FALLBACK_RATE = Fraction(25)


class Clip:
    """An opened input, cut and resampled as the request says; a context manager; one pass.

    Attributes:
        info: what the file is.
        start: seconds on the frames' clock, None without ``-ss``.
        end: seconds on the frames' clock, None without ``-t`` and ``-to``.
        rate: frames per second of what comes out, None if unknown or variable.
        time_base: every ``pts`` that comes out and is wanted, less `start`, is a whole multiple of it.
        stop: ends it early, see `engine.stopping`.
    """

    def __init__(self, request: ClipRequest, stop: StopRequest | None = None) -> None:
        """Open the input.

        Raises:
            InputError: it cannot be read, or its stretch is empty.
            UsageError: it is not what it is said to be.
        """
        self._rate = request.rate
        self._limit, self._limited = request.frames, False
        self._warmup = request.warmup if isinstance(request, ConvertRequest) and request.start is not None else 0
        self.stop = stop or StopRequest()
        live = True if isinstance(request, ConvertRequest) and request.live else None
        duration, start = request.duration, request.start
        self._reader = VideoReader(
            request.input,
            start=start,
            end=request.end if duration is None else (start or Fraction(0)) + duration,
            from_origin=True,
            tolerant=request.tolerant,
            format=request.input_format,
            raw=_raw_video(request),
            rate=request.input_rate if request.input_format != "rawvideo" else None,
            live=live,
            carry=request.input == STREAM and isinstance(request, ConvertRequest),
        )
        self.info: VideoInfo = self._reader.info
        self.start, self.end = self._reader.start, self._reader.end
        if self._warmup and self.start is not None:
            # the reader has not begun; what it reads too much is dropped here
            self._reader.start = self.start - (2 * self._warmup + 1) / (self.info.rate or _FALLBACK_RATE)
        self.rate = request.rate or self.info.rate
        self.time_base = self.info.time_base if request.rate is None else 1 / request.rate

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

    def cancel(self) -> None:
        """End a read that waits for a pipe; from any thread."""
        self._reader.cancel()

    @property
    def warnings(self) -> list[str]:
        """What the reader met; complete when the frames have been read."""
        return self._reader.warnings

    @property
    def side(self) -> SidePackets | None:
        """What comes beside the video through a pipe."""
        return self._reader.side

    @property
    def ended_early(self) -> bool:
        """Whether the last frame was followed by others, which were not asked for by a time."""
        return self.stop.obeyed or self._limited

    def frames(self) -> Iterator[Frame]:
        """The frames, in order; ``index`` counts from 0, and backwards from -1 those to warm up with.

        Raises:
            DamagedInput: after the last good frame, unless the request is tolerant.
            InputError: no frame lies in the stretch.
        """
        frames = iter(self._reader)
        warm: deque[Frame] = deque(maxlen=self._warmup)
        first = next(frames, None)
        while first is not None and self._warmup and self.start is not None and first.pts < self.start:
            warm.append(first)
            first = next(frames, None)
        if first is None:
            length = self.info.duration
            says = f"; it is {float(length):g} s long" if length else ""
            raise InputError(f"{self.info.path}: no frame lies in the stretch asked for with -ss, -t or -to{says}")
        for index in range(-len(warm), 0):
            yield replace(warm.popleft(), index=index)
        wanted: Iterator[Frame] = chain([first], frames)
        del first  # or it would live as long as the video
        if self._rate is not None:
            wanted = self._resampled(wanted, self._rate)
        for index, frame in enumerate(self.stop.until(islice(wanted, self._limit))):
            self._limited = index + 1 == self._limit
            yield replace(frame, index=index)
            del frame

    def _resampled(self, frames: Iterator[Frame], rate: Fraction) -> Iterator[Frame]:
        # the grid of the new rate begins where the output does
        begin = self.start or Fraction(0)
        moved = (replace(frame, pts=frame.pts - begin) for frame in frames)
        for frame in resample(moved, rate):
            yield replace(frame, pts=frame.pts + begin)

    def expected_frames(self) -> int | None:
        """About how many frames will be written, for a progress bar; None if nobody knows."""
        expected = self._expected()
        return expected if self._limit is None else min(self._limit, expected or self._limit)

    def _expected(self) -> int | None:
        info = self.info
        if self.start is None and self.end is None and self._rate is None:
            return info.frames
        if info.duration is None or self.rate is None:
            return None
        first = max(self.start or info.start, info.start)
        last = info.start + info.duration if self.end is None else min(self.end, info.start + info.duration)
        return max(1, round((last - first) * self.rate))


def is_wanted(frame: Frame) -> bool:
    """Whether a frame of a clip is to be written, and is not there to warm up alone."""
    return frame.index >= 0


def _raw_video(request: ClipRequest) -> RawVideo | None:
    if request.input_size is None:
        return None
    width, height = request.input_size
    default = RawVideo(width, height)
    return RawVideo(width, height, request.input_pix_fmt or default.pix_fmt, request.input_rate or default.rate)
