"""The loss terms of vid2vid training, each a plain function of tensors. How they add up: `v2vcli.train.objectives`.

Sources: Wang et al. 2018 (vid2vid), section 3.3 and the losses L_I, L_V, L_W; Mao et al. 2017 (LSGAN); Lim & Ye 2017
(hinge); Wang et al. 2018 (pix2pixHD) for feature matching. All masked means divide by the number of *all* elements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from v2vcli.models.discriminators import Activations, predictions
from v2vcli.models.warp import warp


def lsgan(activations: Activations, target: float) -> Tensor:
    """Least-squares GAN loss: mean squared distance of the predictions to `target`, summed over resolutions."""
    return torch.stack([(each - target).square().mean() for each in predictions(activations)]).sum()


def hinge(activations: Activations, sign: float) -> Tensor:
    """Hinge GAN loss of a discriminator, mean max(0, 1 - sign D), summed over resolutions; sign 1 real, -1 fake."""
    return torch.stack([F.relu(1 - sign * each).mean() for each in predictions(activations)]).sum()


@dataclass(frozen=True)
class GanForm:
    """One form of the GAN game: what the discriminator pays on real and on fake pictures, and what the painter pays."""

    real: Callable[[Activations], Tensor]
    fake: Callable[[Activations], Tensor]
    painter: Callable[[Activations], Tensor]


LSGAN = GanForm(lambda seen: lsgan(seen, 1.0), lambda seen: lsgan(seen, 0.0), lambda seen: lsgan(seen, 1.0))
"""The paper's: real is 1, fake is 0, and the painter wants its own called 1."""
HINGE = GanForm(
    lambda seen: hinge(seen, 1.0),
    lambda seen: hinge(seen, -1.0),
    lambda seen: -torch.stack([each.mean() for each in predictions(seen)]).sum(),
)
"""The discriminator is content beyond +1 and -1; the painter is never content."""
GAN_FORMS: Mapping[str, GanForm] = {"lsgan": LSGAN, "hinge": HINGE}
"""By the name a recipe gives it."""


def feature_matching(fake: Activations, real: Activations, resolutions: int | None = None) -> Tensor:
    """Mean absolute distance of the discriminator's activations, 4 / layers each layer, predictions left out.

    Args:
        fake: of the painting; gradients pass.
        real: of the real picture; detached.
        resolutions: what the sum over resolutions is divided by, if not by their number: the face discriminator has
            fewer than the image discriminator but shares its divisor.
    """
    total = torch.stack(
        [
            F.l1_loss(a, b.detach()) * (4.0 / (len(scale_fake) - 1))
            for scale_fake, scale_real in zip(fake, real, strict=True)
            for a, b in zip(scale_fake[:-1], scale_real[:-1], strict=True)
        ]
    )
    return total.sum() / (resolutions or len(fake))


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


def mask_loss(mask: Tensor, confidence: Tensor) -> Tensor:
    """The mask regulariser: where the teacher is to be believed, warp (m towards 0) rather than paint anew."""
    return (mask * confidence).abs().mean()


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
