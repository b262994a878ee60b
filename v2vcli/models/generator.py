"""The vid2vid frame generator F at one spatial scale (Wang et al. 2018, equations (1) and (2)).

Peculiar:
- what depends on maps only (map encoder, foreground branch H_F) is `encode`d for a whole window in one batch; only
  `step` is recurrent;
- the past of a sequence is a value, `PastFrames`, handed in and out of `step`: nothing is remembered on the module;
- the mask is 1 where a pixel is newly painted and 0 where it is warped from the last frame.

Shape suffixes: B sequences, N frames of a window, K past frames, C map channels, F features, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from v2vcli.models import layers
from v2vcli.models.layers import Norm
from v2vcli.models.warp import warp

FLOW_SCALE = 20.0
"""The flow head's output is multiplied by this to give pixels."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Shape of a `Vid2VidGenerator`.

    Attributes:
        map_channels: channels of one frame's map.
        past: number of past frames it looks at, L in the paper.
        width: channels at full resolution; doubled by each of the `downsamplings` halvings.
        blocks: residual blocks; the larger half sits in the encoders, the rest in each trunk.
        flow: without it there is no warping and every frame is hallucinated (the paper's ablation).
        foreground: map channels that are foreground; not empty adds the branch H_F of equation (2).
        norm: see `v2vcli.models.layers.Norm`.
        kernel: side of the first and last convolution of every branch.
    """

    map_channels: int
    past: int = 2
    width: int = 128
    downsamplings: int = 3
    blocks: int = 9
    flow: bool = True
    foreground: tuple[int, ...] = ()
    norm: Norm = "frame"
    kernel: int = 7

    def __post_init__(self) -> None:
        """Check the numbers and freeze the channel list (JSON gives a list)."""
        object.__setattr__(self, "foreground", tuple(self.foreground))
        if min(self.map_channels, self.past, self.width, self.downsamplings, self.blocks) < 1:
            raise ValueError(f"every size of a generator must be at least 1, got {self}")
        if any(not 0 <= channel < self.map_channels for channel in self.foreground):
            raise ValueError(f"foreground channels {self.foreground} are not among {self.map_channels} map channels")

    @property
    def multiple(self) -> int:
        """Sides of maps and frames must be multiples of this."""
        return 1 << self.downsamplings

    @property
    def foreground_width(self) -> int:
        """Channels of the foreground branch at full resolution."""
        return self.width // 2 if self.downsamplings > 2 else self.width


@dataclass(frozen=True, eq=False)
class PastFrames:
    """What a sequence remembers: its last K painted frames and their maps, oldest first.

    Attributes:
        images_BK3HW: painted frames in [-1, 1].
        maps_BKCHW: the maps they were painted from.
    """

    images_BK3HW: Tensor
    maps_BKCHW: Tensor

    @classmethod
    def starting(cls, image_B3HW: Tensor, map_BCHW: Tensor, past: int) -> PastFrames:
        """The past of a sequence of which one frame exists: that frame, `past` times over."""
        return cls(image_B3HW[:, None].expand(-1, past, -1, -1, -1), map_BCHW[:, None].expand(-1, past, -1, -1, -1))

    def after_maps(self, maps_BNCHW: Tensor) -> PastFrames:
        """The same frames, with N more maps seen."""
        return replace(self, maps_BKCHW=torch.cat((self.maps_BKCHW, maps_BNCHW), 1)[:, -self.maps_BKCHW.shape[1] :])

    def after_frame(self, image_B3HW: Tensor) -> PastFrames:
        """The same maps, with one more frame painted and the oldest forgotten."""
        return replace(self, images_BK3HW=torch.cat((self.images_BK3HW[:, 1:], image_B3HW[:, None]), 1))


@dataclass(frozen=True, eq=False)
class Encoded:
    """What `Vid2VidGenerator.encode` knows of one frame before the past is looked at.

    Attributes:
        features_BFHW: map features at the trunk's resolution.
        foreground_B3HW: the frame as H_F paints it, or None.
        foreground_mask_B1HW: 1 - b_t of equation (2), or None.
        foreground_features_BFHW: features behind `foreground_B3HW`, for a finer scale, or None.
    """

    features_BFHW: Tensor
    foreground_B3HW: Tensor | None = None
    foreground_mask_B1HW: Tensor | None = None
    foreground_features_BFHW: Tensor | None = None


@dataclass(frozen=True, eq=False)
class StepOutput:
    """One painted frame and how it came about; images in [-1, 1].

    Attributes:
        frame: the frame, equation (1).
        hallucinated: h_t of equation (2), before anything is blended from the past.
        flow: w_t in pixels, from this frame to the last one, or None without flow.
        mask: m_t in [0, 1], 1 = newly painted, or None without flow.
        features: what the image head saw, full resolution.
        flow_features: what the flow and mask heads saw, or None.
    """

    frame: Tensor
    hallucinated: Tensor
    flow: Tensor | None
    mask: Tensor | None
    features: Tensor
    flow_features: Tensor | None


class Vid2VidGenerator(nn.Module):
    """Paints a sequence frame by frame from maps and from what it painted before."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = c = config
        before, after = c.blocks - c.blocks // 2, c.blocks // 2
        stacked = c.map_channels * (c.past + 1)
        self.map_encoder = layers.encoder(stacked, c.width, c.downsamplings, before, c.norm, c.kernel)
        self.past_encoder = layers.encoder(3 * c.past, c.width, c.downsamplings, before, c.norm, c.kernel)
        self.trunk = layers.residual_trunk(c.width * c.multiple, after, c.norm)
        self.decoder = layers.decoder(c.width, c.downsamplings, c.norm)
        self.image_head = layers.head(c.width, 3, c.kernel, nn.Tanh())
        if c.flow:
            self.flow_trunk = layers.residual_trunk(c.width * c.multiple, after, c.norm)
            self.flow_decoder = layers.decoder(c.width, c.downsamplings, c.norm)
            self.flow_head = layers.head(c.width, 2, c.kernel)
            self.mask_head = layers.head(c.width, 1, c.kernel, nn.Sigmoid())
        if c.foreground:
            width = c.foreground_width
            self.foreground_encoder = layers.encoder(stacked, width, c.downsamplings, 0, c.norm, c.kernel)
            self.foreground_trunk = layers.residual_trunk(width * c.multiple, c.blocks, c.norm)
            self.foreground_decoder = layers.decoder(width, c.downsamplings, c.norm)
            self.foreground_head = layers.head(width, 3, c.kernel, nn.Tanh())
        layers.initialise(self)

    def encode_stacked(self, maps: Tensor, foreground_mask: Tensor | None) -> Encoded:
        """Encode stacks of K + 1 maps, (B, (K + 1) C, H, W) oldest first; mask (B, 1, H, W) or None."""
        if not self.config.foreground:
            return Encoded(self.map_encoder(maps))
        features = self.foreground_decoder(self.foreground_trunk(self.foreground_encoder(maps)))
        return Encoded(self.map_encoder(maps), self.foreground_head(features), foreground_mask, features)

    def encode(self, maps_BNCHW: Tensor, past: PastFrames) -> tuple[list[Encoded], PastFrames]:
        """All that does not depend on painted frames, for the N maps of a window at once.

        Args:
            maps_BNCHW: the window's maps, as `MapSpec` describes them.
            past: the sequence so far; only its maps are read.

        Returns:
            One `Encoded` for each of the N frames, and the past with these maps seen (its images as they were).
        """
        c = self.config
        history = torch.cat((past.maps_BKCHW, maps_BNCHW), 1)
        # one view per frame of the window: its map behind its K predecessors
        batch, frames = maps_BNCHW.shape[:2]
        stacks = history.unfold(1, c.past + 1, 1).permute(0, 1, 5, 2, 3, 4)
        stacked = stacks.reshape(batch * frames, -1, *maps_BNCHW.shape[-2:])
        mask = None
        if c.foreground:
            mask = maps_BNCHW[:, :, list(c.foreground)].sum(2, keepdim=True).clamp(0, 1).flatten(0, 1)
        whole = self.encode_stacked(stacked, mask)

        def frame(tensor: Tensor | None, t: int) -> Tensor | None:
            return None if tensor is None else tensor.unflatten(0, (batch, frames))[:, t]

        return [
            Encoded(
                whole.features_BFHW.unflatten(0, (batch, frames))[:, t],
                frame(whole.foreground_B3HW, t),
                frame(whole.foreground_mask_B1HW, t),
                frame(whole.foreground_features_BFHW, t),
            )
            for t in range(frames)
        ], past.after_maps(maps_BNCHW)

    def paint(self, encoded: Encoded, images_BK3HW: Tensor, *, hallucinate: bool = False) -> StepOutput:
        """One frame from its encoded map and the K frames before it: equations (1) and (2).

        Args:
            encoded: the frame's maps.
            images_BK3HW: the last K painted frames in [-1, 1], oldest first.
            hallucinate: ignore the warp (the reference does so when the past is empty).
        """
        hidden = encoded.features_BFHW + self.past_encoder(images_BK3HW.flatten(1, 2))
        features = self.decoder(self.trunk(hidden))
        hallucinated = frame = self.image_head(features)
        flow = mask = flow_features = None
        if self.config.flow:
            flow_features = self.flow_decoder(self.flow_trunk(hidden))
            flow = FLOW_SCALE * self.flow_head(flow_features)
            mask = self.mask_head(flow_features)
            if not hallucinate:
                frame = (1 - mask) * warp(images_BK3HW[:, -1], flow) + mask * hallucinated  # equation (1)
        if encoded.foreground_B3HW is not None and encoded.foreground_mask_B1HW is not None:
            # equation (2); as in the reference the foreground is laid over the blended frame too, never warped
            b = 1 - encoded.foreground_mask_B1HW
            frame = (1 - b) * encoded.foreground_B3HW + b * frame
            hallucinated = (1 - b) * encoded.foreground_B3HW + b * hallucinated
        return StepOutput(frame, hallucinated, flow, mask, features, flow_features)

    def step(self, encoded: Encoded, past: PastFrames, *, hallucinate: bool = False) -> tuple[StepOutput, PastFrames]:
        """Paint the next frame of each sequence and remember it."""
        output = self.paint(encoded, past.images_BK3HW, hallucinate=hallucinate)
        return output, past.after_frame(output.frame)

    def roll(self, maps_BNCHW: Tensor, past: PastFrames) -> Iterator[tuple[StepOutput, PastFrames]]:
        """Paint a whole window, one frame at a time, feeding back what was painted."""
        window, past = self.encode(maps_BNCHW, past)
        for encoded in window:
            output, past = self.step(encoded, past)
            yield output, past
