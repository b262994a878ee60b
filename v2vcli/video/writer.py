"""Frames with exact times into a video, beside the sound and subtitles of the file they came from.

What a container can hold decides how exact "exact" is:

- **mp4, mov, m4v, nut**: everything. The track's clock is set to a time base in which every ``pts`` is a whole number,
  and, in mp4, the movie's clock to one in which every track's start is; durations are stored one by one (not in nut). A
  late first frame becomes an edit list.
- **mkv, webm**: FFmpeg writes whole milliseconds, nothing else. Times are rounded to the nearest one (29.97 fps comes
  back as 0, 33, 67, ... ms) and a warning says so, unless they are whole milliseconds already, as those of an mkv input
  are. Each frame's duration is stored, in milliseconds too.
- **mpegts**: whole ticks of 90 kHz, **gif** hundredths of a second, **webp** milliseconds, **apng** any fraction.
- **yuv4mpegpipe, rawvideo, numbered pictures**: one frame after the other, at an even rate or at none; a warning says
  so if the frames came at another. **avi and others**: best effort. AVI has one constant frame rate, and frames land on
  the nearest slot of it.

Everything is written as limited-range BT.709 with the conversion to match and all four tags, except RGB and ``yuvj*``
formats, which are full range by nature, MJPEG and WebP, which know nothing but BT.601, and what can hold no tags: that
is stored as players take it. Files are bit-identical from one run to the next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, BinaryIO, Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from v2vcli.errors import OutputError, V2VError
from v2vcli.video.animation import PaletteEncoder, set_last_duration, with_webp_total
from v2vcli.video.colour import RGBEncoder, stored_tags
from v2vcli.video.containers import require_fit, tells_colours
from v2vcli.video.destination import open_destination
from v2vcli.video.encoding import Encoding, open_encoder
from v2vcli.video.failures import plain
from v2vcli.video.frame import Frame
from v2vcli.video.muxing import header_options, require_pix_fmt, time_bases, timing_warning
from v2vcli.video.passthrough import Passthrough
from v2vcli.video.pipes import is_stream
from v2vcli.video.side import SideSource

_FALLBACK_RATE = Fraction(25)


class VideoWriter:
    """Writes one video; a context manager that leaves ``path`` only on success.

    The bytes go to ``OUT.part.ext``, which is renamed when all of them are on disk and removed on any exception; those
    of a pipe go at once, packet by packet, and `ClosedPipe` is raised when nobody reads them any more. Memory does not
    grow with the number of frames (but for an animated WebP).

    Attributes:
        warnings: what could not be kept as it was (rounded times, a stream the container cannot hold), one line each.
    """

    warnings: list[str]

    def __init__(
        self,
        path: str | Path | BinaryIO,
        *,
        width: int,
        height: int,
        time_base: Fraction,
        rate: Fraction | None,
        encoding: Encoding | None = None,
        sample_aspect: Fraction = Fraction(1),
        overwrite: bool = False,
        format: str | None = None,
        copy_from: SideSource | None = None,
        audio: bool = True,
        audio_codec: str = "copy",
        subtitles: bool = True,
        keep_metadata: bool = True,
        metadata: Mapping[str, str] = MappingProxyType({}),
        start: Fraction | None = None,
        end: Fraction | None = None,
        inspect: Callable[[Path], None] | None = None,
    ) -> None:
        """Open the output and its encoder; everything that can be refused is refused here.

        Args:
            path: the file to make, whose extension chooses the container; a pattern for numbered pictures
                (``frames/%05d.png``), in a folder that has to be theirs alone; ``-`` for standard output, or a writable
                binary stream.
            width: of every frame, in pixels.
            height: of every frame, in pixels.
            time_base: every ``pts`` and ``duration`` is a whole multiple of it; :attr:`VideoInfo.time_base`, or
                ``1 / rate`` at a constant rate.
            rate: average frames per second, for the encoder's rate control and the header; None: unknown.
            encoding: codec, quality and pixel format; default what suits the container.
            sample_aspect: width of a pixel over its height.
            overwrite: replace ``path`` if it exists.
            format: the container, as ``-f`` says it; a pipe needs it.
            copy_from: container whose audio, subtitles, chapters and tags come along: a path, or ``VideoReader.side``.
            audio: False leaves the audio of ``copy_from`` out.
            audio_codec: ``copy``, or the encoder to encode all audio with.
            subtitles: False leaves them out.
            keep_metadata: False leaves the container's tags out; chapters, and the languages of tracks, stay.
            metadata: tags for the container; they win over those of ``copy_from``.
            start: the output begins at this second of the input's clock: it is subtracted from every ``pts`` and from
                all that is copied, and copied packets before it are left out. Pass what the reader was given.
            end: copied packets from this second of the input's clock on are left out.
            inspect: given the finished file before it gets its name, which what it raises keeps it from; not of pipes
                and folders.

        Raises:
            OutputError: folder, permission, an existing output, output = input, unknown container or encoder, or an
                encoder that refuses the size.
            InputError: ``copy_from`` cannot be opened.
            UsageError: a pipe without a format, or one that cannot go through a pipe; an unknown audio encoder.
        """
        self.warnings = []
        self._size = (width, height)
        self._shift = -(start or Fraction(0))
        self._last: tuple[Fraction, int] | None = None  # pts as given, ticks as written
        self._durations: dict[int, int] = {}  # of the frames inside the encoder, by their time; both in ticks
        self._first_pts = self._end = Fraction(0)
        self._rounded = False
        self._inspect = inspect
        self._frames = 0
        self._passthrough: Passthrough | None = None
        self._container: OutputContainer | None = None
        inputs = [copy_from] if isinstance(copy_from, (str, Path)) and not is_stream(copy_from) else []
        self._output, self._kind = open_destination(path, format, overwrite=overwrite, inputs=inputs)
        self._path = self._output.name
        try:
            self._encoding = encoding or Encoding(codec=self._kind.codec)
            self._container = self._open_container()
            self._stream = self._open_stream(time_base, start, rate or _FALLBACK_RATE, sample_aspect)
            if copy_from is not None:
                self._passthrough = Passthrough(
                    copy_from,
                    self._container,
                    audio=audio,
                    audio_codec=audio_codec,
                    subtitles=subtitles,
                    start=start,
                    end=end,
                    alone=self._kind.alone,
                )
            self._write_header(dict(metadata), keep_metadata)
        except BaseException as error:
            self._abort()
            if isinstance(error, OSError):
                raise self._refused(error) from error
            raise

    def _open_container(self) -> OutputContainer:
        require_fit(self._kind, self._encoding.codec, self._path)
        options = {"fflags": "+bitexact"}
        return av.open(self._output.target, "w", format=self._kind.name, container_options=options)

    def _open_stream(
        self, time_base: Fraction, start: Fraction | None, rate: Fraction, sample_aspect: Fraction
    ) -> VideoStream:
        """Add the video stream, in the most exact time base that container and encoder take."""
        assert self._container is not None
        width, height = self._size
        self._encoding, warning = self._encoding.usable(width, height)
        self.warnings += [warning] if warning else []
        codec = self._encoding.codec
        require_fit(self._kind, codec, self._path)
        if self._output.piped:
            self._encoding = replace(self._encoding, at_once=True)
        pix_fmt = self._encoding.pix_fmt_for(width, height)
        require_pix_fmt(self._kind, pix_fmt, self._path)
        tags = stored_tags(pix_fmt, codec, None if tells_colours(self._kind, codec) else (width, height))
        stream = open_encoder(
            self._container,
            self._encoding,
            width=width,
            height=height,
            time_base=time_bases(self._kind, codec, time_base, start, rate)[0],
            rate=rate,
            sample_aspect=sample_aspect,
            tags=tags,
        )
        self._to_stored = PaletteEncoder() if pix_fmt == "pal8" else RGBEncoder(pix_fmt, tags)
        asked = self._encoding.stored
        if pix_fmt != asked:
            self.warnings.append(
                f"{self._path}: {width}x{height} is odd, so it is stored as {pix_fmt}, not {asked};"
                " some players (QuickTime, Safari) need an even size"
            )
        return stream

    def _write_header(self, metadata: dict[str, str], keep_metadata: bool) -> None:
        """Tags, chapters and muxer options, then the header, after which no stream can be added."""
        container, stream, extra = self._container, self._stream, self._passthrough
        assert container is not None
        tags = {**(extra.tags() if extra and keep_metadata else {}), **metadata}
        container.metadata.update(tags)
        if extra:
            stream.metadata.update(extra.video_tags())
            container.set_chapters(extra.chapters(self._shift))
        options = header_options(
            self._kind,
            self._encoding,
            piped=self._output.piped,
            clock=(stream.time_base or self._time_base).denominator,
            sample_rates=[s.codec_context.sample_rate for s in container.streams if isinstance(s, AudioStream)],
            tags=tags,
        )
        container.container_options.update(options)
        warning = timing_warning(self._kind, self._path)
        self.warnings += [warning] if warning else []
        if extra and extra.has_cover and "use_metadata_tags" in options.get("movflags", ""):
            self.warnings.append(f"{self._path}: the cover picture is lost: no mp4 holds one beside tags of any name")
        try:
            container.start_encoding()
            if extra:
                extra.begin()
        except (av.FFmpegError, ValueError) as error:
            self._output.check()
            raise OutputError(f"cannot write {self._path}: {plain(error)}; try .mkv or another -c:v") from error

    @property
    def _time_base(self) -> Fraction:
        return self._stream.codec_context.time_base

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._abort()

    def write(self, frame: Frame) -> None:
        """Encode one frame; its ``pts`` and ``duration`` land in the file as exactly as the container can.

        Raises:
            OutputError: wrong size, ``pts`` not after the previous one, writer closed, or the disk refuses.
        """
        if self._container is None:
            raise OutputError(f"{self._path} is closed; no frame can be added")
        if frame.image.ndim != 3 or frame.image.shape[2] != 3 or frame.image.dtype != np.uint8:
            what = f"{frame.image.dtype} {frame.image.shape}"
            raise OutputError(f"{self._path}: frame {frame.index} is {what}, not uint8 RGB")
        height, width = frame.image.shape[:2]
        if (width, height) != self._size:
            raise OutputError(
                f"{self._path}: frame {frame.index} is {width}x{height}, not {self._size[0]}x{self._size[1]}"
            )
        if self._frames == 0 and frame.pts + self._shift < 0:
            # no container plays what lies before 0
            self.warnings.append(
                f"{self._path}: the first frame is at {float(frame.pts):.3f} s; all moved to begin at 0"
            )
            self._shift = -frame.pts
        picture = self._to_stored(frame.image)
        picture.time_base = self._time_base
        picture.pts = self._ticks(frame)
        picture.duration = self._durations[picture.pts] = max(1, round(frame.duration / self._time_base))
        self._first_pts = frame.pts if self._frames == 0 else self._first_pts
        self._end = frame.pts + frame.duration
        try:
            for packet in self._stream.encode(picture):
                self._mux(packet)
        except (av.FFmpegError, OSError) as error:
            raise self._refused(error) from error
        self._frames += 1

    def _ticks(self, frame: Frame) -> int:
        """The frame's time in the encoder's time base, later than the one before even where that means rounding."""
        time = frame.pts + self._shift
        ticks = round(time / self._time_base)
        if self._last is not None:
            if frame.pts <= self._last[0]:
                raise OutputError(
                    f"{self._path}: frame {frame.index} at {frame.pts} s does not come after the one before it"
                )
            ticks = max(ticks, self._last[1] + 1)
        if self._kind.alone and self._kind.timing in ("even", "none"):
            ticks = self._frames  # one after the other, whatever the time
        self._note_rounding(frame, ticks)
        self._last = (frame.pts, ticks)
        return ticks

    def _note_rounding(self, frame: Frame, ticks: int) -> None:
        """Warn, once, of a time that the container cannot say."""
        if self._rounded:
            return
        if self._kind.timing in ("even", "none"):
            first = self._first_pts if self._frames else frame.pts
            if self._kind.alone and frame.pts - first != ticks * self._time_base:
                self._rounded = True
                self.warnings.append(
                    f"{self._path}: {self._kind.name} holds frames at an even rate, and these come at another;"
                    " -r RATE makes it even"
                )
            return
        stored = self._stream.time_base or self._time_base
        if ((frame.pts + self._shift) / stored).denominator != 1:
            self._rounded = True
            self.warnings.append(
                f"{self._path}: times are rounded to the {float(stored) * 1000:.4g} ms that this container and encoder"
                " can hold; .mp4 with libx264 keeps them exact"
            )

    def _mux(self, packet: av.Packet[Any]) -> None:
        """Mux a video packet after everything copied that comes before it, so that nothing queues up."""
        assert self._container is not None
        if self._kind.name == "webp":  # one packet, with the whole animation in it
            total = round((self._end - self._first_pts) / self._time_base)
            whole = av.Packet(with_webp_total(bytes(packet), total))
            whole.pts, whole.dts, whole.time_base, whole.stream = 0, 0, self._time_base, self._stream
            packet = whole
        elif packet.pts is not None:  # some encoders (SVT-AV1) forget durations; the last one would be lost
            packet.duration = self._durations.pop(packet.pts, packet.duration)
        if self._passthrough is not None and packet.dts is not None:
            self._passthrough.until(packet.dts * packet.time_base - self._shift, self._shift)
        self._container.mux_one(packet)

    def _refused(self, error: BaseException) -> V2VError:
        try:
            self._output.check()
        except V2VError as known:
            return known
        return OutputError(f"cannot write {self._path}: {plain(error)}; nothing is left of it")

    def end_here(self) -> None:
        """What is copied ends with the last frame written: the video has been stopped, and the input goes on."""
        if self._passthrough is not None and self._last is not None:
            self._passthrough.end_at(self._end)

    def close(self) -> None:
        """Flush the encoder, copy the rest, finish the file and give it its name; does nothing the second time.

        Raises:
            OutputError: no frame was written, or the disk refuses; nothing is left under either name then.
        """
        if self._container is None:
            return
        try:
            if self._frames == 0:
                raise OutputError(f"{self._path}: no frame was written, so there is no video to keep")
            for packet in self._stream.encode(None):
                self._mux(packet)
            if self._passthrough is not None:
                self._passthrough.until(None, self._shift)
                self.warnings += self._passthrough.warnings
                self._passthrough.close()
            self._container.close()
            self._container = None
            self._finish()
            self._output.commit()
        except (av.FFmpegError, OSError) as error:
            self._abort()
            raise self._refused(error) from error
        except BaseException:
            self._abort()
            raise

    def _finish(self) -> None:
        """What FFmpeg's muxers leave undone in animations; then whoever asked for it looks at the file."""
        if self._output.part is not None and self._kind.name in ("gif", "apng") and self._last is not None:
            set_last_duration(self._output.part, self._kind.name, self._end - self._last[0])
        if self._output.part is not None and self._inspect is not None:
            self._inspect(self._output.part)

    def _abort(self) -> None:
        """Drop everything; never raises."""
        if self._passthrough is not None:
            self._passthrough.close()
        if self._container is not None:
            container, self._container = self._container, None
            with contextlib.suppress(av.FFmpegError, ValueError, OSError):
                container.close()
        self._output.discard()
