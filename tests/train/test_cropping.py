"""Training frames' sizes, crops and mirroring. The reference's are compared in tests/golden/test_resize_crop.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from v2vcli.errors import RecipeError
from v2vcli.train.cropping import CropPlan, SizeRule, crop_plan

POSE = SizeRule(scale="height", length=384, shortest=256, crop="aspect", crop_length=256, flip=False)


def test_a_frame_is_scaled_to_the_side_that_is_given() -> None:
    rng = np.random.default_rng(0)
    plan = crop_plan((1920, 1080), SizeRule(scale="width", length=512, flip=False), rng)
    assert (plan.scaled, plan.corner, plan.size, plan.mirrored) == ((512, 288), (0, 0), (512, 288), False)


def test_every_length_is_drawn_and_none_beyond() -> None:
    rng = np.random.default_rng(0)
    rule = SizeRule(scale="height", length=264, shortest=256, crop="aspect", crop_length=256, flip=False)
    heights = {crop_plan((1280, 720), rule, rng).scaled[1] for _ in range(200)}
    assert heights == {256, 260, 264}


def test_windows_lie_inside_and_near_the_top() -> None:
    rng = np.random.default_rng(0)
    plans = [crop_plan((640, 480), POSE, rng) for _ in range(300)]
    for plan in plans:
        assert all(c + s <= full for c, s, full in zip(plan.corner, plan.size, plan.scaled, strict=True))
        assert plan.corner[1] <= plan.scaled[1] // 8
    assert len({plan.corner for plan in plans}) > 100


def test_the_same_generator_draws_the_same_plan() -> None:
    first, again = (crop_plan((640, 480), POSE, np.random.default_rng(7)) for _ in range(2))
    assert first == again


def test_about_every_other_clip_is_mirrored() -> None:
    rng = np.random.default_rng(0)
    mirrored = [crop_plan((64, 64), SizeRule(length=64), rng).mirrored for _ in range(400)]
    assert 160 < sum(mirrored) < 240


def test_cutting_takes_the_window_of_every_frame() -> None:
    frames = np.arange(2 * 6 * 8).reshape(2, 6, 8)
    plan = CropPlan((8, 6), (3, 1), (4, 2))
    np.testing.assert_array_equal(plan.cut(frames), frames[:, 1:3, 3:7])
    np.testing.assert_array_equal(CropPlan((8, 6), (3, 1), (4, 2), True).cut(frames), frames[:, 1:3, 6:2:-1])


def test_a_mirrored_flow_still_leads_from_frame_to_frame() -> None:
    """previous(x + u, y + v) is found by the cut flow in the cut frame as by the flow in the frame."""
    rng = np.random.default_rng(0)
    previous = rng.random((1, 8, 12))
    flow = np.zeros((1, 8, 12, 2), np.float32)
    flow[..., 0], flow[..., 1] = 2, -1
    current = np.roll(previous, (1, -2), (1, 2))  # current(x, y) = previous(x + 2, y - 1)
    plan = CropPlan((12, 8), (1, 1), (10, 6), mirrored=True)
    p, c, w = plan.cut(previous)[0], plan.cut(current)[0], plan.cut_flow(flow)[0]
    for y in range(1, 6):
        for x in range(2, 10):
            assert c[y, x] == p[y + int(w[y, x, 1]), x + int(w[y, x, 0])]
    assert flow[0, 0, 0, 0] == 2  # the flow itself is as it was


@pytest.mark.parametrize(
    "wrong",
    [{"length": 0}, {"shortest": 600}, {"scale": None, "shortest": 5}, {"scale": "square", "crop": "aspect"}],
)
def test_contradictory_rules_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        SizeRule(**wrong)


def test_frames_too_narrow_to_halve_are_refused() -> None:
    with pytest.raises(RecipeError, match="3000x20"):
        crop_plan((3000, 20), SizeRule(length=512), np.random.default_rng(0))
