"""Every loss term, sum and gradient of the reference, from `v2vcli.train.objectives` and nothing else.

The recordings hold what a chunk of painted frames looks like; ours judges it, adds up and differentiates. Their
discriminators normalise with the statistics of the batch they are given (our norm ``batch``).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.golden.recording import Golden, Parity
from tests.golden.reference_discriminator import before_a_norm, rebuilt, reference_gradients
from v2vcli.models.discriminators import MultiScaleDiscriminator
from v2vcli.models.warp import warp
from v2vcli.train import objectives
from v2vcli.train.face_region import face_region
from v2vcli.train.losses import frame_warp_loss
from v2vcli.train.objectives import Judge, Judged, LossWeights, Motion
from v2vcli.train.temporal import TemporalWindows

LOSS, GRADIENT, ZERO_GRADIENT, IMAGE = 1e-5, 1e-4, 1e-5, 3e-5
"""Tolerances; a convolution's bias before a norm has a gradient of rounding noise, and is compared absolutely."""

VIDEO = ["losses_street", "losses_s2_numD3", "losses_pose_face", "losses_noflow_td2"]
OURS = {
    "G_GAN": "gan",
    "G_GAN_Feat": "feature_matching",
    "G_VGG": "perceptual",
    "F_Flow": "flow",
    "F_Warp": "flow_warp",
    "G_Warp": "frame_warp",
    "W": "mask",
    "G_f_GAN": "face_gan",
    "G_f_GAN_Feat": "face_feature_matching",
    "G_T_GAN": "temporal0_gan",
    "G_T_GAN_Feat": "temporal0_feature_matching",
    "G_T_Warp": "temporal0_warp",
}
"""The reference's names of the painter's terms. G_VGG is switched off in every recording, G_T_Warp is always 0."""
ABSENT = ("G_VGG", "G_T_Warp")


def _judge(golden: Golden, name: str, scales: int, **options: Any) -> Judge:
    h = golden.hyper
    return Judge.of(rebuilt(golden.state(name), "batch", width=h["ndf"], scales=scales), **options)


class Chunk:
    """A recorded chunk, judged."""

    def __init__(self, golden: Golden) -> None:
        h = golden.hyper
        self.golden = golden
        self.inputs = i = {key: value.requires_grad_() for key, value in golden.below("i/").items()}
        weights = LossWeights(mask=1.0 if h["no_first_img"] else 0.0)
        self.judge = _judge(golden, "netD", h["num_D"])
        self.image = objectives.image_terms(
            self.judge, i["real_A"], [i["fake_B"], i["fake_B_raw"]], i["real_B"], weights
        )
        self.motion = objectives.motion_terms(
            Motion(
                i["fake_B"],
                i["fake_B_prev"],
                i["real_B"],
                i["real_B_prev"],
                i["flow_ref"],
                i["conf_ref"],
                i.get("flow"),
                i.get("weight"),
            ),
            weights,
            h["n_scales"],
        )
        self.temporal = objectives.temporal_terms(
            _judge(golden, "netD_T0", h["num_D"]),
            TemporalWindows(i["T0/real_B"], i["T0/fake_B"], i["T0/flow_ref"]),
            weights,
        )
        self.region = face_region(i["real_A"].detach(), h["fineSize"]) if h["add_face_disc"] else None
        self.face: Judged | None = None
        if self.region is not None:
            self.face = objectives.face_terms(
                _judge(golden, "netD_f", max(1, h["num_D"] - 2), resolutions=h["num_D"]),
                i["real_A"],
                i["fake_B"],
                i["real_B"],
                self.region,
                weights,
            )
        self.terms = self.image.terms | self.motion | self.temporal.terms | (self.face.terms if self.face else {})
        self.painter = objectives.total(self.terms)
        self.discriminator = self.image.objective
        if self.face is not None:
            self.discriminator = self.discriminator + self.face.objective

    def losses(self) -> dict[str, Tensor | float]:
        """By the reference's names; a term that ours does not have is 0."""
        found: dict[str, Tensor | float] = {theirs: self.terms.get(ours, 0.0) for theirs, ours in OURS.items()}
        found |= {"D_real": self.image.real, "D_fake": self.image.fake}
        found |= {"D_T_real": self.temporal.real, "D_T_fake": self.temporal.fake}
        if self.face:
            found |= {"D_f_real": self.face.real, "D_f_fake": self.face.fake}
        return found


@pytest.fixture(scope="module", params=VIDEO)
def chunk(request: pytest.FixtureRequest, golden_dir: Path) -> Chunk:
    return Chunk(Golden(golden_dir / f"{request.param}.safetensors"))


def test_every_term(chunk: Chunk, parity: Parity) -> None:
    golden, found = chunk.golden, chunk.losses()
    recorded = golden.below("o/loss/") | golden.below("o/loss_T0/")
    assert set(chunk.terms) == {OURS[key] for key, value in recorded.items() if key in OURS and value != 0}
    assert [float(recorded[key]) for key in ABSENT] == [0.0, 0.0]
    for key, expected in recorded.items():
        parity.check(golden.name, f"loss/{key}", _one(found[key]), expected, LOSS, relative=True)


