"""The bundled street segmenter: a small U-Net of plain 3x3 convolutions.

Peculiar: plain convolutions, because on a CPU they run and train several times faster than depthwise ones; skips
are added, not concatenated, which halves the decoder; batch normalisation with stored statistics, since a
segmenter (unlike a painter) must not depend on what else is in the frame's batch. ``features`` is its frozen
encoder, which training borrows as a perceptual loss where VGG weights are absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class SegmenterConfig:
    """Shape of a `Segmenter`.

    Attributes:
        classes: number of label classes it tells apart.
        widths: channels at 1/2, 1/4, 1/8, ... of the input's resolution.
    """

    classes: int
    widths: tuple[int, ...] = (24, 48, 96, 128, 160)

    def __post_init__(self) -> None:
        """Check the numbers and freeze the widths (JSON gives a list)."""
        object.__setattr__(self, "widths", tuple(self.widths))
        if self.classes < 2 or len(self.widths) < 2 or min(self.widths) < 1:
            raise ValueError(f"a segmenter needs 2 classes and 2 positive widths, got {self}")


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Segmenter(nn.Module):
    """U-Net from an RGB frame to class logits.

    Shapes: (N, 3, H, W) in [-1, 1] -> (N, classes, H, W). H and W are padded inside to a multiple of
    `multiple` by reflection of the border pixel, and the logits cropped back.
    """

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.down = nn.ModuleList(
            nn.Sequential(_conv(before, after, 2), _conv(after, after)) for before, after in pairwise((3, *widths))
        )
        self.context = nn.Sequential(_conv(widths[-1], widths[-1]), _conv(widths[-1], widths[-1]))
        self.narrow = nn.ModuleList(nn.Conv2d(deep, shallow, 1) for shallow, deep in pairwise(widths))
        self.up = nn.ModuleList(_conv(width, width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], config.classes, 3, 1, 1)

    @property
    def multiple(self) -> int:
        """Sides are padded to a multiple of this."""
        return cast(int, 2 ** len(self.config.widths))

    def features(self, images: Tensor) -> list[Tensor]:
        """Encoder activations, finest first, for (N, 3, H, W) in [-1, 1]; each stage halves, rounding up."""
        out = []
        for stage in self.down:
            images = stage(images)
            out.append(images)
        return out

    def half_logits(self, images: Tensor) -> Tensor:
        """Class logits at half resolution, where training compares them; sides must be even."""
        skips = self.features(images)
        hidden = skips[-1] + self.context(skips[-1])
        for level in range(len(self.up) - 1, -1, -1):
            coarse = F.interpolate(self.narrow[level](hidden), size=skips[level].shape[-2:], mode="bilinear")
            hidden = self.up[level](skips[level] + coarse)
        logits: Tensor = self.head(hidden)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Class logits at the input's resolution."""
        height, width = images.shape[-2:]
        bottom, right = -height % self.multiple, -width % self.multiple
        logits = self.half_logits(F.pad(images, (0, right, 0, bottom), mode="replicate"))
        return F.interpolate(logits, scale_factor=2.0, mode="bilinear")[..., :height, :width]
