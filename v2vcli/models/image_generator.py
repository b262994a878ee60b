"""The image generator: paints one frame from its map alone, with no past. Every clip's first frame is its work.

It is pix2pixHD's global generator. Its parts carry the same names as the hallucination branch of the video
generator (`map_encoder`, `trunk`, `decoder`, `image_head`), because training starts the one from the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from v2vcli.models import layers
from v2vcli.models.layers import Norm


@dataclass(frozen=True)
class ImageGeneratorConfig:
    """Shape of an `ImageGenerator`: map channels in, width at full resolution, halvings, residual blocks."""

    map_channels: int
    width: int = 64
    downsamplings: int = 3
    blocks: int = 9
    norm: Norm = "instance"
    kernel: int = 7

    @property
    def multiple(self) -> int:
        """Sides of the map must be multiples of this."""
        return 1 << self.downsamplings


class ImageGenerator(nn.Module):
    """(N, C, H, W) maps -> (N, 3, H, W) frames in [-1, 1]; sides multiples of ``config.multiple``."""

    def __init__(self, config: ImageGeneratorConfig) -> None:
        super().__init__()
        self.config = c = config
        before = c.blocks - c.blocks // 2
        self.map_encoder = layers.encoder(c.map_channels, c.width, c.downsamplings, before, c.norm, c.kernel)
        self.trunk = layers.residual_trunk(c.width * c.multiple, c.blocks // 2, c.norm)
        self.decoder = layers.decoder(c.width, c.downsamplings, c.norm)
        self.image_head = layers.head(c.width, 3, c.kernel, nn.Tanh())
        layers.initialise(self)

    def forward(self, maps: Tensor) -> Tensor:
        """Paint each map on its own."""
        image: Tensor = self.image_head(self.decoder(self.trunk(self.map_encoder(maps))))
        return image
