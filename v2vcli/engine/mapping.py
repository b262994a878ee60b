"""The stages of maps: every window gets the maps it is painted from, made from its frames or read in step with them.

A `Stage` turns windows into windows. There are several in a row: making or reading, then for label maps what the
request wants of them: smoothing, following of instances, edits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from v2vcli.engine.request import ClipRequest
from v2vcli.engine.windows import Window
from v2vcli.errors import InputError, UsageError
from v2vcli.maps.over_time.flow import GuideFlow
from v2vcli.maps.spec import MapFrame, MapSpec

if TYPE_CHECKING:
    from v2vcli.maps.edits import Edits
    from v2vcli.maps.files.sources import MapSource
    from v2vcli.maps.makers.extractors import MapExtractor
    from v2vcli.video.frame import Frame, VideoInfo

Memory = TypeVar("Memory")
Stage: TypeAlias = Callable[[Iterable[Window]], Iterator[Window]]
Picture: TypeAlias = NDArray[np.uint8]
Guides: TypeAlias = Sequence[GuideFlow | None]
Refine: TypeAlias = Callable[
    [Sequence[Picture], Sequence[MapFrame], Memory | None, Guides], tuple[Sequence[MapFrame], Memory | None]
]

_SAME_TIME = Fraction(1, 1000)  # containers that count milliseconds cannot say it better


def extracted(extractor: MapExtractor, size: tuple[int, int]) -> Stage:
    """A stage that makes maps from frames.

    Args:
        extractor: makes them.
        size: (width, height) of the maps.
    """

    def maps(windows: Iterable[Window]) -> Iterator[Window]:
        for window in windows:
            yield replace(window, maps=tuple(extractor.extract(_images(window), size)))

    return maps


def guided() -> Stage:
    """A stage that finds the flow between frames, most of the work of smoothing and following, once for both."""
    from v2vcli.maps.over_time.smoothing import FlowGuides

    flow = FlowGuides()

    def guides(windows: Iterable[Window]) -> Iterator[Window]:
        before = None
        for window in windows:
            found, before = flow.between(_images(window), None if window.begins_shot else before)
            yield replace(window, guides=tuple(found))

    return guides


def refined(refine: Refine[Memory], *, last: bool) -> Stage:
    """A stage that takes the maps of a shot in order, and remembers: `LabelSmoother.smooth`, `InstanceTracker.track`.

    Args:
        refine: (images, maps, what it returned last; None where a shot begins, flow as `guided` finds it) to (maps,
            what it is to be given next).
        last: nobody needs the flow after this.
    """

    def maps(windows: Iterable[Window]) -> Iterator[Window]:
        memory: Memory | None = None
        for window in windows:
            before = None if window.begins_shot else memory
            made, memory = refine(_images(window), window.maps, before, window.guides)
            yield replace(window, maps=tuple(made), guides=() if last else window.guides)

    return maps


def edited(edits: Edits, warn: Callable[[str], None]) -> Stage:
    """A stage that changes maps as ``--relabel`` says.

    Args:
        edits: in order.
        warn: told of those that changed nothing, when all maps have been seen.
    """

    def maps(windows: Iterable[Window]) -> Iterator[Window]:
        for window in windows:
            pairs = zip(window.maps, window.frames, strict=True)
            yield replace(window, maps=tuple(edits.apply(each, frame.pts) for each, frame in pairs))
        for text in edits.idle():
            warn(f"--relabel '{text}' changed nothing: nothing of the kind was seen there")

    return maps


def refinements(
    request: ClipRequest, spec: MapSpec, video: VideoInfo, *, made: bool, warn: Callable[[str], None]
) -> Iterator[Stage]:
    """The stages between maps as they come and maps as they are painted from and kept, as a request wants them.

    Args:
        request: what is asked for: smoothing, following of instances, edits.
        spec: of the maps.
        video: in its pixels edits say places, and from its beginning they count times.
        made: they were made from the frames just now; those that somebody made already are not smoothed.
        warn: told of edits that changed nothing.

    Raises:
        UsageError: label maps are needed for what is asked for, or an edit cannot be understood.
    """
    if spec.kind != "labels":
        for option, given in (("--track", request.track), ("--relabel", bool(request.relabel))):
            if given:
                raise UsageError(f"{option} is for label maps, and these are '{spec.kind}' maps; leave it out")
        return
    refiners: list[Refine[Any]] = []
    if made and request.smooth_maps > 0:
        from v2vcli.maps.over_time.smoothing import LabelSmoother

        refiners.append(LabelSmoother(request.smooth_maps).smooth)
    if request.track:
        from v2vcli.maps.over_time.tracking import InstanceTracker

        refiners.append(_with_instances(InstanceTracker().track))
    if refiners:
        yield guided()
        yield from (refined(refine, last=refine is refiners[-1]) for refine in refiners)
    if request.relabel:
        from v2vcli.maps.edits import Edits

        size = video.width, video.height
        edits = Edits.parse(request.relabel, spec.label_schema, video=size, origin=video.origin)
        yield edited(edits, warn)


def _with_instances(track: Refine[Memory]) -> Refine[Memory]:
    """The same, once the maps have been seen to tell instances."""

    def tracked(
        images: Sequence[Picture], maps: Sequence[MapFrame], before: Memory | None, guides: Guides
    ) -> tuple[Sequence[MapFrame], Memory | None]:
        if any(each.instances is None for each in maps):
            raise UsageError(
                "--track follows instances, and these maps tell none; take a --segmenter that does "
                "(torchvision:maskrcnn_resnet50_fpn_v2, or hf: with a panoptic model), or maps that have them"
            )
        return track(images, maps, before, guides)

    return tracked


def _images(window: Window) -> list[Picture]:
    return [frame.image for frame in window.frames]


def followed(
    source: MapSource, size: tuple[int, int], *, by_time: bool, warn: Callable[[str], None], part: bool = False
) -> Stage:
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
        timed: Iterator[tuple[Fraction | None, MapFrame]] | None = None
        begins_shot = False
        for whole in windows:
            if timed is None:
                timed, begin = _begun(source, whole.frames[0].pts - _SAME_TIME if by_time else None)
            # what is only there to warm up with has no map where the maps are those of the part alone
            window = replace(
                whole,
                frames=tuple(f for f in whole.frames if f.index >= 0 or (begin is not None and f.pts >= begin)),
                begins_shot=whole.begins_shot or begins_shot,
            )
            begins_shot = window.begins_shot and not window.frames
            if not window.frames:
                continue
            found = [_on_frame(frame, _map_of(frame, timed, source, by_time), source) for frame in window.frames]
            yield replace(window, maps=tuple(each.resized(*size) for each in found))
        left = None if timed is None else next(timed, None)
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


def given(
    request: ClipRequest,
    maps: Path,
    spec: MapSpec,
    *,
    video: tuple[int, int],
    size: tuple[int, int],
    warn: Callable[[str], None],
) -> Stage:
    """`followed`, of the maps that a request gives: in step with the stretch of the video that it asks for.

    Args:
        request: says the stretch, and what the ids mean (``--maps-schema``).
        maps: `request.maps`.
        spec: what they are brought to.
        video: (width, height), for maps that have no size of their own.
        size: (width, height) they are brought to.
        warn: told when maps are left over.

    Raises:
        InputError: there are no such maps.
        SchemaMismatch: their labels do not fit.
        UsageError: no schema of that name; or their schema is not known and not given.
    """
    from v2vcli.maps.files.sources import open_maps
    from v2vcli.maps.schema import find_schema

    schema = None if request.maps_schema is None else find_schema(request.maps_schema)
    by_time = request.start is not None or request.rate is not None
    part = request.duration is not None or request.end is not None
    return followed(open_maps(maps, spec, schema, size=video), size, by_time=by_time, warn=warn, part=part)


def _begun(
    source: MapSource, start: Fraction | None
) -> tuple[Iterator[tuple[Fraction | None, MapFrame]], Fraction | None]:
    """The maps from a time on, and from when on there are any; None if they carry no times."""
    timed = source.timed(start)
    first = next(timed, None)
    if first is None:
        return timed, None
    return chain([first], timed), None if first[0] is None else first[0] - _SAME_TIME


def _on_frame(frame: Frame, found: MapFrame, source: MapSource) -> MapFrame:
    """A map of landmarks with the edges of the frame around the face; what was stored as a map has them."""
    if source.stored is not None or found.spec.kind != "face":
        return found
    from v2vcli.maps.files.keypoint_folder import drawn_on

    return drawn_on(found, frame.image)


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
