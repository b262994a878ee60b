"""``v2v segment``."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from v2vcli.cli import options
from v2vcli.cli.display import conclude, progress_display
from v2vcli.cli.messages import messages
from v2vcli.cli.summary import judge
from v2vcli.engine.output_names import FORMATS, given_for, map_outputs, video_outputs
from v2vcli.engine.request import SegmentRequest
from v2vcli.errors import UsageError

if TYPE_CHECKING:
    from v2vcli.engine.batch import Outcome

EXAMPLES = """[bold]Examples[/bold]

v2v segment drive.mp4 -o maps.mkv --preview look.mp4 --stats

v2v segment drive.mp4 -o maps/ --format png -t 10 -s 640x360

v2v segment clips/*.mp4 -o maps/ --preview 'look/{stem}.mp4' --skip-existing

v2v segment drive.mp4 -o maps.mkv --segmenter torchvision:maskrcnn_resnet50_fpn_v2 --track

v2v segment drive.mp4 -o winter.mkv --relabel tree=building --relabel 'car@#12@1.5-3=bus'

v2v segment drive.mp4 --maps labels/ --maps-schema cityscapes35 -o maps.mkv

v2v segment me.mp4 -o edges.mkv --mode edge2face
"""


def segment(
    inputs: Annotated[list[Path], typer.Argument(help="The videos to read.", metavar="INPUT", show_default=False)],
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            help="maps.mkv, or a folder of PNGs. Of several inputs: a folder, or a template such as 'maps/{stem}.mkv'"
            " ({stem}, {parent}, {index}).",
            rich_help_panel=options.FILES_PANEL,
        ),
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="|".join(FORMATS),
            help="One file per input, or a folder of PNGs per input. Default: by the output's name; mkv for several.",
            rich_help_panel=options.FILES_PANEL,
        ),
    ] = None,
    preview: Annotated[
        str | None,
        typer.Option(
            "--preview",
            metavar="OUT",
            help="Also a video of the maps over the frames, with a legend. Of several inputs: a folder or a template.",
            rich_help_panel=options.FILES_PANEL,
        ),
    ] = None,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Resume: leave out inputs whose maps are there and whole, whatever made them; make half-made ones"
            " anew.",
            rich_help_panel=options.FILES_PANEL,
        ),
    ] = False,
    stats: Annotated[
        bool,
        typer.Option("--stats", help="Print which classes there are, and how much of each.", rich_help_panel="Output"),
    ] = False,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print what became of each input as JSON.", rich_help_panel="Output"),
    ] = False,
    mode: options.Mode = None,
    model: options.Model = None,
    segmenter: options.Segmenter = None,
    pose: options.Pose = None,
    face: options.Face = None,
    edges: options.Edges = None,
    maps: options.Maps = None,
    maps_schema: options.MapsSchema = None,
    smooth_maps: options.SmoothMaps = 0.93,
    track: options.Track = False,
    relabel: options.Relabel = None,
    yes: options.Yes = False,
    no: options.No = False,
    start: options.Start = None,
    duration: options.Duration = None,
    end: options.End = None,
    rate: options.Rate = None,
    size: Annotated[
        str | None,
        typer.Option(
            "-s", metavar="WxH", help="Size of the maps. Default: the input's.", rich_help_panel=options.RANGE_PANEL
        ),
    ] = None,
    device: options.Device = "auto",
    window: options.Window = None,
    tolerant: options.Tolerant = False,
    loglevel: options.LogLevel = "info",
) -> None:
    """Store only the maps of videos, to look at, edit, and paint from (v2v convert --maps).

    Without --mode, --model and a maker they are label maps of a street. If some of several inputs fail, the others are
    done all the same, and the exit code is 3.
    """
    options.refuse_both(yes, no)
    if skip_existing and yes:
        raise UsageError("--skip-existing keeps what is there and -y overwrites it; give one of them")
    asked: dict[str, Any] = {
        "mode": mode,
        "model": model,
        "segmenter": segmenter,
        "pose": pose,
        "face": face,
        "edges": edges,
        "maps_schema": maps_schema,
        "smooth_maps": smooth_maps,
        "track": track,
        "relabel": tuple(relabel or ()),
        "overwrite": yes,
        "start": start,
        "duration": duration,
        "end": end,
        "rate": rate,
        "size": size,
        "device": device,
        "window": window,
        "tolerant": tolerant,
        "stats": stats,
    }
    files = _files(inputs, output, form, preview, maps)
    requests = [SegmentRequest(**asked, **each) for each in files]
    with progress_display(messages) as report:
        from v2vcli.engine.batch import segment_all

        outcomes = segment_all(
            requests,
            skip_existing=skip_existing,
            progress=report,
            told=lambda outcome: _tell(outcome, len(requests) == 1),
        )
    if json:
        print(jsonlib.dumps([outcome.as_dict() for outcome in outcomes], indent=2))
    elif stats:
        _print_stats(outcomes)
    judge(outcomes)


def _files(
    inputs: list[Path], output: str, form: str | None, preview: str | None, maps: Path | None
) -> list[dict[str, Any]]:
    """What each input is read from and written to."""
    outputs = map_outputs(inputs, output, form)
    looks = [None] * len(inputs) if preview is None else video_outputs(inputs, preview, "--preview")
    given = [None] * len(inputs) if maps is None else given_for(inputs, str(maps), "--maps")
    return [
        {"input": each, "output": outputs[n], "preview": looks[n], "maps": given[n]} for n, each in enumerate(inputs)
    ]


def _tell(outcome: Outcome, alone: bool) -> None:
    """What became of one input, as soon as it is known."""
    for remark in outcome.remarks:
        messages.info(remark)
    if outcome.result is not None:
        conclude(messages, outcome.result)
        if outcome.request.preview is not None:
            messages.info(f"{outcome.request.preview}: the maps over the frames")
    elif outcome.state == "skipped":
        messages.info(f"{outcome.request.output}: skipped, its maps are there and whole")
    elif outcome.error is not None and not alone:
        messages.error(str(outcome.error))


def _print_stats(outcomes: Sequence[Outcome]) -> None:
    from rich import print as show

    from v2vcli.cli.class_table import class_table

    for outcome in outcomes:
        if outcome.result is not None and outcome.result.histogram is not None:
            show(class_table(outcome.result.histogram, outcome.request.input.name))
