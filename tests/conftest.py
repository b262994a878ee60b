"""Fixtures that any test may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# A shell's background job is started with Ctrl-C ignored, and so would be all that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _folder_outside(variable: str, name: str) -> Path:
    """The folder that ``variable`` names, else ``shared/<name>`` beside the repository; without it the test skips."""
    given = os.environ.get(variable)
    folder = Path(given) if given else REPOSITORY.parent / "shared" / name
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}: set {variable} to the {name} folder to run this test")
    return folder


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Tensors recorded from the reference implementation, described in the README beside them."""
    return _folder_outside("V2V_GOLDEN", "golden")


@pytest.fixture(scope="session")
def clips_dir() -> Path:
    """Real and odd video files; none of them is part of this repository."""
    return _folder_outside("V2V_CLIPS", "clips")


@pytest.fixture(scope="session")
def first_tanh() -> None:
    """Makes the process's first tanh call, which some PyTorch CPU builds get wrong by 5e-5; later calls are exact.

    Tests that compare images with recorded ones ask for this fixture.
    """
    import torch

    torch.tanh(torch.zeros(64, 64))
