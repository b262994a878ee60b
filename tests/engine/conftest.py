"""Models and clips that several tests use; made once for a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.engine.material import picture, save_painter, save_segmenter, write_clip


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> Iterator[None]:
    """Nets this small run faster on one core, and leave the other one to whoever else needs it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def edge_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny painter from edges with random weights."""
    return save_painter(tmp_path_factory.mktemp("model") / "tiny-edges.safetensors")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 frames at 25 fps, one shot, lossless."""
    return write_clip(tmp_path_factory.mktemp("clip") / "in.mp4", [picture(t) for t in range(25)])


@pytest.fixture(scope="session")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny segmenter of Cityscapes' 19 classes with random weights."""
    return save_segmenter(tmp_path_factory.mktemp("segmenter") / "tiny.safetensors")
