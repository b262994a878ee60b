"""Our models in the format of the reference implementation: one ``latest_net_*.pth`` for each of its networks.

Peculiar: what was imported comes back as it was, running statistics included, every tensor to the byte and in the same
order. Our own networks never had such statistics, but the reference expects them (and does not look at them when it
paints): they get those of a norm that has seen nothing. What the reference has no network for is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from v2vcli.errors import ModelError, OutputError
from v2vcli.models import reference_names
from v2vcli.models.checkpoint import PARTS, REFERENCE, ModelInfo, read_info
from v2vcli.models.reference_file import write_state
from v2vcli.models.reference_names import BUFFERS, Layer
from v2vcli.partfile import PartFile

KERNEL = 7
"""Side of the reference's first and last convolutions."""

MAX_WIDTH = 1024
"""No layer of vid2vid's image generators is wider; pix2pixHD's know no limit."""

_KNOWN = ("generator", "image_generator", "feature_encoder")


def export_model(model: Path, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write a model's networks as the reference would.

    Args:
        model: a checkpoint of ours.
        folder: where to; made if it is not there. Other files in it are left alone.
        overwrite: files of the same names may be replaced.

    Returns:
        The files: ``latest_net_G0.pth`` and so on for each scale, ``latest_net_G.pth``, ``latest_net_E.pth``.

    Raises:
        ModelError: no model of ours, a damaged one, or one that the reference has no networks for.
        OutputError: a file is in the way, or cannot be written.
    """
    info = read_info(model)
    _require_expressible(model, info)
    layers = _layers(model, info)
    made = _made(folder)
    try:
        with ExitStack() as stack, safe_open(model, "pt") as file:
            parts: list[PartFile] = []
            for role, (part, of_role) in layers.items():
                target = PartFile(folder / f"latest_net_{role}.pth", overwrite=overwrite, inputs=[model])
                stack.callback(target.discard)  # unless it has its name by then
                write_state(target.part, dict(_state(model, file, info, role, part, of_role)))
                parts.append(target)
            for target in parts:
                target.require_ready()
            for target in parts:
                target.commit()
    except OSError as error:
        raise OutputError(f"cannot write in {folder}: {(error.strerror or str(error)).lower()}") from None
    finally:
        if made:
            with suppress(OSError):  # it is kept where something was written
                folder.rmdir()
    return [target.path for target in parts]


def _require_expressible(model: Path, info: ModelInfo) -> None:
    """Refuse what the programs of the reference could not use.

    Raises:
        ModelError: it has no such network.
    """
    if strange := sorted(set(info.parts) - set(_KNOWN)):
        raise ModelError(f"{model}: is of arch {info.arch}; the reference has no network like its {strange[0]}")
    if info.reference:  # that is where it came from
        return
    configs = {part: _config(model, part, values) for part, values in info.parts.items()}
    lacks: list[str] = []
    for part, config in configs.items():
        network, side = part.replace("_", " "), config.kernel
        if side != KERNEL:
            lacks.append(f"its {network} begins with {side}x{side} convolutions, not {KERNEL}x{KERNEL}")
        if config.norm == "stored":
            lacks.append(f"its {network} paints with stored statistics, not those of the frame")
    if (generator := configs.get("generator")) is not None and generator.foreground:
        width, rule = generator.foreground_width_at(0), replace(generator, foreground_width=None).foreground_width_at(0)
        if width != rule:
            lacks.append(f"its foreground branch has {width} channels, not {rule}")
    if (image := configs.get("image_generator")) is not None:
        if image.max_width not in (None, MAX_WIDTH):
            lacks.append(f"its image generator has at most {image.max_width} channels, not {MAX_WIDTH}")
        if generator is not None and info.spec.instance_edges and image.map_channels == info.spec.channels:
            lacks.append("its image generator is shown instance edges, not the labels alone")
    if lacks:
        raise ModelError(f"{model}: cannot be exported, for {lacks[0]} as in the reference")


def _config(model: Path, part: str, values: Mapping[str, Any]) -> Any:
    try:
        return PARTS[part][0](**values)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{model}: {part} has a configuration that cannot be understood ({error})") from None


def _layers(model: Path, info: ModelInfo) -> dict[str, tuple[str, list[Layer]]]:
    """Role of each file (``G0``, ``G``, ``E``) -> the part it belongs to and the layers that are in it."""
    found: dict[str, tuple[str, list[Layer]]] = {}
    for part, values in info.parts.items():
        config = _config(model, part, values)
        match part:
            case "generator":
                chain = reference_names.chain_layers(config)
                found |= {f"G{s}": (part, layers) for s, layers in enumerate(chain)}
            case "image_generator":
                found["G"] = (part, reference_names.image_generator_layers(config))
            case "feature_encoder":
                found["E"] = (part, reference_names.feature_encoder_layers(config))
    if info.reference and set(info.reference) != set(found):
        raise ModelError(
            f"{model}: says it was imported from {', '.join(info.reference)}, and holds {', '.join(found)}"
        )
    return dict(sorted(found.items()))


def _state(
    model: Path, file: Any, info: ModelInfo, role: str, part: str, layers: list[Layer]
) -> Iterator[tuple[str, Tensor]]:
    """The reference's keys and tensors of one file, in its order."""
    stored = set(file.keys())

    def tensor(name: str, shape: torch.Size | None) -> Tensor:
        found: Tensor | None = file.get_tensor(name) if name in stored else None
        if found is None or shape not in (None, found.shape):
            raise ModelError(f"{model}: {name} is missing or does not fit its configuration; the file is damaged")
        return found

    if not info.reference:
        for layer in layers:
            for key, shape in layer.tensors.items():
                # bundled models are stored in half precision
                yield f"{layer.theirs}.{key}", tensor(f"{part}.{layer.ours}.{key}", shape).float()
            if layer.channels is not None and (layer.tensors or "generator" in info.parts):
                # vid2vid's norms keep statistics, learnt or not; pix2pixHD's instance norms do not
                fresh = (torch.zeros(layer.channels), torch.ones(layer.channels), torch.tensor(0))
                yield from zip((f"{layer.theirs}.{buffer}" for buffer in BUFFERS), fresh, strict=True)
        return
    ours = {
        f"{layer.theirs}.{key}": (f"{part}.{layer.ours}.{key}", shape)
        for layer in layers
        for key, shape in layer.tensors.items()
    }
    for key in info.reference[role]:
        yield key, tensor(*ours.pop(key, (f"{REFERENCE}.{role}.{key}", None)))
    if ours:
        raise ModelError(f"{model}: does not say where {next(iter(ours))} goes; the file is damaged")


def _made(folder: Path) -> bool:
    """Make the folder; whether it was not there before."""
    if folder.is_dir():
        return False
    try:
        folder.mkdir()
    except FileExistsError:
        raise OutputError(f"{folder} is a file; give the name of a folder") from None
    except FileNotFoundError:
        raise OutputError(f"{folder}: the folder {folder.parent} does not exist; create it first") from None
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {(error.strerror or str(error)).lower()}") from None
    return True
