"""`evaluate`: walk an output video, with its reference and maps, once, and feed every metric asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from v2vcli.errors import UsageError

# Imported for their entries in the table of metrics.
from v2vcli.evaluation import agreement, colour, fidelity, temporal  # noqa: F401
from v2vcli.evaluation.registry import METRICS, Context, MetricInfo, Moment, Need, find_metric
from v2vcli.evaluation.report import Report, Score
from v2vcli.evaluation.streams import Walk, moments
from v2vcli.video.reader import VideoReader

if TYPE_CHECKING:
    from v2vcli.maps.makers.extractors import MapExtractor
    from v2vcli.maps.spec import MapFrame


def evaluate(
    output: str | Path,
    reference: str | Path | None = None,
    *,
    maps: str | Path | Iterable[MapFrame] | None = None,
    extractor: MapExtractor | None = None,
    map_size: tuple[int, int] | None = None,
    metrics: Sequence[str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Measure how good a painted video is, in one pass and constant memory.

    Args:
        output: the video to judge.
        reference: the video it was made from; frames are compared by position, scaled to the output's size.
        maps: the maps the output was painted from, one for each frame: `MapFrame`s, or a path for `open_maps`.
        extractor: makes maps from pictures, for ``map_agreement``. Without ``maps``, the asked maps are those that it
            makes from the reference.
        map_size: (width, height) of the maps that are made from the reference, the model's paint size; None for the
            output's size.
        metrics: names (`METRICS`); None takes every one that the given inputs allow.
        progress: called with the number of frames done.

    Returns:
        A report with a score for each metric, and a remark for each thing that did not fit.

    Raises:
        UsageError: a metric is unknown, or needs something that was not given.
        InputError: a file cannot be read, or the pictures cannot be compared.
        SchemaMismatch: the maps' labels and the extractor's do not fit.
    """
    if maps is not None and extractor is None:
        raise UsageError(f"maps are compared with those found in the output: give {_HOW_TO_GIVE['maps']}")
    chosen = _choose(metrics, _given(reference, maps, extractor))
    walk = Walk()
    with ExitStack() as stack:
        judged = stack.enter_context(VideoReader(output))
        compared = None if reference is None else stack.enter_context(VideoReader(reference))
        context = Context(judged.info.width, judged.info.height, extractor)
        running = [(info, info.make(context)) for info in chosen]
        asking = any("maps" in info.needs for info in chosen)
        asked = _open(maps, extractor) if asking and maps is not None else None
        row = moments(judged, compared, asked, walk)
        if asking and asked is None and extractor is not None:
            row = _asked_of_reference(row, extractor, map_size or (context.width, context.height))
        for moment in row:
            for _, measuring in running:
                measuring.update(moment)
            if progress is not None:
                progress(moment.index + 1)
    return Report(
        output=str(output),
        reference=None if reference is None else str(reference),
        frames=walk.frames,
        width=context.width,
        height=context.height,
        scores=tuple(Score(info, measuring.measurement()) for info, measuring in running),
        remarks=tuple(walk.remarks()),
    )


def _given(reference: object, maps: object, extractor: object) -> set[Need]:
    given: set[Need] = set()
    if reference is not None:
        given.add("reference")
    if extractor is not None and (maps is not None or reference is not None):
        given.add("maps")
    return given


_HOW_TO_GIVE: dict[Need, str] = {
    "reference": "a reference video (--reference)",
    "maps": "an extractor (--mode) and the maps (--maps) or the reference to make them from (--reference)",
}


def _choose(names: Sequence[str] | None, given: set[Need]) -> list[MetricInfo]:
    """The metrics asked for, or all that ``given`` allows."""
    if names is None:
        return [info for info in METRICS.values() if info.needs <= given]
    chosen = [find_metric(name) for name in dict.fromkeys(names)]
    for info in chosen:
        for need in sorted(info.needs - given):
            raise UsageError(f"{info.name} needs {_HOW_TO_GIVE[need]}")
    return chosen


def _open(maps: str | Path | Iterable[MapFrame], extractor: MapExtractor | None) -> Iterable[MapFrame]:
    if not isinstance(maps, str | Path):
        return maps
    from v2vcli.maps.files.sources import open_maps

    assert extractor is not None, "_choose lets no metric through that needs maps without an extractor"
    return open_maps(maps, extractor.spec)


def _asked_of_reference(row: Iterable[Moment], extractor: MapExtractor, size: tuple[int, int]) -> Iterator[Moment]:
    """Give every moment the map that the extractor makes of its reference."""
    for moment in row:
        assert moment.reference is not None
        (asked,) = extractor.extract([moment.reference], size)
        yield Moment(moment.index, moment.output, moment.reference, asked)
