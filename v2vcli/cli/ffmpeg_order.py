"""What ffmpeg says by order: options before ``-i`` are about the input, those after it about the output.

Here that goes for the four that describe an input without a header, raw video or single pictures. Before ``-i`` they
are read as if they had been written with their own names; after it, and beside an input that is given without ``-i``,
they are the output's, as everywhere else. All other options mean the same before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperCommand

OF_THE_INPUT = MappingProxyType(
    {"-f": "--input-format", "-s": "--input-size", "-r": "--input-rate", "-pix_fmt": "--input-pix-fmt"}
)


class FFmpegCommand(TyperCommand):
    """A command whose options before ``-i`` are about the input."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As any command's, after the renaming."""
        return super().parse_args(ctx, before_input(args))


def before_input(arguments: Sequence[str]) -> list[str]:
    """A command line with the options before its first ``-i`` under the names of the input's.

    Example:
        >>> before_input(["-f", "rawvideo", "-s", "64x32", "-i", "-", "-s", "32x16"])
        ['--input-format', 'rawvideo', '--input-size', '64x32', '-i', '-', '-s', '32x16']
    """
    words = list(arguments)
    plain = words[: words.index("--")] if "--" in words else words
    first = next((n for n, word in enumerate(plain) if word in ("-i", "--input")), 0)
    return [OF_THE_INPUT.get(word, word) for word in words[:first]] + words[first:]


def place(name: str) -> str:
    """A file's name, or ``-`` for the ways in which ffmpeg calls standard input and output."""
    return "-" if name in ("pipe:", "pipe:0", "pipe:1") else name


def keeps_tags(value: str) -> bool:
    """Whether ``-map_metadata`` leaves the input's tags.

    Raises:
        typer.BadParameter: it is neither 0 nor -1.
    """
    if value not in ("0", "-1"):
        raise typer.BadParameter(f"-map_metadata {value}: give 0 (the input's tags, as ever) or -1 (none of them)")
    return value == "0"
