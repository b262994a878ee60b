"""What a reader reads from: a container in a file or coming through a pipe; `pictures` has the third, single images.

Peculiar: a pipe is read once, by whoever decodes the video. What else comes through it, sound and subtitles, is kept in
a queue (:class:`SidePackets`) for a writer that copies it, if the reader was told to carry it; else it is dropped.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from v2vcli.errors import DamagedInput, InputError, UsageError
from v2vcli.video.demux import StreamDecoder, main_video, open_input, open_pipe
from v2vcli.video.pipes import PipeSource

_SANE_RATES = (Fraction(1, 3600), Fraction(480))
_QUICKTIME = ("mov,mp4", "mp4", "mov")
# formats that list their key frames with times; after a seek in others (MPEG-PS) times come out differently
_INDEXED = (*_QUICKTIME, "matroska")
_NO_DURATIONS = ("nut", "mpegts", "h264", "hevc")  # what FFmpeg says there follows from a guessed rate


@dataclass(frozen=True)
class RawVideo:
    """What samples without any header are (``-f rawvideo``).

    Attributes:
        width: of a picture, in pixels.
        height: of a picture, in pixels.
        pix_fmt: FFmpeg's name of the pixel format.
        rate: frames per second.
    """

    width: int
    height: int
    pix_fmt: str = "yuv420p"
    rate: Fraction = Fraction(25)

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: a size or rate not above 0, or an unknown pixel format.
        """
        if min(self.width, self.height) < 1 or self.rate <= 0:
            raise UsageError(f"raw video of {self.width}x{self.height} at {self.rate} fps: give what is above 0")
        try:
            av.VideoFormat(self.pix_fmt)
        except ValueError as error:
            raise UsageError(f"-pix_fmt {self.pix_fmt}: unknown pixel format; try yuv420p or rgb24") from error

    def options(self) -> dict[str, str]:
        """As FFmpeg's demuxer takes them."""
        size, rate = f"{self.width}x{self.height}", f"{self.rate.numerator}/{self.rate.denominator}"
        return {"video_size": size, "pixel_format": self.pix_fmt, "framerate": rate}


@dataclass(frozen=True)
class SourceInfo:
    """What a source says of its video beside the frames.

    Attributes:
        time_base: of the ``pts`` of its frames.
        rate: average frames per second, None if it says nothing sane.
        duration: seconds, None if unknown.
        frames: an estimate, None if unknown.
        sample_aspect: width of a stored pixel over its height.
        codec: the decoder's name.
        has_audio: whether there is a sound track.
        has_alpha: whether the container says so.
        metadata: tags.
        videos: video streams.
        origin: seconds at which the earliest stream begins, where ffmpeg's ``-ss`` counts from; None: with the video.
        knows_durations: whether the durations of its frames are stored rather than guessed.
    """

    time_base: Fraction
    rate: Fraction | None
    duration: Fraction | None
    frames: int | None
    sample_aspect: Fraction
    codec: str
    has_audio: bool = False
    has_alpha: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    videos: int = 1
    origin: Fraction | None = None
    knows_durations: bool = True


class Source(Protocol):
    """Decoded pictures, once, in order of presentation."""

    name: str
    info: SourceInfo
    is_pipe: bool

    def frames(self) -> Iterator[av.VideoFrame]:
        """From where the source stands; raises `DamagedInput` after the last good frame unless tolerant."""

    def seek(self, time: Fraction) -> Iterator[av.VideoFrame] | None:
        """Frames from a key frame not after ``time`` on, or None, with nothing changed, where that cannot be had."""

    def rewind(self) -> Iterator[av.VideoFrame]:
        """Frames from the beginning on; not of a pipe."""

    def warnings(self) -> list[str]:
        """What was skipped or patched up so far."""

    def cancel(self) -> None:
        """End a read that waits; from any thread."""

    def close(self) -> None:
        """Release it."""


class SidePackets:
    """The packets beside the video of a pipe, as they come by: put in by who decodes, taken out by who copies."""

    def __init__(self, container: InputContainer, name: str) -> None:
        self.container = container
        self.name = name
        self._queue: deque[av.Packet[Any]] = deque()
        self._wanted: set[int] | None = None  # None: nobody has said yet
        self._lock = threading.Lock()  # the decoder has a thread of its own

    def put(self, packet: av.Packet[Any]) -> None:
        """Keep a packet, if it is wanted."""
        with self._lock:
            if packet.size and (self._wanted is None or packet.stream_index in self._wanted):
                self._queue.append(packet)

    def want(self, streams: set[int]) -> None:
        """Keep only packets of these streams from now on, and of what is kept."""
        with self._lock:
            self._wanted = streams
            kept = [packet for packet in self._queue if packet.stream_index in streams]
            self._queue.clear()
            self._queue.extend(kept)

    def peek(self) -> av.Packet[Any] | None:
        """The next one, if there is one by now."""
        return self._queue[0] if self._queue else None

    def pop(self) -> av.Packet[Any]:
        """Take the next one."""
        return self._queue.popleft()


