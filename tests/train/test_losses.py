"""Loss terms against hand-computed values. The reference's are compared in tests/golden/test_losses.py."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from v2vcli.train import losses
from v2vcli.train.recipe import LossRecipe


def test_lsgan_sums_resolutions() -> None:
    activations = [[torch.zeros(1), torch.full((2, 1, 3, 3), 0.5)], [torch.zeros(1), torch.full((2, 1, 2, 2), 3.0)]]
    assert losses.lsgan(activations, 1.0).item() == pytest.approx(0.25 + 4.0)


def test_feature_matching_leaves_the_prediction_out() -> None:
    def scale(value: float, prediction: float) -> list[torch.Tensor]:
        return [torch.full((1, 2, 2, 2), value)] * 4 + [torch.full((1, 1, 2, 2), prediction)]

    fake, real = [scale(1.0, 9.0), scale(1.0, 9.0)], [scale(0.5, 0.0), scale(0.0, 0.0)]
    # 4 layers, factor 4 / 4, mean over two resolutions
    assert losses.feature_matching(fake, real).item() == pytest.approx((4 * 0.5 + 4 * 1.0) / 2)


def test_gradient_loss_sees_edges_not_levels() -> None:
    real = torch.zeros(1, 1, 2, 4)
    real[..., 2:] = 1.0
    assert losses.gradient_loss(real + 0.5, real).item() == 0.0
    # one of three differences across is missing, none down
    assert losses.gradient_loss(torch.zeros_like(real), real).item() == pytest.approx(1 / 3)


def test_the_face_shares_the_divisor_of_a_larger_discriminator() -> None:
    fake, real = [[torch.full((1, 2, 2, 2), 3.0)] * 5], [[torch.zeros(1, 2, 2, 2)] * 5]
    assert losses.feature_matching(fake, real).item() == pytest.approx(4 * 3.0)
    assert losses.feature_matching(fake, real, 3).item() == pytest.approx(4 * 3.0 / 3)


def test_hinge_by_hand() -> None:
    def seen(*values: float) -> list[list[torch.Tensor]]:
        return [[torch.zeros(1), torch.tensor(values).reshape(1, 1, 1, -1)], [torch.full((1, 1, 1, 1), 0.5)]]

    # mean of 1 - 0.5, 1 - (-2), nothing beyond 1; plus 1 - 0.5 at the second resolution
    assert losses.HINGE.real(seen(0.5, -2.0, 4.0)).item() == pytest.approx((0.5 + 3.0 + 0.0) / 3 + 0.5)
    assert losses.HINGE.fake(seen(0.5, -2.0, 4.0)).item() == pytest.approx((1.5 + 0.0 + 5.0) / 3 + 1.5)
    assert losses.HINGE.painter(seen(0.5, -2.0, 4.0)).item() == pytest.approx(-2.5 / 3 - 0.5)


def test_lsgan_by_hand() -> None:
    seen = [[torch.zeros(1), torch.tensor([0.5, 2.0]).reshape(1, 1, 1, 2)]]
    assert losses.LSGAN.real(seen).item() == losses.LSGAN.painter(seen).item() == pytest.approx((0.25 + 1.0) / 2)
    assert losses.LSGAN.fake(seen).item() == pytest.approx((0.25 + 4.0) / 2)


def test_a_recipe_can_name_every_form() -> None:
    assert set(get_args(LossRecipe.model_fields["form"].annotation)) == set(losses.GAN_FORMS)


def test_flow_terms_divide_by_all_pixels() -> None:
    confidence = torch.tensor([1.0, 0.5, 0.0, 0.0]).reshape(1, 1, 1, 4)
    flow, teacher = torch.full((1, 2, 1, 4), 3.0), torch.ones(1, 2, 1, 4)
    assert losses.flow_loss(flow, teacher, confidence).item() == pytest.approx((2.0 + 1.0) / 4)
    mask = torch.full((1, 1, 1, 4), 0.5)
    assert losses.mask_loss(mask, confidence).item() == pytest.approx((0.5 + 0.25) / 4)


def test_warped_frames_are_read_where_the_flow_points() -> None:
    before = torch.tensor([0.0, 1.0, 2.0, 3.0]).reshape(1, 1, 1, 4)
    right = torch.stack((torch.ones(1, 1, 4), torch.zeros(1, 1, 4)), 1)
    everywhere = torch.ones(1, 1, 1, 4)
    moved = torch.tensor([1.0, 2.0, 3.0, 3.0]).reshape(1, 1, 1, 4)
    assert losses.flow_warp_loss(right, moved, before, everywhere).item() == pytest.approx(0.0, abs=1e-6)
    assert losses.frame_warp_loss(moved + 1, before, right, everywhere).item() == pytest.approx(1.0)
    painted_before = before.clone().requires_grad_()
    assert not losses.frame_warp_loss(moved, painted_before, right, everywhere).requires_grad


def test_grouped_cross_entropy_sums_the_fine_classes() -> None:
    logits = torch.zeros(4, 1, 2)
    groups = torch.tensor([0, 0, 1, 255])
    # pixel 0 is coarse class 0 = fine 0 + 1, half the probability; pixel 1 has an id that no fine class makes up
    loss = losses.grouped_cross_entropy(logits, torch.tensor([[0, 9]]), groups, torch.ones(256))
    assert loss.item() == pytest.approx(math.log(2), rel=1e-5)
    assert losses.grouped_cross_entropy(logits, torch.tensor([[9, 9]]), groups, torch.ones(256)).item() == 0.0


def test_rare_pixels_weigh_more() -> None:
    logits = torch.tensor([2.0, 0.0]).reshape(2, 1, 1).expand(2, 1, 2)
    groups, weights = torch.tensor([0, 1]), torch.ones(256)
    even = losses.grouped_cross_entropy(logits, torch.tensor([[0, 1]]), groups, weights)
    weights[1] = 3.0
    assert losses.grouped_cross_entropy(logits, torch.tensor([[0, 1]]), groups, weights) > even
