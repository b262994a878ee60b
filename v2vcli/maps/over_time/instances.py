"""The instances of one label map, each with its mask and its colours: what `maps.over_time.tracking` compares.

Nothing here depends on how the instances are numbered, only on where they lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError

BINS: Final = 16
"""Of the histogram of each colour channel."""


@dataclass(frozen=True, eq=False, slots=True)
class Instance:
    """One object of one frame.

    Attributes:
        label: the class that most of its pixels have.
        corner: (x, y) of the upper left pixel of its box.
        mask: (h, w) bool, its pixels within the box.
        centre: (2,) float64, the mean of its pixels, x and y.
        area: its pixels' number.
        colours: (3, BINS) float32, for each channel of CIE Lab the shares of its pixels; each row adds up to 1.
    """

    label: int
    corner: tuple[int, int]
    mask: NDArray[np.bool_]
    centre: NDArray[np.float64]
    area: int
    colours: NDArray[np.float32]

    @property
    def box(self) -> NDArray[np.float64]:
        """(4,): x, y of the upper left and of the lower right corner, the latter just outside."""
        (x, y), (height, width) = self.corner, self.mask.shape
        return np.array([x, y, x + width, y + height], np.float64)


def find_instances(
    labels: NDArray[np.uint8], instances: NDArray[np.int32], image: NDArray[np.uint8], most: int = 65535
) -> tuple[list[Instance], NDArray[np.int32]]:
    """Find what differs in `instances`.

    Args:
        labels: (H, W), the classes.
        instances: (H, W), any number for an instance, 0 for none.
        image: (H, W, 3) uint8 RGB, what the maps show.
        most: how many there may be.

    Returns:
        The instances in the order of their first pixels (row by row), and (H, W) int32 with n + 1 where the n-th is, 0
        where none is.

    Raises:
        InputError: there are more.
    """
    from scipy import ndimage

    at = np.flatnonzero(instances)
    index = np.zeros(instances.shape, np.int32)
    if not len(at):
        return [], index
    _, first, given = np.unique(instances.ravel()[at], return_index=True, return_inverse=True)
    if len(first) > most:
        raise InputError(f"a map has {len(first)} instances, and {most} are the most; are these instances?")
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    which, count = rank[given], len(first)
    index.ravel()[at] = which + 1
    areas = np.bincount(which)
    classes = np.bincount(which * 256 + labels.ravel()[at].astype(np.int32), minlength=count * 256).reshape(count, 256)
    y, x = np.divmod(at, instances.shape[1])
    centres = np.stack([np.bincount(which, x), np.bincount(which, y)], axis=1) / areas[:, None]
    colours = _colours(which, count, image.reshape(-1, 3)[at]) / areas[:, None, None].astype(np.float32)
    found = []
    for n, (rows, columns) in enumerate(ndimage.find_objects(index)):
        mask = index[rows, columns] == n + 1
        corner = (columns.start, rows.start)
        found.append(Instance(int(classes[n].argmax()), corner, mask, centres[n], int(areas[n]), colours[n]))
    return found, index


def _colours(which: NDArray[np.int32], count: int, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(count, 3, BINS): pixels (P, 3) RGB of each instance per bin; one between two bins counts in both, in part."""
    import cv2

    lab = np.asarray(cv2.cvtColor(pixels[None], cv2.COLOR_RGB2LAB)[0], np.float32)
    lab[:, 1:] = (lab[:, 1:] - 128) * 2 + 128  # the colours of streets fill but the middle of these scales
    place = np.clip(lab / 255, 0, 1) * (BINS - 1)
    histograms = np.empty((count, 3, BINS), np.float32)
    for channel in range(3):
        low = np.minimum(place[:, channel].astype(np.int32), BINS - 2)
        upper = place[:, channel] - low
        cell = which * BINS + low
        counted = np.bincount(cell, 1 - upper, count * BINS)
        counted[1:] += np.bincount(cell, upper, count * BINS)[:-1]
        histograms[:, channel] = counted.reshape(count, BINS)
    return histograms


def likeness(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """(S, O) in [0, 1]: how alike the colours of some (S, 3, BINS) and others (O, 3, BINS) are.

    The product over the channels of Bhattacharyya's coefficient, the sum of the roots of the products of shares.
    """
    return np.asarray(np.einsum("scb,ocb->soc", np.sqrt(some), np.sqrt(others)).prod(axis=2), np.float32)
