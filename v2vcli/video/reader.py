"""Frames with exact times out of any video file that FFmpeg can decode.

What is peculiar:

- A frame lasts until the next one appears, so one frame is always held back; that is all that is ever buffered.
- Sizes are decided by the first frame. If a stream changes size on the way, later frames are scaled to it.
- ``start`` and ``end`` are on the clock of ``Frame.pts``: a file whose first frame is at 1.4 s has nothing before 1.4.
- Seeking is for formats with an index only, and is checked, not trusted: if the first decoded frame is later than
  ``start`` the file is read from the top.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream

from v2vcli.errors import DamagedInput, InputError, UsageError
from v2vcli.video.colour import RGBDecoder, resolve_colour
from v2vcli.video.demux import StreamDecoder, main_video, open_input
from v2vcli.video.failures import plain
from v2vcli.video.frame import Frame, VideoInfo
from v2vcli.video.orientation import Orientation
from v2vcli.video.timing import PtsRepair

# formats that list their key frames with times; after a seek in others (MPEG-PS) times come out differently
_INDEXED = ("mov,mp4", "matroska")
_SANE_RATES = (Fraction(1, 3600), Fraction(480))


class VideoReader:
    """A video file as an iterable of :class:`Frame`; a context manager; memory does not grow with its length.

    The first frame is decoded on opening, so that ``info`` tells what really comes out and hopeless files fail at once.
    One pass only: iterating again continues where the last iteration stopped.

    Attributes:
        info: what the file is.
        warnings: what was repaired, guessed or skipped, one line each; complete when the iteration has ended.
    """

    info: VideoInfo
    warnings: list[str]

    def __init__(
        self,
        path: str | Path,
        *,
        start: Fraction | None = None,
        end: Fraction | None = None,
        tolerant: bool = False,
    ) -> None:
        """Open a file and decode its first frame.

        Args:
            path: the video file.
            start: drop frames with ``pts < start`` (seconds); frame-exact.
            end: drop frames with ``pts >= end`` (seconds).
            tolerant: step over damage and note it in ``warnings``. Otherwise damage raises
                :class:`DamagedInput` once every good frame before it has been handed out.

        Raises:
            InputError: missing, not a video, no video stream, no decoder, or not one frame decodes.
            UsageError: ``end`` is not after ``start``.
        """
        if start is not None and end is not None and end <= start:
            raise UsageError(f"nothing to read: the end ({float(end):g} s) is not after the start ({float(start):g} s)")
        self._path = str(path)
        self._start = start
        self._end = end
        self._tolerant = tolerant
        self.warnings = []
        self._to_rgb = RGBDecoder()
        self._resized = False
        self._container, self._stream, self._decoder = self._open()
        try:
            frames = iter(self._decoder)
            first = next(frames, None)
            if first is None:
                problem = "; ".join(self._decoder.warnings()) or f"{path}: holds no frame"
                raise InputError(f"{problem}; nothing in it can be decoded")
            self._orientation = _orientation(first)
            self._stored_size = (first.width, first.height)
            self._repair = PtsRepair(_time_base(self._stream), _rate(self._stream))
            self.info = self._describe(first)
        except BaseException:
            self._container.close()
            raise
        self._note_oddities(first)
        self._frames = self._timed(first, frames)

    def _open(self) -> tuple[InputContainer, VideoStream, StreamDecoder]:
        container = open_input(self._path)
        try:
            stream = main_video(container, self._path)
        except InputError:
            container.close()
            raise
        return container, stream, StreamDecoder(container, stream, self._path, tolerant=self._tolerant)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; safe to call twice."""
        self._frames.close()
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        """The frames of the asked range, in order, ``index`` counting from 0.

        Raises:
            DamagedInput: the file is damaged and ``tolerant`` is off; raised after the last good frame.
        """
        return self._frames

    def _timed(self, first: av.VideoFrame | None, frames: Iterator[av.VideoFrame]) -> Generator[Frame, None, None]:
        """Hold each frame back until the next one's time tells its duration."""
        if self._start is not None and self._start > self.info.start:
            first, frames = self._seek(first, frames)
        held: tuple[npt.NDArray[np.uint8], Fraction] | None = None
        gap = Fraction(0)
        own = Fraction(0)
        index = 0
        damage: DamagedInput | None = None
        try:
            for raw in _chain(first, frames):
                pts = self._repair(raw.pts)
                if held is not None:
                    gap = pts - held[1]
                    yield Frame(held[0], held[1], gap, index)
                    index += 1
                    held = None
                if self._end is not None and pts >= self._end:
                    break
                own = (raw.duration or 0) * self.info.time_base
                if self._start is None or pts >= self._start:
                    held = (self._picture(raw), pts)
        except DamagedInput as error:
            damage = error
        if held is not None:
            yield Frame(held[0], held[1], own or gap or self._nominal_duration(), index)
        self.warnings += self._decoder.warnings() + self._repair.warnings(self._path)
        if damage is not None:
            raise damage

    def _nominal_duration(self) -> Fraction:
        ticks = max(1, round(self._repair.step / self.info.time_base))
        return ticks * self.info.time_base

    def _seek(
        self, first: av.VideoFrame | None, frames: Iterator[av.VideoFrame]
    ) -> tuple[av.VideoFrame | None, Iterator[av.VideoFrame]]:
        """Move to a key frame at or before ``start``, or stay at the top of the file where that is not possible."""
        assert self._start is not None
        if first is None or first.pts is None or not self._container.format.name.startswith(_INDEXED):
            return first, frames
        seconds_in = self._start - self.info.start
        if seconds_in < 2:  # decoding two seconds costs less than a seek that has to be undone
            return first, frames
        with contextlib.suppress(av.FFmpegError):
            self._container.seek(math.floor(self._start / self.info.time_base), stream=self._stream)
            decoder = StreamDecoder(self._container, self._stream, self._path, tolerant=self._tolerant)
            decoder.whole = False
            again = iter(decoder)
            landed = next(again, None)
            if landed is not None and landed.pts is not None and landed.pts * self.info.time_base <= self._start:
                self._decoder = decoder
                return landed, again
        self._container.close()
        self._container, self._stream, self._decoder = self._open()
        frames = iter(self._decoder)
        return next(frames, None), frames

    def _picture(self, raw: av.VideoFrame) -> npt.NDArray[np.uint8]:
        """Convert one decoded frame to display-oriented RGB of the stream's size."""
        if (raw.width, raw.height) != self._stored_size and not self._resized:
            self._resized = True
            width, height = self._stored_size
            self.warnings.append(
                f"{self._path}: the picture changes size on the way ({raw.width}x{raw.height});"
                f" scaled to the first frame's {width}x{height}"
            )
        tags = resolve_colour(raw, self._stream.codec_context.name)
        try:
            image = self._to_rgb(raw, tags, *self._stored_size)
        except (av.FFmpegError, ValueError) as error:
            raise InputError(
                f"{self._path}: pixel format {raw.format.name} cannot be converted to RGB: {plain(error)};"
                " convert the file to yuv420p first"
            ) from error
        return self._orientation.apply(image)

    def _describe(self, first: av.VideoFrame) -> VideoInfo:
        stream, container = self._stream, self._container
        time_base = _time_base(stream)
        rate = _rate(stream)
        duration = None
        if stream.duration:
            duration = stream.duration * time_base
        elif container.duration:
            duration = Fraction(container.duration, av.time_base)
        frames = stream.frames or (round(duration * rate) if duration and rate else None)
        width, height = self._orientation.size(first.width, first.height)
        alpha = any(c.is_alpha for c in first.format.components) or stream.metadata.get("alpha_mode") == "1"
        start = first.pts * time_base if first.pts is not None else Fraction(0)
        return VideoInfo(
            path=self._path,
            width=width,
            height=height,
            rate=rate,
            time_base=time_base,
            frames=frames,
            duration=duration,
            sample_aspect=self._orientation.sample_aspect(stream.sample_aspect_ratio or Fraction(1)),
            rotation=self._orientation.rotation,
            pix_fmt=first.format.name,
            bit_depth=first.format.components[0].bits,
            has_alpha=alpha,
            colour=resolve_colour(first, stream.codec_context.name),
            has_audio=bool(container.streams.audio),
            metadata=dict(container.metadata),
            start=start,
        )

    def _note_oddities(self, first: av.VideoFrame) -> None:
        note = self.warnings.append
        if self.info.has_alpha:
            note(f"{self._path}: its alpha channel is ignored")
        if self.info.colour.transfer == "smpte2084":
            note(f"{self._path}: HDR (PQ) is not tone-mapped and will look pale; convert it to SDR first")
        if first.interlaced_frame:
            note(f"{self._path}: interlaced; fields are kept woven, deinterlace it first if combing shows")
        if len(self._container.streams.video) > 1:
            note(f"{self._path}: {len(self._container.streams.video)} video streams; only the first is read")


def _chain(first: av.VideoFrame | None, rest: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    if first is not None:
        yield first
        del first  # or it would live as long as the video
        yield from rest


def _time_base(stream: VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, av.time_base)


def _rate(stream: VideoStream) -> Fraction | None:
    """The average rate, or FFmpeg's guess, whichever is first to be possible for a video."""
    low, high = _SANE_RATES
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and low <= rate <= high:
            return rate
    return None


def _orientation(frame: av.VideoFrame) -> Orientation:
    for data in cast("Iterable[SideData]", frame.side_data):
        if data.type.name == "DISPLAYMATRIX":
            return Orientation.from_matrix(bytes(data))
    return Orientation()
