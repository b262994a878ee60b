"""The maps of many videos: what makes them is opened once, what fails does not keep the others back.

Peculiar:

- what can be found wrong with an input without working on it is found for all of them before anything heavy is loaded;
- what would go wrong with every input (a maker of maps that is not there) ends the batch at once;
- resumed, it leaves out inputs whose maps are whole, and then may not need to open anything at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from v2vcli.engine.checks import require_known_names
from v2vcli.engine.clip import Clip
from v2vcli.engine.progress import OnProgress, Progress
from v2vcli.engine.request import SegmentRequest
from v2vcli.engine.resume import left_under, remove_leftovers
from v2vcli.engine.segment import MapMaker, Segmented, open_map_maker, require_fitting, require_outputs_free, segment
from v2vcli.errors import OutputError, UsageError, V2VError


@dataclass(frozen=True)
class Outcome:
    """What became of one input.

    Attributes:
        request: what was asked for.
        state: ``skipped`` where whole maps were there already.
        result: of inputs that were done.
        error: of inputs that failed.
        remarks: what was found of an earlier run, one line each.
    """

    request: SegmentRequest
    state: Literal["done", "skipped", "failed"]
    result: Segmented | None = None
    error: V2VError | None = None
    remarks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        preview = self.request.preview
        found: dict[str, Any] = {
            "input": str(self.request.input),
            "output": str(self.request.output),
            "preview": None if preview is None else str(preview),
            "state": self.state,
            "remarks": list(self.remarks),
        }
        if self.error is not None:
            found |= {"error": str(self.error), "exit_code": self.error.exit_code}
        if self.result is not None:
            done = self.result.progress
            found |= {
                "width": self.result.width,
                "height": self.result.height,
                "frames": done.frames,
                "seconds": float(done.media),
                "elapsed": round(done.elapsed, 3),
                "fps": round(done.fps, 3),
                "warnings": list(self.result.warnings),
            }
            if self.result.histogram is not None:
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
    meter = _Meter([plan.frames for plan in plans], progress)
    maker: MapMaker | None = None
    outcomes: list[Outcome] = []
    for index, plan in enumerate(plans):
        outcome = plan.outcome
        if outcome is None:
            if maker is None and plan.request.maps is None:
                maker = open_map_maker(plan.request)
                require_fitting(plan.request, maker.extractor.spec)
            outcome = _segmented(plan, maker, meter.of(index))
        outcomes.append(outcome)
        told(outcome)
    return outcomes


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
                _make_folder(path.parent)
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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror or error}; choose another -o") from error


class _Meter:
    """Progress of one input after the other as progress of all."""

    def __init__(self, expected: list[int | None], on_progress: OnProgress | None) -> None:
        self._expected = expected
        self._on_progress = on_progress
        self._began = time.monotonic()
        self._last: dict[int, Progress] = {}

    def of(self, index: int) -> OnProgress:
        """What to hand to the work on one input."""

        def report(progress: Progress) -> None:
            self._last[index] = progress
            if self._on_progress is None:
                return
            seen = self._last.values()
            # of inputs before this one it is known by now how many frames there were
            known = [self._last[n].frames if n in self._last and n < index else e for n, e in enumerate(self._expected)]
            counts = [count for count in known if count is not None]
            total = sum(counts) if len(counts) == len(known) else None
            frames = sum(each.frames for each in seen)
            media = sum((each.media for each in seen), Fraction(0))
            elapsed = time.monotonic() - self._began
            file = (index + 1, len(self._expected)) if len(self._expected) > 1 else None
            self._on_progress(Progress(frames, total, media, elapsed, file))

        return report
