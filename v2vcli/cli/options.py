"""Options that several commands share: their names, help and panels, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from v2vcli.cli.messages import LEVELS, messages
from v2vcli.errors import UsageError

MODEL_PANEL = "Model"
MAPS_PANEL = "Maps: what is painted from"
RANGE_PANEL = "Part of the video (as ffmpeg)"
FILES_PANEL = "Files"
RUN_PANEL = "Running"


def _set_level(name: str) -> str:
    messages.set_level(name)
    return name


def refuse_both(yes: bool, no: bool) -> None:
    """Refuse ``-y`` with ``-n``.

    Raises:
        UsageError: both are given.
    """
    if yes and no:
        raise UsageError("-y and -n contradict each other; give one of them")


NamedInput: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("-i", "--input", metavar="INPUT", help="The same as INPUT.", rich_help_panel=FILES_PANEL),
]
Output: TypeAlias = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="OUTPUT",
        help="The video to write; - for standard output, with -f; 'out/%05d.png' for pictures. Of many inputs: a"
        " folder, or a template such as 'out/{stem}_{mode}.mp4'.",
        rich_help_panel=FILES_PANEL,
    ),
]
Mode: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--mode",
        metavar="MODE",
        help="seg2street: label maps, painted as a street. edge2face: edges, or with --face landmarks, painted as a"
        " talking head. pose2body: skeletons, painted as people; needs --model.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Model: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="A .safetensors file, a bundled name or a hub id, user/repo@revision. Default: the mode's.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Device: TypeAlias = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where the networks run.", rich_help_panel=RUN_PANEL)
]
Window: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--window", metavar="N", help="Frames at once. Default: 4 on a CPU, 16 on a GPU.", rich_help_panel=RUN_PANEL
    ),
]
Tolerant: TypeAlias = Annotated[
    bool, typer.Option("--tolerant", help="Step over damage in the input.", rich_help_panel=RUN_PANEL)
]
LogLevel: TypeAlias = Annotated[
    str,
    typer.Option(
        "-v",
        "-loglevel",
        "--loglevel",
        metavar="LEVEL",
        help=f"How much is said: {', '.join(LEVELS)}.",
        callback=_set_level,
        is_eager=True,
        rich_help_panel=RUN_PANEL,
    ),
]
Yes: TypeAlias = Annotated[
    bool, typer.Option("-y", "--overwrite", help="Overwrite what exists.", rich_help_panel=FILES_PANEL)
]
No: TypeAlias = Annotated[
    bool,
    typer.Option("-n", "--no-overwrite", help="Never overwrite (that is the default).", rich_help_panel=FILES_PANEL),
]
Start: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-ss", "--start", metavar="TIME", help="Begin here: 12.5, 1:02:03.5 or 500ms.", rich_help_panel=RANGE_PANEL
    ),
]
Duration: TypeAlias = Annotated[
    str | None,
    typer.Option("-t", "--duration", metavar="TIME", help="Take so much of it.", rich_help_panel=RANGE_PANEL),
]
End: TypeAlias = Annotated[
    str | None, typer.Option("-to", "--end", metavar="TIME", help="Or stop here.", rich_help_panel=RANGE_PANEL)
]
Frames: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "-frames:v", "--frames", metavar="N", help="No more than so many frames.", rich_help_panel=RANGE_PANEL
    ),
]
Rate: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-r",
        "--rate",
        metavar="FPS",
        help="Repeat and drop frames to this rate: 25, 30000/1001. Default: every frame at its own time.",
        rich_help_panel=RANGE_PANEL,
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Maps: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--maps",
        metavar="PATH",
        help="Maps that are already made: a maps.mkv, a folder of PNGs or of OpenPose's JSON, a colour-coded or control"
        " video. The same as a maker file:PATH.",
        rich_help_panel=MAPS_PANEL,
    ),
]
Segmenter: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--segmenter",
        metavar="FAMILY:MODEL",
        help="What makes label maps: street (bundled, the default), mine.safetensors, torchvision:deeplabv3_resnet50,"
        " torchvision:maskrcnn_resnet50_fpn_v2 (with instances), hf:user/repo, file:PATH.",
        rich_help_panel=MAPS_PANEL,
    ),
]
Pose: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--pose",
        metavar="FAMILY:MODEL",
        help="What finds people: torchvision:keypointrcnn_resnet50_fpn, hf:user/repo (ViTPose), file:openpose_json/.",
        rich_help_panel=MAPS_PANEL,
    ),
]
Face: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--face",
        metavar="FAMILY:MODEL",
        help="What finds the 68 landmarks of a face: face-alignment:2d, file:PATH.",
        rich_help_panel=MAPS_PANEL,
    ),
]
Edges: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--edges",
        metavar="FAMILY:MODEL",
        help="What makes edge maps: canny (bundled, the default), file:PATH.",
        rich_help_panel=MAPS_PANEL,
    ),
]
Track: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--track",
        help="Follow instances from frame to frame, so that each keeps its id.",
        rich_help_panel=MAPS_PANEL,
    ),
]
Relabel: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--relabel",
        metavar="WHAT=CLASS",
        help="Change labels: tree=building, 'car@#12=bus' (one instance), car@0,0,50%x100%=bus (a place),"
        " car@1.5-3=bus (a time). May be given several times.",
        rich_help_panel=MAPS_PANEL,
    ),
]
SmoothMaps: TypeAlias = Annotated[
    float,
    typer.Option(
        "--smooth-maps",
        metavar="0..1",
        help="How firmly labels made here resist flicker; 0 takes every frame by itself.",
        rich_help_panel=MAPS_PANEL,
    ),
]
MapsSchema: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--maps-schema",
        metavar="SCHEMA",
        help="What the ids of --maps mean: cityscapes19, cityscapes35, camvid11, voc21 or a schema.json.",
        rich_help_panel=MAPS_PANEL,
    ),
]
