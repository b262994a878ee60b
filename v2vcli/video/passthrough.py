"""Everything of an input file but its picture, brought along into the output: audio, subtitles, chapters, tags.

What is peculiar:

- Packets are copied bit for bit with their times (to the resolution the output container has). A stream the container
  cannot hold is found out beforehand, by writing a header with only that stream into memory; audio is then encoded
  again, other streams are dropped, each with a warning.
- The input is read in step with the video (:meth:`Passthrough.until`), so nothing piles up.
- A cover picture is a video stream of one packet in an mp4, an attached file in Matroska.
- Damage in a copied stream costs packets and a warning, never the video.
"""

from __future__ import annotations

import contextlib
import io
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream

from v2vcli.video.audio import AudioTranscoder, require_audio_encoder
from v2vcli.video.failures import is_fatal_for_output, plain
from v2vcli.video.side import Side, SideSource, open_side

if TYPE_CHECKING:
    from av.container.core import Chapter

_COVERS = ("matroska", "mp4")
_COVER_TYPES = {"mjpeg": ("image/jpeg", "jpg"), "png": ("image/png", "png")}
_TS_CODECS = ("aac", "aac_latm", "mp2", "mp3", "ac3", "eac3", "opus", "dts", "truehd", "dvb_subtitle", "dvb_teletext")
_NO_NEGATIVE_TIMES = ("nut", "mpegts")
# set by the muxer, or true of the old file only
_STALE_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "timecode", "vendor_id", "rotate"}
_STALE_PREFIXES = ("duration", "bps", "number_of_", "_statistics_", "alpha_mode")


def lasting_tags(tags: dict[str, str]) -> dict[str, str]:
    """The tags that still hold in another file."""
    return {
        key: value
        for key, value in tags.items()
        if key.lower() not in _STALE_TAGS and not key.lower().startswith(_STALE_PREFIXES)
    }


def fits(container_format: str, template: Stream) -> bool:
    """Whether a stream can be copied into a container as it is; MPEG-TS takes anything, but players do not."""
    codec = template.codec_context.codec.canonical_name
    if container_format == "mpegts" and codec not in _TS_CODECS:
        return False
    return holds(container_format, template)


def holds(container_format: str, template: Stream) -> bool:
    """Whether a container format can hold a stream as it is, by trying."""
    scratch = av.open(io.BytesIO(), "w", format=container_format)
    try:
        scratch.add_stream_from_template(template)
        scratch.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    finally:
        with contextlib.suppress(av.FFmpegError, ValueError):  # a trailer without packets; the header was what mattered
            scratch.close()
    return True


