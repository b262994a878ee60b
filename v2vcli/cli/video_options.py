"""The options of ``v2v convert`` that ffmpeg has too, about the output video and about inputs without a header."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

VIDEO_PANEL = "Output video (as ffmpeg)"
STREAMS_PANEL = "Sound, subtitles, container (as ffmpeg)"
INPUT_PANEL = "Inputs without a header (as ffmpeg, before -i)"
FFMPEG_PANEL = "Accepted for ffmpeg's sake"

Size: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-s", "--size", metavar="WxH", help="Size of the output. Default: the input's.", rich_help_panel=VIDEO_PANEL
    ),
]
Codec: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-c:v",
        "--video-codec",
        metavar="ENCODER",
        help="libx264 (default), libx265, libsvtav1, libvpx-vp9, ffv1, prores_ks, h264_nvenc, ...",
        rich_help_panel=VIDEO_PANEL,
    ),
]
Crf: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "-crf", "--crf", metavar="N", help="Quality, lower is better. Default: 18.", rich_help_panel=VIDEO_PANEL
    ),
]
BitRate: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-b:v", "--bit-rate", metavar="N", help="Or bits per second: 2.5M, 800k.", rich_help_panel=VIDEO_PANEL
    ),
]
Preset: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-preset",
        "--preset",
        metavar="NAME",
        help="Speed against size: ultrafast ... medium (default) ... veryslow.",
        rich_help_panel=VIDEO_PANEL,
    ),
]
Gop: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "-g", "--gop", metavar="N", help="Frames from one key frame to the next, at most.", rich_help_panel=VIDEO_PANEL
    ),
]
PixFmt: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-pix_fmt",
        "--pix-fmt",
        metavar="NAME",
        help="yuv420p (default), yuv420p10le, yuv444p, ...",
        rich_help_panel=VIDEO_PANEL,
    ),
]
SideBySide: TypeAlias = Annotated[
    bool, typer.Option("--side-by-side", help="The input left, what was painted right.", rich_help_panel=VIDEO_PANEL)
]
Overlay: TypeAlias = Annotated[
    bool, typer.Option("--overlay", help="What was painted over the input, half and half.", rich_help_panel=VIDEO_PANEL)
]
NoAudio: TypeAlias = Annotated[
    bool, typer.Option("-an", "--no-audio", help="Leave the sound out.", rich_help_panel=STREAMS_PANEL)
]
NoSubtitles: TypeAlias = Annotated[
    bool, typer.Option("-sn", "--no-subtitles", help="Leave subtitles out.", rich_help_panel=STREAMS_PANEL)
]
AudioCodec: TypeAlias = Annotated[
    str,
    typer.Option(
        "-c:a",
        "--audio-codec",
        metavar="copy|ENCODER",
        help="Sound is copied bit for bit, and encoded only where the container cannot hold it; aac, libopus, ..."
        " encode it in any case.",
        rich_help_panel=STREAMS_PANEL,
    ),
]
MapMetadata: TypeAlias = Annotated[
    str,
    typer.Option(
        "-map_metadata",
        "--map-metadata",
        metavar="0|-1",
        help="-1 leaves the input's tags out; that the output is synthetic is said in any case.",
        rich_help_panel=STREAMS_PANEL,
    ),
]
Movflags: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-movflags",
        "--movflags",
        metavar="FLAGS",
        help="Of mp4 and mov. Default: +faststart.",
        rich_help_panel=STREAMS_PANEL,
    ),
]
Format: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-f",
        "--format",
        metavar="FORMAT",
        help="Container of the output: needed for -o -, else by the name. nut, matroska, mpegts, mp4, yuv4mpegpipe,"
        " rawvideo. Before -i: --input-format.",
        rich_help_panel=STREAMS_PANEL,
    ),
]
InputFormat: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--input-format",
        metavar="FORMAT",
        help="What the input is (-f before -i). Default: it is found out.",
        rich_help_panel=INPUT_PANEL,
    ),
]
InputSize: TypeAlias = Annotated[
    str | None,
    typer.Option("--input-size", metavar="WxH", help="Of raw video (-s before -i).", rich_help_panel=INPUT_PANEL),
]
InputPixFmt: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--input-pix-fmt",
        metavar="NAME",
        help="Of raw video (-pix_fmt before -i). Default: yuv420p.",
        rich_help_panel=INPUT_PANEL,
    ),
]
InputRate: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--input-rate",
        metavar="FPS",
        help="Of raw video and of single pictures, frames/%05d.png (-r before -i). Default: 25.",
        rich_help_panel=INPUT_PANEL,
    ),
]
HideBanner: TypeAlias = Annotated[
    bool,
    typer.Option("-hide_banner", "--hide-banner", help="There is no banner to hide.", rich_help_panel=FFMPEG_PANEL),
]
NoStdin: TypeAlias = Annotated[
    bool,
    typer.Option(
        "-nostdin",
        "--no-stdin",
        help="Standard input is never read, unless the input is -.",
        rich_help_panel=FFMPEG_PANEL,
    ),
]
HwAccel: TypeAlias = Annotated[
    str,
    typer.Option(
        "-hwaccel",
        "--hwaccel",
        metavar="none|auto",
        help="Frames are decoded on the CPU: none and auto do that; others too, with a warning. --device says where the"
        " networks run.",
        rich_help_panel=FFMPEG_PANEL,
    ),
]
