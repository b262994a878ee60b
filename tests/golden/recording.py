"""Golden files: numbers recorded from the reference implementation. Reading them, and comparing ours with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor


class Golden:
    """One golden file: `hyper`, inputs ``i/``, outputs ``o/`` and parameters ``p/NETWORK/``."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        with safe_open(path, "pt") as file:
            self.hyper: dict[str, Any] = json.loads(file.metadata()["hyper"])
            self.tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118

    def __getitem__(self, key: str) -> Tensor:
        return self.tensors[key]

    def __contains__(self, key: str) -> bool:
        return key in self.tensors

    def below(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose key starts with `prefix`, under the rest of their key."""
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}

    def state(self, network: str) -> dict[str, Tensor]:
        """A network's state dict as the reference saved it, running statistics and all."""
        return self.below(f"p/{network}/")


class Parity:
    """Compares tensors, and keeps the largest difference of every golden file for the table in docs/parity.md."""

    def __init__(self) -> None:
        self.errors: dict[str, dict[str, float]] = {}

    def check(
        self,
        file: str,
        name: str,
        found: Tensor | NDArray[Any] | float,
        expected: Tensor | NDArray[Any] | float,
        tolerance: float,
        *,
        relative: bool = False,
    ) -> None:
        """Fail where the two differ by more than `tolerance`.

        Args:
            file: stem of the golden file, as in `manifest.PROVES`.
            name: of the recorded tensor.
            found: ours.
            expected: the reference's.
            tolerance: in units of max(1, largest reference value); 0 asks for equality.
            relative: in units of the largest reference value alone (losses, gradients).
        """
        found, expected = _tensor(found), _tensor(expected)
        assert found.shape == expected.shape, f"{file}: {name}: {tuple(found.shape)}, not {tuple(expected.shape)}"
        largest = float(expected.abs().max()) if expected.numel() else 0.0
        scale = (largest or 1.0) if relative else max(1.0, largest)
        error = float((found - expected).abs().max()) / scale if expected.numel() else 0.0
        self.note(file, name, error)
        assert error <= tolerance, f"{file}: {name}: differs by {error:.2e}, more than {tolerance:.0e}"

    def note(self, file: str, name: str, error: float) -> None:
        """Record a difference that was measured elsewhere (a share of pixels, a table compared exactly)."""
        known = self.errors.setdefault(file, {})
        known[name] = max(known.get(name, 0.0), error)


def _tensor(value: Tensor | NDArray[Any] | float) -> Tensor:
    return torch.as_tensor(np.asarray(value) if not isinstance(value, Tensor) else value).detach().to(torch.float64)
