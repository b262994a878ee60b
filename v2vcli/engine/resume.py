"""What an earlier run left under an output's name: maps that are whole, maps that are not, or nothing.

Peculiar: only what can be recognised as maps of v2v is ever taken for done or replaced; anything else that has the name
of an output is somebody's work, and is left for the usual error to name.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from v2vcli.errors import InputError, OutputError
from v2vcli.maps.files.map_file import stored_as
from v2vcli.maps.files.map_folder import folder_stored_as, strangers
from v2vcli.maps.spec import MapSpec
from v2vcli.partfile import abandoned_part

State: TypeAlias = Literal["absent", "whole", "half-made", "foreign"]


class Left(NamedTuple):
    """What lies under an output's name.

    Attributes:
        state: ``absent``: nothing; ``whole``: maps, every one of them readable; ``half-made``: maps of which some are
            missing or damaged; ``foreign``: something that v2v did not write as maps.
        reason: what is wrong with half-made ones.
    """

    state: State
    reason: str = ""


def left_under(path: Path) -> Left:
    """Look at a maps output: every map in it is read once, checksums and all."""
    if not os.path.lexists(path):
        return Left("absent")
    from v2vcli.maps.files.sources import open_maps

    spec = _stored_spec(path)
    if spec is None:
        return Left("foreign")
    try:
        if path.is_dir() and (gap := _first_missing(path)) is not None:
            return Left("half-made", f"{path}: {gap} is missing")
        for _ in open_maps(path, spec).timed():
            pass
    except InputError as error:
        return Left("half-made", str(error))
    return Left("whole")


def remove_leftovers(maps: Path, preview: Path | None = None) -> list[Path]:
    """Remove what an interrupted run left beside its outputs, where it can be recognised and nobody is writing it.

    Args:
        maps: the output that was being made.
        preview: the preview that was being made with it; its part file is taken for ours only where that of the maps
            was: an unfinished video does not say who wrote it.

    Returns:
        What was removed.

    Raises:
        OutputError: the disk refuses.
    """
    part = abandoned_part(maps)
    if part is None or not _is_ours(part):
        return []
    found = [part]
    other = None if preview is None else abandoned_part(preview)
    if other is not None and other.is_file() and not other.is_symlink():
        found.append(other)
    for each in found:
        try:
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        except OSError as error:
            raise OutputError(f"cannot remove {each}: {error.strerror or error}; remove it yourself") from error
    return found


def _is_ours(part: Path) -> bool:
    """Whether a part file or folder holds nothing, or nothing but maps of ours."""
    if part.is_symlink():
        return False
    if part.is_dir():
        return not strangers(part)
    return part.is_file() and (part.stat().st_size == 0 or _stored_spec(part) is not None)


def _stored_spec(path: Path) -> MapSpec | None:
    """What the maps under a name are; None where v2v did not write them."""
    try:
        if path.is_dir() and strangers(path):
            return None
        stored = folder_stored_as(path) if path.is_dir() else stored_as(path)
    except InputError:
        return None
    return None if stored is None else stored.spec


def _first_missing(folder: Path) -> str | None:
    """The first map of a folder of ours that is not there, but later ones are."""
    names = sorted(file.name for file in folder.glob("*.png"))
    expected = (f"{index:06d}.png" for index in range(len(names)))
    return next((wanted for wanted, name in zip(expected, names, strict=True) if wanted != name), None)
