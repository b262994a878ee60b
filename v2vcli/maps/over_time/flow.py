"""Optical flow between frames: OpenCV's DIS, its warp, and which of its vectors deserve trust.

Flow lives on the grid of the current frame and says where to read in the previous one, in pixels:
``warped(x, y) = previous(x + u, y + v)``. Label maps are smoothed along it and flicker is measured along it: both want
an estimator that does not change with a download. DIS (Kroeger et al. 2016) ships inside OpenCV, runs on a CPU, and its
weak spots (thin objects, flat areas) are masked out below rather than trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Flow = NDArray[np.float32]
"""(H, W, 2): u (to the right) and v (down), in pixels."""

DIS_MIN_SIDE = 12
"""Smallest side that OpenCV's DIS accepts, in pixels (measured with OpenCV 5.0)."""

CONFIDENCE_LIMIT = 0.02
"""vid2vid's flow confidence: squared L2 norm over the channels of (current - warped previous), images in [-1, 1]."""


def warp(previous: NDArray[np.float32], flow: Flow) -> NDArray[np.float32]:
    """Read ``previous`` where ``flow`` points: bilinear, coordinates clamped to the border.

    Args:
        previous: (H, W) or (H, W, C) float32.
        flow: (H, W, 2) pixels, on the grid of the result.

    Returns:
        As ``previous``. OpenCV 5 interpolates exactly; OpenCV 4 on a grid of 1/32 pixel.
    """
    import cv2

    height, width = flow.shape[:2]
    x_HW, y_HW = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    sampled = cv2.remap(
        previous, x_HW + flow[..., 0], y_HW + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(sampled, dtype=np.float32)


@dataclass(frozen=True, eq=False, slots=True)
class GuideFlow:
    """Flow between two frames of a guide video and where it is to be trusted.

    Attributes:
        flow: (H, W, 2), from the current frame to the previous one.
        trusted: (H, W) bool.
    """

    flow: Flow
    trusted: NDArray[np.bool_]


class DisFlow:
    """OpenCV DIS, preset MEDIUM, on the grey of 8-bit RGB (BT.601 luma weights, as ``cv2.COLOR_RGB2GRAY``)."""

    def __init__(self) -> None:
        import cv2

        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def between(self, current: Image, previous: Image, *, photometric: bool) -> GuideFlow:
        """Flow from ``current`` to ``previous`` (both (H, W, 3) uint8, sides >= 12) and its trusted pixels.

        A pixel is trusted when its vector ends inside the frame, the flow back returns near to where it started
        (Sundaram et al. 2010: ``|f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5``), and, with ``photometric``, the colour found
        there is the pixel's own within `CONFIDENCE_LIMIT`.
        """
        import cv2

        grey = np.asarray(cv2.cvtColor(current, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        grey_before = np.asarray(cv2.cvtColor(previous, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        flow = self._flow(grey, grey_before)
        trusted = ends_inside(flow) & consistent(flow, self._flow(grey_before, grey))
        if photometric:
            trusted &= confident(_signed(current), _signed(previous), flow)
        return GuideFlow(flow, trusted)

    def _flow(self, start: NDArray[np.uint8], end: NDArray[np.uint8]) -> Flow:
        # None as the first guess: OpenCV would otherwise start from the last result, and order would matter.
        return np.asarray(self._dis.calc(start, end, None), dtype=np.float32)  # type: ignore[call-overload]


def confident(current: NDArray[np.float32], previous: NDArray[np.float32], flow: Flow) -> NDArray[np.bool_]:
    """(H, W) bool: where the colour that ``flow`` finds is the pixel's own; images (H, W, 3) float32 in [-1, 1]."""
    residual = current - warp(previous, flow)
    return np.asarray(np.sum(residual * residual, axis=2) < CONFIDENCE_LIMIT)


def _signed(image: Image) -> NDArray[np.float32]:
    """Bytes to [-1, 1]."""
    return np.asarray(image.astype(np.float32) / 127.5 - 1, dtype=np.float32)


def ends_inside(flow: Flow) -> NDArray[np.bool_]:
    """(H, W) bool: where the vector points to a place inside the frame."""
    height, width = flow.shape[:2]
    x_HW = np.arange(width, dtype=np.float32)[None, :] + flow[..., 0]
    y_HW = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return np.asarray((x_HW >= 0) & (x_HW <= width - 1) & (y_HW >= 0) & (y_HW <= height - 1))


def consistent(forward: Flow, backward: Flow) -> NDArray[np.bool_]:
    """(H, W) bool: where following ``forward`` and then ``backward`` returns (Sundaram et al. 2010, equation 5)."""
    back = warp(backward, forward)
    gap = np.sum((forward + back) ** 2, axis=2)
    allowed = 0.01 * (np.sum(forward**2, axis=2) + np.sum(back**2, axis=2)) + 0.5
    return np.asarray(gap <= allowed)
