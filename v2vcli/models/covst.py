"""COVST, the second baseline of the vid2vid paper: features warped from frame to frame.

Chen, Liao, Yuan, Yu and Hua, *Coherent Online Video Style Transfer*, ICCV 2017, as Wang et al. 2018 use it: pix2pixHD
is the stylisation network. Enc is its map encoder and trunk, Dec its decoder and image head, s_t the map and
x̃_t the painted frame. The paper estimates motion from the source frames; the source here is the map, so the flow
sub-network sees the last two, and the frame last painted, which is what moves:

    F_t  = Enc(s_t)                                          features of this frame alone
    w_t, e_t = W(s_{t−1}, s_t, x̃_{t−1})                      flow sub-network: feature flow, and what it knows
    F'_t = warp(F°_{t−1}, w_t)                               the last frame's features where they are now
    m_t  = M(|F_t − F'_t|, e_t)                              mask sub-network: 1 = newly painted, as in equation (1)
    F°_t = (1 − m_t) ⊙ F'_t + m_t ⊙ F_t                      composition in feature space
    x̃_t  = Dec(F°_t)

What is warped is the composed F°_{t−1}, not F_{t−1}: so what is coherent between two frames stays so over many. The
first frame has no past: F°_1 = F_1.

Peculiar:
- Enc ends behind all residual blocks: the features are as high-level as they get, and everything deep is `encode`d for
  a whole window at once, as are the flow sub-network's eyes for the maps; only `step` is recurrent;
- flow is estimated at the resolution of the features, in pixels of that grid. The vid2vid paper gave COVST the true
  flow: `step` takes one, and `feature_flow` brings a flow between frames to the features' grid;
- the past of a sequence is a value, `PastFeatures`; the module remembers nothing.

Shape suffixes: B sequences, N frames of a window, C map channels, F features, H x W pixels, h x w the features' grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from v2vcli.maps.conditioning import pyramid
from v2vcli.models import layers
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.models.layers import Norm
from v2vcli.models.warp import warp


@dataclass(frozen=True)
class CovstConfig:
    """Shape of a `Covst`.

    Attributes:
        map_channels: channels of one frame's map.
        width: channels of the stylisation network at full resolution.
        downsamplings: halvings down to the features.
        blocks: residual blocks of the stylisation network.
        flow_width: channels of the flow sub-network at full resolution; doubled by each halving.
        flow_blocks: residual blocks of the flow sub-network.
        mask_width: channels of the mask sub-network.
        norm: see `v2vcli.models.layers.Norm`.
        kernel: side of the first and last convolutions.
    """

    map_channels: int
    width: int = 64
    downsamplings: int = 3
    blocks: int = 9
    flow_width: int = 32
    flow_blocks: int = 4
    mask_width: int = 64
    norm: Norm = "instance"
    kernel: int = 7

    def __post_init__(self) -> None:
        """Check the numbers that are not the stylisation network's."""
        if min(self.flow_width, self.flow_blocks, self.mask_width) < 1:
            raise ValueError(f"every size of COVST's sub-networks must be at least 1, got {self}")
        _ = self.image_generator

    @property
    def image_generator(self) -> ImageGeneratorConfig:
        """The stylisation network: pix2pixHD's global generator."""
        return ImageGeneratorConfig(
            self.map_channels, self.width, self.downsamplings, self.blocks, self.norm, self.kernel
        )

    @property
    def multiple(self) -> int:
        """Sides of maps and frames must be multiples of this; it is also the size of a feature in pixels."""
        return self.image_generator.multiple


@dataclass(frozen=True, eq=False)
class PastFeatures:
    """What a sequence remembers.

    Attributes:
        map_BCHW: the last map, s_{t-1}.
        features_BFhw: the last composed features F°_{t-1}, or None before the first frame.
        image_B3HW: the last painted frame in [-1, 1], or None before the first.
    """

    map_BCHW: Tensor
    features_BFhw: Tensor | None = None
    image_B3HW: Tensor | None = None

    def detached(self) -> PastFeatures:
        """The same numbers, with no way back for gradients."""
        features = None if self.features_BFhw is None else self.features_BFhw.detach()
        return replace(self.changed(Tensor.detach), features_BFhw=features)

    def after(self, output: CovstOutput) -> PastFeatures:
        """The same map, and what a step gave."""
        return replace(self, features_BFhw=output.features, image_B3HW=output.frame)

    @property
    def painted(self) -> bool:
        """Whether there is a frame already."""
        return self.image_B3HW is not None

    def changed(self, change: Callable[[Tensor], Tensor]) -> PastFeatures:
        """The same map and features, and an image that `change` made of this one: (B, 1, 3, H, W), as of K frames."""
        if self.image_B3HW is None:
            return self
        return replace(self, image_B3HW=change(self.image_B3HW[:, None])[:, 0])


@dataclass(frozen=True, eq=False)
class EncodedMaps:
    """What `Covst.encode` knows of one frame before the past is looked at.

    Attributes:
        map_BCHW: s_t.
        features_BFhw: F_t.
        motion_BFhw: what the flow sub-network saw in the maps s_{t-1}, s_t.
    """

    map_BCHW: Tensor
    features_BFhw: Tensor
    motion_BFhw: Tensor


@dataclass(frozen=True, eq=False)
class CovstOutput:
    """One painted frame and how it came about.

    Attributes:
        frame: (B, 3, H, W) in [-1, 1].
        features: F°_t, (B, F, h, w).
        flow: w_t, (B, 2, h, w) in pixels of the features' grid, from this frame to the last; None for the first frame.
        mask: m_t, (B, 1, h, w) in [0, 1], 1 = newly painted; None for the first frame.
    """

    frame: Tensor
    features: Tensor
    flow: Tensor | None
    mask: Tensor | None


