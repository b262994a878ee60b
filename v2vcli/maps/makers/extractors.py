"""Makers of maps: the protocol they follow, and the one that asks a segmentation network.

What is peculiar: a network segments at its own size, but edges between classes are drawn at the map's size: the
logits are interpolated, then the best class is taken (the other order gives staircases).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.spec import MapFrame, MapSpec, resize_image


@runtime_checkable
class MapExtractor(Protocol):
    """Makes maps from frames, several at once. `edges.CannyExtractor` and `SegmentationExtractor` follow it."""

    spec: MapSpec

    def extract(self, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> list[MapFrame]:
        """Make one map per image.

        Args:
            images: (H, W, 3) uint8 RGB each.
            size: (width, height) of the maps.
        """
        ...


class SegmentationExtractor:
    """Makes label maps with a segmentation network.

    Args:
        network: (N, 3, H, W) float32 in [-1, 1] to logits (N, planes of the schema, h, w), at any stride.
        spec: A label spec without instance edges (a semantic network knows no instances).
        device: Where the network lives.
        network_size: (width, height) that the network is given; images are brought to it (area average). Or what makes
            it of the images' (width, height), so that one extractor serves videos of any shape.
        batch: Images per call of the network.

    Raises:
        UsageError: The spec is not what a semantic network can fill, or a size or batch is below 1.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        spec: MapSpec,
        device: torch.device | str,
        network_size: tuple[int, int] | Callable[[tuple[int, int]], tuple[int, int]],
        batch: int = 8,
    ) -> None:
        if spec.kind != "labels" or spec.instance_edges:
            raise UsageError(
                f"a segmentation network makes label maps without instances, not '{spec.kind}'"
                f"{' with instance edges' if spec.instance_edges else ''}; give the maps with --maps"
            )
        sides = () if callable(network_size) else network_size
        if min(*sides, batch, batch) < 1:
            raise UsageError(f"segmenting at {network_size} in batches of {batch} is impossible; give positive numbers")
        self.spec = spec
        self._network = network
        self._device = torch.device(device)
        self._network_size = network_size
        self._batch = batch

    @torch.inference_mode()
    def extract(self, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> list[MapFrame]:
        """Segment images of any size into label maps of `size` (width, height).

        Raises:
            ModelError: The network's classes are not those of the schema.
        """
        maps: list[MapFrame] = []
        for start in range(0, len(images), self._batch):
            for logits in self._logits(images[start : start + self._batch]):
                maps.append(MapFrame(self.spec, label_map(logits, size)))
        return maps

    def _logits(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        height, width = images[0].shape[:2]
        size = self._network_size((width, height)) if callable(self._network_size) else self._network_size
        batch = np.stack([resize_image(image, *size) for image in images])
        pixels = torch.from_numpy(batch).to(self._device, non_blocking=True).permute(0, 3, 1, 2)
        logits = self._network(pixels.to(torch.float32).div_(127.5).sub_(1.0))
        planes = self.spec.label_schema.planes
        if logits.ndim != 4 or logits.shape[:2] != (len(images), planes):
            raise ModelError(
                f"the segmentation network gives {tuple(logits.shape)} for {len(images)} images, "
                f"but '{self.spec.label_schema.name}' has {planes} classes; use a network trained on that schema"
            )
        return logits


def label_map(logits: Tensor, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The best class of each pixel of a map: logits are interpolated to its size, then the best is taken.

    Args:
        logits: (planes, h, w), of one picture: those of a whole window at map size would be large.
        size: (width, height) of the map.

    Returns:
        (height, width) uint8 ids.
    """
    width, height = size
    if logits.shape[1:] == (height, width):
        return _best(logits)
    shrinks = width < logits.shape[2] or height < logits.shape[1]  # there bilinear alone would skip rows
    if not shrinks and logits.device.type == "cpu":
        return _enlarged(logits, width, height)
    resized = functional.interpolate(
        logits.float().unsqueeze(0), (height, width), mode="bilinear", align_corners=False, antialias=shrinks
    )
    return _best(resized[0])


_MOSTLY_BORDERS: Final = 0.2  # share of pixels from which it is quicker to interpolate everything


def _enlarged(logits: Tensor, width: int, height: int) -> NDArray[np.uint8]:
    """As `label_map`, where a map is at least as large as the logits: interpolates only along borders between classes.

    A bilinear value is a weighted mean of four; a class that is the best at all four is the best of the means.
    """
    best = _best(logits)
    top, bottom, down = _neighbours(height, logits.shape[1])
    left, right, across = _neighbours(width, logits.shape[2])
    above, below = best[top], best[bottom]
    labels = above[:, left]
    open_YX = (labels != above[:, right]) | (labels != below[:, left]) | (labels != below[:, right])
    y, x = np.nonzero(open_YX)
    if y.size > _MOSTLY_BORDERS * labels.size:
        resized = functional.interpolate(logits.float()[None], (height, width), mode="bilinear", align_corners=False)
        return _best(resized[0])
    values = logits.float().permute(1, 2, 0).numpy()
    dx, dy = across[x, None], down[y, None]
    upper = values[top[y], left[x]] * (1 - dx) + values[top[y], right[x]] * dx
    lower = values[bottom[y], left[x]] * (1 - dx) + values[bottom[y], right[x]] * dx
    labels[y, x] = (upper * (1 - dy) + lower * dy).argmax(axis=1)
    return labels


def _neighbours(pixels: int, source: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Bilinear interpolation along one side, centre-aligned: the two source pixels, and the weight of the second."""
    place = np.maximum((np.arange(pixels) + 0.5) * (source / pixels) - 0.5, 0)
    first = place.astype(np.intp)
    return first, np.minimum(first + 1, source - 1), (place - first).astype(np.float32)


def _best(logits: Tensor) -> NDArray[np.uint8]:
    """The class of the highest logit, the first of equals: (planes, H, W) to (H, W)."""
    # max, not argmax: the same index, six times as fast on a CPU
    return logits.max(dim=0).indices.to(torch.uint8).cpu().numpy()
