"""Sizes and crops of training frames, for the random numbers that the reference drew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.golden.drawn import Drawn
from tests.golden.recording import Parity
from v2vcli.train.cropping import SizeRule, crop_plan


def rule_of(setting: dict[str, Any], *, overshoot: bool) -> SizeRule:
    """Ours, for a mode of the reference such as ``randomScaleHeight_and_scaledCrop``."""
    mode, load, fine = setting["mode"], setting["loadSize"], setting["fineSize"]
    sides = {"scaleWidth": "width", "scaleHeight": "height", "randomScaleWidth": "width", "randomScaleHeight": "height"}
    scale, _, crop = mode.partition("_and_")
    return SizeRule(
        scale="square" if scale == "resize" else sides.get(scale),  # type: ignore[arg-type]
        length=load,
        shortest=fine if scale.startswith("random") else None,
        crop="aspect" if crop == "scaledCrop" else "square" if "crop" in (scale, crop) else None,
        crop_length=fine,
        flip=False,
        overshoot=overshoot,
    )


def recorded(golden_dir: Path) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((golden_dir / "resize_crop.json").read_text())
    assert len(cases) == 210
    return cases


def test_the_recorded_sizes_and_crops(golden_dir: Path, parity: Parity) -> None:
    for case in recorded(golden_dir):
        integers = [((low, high + 1), value) for _, low, high, value in case["randint"]]
        rng = Drawn(integers, [] if case["randn"] is None else [case["randn"]])
        plan = crop_plan(tuple(case["size"]), rule_of(case, overshoot=True), rng)
        rng.used_up()
        window = case["crop_size"] if any(case["crop_size"]) else case["new_size"]
        name = f"{case['mode']}/{case['loadSize']}"
        for what, ours, theirs in (
            ("new_size", plan.scaled, case["new_size"]),
            ("crop_size", plan.size, window),
            ("crop_pos", plan.corner, case["crop_pos"]),
        ):
            parity.check("resize_crop", f"{name}/{what}", np.array(ours), np.array(theirs), 0.0)


@pytest.mark.parametrize("draw", range(5))
def test_without_the_slip_every_side_is_a_multiple_and_inside(golden_dir: Path, draw: int) -> None:
    rng = np.random.default_rng(draw)
    for case in recorded(golden_dir):
        rule = rule_of(case, overshoot=False)
        plan = crop_plan(tuple(case["size"]), rule, rng)
        for side in (0, 1):
            assert plan.size[side] % 32 == 0
            assert 0 <= plan.corner[side] <= plan.scaled[side] - plan.size[side]
        if rule.shortest is not None:
            assert plan.scaled[0 if rule.scale == "width" else 1] <= rule.length
