"""Golden files: reading them, and loading the reference's parameters into our networks.

Our `Sequential`s share the reference's index layout, so a state dict maps over by prefix.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor


class Golden:
    """One golden file: `hyper`, inputs, outputs and parameters."""

    def __init__(self, path: Path) -> None:
        with safe_open(path, "pt") as file:
            self.hyper: dict[str, Any] = json.loads(file.metadata()["hyper"])
            self.tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118

    def __getitem__(self, key: str) -> Tensor:
        return self.tensors[key]

    def __contains__(self, key: str) -> bool:
        return key in self.tensors

    def parameters(self, network: str, *, stored: bool = False) -> dict[str, Tensor]:
        """A network's state: without running statistics, which ours keep only with norm `stored`.

        The reference's instance norm has running statistics and no scale and shift: with `stored` it gets 1 and 0.
        """
        prefix = f"p/{network}/"
        state = {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}
        if not stored:
            return {key: value for key, value in state.items() if "running_" not in key and "num_batches" not in key}
        for key, value in list(state.items()):
            if key.endswith("running_mean"):
                norm = key.removesuffix("running_mean")
                state.setdefault(f"{norm}weight", torch.ones_like(value))
                state.setdefault(f"{norm}bias", torch.zeros_like(value))
        return state


def worst(found: Tensor, expected: Tensor) -> float:
    """Largest difference in units of max(1, the reference's largest value)."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / max(1.0, float(expected.abs().max())))
