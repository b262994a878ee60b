"""torchvision's networks with torchvision's weights, and how they are run here.

What is peculiar:

- Constructors get their weights' enum and load the file themselves: that choice changes more than the weights (frozen
  batch norms, an epsilon, an auxiliary head). While they do, torch is told to read tensors and nothing else.
- Detectors run step by step (`detect`), as their own ``forward`` runs them, because it would paste masks at the size of
  the picture only.
- Half precision is float16 by autocast, and on CUDA alone; of a detector it is the backbone, while boxes, masks and
  points are found in float32. What overflows is computed again in float32, so that nobody is told of classes that an
  infinity has chosen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from v2vcli.errors import ModelError
from v2vcli.maps.makers.weights import TORCHVISION, fetch, torchvision_weights
from v2vcli.maps.spec import resize_image

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum  # type: ignore[attr-defined]  # public, but not listed in __all__

_TENSORS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


class Detector(Protocol):
    """What is used of torchvision's `GeneralizedRCNN`."""

    transform: Any
    """Scales and normalises a list of pictures; brings what was found back to a size."""
    backbone: Callable[[Tensor], Mapping[str, Tensor]]
    rpn: Callable[..., tuple[list[Tensor], Any]]
    roi_heads: Callable[..., tuple[list[dict[str, Tensor]], Any]]


def open_network(model: str, device: torch.device, **options: Any) -> tuple[nn.Module, WeightsEnum]:
    """A model of torchvision with the weights that it has by default, for evaluation.

    Args:
        model: as torchvision names it.
        device: where it is to live.
        options: more for its constructor.

    Raises:
        UsageError: torchvision has no such model, or no weights for it.
        ModelError: the weights are neither here nor to be had, or their file is damaged.
    """
    from torchvision.models import get_model  # type: ignore[attr-defined]

    weights = torchvision_weights(model)
    file = fetch(weights.url, f"{TORCHVISION}:{model}")
    try:
        with _tensors_only():
            network = get_model(model, weights=weights, progress=False, **options)
    except (OSError, RuntimeError, EOFError, UnpicklingError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{file}: damaged, or not the weights of {model} ({reason}); remove it and fetch it again: "
            f"v2v models pull {TORCHVISION}:{model}"
        ) from None
    return network.to(device).eval().requires_grad_(False), weights


@contextmanager
def _tensors_only() -> Iterator[None]:
    """Have ``torch.load`` refuse anything but tensors: torchvision's constructors would unpickle whatever is there."""
    before = os.environ.get(_TENSORS_ONLY)
    os.environ[_TENSORS_ONLY] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_TENSORS_ONLY]
        else:
            os.environ[_TENSORS_ONLY] = before


def in_half(network: Callable[[Tensor], Mapping[str, Tensor]], pixels: Tensor, half: bool) -> dict[str, Tensor]:
    """What a network says, in float32.

    Args:
        network: (N, 3, H, W) to tensors by name.
        pixels: float32.
        half: Compute in float16 where autocast does, and again in float32 if that overflows.
    """
    if half:
        with torch.autocast(pixels.device.type, torch.float16):
            said = {name: values.float() for name, values in network(pixels).items()}
        if all(bool(values.isfinite().all()) for values in said.values()):
            return said
    return {name: values.float() for name, values in network(pixels).items()}


def detect(
    network: Detector, images: Sequence[NDArray[np.uint8]], device: torch.device, size: tuple[int, int]
) -> Iterator[dict[str, Tensor]]:
    """What a detector finds in pictures of one size, the best first.

    Args:
        network: lives on `device`.
        images: (H, W, 3) uint8 RGB each, all of one size.
        device: where it runs.
        size: (width, height) for which boxes, masks and points are told.

    Yields:
        Of one picture after the other ``boxes`` (D, 4), ``labels`` (D,), ``scores`` (D,), and ``masks`` (D, 1, height,
        width) float32 in 0..1, or ``keypoints`` (D, 17, 3) and ``keypoints_scores`` (D, 17).
    """
    seen = np.stack([resize_image(image, *_detection_size(image, network.transform)) for image in images])
    pixels = torch.from_numpy(seen).to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
    scaled, _ = network.transform(list(pixels))
    features = in_half(network.backbone, scaled.tensors, device.type == "cuda")
    proposals, _ = network.rpn(scaled, features)
    found, _ = network.roi_heads(features, proposals, scaled.image_sizes)
    width, height = size
    for one, shape in zip(found, scaled.image_sizes, strict=True):
        yield network.transform.postprocess([one], [shape], [(height, width)])[0]


def _detection_size(image: NDArray[np.uint8], transform: Any) -> tuple[int, int]:
    """(width, height) at which a picture is handed over: that of the network where the picture is larger.

    The transform would drop rows where it shrinks a picture, and all of a very narrow one.
    """
    height, width = image.shape[:2]
    scale = min(1.0, transform.min_size[-1] / min(width, height), transform.max_size / max(width, height))
    return max(round(width * scale), 1), max(round(height * scale), 1)
