"""``v2v convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from v2vcli.cli import options, report_options
from v2vcli.cli.messages import messages
from v2vcli.cli.reporting import reporting
from v2vcli.engine.request import ConvertRequest

EXAMPLES = """[bold]Examples[/bold]

v2v convert drive.mp4 --mode seg2street -o out.mp4

v2v convert me.mp4 --mode edge2face -o out.mp4 -ss 1:30 -t 10 --side-by-side

v2v convert drive.mp4 --mode seg2street -o out.mkv --save-maps maps.mkv -c:v libx265 -crf 22

v2v convert drive.mp4 --mode seg2street -o out.mp4 --maps maps.mkv

v2v convert dance.mp4 --mode pose2body --model mine.safetensors --pose file:openpose_json/ -o out.mp4

v2v convert drive.mp4 --mode seg2street --relabel vegetation=building -o out.mp4

v2v convert drive.mp4 --model runs/mine/model.safetensors --maps labels/ --maps-schema camvid11 -o out.mp4
"""


def convert(
    input: options.Input,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The video to write.", rich_help_panel=options.FILES_PANEL)
    ],
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
    paint_size: Annotated[
        str | None,
        typer.Option(
            "--paint-size",
            metavar="WxH|input",
            help="Paint at this size. Default: the model's own area, at the video's aspect.",
            rich_help_panel=options.MODEL_PANEL,
        ),
    ] = None,
    cuts: Annotated[
        str,
        typer.Option(
            "--cuts",
            metavar="auto|none",
            help="Where a new shot begins, forget what was painted before.",
            rich_help_panel=options.MODEL_PANEL,
        ),
    ] = "auto",
    save_maps: Annotated[
        Path | None,
        typer.Option(
            "--save-maps", metavar="PATH", help="Keep the maps: .mkv or a folder.", rich_help_panel=options.FILES_PANEL
        ),
    ] = None,
    yes: options.Yes = False,
    no: options.No = False,
    start: options.Start = None,
    duration: options.Duration = None,
    end: options.End = None,
    rate: options.Rate = None,
    side_by_side: Annotated[
        bool,
        typer.Option(
            "--side-by-side", help="The input left, what was painted right.", rich_help_panel=options.VIDEO_PANEL
        ),
    ] = False,
    size: Annotated[
        str | None,
        typer.Option(
            "-s", metavar="WxH", help="Size of the output. Default: the input's.", rich_help_panel=options.VIDEO_PANEL
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            "-c:v",
            metavar="ENCODER",
            help="libx264 (default), libx265, libsvtav1, ffv1, h264_nvenc, ...",
            rich_help_panel=options.VIDEO_PANEL,
        ),
    ] = None,
    crf: Annotated[
        float | None,
        typer.Option("-crf", metavar="N", help="Quality, lower is better.", rich_help_panel=options.VIDEO_PANEL),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("-preset", metavar="NAME", help="ultrafast ... veryslow.", rich_help_panel=options.VIDEO_PANEL),
    ] = None,
    pix_fmt: Annotated[
        str | None,
        typer.Option(
            "-pix_fmt", metavar="NAME", help="yuv420p (default), yuv444p, ...", rich_help_panel=options.VIDEO_PANEL
        ),
    ] = None,
    no_audio: Annotated[
        bool, typer.Option("-an", help="Leave the audio out.", rich_help_panel=options.VIDEO_PANEL)
    ] = False,
    device: options.Device = "auto",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="auto|fp32|bf16",
            help="auto: fp32 on a CPU, bf16 on a GPU.",
            rich_help_panel=options.RUN_PANEL,
        ),
    ] = "auto",
    window: options.Window = None,
    tolerant: options.Tolerant = False,
    keep_partial: report_options.KeepPartial = False,
    json: report_options.JsonEvents = False,
    json_to: report_options.JsonTo = None,
    progress: report_options.ProgressTo = None,
    loglevel: options.LogLevel = "info",
) -> None:
    """Turn a video into another: derive a map from every frame, and paint a new video from the maps.

    The output has the input's frames, times, size, audio, subtitles and tags, unless options say otherwise.
    """
    options.refuse_both(yes, no)
    asked: dict[str, Any] = {
        "input": input,
        "output": output,
        "mode": mode,
        "model": model,
        "segmenter": segmenter,
        "pose": pose,
        "face": face,
        "edges": edges,
        "maps": maps,
        "maps_schema": maps_schema,
        "smooth_maps": smooth_maps,
        "track": track,
        "relabel": tuple(relabel or ()),
        "save_maps": save_maps,
        "side_by_side": side_by_side,
        "device": device,
        "precision": precision,
        "overwrite": yes,
        "start": start,
        "duration": duration,
        "end": end,
        "rate": rate,
        "codec": codec,
        "crf": crf,
        "preset": preset,
        "pix_fmt": pix_fmt,
        "size": size,
        "paint_size": paint_size,
        "audio": not no_audio,
        "window": window,
        "tolerant": tolerant,
        "cuts": cuts,
    }
    request = ConvertRequest(**asked)
    with reporting(
        messages, "convert", json=json, json_to=json_to, progress=progress, keep_partial=keep_partial
    ) as report:
        from v2vcli.engine.convert import convert as run

        report.begin(request)
        report.done(request, run(request, progress=report.progress, stop=report.stop))
