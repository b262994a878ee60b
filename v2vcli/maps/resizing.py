"""Arrays of maps at another size: each kind in the way that keeps what its values mean.

What is peculiar: ids and colours are never mixed, edges stay thin lines, and flow is in pixels of the map, so that its
values grow with it. OpenCV and Pillow are imported inside the functions, to keep `v2v --help` fast.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FLOW_ZERO: Final = 2**15
"""What a stored flow of 0 pixels is; see `kitti`."""


def resize_image(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize a picture, (H, W) or (H, W, 3) uint8: averaged over areas when shrinking, bilinear when enlarging."""
    if image.shape[:2] == (height, width):
        return image
    import cv2

    shrinks = width <= image.shape[1] and height <= image.shape[0]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


def resize_nearest(array: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Resize (H, W, ...): the source pixel whose centre is nearest."""
    return array[_nearest(array.shape[0], height)[:, None], _nearest(array.shape[1], width)]


def resize_planes(planes: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize (H, W, C) uint8 bilinearly, as Pillow does: over areas of twice the new pixel when shrinking."""
    from PIL import Image

    resized = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
        for plane in np.moveaxis(planes, 2, 0)
    ]
    return np.stack(resized, axis=2)


def resize_edges(edges: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize (H, W) uint8, 0 or 255.

    When shrinking, a pixel is an edge where a one-pixel line crosses its area (nearest would drop most of them).
    """
    shrink = max(edges.shape[1] / width, edges.shape[0] / height)
    if shrink <= 1:
        return resize_nearest(edges, width, height)
    # A one-pixel line straight through a box of side s covers 1/s of it, one that only cuts a corner less than half.
    share = resize_image(edges, width, height)
    return np.where(share >= 255 * 0.5 / shrink, np.uint8(255), np.uint8(0))


def resize_flow(flow: NDArray[np.uint16], width: int, height: int) -> NDArray[np.uint16]:
    """Resize (H, W, 3) uint16 as KITTI has it: nearest pixel, and u and v in pixels of the new size."""
    scale = np.array([width / flow.shape[1], height / flow.shape[0]])
    resized = resize_nearest(flow, width, height).copy()
    motion = np.round((resized[..., :2].astype(np.float64) - FLOW_ZERO) * scale) + FLOW_ZERO
    known = resized[..., 2:] > 0  # what is not known stays zero
    resized[..., :2] = np.where(known, np.clip(motion, 0, 2**16 - 1), resized[..., :2])
    return resized


def _nearest(source: int, target: int) -> NDArray[np.intp]:
    """Index of the source pixel whose centre is nearest, for each target pixel."""
    return (np.arange(target) * 2 + 1) * source // (2 * target)
