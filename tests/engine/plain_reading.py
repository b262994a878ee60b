"""What is in a video file, read with PyAV and numpy alone: what `v2vcli.video` reads and writes is held against it.

Nothing of the code under test is used. YUV becomes RGB with the matrices of ITU-R BT.601, BT.709 and BT.2020 in
floating point; chroma between its samples linearly: beside the left luma sample for codecs that say so, amidst them for
those that say nothing, each field by itself where a picture is interlaced. The display matrix turns pictures by
swapping axes. AAC in MPEG-TS has a header on each packet (ADTS) that other containers keep once: it is taken off.

So a PSNR against it counts our own rounding too: 8 bits of RGB out of a finer picture are 58.9 dB at best,
10 log10(12 * 255^2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

KR_KB = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087)}
KR_KB |= {9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
# codecs whose chroma lies amidst the luma samples, or that do not say where, which FFmpeg takes to be the same
_CENTRED = ("mjpeg", "mpeg1video", "h263", "h261", "flv", "vp8", "vp9", "av1", "libdav1d", "ffv1", "rawvideo")
_LIMITED_GREY = ("h264", "hevc", "vp8", "vp9", "av1", "libdav1d")
# what the muxer writes, or what is true of the old file only
_PASSING = ("major_brand", "minor_version", "compatible_brands", "encoder", "vendor_id", "handler_name", "timecode")
_PASSING += ("software", "location-eng")  # AVI's encoder; QuickTime's second name of a place
_PASSING_STARTS = ("duration", "bps", "number_of_", "_statistics_", "alpha_mode", "rotate")

Packets = tuple[tuple[bytes, Fraction | None], ...]


@dataclass(frozen=True)
class Companion:
    """A stream beside the picture.

    Attributes:
        kind: ``audio`` or ``subtitle``.
        codec: FFmpeg's name of what it is coded in.
        language: None where it is not said.
        tick: seconds, the finest time it can say.
        packets: bytes and pts in seconds of each.
    """

    kind: str
    codec: str
    language: str | None
    tick: Fraction
    packets: Packets


@dataclass(frozen=True)
class Contents:
    """All of a file but its pixels.

    Attributes:
        times: (pts, duration) of each frame in seconds; a frame lasts until the next, the last as the file says.
        size: (width, height) as shown.
        aspect: of a pixel as shown.
        rotation: whether a display matrix still has to turn the pictures.
        interlaced: the first frame is flagged so.
        tags: of the container, names in lower case.
        streams: audio and subtitles, in order.
        chapters: (start, end, title).
        covers: attached pictures and attachments.
    """

    times: tuple[tuple[Fraction, Fraction], ...]
    size: tuple[int, int]
    aspect: Fraction
    rotation: bool
    interlaced: bool
    tags: dict[str, str]
    streams: tuple[Companion, ...]
    chapters: tuple[tuple[Fraction, Fraction, str], ...]
    covers: int

    def of(self, kind: str) -> tuple[Companion, ...]:
        """The companions of a kind: ``audio`` or ``subtitle``."""
        return tuple(stream for stream in self.streams if stream.kind == kind)


def contents(path: Path) -> Contents:
    """Read a file; what cannot be decoded behind damage is left out."""
    with _opened(path) as container:
        stream = main_stream(container)
        frames: list[tuple[Fraction, Fraction]] = []
        first: av.VideoFrame | None = None
        for frame in decoded(container, stream):
            first = first or frame
            frames.append(_moment(frame, stream, len(frames)))
        assert first is not None, f"{path} holds no picture"
        turn = _turn(first)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        width, height = first.width, first.height
        tags = {key.lower(): value for key, value in container.metadata.items()}
        found = (
            (height, width) if turn[0] else (width, height),
            1 / aspect if turn[0] else aspect,
            any(turn),
            bool(first.interlaced_frame),
            {k: _value(k, v) for k, v in tags.items() if k not in _PASSING and not k.startswith(_PASSING_STARTS)},
        )
        chapters = tuple(_chapter(chapter) for chapter in container.chapters())
        covers = sum(bool(s.disposition & Disposition.attached_pic) for s in container.streams.video)
        covers += sum(s.type == "attachment" for s in container.streams)
    ends = [*(pts for pts, _ in frames[1:]), frames[-1][0] + frames[-1][1]]
    times = tuple((pts, end - pts) for (pts, _), end in zip(frames, ends, strict=True))
    return Contents(times, *found, _companions(path), chapters, covers)


def pictures(path: Path) -> Iterator[NDArray[np.float32]]:
    """Frames as they are shown, (H, W, 3) RGB from 0 to 255, not rounded."""
    with _opened(path) as container:
        stream = main_stream(container)
        for frame in decoded(container, stream):
            transpose, flip_x, flip_y = _turn(frame)
            rgb = _rgb(frame, stream.codec_context.name)
            rgb = rgb.transpose(1, 0, 2) if transpose else rgb
            rgb = rgb[:, ::-1] if flip_x else rgb
            yield rgb[::-1] if flip_y else rgb


def main_stream(container: InputContainer) -> VideoStream:
    """The first video that is not a cover."""
    return next(s for s in container.streams.video if not s.disposition & Disposition.attached_pic)


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Frames; damage is stepped over, as far as PyAV goes on."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:
            packets = iter((av.Packet(),))  # reading is over: flush what was read
            continue
        if packet.size == 0 and packet.pts is not None:
            continue  # a repeated picture, not the end
        try:
            yield from stream.codec_context.decode(packet if packet.size else None)
        except av.FFmpegError:
            continue


def _opened(path: Path) -> InputContainer:
    return av.open(f"file:{path}", metadata_errors="replace")


def _moment(frame: av.VideoFrame, stream: VideoStream, index: int) -> tuple[Fraction, Fraction]:
    base = stream.time_base or Fraction(1, 1_000_000)
    step = 1 / (stream.average_rate or stream.guessed_rate or Fraction(25))
    pts = index * step if frame.pts is None else frame.pts * base
    return pts, (frame.duration * base if frame.duration else step)


def _chapter(chapter: Any) -> tuple[Fraction, Fraction, str]:
    base = chapter["time_base"]
    return chapter["start"] * base, chapter["end"] * base, chapter["metadata"].get("title", "")


def _value(key: str, value: str) -> str:
    """A tag's value, where it can be written in several ways in one of them."""
    if key == "location":  # ISO 6709, with more or fewer digits
        return " ".join(f"{float(number):.3f}" for number in re.findall(r"[+-][\d.]+", value))
    if key == "creation_time":
        return value.replace("T", " ").removesuffix("Z").removesuffix(".000000")
    return value


