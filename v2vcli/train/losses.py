"""The loss terms of vid2vid training, each a plain function of tensors.

Sources: Wang et al. 2018 (vid2vid), section 3.3 and the losses L_I, L_V, L_W; Mao et al. 2017 (LSGAN); Wang et al.
2018 (pix2pixHD) for feature matching. All masked means divide by the number of *all* elements.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from v2vcli.models.segmenter import Segmenter
from v2vcli.models.warp import warp

Activations = Sequence[Sequence[Tensor]]
"""What a `MultiScaleDiscriminator` returns: per resolution, per layer, the last layer being the prediction."""


def lsgan(activations: Activations, target: float) -> Tensor:
    """Least-squares GAN loss: mean squared distance of the predictions to `target`, summed over resolutions."""
    return torch.stack([(scale[-1] - target).square().mean() for scale in activations]).sum()


def feature_matching(fake: Activations, real: Activations) -> Tensor:
    """Mean absolute distance of the discriminator's activations, averaged over resolutions, 4 / layers each layer."""
    total = torch.stack(
        [
            F.l1_loss(a, b.detach()) * (4.0 / (len(scale_fake) - 1))
            for scale_fake, scale_real in zip(fake, real, strict=True)
            for a, b in zip(scale_fake[:-1], scale_real[:-1], strict=True)
        ]
    )
    return total.sum() / len(fake)


def gradient_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Mean absolute distance of the pictures' first differences: edges should be where, and as sharp as, they are."""
    across = F.l1_loss(fake[..., :, 1:] - fake[..., :, :-1], real[..., :, 1:] - real[..., :, :-1])
    down = F.l1_loss(fake[..., 1:, :] - fake[..., :-1, :], real[..., 1:, :] - real[..., :-1, :])
    return across + down


def flow_loss(flow: Tensor, teacher: Tensor, confidence: Tensor) -> Tensor:
    """First term of L_W: |w - w_ref| where the teacher is to be believed."""
    return ((flow - teacher).abs() * confidence).mean()


def flow_warp_loss(flow: Tensor, real: Tensor, real_before: Tensor, confidence: Tensor) -> Tensor:
    """Second term of L_W: the real frame before, warped by the painted flow, should be the real frame."""
    return ((warp(real_before, flow) - real).abs() * confidence).mean()


def frame_warp_loss(frame: Tensor, before: Tensor, teacher: Tensor, confidence: Tensor) -> Tensor:
    """The painted frame should be the (detached) painted frame before it, warped by the teacher's flow."""
    return ((frame - warp(before, teacher).detach()).abs() * confidence).mean()


class PerceptualLoss:
    """Distance of two pictures in the frozen encoder of our own street segmenter.

    It stands where VGG-19 stands in the paper, for machines on which VGG's weights are not to be had.
    """

    def __init__(self, network: Segmenter, levels: int = 4) -> None:
        """Freeze `network`; compare its first `levels` encoder stages."""
        self.network = network.eval().requires_grad_(False)
        self.levels = levels

    def __call__(self, fake: Tensor, real: Tensor) -> Tensor:
        """Mean over stages of the mean absolute distance, each stage in units of its real activations' mean."""
        with torch.no_grad():
            wanted = self.network.features(real)[: self.levels]
        found = self.network.features(fake)[: self.levels]
        terms = [F.l1_loss(a, b) / (b.mean() + 1e-3) for a, b in zip(found, wanted, strict=True)]
        return torch.stack(terms).mean()


def grouped_cross_entropy(logits: Tensor, ids: Tensor, groups: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy against coarser labels: a coarse class's probability is the sum of its fine classes'.

    Args:
        logits: (C, H, W) over fine classes.
        ids: (H, W) int64 coarse ids; an id with no fine class is ignored.
        groups: (C,) int64, the coarse id of each fine class.
        weights: (256,) weight of a pixel by its coarse id.

    Returns:
        The weighted mean over pixels that count, a scalar; zero if none does.
    """
    coarse = torch.unique(groups)
    member = (groups[None] == coarse[:, None]).to(logits.dtype)
    probabilities = torch.einsum("gc,chw->ghw", member, logits.softmax(0)).clamp(min=1e-6)
    target = torch.full_like(ids, -1)
    for index, name in enumerate(coarse.tolist()):
        target[ids == name] = index
    counted = target >= 0
    if not bool(counted.any()):
        return logits.sum() * 0.0
    return F.nll_loss(probabilities.log()[None], target[None], weights[coarse], ignore_index=-1)
