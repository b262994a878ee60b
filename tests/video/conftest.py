"""The maker of test videos, as a fixture."""

from __future__ import annotations

from pathlib import Path

import pytest

from .made import Maker


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)
