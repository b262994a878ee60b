"""What is to be imported from files of the reference implementation, and which maps such models were told.

Their files carry no configuration: the shapes give away the networks (`v2vcli.models.reference_shapes`), but what a
map channel means has to be said. This module imports no torch, so that a mistyped path is answered at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.drawn.keypoints import FACE_CURVES, FaceSettings, PoseSettings
from v2vcli.maps.label_schema import VOID, LabelSchema
from v2vcli.maps.schema import CITYSCAPES35, SCHEMAS, find_schema, numbered_schema
from v2vcli.maps.spec import MapSpec
from v2vcli.partfile import require_free

ReferenceArch: TypeAlias = Literal["street", "face", "pose"]

FOREGROUND = (26,)
"""What the reference's street models paint apart unless told otherwise: cars, in the numbering of Cityscapes-35."""

_WANTED = re.compile(r"latest_net_(G\d*|E)\.pth")


@dataclass(frozen=True)
class ImportRequest:
    """One import.

    Attributes:
        sources: ``.pth`` files, or folders with ``latest_net_G0.pth``, ``latest_net_G.pth``, ``latest_net_E.pth``, ...
        output: the ``.safetensors`` file to write.
        arch: what it paints: streets from labels, faces from landmarks, people from poses.
        scales: how many scales of a chain are taken, coarsest first; None: all that are there.
        labels: of a street, what it was trained on: a number of labels or what `find_schema` takes.
        foreground: ids of the labels that a foreground branch paints; None: `FOREGROUND` with Cityscapes-35.
        size: (width, height) to paint at; None: what such a model was published for.
        name: of the model; None: the output's, without its ending.
        overwrite: the output may exist.

    Raises:
        UsageError: options that contradict each other.
    """

    sources: tuple[Path, ...]
    output: Path
    arch: ReferenceArch
    scales: int | None = None
    labels: str = "cityscapes35"
    foreground: tuple[int, ...] | None = None
    size: tuple[int, int] | None = None
    name: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.arch not in get_args(ReferenceArch):
            raise UsageError(f"--arch {self.arch}: choose {', '.join(get_args(ReferenceArch))}")
        if not self.sources:
            raise UsageError("nothing to import; give .pth files, or the folder they are in")
        if self.scales is not None and self.scales < 1:
            raise UsageError(f"--scales {self.scales}: give 1 or more, or nothing for all that are there")
        if self.output.suffix.lower() != ".safetensors":
            raise UsageError(f"-o {self.output}: give the name of a .safetensors file")
        if self.arch != "street" and self.labels != "cityscapes35":
            raise UsageError(f"--labels {self.labels}: is for --arch street; '{self.arch}' maps have no labels")
        self.schema()

    @property
    def model_name(self) -> str:
        """What the model is called."""
        return self.name or self.output.stem

    def files(self) -> list[Path]:
        """The files that are meant, each once, in the order given.

        Raises:
            ModelError: a source is not there, or a folder holds none.
        """
        found: dict[Path, Path] = {}
        for source in self.sources:
            if source.is_dir():
                inside = sorted(path for path in source.iterdir() if _WANTED.fullmatch(path.name))
                if not inside:
                    raise ModelError(
                        f"{source}: no latest_net_G0.pth, latest_net_G.pth or the like in this folder; "
                        "files of other names are given one by one"
                    )
            elif source.exists():
                inside = [source]
            else:
                raise ModelError(f"{source}: no such file or folder; check the path")
            for path in inside:
                found.setdefault(path.resolve(), path)
        return list(found.values())

    def require_ready(self) -> list[Path]:
        """The files that are meant, if the output may be written.

        Raises:
            ModelError: as `files`.
            OutputError: as `require_free`.
        """
        paths = self.files()
        require_free(self.output, overwrite=self.overwrite, inputs=paths)
        return paths

    def schema(self) -> LabelSchema:
        """What the labels of a street mean.

        Raises:
            UsageError: neither a number of labels nor a schema.
        """
        if not self.labels.isascii() or not self.labels.isdigit():
            return find_schema(self.labels)
        if not 1 <= (planes := int(self.labels)) < VOID:
            raise UsageError(f"--labels {planes}: give 1..{VOID - 1}, or the name of a schema")
        return next((schema for schema in SCHEMAS.values() if schema.planes == planes), None) or numbered_schema(planes)

    def spec(self, channels: int, reader: str) -> MapSpec:
        """What the model is told to paint.

        Args:
            channels: map channels that its networks read.
            reader: the file that says so.

        Raises:
            ModelError: maps of this kind have other channels.
        """
        if self.arch == "street":
            labels = self.schema()
            if channels in (labels.planes, labels.planes + 1):  # one more: the edges of the instances
                return MapSpec("labels", labels, instance_edges=channels > labels.planes)
            raise ModelError(
                f"{reader} reads {channels} map channels a frame, and {labels.name} has {labels.planes}, or "
                f"{labels.planes + 1} with instance edges; say what it was trained on: --labels N, or another --arch"
            )
        distances = 1 + len(FACE_CURVES)
        kinds = {
            "face": {
                distances: MapSpec("face", face=FaceSettings(reference_quirks=True)),
                1: MapSpec("face", face=FaceSettings(background=False, distances=False, reference_quirks=True)),
            },
            "pose": {
                6: MapSpec("pose", pose=PoseSettings(densepose=True, reference_quirks=True)),
                3: MapSpec("pose", pose=PoseSettings(reference_quirks=True)),
            },
        }[self.arch]
        if channels not in kinds:
            raise ModelError(
                f"{reader} reads {channels} map channels a frame, and {self.arch} maps have "
                f"{' or '.join(map(str, kinds))}; is it of another --arch?"
            )
        return kinds[channels]

    def foreground_of(self, spec: MapSpec, has_branch: bool, reader: str) -> tuple[int, ...]:
        """The map channels that are foreground; none without the branch that paints them.

        Raises:
            ModelError: `foreground` says otherwise, or has to be given.
        """
        if not has_branch:
            if self.foreground:
                raise ModelError(f"--foreground {self._ids}: {reader} has no foreground branch; leave the option out")
            return ()
        if self.foreground is None:
            if spec.schema == CITYSCAPES35:
                return FOREGROUND
            raise ModelError(
                f"{reader} has a foreground branch; say with --foreground which labels it was trained to paint"
            )
        if not self.foreground or not all(0 <= each < spec.channels for each in self.foreground):
            raise ModelError(f"--foreground {self._ids}: {reader} has map channels 0..{spec.channels - 1}")
        return self.foreground

    @property
    def _ids(self) -> str:
        return ",".join(map(str, self.foreground or ()))

    def default_size(self, *, scales: int, downsamplings: int, chain_width: int | None) -> tuple[int, int]:
        """The (width, height) such a model was published for.

        Args:
            scales: of the chain, or for an image generator alone 1 + its enhancers.
            downsamplings: halvings of its coarsest network.
            chain_width: channels of the chain's coarsest scale at its full resolution; None without a chain.
        """
        doubled = 1 << (scales - 1)
        if self.arch == "street":
            # 512, 1024, 2048; those for a single GPU halve twice and are half as large; pix2pixHD halves four times
            across = {2: 256, 4: 1024}.get(downsamplings, 512) * doubled
            return across, across // 2
        small = self.arch == "pose" or (chain_width or 128) <= 64  # faces for a single GPU: 64 channels
        return (256 * doubled, 256 * doubled) if small else (512 * doubled, 512 * doubled)
