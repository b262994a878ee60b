"""Opening a container safely and decoding one video stream of it, damage and all.

What is peculiar:

- Paths go to FFmpeg as ``file:PATH`` with a protocol whitelist, so that ``a:b.mp4`` and ``-x.mp4`` are files and a
  playlist that calls itself a video cannot fetch anything.
- PyAV's ``demux`` generator is finished by the first error; to read on behind damage a new one is made.
- An empty packet that has a time is a repeated picture (AVI), not the end of the stream: handing it to the decoder
  would flush it for good.
- A pipe is opened with as little probing as its format allows: headers say what is in it. MPEG-TS has none, and gets up
  to a second. ``fflags=nobuffer`` is no help: it throws the packets away that were looked at.
- A file may be cut so cleanly that FFmpeg sees an ordinary end; then the sample count or the duration in its header
  gives it away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from v2vcli.errors import DamagedInput, InputError, UsageError
from v2vcli.video.failures import plain
from v2vcli.video.pipes import PipeSource

_NOT_VIDEO_FORMATS = ("tty",)  # FFmpeg renders text files as ANSI art
_MAX_READ_ERRORS = 16  # in a row; some demuxers report the same error forever
_QUICKTIME = ("mov,mp4", "mp4", "mov")
_HEADER_KNOWS_DURATION = ("matroska", *_QUICKTIME, "avi", "flv")
# what -f calls them, and what FFmpeg's demuxers are called
_DEMUXERS = {
    **{name: name for name in ("nut", "matroska", "yuv4mpegpipe", "rawvideo", "mpegts", "avi", "flv", "mpeg", "ivf")},
    **{"webm": "matroska", "mkv": "matroska", "mp4": "mp4", "mov": "mov", "gif": "gif", "apng": "apng"},
    **{"h264": "h264", "hevc": "hevc", "m4v": "m4v"},
}
_AT_ONCE = {"fpsprobesize": "0", "probesize": "32", "analyzeduration": "0"}
_HEADERLESS = {"fpsprobesize": "0", "analyzeduration": "1000000"}
_HAVE_NO_HEADER = ("mpegts", "mpeg", "h264", "hevc", "m4v", "flv")


def find_demuxer(format: str | None) -> str | None:
    """FFmpeg's name for what ``-f`` says of an input.

    Raises:
        UsageError: it is none that is read here.
    """
    if format is None:
        return None
    if format not in _DEMUXERS:
        raise UsageError(f"-f {format}: not a format that can be read; choose {', '.join(sorted(_DEMUXERS))}")
    return _DEMUXERS[format]


def open_pipe(source: PipeSource, format: str | None, options: Mapping[str, str]) -> InputContainer:
    """Open what comes through a pipe, as early as possible.

    Raises:
        InputError: nothing comes, or nothing FFmpeg knows, or not what ``format`` says.
        UsageError: ``format`` is none that is read here.
    """
    demuxer = find_demuxer(format)
    probing = {} if demuxer is None else _HEADERLESS if demuxer in _HAVE_NO_HEADER else _AT_ONCE
    try:
        container = av.open(
            source,
            "r",
            format=demuxer,
            container_options={"protocol_whitelist": "pipe", **probing, **options},
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        source.check()
        if isinstance(error, av.error.EOFError):
            raise InputError(f"{source.name} ends before there is a video; check what sends it") from error
        says = f"is no {format} video" if format else "is no video that a pipe can carry"
        advice = "give its format with -f" if format is None else "check -f and what sends it"
        if demuxer in ("mp4", "mov"):
            advice = "its index has to come first (-movflags frag_keyframe+empty_moov where it is made)"
        raise InputError(f"{source.name} {says}, or it is cut short ({plain(error)}); {advice}") from error
    source.check()
    return container


def open_input(
    path: str | Path, format: str | None = None, options: Mapping[str, str] = MappingProxyType({})
) -> InputContainer:
    """Open a container for reading.

    Args:
        path: a file.
        format: what it is, as ``-f`` says it; None finds out.
        options: for the demuxer.

    Raises:
        InputError: the file is missing, a folder, unreadable, or nothing FFmpeg knows.
        UsageError: ``format`` is none that is read here.
    """
    demuxer = find_demuxer(format)
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the path of a video file")
    if not path.is_file():
        raise InputError(f"{path} is not a regular file; save the video to a file first")
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes); check that it was copied whole")
        container = av.open(
            f"file:{path}",
            "r",
            format=demuxer,
            container_options={"protocol_whitelist": "file", **options},
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, av.error.InvalidDataError):
            raise InputError(
                f"{path} is not a video, or its index is missing or damaged; check that it was copied whole"
            ) from error
        raise InputError(f"{path} cannot be opened: {plain(error)}; check the file") from error
    if container.format.name in _NOT_VIDEO_FORMATS:
        container.close()
        raise InputError(f"{path} is not a video but text; give the path of a video file")
    return container


def main_video(container: InputContainer, path: str | Path) -> VideoStream:
    """The first video stream that is not a cover picture.

    Raises:
        InputError: there is none, or no decoder for it.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        held = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise InputError(f"{path} has no video stream (it holds: {held}); give the path of a video file")
    stream = streams[0]
    if stream.codec_context is None:
        raise InputError(f"{path}: its video codec is unknown to FFmpeg; convert it with the tool that made it")
    return stream


