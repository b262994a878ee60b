"""The options of ``v2v convert`` about painting: what no other video tool has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from v2vcli.cli.options import FILES_PANEL, MODEL_PANEL, RANGE_PANEL, RUN_PANEL
from v2vcli.engine.request import WARMUP

PaintSize: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--paint-size",
        metavar="WxH|input",
        help="Paint at this size. Default: the model's own area, at the video's aspect.",
        rich_help_panel=MODEL_PANEL,
    ),
]
FirstFrame: TypeAlias = Annotated[
    str,
    typer.Option(
        "--first-frame",
        metavar="auto|paint|zeros|input|IMAGE",
        help="What a shot's first frame is painted after: paint: what the model's image generator makes of its map;"
        " zeros: nothing; input: the input's frame; or a picture, for the first shot. auto: paint, where that can be.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Cuts: TypeAlias = Annotated[
    str,
    typer.Option(
        "--cuts",
        metavar="auto|none|FILE",
        help="Where new shots begin, and what was painted before is forgotten. FILE: times or frame numbers, one a"
        " line.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Warmup: TypeAlias = Annotated[
    int,
    typer.Option(
        "--warmup",
        metavar="N",
        help=f"Frames before -ss that are painted and not written, so that the first one is steady. Default: {WARMUP}.",
        rich_help_panel=RANGE_PANEL,
        show_default=False,
    ),
]
SaveMaps: TypeAlias = Annotated[
    Path | None,
    typer.Option("--save-maps", metavar="PATH", help="Keep the maps: .mkv or a folder.", rich_help_panel=FILES_PANEL),
]
Verify: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Decode the output before it gets its name: every frame, at its time.",
        rich_help_panel=FILES_PANEL,
    ),
]
Live: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--live",
        help="Hand on every frame as soon as it has come, and drop none: --window 1, and an encoder that waits for"
        " nothing.",
        rich_help_panel=RUN_PANEL,
    ),
]
Precision: TypeAlias = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="auto|fp32|bf16",
        help="auto: fp32 on a CPU, bf16 on a GPU.",
        rich_help_panel=RUN_PANEL,
    ),
]