def _companions(path: Path) -> tuple[Companion, ...]:
    with _opened(path) as container:
        streams = [s for s in container.streams if s.type in ("audio", "subtitle")]
        found: dict[int, list[tuple[bytes, Fraction | None]]] = {s.index: [] for s in streams}
        try:
            for packet in container.demux(*streams) if streams else ():
                if packet.size:
                    pts = None if packet.pts is None else packet.pts * packet.time_base
                    found[packet.stream_index].append((_payload(bytes(packet), packet.stream), pts))
        except av.FFmpegError:
            pass  # damaged: what could be read counts
        return tuple(
            Companion(
                s.type,
                s.codec_context.codec.canonical_name if s.codec_context is not None else "unknown",
                s.metadata.get("language"),
                s.time_base or Fraction(0),
                tuple(found[s.index]),
            )
            for s in streams
        )


def _payload(data: bytes, stream: Any) -> bytes:
    """A packet without what belongs to the container."""
    if stream.type == "audio" and len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        return data[7 if data[1] & 1 else 9 :]
    return data


def _turn(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """(transpose, then flip left-right, then flip top-bottom) of the display matrix; quarter turns and mirrors only."""
    for data in frame.side_data:  # type: ignore[attr-defined]
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = (int(v) for v in np.frombuffer(bytes(data), np.int32)[:5])
            if b == c == 0 and a and d:
                return False, a < 0, d < 0
            if a == d == 0 and b and c:
                return True, c < 0, b < 0
    return False, False, False


def _rgb(frame: av.VideoFrame, codec: str) -> NDArray[np.float32]:
    form = frame.format
    if form.is_rgb or form.name == "pal8":
        return frame.to_ndarray(format="rgb24").astype(np.float32)
    bits = form.components[0].bits
    planes = [_plane(plane, bits) for plane in list(frame.planes)[: min(3, len(form.components))]]
    unit, top = 2 ** (bits - 8), 2**bits - 1
    tagged = int(frame.color_range)
    full = form.name.startswith("yuvj") or tagged == 2
    if form.name.startswith("gray"):
        full = full or (tagged == 0 and not codec.startswith(_LIMITED_GREY))
    y = planes[0] / top if full else (planes[0] - 16 * unit) / (219 * unit)
    if len(planes) < 3:
        return np.clip(np.stack([y] * 3, axis=-1), 0, 1) * 255
    offset = 0.5 if codec in _CENTRED else 0.0
    scale = top if full else 224 * unit
    shape = (frame.height, frame.width)
    cb, cr = (_grown((plane - 128 * unit) / scale, shape, offset, bool(frame.interlaced_frame)) for plane in planes[1:])
    guess = 1 if frame.width >= 1280 or frame.height > 576 else 6
    kr, kb = KR_KB.get(int(frame.colorspace), KR_KB[guess])
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 1) * 255


def _plane(plane: Any, bits: int) -> NDArray[np.float32]:
    samples = np.frombuffer(plane, np.uint8 if bits == 8 else np.uint16)
    return samples.reshape(plane.height, -1)[:, : plane.width].astype(np.float32)


def _grown(chroma: NDArray[np.float32], shape: tuple[int, int], offset: float, interlaced: bool) -> NDArray[np.float32]:
    if not interlaced or chroma.shape[0] == shape[0]:
        return _upsampled(chroma, shape, offset)
    whole = np.empty(shape, np.float32)
    for field, begin in ((0, 0.25), (1, 0.75)):  # of the lines of a field, as MPEG-2 puts them
        whole[field::2] = _upsampled(chroma[field::2], whole[field::2].shape, offset, begin)
    return whole


def _upsampled(
    chroma: NDArray[np.float32], shape: tuple[int, int], offset: float, row_offset: float = 0.5
) -> NDArray[np.float32]:
    """Chroma at luma's size, linearly; the first of its samples lies so many luma samples behind the first of those."""
    for axis, (length, begin) in enumerate(zip(shape, (row_offset, offset), strict=True)):
        held = chroma.shape[axis]
        if held == length:
            continue
        places = np.clip((np.arange(length) + begin) * 0.5 - begin, 0, held - 1)
        low = np.floor(places).astype(int)
        share = np.expand_dims(places - low, 1 - axis)
        high = np.minimum(low + 1, held - 1)
        chroma = np.take(chroma, low, axis) * (1 - share) + np.take(chroma, high, axis) * share
    return chroma
