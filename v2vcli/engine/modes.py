"""What ``--mode`` and ``--model`` mean together: the table of modes, and the makers of maps behind them.

A mode is a kind of map with a bundled model that paints from it. A model says in its checkpoint what it paints from;
a mode that says otherwise is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.spec import DRAWN_KINDS, MapFrame, MapKind, MapSpec

if TYPE_CHECKING:
    import torch

    from v2vcli.maps.extractors import MapExtractor


@dataclass(frozen=True)
class Mode:
    """One entry of the table.

    Attributes:
        name: as ``--mode`` takes it.
        kind: of the maps between input and output.
        model: the bundled one that paints, unless ``--model`` names another.
    """

    name: str
    kind: MapKind
    model: str


MODES = MappingProxyType(
    {
        mode.name: mode
        for mode in (
            Mode("seg2street", "labels", "seg2street"),
            Mode("edge2face", "edges", "edge2face"),
        )
    }
)
SEGMENTER = "street-segmenter"
"""The bundled network that makes label maps of streets."""


def find_mode(name: str) -> Mode:
    """An entry of the table.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in MODES:
        raise UsageError(f"--mode {name}: there is no such mode; choose {' or '.join(MODES)}")
    return MODES[name]


def choose_model(mode: str | None, model: str | None) -> str:
    """The model to load: the one named, else the mode's."""
    if model is not None:
        if mode is not None:
            find_mode(mode)
        return model
    if mode is None:
        raise UsageError("give --mode or --model; `v2v models list` shows the models")
    return find_mode(mode).model


def require_agreement(mode: str | None, model: str, spec: MapSpec) -> None:
    """Refuse a mode and a model that contradict each other.

    Raises:
        ModelError: the model paints from another kind of map than the mode makes.
    """
    if mode is None or find_mode(mode).kind == spec.kind:
        return
    fitting = [entry.name for entry in MODES.values() if entry.kind == spec.kind]
    advice = f"use --mode {fitting[0]}" if fitting else "leave --mode out and give its maps with --maps"
    raise ModelError(
        f"--mode {mode} makes '{MODES[mode].kind}' maps, but {model} paints from '{spec.kind}' maps; {advice}"
    )


def extractor_for(
    spec: MapSpec, device: torch.device, video: tuple[int, int], segmenter: str | Path | None = None
) -> MapExtractor:
    """The maker of maps of a spec from frames.

    Args:
        spec: what the model paints from.
        device: where a segmentation network runs.
        video: (width, height) of the frames; the network sees them at its own area and their aspect.
        segmenter: the segmentation network: path, bundled name or hub id; None is the bundled one.

    Raises:
        UsageError: nothing makes such maps from frames; they have to be given.
        SchemaMismatch: the segmenter's labels do not fit the model's; the message lists the classes.
        ModelError: the segmenter cannot be loaded, or is none.
    """
    if spec.kind == "rgb":
        raise UsageError(
            "the model paints from a control video, which nothing can make from frames; give it with --maps"
        )
    if spec.kind in DRAWN_KINDS:
        raise UsageError(
            f"the model paints from '{spec.kind}' maps, which nothing makes from frames yet; draw them from keypoints "
            f"with v2vcli.maps.{spec.kind} and paint them with v2vcli.load(MODEL).stream(maps)"
        )
    if spec.kind == "edges":
        from v2vcli.maps.edges import CannyExtractor, CannySettings

        return CannyExtractor(spec.edges or CannySettings())
    if spec.instance_edges:
        raise UsageError("the model paints from labels with instances, which no bundled network tells; give --maps")
    made = load_segmenter(segmenter or SEGMENTER, device, video)
    return made if made.spec == spec else RemappedExtractor(made, spec)


def load_segmenter(name: str | Path, device: torch.device, video: tuple[int, int]) -> MapExtractor:
    """A segmentation network as a maker of maps of its own schema.

    Raises:
        ModelError: not found, damaged, or not a segmenter.
    """
    from v2vcli.maps.extractors import SegmentationExtractor
    from v2vcli.models.catalog import find_model
    from v2vcli.models.checkpoint import load_model
    from v2vcli.models.segmenter import Segmenter
    from v2vcli.models.sizes import at_aspect

    info, networks = load_model(find_model(str(name)))
    if "segmenter" not in networks:
        raise ModelError(f"{name}: is a {info.arch}, not a segmenter; `v2v models list` shows which are")
    network = cast(Segmenter, networks["segmenter"]).to(device).eval().requires_grad_(False)
    return SegmentationExtractor(network, info.spec, device, at_aspect(info.size, video, network.multiple))


class RemappedExtractor:
    """Maps of one label schema as maps of another, class by class, by name."""

    def __init__(self, extractor: MapExtractor, spec: MapSpec) -> None:
        """Make the table.

        Raises:
            SchemaMismatch: a class has no home in the other schema.
        """
        self.spec = spec
        self._extractor = extractor
        self._table = extractor.spec.label_schema.remap_table(spec.label_schema)

    def extract(self, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> list[MapFrame]:
        """As `maps.extractors.MapExtractor.extract`."""
        return [MapFrame(self.spec, self._table[made.array]) for made in self._extractor.extract(images, size)]


def fingerprint(path: Path) -> str:
    """The first 12 hex digits of a model file's SHA-256: which version of a model it was."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