def test_the_sums(chunk: Chunk, parity: Parity) -> None:
    golden = chunk.golden
    found = {"G": chunk.painter, "D": chunk.discriminator, "D_T0": chunk.temporal.objective}
    recorded = golden.below("o/total/")
    assert set(found) == set(recorded)
    for key, expected in recorded.items():
        parity.check(golden.name, f"total/{key}", _one(found[key]), expected, LOSS, relative=True)


def test_the_painters_gradients(chunk: Chunk, parity: Parity) -> None:
    golden = chunk.golden
    recorded = golden.below("o/grad_G/")
    inputs = [chunk.inputs[key] for key in recorded]
    found = torch.autograd.grad(chunk.painter, inputs, retain_graph=True)
    for (key, expected), tensor in zip(recorded.items(), found, strict=True):
        parity.check(golden.name, f"grad_G/{key}", tensor, expected, GRADIENT, relative=True)


def test_the_discriminators_gradients(chunk: Chunk, parity: Parity) -> None:
    network = chunk.judge.network
    assert isinstance(network, MultiScaleDiscriminator)
    _check_gradients(parity, chunk.golden, network, chunk.discriminator)


def test_nothing_is_judged_that_should_not_move(chunk: Chunk) -> None:
    """Discriminators do not move the painter, nor do targets and earlier frames get a gradient from its terms."""
    i = chunk.inputs
    painted = [i["fake_B"], i["fake_B_raw"], i["T0/fake_B"]]
    for objective in (chunk.discriminator, chunk.temporal.objective):
        found = torch.autograd.grad(objective, painted, allow_unused=True, retain_graph=True)
        assert [each is None for each in found] == [True, True, True]
    assert torch.autograd.grad(chunk.painter, [i["fake_B_prev"]], allow_unused=True, retain_graph=True)[0] is None


def test_the_pieces(chunk: Chunk, parity: Parity) -> None:
    golden, i = chunk.golden, {key: value.detach() for key, value in chunk.inputs.items()}
    recorded = golden.below("o/piece/")
    warped = warp(i["fake_B_prev"], i["flow_ref"])
    parity.check(golden.name, "piece/fake_B_warp_ref", warped, recorded.pop("fake_B_warp_ref"), IMAGE)
    masked = frame_warp_loss(i["fake_B"], i["fake_B_prev"], i["flow_ref"], i["conf_ref"])
    key = "masked_l1_fake_vs_warp"
    parity.check(golden.name, f"piece/{key}", _one(masked), recorded.pop(key), LOSS, relative=True)
    if "flow" in i:
        warped = warp(i["real_B_prev"], i["flow"])
        parity.check(golden.name, "piece/real_B_warp", warped, recorded.pop("real_B_warp"), IMAGE)
    if chunk.region is not None:
        r, key = chunk.region, "face_region_ys_ye_xs_xe"
        parity.check(
            golden.name, f"piece/{key}", torch.tensor([r.top, r.bottom, r.left, r.right]), recorded.pop(key), 0
        )
    assert not recorded


def test_recorded_faces_are_found(golden_dir: Path) -> None:
    golden = Golden(golden_dir / "losses_pose_face.safetensors")
    assert face_region(golden["i/real_A"], golden.hyper["fineSize"]) is not None


def test_one_pass_for_all_paintings_changes_no_number(golden_dir: Path) -> None:
    """Where norms are per frame: that is what a trainer saves by joining them."""
    golden = Golden(golden_dir / "losses_street.safetensors")
    network = rebuilt(golden.state("netD"), "frame", width=golden.hyper["ndf"], scales=golden.hyper["num_D"])
    i, judge = golden.below("i/"), Judge.of(network)
    assert judge.joined
    both = [
        objectives.image_terms(each, i["real_A"], [i["fake_B"], i["fake_B_raw"]], i["real_B"], LossWeights())
        for each in (judge, replace(judge, joined=False))
    ]
    for joined, apart in zip(both[0].terms.values(), both[1].terms.values(), strict=True):
        assert joined.item() == pytest.approx(apart.item(), rel=1e-5)
    assert both[0].objective.item() == pytest.approx(both[1].objective.item(), rel=1e-5)


def _check_gradients(parity: Parity, golden: Golden, network: MultiScaleDiscriminator, objective: Tensor) -> None:
    recorded = golden.below("o/grad_D/")
    for key, found in reference_gradients(network, list(recorded), objective):
        zero = before_a_norm(key)
        tolerance = ZERO_GRADIENT if zero else GRADIENT
        parity.check(golden.name, f"grad_D/{key}", found, recorded[key], tolerance, relative=not zero)


def _one(value: Tensor | float) -> Tensor:
    """Scalars are recorded with shape (1,)."""
    return torch.as_tensor(value).reshape(1)
