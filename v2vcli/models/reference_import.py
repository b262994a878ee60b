"""Weights of the reference implementation, made into a model of ours.

Peculiar:
- the shapes say what the networks are, and then every tensor has to fit: none missing, none left over, none of another
  shape. The reference itself skips what does not fit and paints on.
- the tensors are taken as they are. Running statistics, which no network of ours (nor the reference, when it paints)
  looks at, are kept in the checkpoint beside the networks, so that `v2v models export` gives the same files back.
- discriminators are not imported: nothing that paints needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from v2vcli.errors import ModelError, OutputError
from v2vcli.maps.spec import MapSpec
from v2vcli.models import reference_names, reference_shapes
from v2vcli.models.checkpoint import PARTS, ModelInfo, model_bytes, read_info
from v2vcli.models.reference_file import StateFile, read_state
from v2vcli.models.reference_names import BUFFERS, Layer
from v2vcli.models.reference_request import ImportRequest
from v2vcli.partfile import PartFile

LICENCE = "non-commercial: imported weights stay under the licence they came with (NVIDIA's vid2vid, pix2pixHD)"
"""What every imported model says of its licence."""


@dataclass(frozen=True)
class Imported:
    """What an import has made.

    Attributes:
        info: as it is in the checkpoint.
        parameters: number of learnt values.
        used: the files that are in it.
        unused: finer scales that were not asked for.
    """

    info: ModelInfo
    parameters: int
    used: tuple[Path, ...]
    unused: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Fitted:
    """One file, every tensor of which has found its place.

    Attributes:
        file: where from.
        role: ``G0``, ``G1``, ... of a chain; ``G``, the image generator; ``E``, its feature encoder.
        ours: the tensors of a network of ours, by its keys.
        rest: running statistics, by their keys in the file.
    """

    file: StateFile
    role: str
    ours: Mapping[str, Tensor]
    rest: Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class _Part:
    """A network of ours: its configuration, and the files that fill it."""

    config: Any
    files: Sequence[Fitted]


def import_model(request: ImportRequest) -> Imported:
    """Make a checkpoint of the reference's files.

    Raises:
        ModelError: a file cannot be read, or it is not what the request says; the message names what does not fit.
        OutputError: the output cannot be written.
    """
    paths = request.require_ready()
    chain, image, encoder = _sorted([read_state(path) for path in paths])
    scales = request.scales or len(chain)
    if scales > len(chain):
        raise ModelError(f"--scales {scales}: there are {len(chain)} scales among {', '.join(map(str, paths))}")
    chain, unused = chain[:scales], chain[scales:]
    spec = _spec(request, chain, image, encoder)
    parts = _parts(request, spec, chain, image, encoder)
    every = [one for part in parts.values() for one in part.files]
    info = ModelInfo(
        name=request.model_name,
        arch="vid2vid" if chain else "pix2pixHD",
        spec=spec,
        size=request.size or _size(request, {name: part.config for name, part in parts.items()}),
        licence=LICENCE,
        provenance={
            "imported": f"from {', '.join(one.file.name for one in every)} of the reference implementation",
            "reference_arch": request.arch,
            "files": {one.role: {"name": one.file.name, "sha256": one.file.sha256} for one in every},
            "v2v": version("v2vcli"),
        },
        reference={one.role: list(one.file.tensors) for one in every},
    )
    networks = {name: _network(name, part) for name, part in parts.items()}
    rest = {f"{one.role}.{key}": value for one in every for key, value in one.rest.items()}
    _write(request, model_bytes(info, networks, reference=rest))
    parameters = sum(value.numel() for one in every for value in one.ours.values())
    return Imported(
        read_info(request.output),
        parameters,
        tuple(one.file.path for one in every),
        tuple(file.path for file in unused),
    )


def _sorted(files: Sequence[StateFile]) -> tuple[list[StateFile], StateFile | None, StateFile | None]:
    """The chain, coarsest scale first; the image generator; the feature encoder."""
    roles = [(file, reference_shapes.role_of(file)) for file in files]
    chain = [file for file, role in roles if role in ("coarse", "finer")]

    def single(wanted: str, what: str) -> StateFile | None:
        found = [file for file, role in roles if role == wanted]
        if len(found) > 1:
            raise ModelError(f"{found[0].path} and {found[1].path} are both {what}; give one of them")
        return found[0] if found else None

    image, encoder = single("image", "image generators"), single("encoder", "feature encoders")
    if encoder is not None and image is None:
        raise ModelError(f"{encoder.path}: a feature encoder needs its image generator; give latest_net_G.pth too")
    return reference_shapes.in_order(chain) if chain else [], image, encoder


def _shown(image: StateFile, encoder: StateFile | None) -> int:
    """Channels of the map that an image generator is shown: what it reads, without the features.

    Raises:
        ModelError: it is shown other features than the encoder gives.
    """
    features = reference_shapes.inner_features(image)
    if encoder is not None:
        given = reference_shapes.encoder_config(encoder).features
        if features not in (0, given):
            raise ModelError(
                f"{encoder.path} gives {given} features, {image.path} is shown {features}: they are no pair"
            )
        features = given
    return reference_shapes.image_channels(image) - features


def _spec(
    request: ImportRequest, chain: Sequence[StateFile], image: StateFile | None, encoder: StateFile | None
) -> MapSpec:
    """What the model is told to paint, which all of its networks have to agree on."""
    if not chain:
        assert image is not None  # no file is of another kind
        shown = _shown(image, encoder)
        features = reference_shapes.image_channels(image) - shown
        return request.spec(shown, f"{image.path}{f', without {features} of features,' if features else ''}")
    spec = request.spec(reference_shapes.map_channels(chain[0]), str(chain[0].path))
    # the reference shows the labels alone to the image generators of its streets
    allowed = {spec.channels, spec.channels - 1} if spec.instance_edges else {spec.channels}
    if image is not None and (shown := _shown(image, encoder)) not in allowed:
        raise ModelError(
            f"{image.path} reads {shown} map channels, and {chain[0].path}, whose first frames it would paint, "
            f"{spec.channels}; were they trained on the same maps?"
        )
    return spec


def _parts(
    request: ImportRequest,
    spec: MapSpec,
    chain: Sequence[StateFile],
    image: StateFile | None,
    encoder: StateFile | None,
) -> dict[str, _Part]:
    """The networks by part name, every tensor in its place."""
    parts: dict[str, _Part] = {}
    if chain:
        has_foreground = reference_shapes.has_foreground(chain[0])
        generator = reference_shapes.chain_config(
            chain, request.foreground_of(spec, has_foreground, str(chain[0].path))
        )
        with _imaginable(chain[0]):
            layers = reference_names.chain_layers(generator)
        parts["generator"] = _Part(generator, [fit(file, f"G{s}", layers[s]) for s, file in enumerate(chain)])
    if image is not None:
        config = reference_shapes.image_config(image, _shown(image, encoder))
        with _imaginable(image):
            image_layers = reference_names.image_generator_layers(config)
        parts["image_generator"] = _Part(config, [fit(image, "G", image_layers)])
    if encoder is not None:
        encoding = reference_shapes.encoder_config(encoder)
        with _imaginable(encoder):
            encoder_layers = reference_names.feature_encoder_layers(encoding)
        parts["feature_encoder"] = _Part(encoding, [fit(encoder, "E", encoder_layers)])
    return parts


@contextmanager
def _imaginable(file: StateFile) -> Iterator[None]:
    """Sizes beyond all numbers, which only a damaged file asks for, are its error and not ours."""
    try:
        yield
    except (RuntimeError, OverflowError, TypeError):
        raise ModelError(f"{file.path}: its tensors fit no network that could be built; is the file whole?") from None


def _size(request: ImportRequest, configs: Mapping[str, Any]) -> tuple[int, int]:
    if (generator := configs.get("generator")) is not None:
        return request.default_size(
            scales=generator.scales, downsamplings=generator.downsamplings, chain_width=generator.width
        )
    image = configs["image_generator"]
    return request.default_size(scales=1 + image.enhancers, downsamplings=image.downsamplings, chain_width=None)


def fit(file: StateFile, role: str, layers: Sequence[Layer]) -> Fitted:
    """Give every tensor of a file its place in a network.

    Args:
        file: what was read.
        role: see `Fitted`.
        layers: what the network consists of, see `v2vcli.models.reference_names`.

    Raises:
        ModelError: one is missing, left over, or of another shape or kind.
    """
    left = dict(file.tensors)
    ours: dict[str, Tensor] = {}
    rest: dict[str, Tensor] = {}
    missing: list[str] = []
    for layer in layers:
        for key, shape in layer.tensors.items():
            if (value := left.pop(theirs := f"{layer.theirs}.{key}", None)) is None:
                missing.append(theirs)
            else:
                ours[f"{layer.ours}.{key}"] = _checked(file, theirs, value, shape)
        if layer.channels is None:
            continue
        for buffer in BUFFERS:
            if (value := left.pop(theirs := f"{layer.theirs}.{buffer}", None)) is not None:
                shape = torch.Size([] if buffer == "num_batches_tracked" else [layer.channels])
                rest[theirs] = _checked(file, theirs, value, shape, learnt=False)
    for what, keys in (("is missing", missing), ("has no place in such a network", list(left))):
        if keys:
            more = f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
            raise ModelError(f"{file.path}: {keys[0]}{more} {what}; is the file whole, and of vid2vid or pix2pixHD?")
    return Fitted(file, role, ours, rest)


def _checked(file: StateFile, key: str, value: Tensor, shape: torch.Size, *, learnt: bool = True) -> Tensor:
    if value.shape != shape:
        raise ModelError(
            f"{file.path}: {key} has the shape {list(value.shape)}; beside the other tensors it would be {list(shape)}"
        )
    if learnt and not value.is_floating_point():
        raise ModelError(f"{file.path}: {key} holds {value.dtype}, which are no weights; is the file whole?")
    return value


def _network(name: str, part: _Part) -> nn.Module:
    """A network that holds the files' own tensors."""
    with torch.device("meta"):  # no memory, no initialisation
        network = PARTS[name][1](part.config)
    network.load_state_dict({key: value for one in part.files for key, value in one.ours.items()}, assign=True)
    return network


def _write(request: ImportRequest, model: bytes) -> None:
    part = PartFile(request.output, overwrite=request.overwrite)
    try:
        part.part.write_bytes(model)
        part.commit()
    except OSError as error:
        raise OutputError(f"cannot write {request.output}: {(error.strerror or str(error)).lower()}") from None
    finally:
        part.discard()  # unless it has its name by now
