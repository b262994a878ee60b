"""Label maps without flicker: a label changes only when the frames insist.

A segmenter looks at each frame by itself, so where it is unsure its answer jumps to and fro, and a painter paints every
jump. Here each pixel has an incumbent label with a standing s in [0.5, 1], carried along the optical flow of the video:

    s <- a s + (1 - a) [the new label agrees],    a = strength where the flow is trusted, else 0;

below one half the new label takes over with standing 1 - s. Between two labels that is exponential voting; its cost
does not grow with the number of classes. It is causal (no frame waits for a later one), and where the flow is not to be
trusted (a cut, something uncovered) the new label stands at once. Labels are carried to the nearest pixel, which frays
their borders frame by frame; so one that is left without company (of the 3x3 around it fewer than 4 agree) gives way.

Peculiar: like the painters' past, the memory of a sequence is a value, handed in and out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import UsageError
from v2vcli.maps.over_time.flow import DIS_MIN_SIDE, DisFlow, Flow, GuideFlow
from v2vcli.maps.spec import MapFrame, resize_image

COMPANY = 4
"""Of the 3x3 pixels around and with it, so many have a label's own class, or it gives way to the new one."""
FLOW_SIDE = 640
"""Flow is estimated on frames whose longer side is at most this, in pixels."""


@dataclass(frozen=True, eq=False, slots=True)
class SmoothedLabels:
    """What a sequence remembers.

    Attributes:
        image: the last frame, at the size that flow is estimated at.
        labels: (H, W) uint8, as they were handed out.
        standing: (H, W) float32 in [0.5, 1].
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    standing: NDArray[np.float32]


class FlowGuides:
    """Where to read in the frame before, frame by frame: what most of the smoothing's time goes to.

    It needs the frames alone, so that it can be had beside the making of the maps; `LabelSmoother` makes its own where
    it is given none.
    """

    def __init__(self) -> None:
        self._dis = DisFlow()

    def between(
        self, images: Sequence[NDArray[np.uint8]], before: NDArray[np.uint8] | None
    ) -> tuple[list[GuideFlow | None], NDArray[np.uint8] | None]:
        """Flow from each of the next frames of one shot to the one before it.

        Args:
            images: (H, W, 3) uint8.
            before: what the last call returned; None where a shot begins.

        Returns:
            One for each frame, at `at_flow_size`; None where there is no frame before, or frames are too small. And
            what the next call is to be given.
        """
        guides: list[GuideFlow | None] = []
        for image in images:
            small = at_flow_size(image)
            fits = before is not None and before.shape == small.shape and min(small.shape[:2]) >= DIS_MIN_SIDE
            guides.append(self._dis.between(small, before, photometric=True) if fits and before is not None else None)
            before = small
        return guides, before


class LabelSmoother:
    """Carries labels along the flow of the video that they were made from."""

    def __init__(self, strength: float) -> None:
        """Set how much the past counts.

        Args:
            strength: 0 leaves every map as it is; at 0.8 a firmly held label gives way after four contradictions in a
                row, at 0.93 after ten. Below 1.

        Raises:
            UsageError: the strength is out of its range.
        """
        if not 0 <= strength < 1:
            raise UsageError(f"a smoothing of {strength:g} is impossible; give a number from 0 (none) to below 1")
        self._strength = np.float32(strength)
        self._flow = FlowGuides()

    def smooth(
        self,
        images: Sequence[NDArray[np.uint8]],
        maps: Sequence[MapFrame],
        before: SmoothedLabels | None,
        guides: Sequence[GuideFlow | None] | None = None,
    ) -> tuple[list[MapFrame], SmoothedLabels | None]:
        """Smooth the next label maps of one shot.

        Args:
            images: (H, W, 3) uint8, the frames that the maps were made from.
            maps: label maps, one per image, all of one size.
            before: what the last call returned; None where a shot begins.
            guides: what `FlowGuides` gives for the images; None makes them here.

        Returns:
            The maps, and what the next call is to be given.
        """
        if guides is None:
            guides, _ = self._flow.between(images, None if before is None else before.image)
        smoothed: list[MapFrame] = []
        for image, made, guide in zip(images, maps, guides, strict=True):
            labels, before = self._next(image, made.array, guide, before)
            smoothed.append(replace(made, array=labels))
        return smoothed, before

    def _next(
        self,
        image: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        guide: GuideFlow | None,
        before: SmoothedLabels | None,
    ) -> tuple[NDArray[np.uint8], SmoothedLabels]:
        small = at_flow_size(image)
        if before is None or guide is None or before.labels.shape != labels.shape:
            return labels, SmoothedLabels(small, labels, np.ones(labels.shape, np.float32))
        import cv2

        height, width = labels.shape
        trusted = cv2.resize(guide.trusted.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        x, y = reading_places(guide.flow, width, height)
        incumbent = np.asarray(cv2.remap(before.labels, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE))
        standing = cv2.remap(before.standing, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        weight = self._strength * np.asarray(trusted, np.float32)
        standing = weight * np.asarray(standing, np.float32) + (1 - weight) * (incumbent == labels)
        outvoted = standing < 0.5
        kept = np.where(outvoted, labels, incumbent).astype(np.uint8)
        standing = np.where(outvoted, 1 - standing, standing)
        alone = _company(kept) < COMPANY
        kept[alone] = labels[alone]
        standing[alone] = 0.5
        return kept, SmoothedLabels(small, kept, standing.astype(np.float32))


def _company(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W): of the 3x3 pixels around and with each, how many have its label; the border counts double."""
    padded = np.pad(labels, 1, mode="edge")
    height, width = labels.shape
    count = np.zeros(labels.shape, np.uint8)
    for y in range(3):
        for x in range(3):
            count += padded[y : y + height, x : x + width] == labels
    return count


def at_flow_size(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame at the size that flow is estimated at."""
    height, width = image.shape[:2]
    scale = min(1.0, FLOW_SIDE / max(width, height))
    return resize_image(image, max(1, round(width * scale)), max(1, round(height * scale)))


def reading_places(flow: Flow, width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each pixel of a map of another size reads in the map before: x and y, each (height, width)."""
    import cv2

    ratio = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    moved = np.asarray(cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR), np.float32) * ratio
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x + moved[..., 0], y + moved[..., 1]
