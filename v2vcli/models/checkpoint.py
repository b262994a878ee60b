"""A model on disk: one safetensors file whose metadata says what it is.

Peculiar: nothing is ever unpickled; loading is strict, and a missing or surplus key is named. Weights may be stored
as float16 (bundled ones are) and always come back as float32. Tensor names are ``PART.KEY``; each part is one network
with its configuration under ``parts`` in the metadata. A model imported from files of the reference implementation
holds what no network needs and only its export does under ``reference.FILE.KEY``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from v2vcli.errors import ModelError
from v2vcli.maps.spec import MapSpec
from v2vcli.models.covst import Covst, CovstConfig
from v2vcli.models.feature_encoder import FeatureEncoder, FeatureEncoderConfig
from v2vcli.models.generator import GeneratorConfig, Vid2VidGenerator
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.models.segmenter import Segmenter, SegmenterConfig

FORMAT = 2
_KEY = "v2v"
PARTS: dict[str, tuple[type[Any], type[nn.Module]]] = {
    "generator": (GeneratorConfig, Vid2VidGenerator),
    "image_generator": (ImageGeneratorConfig, ImageGenerator),
    "feature_encoder": (FeatureEncoderConfig, FeatureEncoder),
    "covst": (CovstConfig, Covst),
    "segmenter": (SegmenterConfig, Segmenter),
}
"""Configuration and network class of every part a checkpoint may hold."""
REFERENCE = "reference"
"""Name space of the tensors that only `v2v models export` needs."""


@dataclass(frozen=True)
class ModelInfo:
    """What a checkpoint says of itself.

    Attributes:
        name: short name, as in ``--model NAME``.
        arch: ``vid2vid``, ``pix2pixHD`` (an image generator alone), ``covst`` or ``segmenter``.
        spec: what the painter is told, or what the segmenter gives.
        size: (width, height) it was trained at, its paint size.
        licence: of the weights.
        provenance: how it came about: recipe, data, frames seen, version, ...
        parts: configuration of each network.
        reference: of an imported model, the keys of each of the reference's files, in their order.
    """

    name: str
    arch: str
    spec: MapSpec
    size: tuple[int, int]
    licence: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reference: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of_training(
        cls, name: str, arch: str, spec: MapSpec, size: tuple[int, int], recipe: Any, frames_seen: int
    ) -> ModelInfo:
        """The information a training run leaves: its resolved recipe (a pydantic model) and what it saw."""
        provenance = {
            "frames_seen": frames_seen,
            "v2v": version("v2vcli"),
            "torch": torch.__version__.split("+")[0],
            "data": recipe.data_note,
            "recipe": recipe.model_dump(mode="json", by_alias=True),
        }
        return cls(name, arch, spec, size, recipe.licence, provenance)

    def to_json(self) -> str:
        """One JSON object."""
        values = {
            "format": FORMAT,
            "name": self.name,
            "arch": self.arch,
            "spec": self.spec.to_json(),
            "size": list(self.size),
            "licence": self.licence,
            "provenance": dict(self.provenance),
            "parts": {part: dict(config) for part, config in self.parts.items()},
            "reference": {file: list(keys) for file, keys in self.reference.items()},
        }
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelInfo:
        """Back from `to_json`; raises ValueError, KeyError or TypeError on anything else."""
        values = json.loads(text)
        if values["format"] > FORMAT:
            raise ValueError(f"format {values['format']} is newer than this program; upgrade v2vcli")
        if values["format"] < FORMAT:
            raise ValueError(
                f"format {values['format']} is of an older program, this one reads {FORMAT}; train it anew"
            )
        width, height = values["size"]
        return cls(
            values["name"],
            values["arch"],
            MapSpec.from_json(values["spec"]),
            (int(width), int(height)),
            values["licence"],
            values["provenance"],
            values["parts"],
            values.get("reference", {}),
        )


def save_model(path: Path, info: ModelInfo, parts: Mapping[str, nn.Module], *, half: bool = False) -> None:
    """Write the networks and what they are, whole or not at all.

    Args:
        path: the ``.safetensors`` file; its folder must exist.
        info: everything but ``parts``, which is read off the networks' ``config``.
        parts: networks by part name, see `PARTS`.
        half: store weights as float16.
    """
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(model_bytes(info, parts, half=half))
    partial.replace(path)


def model_bytes(
    info: ModelInfo,
    parts: Mapping[str, nn.Module],
    *,
    half: bool = False,
    reference: Mapping[str, Tensor] = MappingProxyType({}),
) -> bytes:
    """The file that `save_model` writes; `reference` holds the tensors that are kept for export, as ``FILE.KEY``."""
    info = replace(info, parts={part: asdict(network.config) for part, network in parts.items()})  # type: ignore[call-overload]
    tensors = {
        f"{part}.{key}": (value.half() if half and value.is_floating_point() else value).cpu().contiguous()
        for part, network in parts.items()
        for key, value in network.state_dict().items()
    }
    tensors |= {f"{REFERENCE}.{key}": value.contiguous() for key, value in reference.items()}
    return save(tensors, {_KEY: info.to_json()})


def read_info(path: Path) -> ModelInfo:
    """The metadata of a checkpoint, without its weights.

    Raises:
        ModelError: not there, not safetensors, or not one of ours.
    """
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(_KEY)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file; `v2v models list` shows what is installed") from None
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not a safetensors file ({error})") from None
    if text is None:
        raise ModelError(f"{path}: a safetensors file without v2v metadata; it was not written by v2v")
    try:
        return ModelInfo.from_json(text)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: its v2v metadata cannot be understood ({error})") from None


def load_model(path: Path) -> tuple[ModelInfo, dict[str, nn.Module]]:
    """Read a checkpoint and build its networks, float32, on the CPU, in evaluation mode.

    Raises:
        ModelError: as `read_info`; or a part, key or shape that does not fit, which the message names.
    """
    info = read_info(path)
    with safe_open(path, "pt") as file:
        tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no iterator
    networks: dict[str, nn.Module] = {}
    for part, values in info.parts.items():
        if part not in PARTS:
            raise ModelError(f"{path}: holds a part {part!r} that this version does not know; upgrade v2vcli")
        config, network = PARTS[part]
        try:
            built = network(config(**values))
            mine = {key.removeprefix(f"{part}."): value for key, value in tensors.items() if key.startswith(f"{part}.")}
            built.load_state_dict({key: v.float() if v.is_floating_point() else v for key, v in mine.items()})
        except (RuntimeError, TypeError, ValueError) as error:
            raise ModelError(f"{path}: {part} does not fit its configuration: {' '.join(str(error).split())}") from None
        networks[part] = built.eval()
    kept = {f"{REFERENCE}.{file}.{key}" for file, keys in info.reference.items() for key in keys}
    surplus = sorted({key.split(".", 1)[0] for key in tensors if key not in kept} - set(networks))
    if surplus:
        raise ModelError(f"{path}: holds tensors of {', '.join(surplus)}, which its configuration does not mention")
    return info, networks
