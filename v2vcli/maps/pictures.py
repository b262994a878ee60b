"""Numbers as pictures to look at: what networks paint, flow, and maps of each kind but labels.

What is peculiar: bytes are truncated, as the reference writes its results, not rounded as `engine.generator` does for
videos (where half a level of bias would darken the picture). Maps are shown by `MapFrame.picture`, labels in the
colours of their schema (`LabelSchema.colourise`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from v2vcli.maps.files.kitti import decode_flow, nearness

if TYPE_CHECKING:
    from v2vcli.maps.spec import MapSpec


def image_picture(image: NDArray[Any], *, low: float = -1.0) -> NDArray[np.uint8]:
    """An image as bytes, truncated.

    Args:
        image: (..., H, W, C) floats in [low, 1]; what lies outside is clipped.
        low: What becomes 0.

    Returns:
        The same shape, uint8.
    """
    return np.asarray(np.clip((image - low) / (1 - low) * 255, 0, 255).astype(np.uint8))


def flow_picture(flow: NDArray[Any]) -> NDArray[np.uint8]:
    """Flow in colours: the direction is the hue (red to the right, then yellow-green downwards), speed the brightness.

    Args:
        flow: (H, W, 2): u (right) and v (down), in pixels.

    Returns:
        (H, W, 3) uint8 RGB; black is the slowest and full colour the fastest motion of this very picture.
    """
    import cv2

    u, v = np.moveaxis(np.asarray(flow, np.float32), 2, 0)
    speed, degrees = (np.asarray(plane, np.float32) for plane in cv2.cartToPolar(u, v, angleInDegrees=True))
    hsv = np.full((*speed.shape, 3), 255, np.uint8)
    hsv[..., 0] = degrees / 2  # OpenCV's hue counts to 180
    hsv[..., 2] = cv2.normalize(speed, np.empty_like(speed), 0, 255, cv2.NORM_MINMAX)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def map_picture(spec: MapSpec, array: NDArray[Any]) -> NDArray[np.uint8]:
    """What `MapFrame.picture` shows of a map that has no labels.

    Args:
        spec: What the map is; not labels.
        array: As `MapFrame.array`.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    if spec.kind == "edges":
        return np.repeat(array[..., None], 3, axis=2)
    if spec.kind == "face":
        return _face_picture(array)
    if spec.kind == "flow":
        return flow_picture(decode_flow(array)[0])
    if spec.kind == "depth":
        return np.repeat(np.asarray(nearness(array) * 255, np.uint8)[..., None], 3, axis=2)
    return _pose_picture(array) if spec.channels == 6 else array


def _face_picture(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Edges white, on blue that fades with the distance."""
    picture = np.repeat(planes[..., :1], 3, axis=2)
    if planes.shape[2] > 1:
        glow = 160 - np.minimum(planes[..., 1:].min(axis=2), 32) * np.uint8(5)
        picture[..., 2] = np.maximum(picture[..., 2], glow)
    return picture


def _pose_picture(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Skeletons on darkened DensePose."""
    skeleton, surface = planes[..., 3:], planes[..., :3] // 2
    surface[..., 2] *= 10  # a part number, 24 at most
    return np.where(skeleton.any(axis=2, keepdims=True), skeleton, surface)
