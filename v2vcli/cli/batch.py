"""Many inputs of ``v2v convert``: the options that are about a batch, and how it is told how it went."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from v2vcli.cli.messages import messages
from v2vcli.cli.summary import judge
from v2vcli.engine.inputs import InputFile, find_inputs, is_several
from v2vcli.engine.output_names import converted_outputs, given_for, is_template
from v2vcli.engine.request import ConvertRequest
from v2vcli.engine.shards import read_shard
from v2vcli.errors import UsageError

if TYPE_CHECKING:
    from v2vcli.cli.reporting import Report
    from v2vcli.engine.convert_batch import Outcome
    from v2vcli.engine.convert_worker import Crew

BATCH_PANEL = "Many inputs"

Inputs: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        help="The videos to read: files, - for standard input, 'clips/*.mp4', @list.txt, folders with -R.",
        metavar="INPUT...",
        show_default=False,
    ),
]
Recursive: TypeAlias = Annotated[
    bool,
    typer.Option(
        "-R",
        "--recursive",
        help="Folders stand for all videos in them; their subfolders are made anew below -o.",
        rich_help_panel=BATCH_PANEL,
    ),
]
SkipExisting: TypeAlias = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out what has its output.", rich_help_panel=BATCH_PANEL)
]
ArchiveFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="done.jsonl",
        help="Record what is done there, and leave out what is recorded, wherever its output is now.",
        rich_help_panel=BATCH_PANEL,
    ),
]
ShardOf: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N|slurm",
        help="Only the I-th of N equal parts; slurm: the one of this task of an array job.",
        rich_help_panel=BATCH_PANEL,
    ),
]
Gpus: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--gpus",
        metavar="N",
        help="Share the files out over N worker processes, one per GPU (or over N shares of the CPU).",
        rich_help_panel=BATCH_PANEL,
    ),
]
KeepGoing: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--keep-going/--no-keep-going",
        help="After a failure do the others all the same, and exit with 3.",
        rich_help_panel=BATCH_PANEL,
    ),
]
RayAddress: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS|local",
        help="Share the files out over a Ray cluster (extra \\[ray]); --gpus N: over N workers of it.",
        rich_help_panel=BATCH_PANEL,
    ),
]


@dataclass(frozen=True)
class BatchOptions:
    """What the options above say.

    Attributes:
        recursive: ``-R``.
        skip_existing: ``--skip-existing``.
        archive: ``--archive``.
        shard: ``--shard``.
        gpus: ``--gpus``.
        keep_going: ``--keep-going``.
        ray: ``--ray``.
    """

    recursive: bool = False
    skip_existing: bool = False
    archive: Path | None = None
    shard: str | None = None
    gpus: int | None = None
    keep_going: bool = True
    ray: str | None = None


def is_batch(inputs: Sequence[str], output: str, batch: BatchOptions) -> bool:
    """Whether a command line is about a batch; a plain path and a plain output never are."""
    return (
        batch != BatchOptions()
        or is_several(inputs)
        or is_template(output)
        or output.endswith("/")  # a folder, even for one
    )


def run_batch(
    inputs: Sequence[str],
    output: str,
    asked: Mapping[str, Any],
    batch: BatchOptions,
    told_by: Callable[..., AbstractContextManager[Report]],
) -> None:
    """Convert many videos and say how it went.

    Args:
        inputs: as written, see `engine.inputs`.
        output: ``-o``: a folder or a template; of one input also a file.
        asked: fields of `ConvertRequest`; ``maps`` and ``save_maps`` are templates; ``input``, ``output`` are ignored.
        batch: the options above.
        told_by: `cli.reporting.reporting`, but for ``files``.

    Raises:
        SomeInputsFailed: some of several did.
        V2VError: the only input failed, or nothing could be begun.
    """
    if batch.skip_existing and asked.get("overwrite"):
        raise UsageError("--skip-existing keeps what is there and -y overwrites it; give one of them")
    crew = _crew(batch)
    shard = read_shard(batch.shard)
    files = find_inputs(inputs, recursive=batch.recursive)
    from v2vcli.engine.archive import Archive
    from v2vcli.engine.convert_batch import convert_all, own_results, refuse_collisions
    from v2vcli.engine.convert_worker import alone

    requests = _requests(files, output, asked)
    if results := own_results(requests).intersection(each.path for each in files if each.found):
        messages.info(f"{len(results)} of the files found are results of this very batch: left out")
        requests = _requests([each for each in files if each.path not in results], output, asked)
    refuse_collisions(requests, batch.archive)
    archive = None if batch.archive is None else Archive(batch.archive)
    mine = shard.of(requests)
    if not mine:
        messages.info(f"--shard {shard}: none of {len(requests)} inputs falls to it")
        return
    with told_by(files=len(mine)) as report:

        def tell(outcome: Outcome) -> None:
            _tell(report, outcome, alone=len(mine) == 1)

        outcomes = convert_all(
            mine,
            skip_existing=batch.skip_existing,
            archive=archive,
            keep_going=batch.keep_going,
            crew=crew or alone(report.stop),
            progress=report.progress,
            told=tell,
        )
    judge(outcomes)


def _crew(batch: BatchOptions) -> Crew | None:
    """Who does the work, where it is not this process."""
    if batch.ray is not None:
        from v2vcli.engine.ray_batch import on_ray

        return on_ray(batch.ray, batch.gpus)
    if batch.gpus is not None:
        from v2vcli.engine.worker_processes import processes

        return processes(batch.gpus)
    return None


def _requests(files: Sequence[InputFile], output: str, asked: Mapping[str, Any]) -> list[ConvertRequest]:
    """What is asked for of each input.

    Raises:
        UsageError: two of them would be written to the same place, or a template is wrong.
    """
    mode = asked.get("mode") or Path(str(asked.get("model") or "model")).stem
    paths = [each.path for each in files]
    outputs = converted_outputs(files, output, "-o", mode)
    maps, saved = (
        [None] * len(files) if asked.get(name) is None else given_for(paths, str(asked[name]), option)
        for name, option in (("maps", "--maps"), ("save_maps", "--save-maps"))
    )
    same = {name: value for name, value in asked.items() if name not in ("input", "output", "maps", "save_maps")}
    return [
        ConvertRequest(**same, input=path, output=outputs[n], maps=maps[n], save_maps=saved[n])
        for n, path in enumerate(paths)
    ]


def _tell(report: Report, outcome: Outcome, *, alone: bool) -> None:
    """What became of one input, as soon as it is known."""
    if outcome.state == "skipped":
        report.skipped(outcome.request, "; ".join(outcome.remarks))
        return
    for remark in outcome.remarks:
        report.info(remark)
    if outcome.result is not None:
        report.done(outcome.request, outcome.result)
    elif outcome.error is not None and not alone:
        report.failed(outcome.request, outcome.error)
