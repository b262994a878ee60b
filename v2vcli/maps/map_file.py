"""One clip's maps in one `.mkv`: FFV1, lossless, and a `MapSpec` that says what the values mean.

The format (stable; other programs may write it):

- Matroska; global tag `V2V_MAP_SPEC` holds `MapSpec.to_json()`;
- video stream 0, FFV1: labels and edges as 8-bit grey (value = id; 0 or 255), rgb as bgr0;
- video stream 1, FFV1 16-bit grey, only where label maps have instances: the instance ids, 0..65535;
- the block of each map has a BlockAdditional (id 1), text: `numerator/denominator crc32 [last]`: its exact time in
  seconds (Matroska itself counts milliseconds), the CRC-32 of its pixels (FFmpeg hides damaged FFV1 slices instead of
  reporting them), and `last` on the last map of each stream (Matroska does not show that a file was cut short). A file
  without additions is read too, with its millisecond stamps and without these checks.

The same maps give the same bytes.
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet, PacketSideData, packet_sidedata_type_from_literal
from av.stream import Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from v2vcli.errors import DamagedInput, InputError, OutputError
from v2vcli.maps.control_video import open_video
from v2vcli.maps.raw_map import RawMap
from v2vcli.maps.spec import MapFrame, MapSpec

SPEC_TAG: Final = "V2V_MAP_SPEC"
_BLOCK_ADDITION_ID: Final = (1).to_bytes(8, "big")  # FFmpeg puts the BlockAddID in front of the bytes
_MILLISECOND: Final = Fraction(1, 1000)


class MapFileWriter:
    """Writes one `.mkv` of maps. `store.MapWriter` adds the temporary name and the checks of the target.

    Args:
        path: The file, written at once under this name.
        spec: What the maps are.
    """

    def __init__(self, path: Path, spec: MapSpec) -> None:
        self._spec = spec
        self._streams: list[VideoStream] = []
        self._last: int | None = None
        self._held: list[tuple[Packet[VideoStream], str]] = []  # the newest map: known as the last one only at the end
        self._container: OutputContainer = av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"})
        self._container.metadata[SPEC_TAG] = spec.to_json()

    def write(self, frame: MapFrame, pts: Fraction) -> None:
        """Append one map at `pts` seconds.

        Raises:
            OutputError: Its instances do not fit 16 bits, or instances come and go within the clip.
        """
        if not self._streams:
            self._add_streams(frame)
        if (frame.instances is not None) != (len(self._streams) == 2):
            raise OutputError("some maps of the clip have instances and some have none; give all of them or none")
        # Milliseconds are for players only; they must increase even where exact times lie closer than that.
        self._mux_held("")
        millisecond = round(pts / _MILLISECOND)
        self._last = millisecond if self._last is None else max(millisecond, self._last + 1)
        if self._spec.kind == "rgb":
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.array), "rgb24").reformat(format="bgr0")
        else:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.array), "gray")
        self._encode(self._streams[0], picture, f"{pts.numerator}/{pts.denominator} {_checksum(frame.array)}")
        if frame.instances is not None:
            ids = np.ascontiguousarray(as_uint16(frame.instances))
            picture = av.VideoFrame.from_ndarray(ids, "gray16le")
            self._encode(self._streams[1], picture, f"{pts.numerator}/{pts.denominator} {_checksum(ids)}")

    def close(self) -> None:
        """Finish the file."""
        self._mux_held(" last")
        self._container.close()

    def _add_streams(self, frame: MapFrame) -> None:
        formats = ["bgr0" if self._spec.kind == "rgb" else "gray"] + ["gray16le"] * (frame.instances is not None)
        for pix_fmt in formats:
            stream = self._container.add_stream("ffv1")
            stream.width, stream.height = frame.size
            stream.pix_fmt = pix_fmt
            stream.codec_context.time_base = _MILLISECOND
            stream.codec_context.flags |= 1 << 23  # AV_CODEC_FLAG_BITEXACT
            # version 3 divides a picture into slices, for threads; it cannot divide some of the very small ones
            stream.options = {"level": "3" if min(frame.size) >= 16 else "1", "g": "1"}
            self._streams.append(stream)

    def _encode(self, stream: VideoStream, picture: av.VideoFrame, text: str) -> None:
        picture.pts, picture.time_base = self._last, _MILLISECOND
        self._held += [(packet, text) for packet in stream.encode(picture)]  # FFV1 answers each frame with one packet

    def _mux_held(self, mark: str) -> None:
        for packet, text in self._held:
            content = _BLOCK_ADDITION_ID + (text + mark).encode()
            kind = packet_sidedata_type_from_literal("matroska_block_additional")
            addition = PacketSideData(kind, len(content))  # type: ignore[call-arg]  # PyAV's stub lacks the constructor
            addition.update(content)
            packet.set_sidedata(addition)
            self._container.mux(packet)
        self._held.clear()


def as_uint16(instances: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Narrow instance ids to what files hold.

    Raises:
        OutputError: An id lies outside 0..65535.
    """
    low, high = int(instances.min()), int(instances.max())
    if low < 0 or high > 65535:
        raise OutputError(f"instance ids {low}..{high} do not fit 16 bits; number them 0..65535")
    return instances.astype(np.uint16)


