"""``v2v eval``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from v2vcli.cli import options
from v2vcli.cli.messages import messages
from v2vcli.errors import InputError, UsageError

if TYPE_CHECKING:
    from v2vcli.evaluation.report import Report

EXAMPLES = """[bold]Examples[/bold]

v2v eval out.mp4 --reference drive.mp4

v2v eval out.mp4 --reference drive.mp4 --mode seg2street --json

v2v eval out.mp4 --maps maps.mkv --mode seg2street --metric map_agreement
"""


def evaluate(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The video to judge.", show_default=False)],
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="IN", help="The video it was made from.")
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME", help="Only this one; may be repeated. Default: all that fit."),
    ] = None,
    json: options.Json = False,
    mode: options.Mode = None,
    model: options.Model = None,
    maps: Annotated[
        Path | None,
        typer.Option(
            "--maps", metavar="PATH", help="The maps it was painted from.", rich_help_panel=options.MODEL_PANEL
        ),
    ] = None,
    maps_schema: options.MapsSchema = None,
    device: options.Device = "auto",
    loglevel: options.LogLevel = "info",
) -> None:
    """Measure how good a painted video is. docs/metrics.md says what each figure means.

    With --mode (or --model) it is also measured whether the video shows what its maps asked for.
    """
    if maps is not None and mode is None and model is None:
        raise UsageError("--maps needs --mode or --model, which say how maps are found in the output")
    if maps_schema is not None and maps is None:
        raise UsageError("--maps-schema says what the ids of --maps mean; give --maps too, or leave it out")
    report = _measure(output, reference, metrics, mode, model, maps, maps_schema, device)
    if json:
        print(report.as_json())
    else:
        from rich import print as show

        show(report.table())
        for remark in report.remarks:
            messages.say("verbose", remark)


def _measure(
    output: Path,
    reference: Path | None,
    metrics: list[str] | None,
    mode: str | None,
    model: str | None,
    maps: Path | None,
    maps_schema: str | None,
    device: str,
) -> Report:
    from v2vcli.engine.judging import extractor_of
    from v2vcli.maps.schema import find_schema

    schema = None if maps_schema is None else find_schema(maps_schema)
    if maps is not None and not maps.exists():
        raise InputError(f"there are no maps at {maps}; check the path")
    extractor, size, asked = None, None, None
    if mode is not None or model is not None:
        extractor, size = extractor_of(mode, model, output, device)
    from v2vcli.evaluation import evaluate as run  # and with it torch
    from v2vcli.maps.files.sources import open_maps

    if maps is not None and extractor is not None:
        asked = open_maps(maps, extractor.spec, schema)
    return run(output, reference, maps=asked, extractor=extractor, map_size=size, metrics=metrics)
