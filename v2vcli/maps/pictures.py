"""Numbers as pictures to look at: what networks paint, and flow.

What is peculiar: bytes are truncated, as the reference writes its results, not rounded as `engine.generator` does for
videos (where half a level of bias would darken the picture). Labels are coloured by their schema
(`LabelSchema.colourise`), other maps by `MapFrame.picture`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


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
