"""Multi-scale PatchGAN discriminators: image (map + frame) and temporal (K frames + the flow between them).

Peculiar: every layer's activations come out, since feature matching compares them; resolutions are made by average
pooling that does not count its padding; inputs are the caller's to concatenate (`image_input`, `temporal_input`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from v2vcli.models.layers import Norm, initialise, normalisation


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Shape of a `MultiScaleDiscriminator`: first width, stride-2 layers of each PatchGAN, number of resolutions."""

    channels: int
    width: int = 64
    layers: int = 3
    scales: int = 2
    norm: Norm = "frame"
    cap: int = 512


def halved(x: Tensor) -> Tensor:
    """Half the resolution by 3x3 average pooling; padding is not counted. (N, C, H, W) -> ceil(H/2), ceil(W/2)."""
    return F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)


def _patch_gan(config: DiscriminatorConfig) -> nn.ModuleList:
    """Stages of one PatchGAN; each returned activation is the output of one stage, the last is the prediction."""
    widths = [min(config.cap, config.width * 2**i) for i in range(config.layers + 1)]
    first = nn.Sequential(nn.Conv2d(config.channels, widths[0], 4, 2, 2), nn.LeakyReLU(0.2, inplace=True))
    stages: list[nn.Module] = [first]
    for level, (before, after) in enumerate(pairwise(widths), start=1):
        stride = 1 if level == config.layers else 2
        conv = nn.Conv2d(before, after, 4, stride, 2)
        stages.append(nn.Sequential(conv, normalisation(config.norm, after), nn.LeakyReLU(0.2, inplace=True)))
    stages.append(nn.Conv2d(widths[-1], 1, 4, 1, 2))
    return nn.ModuleList(stages)


class MultiScaleDiscriminator(nn.Module):
    """The same PatchGAN at several resolutions, finest first; result[i][j] is layer j at resolution i."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.scales = nn.ModuleList(_patch_gan(config) for _ in range(config.scales))
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


def image_input(maps: Tensor, images: Tensor) -> Tensor:
    """What D_I sees: the frame's map and the frame, (N, C, H, W) and (N, 3, H, W) -> (N, C + 3, H, W)."""
    return torch.cat((maps, images), 1)


def temporal_input(images_BK3HW: Tensor, flows_BK2HW: Tensor, flow_scale: float = 20.0) -> Tensor:
    """What D_V sees: K frames, oldest first, and the K - 1 flows between them in units of `flow_scale` pixels."""
    return torch.cat((images_BK3HW.flatten(1, 2), flows_BK2HW.flatten(1, 2) / flow_scale), 1)
