"""Many conversions: one model for all, what fails does not keep the others back, what is done is not done again.

Peculiar:

- what would damage files is refused before anything starts: an output that is some input, or the output of another;
- whether a file is left to do is told from its name, size and time alone: no video is opened and no torch imported
  until the first one is, so that a batch of thousands in which nothing is left is answered at once;
- folders that outputs go to are made as far as files that are left to do need them;
- who does the work is a `Crew`: this process, several, or machines (`convert_worker`, `worker_processes`, `ray_batch`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from v2vcli import partfile
from v2vcli.engine import outcomes
from v2vcli.engine.archive import Archive, Identity, identity
from v2vcli.engine.convert_worker import Crew, Task, alone
from v2vcli.engine.outcomes import BatchMeter, make_folder
from v2vcli.engine.progress import OnProgress, Result
from v2vcli.engine.request import ConvertRequest
from v2vcli.errors import InputError, UsageError, V2VError

Outcome: TypeAlias = outcomes.Outcome[ConvertRequest, Result]


def convert_all(
    requests: Sequence[ConvertRequest],
    *,
    skip_existing: bool = False,
    archive: Archive | None = None,
    keep_going: bool = True,
    crew: Crew | None = None,
    progress: OnProgress | None = None,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Convert several videos.

    Args:
        requests: what is asked for; they differ in their files alone.
        skip_existing: leave out inputs whose output exists. It is whole: under its final name nothing else ever is.
        archive: leave out what is recorded there, and record what is done.
        keep_going: after a failure the others are done all the same; else those that are not begun are left.
        crew: who does the work; None: this process.
        progress: told about progress over all inputs.
        told: given every outcome as soon as it is known.

    Returns:
        An outcome for each request, in order. Errors of single inputs are in there.

    Raises:
        UsageError: outputs and inputs get in each other's way, or the request names something that does not exist.
        ModelError: the model cannot be opened: no input could be worked on.
        OutputError: the archive cannot be written.
    """
    refuse_collisions(requests, None if archive is None else archive.path)
    found: dict[int, Outcome] = {}

    def settle(index: int, outcome: Outcome) -> None:
        found[index] = outcome
        told(outcome)

    plans: dict[int, _Plan] = {}
    for index, request in enumerate(requests):
        plan = _plan(request, skip_existing, archive)
        if plan.outcome is None:
            plans[index] = plan
        else:
            settle(index, plan.outcome)
            if plan.outcome.error is not None and not keep_going:
                plans.clear()
                break
    meter = BatchMeter([None if index in plans else 0 for index in range(len(requests))], progress)
    tasks = [Task(index, plan.request) for index, plan in plans.items()]
    if tasks:
        crew = crew or alone()
        _require_known_names(tasks)
        with closing(crew(tasks, meter.told)) as work:
            for task, came in work:
                plan = plans[task.index]
                meter.over(task.index)
                if isinstance(came, V2VError):
                    settle(task.index, outcomes.Outcome(task.request, "failed", error=came, remarks=plan.remarks))
                    if not keep_going:
                        break
                    continue
                if archive is not None and plan.version is not None and not came.stopped:
                    archive.add(task.request, plan.version, came.progress.frames)
                settle(task.index, outcomes.Outcome(task.request, "done", result=came, remarks=plan.remarks))
    for index, request in enumerate(requests):
        if index not in found:
            settle(index, outcomes.Outcome(request, "left"))
    return [found[index] for index in range(len(requests))]


@dataclass(frozen=True)
class _Plan:
    """One input before work begins.

    Attributes:
        request: what is asked for.
        outcome: where nothing is left to do, what became of it.
        version: of the input; None where it is no file.
        remarks: what else is to be said.
    """

    request: ConvertRequest
    outcome: Outcome | None = None
    version: Identity | None = None
    remarks: tuple[str, ...] = ()


def _plan(request: ConvertRequest, skip_existing: bool, archive: Archive | None) -> _Plan:
    remarks: tuple[str, ...] = ()
    try:
        version = _version(request.input)
        if archive is not None and version is not None:
            recorded = archive.find(request, version)
            if recorded == "done":
                return _Plan(request, outcomes.Outcome(request, "skipped", remarks=(f"recorded in {archive.path}",)))
            if recorded == "changed":
                remarks = (f"{request.input}: the input or the options are not those of {archive.path}: made anew",)
        if skip_existing and os.path.lexists(request.output):
            return _Plan(request, outcomes.Outcome(request, "skipped", remarks=(f"{request.output} exists",)))
        for path in (request.output, request.save_maps):
            if path is not None:
                make_folder(path.parent)
        from v2vcli.video.destination import (
            require_writable,
        )  # and with it av, which a batch that is done has no use for

        require_writable(
            request.output, format=request.output_format, overwrite=request.overwrite, inputs=[request.input]
        )
        return _Plan(request, version=version, remarks=remarks)
    except V2VError as error:
        return _Plan(request, outcomes.Outcome(request, "failed", error=error, remarks=remarks))


def _version(path: Path) -> Identity | None:
    """Which version of an input is there; None of what is no single file.

    Raises:
        InputError: there is nothing.
    """
    try:
        return identity(path)
    except OSError as error:
        if "%" in path.name or "://" in str(path):  # a sequence of pictures, or a stream: whoever opens it will tell
            return None
        raise InputError(f"{path} does not exist; check the path") from error


def refuse_collisions(requests: Sequence[ConvertRequest], archive: Path | None = None) -> None:
    """Refuse outputs that are some input, the output of another input, or the archive; opens nothing.

    Raises:
        UsageError: names both.
    """
    taken = {_place(request.input): f"the input {request.input}" for request in requests}
    for request in requests:
        if request.maps is not None:
            taken.setdefault(_place(request.maps), f"the maps {request.maps}")
    if archive is not None:
        taken[_place(archive)] = "the archive"
    for request in requests:
        for output in (request.output, request.save_maps):
            if output is None:
                continue
            for place in (output, partfile.part_of(output)):
                if (other := taken.get(_place(place))) is not None:
                    raise UsageError(
                        f"{request.input} would be written to {place}, which is {other}; choose another -o"
                    )
        for output in (request.output, request.save_maps):
            if output is not None:
                taken[_place(output)] = f"the output of {request.input}"


def own_results(requests: Iterable[ConvertRequest]) -> set[Path]:
    """Inputs that are outputs of other inputs: what an earlier run of a batch left where its inputs are looked for."""
    requests = list(requests)
    outputs = {_place(request.output) for request in requests}
    return {request.input for request in requests if _place(request.input) in outputs}


def _place(path: Path) -> tuple[int, int] | str:
    """What is the same for two names of one file."""
    try:
        stat = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return stat.st_dev, stat.st_ino


def _require_known_names(tasks: Sequence[Task]) -> None:
    """Refuse what would be wrong with every file before torch is imported; maps may be missing of one file alone."""
    from v2vcli.engine.checks import require_known_names  # and with it PyAV

    if tasks[0].request.maps is None:
        require_known_names(tasks[0].request)
