"""Loss terms against hand-computed values and the reference's recordings."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tests.models.reference import Golden
from v2vcli.train import losses


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


def test_flow_terms_are_the_references(golden_dir: Path) -> None:
    golden = Golden(golden_dir / "losses_street.safetensors")
    i = {key.removeprefix("i/"): value for key, value in golden.tensors.items() if key.startswith("i/")}
    conf = i["conf_ref"]
    flow = 10 * losses.flow_loss(i["flow"], i["flow_ref"], conf)
    warp = 10 * losses.flow_warp_loss(i["flow"], i["real_B"], i["real_B_prev"], conf)
    frame = 10 * losses.frame_warp_loss(i["fake_B"], i["fake_B_prev"], i["flow_ref"], conf)
    for name, value in {"F_Flow": flow, "F_Warp": warp, "G_Warp": frame}.items():
        assert value.item() == pytest.approx(golden[f"o/loss/{name}"].item(), rel=1e-5), name


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
