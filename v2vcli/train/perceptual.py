"""Perceptual losses: how far two pictures are apart in the activations of a frozen network that knows pictures.

`VggPerceptual` is the paper's (VGG-19, torchvision's weights). `SegmenterPerceptual` takes the encoder of a segmenter
of ours instead. Which one, and what happens on a machine without VGG's weights, is the recipe's to say
(`perceptual_loss`): an error that names the missing file, or the segmenter; never a network of random weights.

Peculiar: pictures come in [-1, 1]. VGG was trained on ImageNet's mean and spread, and is given pictures of that kind by
default; the reference feeds it [-1, 1] as it is (``normalised=False``). Normalised pictures spread 2.2 times as wide
and their distances with them, which is worth remembering where a weight is copied from the paper.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from pickle import UnpicklingError
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from v2vcli.errors import ModelError
from v2vcli.models.catalog import find_model
from v2vcli.models.checkpoint import load_model
from v2vcli.models.segmenter import Segmenter

Perceptual = Callable[[Tensor, Tensor], Tensor]
"""Painted and real pictures in [-1, 1] -> their distance, a scalar; the real ones' activations are detached.

There may be several paintings of the same N pictures, one after the other: (copies N, 3, H, W) and (N, 3, H, W).
"""

VGG = "vgg19"
"""What a recipe's ``perceptual_model`` says for VGG-19; anything else is a segmenter."""
ENDS = (2, 7, 12, 21, 30)
"""Where the five slices of torchvision's ``features`` end: after relu1_1, relu2_1, relu3_1, relu4_1, relu5_1."""
WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Of the five distances: the deeper, the more it counts."""
WIDEST = 1024
"""Wider pictures are halved until they are not: VGG at 2048 x 1024 takes more memory than the painter."""
IMAGENET_MEAN, IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of pictures in [0, 1], per channel, as torchvision's weights were trained."""

_log = logging.getLogger(__name__)


class MissingWeights(ModelError):
    """VGG-19's weights are neither here nor to be had."""


class VggPerceptual:
    """Weighted mean absolute distances of five activations of VGG-19 (Johnson et al. 2016, as pix2pixHD has it)."""

    def __init__(self, features: nn.Sequential, *, normalised: bool = True) -> None:
        """Freeze torchvision's ``vgg19().features``; see the module about `normalised`."""
        features = features.eval().requires_grad_(False)
        self.slices = [features[start:end] for start, end in pairwise((0, *ENDS))]
        self.normalised = normalised

    @classmethod
    def pretrained(cls, device: torch.device | str = "cpu", *, normalised: bool = True) -> VggPerceptual:
        """With torchvision's ImageNet weights, from its cache or downloaded into it.

        Raises:
            MissingWeights: they are neither here nor to be had; says which file goes where.
            ModelError: the file is damaged.
        """
        return cls(_vgg_features().to(device), normalised=normalised)

    def __call__(self, fake: Tensor, real: Tensor) -> Tensor:
        """Sum over slices; see `Perceptual`."""
        fake, real = self._prepared(fake), self._prepared(real)
        terms = []
        for part, weight in zip(self.slices, WEIGHTS, strict=True):
            fake = part(fake)
            with torch.no_grad():
                real = part(real)
            terms.append(weight * F.l1_loss(fake.float(), _as_many(real, fake).float()))
        return torch.stack(terms).sum()

    def _prepared(self, images: Tensor) -> Tensor:
        while images.shape[-1] > WIDEST:
            images = F.avg_pool2d(images, 2)
        if not self.normalised:
            return images
        mean = images.new_tensor(IMAGENET_MEAN)[:, None, None]
        return ((images + 1) / 2 - mean) / images.new_tensor(IMAGENET_SPREAD)[:, None, None]


class SegmenterPerceptual:
    """Distance of two pictures in the frozen encoder of a segmenter of ours.

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
        terms = [
            F.l1_loss(a.float(), _as_many(b, a).float()) / (b.float().mean() + 1e-3)
            for a, b in zip(found, wanted, strict=True)
        ]
        return torch.stack(terms).mean()


def perceptual_loss(
    model: str, *, fallback: str | None = None, normalised: bool = True, device: torch.device | str = "cpu"
) -> Perceptual:
    """The perceptual loss a recipe names.

    Args:
        model: ``"vgg19"``, or a segmenter as `find_model` finds it.
        fallback: a segmenter to take where VGG-19's weights are not to be had; that it was taken is logged.
        normalised: what VGG is fed; see the module.
        device: where it runs.

    Raises:
        MissingWeights: VGG-19's are not to be had and there is no fallback.
        ModelError: their file is damaged (whatever the fallback), or the model is no segmenter.
    """
    if model != VGG:
        return _of_segmenter(model, device)
    try:
        return VggPerceptual.pretrained(device, normalised=normalised)
    except MissingWeights:
        if fallback is None:
            raise
        _log.warning("no %s: the perceptual loss is that of %s, as the recipe says", _vgg_file(), fallback)
        return _of_segmenter(fallback, device)


def _of_segmenter(name: str, device: torch.device | str) -> SegmenterPerceptual:
    _, networks = load_model(find_model(name))
    if "segmenter" not in networks:
        raise ModelError(f"{name}: a perceptual loss wants a segmenter, this holds {', '.join(networks)}")
    return SegmenterPerceptual(cast(Segmenter, networks["segmenter"]).to(device))


def _vgg_file() -> Path:
    """Where torchvision keeps VGG-19's weights, and looks for them first."""
    from torchvision.models import VGG19_Weights

    name: str = VGG19_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[1]
    return Path(torch.hub.get_dir()) / "checkpoints" / name


def _vgg_features() -> nn.Sequential:
    """``features`` of torchvision's VGG-19 up to the last slice, with its ImageNet weights and no others."""
    from torchvision.models import VGG19_Weights, vgg19

    weights, file = VGG19_Weights.IMAGENET1K_V1, _vgg_file()
    with torch.device("meta"):  # no memory for what is replaced or cut off, and nothing random to run by mistake
        features = cast(nn.Sequential, vgg19(weights=None, init_weights=False).features)[: ENDS[-1]]
    try:
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        features.load_state_dict({key: state[f"features.{key}"] for key in features.state_dict()}, assign=True)
    except (OSError, RuntimeError, EOFError, UnpicklingError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        if file.exists():
            raise ModelError(f"{file}: damaged, or not VGG-19's weights ({reason}); remove it and try again") from None
        raise MissingWeights(
            f"VGG-19's weights are not here ({reason}); fetch {weights.url} to {file}, "
            "or name a segmenter as losses.perceptual_fallback or losses.perceptual_model"
        ) from None
    return features


def _as_many(real: Tensor, fake: Tensor) -> Tensor:
    """The real one beside each of several paintings of it."""
    copies = len(fake) // len(real)
    return real if copies == 1 else real.repeat(copies, 1, 1, 1)
