"""Frames with exact times into a video file, beside the sound and subtitles of the file they came from.

What a container can hold decides how exact "exact" is:

- **mp4, mov, m4v**: everything. The track's clock is set to a time base in which every ``pts`` is a whole number, and
  the movie's clock to one in which every track's start is; durations are stored one by one. A late first frame becomes
  an edit list.
- **mkv, webm**: FFmpeg writes whole milliseconds, nothing else. Times are rounded to the nearest one (29.97 fps comes
  back as 0, 33, 67, ... ms) and a warning says so, unless they are whole milliseconds already, as those of an mkv input
  are. Each frame's duration is stored, in milliseconds too.
- **avi and others**: best effort. AVI has one constant frame rate, and frames land on the nearest slot of it.

Everything is written as limited-range BT.709 with the conversion to match and all four tags, except RGB and ``yuvj*``
formats, which are full range by nature, and MJPEG, which knows nothing but BT.601. Files are bit-identical from one
run to the next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from v2vcli.errors import OutputError
from v2vcli.partfile import PartFile
from v2vcli.video.colour import RGBEncoder, stored_tags
from v2vcli.video.encoding import Encoding, open_encoder
from v2vcli.video.failures import plain
from v2vcli.video.frame import Frame
from v2vcli.video.passthrough import Passthrough
from v2vcli.video.timing import movie_timescale, unit_time_base

_QUICKTIME = ("mp4", "mov", "ipod", "3gp", "3g2", "psp")
_MATROSKA = ("matroska", "webm")
_FALLBACK_RATE = Fraction(25)
# what an iTunes-style tag list can name; anything else needs QuickTime's free-form one
_ITUNES_TAGS = {
    *("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping"),
    *("lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "creation_time", "language"),
}


class VideoWriter:
    """Writes one video file; a context manager that leaves ``path`` only on success.

    The bytes go to ``OUT.part.ext``, which is renamed when all of them are on disk and removed on any exception.
    Memory does not grow with the number of frames.

    Attributes:
        warnings: what could not be kept as it was (rounded times, a stream the container cannot hold), one line each.
    """

    warnings: list[str]

    def __init__(
        self,
        path: str | Path,
        *,
        width: int,
        height: int,
        time_base: Fraction,
        rate: Fraction | None,
        encoding: Encoding | None = None,
        sample_aspect: Fraction = Fraction(1),
        overwrite: bool = False,
        copy_from: str | Path | None = None,
        audio: bool = True,
        metadata: Mapping[str, str] = MappingProxyType({}),
        start: Fraction | None = None,
        end: Fraction | None = None,
    ) -> None:
        """Open the output and its encoder; everything that can be refused is refused here.

        Args:
            path: the file to make; its extension chooses the container.
            width: of every frame, in pixels.
            height: of every frame, in pixels.
            time_base: every ``pts`` and ``duration`` is a whole multiple of it; :attr:`VideoInfo.time_base`, or
                ``1 / rate`` at a constant rate.
            rate: average frames per second, for the encoder's rate control and the header; None: unknown.
            encoding: codec, quality and pixel format; default :class:`Encoding`.
            sample_aspect: width of a pixel over its height.
            overwrite: replace ``path`` if it exists.
            copy_from: container whose audio, subtitles, chapters and tags come along.
            audio: False leaves the audio of ``copy_from`` out.
            metadata: tags for the container; they win over those of ``copy_from``.
            start: the output begins at this second of the input's clock: it is subtracted from every ``pts`` and from
                all that is copied, and copied packets before it are left out. Pass what the reader was given.
            end: copied packets from this second of the input's clock on are left out.

        Raises:
            OutputError: folder, permission, an existing output, output = input, unknown container or encoder, or an
                encoder that refuses the size.
            InputError: ``copy_from`` cannot be opened.
        """
        self.warnings = []
        self._size = (width, height)
        self._encoding = encoding or Encoding()
        self._shift = -(start or Fraction(0))
        self._last: tuple[Fraction, int] | None = None  # pts as given, ticks as written
        self._durations: dict[int, int] = {}  # of the frames inside the encoder, by their time; both in ticks
        self._last_duration = Fraction(0)
        self._rounded = False
        self._frames = 0
        self._passthrough: Passthrough | None = None
        self._container: OutputContainer | None = None
        self._output = PartFile(path, overwrite=overwrite, inputs=[copy_from] if copy_from is not None else [])
        self._path = str(self._output.path)
        try:
            self._container = self._open_container()
            self._stream = self._open_stream(time_base, start, rate or _FALLBACK_RATE, sample_aspect)
            pix_fmt = self._stream.codec_context.pix_fmt or self._encoding.pix_fmt
            self._to_stored = RGBEncoder(pix_fmt, stored_tags(pix_fmt, self._encoding.codec))
            if copy_from is not None:
                self._passthrough = Passthrough(copy_from, self._container, audio=audio, start=start, end=end)
            self._write_header(dict(metadata))
        except BaseException:
            self._abort()
            raise

    def _open_container(self) -> OutputContainer:
        try:
            return av.open(f"file:{self._output.part}", "w", container_options={"fflags": "+bitexact"})
        except (av.FFmpegError, ValueError) as error:
            suffix = self._output.path.suffix or "no extension"
            raise OutputError(
                f"{self._path}: no known video container has {suffix}; use .mp4, .mkv, .mov or .webm"
            ) from error

    def _open_stream(
        self, time_base: Fraction, start: Fraction | None, rate: Fraction, sample_aspect: Fraction
    ) -> VideoStream:
        """Add the video stream, in the most exact time base that container and encoder take."""
        assert self._container is not None
        exact = unit_time_base(time_base, start or Fraction(0)) or unit_time_base(time_base)
        coarse = 1 / rate.limit_denominator(1001)
        wanted = [exact, coarse] if exact is not None else [coarse]
        if self._container.format.name == "avi":
            wanted = [coarse]
        elif self._encoding.codec == "mpeg4":
            wanted = [t for t in wanted if t.denominator < 2**16] or [Fraction(1, 25)]  # the bitstream has 16 bits
        width, height = self._size
        stream = open_encoder(
            self._container,
            self._encoding,
            width=width,
            height=height,
            time_base=wanted[0],
            rate=rate,
            sample_aspect=sample_aspect,
        )
        written, asked = stream.codec_context.pix_fmt, self._encoding.pix_fmt
        if written != asked:
            self.warnings.append(
                f"{self._path}: {width}x{height} is odd, so it is stored as {written}, not {asked};"
                " some players (QuickTime, Safari) need an even size"
            )
        return stream

    def _write_header(self, metadata: dict[str, str]) -> None:
        """Tags, chapters and muxer options, then the header, after which no stream can be added."""
        container, stream, extra = self._container, self._stream, self._passthrough
        assert container is not None
        tags = {**(extra.tags() if extra else {}), **metadata}
        container.metadata.update(tags)
        if extra:
            stream.metadata.update(extra.video_tags())
            container.set_chapters(extra.chapters(self._shift))
        options = container.container_options
        name = container.format.name
        if name in _QUICKTIME:
            flags = "+faststart"
            if {key.lower().split("-")[0] for key in tags} - _ITUNES_TAGS:
                flags += "+use_metadata_tags"
            clocks = [s.codec_context.sample_rate for s in container.streams if isinstance(s, AudioStream)]
            scale = (stream.time_base or self._time_base).denominator
            options |= {
                "movflags": flags,
                "video_track_timescale": str(scale),
                "movie_timescale": str(movie_timescale([scale, *clocks])),
            }
        elif name in _MATROSKA:
            # or audio that starts before 0 (encoder priming) would move the video
            options["avoid_negative_ts"] = "disabled"
        else:
            self.warnings.append(f"{self._path}: {name} keeps no exact times; use .mp4, .mov or .mkv if they matter")
        try:
            container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
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
        try:
            for packet in self._stream.encode(picture):
                self._mux(packet)
        except (av.FFmpegError, OSError) as error:
            raise self._refused(error) from error
        self._frames += 1
        self._last_duration = frame.duration

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
        stored = self._stream.time_base or self._time_base
        if not self._rounded and (time / stored).denominator != 1:
            self._rounded = True
            self.warnings.append(
                f"{self._path}: times are rounded to the {float(stored) * 1000:.4g} ms that this container and encoder"
                " can hold; .mp4 with libx264 keeps them exact"
            )
        self._last = (frame.pts, ticks)
        return ticks

    def _mux(self, packet: av.Packet[VideoStream]) -> None:
        """Mux a video packet after everything copied that comes before it, so that nothing queues up."""
        assert self._container is not None
        if packet.pts is not None:  # some encoders (SVT-AV1) forget durations; the last one would be lost
            packet.duration = self._durations.pop(packet.pts, packet.duration)
        if self._passthrough is not None and packet.dts is not None:
            self._passthrough.until(packet.dts * packet.time_base - self._shift, self._shift)
        self._container.mux_one(packet)

    def _refused(self, error: BaseException) -> OutputError:
        return OutputError(f"cannot write {self._path}: {plain(error)}; nothing is left of it")

    def end_here(self) -> None:
        """What is copied ends with the last frame written: the video has been stopped, and the input goes on."""
        if self._passthrough is not None and self._last is not None:
            self._passthrough.end_at(self._last[0] + self._last_duration)

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
            self._output.commit()
        except (av.FFmpegError, OSError) as error:
            self._abort()
            raise self._refused(error) from error
        except BaseException:
            self._abort()
            raise

    def _abort(self) -> None:
        """Drop everything; never raises."""
        if self._passthrough is not None:
            self._passthrough.close()
        if self._container is not None:
            container, self._container = self._container, None
            with contextlib.suppress(av.FFmpegError, ValueError, OSError):
                container.close()
        self._output.discard()
