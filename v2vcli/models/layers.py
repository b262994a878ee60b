"""Building blocks shared by every painter and discriminator.

Peculiar: no painter of ours keeps running statistics. The reference normalises with the statistics of the frame it
paints, so a frame does not depend on what else is in the batch, and CPU, GPU, one and eight processes agree.
(``stored`` is there to show that its evaluation mode, which nobody used, can be reproduced as well.)
Index layouts inside a ``Sequential`` follow the reference's, so that its checkpoints map onto ours by prefix.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

Norm = Literal["frame", "batch", "instance", "stored"]
"""``frame``: statistics of each frame, learnt scale and shift (the reference's BatchNorm at batch 1).
``batch``: statistics of the whole batch, learnt scale and shift. ``instance``: of each frame, nothing learnt.
``stored``: statistics kept in the checkpoint, learnt scale and shift; for evaluation mode only."""


def normalisation(norm: Norm, channels: int) -> nn.Module:
    """The normalisation layer called `norm`; only ``stored`` has buffers."""
    match norm:
        case "frame":
            return nn.InstanceNorm2d(channels, affine=True)
        case "batch":
            return nn.BatchNorm2d(channels, track_running_stats=False)
        case "instance":
            return nn.InstanceNorm2d(channels)
        case "stored":
            return nn.BatchNorm2d(channels)


def outer_conv(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    """Reflection pad and a stride-1 convolution: first and last layer of every branch (kernel 7 in the paper)."""
    return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(inputs, outputs, kernel)]


def halve(inputs: int, outputs: int, norm: Norm) -> list[nn.Module]:
    """Zero-padded stride-2 convolution, norm, ReLU: (H, W) -> (ceil(H/2), ceil(W/2))."""
    return [nn.Conv2d(inputs, outputs, 3, 2, 1), normalisation(norm, outputs), nn.ReLU(inplace=True)]


def double(inputs: int, outputs: int, norm: Norm) -> list[nn.Module]:
    """Transposed stride-2 convolution, norm, ReLU: (H, W) -> (2H, 2W)."""
    return [
        nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1),
        normalisation(norm, outputs),
        nn.ReLU(inplace=True),
    ]


class ResidualBlock(nn.Module):
    """Two reflection-padded convolutions added to their input; no activation after the sum."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            normalisation(norm, channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            normalisation(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W); H and W at least 2."""
        out: Tensor = x + self.conv_block(x)
        return out


def widths(width: int, downsamplings: int, cap: int | None = None) -> list[int]:
    """Channels at full resolution and after each of the halvings, which double them up to `cap`."""
    doubled = [width * 2**level for level in range(downsamplings + 1)]
    return doubled if cap is None else [min(each, cap) for each in doubled]


def encoder(
    inputs: int, width: int, downsamplings: int, blocks: int, norm: Norm, kernel: int = 7, cap: int | None = None
) -> nn.Sequential:
    """Outer convolution, `downsamplings` halvings (each doubles the width, up to `cap`), `blocks` residual blocks."""
    levels = widths(width, downsamplings, cap)
    layers = [*outer_conv(inputs, levels[0], kernel), normalisation(norm, levels[0]), nn.ReLU(inplace=True)]
    for before, after in pairwise(levels):
        layers += halve(before, after, norm)
    return nn.Sequential(*layers, *residual_trunk(levels[-1], blocks, norm))


def residual_trunk(channels: int, blocks: int, norm: Norm) -> nn.Sequential:
    """`blocks` residual blocks of `channels`."""
    return nn.Sequential(*(ResidualBlock(channels, norm) for _ in range(blocks)))


def decoder(width: int, downsamplings: int, norm: Norm, cap: int | None = None, extra: int = 0) -> nn.Sequential:
    """`downsamplings` doublings back to `width` channels at full resolution; features after a ReLU.

    The first doubling sees `extra` channels beside those that an `encoder` of the same widths gives.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(reversed(widths(width, downsamplings, cap))):
        layers += double(before + (0 if layers else extra), after, norm)
    return nn.Sequential(*layers)


def head(width: int, outputs: int, kernel: int = 7, activation: nn.Module | None = None) -> nn.Sequential:
    """Outer convolution to `outputs` channels and the activation, if any."""
    return nn.Sequential(*outer_conv(width, outputs, kernel), *([activation] if activation is not None else []))


def initialise(module: nn.Module) -> None:
    """The reference's initialisation: convolution weights ~ N(0, 0.02), learnt norm scales ~ N(1, 0.02), shifts 0."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(part.weight, 0.0, 0.02)
        elif isinstance(part, nn.BatchNorm2d | nn.InstanceNorm2d) and part.affine:
            nn.init.normal_(part.weight, 1.0, 0.02)
            nn.init.zeros_(part.bias)