def stored_spec(path: Path) -> MapSpec | None:
    """Return what a video's maps are if it is a map file of ours, else None.

    Raises:
        InputError: Not a video, or its spec cannot be understood.
    """
    with open_video(path) as (container, _):
        text = {key.upper(): value for key, value in container.metadata.items()}.get(SPEC_TAG)
    return None if text is None else MapSpec.from_json(text, f"{path}: map spec")


@dataclass(frozen=True)
class _Addition:
    """What the block of a map says about it."""

    pts: Fraction
    checksum: str | None = None  # None: the file was not written by us, or somebody dropped the additions
    last: bool = True


def stored_maps(path: Path, start: Fraction | None = None) -> Iterator[RawMap]:
    """Maps of a map file, one at a time, exactly as they were written.

    Args:
        path: the file.
        start: leave out the maps before this time, in seconds, without decoding them; None reads all.

    Raises:
        InputError: The file cannot be opened or has no maps.
        DamagedInput: A map is damaged, or the file was cut short; the message names the frame.
    """
    index = 0
    complete = True
    with open_video(path) as (container, _):
        streams = list(container.streams.video[:2])
        positions = {stream.index: position for position, stream in enumerate(streams)}
        queues: list[deque[tuple[NDArray[np.generic], _Addition]]] = [deque() for _ in streams]
        additions: list[deque[_Addition]] = [deque() for _ in streams]
        for stream in streams:
            stream.thread_type = "SLICE"  # frame threads would hand frames out later than their additions
        try:
            if start is not None:  # every map is a key frame; a stamp may lie later than its exact time, never before
                container.seek(max(0, round(start / _MILLISECOND)), stream=streams[0])
            for packet in container.demux(streams):
                position = positions[packet.stream_index]
                if packet.size:
                    additions[position].append(_addition(packet))
                for frame in packet.decode():
                    assert isinstance(frame, av.VideoFrame)
                    array, addition = _pixels(frame), additions[position].popleft()
                    if addition.checksum not in (None, _checksum(array)):
                        raise DamagedInput(f"{path} is damaged at frame {index}: checksum; make the maps anew")
                    if start is None or addition.pts >= start:
                        queues[position].append((array, addition))
                while all(queues):
                    (array, addition), *rest = [queue.popleft() for queue in queues]
                    instances = rest[0][0].astype(np.int32) if rest else None
                    yield RawMap(array.astype(np.uint8, copy=False), f"{path}, frame {index}", addition.pts, instances)
                    complete = addition.last
                    index += 1
        except av.error.FFmpegError as e:
            raise DamagedInput(f"{path} is damaged at frame {index}: {e.strerror}; make the maps anew") from e
    if index == 0:
        raise InputError(f"{path} has no maps; make them anew")
    if not complete or any(queues):
        raise DamagedInput(f"{path} was cut short: it ends after {index} maps, but more were written; make them anew")


def _pixels(frame: av.VideoFrame) -> NDArray[np.generic]:
    name = frame.format.name
    return np.asarray(frame.to_ndarray(format=name if name in ("gray", "gray16le") else "rgb24"))


def _checksum(array: NDArray[np.generic]) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(array).data):08x}"


def _addition(packet: Packet[Stream]) -> _Addition:
    if packet.has_sidedata("matroska_block_additional"):
        content = bytes(packet.get_sidedata("matroska_block_additional"))[len(_BLOCK_ADDITION_ID) :]
        if match := re.fullmatch(rb"(-?\d+/[1-9]\d*) ([0-9a-f]{8})( last)?", content):
            return _Addition(Fraction(match[1].decode()), match[2].decode(), match[3] is not None)
    return _Addition(Fraction(packet.pts or 0) * packet.time_base)
