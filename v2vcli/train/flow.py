"""The flow teacher for real clips: OpenCV's DIS, which needs no weights, and how far to believe it.

Confidence follows the reference: a pixel's flow is believed where the squared distance, summed over channels in
[-1, 1], between the frame and its warped predecessor is below 0.02. DIS works on frames of a few dozen pixels too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2vcli.maps.over_time.flow import CONFIDENCE_LIMIT

Found = tuple[NDArray[np.floating[Any]], NDArray[np.generic]]
"""Flow (T, H, W, 2) and confidence (T, H, W) of T frames."""


def teacher_flow(images: NDArray[np.uint8]) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
    """Flow from each frame to the one before it, and where to believe it.

    Args:
        images: (T, H, W, 3) uint8.

    Returns:
        (T, H, W, 2) float16 pixels and (T, H, W) bool; frame 0 has zero flow and no confidence.
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = np.zeros((*images.shape[:3], 2), np.float16)
    confidence = np.zeros(images.shape[:3], np.bool_)
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    x, y = np.meshgrid(
        np.arange(images.shape[2], dtype=np.float32), np.arange(images.shape[1], dtype=np.float32), indexing="xy"
    )
    for t in range(1, len(images)):
        found = dis.calc(grey[t], grey[t - 1], np.zeros((*grey[t].shape, 2), np.float32))
        warped = cv2.remap(
            images[t - 1], x + found[..., 0], y + found[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        distance = (images[t].astype(np.float32) - warped.astype(np.float32)) / 127.5
        flow[t] = found
        confidence[t] = np.square(distance).sum(-1) < CONFIDENCE_LIMIT
    return flow, confidence


def between(maker: Callable[[NDArray[np.uint8]], Found]) -> Callable[[Tensor, Tensor], Tensor]:
    """A teacher of clips, such as `teacher_flow`, as one of pairs of frames, any distance apart in time.

    Returns:
        Of frames and the frames before them, (N, 3, H, W) each in [-1, 1], the flow in pixels, (N, 2, H, W), on their
        device: a `v2vcli.train.temporal.FlowTeacher`.
    """

    def flow(current_N3HW: Tensor, previous_N3HW: Tensor) -> Tensor:
        pairs = torch.stack((previous_N3HW, current_N3HW), 1).permute(0, 1, 3, 4, 2)
        images = ((pairs + 1) * 127.5).round().clamp(0, 255).byte().cpu().numpy()
        flows = np.stack([maker(pair)[0][1] for pair in images]).astype(np.float32)
        return torch.from_numpy(flows).permute(0, 3, 1, 2).to(current_N3HW.device)

    return flow