class Covst(nn.Module):
    """Paints a sequence frame by frame from maps and from the features of what it painted before."""

    def __init__(self, config: CovstConfig) -> None:
        super().__init__()
        self.config = c = config
        self.image_generator = ImageGenerator(c.image_generator)
        known, features = c.flow_width * c.multiple, c.width * c.multiple
        self.motion_encoder = layers.encoder(2 * c.map_channels, c.flow_width, c.downsamplings, 0, c.norm, c.kernel)
        self.past_encoder = layers.encoder(3, c.flow_width, c.downsamplings, 0, c.norm, c.kernel)
        self.flow_trunk = layers.residual_trunk(known, c.flow_blocks, c.norm)
        self.flow_head = layers.head(known, 2, 3)
        # three convolutions, and no norm: it would take away how large the difference between the features is
        self.mask_head = nn.Sequential(
            *layers.outer_conv(features + known, c.mask_width, 3),
            nn.ReLU(inplace=True),
            *layers.outer_conv(c.mask_width, c.mask_width, 3),
            nn.ReLU(inplace=True),
            *layers.outer_conv(c.mask_width, 1, 3),
            nn.Sigmoid(),
        )
        for part in (self.motion_encoder, self.past_encoder, self.flow_trunk, self.flow_head, self.mask_head):
            layers.initialise(part)

    def features(self, maps: Tensor) -> Tensor:
        """Enc: (N, C, H, W) maps -> (N, F, h, w)."""
        features: Tensor = self.image_generator.trunk(self.image_generator.map_encoder(maps))
        return features

    def painted(self, features: Tensor) -> Tensor:
        """Dec: (N, F, h, w) -> (N, 3, H, W) frames in [-1, 1]."""
        image: Tensor = self.image_generator.image_head(self.image_generator.decoder(features))
        return image

    def start(self, image_B3HW: Tensor | None, map_BCHW: Tensor) -> PastFeatures:
        """The past of a sequence before its next frame.

        Args:
            image_B3HW: the frame that is already there (another network's, or a real one), or None if there is none.
            map_BCHW: its map; without a frame, the map of the frame that will be painted first.
        """
        if image_B3HW is None:
            return PastFeatures(map_BCHW)
        return PastFeatures(map_BCHW, self.features(map_BCHW), image_B3HW)

    def encode(self, maps_BNCHW: Tensor, past: PastFeatures) -> tuple[list[EncodedMaps], PastFeatures]:
        """All that does not depend on painted frames, for the N maps of a window at once.

        Args:
            maps_BNCHW: the window's maps, as `MapSpec` describes them.
            past: the sequence so far; only its map is read.

        Returns:
            One `EncodedMaps` for each of the N frames, and the past with these maps seen (the rest as it was).
        """
        batch_frames = maps_BNCHW.shape[:2]
        before = torch.cat((past.map_BCHW[:, None], maps_BNCHW[:, :-1]), 1)
        pairs = torch.cat((before, maps_BNCHW), 2).flatten(0, 1)
        features = self.features(maps_BNCHW.flatten(0, 1)).unflatten(0, batch_frames)
        motion = self.motion_encoder(pairs).unflatten(0, batch_frames)
        window = [EncodedMaps(maps_BNCHW[:, t], features[:, t], motion[:, t]) for t in range(batch_frames[1])]
        return window, replace(past, map_BCHW=maps_BNCHW[:, -1])

    def step(
        self, encoded: EncodedMaps, past: PastFeatures, flow: Tensor | None = None
    ) -> tuple[CovstOutput, PastFeatures]:
        """Paint the next frame of each sequence and remember its features.

        Args:
            encoded: the frame's maps.
            past: of the sequence, its features and frame.
            flow: (B, 2, h, w), used in place of the flow sub-network's (its knowledge still reaches the mask).
        """
        own, before = encoded.features_BFhw, past.features_BFhw
        composed, mask = own, None
        if before is None or past.image_B3HW is None:
            flow = None
        else:
            known = self.flow_trunk(encoded.motion_BFhw + self.past_encoder(past.image_B3HW))
            flow = self.flow_head(known) if flow is None else flow
            warped = warp(before, flow)
            mask = self.mask_head(torch.cat(((own - warped).abs(), known), 1))
            composed = (1 - mask) * warped + mask * own
        frame = self.painted(composed)
        return CovstOutput(frame, composed, flow, mask), PastFeatures(encoded.map_BCHW, composed, frame)

    def roll(
        self, maps_BNCHW: Tensor, past: PastFeatures, flows: Sequence[Tensor] | None = None
    ) -> Iterator[tuple[CovstOutput, PastFeatures]]:
        """Paint a whole window, frame by frame (with one flow each if `flows` are given); the past after each."""
        window, past = self.encode(maps_BNCHW, past)
        for t, encoded in enumerate(window):
            output, past = self.step(encoded, past, None if flows is None else flows[t])
            yield output, past


def feature_flow(flow: Tensor, multiple: int) -> Tensor:
    """A flow between frames on the grid of features, one for `multiple` (a power of two) pixels each way.

    Shapes: (N, 2, H, W) in pixels of the frame -> (N, 2, H / multiple, W / multiple) in pixels of that grid.
    """
    return pyramid(flow, multiple.bit_length())[-1] / multiple
