"""``v2v convert``."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from v2vcli.cli import batch, options, paint_options, report_options, video_options
from v2vcli.cli.ffmpeg_order import keeps_tags, place
from v2vcli.cli.messages import messages
from v2vcli.cli.reporting import reporting
from v2vcli.engine.request import WARMUP, ConvertRequest
from v2vcli.errors import UsageError

EXAMPLES = """[bold]Examples[/bold]

v2v convert drive.mp4 --mode seg2street -o out.mp4

v2v convert -ss 1:30 -t 10 -i me.mp4 --mode edge2face -crf 20 --side-by-side -o out.mp4

ffmpeg -i rtsp://camera -f nut - | v2v convert - --mode seg2street --live -f nut -o - | ffplay -
"""

_FIELDS = frozenset(field.name for field in fields(ConvertRequest)) - {"input", "output"}


def convert(
    inputs: batch.Inputs = None,
    named: options.NamedInput = None,
    *,
    output: options.Output,
    yes: options.Yes = False,
    no: options.No = False,
    save_maps: paint_options.SaveMaps = None,
    verify: paint_options.Verify = False,
    mode: options.Mode = None,
    model: options.Model = None,
    paint_size: paint_options.PaintSize = None,
    first_frame: paint_options.FirstFrame = "auto",
    cuts: paint_options.Cuts = "auto",
    maps: options.Maps = None,
    maps_schema: options.MapsSchema = None,
    segmenter: options.Segmenter = None,
    pose: options.Pose = None,
    face: options.Face = None,
    edges: options.Edges = None,
    smooth_maps: options.SmoothMaps = 0.93,
    track: options.Track = False,
    relabel: options.Relabel = None,
    start: options.Start = None,
    duration: options.Duration = None,
    end: options.End = None,
    frames: options.Frames = None,
    rate: options.Rate = None,
    warmup: paint_options.Warmup = WARMUP,
    size: video_options.Size = None,
    codec: video_options.Codec = None,
    crf: video_options.Crf = None,
    bit_rate: video_options.BitRate = None,
    preset: video_options.Preset = None,
    gop: video_options.Gop = None,
    pix_fmt: video_options.PixFmt = None,
    side_by_side: video_options.SideBySide = False,
    overlay: video_options.Overlay = False,
    output_format: video_options.Format = None,
    no_audio: video_options.NoAudio = False,
    audio_codec: video_options.AudioCodec = "copy",
    no_subtitles: video_options.NoSubtitles = False,
    map_metadata: video_options.MapMetadata = "0",
    movflags: video_options.Movflags = None,
    input_format: video_options.InputFormat = None,
    input_size: video_options.InputSize = None,
    input_pix_fmt: video_options.InputPixFmt = None,
    input_rate: video_options.InputRate = None,
    recursive: batch.Recursive = False,
    skip_existing: batch.SkipExisting = False,
    archive: batch.ArchiveFile = None,
    shard: batch.ShardOf = None,
    gpus: batch.Gpus = None,
    keep_going: batch.KeepGoing = True,
    ray: batch.RayAddress = None,
    device: options.Device = "auto",
    precision: paint_options.Precision = "auto",
    window: options.Window = None,
    live: paint_options.Live = False,
    tolerant: options.Tolerant = False,
    keep_partial: report_options.KeepPartial = False,
    json: report_options.JsonEvents = False,
    json_to: report_options.JsonTo = None,
    progress: report_options.ProgressTo = None,
    loglevel: options.LogLevel = "info",
    hide_banner: video_options.HideBanner = False,
    no_stdin: video_options.NoStdin = False,
    hwaccel: video_options.HwAccel = "none",
) -> None:
    """Turn a video into another: derive a map from every frame, and paint a new video from the maps.

    The output has the input's frames, times, size, sound, subtitles and tags, unless options say otherwise.
    Options that ffmpeg has are spelt and mean as there.
    """
    said = {name: value for name, value in locals().items() if name in _FIELDS}
    options.refuse_both(yes, no)
    if keep_partial and skip_existing:
        raise UsageError("--skip-existing would take what --keep-partial leaves for whole; --archive tells them apart")
    if hwaccel not in ("none", "auto"):
        messages.warning(f"-hwaccel {hwaccel}: frames are decoded on the CPU; --device says where the networks run")
    sources = [place(name) for name in (*(inputs or ()), *(named or ()))]
    if not sources:
        raise UsageError("no input is given; name a video, or - for standard input")
    asked: dict[str, Any] = {
        **said,
        "relabel": tuple(relabel or ()),
        "overwrite": yes,
        "audio": not no_audio,
        "subtitles": not no_subtitles,
        "tags": keeps_tags(map_metadata),
    }
    target = place(output)
    told_by = partial(
        reporting,
        messages,
        "convert",
        json=json,
        json_to=json_to,
        progress=progress,
        keep_partial=keep_partial,
        stdout_taken=target == "-",
    )
    many = batch.BatchOptions(recursive, skip_existing, archive, shard, gpus, keep_going, ray)
    if batch.is_batch(sources, target, many):
        batch.run_batch(sources, target, asked, many, told_by)
        return
    request = ConvertRequest(**asked, input=Path(sources[0]), output=Path(target))
    with told_by() as report:
        from v2vcli.engine.convert import convert as run

        report.begin(request)
        report.done(request, run(request, progress=report.progress, stop=report.stop))
