"""``v2v segment``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from v2vcli.cli import options
from v2vcli.cli.display import conclude, progress_display
from v2vcli.cli.messages import messages
from v2vcli.engine.request import SegmentRequest

EXAMPLES = """[bold]Examples[/bold]

v2v segment drive.mp4 -o maps.mkv

v2v segment drive.mp4 -o maps/ -t 10 -s 640x360

v2v segment me.mp4 -o edges.mkv --mode edge2face
"""


def segment(
    input: options.Input,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="maps.mkv, or a folder.", rich_help_panel=options.FILES_PANEL)
    ],
    mode: options.Mode = None,
    model: options.Model = None,
    smooth_maps: options.SmoothMaps = 0.93,
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
    """Store only the maps of a video, to look at, edit, and paint from (v2v convert --maps).

    Without --mode and --model they are label maps of a street.
    """
    options.refuse_both(yes, no)
    asked: dict[str, Any] = {
        "input": input,
        "output": output,
        "mode": mode,
        "model": model,
        "smooth_maps": smooth_maps,
        "overwrite": yes,
        "start": start,
        "duration": duration,
        "end": end,
        "rate": rate,
        "size": size,
        "device": device,
        "window": window,
        "tolerant": tolerant,
    }
    request = SegmentRequest(**asked)
    with progress_display(messages) as report:
        from v2vcli.engine.segment import segment as run

        result = run(request, progress=report)
    conclude(messages, result)
