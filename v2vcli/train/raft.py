"""RAFT as the flow teacher: torchvision's networks with torchvision's weights, believed where there and back agree.

Teed and Deng 2020, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow". A pixel's flow is believed where it
ends inside the frame and the flow back from there returns (Sundaram et al. 2010), as `v2vcli.maps.over_time.flow` has
it for DIS.

Peculiar: RAFT wants sides of at least 128, in multiples of 8; `FlowTeacher` brings frames of other sizes there and the
flow back. Weights that are not here are an error that says where they belong; a random network is never a teacher.
"""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from v2vcli.errors import ModelError
from v2vcli.maps.over_time.flow import consistent, ends_inside
from v2vcli.train.drawing import FlowMaker
from v2vcli.train.flow_teacher import FlowTeacher
from v2vcli.train.footage import Pictures

MULTIPLE, LEAST = 8, 128
PAIRS = 4
"""Pairs of frames at once: the correlation of all pairs of pixels takes memory."""


class RaftFlow:
    """A `FlowMaker`: both directions for each pair of neighbours."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        """Freeze `network`, one of torchvision's RAFTs."""
        self._network = network.to(device).eval().requires_grad_(False)
        self._device = device
        self._teacher = FlowTeacher(self._last, MULTIPLE, LEAST)

    def _last(self, current: Tensor, previous: Tensor) -> Tensor:
        """The last of RAFT's refinements."""
        return cast(Tensor, self._network(current.contiguous(), previous.contiguous())[-1])

    @torch.inference_mode()
    def __call__(self, images: Pictures) -> tuple[NDArray[np.floating[Any]], NDArray[np.generic]]:
        """See `FlowMaker`."""
        flow = np.zeros((*images.shape[:3], 2), np.float32)
        confidence = np.zeros(images.shape[:3], np.bool_)
        for start in range(1, len(images), PAIRS):
            pairs = slice(start, min(start + PAIRS, len(images)))
            before = slice(pairs.start - 1, pairs.stop - 1)
            frames = torch.from_numpy(images[before.start : pairs.stop]).to(self._device)
            signed = frames.permute(0, 3, 1, 2).float().div(127.5).sub(1.0)
            there = self._flow(signed[1:], signed[:-1])
            back = self._flow(signed[:-1], signed[1:])
            flow[pairs] = there
            confidence[pairs] = [ends_inside(a) & consistent(a, b) for a, b in zip(there, back, strict=True)]
        return flow, confidence

    def _flow(self, current: Tensor, previous: Tensor) -> NDArray[np.float32]:
        flow, _ = self._teacher(current, previous)
        return np.asarray(flow.permute(0, 2, 3, 1).float().cpu().numpy(), np.float32)


def raft_flow(name: str, device: torch.device) -> FlowMaker:
    """The teacher that ``data.teacher`` names, ``"raft_small"`` or ``"raft_large"``, with its trained weights.

    Raises:
        ModelError: the weights are neither here nor to be had (says which file goes where, and the way without them),
            or their file is damaged.
    """
    from torchvision.models import optical_flow

    make, weights = {
        "raft_small": (optical_flow.raft_small, optical_flow.Raft_Small_Weights.DEFAULT),
        "raft_large": (optical_flow.raft_large, optical_flow.Raft_Large_Weights.DEFAULT),
    }[name]
    file = weights_file(weights.url)
    network = cast(nn.Module, make(weights=None))
    try:
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        network.load_state_dict(state)
    except (OSError, RuntimeError, EOFError, UnpicklingError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        if file.exists():
            raise ModelError(f"{file}: damaged, or not RAFT's weights ({reason}); remove it and try again") from None
        raise ModelError(
            f'the weights of data.teacher = "{name}" are not here ({reason}); fetch {weights.url} to {file}, '
            'or set data.teacher = "dis", which needs none'
        ) from None
    return RaftFlow(network, device)


def weights_file(url: str) -> Path:
    """Where torchvision keeps the weights of this address, and looks for them first."""
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