class Passthrough:
    """The streams of an input that go into an output container beside the new video."""

    def __init__(
        self,
        source: SideSource,
        output: OutputContainer,
        *,
        audio: bool,
        start: Fraction | None,
        end: Fraction | None,
        audio_codec: str = "copy",
        subtitles: bool = True,
        alone: bool = False,
    ) -> None:
        """Open the input and add its streams to ``output``, whose header must not be written yet.

        Args:
            source: the container to copy from.
            output: the container to copy into.
            audio: False leaves audio out.
            start: seconds on the input's clock; packets before it are left out and the rest is moved to begin at 0.
            end: seconds on the input's clock; packets from there on are left out.
            audio_codec: ``copy``, or what to encode all audio with.
            subtitles: False leaves subtitles out.
            alone: the output can hold nothing but its video.

        Raises:
            InputError: ``source`` cannot be opened.
            UsageError: there is no such audio encoder.
        """
        if audio_codec != "copy":
            require_audio_encoder(audio_codec)
        self._start = start
        self._end = end
        self._audio_codec = audio_codec
        self._alone = alone
        self._side: Side = open_side(source)
        self._path = self._side.name
        self.warnings: list[str] = self._side.warnings
        self._failed: set[int] = set()
        self._before: dict[int, int] = {}  # time of each stream's last packet, in its ticks
        self._output = output
        self._copies: dict[int, Stream] = {}
        self._transcoders: dict[int, AudioTranscoder] = {}
        self._covers: list[tuple[Stream, bytes]] = []
        for stream in self._side.container.streams:
            if isinstance(stream, AudioStream):
                if audio:
                    self._add(stream)
            elif isinstance(stream, SubtitleStream):
                if subtitles:
                    self._add(stream)
            elif stream.type == "video" and stream.disposition & Disposition.attached_pic:
                self._add_cover(stream)
            elif stream.type == "attachment" and not alone and holds(output.format.name, stream):
                output.add_stream_from_template(stream)  # fonts, covers: part of the header, no packets
            elif stream.type in ("data", "attachment", "unknown") and not self._is_chapter_text(stream):
                self.warnings.append(f"{self._path}: {stream.type} stream {stream.index} is not carried over")

    def begin(self) -> None:
        """Begin to read, and write what comes before all else; the output's header has been written."""
        self._side.begin({*self._copies, *self._transcoders}, self._start)
        for stream, picture in self._covers:
            packet = av.Packet(picture)
            packet.pts = packet.dts = 0
            packet.time_base, packet.stream = Fraction(1, 90_000), stream
            packet.is_keyframe = True
            self._mux(packet, -1)

    def _is_chapter_text(self, stream: Stream) -> bool:
        """Chapters of an mp4 are also a hidden text track; they are carried over as chapters."""
        return stream.type == "data" and bool(self._side.container.chapters())

    def _add(self, stream: AudioStream | SubtitleStream) -> None:
        """Copy, else transcode, else warn."""
        name = self._output.format.name
        label = f"{self._path}: {stream.type} stream {stream.index}"
        context: av.CodecContext | None = stream.codec_context  # None, against the stubs, where FFmpeg has no decoder
        if context is None:
            self.warnings.append(f"{label} has an unknown codec; left out")
            return
        if self._alone:
            self.warnings.append(f"{label}: {name} holds nothing but pictures; left out")
            return
        old = context.codec.canonical_name
        wanted = self._audio_codec if isinstance(stream, AudioStream) else "copy"
        copy: Stream
        if wanted == "copy" and fits(name, stream):
            self._copies[stream.index] = copy = self._output.add_stream_from_template(stream)
        elif isinstance(stream, AudioStream):
            try:
                transcoder = AudioTranscoder(stream, self._output, None if wanted == "copy" else wanted)
            except (av.FFmpegError, ValueError) as error:
                how = "in any form" if wanted == "copy" else f"as {wanted}"
                self.warnings.append(f"{label}: {name} cannot hold it {how} ({plain(error)}); left out")
                return
            self._transcoders[stream.index] = transcoder
            copy = transcoder.stream
            if wanted == "copy":
                self.warnings.append(f"{label}: {name} cannot hold {old}; encoded again with {transcoder.codec}")
        else:
            keeper = ".mp4" if old == "mov_text" else ".mkv"
            self.warnings.append(f"{label}: {name} cannot hold {old}; left out ({keeper} keeps it)")
            return
        copy.metadata.update(lasting_tags(stream.metadata))
        copy.disposition = stream.disposition

    def _add_cover(self, stream: Stream) -> None:
        """A cover picture, where the output can hold one."""
        name = self._output.format.name
        codec = stream.codec_context.codec.canonical_name if stream.codec_context is not None else ""
        picture = self._side.cover(stream.index) if name in _COVERS and codec in _COVER_TYPES else None
        if picture is None:
            self.warnings.append(f"{self._path}: the cover picture is not carried over")
        elif name == "matroska":
            mime, suffix = _COVER_TYPES[codec]
            self._output.add_attachment(f"cover.{suffix}", mime, picture)
        else:
            cover = self._output.add_stream_from_template(stream, opaque=True)
            cover.disposition = Disposition.attached_pic
            self._covers.append((cover, picture))

    @property
    def has_cover(self) -> bool:
        """Whether a cover picture goes along as a stream."""
        return bool(self._covers)

    def tags(self) -> dict[str, str]:
        """The input's container tags that still hold."""
        return lasting_tags(self._side.container.metadata)

    def video_tags(self) -> dict[str, str]:
        """Tags of the input's first video stream (language, title) that still hold."""
        videos = self._side.container.streams.video
        return lasting_tags(videos[0].metadata) if videos else {}

    def chapters(self, shift: Fraction) -> list[Chapter]:
        """The input's chapters, cut to [start, end), moved by ``shift`` seconds, in milliseconds or finer."""
        cut: list[Chapter] = []
        for chapter in self._side.container.chapters():
            time_base = chapter["time_base"] or Fraction(1, 1000)
            begin, finish = chapter["start"] * time_base, chapter["end"] * time_base
            begin = max(begin, self._start) if self._start is not None else begin
            finish = min(finish, self._end) if self._end is not None else finish
            if begin < finish:
                ticks = Fraction(1, max(1000, time_base.denominator))
                cut.append(
                    {
                        "id": chapter["id"],
                        "start": round((begin + shift) / ticks),
                        "end": round((finish + shift) / ticks),
                        "time_base": ticks,
                        "metadata": dict(chapter["metadata"]),
                    }
                )
        return cut

    def end_at(self, end: Fraction) -> None:
        """Leave out packets from this second of the input's clock on, as if it had been asked for at the beginning."""
        self._end = end if self._end is None else min(end, self._end)

    def _in_range(self, packet: av.Packet[Any], shift: Fraction) -> bool:
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:
            return False
        seconds = time * packet.time_base
        if seconds + shift < 0 and self._output.format.name in _NO_NEGATIVE_TIMES:
            return False  # an encoder's priming, which nobody hears; all else would have to move for it
        return (self._start is None or seconds >= self._start) and (self._end is None or seconds < self._end)

    def until(self, time: Fraction | None, shift: Fraction) -> None:
        """Mux packets up to ``time`` (seconds, input's clock; None: all that is left), moved by ``shift`` seconds.

        Raises:
            av.FFmpegError: the output cannot be written any more (disk full, ...).
        """
        if time is None:
            self._side.finish(self._end)
        while (packet := self._side.peek()) is not None:
            stamp = packet.dts if packet.dts is not None else packet.pts
            if time is not None and stamp is not None and stamp * packet.time_base > time:
                return
            self._side.pop()
            if self._in_range(packet, shift):
                self._forward(packet, shift)
        if time is None:
            for transcoder in self._transcoders.values():
                for encoded in transcoder(None):
                    self._mux(encoded, encoded.stream_index)

    def _give_duration(self, packet: av.Packet[Any]) -> None:
        """A packet without one lasts as long as the one before: an mp4 would end before its last packet otherwise."""
        before = self._before.get(packet.stream_index)
        if packet.pts is not None:
            self._before[packet.stream_index] = packet.pts
            if not packet.duration and before is not None and packet.stream.type == "audio":
                packet.duration = max(0, packet.pts - before)

    def _forward(self, packet: av.Packet[Any], shift: Fraction) -> None:
        source = packet.stream_index
        self._give_duration(packet)
        ticks = round(shift / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks
        if source in self._transcoders:
            for encoded in self._transcoders[source](packet):
                self._mux(encoded, source)
        else:
            packet.stream = self._copies[source]
            self._mux(packet, source)

    def _mux(self, packet: av.Packet[Any], source: int) -> None:
        try:
            self._output.mux_one(packet)
        except (av.FFmpegError, ValueError) as error:
            if is_fatal_for_output(error):
                raise
            if source not in self._failed:
                self._failed.add(source)
                self.warnings.append(f"{self._path}: stream {source}: packets left out: {plain(error)}")

    def close(self) -> None:
        """Release the input."""
        self._side.close()
