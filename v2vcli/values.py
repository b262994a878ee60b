"""Times, rates and sizes as people write them: ffmpeg's notations, exact to the last digit.

Peculiar: a time never passes through a float. ``"0.1"`` is 1/10 of a second, not 0.1000000000000000055.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TypeAlias

from v2vcli.errors import UsageError

Time: TypeAlias = Fraction | int | float | str
"""Seconds as a number, or text as `seconds` reads it."""

_CLOCK = re.compile(r"(?:(\d+):)?([0-5]?\d):([0-5]?\d(?:\.\d*)?)")
_UNITS = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(s|ms|us)?")
_IN_SECONDS = {None: Fraction(1), "s": Fraction(1), "ms": Fraction(1, 1000), "us": Fraction(1, 1_000_000)}
_NAMED_RATES = {
    "ntsc": Fraction(30000, 1001),
    "pal": Fraction(25),
    "film": Fraction(24),
    "ntsc-film": Fraction(24000, 1001),
}
_MAX_SIDE = 16384
_BIT_RATE = re.compile(r"(\d+(?:\.\d+)?)([kKmMgG]?)")
_MULTIPLES = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def seconds(value: Time, option: str) -> Fraction:
    """Read a time.

    Args:
        value: seconds as a number, or text: ``12.5``, ``[HH:]MM:SS[.m...]``, ``500ms``, ``20us``.
        option: what to call it in a message.

    Raises:
        UsageError: it cannot be understood, or is negative.
    """
    text = str(value).strip()
    if isinstance(value, Fraction) and value >= 0:
        return value
    if match := _CLOCK.fullmatch(text):
        hours, minutes, rest = match.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + Fraction(rest.rstrip("."))
    if match := _UNITS.fullmatch(text):
        return Fraction(match[1].rstrip(".")) * _IN_SECONDS[match[2]]
    raise UsageError(f"{option} {text}: not a time; write seconds (12.5), [HH:]MM:SS[.m] or 500ms")


def frame_rate(value: Time, option: str) -> Fraction:
    """Read a frame rate: ``25``, ``29.97``, ``30000/1001``, or ``ntsc``, ``pal``, ``film``, ``ntsc-film``.

    Raises:
        UsageError: it cannot be understood, or lies outside 1/3600 .. 1000 frames per second.
    """
    text = str(value).strip().lower()
    try:
        rate = _NAMED_RATES[text] if text in _NAMED_RATES else Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{option} {text}: not a frame rate; write 25, 29.97 or 30000/1001") from None
    if not Fraction(1, 3600) <= rate <= 1000:
        raise UsageError(f"{option} {text}: frames per second must lie between 1/3600 and 1000")
    return rate


def size(value: str | tuple[int, int], option: str) -> tuple[int, int]:
    """Read (width, height): ``640x360`` or a pair.

    Raises:
        UsageError: it cannot be understood, or a side lies outside 1 .. 16384.
    """
    text = "x".join(map(str, value)) if isinstance(value, tuple) else value.strip().lower()
    match = re.fullmatch(r"(\d+)[x:](\d+)", text)
    if match is None or not all(1 <= int(side) <= _MAX_SIDE for side in match.groups()):
        raise UsageError(f"{option} {text}: not a size; write WIDTHxHEIGHT, for example 640x360")
    return int(match[1]), int(match[2])


def bit_rate(value: str | int, option: str) -> int:
    """Read bits per second: ``2500000``, ``800k``, ``2.5M``.

    Raises:
        UsageError: it cannot be understood, or is not from 1000 to 10 G.
    """
    match = _BIT_RATE.fullmatch(str(value).strip())
    bits = 0 if match is None else round(Fraction(match[1]) * _MULTIPLES[match[2].lower()])
    if not 1_000 <= bits <= 10_000_000_000:
        raise UsageError(f"{option} {value}: not a bit rate; write bits per second, for example 800k or 2.5M")
    return bits
