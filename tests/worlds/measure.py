"""What the tests of both worlds measure."""

from __future__ import annotations

import time

import numpy as np

from v2vcli.worlds.world import World, WorldFrame, warp_backward


def flow_agreement(previous: WorldFrame, frame: WorldFrame) -> tuple[float, float]:
    """Mean absolute difference (of 255) to the warped and to the unwarped previous picture, where the flow is valid."""
    now = frame.image.astype(np.float32)
    warped = warp_backward(previous.image, frame.flow).astype(np.float32)
    still = previous.image.astype(np.float32)
    return float(np.abs(now - warped)[frame.valid].mean()), float(np.abs(now - still)[frame.valid].mean())


def frames_per_second(world: World, frames: int = 5) -> float:
    """Frames per second of processor time, after one frame to warm up."""
    world.frame(0)
    start = time.process_time()
    for index in range(1, frames + 1):
        world.frame(index)
    return frames / (time.process_time() - start)
