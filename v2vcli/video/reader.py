"""Frames with exact times out of any video that FFmpeg can decode: a file, a pipe, a folder of pictures.

What is peculiar:

- A frame lasts until the next one appears, so one frame is always held back; that is all that is ever buffered. From a
  pipe (``live``) each frame is handed out as soon as it is there, and its duration is what the container says or, where
  that stores none, what the frame before it lasted.
- Sizes are decided by the first frame. If a stream changes size on the way, later frames are scaled to it.
- ``start`` and ``end`` are on the clock of ``Frame.pts``: a file whose first frame is at 1.4 s has nothing before 1.4.
- Memory does not grow with the length, with one exception of FFmpeg's making: of an mp4 that comes through a pipe it
  remembers every fragment, some 200 bytes each.
- Seeking is for formats with an index only, and is checked, not trusted: if the first decoded frame is later than
  ``start`` the file is read from the top. What comes through a pipe is skipped by reading it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData

from v2vcli.errors import DamagedInput, InputError, UsageError
from v2vcli.video.colour import RGBDecoder, resolve_colour
from v2vcli.video.failures import plain
from v2vcli.video.frame import Frame, VideoInfo
from v2vcli.video.orientation import Orientation
from v2vcli.video.pictures import PictureSource, is_pictures
from v2vcli.video.pipes import PipeSource, is_stream
from v2vcli.video.source import ContainerSource, RawVideo, SidePackets, Source
from v2vcli.video.timing import PtsRepair


class VideoReader:
    """A video file as an iterable of :class:`Frame`; a context manager; memory does not grow with its length.

    The first frame is decoded on opening, so that ``info`` tells what really comes out and hopeless files fail at once.
    One pass only: iterating again continues where the last iteration stopped.

    Attributes:
        info: what the file is.
        start: the first second that is asked for, on the clock of the frames; None: all.
        end: the second from which on nothing is asked for, on the clock of the frames; None: all.
        side: what comes beside the video through a pipe, if it is carried.
        warnings: what was repaired, guessed or skipped, one line each; complete when the iteration has ended.
    """

    info: VideoInfo
    start: Fraction | None
    end: Fraction | None
    side: SidePackets | None
    warnings: list[str]

    def __init__(
        self,
        path: str | Path | BinaryIO,
        *,
        start: Fraction | None = None,
        end: Fraction | None = None,
        tolerant: bool = False,
        format: str | None = None,
        raw: RawVideo | None = None,
        rate: Fraction | None = None,
        live: bool | None = None,
        carry: bool = False,
        from_origin: bool = False,
    ) -> None:
        """Open a video and decode its first frame.

        Args:
            path: the video file; ``-`` for standard input, or a readable binary stream; a folder of pictures, or their
                pattern (``in/%05d.png``).
            start: drop frames with ``pts < start`` (seconds); frame-exact.
            end: drop frames with ``pts >= end`` (seconds).
            tolerant: step over damage and note it in ``warnings``. Otherwise damage raises
                :class:`DamagedInput` once every good frame before it has been handed out.
            format: what it is, as ``-f`` says it; None finds out, which on a pipe takes longer.
            raw: what ``rawvideo`` has no header for.
            rate: pictures per second; of a folder or pattern only, 25 where it is not given.
            live: hand frames out at once, with durations that may be guessed; None: on a pipe.
            carry: keep what else comes through a pipe in ``side``, for a writer to copy. It has to be taken out there.
            from_origin: ``start`` and ``end`` count from the beginning of the file, its earliest stream, as ``-ss`` and
                ``-to`` of ffmpeg do.

        Raises:
            InputError: missing, not a video, no video stream, no decoder, or not one frame decodes.
            UsageError: ``end`` is not after ``start``; ``format``, ``raw`` or ``rate`` do not fit.
        """
        if start is not None and end is not None and end <= start:
            raise UsageError(f"nothing to read: the end ({float(end):g} s) is not after the start ({float(start):g} s)")
        self.warnings = []
        self._to_rgb = RGBDecoder()
        self._resized = False
        self._source: Source
        self.side = None
        if not is_stream(path) and is_pictures(cast("str | Path", path)):
            self._source = PictureSource(cast("str | Path", path), rate=rate, tolerant=tolerant)
        else:
            if rate is not None:
                raise UsageError("a rate to read at is for single pictures only; videos have their own")
            place = PipeSource(path) if is_stream(path) else cast("str | Path", path)
            container = ContainerSource(place, tolerant=tolerant, format=format, raw=raw, carry=carry)
            self.side = container.side
            self._source = container
        self._path = self._source.name
        self._live = self._source.is_pipe if live is None else live
        try:
            frames = self._source.frames()
            first = next(frames, None)
            if first is None:
                problem = "; ".join(self._source.warnings()) or f"{self._path}: holds no frame"
                raise InputError(f"{problem}; nothing in it can be decoded")
            self._orientation = _orientation(first)
            self._stored_size = (first.width, first.height)
            self._repair = PtsRepair(self._source.info.time_base, self._source.info.rate)
            self.info = self._describe(first)
        except BaseException:
            self._source.close()
            raise
        zero = self.info.origin if from_origin else Fraction(0)
        self.start = None if start is None else zero + start
        self.end = None if end is None else zero + end
        self._note_oddities(first)
        self._frames = self._timed(first, frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; safe to call twice."""
        self._frames.close()
        self._source.close()

    def cancel(self) -> None:
        """End a read that waits for a pipe, as if the sender had finished; from any thread."""
        self._source.cancel()

    def __iter__(self) -> Iterator[Frame]:
        """The frames of the asked range, in order, ``index`` counting from 0.

        Raises:
            DamagedInput: the file is damaged and ``tolerant`` is off; raised after the last good frame.
        """
        return self._frames

    def _timed(self, first: av.VideoFrame | None, frames: Iterator[av.VideoFrame]) -> Generator[Frame, None, None]:
        """Frames of the asked range with their durations."""
        if self.start is not None and self.start > self.info.start:
            first, frames = self._seek(first, frames)
        damage: DamagedInput | None = None
        pictures = self._in_range(_chain(first, frames))
        del first
        try:
            yield from (self._at_once if self._live else self._held_back)(pictures)
        except DamagedInput as error:
            damage = error
        self.warnings += self._source.warnings() + self._repair.warnings(self._path)
        if damage is not None:
            raise damage

    def _in_range(self, raws: Iterator[av.VideoFrame]) -> Iterator[tuple[av.VideoFrame | None, Fraction]]:
        """Decoded frames with their times, None instead of those outside; the one that ends the range comes last."""
        for raw in raws:
            pts = self._repair(raw.pts)
            if self.end is not None and pts >= self.end:
                yield None, pts
                return
            yield (raw if self.start is None or pts >= self.start else None), pts
            del raw

    def _held_back(self, raws: Iterator[tuple[av.VideoFrame | None, Fraction]]) -> Iterator[Frame]:
        """Hold each frame back until the next one's time tells its duration."""
        held: tuple[npt.NDArray[np.uint8], Fraction] | None = None
        gap = own = Fraction(0)
        index = 0
        damage: DamagedInput | None = None
        try:
            for raw, pts in raws:
                if held is not None:
                    gap = pts - held[1]
                    yield Frame(held[0], held[1], gap, index)
                    index += 1
                    held = None
                if raw is not None:
                    own = (raw.duration or 0) * self.info.time_base
                    held = (self._picture(raw), pts)
        except DamagedInput as error:
            damage = error
        if held is not None:
            yield Frame(held[0], held[1], own or gap or self._nominal_duration(), index)
        if damage is not None:
            raise damage

    def _at_once(self, raws: Iterator[tuple[av.VideoFrame | None, Fraction]]) -> Iterator[Frame]:
        """Hand each frame out as it comes."""
        before: Fraction | None = None
        index = 0
        for raw, pts in raws:
            if raw is not None:
                own = (raw.duration or 0) * self.info.time_base
                gap = Fraction(0) if before is None else pts - before
                likely = (own, gap) if self._source.info.knows_durations else (gap, own)
                yield Frame(self._picture(raw), pts, likely[0] or likely[1] or self._nominal_duration(), index)
                index += 1
            before = pts

    def _nominal_duration(self) -> Fraction:
        ticks = max(1, round(self._repair.step / self.info.time_base))
        return ticks * self.info.time_base

    def _seek(
        self, first: av.VideoFrame | None, frames: Iterator[av.VideoFrame]
    ) -> tuple[av.VideoFrame | None, Iterator[av.VideoFrame]]:
        """Move to a key frame at or before ``start``, or stay at the top of the file where that is not possible."""
        assert self.start is not None
        # decoding two seconds costs less than a seek that has to be undone
        if first is None or first.pts is None or self.start - self.info.start < 2:
            return first, frames
        again = self._source.seek(self.start)
        if again is None:
            return first, frames
        landed = next(again, None)
        if landed is not None and landed.pts is not None and landed.pts * self.info.time_base <= self.start:
            return landed, again
        frames = self._source.rewind()
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
        tags = resolve_colour(raw, self._source.info.codec)
        try:
            image = self._to_rgb(raw, tags, *self._stored_size)
        except (av.FFmpegError, ValueError) as error:
            raise InputError(
                f"{self._path}: pixel format {raw.format.name} cannot be converted to RGB: {plain(error)};"
                " convert the file to yuv420p first"
            ) from error
        return self._orientation.apply(image)

    def _describe(self, first: av.VideoFrame) -> VideoInfo:
        source = self._source.info
        width, height = self._orientation.size(first.width, first.height)
        start = first.pts * source.time_base if first.pts is not None else Fraction(0)
        return VideoInfo(
            path=self._path,
            width=width,
            height=height,
            rate=source.rate,
            time_base=source.time_base,
            frames=source.frames,
            duration=source.duration,
            sample_aspect=self._orientation.sample_aspect(source.sample_aspect),
            rotation=self._orientation.rotation,
            pix_fmt=first.format.name,
            bit_depth=first.format.components[0].bits,
            has_alpha=source.has_alpha or any(c.is_alpha for c in first.format.components),
            colour=resolve_colour(first, source.codec),
            has_audio=source.has_audio,
            metadata=source.metadata,
            start=start,
            origin=source.origin if source.origin is not None else start,
        )

    def _note_oddities(self, first: av.VideoFrame) -> None:
        note = self.warnings.append
        if self.info.has_alpha:
            note(f"{self._path}: its alpha channel is ignored")
        if self.info.colour.transfer == "smpte2084":
            note(f"{self._path}: HDR (PQ) is not tone-mapped and will look pale; convert it to SDR first")
        if first.interlaced_frame:
            note(f"{self._path}: interlaced; fields are kept woven, deinterlace it first if combing shows")
        if self._source.info.videos > 1:
            note(f"{self._path}: {self._source.info.videos} video streams; only the first is read")


def _chain(first: av.VideoFrame | None, rest: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    if first is not None:
        yield first
        del first  # or it would live as long as the video
        yield from rest


def _orientation(frame: av.VideoFrame) -> Orientation:
    for data in cast("Iterable[SideData]", frame.side_data):
        if data.type.name == "DISPLAYMATRIX":
            return Orientation.from_matrix(bytes(data))
    return Orientation()
