"""The options of what `cli.reporting` does: what other programs are told, and what the first Ctrl-C keeps."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

REPORT_PANEL = "For other programs (docs/json.md)"

JsonEvents: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Tell everything as JSON on stderr, one event a line, and nothing else there.",
        rich_help_panel=REPORT_PANEL,
    ),
]
JsonTo: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--json-to",
        metavar="URL",
        help="Or tell it there, and people on stderr: a file, pipe:N, tcp://HOST:PORT, unix:PATH.",
        rich_help_panel=REPORT_PANEL,
    ),
]
ProgressTo: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-progress",
        metavar="URL",
        help="Progress in ffmpeg's blocks of key=value lines: a file, pipe:1, tcp://HOST:PORT, ...",
        rich_help_panel=REPORT_PANEL,
    ),
]
KeepPartial: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--keep-partial",
        help="The first Ctrl-C finishes the output where it is, and keeps it; the second stops at once.",
        rich_help_panel=REPORT_PANEL,
    ),
]