class StreamDecoder:
    """Decodes one video stream in presentation order, once, reporting damage as it was asked to.

    Iterating yields PyAV frames. Damage ends the iteration with :class:`DamagedInput` after every good frame before it
    has been yielded, or, if ``tolerant``, is skipped and counted.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        path: str,
        *,
        tolerant: bool,
        others: Callable[[av.Packet[Any]], None] | None = None,
        size: Callable[[], int] | None = None,
    ) -> None:
        """Decode ``stream`` of ``container``, called ``path`` in messages.

        Args:
            container: opened.
            stream: of it.
            path: its name.
            tolerant: step over damage.
            others: takes the packets of other streams.
            size: bytes there were, once everything has been read.
        """
        self._container = container
        self._others = others
        self._size = size
        self._reached = 0  # bytes of the file, by the packets that say where they were
        self._stream = stream
        self._path = path
        self._tolerant = tolerant
        self._packets = 0
        self._end = Fraction(0)  # of whatever stream reaches furthest
        self._errors: list[str] = []
        self._bad = 0
        self.frames = 0
        self.corrupt = 0
        self.whole = True  # False once reading did not begin at the first packet, so that counts mean nothing
        for other in container.streams.video:
            if other.index != stream.index and others is None:
                other.discard = Discard.all

    def __iter__(self) -> Iterator[av.VideoFrame]:
        for packet in self._read():
            if packet is None:
                yield from self._drain()
                break
            if packet.size == 0:
                continue
            try:
                decoded = self._stream.codec_context.decode(packet)
            except (av.FFmpegError, ValueError) as error:
                if self._damaged(plain(error)):
                    yield from self._drain()
                    break
                continue
            if packet.is_corrupt and self._damaged("a packet is cut short"):
                # what came out of the broken packet is still a frame, but not a good one
                yield from self._drain()
                break
            yield from self._counted(decoded)
        else:
            yield from self._drain()
        if not self._errors:
            self._check_complete()
        if self._errors and not self._tolerant:
            raise DamagedInput(
                f"{self._path}: damaged after frame {self.frames}: {self._errors[0]}; --tolerant keeps what decodes"
            )

    def _damaged(self, what: str) -> bool:
        """Note damage; True if reading has to end here."""
        self._bad += 1
        if what not in self._errors:
            self._errors.append(what)
        return not self._tolerant

    def _counted(self, decoded: list[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        for frame in decoded:
            self.frames += 1
            self.corrupt += frame.is_corrupt
            yield frame

    def _drain(self) -> Iterator[av.VideoFrame]:
        try:
            decoded = self._stream.codec_context.decode(None)
        except (av.FFmpegError, ValueError) as error:
            if not isinstance(error, av.error.EOFError):
                self._damaged(plain(error))
            return
        yield from self._counted(decoded)

    def _read(self) -> Iterator[av.Packet | None]:  # type: ignore[type-arg]
        """Packets of the stream; None where reading had to stop early."""
        errors_in_a_row = 0
        while True:
            try:
                for packet in self._container.demux():
                    if packet.pts is None and packet.dts is None and packet.size == 0:
                        continue  # PyAV's own end-of-stream marks; _drain does the flushing
                    if packet.pts is not None:
                        errors_in_a_row = 0
                        self._end = max(self._end, (packet.pts + (packet.duration or 0)) * packet.time_base)
                    if packet.stream_index == self._stream.index:
                        errors_in_a_row = 0
                        self._packets += 1
                        self._reached = (packet.pos or 0) + packet.size
                        yield packet
                    elif self._others is not None:
                        self._others(packet)
                return
            except (av.FFmpegError, OSError) as error:
                errors_in_a_row += 1
                if self._damaged(plain(error)) or errors_in_a_row > _MAX_READ_ERRORS:
                    yield None
                    return

    def _check_complete(self) -> None:
        """Compare what was read with what the header announces."""
        if not self.whole:
            return
        announced = self._stream.frames
        name = self._container.format.name
        if name == "yuv4mpegpipe" and self._size is not None and self._size() > self._reached:
            self._damaged("the last frame is cut short")  # FFmpeg takes that for an ordinary end
        if not name.startswith(_HEADER_KNOWS_DURATION):
            return
        if announced and name.startswith(_QUICKTIME):
            if self._packets < announced:
                self._damaged(f"the file ends after {self._packets} of {announced} pictures")
            return
        if self._container.duration:
            # Matroska counts it from 0, others from the first packet: take the smaller reading, better mild than wrong
            end = Fraction(self._container.duration, av.time_base)
            if self._end < end - max(Fraction(1), end / 50):
                self._damaged(f"the file ends at {float(self._end):.2f} s of {float(end):.2f} s")

    def warnings(self) -> list[str]:
        """What was skipped or patched up so far, one line each."""
        lines = []
        if self._errors and self._tolerant:
            places = "1 place" if self._bad == 1 else f"{self._bad} places"
            lines.append(f"{self._path}: damaged in {places} ({'; '.join(self._errors[:3])}); kept what decodes")
        if self.corrupt:
            lines.append(f"{self._path}: {self.corrupt} frames decoded from damaged data; they may look wrong")
        return lines
