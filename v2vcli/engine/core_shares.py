"""Which thread gets how many of a CPU's cores, where several stages work at once.

Peculiar: torch and OpenCV each bring a pool of threads as large as the machine, and each waits for the last of its
threads. Side by side they stand in each other's way: on two cores both are faster with one thread each, because the
stages themselves are what fills the cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch


@contextmanager
def core_shares(device: torch.device, *, flows: bool) -> Iterator[None]:
    """Share the cores between the network and optical flow; as it was before at the end.

    The threads that torch was set to are what there is to share: ``OMP_NUM_THREADS`` holds.

    Args:
        device: where the network runs; on a GPU it needs no cores.
        flows: whether flow is estimated beside it (smoothing, tracking), which takes about as long on a CPU.
    """
    cores, opencv = torch.get_num_threads(), cv2.getNumThreads()
    network = cores if not flows or device.type != "cpu" else max(1, cores // 2)
    torch.set_num_threads(network)
    cv2.setNumThreads(max(1, min(opencv, cores - network if device.type == "cpu" else cores)))
    try:
        yield
    finally:
        torch.set_num_threads(cores)
        cv2.setNumThreads(opencv)
