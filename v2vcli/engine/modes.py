"""What ``--mode`` and ``--model`` mean together: the table of modes.

A mode is what lies between input and output, and the bundled model that paints from it, where there is one. A model
says in its checkpoint what it paints from; a mode that says otherwise is refused. Which makers of maps there are is
said in `engine.maker_names`. Light to import: the command line reads this before torch is loaded.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from v2vcli.errors import ModelError, UsageError

if TYPE_CHECKING:
    from v2vcli.maps.spec import MapKind, MapSpec


@dataclass(frozen=True)
class Mode:
    """One entry of the table.

    Attributes:
        name: as ``--mode`` takes it.
        kinds: of the maps between input and output; the first is that of the mode's own model.
        model: the bundled one that paints, unless ``--model`` names another; None: none is bundled.
    """

    name: str
    kinds: tuple[MapKind, ...]
    model: str | None


MODES = MappingProxyType(
    {
        mode.name: mode
        for mode in (
            Mode("seg2street", ("labels",), "seg2street"),
            # the paper paints faces from their landmarks, the bundled model from edges
            Mode("edge2face", ("edges", "face"), "edge2face"),
            Mode("pose2body", ("pose",), None),
        )
    }
)
SEGMENTER = "street-segmenter"
"""The bundled network that makes label maps of streets."""


def modes_in_words() -> str:
    """The names of all modes."""
    *names, last = MODES
    return f"{', '.join(names)} or {last}"


def find_mode(name: str) -> Mode:
    """An entry of the table.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in MODES:
        raise UsageError(f"--mode {name}: there is no such mode; choose {modes_in_words()}")
    return MODES[name]


def choose_model(mode: str | None, model: str | None) -> str:
    """The model to load: the one named, else the mode's.

    Raises:
        UsageError: there is no such mode, no model is bundled for it, or neither was given.
    """
    if model is not None:
        if mode is not None:
            find_mode(mode)
        return model
    if mode is None:
        raise UsageError("give --mode or --model; `v2v models list` shows the models")
    bundled = find_mode(mode).model
    if bundled is None:
        raise UsageError(
            f"--mode {mode}: no model that paints from '{find_mode(mode).kinds[0]}' maps is bundled; "
            "give one with --model: a .safetensors file or a hub id"
        )
    return bundled


def require_agreement(mode: str | None, model: str, spec: MapSpec) -> None:
    """Refuse a mode and a model that contradict each other.

    Raises:
        ModelError: the model paints from another kind of map than the mode makes.
    """
    if mode is None or spec.kind in find_mode(mode).kinds:
        return
    fitting = [entry.name for entry in MODES.values() if spec.kind in entry.kinds]
    advice = f"use --mode {fitting[0]}" if fitting else "leave --mode out and give its maps with --maps"
    kinds = " or ".join(f"'{kind}'" for kind in MODES[mode].kinds)
    raise ModelError(f"--mode {mode} makes {kinds} maps, but {model} paints from '{spec.kind}' maps; {advice}")


def fingerprint(path: Path) -> str:
    """The first 12 hex digits of a model file's SHA-256: which version of a model it was."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
