"""Where what goes beside the video comes from: a file that is read a second time, or the pipe of the video itself.

Peculiar: a file is read in step with the video, so nothing piles up. What comes through a pipe has been read already,
by whoever decodes the video, and lies in a queue (`source.SidePackets`).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
from av.container import InputContainer
from av.stream import Discard

from v2vcli.video.demux import open_input
from v2vcli.video.failures import plain
from v2vcli.video.source import SidePackets

SideSource = str | Path | SidePackets
"""What a writer copies from: a file, or what comes beside the video of a pipe."""
_MARGIN = Fraction(2)  # seconds by which streams in one pipe may be apart


class Side(Protocol):
    """The streams of an input beside its video, packet by packet.

    Attributes:
        name: what to call the input.
        container: its streams, chapters and tags.
        warnings: what went wrong.
    """

    name: str
    container: InputContainer
    warnings: list[str]

    def begin(self, streams: set[int], start: Fraction | None) -> None:
        """Say which streams' packets are wanted, from about which second on; call it once."""

    def peek(self) -> av.Packet[Any] | None:
        """The next packet that is there by now."""

    def pop(self) -> av.Packet[Any]:
        """Take it."""

    def finish(self, end: Fraction | None) -> None:
        """The video is at its end: see that all packets before ``end`` are there."""

    def cover(self, stream: int) -> bytes | None:
        """The picture in an attached-picture stream, if it can be had."""

    def close(self) -> None:
        """Release it."""


class FileSide:
    """What goes beside the video of a file."""

    def __init__(self, path: str | Path) -> None:
        """Open the file.

        Raises:
            InputError: it cannot be opened.
        """
        self.name = str(path)
        self.warnings: list[str] = []
        self.container = open_input(path)
        self._packets: Iterator[av.Packet[Any]] = iter(())
        self._next: av.Packet[Any] | None = None

    def begin(self, streams: set[int], start: Fraction | None) -> None:
        """Begin to read, half a second early: a seek lands on a packet of one stream, others may begin later."""
        if start is not None and start > 0 and streams:
            try:
                self.container.seek(int(max(Fraction(0), start - Fraction(1, 2)) * av.time_base))
            except av.FFmpegError:
                self.container.close()
                self.container = open_input(self.name)
        for stream in self.container.streams:
            if stream.index not in streams:
                stream.discard = Discard.all
        self._packets = self._demux(streams)
        self._next = next(self._packets, None)

    def _demux(self, streams: set[int]) -> Iterator[av.Packet[Any]]:
        if not streams:
            return
        try:
            for packet in self.container.demux([self.container.streams[index] for index in sorted(streams)]):
                if packet.size:
                    yield packet
        except (av.FFmpegError, OSError) as error:
            self.warnings.append(f"{self.name}: audio and subtitles end early: {plain(error)}")

    def peek(self) -> av.Packet[Any] | None:
        """The next packet."""
        return self._next

    def pop(self) -> av.Packet[Any]:
        """Take it."""
        assert self._next is not None
        packet, self._next = self._next, next(self._packets, None)
        return packet

    def finish(self, end: Fraction | None) -> None:
        """All that is left is there."""

    def cover(self, stream: int) -> bytes | None:
        """The picture in an attached-picture stream."""
        with open_input(self.name) as again:
            try:
                for packet in again.demux(again.streams[stream]):
                    if packet.size:
                        return bytes(packet)
            except (av.FFmpegError, OSError):
                return None
        return None

    def close(self) -> None:
        """Close the file."""
        self.container.close()


class PipeSide:
    """What comes beside the video through a pipe."""

    def __init__(self, packets: SidePackets) -> None:
        self.name = packets.name
        self.warnings: list[str] = []
        self.container = packets.container
        self._packets = packets
        self._streams: set[int] = set()

    def begin(self, streams: set[int], start: Fraction | None) -> None:
        """Let only these packets be kept."""
        self._streams = streams
        self._packets.want(streams)

    def peek(self) -> av.Packet[Any] | None:
        """The next packet that has come by."""
        return self._packets.peek()

    def pop(self) -> av.Packet[Any]:
        """Take it."""
        return self._packets.pop()

    def finish(self, end: Fraction | None) -> None:
        """Read on until every stream has reached ``end``, where the video was cut there."""
        if end is None or not self._streams:
            return
        behind = set(self._streams)
        try:
            for packet in self.container.demux():
                if packet.size and packet.pts is not None:
                    time = packet.pts * packet.time_base
                    self._packets.put(packet)
                    behind -= {packet.stream_index} if time >= end else set()
                    if not behind or time > end + _MARGIN:
                        return
        except (av.FFmpegError, OSError) as error:
            self.warnings.append(f"{self.name}: audio and subtitles end early: {plain(error)}")

    def cover(self, stream: int) -> bytes | None:
        """Nobody can go back for it."""
        return None

    def close(self) -> None:
        """Let nothing more be kept; the pipe is its reader's."""
        self._packets.want(set())


def open_side(source: SideSource) -> Side:
    """Open what a writer copies from.

    Raises:
        InputError: a file that cannot be opened.
    """
    return PipeSide(source) if isinstance(source, SidePackets) else FileSide(source)
