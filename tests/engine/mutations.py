"""Whole files made into broken ones: seeded, so that a number names a file for ever.

What is peculiar: half of the ways know what a file is made of. They swap, repeat and drop whole boxes of an mp4, whole
elements of a Matroska file, whole packets of a transport stream, or lie about a length, because a demuxer walks past
most random damage without noticing it.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

Span = tuple[int, int]

_BOXES_OF_BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf")
_EBML_OF_ELEMENTS = {0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0x1F43B675, 0x1C53BB6B, 0xA0}
_LIES = (0, 1, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutated(data: bytes, seed: int | str) -> tuple[str, bytes]:
    """One way to break a file.

    Args:
        data: of a whole file.
        seed: chooses how and where.

    Returns:
        The way's name, and the broken file.
    """
    rng = random.Random(seed)
    way = rng.choice(WAYS)
    return way.__name__.strip("_"), way(data, rng)


def _flips(data: bytes, rng: random.Random) -> bytes:
    return _flipped(data, rng, 0, len(data), rng.choice((1, 4, 16, 64, 256)))


def _flips_in_the_header(data: bytes, rng: random.Random) -> bytes:
    parts = _parts(data)
    begin, end = min(rng.choice(parts), key=lambda span: span[1] - span[0]) if parts else (0, min(512, len(data)))
    return _flipped(data, rng, begin, min(end, begin + 512), rng.choice((1, 2, 8)))


def _flipped(data: bytes, rng: random.Random, begin: int, end: int, count: int) -> bytes:
    broken = bytearray(data)
    for _ in range(count):
        broken[rng.randrange(begin, max(begin + 1, end))] ^= 1 << rng.randrange(8)
    return bytes(broken)


def _truncation(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _headless(data: bytes, rng: random.Random) -> bytes:
    return data[rng.randrange(1, len(data)) :]


def _swapped_parts(data: bytes, rng: random.Random) -> bytes:
    parts = _parts(data) or [_blocks(data, rng)]
    spans = rng.choice(parts)
    if len(spans) < 2:
        return _truncation(data, rng)
    (a, b), (c, d) = sorted(rng.sample(spans, 2))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _repeated_part(data: bytes, rng: random.Random) -> bytes:
    begin, end = rng.choice(rng.choice(_parts(data) or [_blocks(data, rng)]))
    return data[:end] + data[begin:end] * rng.choice((1, 2, 10)) + data[end:]


def _dropped_part(data: bytes, rng: random.Random) -> bytes:
    begin, end = rng.choice(rng.choice(_parts(data) or [_blocks(data, rng)]))
    return data[:begin] + data[end:]


def _lying_length(data: bytes, rng: random.Random) -> bytes:
    begin, end = rng.choice(rng.choice(_parts(data) or [_blocks(data, rng)]))
    at = min(rng.choice((begin, begin + rng.randrange(max(1, min(64, end - begin))))), len(data) - 4)
    return data[:at] + struct.pack(">I", rng.choice(_LIES)) + data[at + 4 :]


def _zeroed(data: bytes, rng: random.Random) -> bytes:
    begin, end = rng.choice(_blocks(data, rng))
    return data[:begin] + bytes(end - begin) + data[end:]


def _noise(data: bytes, rng: random.Random) -> bytes:
    begin, end = rng.choice(_blocks(data, rng))
    return data[:begin] + rng.randbytes(end - begin) + data[end:]


def _inserted(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 3, 188, 1000))) + data[at:]


WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flips, _flips_in_the_header, _truncation, _headless, _swapped_parts, _repeated_part, _dropped_part),
    *(_lying_length, _zeroed, _noise, _inserted),
)


def _blocks(data: bytes, rng: random.Random) -> list[Span]:
    """The file in pieces of one random size."""
    size = rng.choice((16, 64, 188, 512, 2048))
    return [(begin, min(begin + size, len(data))) for begin in range(0, len(data), size)]


def _parts(data: bytes) -> list[list[Span]]:
    """Neighbouring boxes, elements or packets: a list for each level and parent; empty for other formats."""
    if data[4:8] in (b"ftyp", b"wide", b"mdat", b"moov"):
        return list(_boxes(data, 0, len(data)))
    if data[:4] == b"\x1aE\xdf\xa3":
        return list(_elements(data, 0, len(data)))
    if data[:1] == b"G" and data[188:189] == b"G":
        return [[(begin, begin + 188) for begin in range(0, len(data) - 187, 188)]]
    if data[:4] == b"RIFF":
        return list(_chunks(data, 12, len(data)))
    return []


def _boxes(data: bytes, begin: int, end: int) -> list[list[Span]]:
    """ISO 14496-12: 32-bit big-endian size, type."""
    found: list[Span] = []
    deeper: list[list[Span]] = []
    while begin + 8 <= end:
        size = int.from_bytes(data[begin : begin + 4], "big")
        if size < 8 or begin + size > end:
            break
        found.append((begin, begin + size))
        if data[begin + 4 : begin + 8] in _BOXES_OF_BOXES:
            deeper += _boxes(data, begin + 8, begin + size)
        begin += size
    return ([found] if found else []) + deeper


def _elements(data: bytes, begin: int, end: int) -> list[list[Span]]:
    """RFC 8794: an ID and a size, each as long as the zeros that it begins with say."""
    found: list[Span] = []
    deeper: list[list[Span]] = []
    while begin < end:
        id_length = 9 - data[begin].bit_length()
        at = begin + id_length
        if at >= end or id_length > 4:
            break
        length = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
        payload = at + length
        if length > 8 or payload + size > end:
            break
        found.append((begin, payload + size))
        if int.from_bytes(data[begin:at], "big") in _EBML_OF_ELEMENTS:
            deeper += _elements(data, payload, payload + size)
        begin = payload + size
    return ([found] if found else []) + deeper


def _chunks(data: bytes, begin: int, end: int) -> list[list[Span]]:
    """RIFF: type, 32-bit little-endian size; even."""
    found: list[Span] = []
    deeper: list[list[Span]] = []
    while begin + 8 <= end:
        size = int.from_bytes(data[begin + 4 : begin + 8], "little")
        stop = begin + 8 + size + size % 2
        if stop > end:
            break
        found.append((begin, stop))
        if data[begin : begin + 4] == b"LIST":
            deeper += _chunks(data, begin + 12, stop)
        begin = stop
    return ([found] if found else []) + deeper