class ContainerSource:
    """The first real video stream of a container, in a file or coming through a pipe.

    Attributes:
        side: what comes beside the video through a pipe, where it is carried.
    """

    def __init__(
        self,
        place: str | Path | BinaryIO | PipeSource,
        *,
        tolerant: bool,
        format: str | None = None,
        raw: RawVideo | None = None,
        carry: bool = False,
    ) -> None:
        """Open it.

        Raises:
            InputError: it cannot be read, or holds no video.
            UsageError: ``format`` is none that is read here, or it is ``rawvideo`` and ``raw`` is missing.
        """
        if (format == "rawvideo") != (raw is not None):
            raise UsageError("-f rawvideo has no header: give its size, pixel format and rate (and to no other format)")
        self._pipe = place if isinstance(place, PipeSource) else None
        self._place = place
        self.is_pipe = self._pipe is not None
        self.name = self._pipe.name if self._pipe is not None else str(place)
        self._tolerant = tolerant
        self._format = format
        self._options = raw.options() if raw is not None else {}
        self._carry = carry and self.is_pipe
        self.side: SidePackets | None = None
        self._container, self._stream, self._decoder = self._open()
        self.info = self._describe()

    def _open(self) -> tuple[InputContainer, VideoStream, StreamDecoder]:
        if self._pipe is not None:
            container = open_pipe(self._pipe, self._format, self._options)
        else:
            container = open_input(self.name, self._format, self._options)
        try:
            stream = main_video(container, self.name)
        except InputError:
            container.close()
            raise
        if self.is_pipe and stream.codec_context.name == "libdav1d":
            stream.codec_context.options = {"max_frame_delay": "1"}  # or it waits for as many frames as it has threads
        if self._carry:
            self.side = SidePackets(container, self.name)
        return container, stream, self._decode(container, stream)

    def _decode(self, container: InputContainer, stream: VideoStream) -> StreamDecoder:
        others = self.side.put if self.side is not None else None
        pipe = self._pipe
        return StreamDecoder(
            container,
            stream,
            self.name,
            tolerant=self._tolerant,
            others=others,
            size=(lambda: container.size) if pipe is None else (lambda: pipe.total),
        )

    def frames(self) -> Iterator[av.VideoFrame]:
        """From where the source stands; see `Source`."""
        try:
            yield from self._decoder
        except DamagedInput as error:
            if self._pipe is not None:
                self._pipe.check()
                if not self._decoder.frames and self._container.format.name.startswith(_QUICKTIME):
                    raise InputError(
                        f"{self.name}: an mp4 cannot be read through a pipe when its index comes last;"
                        " have it made with -movflags frag_keyframe+empty_moov, or save it to a file"
                    ) from error
            raise
        if self._pipe is not None:
            self._pipe.check()

    def seek(self, time: Fraction) -> Iterator[av.VideoFrame] | None:
        """Frames from a key frame on; a seek is checked by the caller, who may `rewind`."""
        if self.is_pipe or not self._container.format.name.startswith(_INDEXED):
            return None
        try:
            self._container.seek(math.floor(time / self.info.time_base), stream=self._stream)
        except av.FFmpegError:
            return self.rewind()
        self._decoder = self._decode(self._container, self._stream)
        self._decoder.whole = False
        return iter(self._decoder)

    def rewind(self) -> Iterator[av.VideoFrame]:
        """Frames from the beginning on."""
        self._container.close()
        self._container, self._stream, self._decoder = self._open()
        return iter(self._decoder)

    def warnings(self) -> list[str]:
        """What was skipped or patched up so far."""
        return self._decoder.warnings()

    def cancel(self) -> None:
        """End a read that waits."""
        if self._pipe is not None:
            self._pipe.cancel()

    def close(self) -> None:
        """Release file or pipe; safe to call twice."""
        self._container.close()
        if self._pipe is not None:
            self._pipe.close()

    def _describe(self) -> SourceInfo:
        stream, container = self._stream, self._container
        time_base, rate = stream.time_base or Fraction(1, av.time_base), _rate(stream)
        duration = None
        if stream.duration:
            duration = stream.duration * time_base
        elif container.duration and not self.is_pipe:
            duration = Fraction(container.duration, av.time_base)
        return SourceInfo(
            time_base=time_base,
            rate=rate,
            duration=duration,
            frames=stream.frames or (round(duration * rate) if duration and rate else None),
            sample_aspect=stream.sample_aspect_ratio or Fraction(1),
            codec=stream.codec_context.name,
            has_audio=bool(container.streams.audio),
            has_alpha=stream.metadata.get("alpha_mode") == "1",
            metadata=dict(container.metadata),
            videos=sum(not s.disposition & Disposition.attached_pic for s in container.streams.video),
            origin=origin(container),
            knows_durations=not container.format.name.startswith(_NO_DURATIONS),
        )


def origin(container: InputContainer) -> Fraction | None:
    """When a container begins, in seconds: the earliest time of its sound and pictures; None if it does not say."""
    starts = {
        stream.type: stream.start_time * stream.time_base
        for stream in reversed(container.streams)
        if stream.type in ("video", "audio") and stream.start_time is not None and stream.time_base
    }
    if not starts:
        return None if container.start_time is None else Fraction(container.start_time, av.time_base)
    # what lies before 0 is an audio encoder's priming, which no player shows
    return max(min(starts.values()), min(Fraction(0), starts.get("video", Fraction(0))))


def _rate(stream: VideoStream) -> Fraction | None:
    """The average rate, or FFmpeg's guess, whichever is first to be possible for a video."""
    low, high = _SANE_RATES
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and low <= rate <= high:
            return rate
    return None
