"""Multi-scale PatchGAN discriminators: image (map + frame), face (a crop of both), temporal (K frames + their flow).

Peculiar:
- every layer's activations come out, since feature matching compares them; `predictions` keeps the last alone;
- resolutions are made by average pooling that does not count its padding;
- vid2vid makes the copy at full resolution the *narrowest* (`DiscriminatorConfig.narrow_first`), pix2pixHD makes all
  copies alike;
- one class serves all three: inputs are the caller's to concatenate (`image_input`, `temporal_input`), and a face
  discriminator is an image discriminator of fewer resolutions (`DiscriminatorConfig.for_faces`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from v2vcli.maps.conditioning import halved
from v2vcli.models.layers import Norm, initialise, normalisation

Activations = Sequence[Sequence[Tensor]]
"""What a `MultiScaleDiscriminator` returns: per resolution, per layer, the last layer being the prediction."""

NARROW_CAP = 64
"""No copy of a ``narrow_first`` discriminator starts wider than this."""


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Shape of a `MultiScaleDiscriminator`.

    Attributes:
        channels: of the input, see `image_channels` and `temporal_channels`.
        width: channels after the first layer, at full resolution; each layer doubles them up to ``cap``.
        layers: stride-2 layers of each PatchGAN.
        scales: resolutions, each half the one before.
        norm: see `v2vcli.models.layers.Norm`.
        cap: no layer is wider.
        narrow_first: resolution i starts with min(64, width 2^i) channels, as in vid2vid; else all with ``width``, as
            in pix2pixHD. With the published width of 64 the two are the same.
    """

    channels: int
    width: int = 64
    layers: int = 3
    scales: int = 2
    norm: Norm = "frame"
    cap: int = 512
    narrow_first: bool = False

    def __post_init__(self) -> None:
        """Refuse a discriminator of nothing."""
        if min(self.channels, self.width, self.layers, self.scales, self.cap) < 1:
            raise ValueError(f"a discriminator needs positive channels, width, layers, scales and cap, got {self}")

    @property
    def first_widths(self) -> tuple[int, ...]:
        """Channels after the first layer of every resolution, finest first."""
        if not self.narrow_first:
            return (self.width,) * self.scales
        return tuple(min(NARROW_CAP, self.width * 2**index) for index in range(self.scales))

    @property
    def per_frame(self) -> bool:
        """Whether each picture is judged as if it were alone: then real and fake may share a forward pass."""
        return self.norm in ("frame", "instance")

    def for_faces(self) -> DiscriminatorConfig:
        """The face discriminator beside this image discriminator: two resolutions fewer, at least one."""
        return replace(self, scales=max(1, self.scales - 2))


def image_channels(map_channels: int) -> int:
    """Input channels of an image or face discriminator."""
    return map_channels + 3


def temporal_channels(frames: int) -> int:
    """Input channels of a temporal discriminator of `frames` frames: 13 for the paper's three."""
    return 3 * frames + 2 * (frames - 1)


def _patch_gan(config: DiscriminatorConfig, width: int) -> nn.ModuleList:
    """Stages of one PatchGAN; each returned activation is the output of one stage, the last is the prediction."""
    widths = [min(config.cap, width * 2**i) for i in range(config.layers + 1)]
    first = nn.Sequential(nn.Conv2d(config.channels, widths[0], 4, 2, 2), nn.LeakyReLU(0.2, inplace=True))
    stages: list[nn.Module] = [first]
    for level, (before, after) in enumerate(pairwise(widths), start=1):
        stride = 1 if level == config.layers else 2
        conv = nn.Conv2d(before, after, 4, stride, 2)
        stages.append(nn.Sequential(conv, normalisation(config.norm, after), nn.LeakyReLU(0.2, inplace=True)))
    stages.append(nn.Conv2d(widths[-1], 1, 4, 1, 2))
    return nn.ModuleList(stages)


class MultiScaleDiscriminator(nn.Module):
    """The same kind of PatchGAN at several resolutions, finest first; result[i][j] is layer j at resolution i."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.scales = nn.ModuleList(_patch_gan(config, width) for width in config.first_widths)
        initialise(self)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """(N, channels, H, W) -> activations per resolution and layer; the last layer is the (unbounded) prediction."""
        result = []
        for index, stages in enumerate(self.scales):
            x = halved(x) if index else x
            activations, hidden = [], x
            for stage in stages:  # type: ignore[attr-defined]  # a ModuleList of ModuleLists
                hidden = stage(hidden)
                activations.append(hidden)
            result.append(activations)
        return result


def predictions(activations: Activations) -> list[Tensor]:
    """What the discriminator says of each patch, (N, 1, h, w) per resolution, finest first: real is towards 1."""
    return [scale[-1] for scale in activations]


def image_input(maps: Tensor, images: Tensor) -> Tensor:
    """What D_I sees: the frame's map and the frame, (N, C, H, W) and (N, 3, H, W) -> (N, C + 3, H, W)."""
    return torch.cat((maps, images), 1)


def temporal_input(images_BK3HW: Tensor, flows_BK2HW: Tensor, flow_scale: float = 20.0) -> Tensor:
    """What D_V sees: K frames, oldest first, and the K - 1 flows between them in units of `flow_scale` pixels."""
    return torch.cat((images_BK3HW.flatten(1, 2), flows_BK2HW.flatten(1, 2) / flow_scale), 1)
