"""What ``--segmenter``, ``--pose``, ``--face`` and ``--edges`` take: FAMILY:MODEL. Which family makes which maps.

| family | MODEL |
|---|---|
| bundled | what came with the program: ``street`` (labels), ``canny`` (edges); a bare name means this family |
| v2v | a segmenter that v2v trained: a ``.safetensors`` file (that may stand alone) or a hub id |
| torchvision | a model of torchvision, with its own weights |
| hf | a model of transformers: a hub id, ``user/repo[@revision]``, or a local folder |
| face-alignment | a landmark detector of the package of that name |
| file | a path: maps that are already made, the same as ``--maps`` |

Peculiar: light to import, so that a mistyped family is answered before torch is loaded. Whether a family has the model
is asked of the family's own loader, in `engine.makers`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from v2vcli.engine.modes import SEGMENTER
from v2vcli.errors import UsageError

if TYPE_CHECKING:
    from v2vcli.maps.spec import MapKind


@dataclass(frozen=True)
class MakerOption:
    """One of the options that choose a maker.

    Attributes:
        name: without its dashes.
        kind: of the maps that its makers make.
        examples: one MODEL of each family that makes such maps, by family.
        bundled: the names that family ``bundled`` has, and what they stand for.
    """

    name: str
    kind: MapKind
    examples: Mapping[str, str]
    bundled: Mapping[str, str] = field(default_factory=dict)


OPTIONS: Final[Mapping[str, MakerOption]] = MappingProxyType(
    {
        option.name: option
        for option in (
            MakerOption(
                "segmenter",
                "labels",
                {
                    "bundled": "street",
                    "v2v": "mine.safetensors",
                    "torchvision": "deeplabv3_resnet50",
                    "hf": "user/repo",
                    "file": "maps.mkv",
                },
                {"street": SEGMENTER, SEGMENTER: SEGMENTER},
            ),
            MakerOption(
                "pose",
                "pose",
                {"torchvision": "keypointrcnn_resnet50_fpn", "hf": "user/repo", "file": "openpose_json/"},
            ),
            MakerOption("face", "face", {"face-alignment": "2d", "file": "faces.mkv"}),
            MakerOption("edges", "edges", {"bundled": "canny", "file": "edges.mkv"}, {"canny": "canny"}),
        )
    }
)


@dataclass(frozen=True)
class MakerName:
    """A maker as it was asked for.

    Attributes:
        option: which option said so.
        family: one of the option's.
        model: what the family is to open; of ``bundled``, what the name stands for.
    """

    option: MakerOption
    family: str
    model: str

    def __str__(self) -> str:
        return f"{self.family}:{self.model}"

    @property
    def path(self) -> Path | None:
        """Where maps that are already made lie; None for makers that make them."""
        return Path(self.model) if self.family == "file" else None


def parse_maker(option: str, text: str) -> MakerName:
    """Read what an option was given.

    Args:
        option: its name, without dashes.
        text: FAMILY:MODEL, a bundled model's name, or a ``.safetensors`` file.

    Raises:
        UsageError: there is no such family, it makes no such maps, names no model, or nothing of that name is bundled.
    """
    asked, known = OPTIONS[option], OPTIONS[option].examples
    family, colon, model = text.partition(":")
    said = f"--{option} {text}"
    if not colon and family not in known:
        family, model = ("v2v" if text.endswith(".safetensors") else "bundled"), text
        if family not in known or (family == "bundled" and "/" in text):
            raise UsageError(f"{said}: names no family; write {examples(asked)}")
    if family not in known:
        everywhere = dict.fromkeys(name for each in OPTIONS.values() for name in each.examples)
        if family in everywhere:
            raise UsageError(f"{said}: nothing of family '{family}' makes '{asked.kind}' maps; write {examples(asked)}")
        raise UsageError(f"{said}: there is no family '{family}'{_nearest(family, known)}; write {examples(asked)}")
    if not model:
        raise UsageError(f"{said}: names no model; write {family}:MODEL, for example {family}:{known[family]}")
    if family == "bundled":
        if model not in asked.bundled:
            near = _nearest(model, asked.bundled)
            raise UsageError(f"{said}: nothing of that name is bundled{near}; write {examples(asked)}")
        model = asked.bundled[model]
    return MakerName(asked, family, model)


@dataclass(frozen=True)
class MakerNames:
    """What the four options were given; None where one was not.

    Raises:
        UsageError: one cannot be understood, or two are given: a model paints from one kind of map.
    """

    segmenter: str | None = None
    pose: str | None = None
    face: str | None = None
    edges: str | None = None

    def __post_init__(self) -> None:
        given = [f"--{name}" for name, _ in self._given()]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} contradict each other: a model paints from one kind of map")
        _ = self.chosen

    def _given(self) -> list[tuple[str, str]]:
        return [(each.name, text) for each in fields(self) if (text := getattr(self, each.name)) is not None]

    @property
    def chosen(self) -> MakerName | None:
        """The one that was given."""
        return next((parse_maker(name, text) for name, text in self._given()), None)


def option_for(kind: MapKind) -> MakerOption | None:
    """The option whose makers make maps of a kind; None where nothing makes such maps from frames."""
    return next((option for option in OPTIONS.values() if option.kind == kind), None)


def examples(option: MakerOption) -> str:
    """What an option takes, in words."""
    written = [f"{family}:{example}" for family, example in option.examples.items()]
    return " or ".join((", ".join(written[:-1]), written[-1])) if len(written) > 1 else written[0]


def _nearest(name: str, known: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean '{near[0]}'?" if near else ""
