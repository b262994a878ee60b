"""Everything of an input file but its picture, brought along into the output: audio, subtitles, chapters, tags.

What is peculiar:

- Packets are copied bit for bit with their times (to the resolution the output container has). A stream the container
  cannot hold is found out beforehand, by writing a header with only that stream into memory; audio is then encoded
  again, other streams are dropped, each with a warning.
- The input is read in step with the video (:meth:`Passthrough.until`), so nothing piles up.
- Damage in a copied stream costs packets and a warning, never the video.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Discard, Stream
from av.subtitles.stream import SubtitleStream

from v2vcli.video.audio import AudioTranscoder
from v2vcli.video.demux import open_input
from v2vcli.video.failures import is_fatal_for_output, plain

if TYPE_CHECKING:
    from av.container.core import Chapter

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
    """The streams of ``path`` that go into an output container beside the new video."""

    def __init__(
        self,
        path: str | Path,
        output: OutputContainer,
        *,
        audio: bool,
        start: Fraction | None,
        end: Fraction | None,
    ) -> None:
        """Open the input and add its streams to ``output``, whose header must not be written yet.

        Args:
            path: the container to copy from.
            output: the container to copy into.
            audio: False leaves audio out.
            start: seconds on the input's clock; packets before it are left out and the rest is moved to begin at 0.
            end: seconds on the input's clock; packets from there on are left out.

        Raises:
            InputError: ``path`` cannot be opened.
        """
        self._path = str(path)
        self._start = start
        self._end = end
        self._shift = Fraction(0)
        self.warnings: list[str] = []
        self._failed: set[int] = set()
        self._input = open_input(path)
        self._output = output
        self._copies: dict[int, Stream] = {}
        self._transcoders: dict[int, AudioTranscoder] = {}
        for stream in self._input.streams:
            if (isinstance(stream, AudioStream) and audio) or isinstance(stream, SubtitleStream):
                if self._add(stream):
                    continue
            elif stream.type == "attachment" and holds(output.format.name, stream):
                output.add_stream_from_template(stream)  # fonts, covers: part of the header, no packets
            elif stream.type in ("data", "attachment", "unknown") and not self._is_chapter_text(stream):
                self.warnings.append(f"{self._path}: {stream.type} stream {stream.index} is not carried over")
            stream.discard = Discard.all
        if start is not None and self._wanted() and start > 0:
            self._seek(start)
        self._packets = self._demux()
        self._next: av.Packet[Any] | None = next(self._packets, None)

    def _is_chapter_text(self, stream: Stream) -> bool:
        """Chapters of an mp4 are also a hidden text track; they are carried over as chapters."""
        return stream.type == "data" and bool(self._input.chapters())

    def _add(self, stream: AudioStream | SubtitleStream) -> bool:
        """Copy, else transcode, else warn; True if the stream's packets are needed."""
        name = self._output.format.name
        label = f"{self._path}: {stream.type} stream {stream.index}"
        context: av.CodecContext | None = stream.codec_context  # None, against the stubs, where FFmpeg has no decoder
        if context is None:
            self.warnings.append(f"{label} has an unknown codec; left out")
            return False
        old = context.codec.canonical_name
        copy: Stream
        if holds(name, stream):
            self._copies[stream.index] = copy = self._output.add_stream_from_template(stream)
        elif isinstance(stream, AudioStream):
            try:
                transcoder = AudioTranscoder(stream, self._output)
            except (av.FFmpegError, ValueError) as error:
                self.warnings.append(f"{label}: {name} cannot hold it in any form ({plain(error)}); left out")
                return False
            self._transcoders[stream.index] = transcoder
            copy = transcoder.stream
            self.warnings.append(f"{label}: {name} cannot hold {old}; encoded again with {transcoder.codec}")
        else:
            keeper = ".mp4" if old == "mov_text" else ".mkv"
            self.warnings.append(f"{label}: {name} cannot hold {old}; left out ({keeper} keeps it)")
            return False
        copy.metadata.update(lasting_tags(stream.metadata))
        copy.disposition = stream.disposition
        return True

    def _wanted(self) -> list[Stream]:
        return [s for s in self._input.streams if s.index in self._copies or s.index in self._transcoders]

    def _seek(self, start: Fraction) -> None:
        try:
            # half a second early: a seek lands on a packet of one stream, others may begin later
            self._input.seek(int(max(Fraction(0), start - Fraction(1, 2)) * av.time_base))
        except av.FFmpegError:
            self._input.close()
            self._input = open_input(self._path)

    def tags(self) -> dict[str, str]:
        """The input's container tags that still hold."""
        return lasting_tags(self._input.metadata)

    def video_tags(self) -> dict[str, str]:
        """Tags of the input's first video stream (language, title) that still hold."""
        return lasting_tags(self._input.streams.video[0].metadata) if self._input.streams.video else {}

    def chapters(self, shift: Fraction) -> list[Chapter]:
        """The input's chapters, cut to [start, end), moved by ``shift`` seconds, in milliseconds or finer."""
        cut: list[Chapter] = []
        for chapter in self._input.chapters():
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

    def _demux(self) -> Iterator[av.Packet[Any]]:
        """Packets to carry over, cut to the asked range."""
        streams = self._wanted()
        if not streams:
            return
        try:
            for packet in self._input.demux(*streams):
                time = packet.pts if packet.pts is not None else packet.dts
                if time is None:
                    continue
                seconds = time * packet.time_base
                if (self._start is None or seconds >= self._start) and (self._end is None or seconds < self._end):
                    yield packet
        except (av.FFmpegError, OSError) as error:
            self.warnings.append(f"{self._path}: audio and subtitles end early: {plain(error)}")

    def end_at(self, end: Fraction) -> None:
        """Leave out packets from this second of the input's clock on, as if it had been asked for at the beginning."""
        self._end = end if self._end is None else min(end, self._end)

    def until(self, time: Fraction | None, shift: Fraction) -> None:
        """Mux packets up to ``time`` (seconds, input's clock; None: all that is left), moved by ``shift`` seconds.

        Raises:
            av.FFmpegError: the output cannot be written any more (disk full, ...).
        """
        while self._next is not None:
            packet = self._next
            stamp = packet.dts if packet.dts is not None else packet.pts
            if time is not None and stamp is not None and stamp * packet.time_base > time:
                return
            if self._end is None or stamp is None or stamp * packet.time_base < self._end:
                self._forward(packet, shift)
            self._next = next(self._packets, None)
        if time is None:
            for transcoder in self._transcoders.values():
                for encoded in transcoder(None):
                    self._mux(encoded, encoded.stream_index)

    def _forward(self, packet: av.Packet[Any], shift: Fraction) -> None:
        source = packet.stream_index
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
        self._input.close()
