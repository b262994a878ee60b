"""Frames in windows: what the stages hand to one another.

A window never reaches across a cut, because what was painted before a cut is forgotten there. Where windows end is a
function of the video alone, never of which thread was faster; so the same command paints the same frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from v2vcli.engine.cut_list import CutFinder
from v2vcli.maps.over_time.flow import GuideFlow
from v2vcli.maps.spec import MapFrame
from v2vcli.video.frame import Frame


@dataclass(frozen=True, eq=False)
class Window:
    """Neighbouring frames of one shot, in order.

    Attributes:
        frames: at least one.
        begins_shot: nothing painted before has anything to do with them.
        maps: one for each frame, once they are made.
        guides: the flow from each frame to the one before, where labels are smoothed along it.
    """

    frames: tuple[Frame, ...]
    begins_shot: bool
    maps: tuple[MapFrame, ...] = ()
    guides: tuple[GuideFlow | None, ...] = ()


def windows(frames: Iterable[Frame], length: int, detector: CutFinder | None) -> Iterator[Window]:
    """Group frames into windows of at most `length`, ended early where a shot ends.

    Args:
        frames: of one video, in order.
        length: frames per window, at least 1.
        detector: finds the cuts; None: there are none.
    """
    held: list[Frame] = []
    begins_shot = True
    for frame in frames:
        cut = detector is not None and detector.is_cut(frame)
        if held and (cut or len(held) == length):
            yield Window(tuple(held), begins_shot)
            held, begins_shot = [], False
        begins_shot |= cut
        held.append(frame)
        del frame
    if held:
        yield Window(tuple(held), begins_shot)
