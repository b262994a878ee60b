"""The maps of many videos: what makes them is opened once, what fails does not keep the others back.

Peculiar:

- what can be found wrong with an input without working on it is found for all of them before anything heavy is loaded;
- what would go wrong with every input (a maker of maps that is not there) ends the batch at once;
- resumed, it leaves out inputs whose maps are whole, and then may not need to open anything at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from v2vcli.engine import outcomes
from v2vcli.engine.checks import require_known_names
from v2vcli.engine.clip import Clip
from v2vcli.engine.outcomes import BatchMeter, make_folder
from v2vcli.engine.progress import OnProgress
from v2vcli.engine.request import SegmentRequest
from v2vcli.engine.resume import left_under, remove_leftovers
from v2vcli.engine.segment import MapMaker, Segmented, open_map_maker, require_fitting, require_outputs_free, segment
from v2vcli.errors import UsageError, V2VError


@dataclass(frozen=True)
class Outcome(outcomes.Outcome[SegmentRequest, Segmented]):
    """What became of one input; ``skipped`` where whole maps were there already."""

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        found = super().as_dict()
        preview = self.request.preview
        found["preview"] = None if preview is None else str(preview)
        if self.result is not None and self.result.histogram is not None:
            found["classes"] = self.result.histogram.as_dict()
        return found


def segment_all(
    requests: Sequence[SegmentRequest],
    *,
    skip_existing: bool = False,
    progress: OnProgress | None = None,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Store the maps of several videos, one after the other.

    Args:
        requests: what is asked for; they differ in their files alone. Folders that the outputs of several go to are
            made.
        skip_existing: leave out inputs whose maps are there and whole, whoever made them; make half-made ones anew.
        progress: told about progress over all inputs, after every window, in the calling thread.
        told: given every outcome as soon as it is known.

    Returns:
        An outcome for each request, in order. Errors of single inputs are in there.

    Raises:
        ModelError: the maker of maps cannot be opened: no input could be worked on.
        UsageError: as `segment.open_map_maker` and `segment.require_fitting`, or an option names something that does
            not exist.
    """
    for request in requests[:1]:
        require_known_names(request)
    if len(requests) > 1 and requests[0].maps is not None and len({request.maps for request in requests}) == 1:
        raise UsageError(
            f"the maps {requests[0].maps} belong to one video, and there are {len(requests)} inputs; give"
            " --maps a template such as 'maps/{stem}.mkv'"
        )
    plans = [_plan(request, skip_existing, make_folders=len(requests) > 1) for request in requests]
    meter = BatchMeter([plan.frames for plan in plans], progress)
    maker: MapMaker | None = None
    found: list[Outcome] = []
    for index, plan in enumerate(plans):
        outcome = plan.outcome
        if outcome is None:
            if maker is None and plan.request.maps is None:
                maker = open_map_maker(plan.request)
                require_fitting(plan.request, maker.extractor.spec)
            outcome = _segmented(plan, maker, meter.of(index))
            meter.over(index)
        found.append(outcome)
        told(outcome)
    return found


@dataclass(frozen=True)
class _Plan:
    """One input before work begins.

    Attributes:
        request: as it is to be carried out.
        outcome: where nothing is left to do, what became of it.
        frames: about how many there are; 0 where nothing is left to do, None where nobody knows.
        remarks: what was found of an earlier run.
    """

    request: SegmentRequest
    outcome: Outcome | None = None
    frames: int | None = 0
    remarks: tuple[str, ...] = ()


def _plan(request: SegmentRequest, skip_existing: bool, make_folders: bool) -> _Plan:
    remarks: list[str] = []
    try:
        if skip_existing:
            left = left_under(request.output)
            if left.state == "whole":
                if request.preview is not None and not request.preview.exists():
                    remarks.append(f"{request.preview} is not there, and is made only together with the maps: use -y")
                return _Plan(request, Outcome(request, "skipped", remarks=tuple(remarks)))
            if left.state == "half-made":
                remarks.append(f"{left.reason.split('; ')[0]}: made anew")
                request = replace(request, overwrite=True)
            removed = remove_leftovers(request.output, request.preview)
            remarks += [f"{path} was left by an interrupted run: removed, and made anew" for path in removed]
        with Clip(request) as clip:
            frames = clip.expected_frames()
        for path in (request.output, request.preview):
            if path is not None and make_folders:
                make_folder(path.parent)
        require_outputs_free(request)
        return _Plan(request, frames=frames, remarks=tuple(remarks))
    except V2VError as error:
        return _Plan(request, Outcome(request, "failed", error=error, remarks=tuple(remarks)))


def _segmented(plan: _Plan, maker: MapMaker | None, progress: OnProgress) -> Outcome:
    try:
        result = segment(plan.request, progress=progress, maker=maker)
    except V2VError as error:
        return Outcome(plan.request, "failed", error=error, remarks=plan.remarks)
    return Outcome(plan.request, "done", result=result, remarks=plan.remarks)
