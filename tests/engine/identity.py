"""Is the output of a conversion that copies the input? What `test_identity` asserts and docs/conformance.md shows.

What is peculiar: an output may say a time no finer than its container does (`resolution`); where the first frame lies
before 0 no container can hold it, and everything has to move by the same amount.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np

from tests.engine.plain_reading import Companion, Contents, contents, pictures

ENOUGH = 50.0
"""Decibels, in the worst frame; `plain_reading` says why 58.9 is the most that can be had."""
COLUMNS = ("frames", "pts", "duration", "size", "tags", "audio", "subtitles", "chapters", "PSNR")


@dataclass
class Row:
    """What was found, a word or two for each column, and which of them are not as they should be."""

    cells: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def put(self, column: str, good: bool, said: str) -> None:
        self.cells[column] = said
        if not good:
            self.wrong.append(f"{column}: {said}")


def compare(source: Path, target: Path, *, pixels: bool = True, first: int | None = None) -> Row:
    """Hold an output against its input, column by column.

    Args:
        source: what was converted.
        target: what came out.
        pixels: the output is lossless, so its pictures have to be the input's.
        first: so many frames count; what follows in a damaged file is anybody's guess.
    """
    before, after, row = contents(source), contents(target), Row()
    count = len(before.times)
    same = len(after.times) == count
    row.put("frames", same or first is not None, str(count) if same else f"{len(after.times)} of {count}")
    if first is not None:
        row.cells["frames"] = f"{len(after.times)}, {first} of them good"
        before, after = (replace(each, times=each.times[:first]) for each in (before, after))
    resolution = Fraction(1, 1000) if target.suffix in (".mkv", ".webm") else Fraction(0)
    moved = min(Fraction(0), before.times[0][0])
    if moved:
        row.notes.append(f"moved by {float(-moved):g} s to begin at 0")
    starts = [pts - moved for pts, _ in before.times]
    _put_times(row, "pts", starts, [pts for pts, _ in after.times], resolution / 2)
    _put_times(row, "duration", [d for _, d in before.times], [d for _, d in after.times], resolution)
    shape = before.size == after.size and before.aspect == after.aspect and not after.rotation
    said = "x".join(map(str, after.size)) + ("" if after.aspect == 1 else f" ({after.aspect})")
    expected = "x".join(map(str, before.size)) + ("" if before.aspect == 1 else f" ({before.aspect})")
    row.put("size", shape, said if shape else f"{said}, not {expected}")
    _put_tags(row, before, after)
    _put_streams(row, "audio", before.of("audio"), after.of("audio"), resolution, moved)
    _put_streams(row, "subtitles", before.of("subtitle"), after.of("subtitle"), resolution, moved)
    marks = [(round((a - moved) * 1000), round((b - moved) * 1000), title) for a, b, title in before.chapters]
    kept = [(round(a * 1000), round(b * 1000), title) for a, b, title in after.chapters]
    row.put("chapters", marks == kept, ("-" if not marks else str(len(marks))) if marks == kept else "differ")
    if before.covers:
        lost = "kept" if after.covers == before.covers else "left out"
        row.notes.append(f"attached picture {lost}")
        if lost != "kept":
            row.wrong.append("attached picture: left out")
    if before.interlaced:
        row.notes.append("interlaced flag kept" if after.interlaced else "fields woven, flag dropped")
    if pixels:
        worst = psnr(islice(pictures(source), first), islice(pictures(target), first))
        row.put("PSNR", worst > ENOUGH, "lossless" if worst == math.inf else f"{worst:.1f} dB")
    else:
        row.cells["PSNR"] = ""
    return row


def psnr(before: Iterator[np.ndarray], after: Iterator[np.ndarray]) -> float:
    """Decibels of the worst frame; -inf where a frame has no partner of its size, inf where all are the same.

    Inputs may change size on the way; their outputs keep the first one, and those frames are not looked at.
    """
    worst, shape = math.inf, None
    for one, other in zip_longest(before, after):
        shape = shape or (None if one is None else one.shape)
        if one is None or other is None or other.shape != shape:
            return -math.inf
        if one.shape != shape:
            continue
        error = float(np.mean((one - other) ** 2, dtype=np.float64))
        worst = min(worst, math.inf if error == 0 else 10 * math.log10(255**2 / error))
    return worst


def _put_times(
    row: Row, column: str, before: Sequence[Fraction], after: Sequence[Fraction], tolerance: Fraction
) -> None:
    apart = max((abs(a - b) for a, b in zip(before, after, strict=False)), default=Fraction(0))
    good = apart <= tolerance
    row.put(column, good, "exact" if apart == 0 else f"{'within' if good else 'off by'} {float(apart) * 1000:.3g} ms")


def _put_tags(row: Row, before: Contents, after: Contents) -> None:
    own = after.tags.get("comment", "")
    expected = dict(before.tags)
    old = expected.pop("comment", "")
    missing = sorted(key for key, value in expected.items() if after.tags.get(key) != value)
    if not own.startswith("Synthetic video, painted by v2v") or old not in own:
        missing.append("comment")
    surplus = sorted(set(after.tags) - set(before.tags) - {"comment"})
    problem = [f"without {', '.join(missing)}"] if missing else []
    problem += [f"with {', '.join(surplus)}"] if surplus else []
    row.put("tags", not problem, "; ".join(problem) or str(len(before.tags)))


def _put_streams(
    row: Row,
    column: str,
    before: Sequence[Companion],
    after: Sequence[Companion],
    resolution: Fraction,
    moved: Fraction,
) -> None:
    if not before and not after:
        row.cells[column] = "-"
        return
    if len(before) != len(after):
        row.put(column, False, f"{len(after)} of {len(before)}")
        return
    problems, details = [], set()
    for one, other in zip(map(_said, before), map(_said, after), strict=True):
        if [data for data, _ in one.packets] != [data for data, _ in other.packets]:
            problems.append(_packets_differ(one, other))
            continue
        pairs = [(a - moved, b) for (_, a), (_, b) in zip(one.packets, other.packets, strict=True) if a and b]
        apart = max((abs(a - b) for a, b in pairs), default=Fraction(0))
        if apart > max(resolution, other.tick) / 2:
            problems.append(f"times off by {float(apart) * 1000:.3g} ms")
        elif apart:
            details.add(f"times within {float(apart) * 1000:.2g} ms")
        if (one.language or "und") != (other.language or "und"):
            problems.append(f"language {one.language} lost")
    plural = "identical" if len(before) == 1 else f"{len(before)} identical"
    row.put(column, not problems, "; ".join(dict.fromkeys(problems)) or ", ".join([plural, *sorted(details)]))


def _said(stream: Companion) -> Companion:
    """The packets that say something: mp4 fills the gaps between subtitles with empty ones."""
    packets = tuple(packet for packet in stream.packets if packet[0].strip(b"\0"))
    return replace(stream, packets=packets) if stream.kind == "subtitle" else stream


def _packets_differ(one: Companion, other: Companion) -> str:
    if one.codec != other.codec:
        return f"{one.codec} became {other.codec}"
    if len(one.packets) != len(other.packets):
        return f"{len(other.packets)} of {len(one.packets)} packets"
    changed = sum(a[0] != b[0] for a, b in zip(one.packets, other.packets, strict=True))
    return f"{changed} of {len(one.packets)} packets changed"
