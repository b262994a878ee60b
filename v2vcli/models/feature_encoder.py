"""The feature encoder of pix2pixHD: what one frame says beyond its map, instance by instance.

Training shows an image generator with features (`ImageGeneratorConfig.features`) the real frame through this
bottleneck: a few channels, averaged over each instance, so that they can carry an object's colour but not the picture.
When painting there is no real frame; see `v2vcli.models.image_generator`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from v2vcli.models import layers
from v2vcli.models.layers import Norm


def instance_average(features: Tensor, instances: Tensor) -> Tensor:
    """Replace every pixel's features by their mean over its instance.

    Args:
        features: (N, F, H, W).
        instances: (N, H, W) or (N, 1, H, W) ids, any number type (floats must hold whole numbers). The same id in two
            samples of the batch is two instances.

    Returns:
        (N, F, H, W); gradients flow back to all pixels of an instance alike.
    """
    ids = instances.reshape(features.shape[0], -1).long()
    # one number per (sample, id): shift each sample's ids past those of the one before
    lowest = ids.min()
    span = ids.max() - lowest + 1
    keys = ids - lowest + span * torch.arange(len(ids), device=ids.device)[:, None]
    found, where = torch.unique(keys.flatten(), return_inverse=True)
    exact = torch.promote_types(features.dtype, torch.float32)  # half precision cannot sum so many
    pixels = features.to(exact).flatten(2).transpose(1, 2).flatten(0, 1)  # (N H W, F)
    sums = pixels.new_zeros(len(found), pixels.shape[1]).index_add(0, where, pixels)
    means = sums / torch.bincount(where, minlength=len(found))[:, None]
    spread: Tensor = means[where].unflatten(0, ids.shape).transpose(1, 2)
    return spread.reshape(features.shape).to(features.dtype)


@dataclass(frozen=True)
class FeatureEncoderConfig:
    """Shape of a `FeatureEncoder`.

    Attributes:
        features: channels it gives, the F of `ImageGeneratorConfig.features`.
        width: channels at full resolution; doubled by each of the `downsamplings` halvings.
        downsamplings: halvings, and doublings after them.
        norm: see `v2vcli.models.layers.Norm`.
        kernel: side of the first and last convolution.
    """

    features: int
    width: int = 16
    downsamplings: int = 4
    norm: Norm = "instance"
    kernel: int = 7

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.features, self.width, self.downsamplings) < 1:
            raise ValueError(f"every size of a feature encoder must be at least 1, got {self}")

    @property
    def multiple(self) -> int:
        """Sides of the frame must be multiples of this."""
        return 1 << self.downsamplings


class FeatureEncoder(nn.Module):
    """(N, 3, H, W) frames in [-1, 1] -> (N, F, H, W) features in [-1, 1]."""

    def __init__(self, config: FeatureEncoderConfig) -> None:
        super().__init__()
        self.config = c = config
        self.image_encoder = layers.encoder(3, c.width, c.downsamplings, 0, c.norm, c.kernel)
        self.decoder = layers.decoder(c.width, c.downsamplings, c.norm)
        self.feature_head = layers.head(c.width, c.features, c.kernel, nn.Tanh())
        layers.initialise(self)

    def forward(self, images: Tensor, instances: Tensor | None = None) -> Tensor:
        """Features of each pixel, or, where instances (N, H, W) are given, of each instance."""
        features: Tensor = self.feature_head(self.decoder(self.image_encoder(images)))
        return features if instances is None else instance_average(features, instances)
