"""What the training loop knows of the thing it trains: a step, a state to save, a model to publish."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from v2vcli.errors import ModelError
from v2vcli.models.checkpoint import load_model
from v2vcli.train.samples import Row

Scalars = dict[str, float]


class Task(Protocol):
    """One stage's work. The loop calls `step` for draw 0, 1, 2, ... and saves what `state` gives.

    Attributes:
        modules: the networks that are trained, by name; all processes of a run hold the same weights in them.
    """

    modules: dict[str, nn.Module]

    def step(self, draw: int, rate: float, *, keep: bool = False) -> Scalars:
        """One draw of data, at learning rate `rate`; returns what to log. `keep`: `samples` will be asked for."""

    def state(self) -> dict[str, Any]:
        """Everything needed to go on as if never stopped."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""

    def publish(self, path: Path, frames_seen: int) -> None:
        """Write the model as users load it."""

    def samples(self) -> list[Row]:
        """Rows of named pictures, see `samples.sample_rows`: of a video stage the frames of one clip, in order.

        Empty unless the last step was told to keep them.
        """


def start_from(network: nn.Module, path: Path, part: str) -> None:
    """Load the network's weights from a checkpoint's `part`.

    Raises:
        ModelError: the checkpoint has no such part, or one of another shape.
    """
    _, networks = load_model(path)
    if part not in networks:
        raise ModelError(f"{path}: has no {part} to start from, only {', '.join(networks)}; choose another --start")
    if networks[part].config != network.config:
        raise ModelError(f"{path}: cannot start from its {part}: it is {networks[part].config}, not {network.config}")
    network.load_state_dict(networks[part].state_dict())


class Average:
    """Exponential moving average of a network's weights: what is published is steadier than the last step."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Start as a copy; early on the average follows faster than `decay` says, or the start would stay in it."""
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards `network`."""
        self.updates += 1
        share = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), share)
        for kept, fresh in zip(self.network.buffers(), network.buffers(), strict=True):
            kept.copy_(fresh)

    def state(self) -> dict[str, Any]:
        """Weights and count."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.network.load_state_dict(state["network"])
        self.updates = state["updates"]
