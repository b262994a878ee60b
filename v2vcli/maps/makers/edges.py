"""Edge maps: Canny at the size at which the map is used.

What is peculiar: the image is first brought to the map's size and only then searched for edges, so that edges are one
pixel wide at paint size; and thresholds adapt to each picture by default, since a model meets dark and bright videos.
OpenCV is imported inside the functions, to keep `v2v --help` fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from v2vcli.maps.spec import CannySettings, MapFrame, MapSpec, resize_image

__all__ = ["CannyExtractor", "CannySettings", "canny"]

_SCALE: Final = 16  # sub-levels of luma: rounding to whole levels after the blur would move the edges of dark pictures


def canny(image: NDArray[np.uint8], settings: CannySettings = CannySettings()) -> NDArray[np.uint8]:  # noqa: B008 - frozen
    """Find edges (Canny 1986: Gaussian blur, Sobel gradient, non-maximum suppression, hysteresis).

    Args:
        image: (H, W, 3) uint8 RGB, any size from 1x1.
        settings: Thresholds and blur.

    Returns:
        (H, W) uint8, 255 on edges, 0 elsewhere. Deterministic.
    """
    import cv2

    luma = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY).astype(np.uint16) * _SCALE
    if settings.blur_sigma > 0:
        blurred = cv2.GaussianBlur(luma, (0, 0), settings.blur_sigma, borderType=cv2.BORDER_REPLICATE)
        luma = np.asarray(blurred, np.uint16)
    # sums of integers: exact in float32, and small enough for the int16 that cv2.Canny takes
    dx = np.asarray(cv2.Sobel(luma, cv2.CV_32F, 1, 0, borderType=cv2.BORDER_REPLICATE), np.int16)
    dy = np.asarray(cv2.Sobel(luma, cv2.CV_32F, 0, 1, borderType=cv2.BORDER_REPLICATE), np.int16)
    low, high = _thresholds(dx, dy, settings)
    return np.asarray(cv2.Canny(dx, dy, low * _SCALE, high * _SCALE, L2gradient=True), np.uint8)


def _thresholds(dx: NDArray[np.int16], dy: NDArray[np.int16], settings: CannySettings) -> tuple[float, float]:
    high = settings.high
    if high is None:
        magnitude = np.hypot(dx.astype(np.float32), dy.astype(np.float32))
        high = max(float(np.quantile(magnitude, settings.auto_quantile)) / _SCALE, settings.auto_floor)
    return (settings.auto_ratio * high if settings.low is None else settings.low), high


class CannyExtractor:
    """Makes edge maps from frames: resize (area average), then `canny`. Follows `extractors.MapExtractor`."""

    def __init__(self, settings: CannySettings = CannySettings()) -> None:  # noqa: B008 - frozen
        self.spec = MapSpec("edges", edges=settings)
        self._settings = settings

    def extract(self, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> list[MapFrame]:
        """Make one edge map per image.

        Args:
            images: (H, W, 3) uint8 RGB each, of any size.
            size: (width, height) of the maps.
        """
        return [MapFrame(self.spec, canny(resize_image(image, *size), self._settings)) for image in images]
