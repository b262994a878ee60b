"""What is minimised: how the terms of `v2vcli.train.losses` add up for the painter and for each discriminator.

The painter minimises L_I + L_V + lambda_W L_W of the paper, plus feature matching and perceptual terms:

    total(image.terms, motion_terms(...), *(each.terms for each in temporal), face.terms)

and every discriminator the `Judged.objective` of its own. Plain functions of tensors and discriminators: which
frames, which optimiser and which step is the trainer's business.

Peculiar (all as the reference, whose recorded sums and gradients these functions reproduce):
- the hallucinated frame is judged beside the blended one, the two summed and the real frame counted once for each,
  or warping would excuse the painter from learning to draw;
- a discriminator's terms are the sum over resolutions, not their mean, so more resolutions weigh more;
- a face counts twice, and its feature matching is divided by the image discriminator's resolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from v2vcli.maps.conditioning import pyramid
from v2vcli.models.covst import feature_flow
from v2vcli.models.discriminators import Activations, MultiScaleDiscriminator, image_input, temporal_input
from v2vcli.train import losses
from v2vcli.train.face_region import FaceRegion
from v2vcli.train.losses import LSGAN, GanForm
from v2vcli.train.perceptual import Perceptual
from v2vcli.train.temporal import TemporalWindows

Terms = dict[str, Tensor]
"""The painter's terms by name, weighted: they are logged one by one and add up to its objective."""


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term; the defaults are the paper's (lambda_FM, lambda_VGG, lambda_W all 10).

    ``mask`` is 1 in the reference where a clip starts from nothing (poses), else 0. ``temporal`` and ``face`` weigh the
    GAN terms of their discriminators, and multiply the weight of feature matching there. ``pixel`` and ``gradient`` are
    not the paper's: they lay a picture out before there is anything to judge.
    """

    gan: float = 1.0
    feature_matching: float = 10.0
    perceptual: float = 10.0
    flow: float = 10.0
    flow_warp: float = 10.0
    frame_warp: float = 10.0
    mask: float = 0.0
    temporal: float = 1.0
    face: float = 2.0
    pixel: float = 0.0
    gradient: float = 0.0


@dataclass(frozen=True, eq=False)
class Judged:
    """What comes of showing a discriminator paintings beside the real thing.

    Attributes:
        terms: the painter's, weighted.
        real: what the discriminator pays for the real ones.
        fake: and for the paintings. Only the discriminator's parameters are to be differentiated by these two: with
            `Judge.joined` a way leads from `fake` to the painter.
    """

    terms: Terms
    real: Tensor
    fake: Tensor

    @property
    def objective(self) -> Tensor:
        """What the discriminator minimises."""
        return 0.5 * (self.fake + self.real)


@dataclass(frozen=True)
class Judge:
    """A discriminator, and how it is asked.

    Attributes:
        network: from its input to its activations.
        form: of the GAN.
        joined: show all paintings in one forward pass, for the discriminator's sake and for the painter's at once.
            Faster; the same numbers only where norms are per frame, since statistics of a batch would mix paintings.
        resolutions: divisor of feature matching, where not the network's own number of resolutions.
    """

    network: Callable[[Tensor], Activations]
    form: GanForm = LSGAN
    joined: bool = False
    resolutions: int | None = None

    @classmethod
    def of(cls, network: MultiScaleDiscriminator, form: GanForm = LSGAN, *, resolutions: int | None = None) -> Judge:
        """One that joins passes where its norms allow it."""
        return cls(network, form, network.config.per_frame, resolutions)

    def __call__(self, name: str, fakes: Sequence[Tensor], real: Tensor, gan: float, matching: float) -> Judged:
        """Judge one or more paintings of the same thing, and sum over them.

        Args:
            name: prefix of the terms.
            fakes: inputs of the network that hold paintings.
            real: the input that holds what they should have been.
            gan: weight of the GAN term.
            matching: weight of feature matching.
        """
        seen_real = self.network(real)  # by itself: the painter's gradient need not pass through it
        if self.joined:
            seen = fooled = self._in_one_pass(fakes)
        else:
            seen = [self.network(fake.detach()) for fake in fakes]
            fooled = [self.network(fake) for fake in fakes]
        terms = {f"{name}gan": gan * _sum(self.form.painter(each) for each in fooled)}
        if matching > 0:
            distances = [losses.feature_matching(each, seen_real, self.resolutions) for each in fooled]
            terms[f"{name}feature_matching"] = matching * _sum(distances)
        # nothing but the paintings differs, so the real ones need to be seen once to be counted for each
        return Judged(terms, len(fakes) * self.form.real(seen_real), _sum(self.form.fake(each) for each in seen))

    def _in_one_pass(self, inputs: Sequence[Tensor]) -> list[Activations]:
        """The activations of each input."""
        together = self.network(torch.cat(list(inputs)))
        bounds = accumulate((len(each) for each in inputs), initial=0)
        return [[[layer[start:end] for layer in scale] for scale in together] for start, end in pairwise(bounds)]


def image_terms(
    judge: Judge,
    maps_NCHW: Tensor,
    paintings: Sequence[Tensor],
    real_N3HW: Tensor,
    weights: LossWeights,
    perceptual: Perceptual | None = None,
) -> Judged:
    """L_I: each frame with its map, as ``gan``, ``feature_matching`` and the terms of `picture_terms`.

    Args:
        judge: D_I.
        maps_NCHW: one map a frame.
        paintings: (N, 3, H, W) each: the painted frames, and those hallucinated before blending.
        real_N3HW: what they should have been.
        weights: of the terms.
        perceptual: the perceptual loss, if there is one.
    """
    judged = judge(
        "",
        [image_input(maps_NCHW, painting) for painting in paintings],
        image_input(maps_NCHW, real_N3HW),
        weights.gan,
        weights.feature_matching,
    )
    judged.terms.update(picture_terms(paintings, real_N3HW, weights, perceptual))
    return judged


def picture_terms(
    paintings: Sequence[Tensor], real_N3HW: Tensor, weights: LossWeights, perceptual: Perceptual | None = None
) -> Terms:
    """What needs no discriminator: ``perceptual``, ``pixel``, ``gradient``, summed over paintings as `image_terms`."""
    terms: Terms = {}
    if perceptual is not None and weights.perceptual > 0:
        distance = perceptual(torch.cat(list(paintings)), real_N3HW)  # a mean over paintings: a sum is wanted
        terms["perceptual"] = weights.perceptual * len(paintings) * distance
    if weights.pixel > 0:
        terms["pixel"] = weights.pixel * _sum((each - real_N3HW).abs().mean() for each in paintings)
    if weights.gradient > 0:
        terms["gradient"] = weights.gradient * _sum(losses.gradient_loss(each, real_N3HW) for each in paintings)
    return terms


def face_terms(
    judge: Judge,
    maps_NCHW: Tensor,
    frame_N3HW: Tensor,
    real_N3HW: Tensor,
    region: FaceRegion | None,
    weights: LossWeights,
) -> Judged | None:
    """The face once more by itself, as ``face_gan`` and ``face_feature_matching``; None where no face was found.

    The discriminator is `DiscriminatorConfig.for_faces`; ``Judge.resolutions`` should be the image discriminator's.
    """
    if region is None:
        return None
    fake, real = (region.crop(image_input(maps_NCHW, images)) for images in (frame_N3HW, real_N3HW))
    return judge("face_", [fake], real, weights.face, weights.face * weights.feature_matching)


def nothing_judged(name: str, zero: Tensor) -> Judged:
    """What a `Judge` would have given where there is nothing to judge."""
    return Judged({f"{name}gan": zero, f"{name}feature_matching": zero}, zero, zero)


def temporal_terms(judge: Judge, shown: TemporalWindows, weights: LossWeights, scale: int = 0) -> Judged:
    """L_V at one temporal scale: K frames and the flow between them, as ``temporalS_gan`` and so on."""
    fake, real = (temporal_input(frames, shown.flow_NK2HW) for frames in (shown.fake_NK3HW, shown.real_NK3HW))
    matching = weights.temporal * weights.feature_matching
    return judge(f"temporal{scale}_", [fake], real, weights.temporal, matching)


@dataclass(frozen=True, eq=False)
class Motion:
    """N painted frames with everything their motion is judged by, clips and time flattened into N.

    Attributes:
        frame: painted, (N, 3, H, W).
        before: the painted frame before each, see `v2vcli.train.temporal.frames_before`.
        real: what `frame` should have been.
        real_before: the real frame before each.
        teacher: flow to the frame before, (N, 2, H, W) pixels.
        confidence: where the teacher is to be believed, (N, 1, H, W) in [0, 1].
        flow: painted, None where the generator has no flow. On a coarser grid than the frames, as COVST's, it is in
            that grid's pixels.
        mask: painted occlusion mask, (N, 1, H, W), on the grid of `flow`; None likewise.
    """

    frame: Tensor
    before: Tensor
    real: Tensor
    real_before: Tensor
    teacher: Tensor
    confidence: Tensor
    flow: Tensor | None = None
    mask: Tensor | None = None


def motion_terms(motion: Motion, weights: LossWeights, spatial_scales: int = 1) -> Terms:
    """L_W and its kin: ``flow``, ``flow_warp``, ``frame_warp``, ``mask``.

    Flow is in pixels of the finest scale, so its error is divided by 2 for each of the generator's `spatial_scales`
    after the first.
    """
    m, terms = motion, {}
    teacher, confidence, real, real_before = _on_the_grid_of_flow(m)
    if m.flow is not None:
        terms["flow"] = weights.flow * losses.flow_loss(m.flow, teacher, confidence) / 2 ** (spatial_scales - 1)
        terms["flow_warp"] = weights.flow_warp * losses.flow_warp_loss(m.flow, real, real_before, confidence)
    terms["frame_warp"] = weights.frame_warp * losses.frame_warp_loss(m.frame, m.before, m.teacher, m.confidence)
    if m.mask is not None and weights.mask > 0:
        terms["mask"] = weights.mask * losses.mask_loss(m.mask, confidence)
    return terms


def _on_the_grid_of_flow(m: Motion) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The teacher's flow, its confidence, the real frames and those before them, pooled where the flow is coarser."""
    if m.flow is None or m.flow.shape[-1] == m.frame.shape[-1]:
        return m.teacher, m.confidence, m.real, m.real_before
    multiple = m.frame.shape[-1] // m.flow.shape[-1]
    confidence, real, real_before = (
        pyramid(each, multiple.bit_length())[-1] for each in (m.confidence, m.real, m.real_before)
    )
    return feature_flow(m.teacher, multiple), confidence, real, real_before


def total(*terms: Terms) -> Tensor:
    """The painter's objective: the plain sum of all terms."""
    return _sum(term for each in terms for term in each.values())


def _sum(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()
