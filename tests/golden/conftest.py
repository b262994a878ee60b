"""The `parity` fixture; ``V2V_PARITY=FILE`` leaves all measured differences in FILE, as JSON (benchmarks/parity.py)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.golden.recording import Parity


@pytest.fixture(scope="session")
def parity(golden_dir: Path, first_tanh: None) -> Iterator[Parity]:
    """Compares with recordings and remembers the differences."""
    measured = Parity()
    yield measured
    if target := os.environ.get("V2V_PARITY"):
        Path(target).write_text(json.dumps(measured.errors, indent=1, sort_keys=True))
