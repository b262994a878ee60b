"""Twenty steps of training are the numbers that are committed; with two processes they are those of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.train.golden_curve import GOLDEN, Curve, curve, rounding

SMALL = ("stage.0.size=[48,24]", "stage.1.size=[48,24]", "data.load_size=[52,26]", "data.source.0.seeds=[0,2]")
ALMOST_STILL = ("stage.0.rate=1e-5", "stage.1.rate=2e-6", "precision.channels_last=false")
"""Rates, and a layout, in which two ways to round stay close: a clip alone is convolved as beside another. Adam's first
steps move every weight by the whole rate, whichever sign a gradient of nothing but rounding has; at the recipe's rates
the curves agree for six steps, then chaos has them."""


def _require_close(found: Curve, expected: Curve, tolerance: float) -> None:
    for step, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
        assert mine.keys() == theirs.keys()
        for name, value in theirs.items():
            assert mine[name] == pytest.approx(value, rel=tolerance, abs=1e-7), f"{name} of step {step}"


@pytest.mark.slow
def test_the_committed_curve(tmp_path: Path) -> None:
    golden, found = json.loads(GOLDEN.read_text()), curve(tmp_path)
    assert len(found) == len(golden["curve"]) == 20
    steps = 20 if golden["rounding"] == rounding() else 1  # elsewhere only what no rounding was amplified in
    _require_close(found[:steps], golden["curve"][:steps], 1e-5)


@pytest.mark.slow
def test_two_processes_are_one(tmp_path: Path) -> None:
    one = curve(tmp_path / "one", overrides=SMALL + ALMOST_STILL)
    two = curve(tmp_path / "two", overrides=SMALL + ALMOST_STILL, gpus=2)
    assert len(one) == 20
    _require_close(two, one, 1e-4)
