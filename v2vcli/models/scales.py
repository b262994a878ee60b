"""The networks of a video generator, scale by scale: the coarse one and the finer ones stacked on it.

Peculiar:
- a finer scale is shallow: it halves once, adds the next coarser scale's features, and doubles once; coarser *frames*
  and *flows* never reach it;
- both kinds have the same parts under the same names, so one function paints with either
  (`v2vcli.models.generator.paint`);
- index layouts inside each ``Sequential`` are the reference's.

Scale s = 0 is the coarsest; scale s works on twice the resolution of s - 1 with half its channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from torch import nn

from v2vcli.models import layers
from v2vcli.models.layers import Norm

FLOW_SCALE = 20.0
"""The flow head's output at the coarsest scale is multiplied by this to give pixels; at scale s by 2**s of this."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Shape of a `Vid2VidGenerator`.

    Attributes:
        map_channels: channels of one frame's map.
        past: number of past frames it looks at, L in the paper; 0 paints each frame by itself (without `flow`).
        width: channels of the coarsest scale at its full resolution; doubled by each of the `downsamplings` halvings.
        downsamplings: halvings inside the coarsest scale.
        blocks: residual blocks of the coarsest scale; the larger half sits in the encoders, the rest in each trunk.
        finer: number of finer scales on top; scale s has ``width / 2**s`` channels.
        finer_blocks: residual blocks in each decoder of a finer scale.
        foreground_width: channels of the coarsest foreground branch at its full resolution; None as in the reference:
            half of `width`, or all of it with fewer than three downsamplings.
        flow: without it there is no warping and every frame is hallucinated (the paper's ablation).
        foreground: map channels that are foreground; not empty adds the branch H_F of equation (2).
        norm: see `v2vcli.models.layers.Norm`.
        kernel: side of the first and last convolution of every branch, odd.
    """

    map_channels: int
    past: int = 2
    width: int = 128
    downsamplings: int = 3
    blocks: int = 9
    finer: int = 0
    finer_blocks: int = 3
    foreground_width: int | None = None
    flow: bool = True
    foreground: tuple[int, ...] = ()
    norm: Norm = "frame"
    kernel: int = 7

    def __post_init__(self) -> None:
        """Check the numbers and freeze the channel list (JSON gives a list)."""
        object.__setattr__(self, "foreground", tuple(self.foreground))
        if self.past < int(self.flow):
            raise ValueError(f"a generator's past must be at least {int(self.flow)}, since flow is {self.flow}")
        sizes = ("map_channels", "width", "downsamplings", "blocks", "finer_blocks", "kernel")
        if small := [name for name in sizes if getattr(self, name) < 1]:
            raise ValueError(f"a generator's {', '.join(small)} must be at least 1, got {self}")
        if self.kernel % 2 == 0:
            raise ValueError(f"a generator's kernel must be odd, got {self.kernel}")
        if self.finer < 0 or self.width % (1 << self.finer):
            raise ValueError(f"width {self.width} cannot be halved for each of {self.finer} finer scales")
        if self.norm not in get_args(Norm):
            raise ValueError(f"unknown norm {self.norm!r}; there are {', '.join(get_args(Norm))}")
        if any(not 0 <= channel < self.map_channels for channel in self.foreground):
            raise ValueError(f"foreground channels {self.foreground} are not among {self.map_channels} map channels")
        coarse = self.foreground_width_at(0)
        if self.foreground and (coarse < 1 or coarse % (1 << self.finer)):
            raise ValueError(f"foreground width {coarse} cannot be halved for each of {self.finer} finer scales")

    @property
    def scales(self) -> int:
        """Number of spatial scales."""
        return 1 + self.finer

    @property
    def multiple(self) -> int:
        """Sides of maps and frames (of the finest scale) must be multiples of this."""
        return 1 << (self.downsamplings + self.finer)

    @property
    def stacked_channels(self) -> int:
        """Channels of a frame's map behind those of its K predecessors."""
        return self.map_channels * (self.past + 1)

    def width_at(self, s: int) -> int:
        """Channels of scale s at its full resolution."""
        return self.width >> s

    def foreground_width_at(self, s: int) -> int:
        """Channels of scale s's foreground branch at its full resolution."""
        if self.foreground_width is not None:
            return self.foreground_width >> s
        return (self.width // 2 if self.downsamplings > 2 else self.width) >> s


class Scale(nn.Module):
    """What the scales have in common: names of parts, and the heads.

    Attributes:
        flow_scale: the flow head's unit in pixels of this scale.
        map_encoder: stack of K + 1 maps -> features.
        past_encoder: stack of K painted frames -> features of the same shape; absent with K = 0.
        trunk: residual blocks of the hallucination; empty at finer scales, whose decoder begins with them.
        decoder: trunk's features -> full resolution. ``image_head``: those -> the frame, equation (2)'s h_B.
        flow_trunk: as `trunk`. ``flow_decoder``: as `decoder`. ``flow_head``: w_t. ``mask_head``: m_t.
        foreground_encoder: and ``foreground_trunk``, ``foreground_decoder``, ``foreground_head``: H_F.
    """

    map_encoder: nn.Sequential
    past_encoder: nn.Sequential
    trunk: nn.Sequential
    decoder: nn.Sequential
    flow_trunk: nn.Sequential
    flow_decoder: nn.Sequential
    foreground_encoder: nn.Sequential
    foreground_trunk: nn.Sequential
    foreground_decoder: nn.Sequential

    def __init__(self, config: GeneratorConfig, s: int) -> None:
        super().__init__()
        self.has_past, self.has_flow, self.has_foreground = config.past > 0, config.flow, bool(config.foreground)
        self.flow_scale = FLOW_SCALE * 2**s
        width = config.width_at(s)
        self.image_head = layers.head(width, 3, config.kernel, nn.Tanh())
        if self.has_flow:
            self.flow_head = layers.head(width, 2, config.kernel)
            self.mask_head = layers.head(width, 1, config.kernel, nn.Sigmoid())
        if self.has_foreground:
            self.foreground_head = layers.head(config.foreground_width_at(s), 3, config.kernel, nn.Tanh())


class CoarseScale(Scale):
    """Scale 0: `downsamplings` halvings, `blocks` residual blocks, as many doublings."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config, 0)
        c, width = config, config.width
        before, after = c.blocks - c.blocks // 2, c.blocks // 2
        deepest = 1 << c.downsamplings
        self.map_encoder = layers.encoder(c.stacked_channels, width, c.downsamplings, before, c.norm, c.kernel)
        if c.past:
            self.past_encoder = layers.encoder(3 * c.past, width, c.downsamplings, before, c.norm, c.kernel)
        self.trunk = layers.residual_trunk(width * deepest, after, c.norm)
        self.decoder = layers.decoder(width, c.downsamplings, c.norm)
        if self.has_flow:
            self.flow_trunk = layers.residual_trunk(width * deepest, after, c.norm)
            self.flow_decoder = layers.decoder(width, c.downsamplings, c.norm)
        if self.has_foreground:
            width = c.foreground_width_at(0)
            self.foreground_encoder = layers.encoder(c.stacked_channels, width, c.downsamplings, 0, c.norm, c.kernel)
            self.foreground_trunk = layers.residual_trunk(width * deepest, c.blocks, c.norm)
            self.foreground_decoder = layers.decoder(width, c.downsamplings, c.norm)


class FinerScale(Scale):
    """Scale s >= 1: one halving, then (coarser features added) residual blocks and one doubling."""

    def __init__(self, config: GeneratorConfig, s: int) -> None:
        super().__init__(config, s)
        c, width = config, config.width_at(s)
        self.map_encoder = layers.encoder(c.stacked_channels, width, 1, 0, c.norm, c.kernel)
        if c.past:
            self.past_encoder = layers.encoder(3 * c.past, width, 1, 0, c.norm, c.kernel)
        self.trunk = nn.Sequential()
        self.decoder = self._decoder(c, width)
        if self.has_flow:
            self.flow_trunk = nn.Sequential()
            self.flow_decoder = self._decoder(c, width)
        if self.has_foreground:
            width = c.foreground_width_at(s)
            self.foreground_encoder = layers.encoder(c.stacked_channels, width, 1, 0, c.norm, c.kernel)
            self.foreground_trunk = nn.Sequential()
            self.foreground_decoder = self._decoder(c, width)

    @staticmethod
    def _decoder(c: GeneratorConfig, width: int) -> nn.Sequential:
        return nn.Sequential(
            *layers.residual_trunk(2 * width, c.finer_blocks, c.norm), *layers.decoder(width, 1, c.norm)
        )
