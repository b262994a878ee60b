"""GIF, animated WebP and APNG: palettes, and durations as exact as each format can say them.

What is peculiar:

- GIF counts hundredths of a second (and players show less than two of them as ten), WebP thousandths, APNG any fraction
  with 16 bits above and below. A frame appears at the nearest of these, so that errors do not add up.
- FFmpeg's muxers take the last frame's duration from the one before it; here the right one is put into the finished
  file, or, for WebP, into the one packet that the encoder makes of everything.
- GIF: each frame has a palette of its own, found and dithered by FFmpeg's filters. The dither is an ordered one, which
  stands still where the picture does.
- WebP's encoder keeps the whole coded animation in memory until the end.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph

CLOCKS = {"gif": Fraction(1, 100), "webp": Fraction(1, 1000)}
"""The resolution of times in a container, in seconds."""
LOOPING = {"gif": {"loop": "0"}, "webp": {"loop": "0"}, "apng": {"plays": "0"}}
"""Muxer options that make it run for ever, as such animations do."""


class PaletteEncoder:
    """Turns RGB pictures of one size into frames of 256 colours each."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._count = 0

    def __call__(self, image: npt.NDArray[np.uint8]) -> av.VideoFrame:
        """Convert one (H, W, 3) uint8 picture."""
        if self._graph is None:
            self._graph = _palette_graph(image.shape[1], image.shape[0])
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = self._count, Fraction(1, 100)
        self._count += 1
        self._graph.push(frame)
        result = self._graph.pull()
        assert isinstance(result, av.VideoFrame)
        return result


def _palette_graph(width: int, height: int) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=width, height=height, format=av.VideoFormat("rgb24"), time_base=Fraction(1, 100))
    split = graph.add("split")
    palette = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    use = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=4")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph


def set_last_duration(path: Path, container: str, duration: Fraction) -> None:
    """Put the last frame's duration, in seconds, into a finished GIF or APNG.

    A single frame that FFmpeg made an ordinary PNG of lasts for ever, and is left alone.

    Raises:
        ValueError: the file is not what it should be.
        OSError: it cannot be changed.
    """
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        if container == "gif":
            at = _last_gif_delay(data)
            data[at : at + 2] = struct.pack("<H", min(0xFFFF, max(1, round(duration / CLOCKS["gif"]))))
        elif (at := _last_frame_control(data)) >= 0:
            chunk = bytearray(data[at : at + 30])  # name and content of fcTL
            struct.pack_into(">HH", chunk, 24, *_sixteen_bits(duration))
            data[at : at + 34] = bytes(chunk) + struct.pack(">I", zlib.crc32(chunk))


def _sixteen_bits(value: Fraction) -> tuple[int, int]:
    """The nearest fraction of 16 bits above and below."""
    near = value.limit_denominator(0xFFFF)
    while near.numerator > 0xFFFF and near.denominator > 1:
        near = value.limit_denominator(max(1, near.denominator * 0xFFFF // near.numerator))
    return min(0xFFFF, near.numerator), near.denominator


def _last_gif_delay(data: mmap.mmap) -> int:
    """Where the delay of the last picture of a GIF is, walking its blocks."""
    found = -1
    at = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    while data[at] != 0x3B:
        if data[at] == 0x21:
            if data[at + 1] == 0xF9:
                found = at + 4
            at += 2
        elif data[at] == 0x2C:
            at += 10 + (3 << ((data[at + 9] & 7) + 1) if data[at + 9] & 0x80 else 0) + 1
        else:
            raise ValueError("a block of an unknown kind")
        while data[at]:
            at += data[at] + 1
        at += 1
    if found < 0:
        raise ValueError("no picture has a delay")
    return found


def _last_frame_control(data: mmap.mmap) -> int:
    """Where the name of the last fcTL chunk of an APNG is; -1: there is none."""
    found, at = -1, 8
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"fcTL":
            found = at + 4
        at += length + 12
    return found


def with_webp_total(data: bytes, total: int) -> bytes:
    """An animated WebP whose last frame ends ``total`` milliseconds after the first one appears."""
    frames = []
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        if name == b"ANMF":
            frames.append(at + 8 + 12)
        at += 8 + length + length % 2
    if not frames:  # a still picture
        return data
    before = sum(int.from_bytes(data[place : place + 3], "little") for place in frames[:-1])
    last = min(0xFFFFFF, max(1, total - before))
    return data[: frames[-1]] + last.to_bytes(3, "little") + data[frames[-1] + 3 :]
