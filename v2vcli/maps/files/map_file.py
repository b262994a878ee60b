"""One clip's maps in one `.mkv`: FFV1, lossless, and a `MapSpec` that says what the values mean.

The format (stable; other programs may write it; docs/formats.md says the same at more length):

- Matroska; global tags: `V2V_MAP_SPEC` holds `MapSpec.to_json()`, `V2V_MAP_SOURCE` who made the maps, `V2V_VERSION`
  which v2v wrote them (the last two may be missing);
- video stream 0, FFV1: the first picture of each map; then one for each further picture (`stored_planes`);
- then, only where maps have instances, a video stream of 16-bit grey: the instance ids, 0..65535;
- of labels, a video stream titled `colours`, the one that players choose: the labels in the colours of their schema,
  at most 320 pixels wide and high. It is only for eyes, which see little in the grey of ids, and is never read;
- a text track (SubRip, not shown by default) in files of faces and poses: the keypoints of the maps that have them,
  as JSON (`keypoint_json`), in a block with the time stamp of its map;
- the block of each picture has a BlockAdditional (id 1), text: `numerator/denominator crc32 [keypoints=crc32] [last]`:
  its exact time in seconds (Matroska itself counts milliseconds), the CRC-32 of its pixels (FFmpeg hides damaged FFV1
  slices instead of reporting them), that of its keypoints as little-endian float64, and `last` on the last map of each
  stream (Matroska does not show that a file was cut short). A file without additions is read too, with its
  millisecond stamps and without these checks.

The same maps give the same bytes.
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet, PacketSideData, packet_sidedata_type_from_literal
from av.stream import Disposition, Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from v2vcli.errors import DamagedInput, InputError
from v2vcli.maps.drawn.keypoints import Points
from v2vcli.maps.files.control_video import open_video
from v2vcli.maps.files.keypoint_json import keypoints_from_json, keypoints_to_json
from v2vcli.maps.files.raw_map import RawMap
from v2vcli.maps.files.stored_planes import (
    StoredAs,
    as_uint16,
    further_pictures,
    put_together,
    taken_apart,
    time_from,
    time_text,
)
from v2vcli.maps.spec import DRAWN_KINDS, MapFrame, MapSpec

SPEC_TAG: Final = "V2V_MAP_SPEC"
SOURCE_TAG: Final = "V2V_MAP_SOURCE"
VERSION_TAG: Final = "V2V_VERSION"
_BLOCK_ADDITION_ID: Final = (1).to_bytes(8, "big")  # FFmpeg puts the BlockAddID in front of the bytes
_ADDITION: Final = re.compile(r"(\S+) ([0-9a-f]{8})(?: keypoints=([0-9a-f]{8}))?( last)?")
_COLOURS: Final = "colours"
_COLOURS_SIDE: Final = 320
_MILLISECOND: Final = Fraction(1, 1000)
_FORMATS: Final = {(2, "uint8"): "gray", (3, "uint8"): "bgr0", (2, "uint16"): "gray16le", (3, "uint16"): "gbrp16le"}
"""Pixel formats by dimensions and type of a picture; bgr0, since FFV1 has no rgb24."""
_GREY: Final = frozenset({"gray", "gray16le", "gbrp16le"})


class MapFileWriter:
    """Writes one `.mkv` of maps. `store.MapWriter` adds the temporary name and the checks of the target.

    Args:
        path: The file, written at once under this name.
        spec: What the maps are.
        source: Who made them.
    """

    def __init__(self, path: Path, spec: MapSpec, source: str = "") -> None:
        self._spec = spec
        self._streams: list[VideoStream] = []
        self._text: Stream | None = None
        self._colours: VideoStream | None = None
        self._last: int | None = None
        self._held: list[
            tuple[Packet[VideoStream], str | None]
        ] = []  # the newest map: known as the last one only at the end
        self._held_text: Packet[Stream] | None = None
        self._container: OutputContainer = av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"})
        self._container.metadata.update({SPEC_TAG: spec.to_json(), SOURCE_TAG: source, VERSION_TAG: version("v2vcli")})

    def write(self, frame: MapFrame, pts: Fraction) -> None:
        """Append one map at `pts` seconds.

        Raises:
            OutputError: Its instances do not fit 16 bits.
        """
        pictures = taken_apart(self._spec, frame.array)
        if frame.instances is not None:
            pictures.append(as_uint16(frame.instances))
        if not self._streams:
            self._add_streams(pictures)
        # Milliseconds are for players only; they must increase even where exact times lie closer than that.
        millisecond = round(pts / _MILLISECOND)
        self._last = millisecond if self._last is None else max(millisecond, self._last + 1)
        self._mux_held("")
        for position, (stream, picture) in enumerate(zip(self._streams, pictures, strict=True)):
            note = f"{time_text(pts)} {_checksum(picture)}"
            if frame.keypoints is not None and not position:
                note += f" keypoints={_checksum(frame.keypoints.astype('<f8'))}"
            self._encode(stream, picture, note)
        if self._colours is not None and self._spec.schema is not None:
            self._encode(self._colours, self._spec.schema.palette[_small(frame.array)], None)
        if frame.keypoints is not None and self._text is not None:
            packet: Packet[Stream] = Packet(keypoints_to_json(self._spec.kind, frame.keypoints).encode())
            packet.stream, packet.time_base, packet.pts, packet.dts = self._text, _MILLISECOND, self._last, self._last
            self._held_text = packet

    def close(self) -> None:
        """Finish the file."""
        self._mux_held(" last")
        self._container.close()

    def _add_streams(self, pictures: list[NDArray[np.generic]]) -> None:
        self._streams = [self._add_stream(picture) for picture in pictures]
        if self._spec.kind == "labels":
            self._colours = self._add_stream(self._spec.label_schema.palette[_small(pictures[0])])
            self._colours.metadata["title"] = _COLOURS
        (self._colours or self._streams[0]).disposition = Disposition.default
        if self._spec.kind in DRAWN_KINDS:
            self._text = self._container.add_mux_stream("subrip", time_base=_MILLISECOND)
            self._text.metadata["title"] = "keypoints"

    def _add_stream(self, picture: NDArray[np.generic]) -> VideoStream:
        stream = self._container.add_stream("ffv1")
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = _FORMATS[picture.ndim, picture.dtype.name]
        stream.codec_context.time_base = _MILLISECOND
        stream.codec_context.flags |= 1 << 23  # AV_CODEC_FLAG_BITEXACT
        # version 3 divides a picture into slices, for threads; it cannot divide some of the very small ones
        stream.options = {"level": "3" if min(picture.shape[:2]) >= 16 else "1", "g": "1"}
        stream.disposition = Disposition(0)
        return stream

    def _encode(self, stream: VideoStream, array: NDArray[np.generic], note: str | None) -> None:
        colours = array.ndim == 3 and array.dtype == np.uint8
        pix_fmt = "rgb24" if colours else _FORMATS[array.ndim, array.dtype.name]
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), pix_fmt)
        if colours:
            picture = picture.reformat(format="bgr0")
        picture.pts, picture.time_base = self._last, _MILLISECOND
        self._held += [(packet, note) for packet in stream.encode(picture)]  # FFV1 answers each frame with one packet

    def _mux_held(self, mark: str) -> None:
        for packet, note in self._held:
            if note is not None:
                content = _BLOCK_ADDITION_ID + (note + mark).encode()
                kind = packet_sidedata_type_from_literal("matroska_block_additional")
                addition = PacketSideData(kind, len(content))  # type: ignore[call-arg]  # PyAV's stub lacks it
                addition.update(content)
                packet.set_sidedata(addition)
            self._container.mux(packet)
        if self._held_text is not None:
            shown_from = self._held_text.pts or 0  # until the next map; nobody knows how long the last one is shown
            self._held_text.duration = max((self._last or 0) - shown_from, 1)
            self._container.mux(self._held_text)
        self._held.clear()
        self._held_text = None


def stored_as(path: Path) -> StoredAs | None:
    """What a video's maps are and who made them if it is a map file of ours, else None.

    Raises:
        InputError: Not a video, or its spec cannot be understood.
    """
    with open_video(path) as (container, _):
        return _tags(container, path)


def stored_spec(path: Path) -> MapSpec | None:
    """What a video's maps are if it is a map file of ours, else None.

    Raises:
        InputError: Not a video, or its spec cannot be understood.
    """
    stored = stored_as(path)
    return None if stored is None else stored.spec


def _tags(container: InputContainer, path: Path) -> StoredAs | None:
    tags = {key.upper(): value for key, value in container.metadata.items()}
    if SPEC_TAG not in tags:
        return None
    spec = MapSpec.from_json(tags[SPEC_TAG], f"{path}: map spec")
    return StoredAs(spec, tags.get(SOURCE_TAG, ""), tags.get(VERSION_TAG, ""))


@dataclass(frozen=True)
class _Addition:
    """What the block of a picture says about it."""

    pts: Fraction
    block: Fraction  # the time stamp of the block
    checksum: str | None = None  # None: the file was not written by us, or somebody dropped the additions
    keypoints: str | None = None  # the checksum of the keypoints, if the map has some
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
    with open_video(path) as (container, _):
        stored = _tags(container, path)
        if stored is None:
            raise InputError(f"{path} is a video but no map file of v2v (no {SPEC_TAG} tag); make the maps anew")
        reader = _Reader(path, stored.spec, container)
        if start is not None:  # every map is a key frame; a stamp may lie later than its exact time, never before
            reader.seek(start)
        yield from reader.maps()


class _Reader:
    """Puts the pictures and keypoints of each map together as the packets of the file come along."""

    def __init__(self, path: Path, spec: MapSpec, container: InputContainer) -> None:
        self._path = path
        self._spec = spec
        self._container = container
        self._start: Fraction | None = None
        self._index = 0
        self._pictures = 1 + further_pictures(spec)
        video = [stream for stream in container.streams.video if stream.metadata.get("title") != _COLOURS]
        self._streams = video[: self._pictures + 1]
        if len(self._streams) < self._pictures:
            raise InputError(f"{path} lacks planes of its '{spec.kind}' maps; make the maps anew")
        self._text = (
            container.streams.subtitles[0] if spec.kind in DRAWN_KINDS and container.streams.subtitles else None
        )
        self._places = {stream.index: place for place, stream in enumerate(self._streams)}
        self._announced: list[deque[_Addition]] = [deque() for _ in self._streams]
        self._decoded: list[deque[tuple[NDArray[np.generic], _Addition]]] = [deque() for _ in self._streams]
        self._keypoints: dict[Fraction, bytes] = {}
        self._size: tuple[int, ...] | None = None
        for stream in self._streams:
            stream.thread_type = "SLICE"  # frame threads would hand frames out later than their additions

    def seek(self, start: Fraction) -> None:
        self._start = start
        try:
            self._container.seek(max(0, round(start / _MILLISECOND)), stream=self._streams[0])
        except (av.error.FFmpegError, OverflowError) as e:
            raise self._damaged(f"{e}") from e

    def maps(self) -> Iterator[RawMap]:
        complete = True
        streams: list[Stream] = [*self._streams, *([] if self._text is None else [self._text])]
        packets = self._container.demux(streams)
        try:
            for packet in packets:
                self._take(packet)
                while self._is_ready():
                    made, complete = self._next()
                    yield made
        except av.error.FFmpegError as e:
            raise self._damaged(e.strerror or str(e)) from e
        if any(self._decoded) and all(self._decoded):
            raise self._damaged("its keypoints are missing")
        if not complete or any(self._decoded):
            raise DamagedInput(
                f"{self._path} was cut short: it ends after {self._index} maps, but more were written; make them anew"
            )
        if self._index == 0:
            there = "" if self._start is None else f" from {float(self._start):.3f} s on"
            raise InputError(f"{self._path} has no maps{there}; make them anew")

    def _take(self, packet: Packet[Stream]) -> None:
        if self._text is not None and packet.stream_index == self._text.index:
            if packet.size and packet.pts is not None:
                self._keypoints[packet.pts * packet.time_base] = bytes(packet)
            return
        place = self._places[packet.stream_index]
        if packet.size:
            self._announced[place].append(_addition(packet))
        for frame in packet.decode():
            if not isinstance(frame, av.VideoFrame) or not self._announced[place]:
                raise self._damaged("pictures that no packet announced")
            array, addition = _pixels(frame), self._announced[place].popleft()
            if addition.checksum not in (None, _checksum(array)):
                raise self._damaged("checksum")
            if self._start is None or addition.pts >= self._start:
                self._decoded[place].append((array, addition))

    def _is_ready(self) -> bool:
        """Whether all pictures of the next map are there, and its keypoints if it has some."""
        if not all(self._decoded):
            return False
        addition = self._decoded[0][0][1]
        return addition.keypoints is None or addition.block in self._keypoints

    def _next(self) -> tuple[RawMap, bool]:
        """The next map, and whether it is said to be the last one."""
        where = f"{self._path}, frame {self._index}"
        taken = [queue.popleft() for queue in self._decoded]
        pictures, addition = [array for array, _ in taken], taken[0][1]
        if any(each.pts != addition.pts for _, each in taken):
            raise self._damaged("its pictures are of different times")
        array = put_together(self._spec, pictures[: self._pictures], where)
        instances = pictures[-1].astype(np.int32) if len(pictures) > self._pictures else None
        self._size = self._size or array.shape
        if array.shape != self._size:
            raise self._damaged(f"it is {array.shape}, not {self._size}")
        made = RawMap(array, where, addition.pts, instances, self._points(addition))
        self._index += 1
        return made, addition.last

    def _points(self, addition: _Addition) -> Points | None:
        text = self._keypoints.pop(addition.block, None)
        if text is None:
            return None
        points = keypoints_from_json(self._spec.kind, text, f"{self._path}, frame {self._index}: keypoints")
        if addition.checksum is not None and addition.keypoints != _checksum(points.astype("<f8")):
            raise self._damaged("checksum of the keypoints")
        return points

    def _damaged(self, how: str) -> DamagedInput:
        return DamagedInput(f"{self._path} is damaged at frame {self._index}: {how}; make the maps anew")


def _small(ids: NDArray[Any]) -> NDArray[Any]:
    """(H, W) ids at most 320 wide and high, by leaving rows and columns out."""
    step = -(-max(ids.shape) // _COLOURS_SIDE)
    return ids[::step, ::step]


def _pixels(frame: av.VideoFrame) -> NDArray[np.generic]:
    name = frame.format.name
    return np.asarray(frame.to_ndarray(format=name if name in _GREY else "rgb24"))


def _checksum(array: NDArray[np.generic]) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(array).data):08x}"


def _addition(packet: Packet[Stream]) -> _Addition:
    block = Fraction(packet.pts or 0) * packet.time_base
    if packet.has_sidedata("matroska_block_additional"):
        content = bytes(packet.get_sidedata("matroska_block_additional"))[len(_BLOCK_ADDITION_ID) :]
        match = _ADDITION.fullmatch(content.decode("ascii", "replace"))
        if match and (pts := time_from(match[1])) is not None:
            return _Addition(pts, block, match[2], match[3], match[4] is not None)
    return _Addition(block, block)
