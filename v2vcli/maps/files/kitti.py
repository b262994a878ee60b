"""Flow and depth as 16-bit numbers, in the way of the KITTI benchmarks.

What is peculiar:

- Flow is (H, W, 3): 2**15 + 64 u, 2**15 + 64 v, 1 where it is known (else all three are 0): steps of 1/64 pixel,
  -512 to 511.98 pixels. Here it points from this frame to the one *before*, as everywhere in v2v; KITTI's own files
  point to the one after.
- Depth is (H, W): metres times 256, 0 where it is not known: steps of 4 mm, up to 255.996 m.

Source: the development kits of KITTI flow 2015 and of KITTI depth.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError
from v2vcli.maps.resizing import FLOW_ZERO

FLOW_STEPS: Final = 64
"""Steps of a stored flow in a pixel."""
DEPTH_STEPS: Final = 256
"""Steps of a stored depth in a metre."""
_MOST: Final = 2**16 - 1


def encode_flow(flow: NDArray[Any], known: NDArray[np.bool_] | None = None) -> NDArray[np.uint16]:
    """Flow as a map holds it.

    Args:
        flow: (H, W, 2) u (right) and v (down) in pixels, to the frame before.
        known: (H, W) bool; None: wherever `flow` is finite. What lies beyond -512..511.98 pixels is not known either.

    Returns:
        (H, W, 3) uint16.

    Raises:
        InputError: Another shape.
    """
    if flow.ndim != 3 or flow.shape[2] != 2 or (known is not None and known.shape != flow.shape[:2]):
        raise InputError(f"flow is (H, W, 2), not {flow.shape}; check its maker")
    with np.errstate(invalid="ignore"):
        steps = np.round(np.asarray(flow, np.float64) * FLOW_STEPS) + FLOW_ZERO
        valid = ((steps >= 0) & (steps <= _MOST)).all(axis=2)  # not finite is not in range either
    if known is not None:
        valid &= known
    encoded = np.zeros((*flow.shape[:2], 3), np.uint16)
    encoded[valid, :2] = steps[valid]
    encoded[valid, 2] = 1
    return encoded


def decode_flow(encoded: NDArray[np.uint16]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """What `encode_flow` was given: (H, W, 2) float32 pixels, zero where not known, and (H, W) whether it is known."""
    known = encoded[..., 2] > 0
    flow = (encoded[..., :2].astype(np.float32) - FLOW_ZERO) / FLOW_STEPS
    return np.where(known[..., None], flow, np.float32(0)), known


def encode_depth(metres: NDArray[Any], known: NDArray[np.bool_] | None = None) -> NDArray[np.uint16]:
    """Depth as a map holds it.

    Args:
        metres: (H, W) along the line of sight or the optical axis, as its maker says.
        known: (H, W) bool; None: wherever the depth is finite. What lies beyond 255.99 m, or nearer than 4 mm, is not
            known either.

    Returns:
        (H, W) uint16.

    Raises:
        InputError: Another shape.
    """
    if metres.ndim != 2 or (known is not None and known.shape != metres.shape):
        raise InputError(f"depth is (H, W), not {metres.shape}; check its maker")
    with np.errstate(invalid="ignore"):
        steps = np.round(np.asarray(metres, np.float64) * DEPTH_STEPS)
        valid = (steps >= 1) & (steps <= _MOST)
    if known is not None:
        valid &= known
    return np.where(valid, steps, 0).astype(np.uint16)


def decode_depth(encoded: NDArray[np.uint16]) -> NDArray[np.float32]:
    """(H, W) float32 metres, 0 where not known."""
    return encoded.astype(np.float32) / np.float32(DEPTH_STEPS)


def nearness(encoded: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Depth for eyes and networks: 1 at the lens, 0 at 256 m, logarithmic in 1 + metres.

    Returns:
        (H, W) float32 in [0, 1], 0 where the depth is not known.
    """
    near = 1 - np.log2(1 + decode_depth(encoded)) / np.log2(1 + 2.0**16 / DEPTH_STEPS)
    return np.where(encoded > 0, near, 0).astype(np.float32)
