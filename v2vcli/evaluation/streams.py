"""Two videos and a row of maps, walked in step, and what did not fit.

Frames are paired by position, not by time: v2v writes one frame for each that it reads, so a difference in count or in
time is a finding to report, not something to smooth over. All inputs are walked to their end, to count them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import zip_longest
from typing import TYPE_CHECKING

from v2vcli.errors import InputError
from v2vcli.evaluation.registry import Image, Moment
from v2vcli.maps.spec import resize_image

if TYPE_CHECKING:
    from v2vcli.maps.spec import MapFrame
    from v2vcli.video.frame import Frame

ASPECT_TOLERANCE = 0.02
"""Relative difference in width/height that rounding to even sizes may cause; more is another picture."""


@dataclass
class Walk:
    """What was counted on the way; complete once `moments` is exhausted."""

    frames: int = 0
    reference_frames: int | None = None
    maps: int | None = None
    late_frames: int = 0
    largest_shift: Fraction = field(default_factory=Fraction)
    first_shift: int | None = None
    resized_from: tuple[int, int] | None = None

    def remarks(self) -> list[str]:
        """One line for each thing that did not fit; empty when all did."""
        lines = []
        if self.reference_frames is not None and self.reference_frames != self.frames:
            lines.append(
                f"the output has {self.frames} frames and the reference {self.reference_frames}: "
                f"the first {min(self.frames, self.reference_frames)} were compared"
            )
        if self.late_frames:
            lines.append(
                f"{self.late_frames} frames have other timestamps than the reference's, "
                f"first frame {self.first_shift}, by up to "
                f"{float(self.largest_shift):.6f} s: frames were compared by position"
            )
        if self.maps is not None and self.maps != self.frames:
            lines.append(
                f"the output has {self.frames} frames and there are {self.maps} maps: the rest was not compared"
            )
        if self.resized_from is not None:
            lines.append("the reference is {}x{} and was scaled to the output's size".format(*self.resized_from))
        return lines


def moments(
    output: Iterable[Frame], reference: Iterable[Frame] | None, maps: Iterable[MapFrame] | None, walk: Walk
) -> Iterator[Moment]:
    """Yield a moment for each position that all given inputs have, and fill ``walk`` in.

    Raises:
        InputError: the reference's shape is not the output's (another aspect ratio).
    """
    walk.reference_frames = None if reference is None else 0
    walk.maps = None if maps is None else 0
    for index, (frame, twin, asked) in enumerate(zip_longest(output, reference or (), maps or ())):
        walk.frames += frame is not None
        if twin is not None and walk.reference_frames is not None:
            walk.reference_frames += 1
        if asked is not None and walk.maps is not None:
            walk.maps += 1
        if frame is None or (reference is not None and twin is None) or (maps is not None and asked is None):
            continue
        picture = None
        if twin is not None:
            _compare_times(frame, twin, index, walk)
            picture = _fitted(twin.image, frame.image, walk)
        yield Moment(index, frame.image, picture, asked)


def _compare_times(frame: Frame, twin: Frame, index: int, walk: Walk) -> None:
    shift = abs(frame.pts - twin.pts)
    if shift:
        walk.late_frames += 1
        walk.largest_shift = max(walk.largest_shift, shift)
        if walk.first_shift is None:
            walk.first_shift = index


def _fitted(reference: Image, output: Image, walk: Walk) -> Image:
    """The reference at the output's size."""
    if reference.shape == output.shape:
        return reference
    (height, width), (from_height, from_width) = output.shape[:2], reference.shape[:2]
    if abs(width * from_height / (height * from_width) - 1) > ASPECT_TOLERANCE:
        raise InputError(
            f"the output is {width}x{height} and the reference {from_width}x{from_height}: "
            "they do not show the same picture (was the output made with --side-by-side? convert again without it)"
        )
    walk.resized_from = (from_width, from_height)
    return resize_image(reference, width, height)
