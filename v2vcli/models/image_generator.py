"""The image generator: paints one frame from its map alone, with no past. Every clip's first frame is its work.

It is pix2pixHD's (Wang et al., *High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs*, CVPR
2018), in all its forms, which one class holds:

- the *global generator*: map encoder, trunk of residual blocks, decoder, image head;
- with `enhancers` = E > 0, the *local enhancer*: the global generator's features, made from the map at 1/2^E of the
  resolution, are refined by E finer stages, coarsest first, each adding what it reads off the map at its own
  resolution; the image head stands behind the finest;
- with `features` > 0, either of them *conditioned on features* z, an image of as many channels that says what the map
  does not (`v2vcli.models.feature_encoder` makes it from a frame): z is shown beside the map at the entrance, around
  the trunk, at the entrance of the first enhancer's decoder and to the image head, pooled to the resolution there
  (that is vid2vid's form; with `features_within` off it is pix2pixHD's own, where z only stands beside the map).
  Where no z is given, as in painting, where there is no frame to take it from, it is zero.

Peculiar: the parts of the global generator carry the same names as the hallucination branch of the video generator
(`map_encoder`, `trunk`, `decoder`, `image_head`), because training starts the one from the other. For the same reason
the plain generator's map encoder holds the larger half of the residual blocks; with features all of them stand in the
trunk, behind the point where z comes in. Reference files call these parts otherwise: `v2vcli.models.reference_names`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from v2vcli.maps.conditioning import pyramid
from v2vcli.models import layers
from v2vcli.models.layers import Norm


@dataclass(frozen=True)
class ImageGeneratorConfig:
    """Shape of an `ImageGenerator`.

    Attributes:
        map_channels: channels of one frame's map.
        width: channels of the global generator at its full resolution; enhancer k = 1..E has width // 2**k.
        downsamplings: halvings inside the global generator.
        blocks: residual blocks of the global generator.
        norm: see `v2vcli.models.layers.Norm`.
        kernel: side of the first and last convolutions.
        features: channels of z; 0 = not conditioned on features.
        enhancers: E, finer stages around the global generator; each doubles the resolution.
        enhancer_blocks: residual blocks of each enhancer.
        max_width: no layer is wider than this (1024 in vid2vid's copies of these networks); None = no limit.
        features_within: z is shown inside the network, as in vid2vid; if not, beside the map alone, as in pix2pixHD.
    """

    map_channels: int
    width: int = 64
    downsamplings: int = 3
    blocks: int = 9
    norm: Norm = "instance"
    kernel: int = 7
    features: int = 0
    enhancers: int = 0
    enhancer_blocks: int = 3
    max_width: int | None = None
    features_within: bool = True

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.map_channels, self.width, self.downsamplings, self.blocks) < 1:
            raise ValueError(f"every size of an image generator must be at least 1, got {self}")
        if min(self.features, self.enhancers, self.enhancer_blocks) < 0:
            raise ValueError(f"an image generator cannot have less than no features, enhancers or blocks, got {self}")
        if self.max_width is not None and self.max_width < 1:
            raise ValueError(f"the widest layer of an image generator has at least 1 channel, got {self}")
        if self.width % 2**self.enhancers:
            raise ValueError(f"each of {self.enhancers} enhancers halves the width, and {self.width} is not divisible")

    @property
    def multiple(self) -> int:
        """Sides of the map must be multiples of this."""
        return 1 << (self.downsamplings + self.enhancers)

    @property
    def encoder_blocks(self) -> int:
        """Residual blocks in the map encoder; the rest are the trunk's."""
        return 0 if self.inner_features else self.blocks - self.blocks // 2

    @property
    def inner_features(self) -> int:
        """Channels of z that are shown inside the network."""
        return self.features if self.features_within else 0

    @property
    def input_channels(self) -> int:
        """Channels of the map, with those of z where they are as good as part of it."""
        return self.map_channels + self.features - self.inner_features


class Enhancer(nn.Module):
    """One finer stage: its own look at the map, added to the coarser stage's features, refined and doubled in size."""

    def __init__(self, config: ImageGeneratorConfig, stage: int) -> None:
        super().__init__()
        c, width = config, config.width >> stage
        # features are shown at the entrance of the finest stage and in the middle of the coarsest
        entering = c.inner_features if stage == c.enhancers else 0
        inside = c.inner_features if stage == 1 else 0
        deep = layers.widths(width, 1, c.max_width)[-1] + inside
        self.map_encoder = layers.encoder(c.input_channels + entering, width, 1, 0, c.norm, c.kernel, c.max_width)
        self.decoder = nn.Sequential(
            *layers.residual_trunk(deep, c.enhancer_blocks, c.norm),
            *layers.decoder(width, 1, c.norm, c.max_width, inside),
        )

    def forward(self, maps: Tensor, coarser: Tensor, features: Tensor | None = None) -> Tensor:
        """Features at the resolution of `maps`, from the coarser stage's (and z, if shown) at half of it."""
        hidden = self.map_encoder(maps) + coarser
        refined: Tensor = self.decoder(hidden if features is None else torch.cat((hidden, features), 1))
        return refined


class ImageGenerator(nn.Module):
    """(N, C, H, W) maps -> (N, 3, H, W) frames in [-1, 1]; sides multiples of ``config.multiple``."""

    def __init__(self, config: ImageGeneratorConfig) -> None:
        super().__init__()
        self.config = c = config
        z, first = c.inner_features, c.encoder_blocks
        deep = layers.widths(c.width, c.downsamplings, c.max_width)[-1]
        self.map_encoder = layers.encoder(
            c.input_channels + z, c.width, c.downsamplings, first, c.norm, c.kernel, c.max_width
        )
        self.trunk = layers.residual_trunk(deep + z, c.blocks - first, c.norm)
        self.decoder = layers.decoder(c.width, c.downsamplings, c.norm, c.max_width, 2 * z)
        self.enhancers = nn.ModuleList(Enhancer(c, stage) for stage in range(1, c.enhancers + 1))
        finest = layers.widths(c.width >> c.enhancers, 0, c.max_width)[0]
        self.image_head = layers.head(finest + z, 3, c.kernel, nn.Tanh())
        layers.initialise(self)

    def forward(self, maps: Tensor, features: Tensor | None = None) -> Tensor:
        """Paint each map on its own.

        Args:
            maps: (N, C, H, W) as `MapSpec` describes them.
            features: (N, F, H, W), or None for zeros; must be None where ``config.features`` is 0.
        """
        c = self.config
        if features is not None and not c.features:
            raise ValueError("this image generator is not conditioned on features, and was given some")
        if features is None and c.features:
            features = maps.new_zeros(len(maps), c.features, *maps.shape[-2:])
        if features is not None and not c.features_within:
            maps, features = torch.cat((maps, features), 1), None
        # levels are numbered from the finest, 0; the global generator paints at level E and its trunk E + d
        shown = [] if features is None else pyramid(features, c.enhancers + c.downsamplings + 1)

        def beside(x: Tensor, level: int) -> Tensor:
            """`x` with the features of that level, if there are features."""
            return torch.cat((x, shown[level]), 1) if shown else x

        sizes = pyramid(maps, c.enhancers + 1)
        hidden = self.map_encoder(beside(sizes[-1], c.enhancers))
        hidden = self.trunk(beside(hidden, -1))
        hidden = self.decoder(beside(hidden, -1))
        for stage, enhancer in enumerate(self.enhancers, start=1):
            level = c.enhancers - stage
            entering = beside(sizes[0], 0) if level == 0 else sizes[level]
            hidden = enhancer(entering, hidden, shown[c.enhancers] if shown and stage == 1 else None)
        image: Tensor = self.image_head(beside(hidden, 0))
        return image
