"""The maps stage: every window gets the maps it is painted from, made from its frames or read in step with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from v2vcli.engine.windows import Window
from v2vcli.errors import InputError
from v2vcli.maps.spec import MapFrame

if TYPE_CHECKING:
    from v2vcli.maps.extractors import MapExtractor
    from v2vcli.maps.smoothing import LabelSmoother
    from v2vcli.maps.sources import MapSource
    from v2vcli.video.frame import Frame

_SAME_TIME = Fraction(1, 1000)  # containers that count milliseconds cannot say it better


def extracted(
    extractor: MapExtractor, size: tuple[int, int], smoother: LabelSmoother | None = None
) -> Callable[[Iterable[Window]], Iterator[Window]]:
    """A stage that makes maps from frames.

    Args:
        extractor: makes them.
        size: (width, height) of the maps.
        smoother: takes the flicker out of label maps, shot by shot.
    """

    def maps(windows: Iterable[Window]) -> Iterator[Window]:
        before = None
        for window in windows:
            images = [frame.image for frame in window.frames]
            made = extractor.extract(images, size)
            if smoother is not None:
                made, before = smoother.smooth(images, made, None if window.begins_shot else before)
            yield replace(window, maps=tuple(made))

    return maps


def smoother_for(extractor: MapExtractor, strength: float) -> LabelSmoother | None:
    """What takes the flicker out of an extractor's maps: nothing where they are no labels, or with no strength."""
    if extractor.spec.kind != "labels" or strength == 0:
        return None
    from v2vcli.maps.smoothing import LabelSmoother

    return LabelSmoother(strength)


def followed(
    source: MapSource, size: tuple[int, int], *, by_time: bool, warn: Callable[[str], None], part: bool = False
) -> Callable[[Iterable[Window]], Iterator[Window]]:
    """A stage that reads maps that are already made, in step with the frames.

    Args:
        source: the maps, in order.
        size: (width, height) they are brought to.
        by_time: take for each frame the map of the same time (maps of the whole video with a part of the frames);
            otherwise, and where the maps carry no times, the first map belongs to the first frame and so on.
        warn: told when maps are left over.
        part: the frames are not all of the video.

    Raises:
        InputError: (from the stage) a frame has no map.
    """

    def maps(windows: Iterable[Window]) -> Iterator[Window]:
        timed = source.timed()
        for window in windows:
            found = tuple(_map_of(frame, timed, source, by_time).resized(*size) for frame in window.frames)
            yield replace(window, maps=found)
        left = next(timed, None)
        if left is not None and not by_time:
            asked = "the part asked for" if part else "the video"
            warn(f"{source.path}: holds more maps than {asked} has frames; those left over were not used")
        elif left is not None and left[0] is None:
            # they may be those of the whole video: then every frame would have got the wrong one
            raise InputError(
                f"{source.path}: its maps carry no times, and there are more of them than frames in the part asked for;"
                " give those of the part alone, or maps that v2v stored, which hold times"
            )

    return maps


def _map_of(
    frame: Frame, timed: Iterator[tuple[Fraction | None, MapFrame]], source: MapSource, by_time: bool
) -> MapFrame:
    for pts, found in timed:
        if not by_time or pts is None or abs(pts - frame.pts) <= _SAME_TIME:
            return found
        if pts > frame.pts:
            raise InputError(
                f"{source.path}: has no map for the frame at {float(frame.pts):.3f} s; maps for a part of a video are"
                " made with the same -ss, -t and -r, or of the whole video without -r"
            )
    raise InputError(
        f"{source.path}: ends before the video: no map for frame {frame.index} at {float(frame.pts):.3f} s;"
        " give one map per frame, or convert less with -t"
    )
