"""The makers of maps, opened: from an option (`engine.maker_names`) to a `maps.makers.extractors.MapExtractor`.

What a maker makes is fitted to what a model paints from: labels are remapped by name, or refused with the list of the
classes that do not fit; drawn maps are drawn as the model's settings say. Nothing is chosen in secret: where no bundled
maker makes such maps, the message says which others do.

Peculiar: libraries are imported when one of their models is asked for, and only then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from numpy.typing import NDArray

from v2vcli.engine.maker_names import OPTIONS, MakerName, MakerNames, examples, option_for, parse_maker
from v2vcli.engine.modes import SEGMENTER, find_mode, fingerprint
from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.spec import CannySettings, MapFrame, MapKind, MapSpec

if TYPE_CHECKING:
    import torch

    from v2vcli.maps.makers.extractors import MapExtractor

DEFAULTS: Final[dict[MapKind, MakerName]] = {
    "labels": parse_maker("segmenter", f"bundled:{SEGMENTER}"),
    "edges": parse_maker("edges", "bundled:canny"),
}
"""Makers that need no choice: they are bundled."""


def maker_for(spec: MapSpec, makers: MakerNames, device: torch.device, video: tuple[int, int] | None) -> MapExtractor:
    """The maker of maps that a model paints from.

    Args:
        spec: what the model paints from.
        makers: what was asked for.
        device: where networks run.
        video: (width, height) of the frames; a bundled network sees them at its own area and their aspect; None:
            of any.

    Raises:
        UsageError: nothing makes such maps from frames, or the maker asked for makes others, or has no such model.
        SchemaMismatch: the maker's labels do not fit the model's; the message lists the classes.
        ModelError: the maker's weights are not there, damaged, or not what was asked for.
    """
    name = chosen_maker(spec.kind, makers)
    if spec.pose is not None and spec.pose.densepose:
        raise UsageError("the model paints from poses with DensePose, which no maker gives; give such maps with --maps")
    return fitted(open_maker(name, device, video, spec), spec, name)


def map_kind(mode: str | None, makers: MakerNames) -> MapKind:
    """The kind of maps to make where no model says it: that of the maker asked for, else of the mode.

    Raises:
        UsageError: there is no such mode, the maker makes other maps than it, or neither was given.
    """
    chosen = makers.chosen
    if mode is None:
        if chosen is None:
            raise UsageError("nothing says which maps are wanted; give --mode, --model, or a maker such as --segmenter")
        return chosen.option.kind
    kinds = find_mode(mode).kinds
    kind = chosen.option.kind if chosen is not None and chosen.option.kind in kinds else kinds[0]
    require_kind(kind, makers)
    return kind


def chosen_maker(kind: MapKind, makers: MakerNames) -> MakerName:
    """Which maker makes maps of a kind: the one asked for, else the bundled one.

    Raises:
        UsageError: the one asked for makes other maps, or none was and none is bundled.
    """
    require_kind(kind, makers)
    name = makers.chosen or DEFAULTS.get(kind)
    if name is not None:
        return name
    option = option_for(kind)
    if option is None:
        raise UsageError(f"'{kind}' maps are made from frames by nothing here; give them with --maps")
    raise UsageError(f"nothing bundled makes '{kind}' maps; give --{option.name} {examples(option)}")


def require_kind(kind: MapKind, makers: MakerNames) -> None:
    """Refuse a maker of other maps than the model paints from.

    Raises:
        UsageError: it makes others.
    """
    name = makers.chosen
    if name is not None and name.option.kind != kind:
        option = option_for(kind)
        advice = "leave it out, and give its maps with --maps" if option is None else f"give --{option.name} instead"
        raise UsageError(
            f"--{name.option.name} {name} makes '{name.option.kind}' maps, but '{kind}' maps are wanted here; {advice}"
        )


def open_maker(
    name: MakerName, device: torch.device, video: tuple[int, int] | None, spec: MapSpec | None = None
) -> MapExtractor:
    """One maker, with the schema of its own.

    Args:
        name: which.
        device: where networks run.
        video: (width, height) of the frames; None: of any, one maker for videos of all shapes.
        spec: how edges, faces and poses are drawn; of labels, ignored. None draws them by default.

    Raises:
        UsageError: the family has no such model, or it makes other maps than its option says.
        ModelError: its weights are not there, damaged, or not what was asked for.
    """
    drawn = spec if spec is not None and spec.kind == name.option.kind != "labels" else None
    made = _opened(name, device, video, drawn)
    if made.spec.kind != name.option.kind:
        fitting = option_for(made.spec.kind)
        advice = "" if fitting is None else f"; give it with --{fitting.name}"
        raise UsageError(f"--{name.option.name} {name}: makes '{made.spec.kind}' maps{advice}")
    return made


def _opened(
    name: MakerName, device: torch.device, video: tuple[int, int] | None, drawn: MapSpec | None
) -> MapExtractor:
    from v2vcli.maps.drawn.keypoints import FaceSettings, PoseSettings

    pose = (drawn and drawn.pose) or PoseSettings()
    match name.family:
        case "bundled" | "v2v" if name.option is OPTIONS["segmenter"]:
            return load_segmenter(name.model, device, video)
        case "bundled":
            from v2vcli.maps.makers.edges import CannyExtractor

            return CannyExtractor((drawn and drawn.edges) or CannySettings())
        case "torchvision":
            from v2vcli.maps.makers.torchvision_makers import open_torchvision

            return open_torchvision(name.model, device, pose)
        case "hf":
            from v2vcli.maps.makers.transformers_makers import open_transformers

            return open_transformers(name.model, device, pose=pose)
        case "face-alignment":
            from v2vcli.maps.makers.face_makers import open_face_alignment

            return open_face_alignment(name.model, device, (drawn and drawn.face) or FaceSettings())
    raise UsageError(f"--{name.option.name} {name}: holds maps that are made already, and makes none")


def fitted(made: MapExtractor, spec: MapSpec, name: MakerName | str) -> MapExtractor:
    """A maker as one of maps of another spec; itself where nothing differs.

    Raises:
        SchemaMismatch: its labels do not fit; the message lists the classes.
        ModelError: it tells no instances and they are wanted, or draws its maps in another way.
    """
    if made.spec == spec:
        return made
    if made.spec.kind != "labels" or spec.kind != "labels":
        raise ModelError(f"{name}: makes other '{made.spec.kind}' maps than the model paints from; give --maps")
    if spec.instance_edges and not made.spec.instance_edges:
        raise ModelError(
            f"the model paints from labels with instances, which {name} does not tell; give a --segmenter that does "
            "(torchvision:maskrcnn_resnet50_fpn_v2, hf: with a panoptic model), or maps that have them with --maps"
        )
    return RemappedExtractor(made, spec)


def maker_source(name: MakerName) -> str:
    """Who makes the maps, for the file that they are stored in: FAMILY:MODEL, and of our own networks the version."""
    if name.option is not OPTIONS["segmenter"] or name.family not in ("bundled", "v2v"):
        return str(name)
    from v2vcli.models.catalog import find_model

    return f"{name} {fingerprint(find_model(name.model))}"


def given_source(path: Path) -> str:
    """Who made maps that are given: what they say themselves where v2v stored them, else ``file:`` and their name."""
    from v2vcli.maps.files.store import stored_source

    said = None if path.suffix.lower() == ".json" else stored_source(path)  # COCO's panoptic files are no videos
    return said or f"file:{path.name}"


def load_segmenter(name: str | Path, device: torch.device, video: tuple[int, int] | None) -> MapExtractor:
    """A segmentation network of ours as a maker of maps of its own schema.

    Args:
        name: path, bundled name or hub id.
        device: where it runs.
        video: (width, height): the network sees frames at its own area and this aspect; None: at that of each frame.

    Raises:
        ModelError: not found, damaged, or not a segmenter.
    """
    from v2vcli.maps.makers.extractors import SegmentationExtractor
    from v2vcli.models.catalog import find_model
    from v2vcli.models.checkpoint import load_model
    from v2vcli.models.segmenter import Segmenter
    from v2vcli.models.sizes import at_aspect

    info, networks = load_model(find_model(str(name)))
    if "segmenter" not in networks:
        raise ModelError(f"{name}: is a {info.arch}, not a segmenter; `v2v models list` shows which are")
    network = cast(Segmenter, networks["segmenter"]).to(device).eval().requires_grad_(False)
    seen = partial(at_aspect, info.size, least=network.multiple)
    return SegmentationExtractor(network, info.spec, device, seen if video is None else seen(video))


class RemappedExtractor:
    """Maps of one label schema as maps of another, class by class, by name; instances stay as they are."""

    def __init__(self, extractor: MapExtractor, spec: MapSpec) -> None:
        """Make the table.

        Raises:
            SchemaMismatch: a class has no home in the other schema.
        """
        self.spec = spec
        self._extractor = extractor
        self._table = extractor.spec.label_schema.remap_table(spec.label_schema)

    def extract(self, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> list[MapFrame]:
        """As `maps.makers.extractors.MapExtractor.extract`."""
        return [
            replace(made, spec=self.spec, array=self._table[made.array])
            for made in self._extractor.extract(images, size)
        ]
