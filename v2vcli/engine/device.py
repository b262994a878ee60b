"""Where the networks run, how precisely, and how many frames at once."""

from __future__ import annotations

from typing import get_args

import torch

from v2vcli.engine.request import Device, Precision
from v2vcli.errors import UsageError
from v2vcli.models.painter import Precision as PainterPrecision

_WINDOW = {"cpu": 4, "cuda": 16}


def choose_device(wanted: str) -> torch.device:
    """The device for ``--device``.

    Raises:
        UsageError: CUDA was asked for and PyTorch finds none, or there is no such device.
    """
    if wanted not in get_args(Device):
        raise UsageError(f"--device {wanted}: choose {' or '.join(get_args(Device))}")
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch finds no usable GPU here; use --device cpu, or install its CUDA build")
    return torch.device("cuda")


def choose_precision(wanted: Precision, device: torch.device) -> PainterPrecision:
    """``auto`` is bf16 on CUDA, fp32 on a CPU (where bf16 convolutions are slower)."""
    if wanted == "auto":
        return "bf16" if device.type == "cuda" else "fp32"
    return wanted


def window_length(wanted: int | None, device: torch.device) -> int:
    """Frames per window: enough to fill the device in the part that needs no past, few enough to start soon."""
    return wanted or _WINDOW[device.type]
