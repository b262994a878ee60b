"""Which files several inputs on a command line mean: paths, patterns, lists and folders.

- ``clips/a.mp4``: that file;
- ``'clips/*.mp4'``, ``'clips/**/*.mp4'``: all that match, by name; a file of that very name comes first;
- ``@list.txt``: the paths in it, one a line (blank lines and lines that begin with ``#`` are none), or with zero bytes
  between them, as ``find -print0`` writes them; ``@-``: the same from standard input;
- ``clips/`` with ``-R``: the videos in it and in all its folders.

Peculiar:

- paths in a list are read as if they stood on the command line: from the working directory, and not as patterns;
- light to import and no file of video is opened here: ten thousand names take a moment;
- what is found (by a pattern, in a folder) may be left out later, if it turns out to be a result; what is named not.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePath
from typing import Final

from v2vcli.errors import InputError, UsageError

VIDEO_SUFFIXES: Final = frozenset(
    f".{name}"
    for name in (
        *("3gp", "asf", "avi", "flv", "m2ts", "m2v", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "nut"),
        *("ogv", "ts", "vob", "webm", "wmv", "y4m"),
    )
)
"""What is taken for a video in a folder; by name, as looking into every file of a disk takes long."""
_HERE: Final = PurePath()
_PATTERN: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class InputFile:
    """One input.

    Attributes:
        path: as it was named or found.
        folder: where it lies below the folder that was searched; ``.`` for what was named.
        found: by a pattern or in a folder, not named.
    """

    path: Path
    folder: PurePath = _HERE
    found: bool = False


def is_several(arguments: Sequence[str]) -> bool:
    """Whether a command line may mean more than one file: what one plain path never does."""
    return len(arguments) != 1 or arguments[0].startswith("@") or _is_pattern(arguments[0])


def find_inputs(arguments: Sequence[str], *, recursive: bool = False) -> list[InputFile]:
    """The files that are meant, each of them once, in order.

    Args:
        arguments: as written, see above.
        recursive: ``-R``: folders stand for the videos in them.

    Raises:
        InputError: a list cannot be read, or a pattern, list or folder holds nothing.
        UsageError: there is nothing at all, or standard input is among several.
    """
    found: dict[str, InputFile] = {}
    for argument in arguments:
        for each in _meant(argument, recursive):
            found.setdefault(os.path.realpath(each.path), each)
    files = list(found.values())
    if not files:
        raise UsageError(
            "there is no input; give videos, a pattern such as 'clips/*.mp4', @list.txt, or a folder with -R"
        )
    if len(files) > 1 and any(str(each.path) == "-" for each in files):
        raise UsageError("- is standard input, which holds one video; convert it by itself")
    return files


def _meant(argument: str, recursive: bool) -> Iterable[InputFile]:
    if argument.startswith("@"):
        return _listed(argument[1:], recursive)
    if _is_pattern(argument):
        return _matching(argument, recursive)
    return _named(argument, recursive)


def _named(name: str, recursive: bool) -> Iterable[InputFile]:
    return _below(Path(name)) if recursive and os.path.isdir(name) else [InputFile(Path(name))]


def _is_pattern(argument: str) -> bool:
    return _PATTERN.search(argument) is not None and not os.path.lexists(argument)


def _matching(pattern: str, recursive: bool) -> Iterator[InputFile]:
    # files below the first folder that has a wildcard keep the folders they lie in
    fixed = PurePath(*takewhile(lambda part: not _PATTERN.search(part), PurePath(pattern).parts[:-1]))
    matches = sorted(glob.glob(pattern, recursive=True))
    if not matches:
        raise InputError(f"{pattern}: no file matches; check the pattern")
    for match in matches:
        if os.path.isdir(match):
            if recursive:
                yield from _below(Path(match))
            continue
        if not _is_unfinished(Path(match)):
            yield InputFile(Path(match), PurePath(os.path.relpath(os.path.dirname(match) or ".", fixed)), found=True)


def _listed(name: str, recursive: bool) -> Iterator[InputFile]:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"@{name}: cannot read the list: {error.strerror or error}; check the path") from error
    if b"\0" in data:
        names = [os.fsdecode(each) for each in data.split(b"\0") if each]
    else:
        lines = [os.fsdecode(line.rstrip(b"\r")) for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
        names = [line for line in lines if line.strip() and not line.startswith("#")]
    if not names:
        raise InputError(f"@{name}: the list is empty")
    for each in names:
        yield from _named(each, recursive)


def _below(folder: Path) -> Iterator[InputFile]:
    empty = True
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for file in sorted(files):
            path = Path(place, file)
            if path.suffix.lower() in VIDEO_SUFFIXES and not file.startswith(".") and not _is_unfinished(path):
                empty = False
                yield InputFile(path, PurePath(os.path.relpath(place, folder)), found=True)
    if empty:
        names = ", ".join(sorted(VIDEO_SUFFIXES))
        raise InputError(f"{folder}: holds no video, as far as names tell ({names}); check the folder")


def _is_unfinished(path: Path) -> bool:
    """What v2v is writing just now, or left when it was killed."""
    return path.stem.endswith(".part")
