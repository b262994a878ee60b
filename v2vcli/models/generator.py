"""The vid2vid frame generator F (Wang et al. 2018), coarse to fine. Equations (1) and (2) are in `paint`.

Peculiar:
- what depends on maps only (map encoders, foreground branches H_F, of every scale) is `encode`d for a whole window in
  one batch; only `step` is recurrent;
- the past of a sequence is a value, `PastFrames`, handed in and out of `step`: nothing is remembered on the module;
- the mask is 1 where a pixel is newly painted and 0 where it is warped from the last frame;
- scales are joined by features alone: each warps and blends its own history.

Shape suffixes: B sequences, N frames of a window, K past frames, C map channels, F features, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from v2vcli.errors import ModelError
from v2vcli.maps.conditioning import foreground_mask, pyramid
from v2vcli.models.layers import initialise
from v2vcli.models.past import PastFrames
from v2vcli.models.scales import CoarseScale, FinerScale, GeneratorConfig, Scale
from v2vcli.models.warp import warp

__all__ = ["Encoded", "EncodedScale", "GeneratorConfig", "PastFrames", "StepOutput", "Vid2VidGenerator", "paint"]


@dataclass(frozen=True, eq=False)
class EncodedScale:
    """What one scale knows of one frame (or of a batch of frames) before the past is looked at.

    Attributes:
        features_BFHW: map features at the resolution of the scale's trunk.
        foreground_B3HW: the frame as H_F paints it, or None.
        foreground_mask_B1HW: 1 - b_t of equation (2), or None.
        foreground_features_BFHW: features behind `foreground_B3HW`, for the next finer scale, or None.
    """

    features_BFHW: Tensor
    foreground_B3HW: Tensor | None = None
    foreground_mask_B1HW: Tensor | None = None
    foreground_features_BFHW: Tensor | None = None

    def frame(self, t: int, frames: int) -> EncodedScale:
        """Frame `t` of a batch that holds `frames` frames of every sequence, sequence by sequence."""

        def at(tensor: Tensor) -> Tensor:
            return tensor.reshape(-1, frames, *tensor.shape[1:])[:, t]

        if self.foreground_B3HW is None or self.foreground_mask_B1HW is None or self.foreground_features_BFHW is None:
            return EncodedScale(at(self.features_BFHW))
        foreground, mask, features = self.foreground_B3HW, self.foreground_mask_B1HW, self.foreground_features_BFHW
        return EncodedScale(at(self.features_BFHW), at(foreground), at(mask), at(features))


Encoded = tuple[EncodedScale, ...]
"""One frame's maps, encoded at every scale, coarsest first."""


@dataclass(frozen=True, eq=False)
class StepOutput:
    """One painted frame at one scale and how it came about; images in [-1, 1].

    Attributes:
        frame: the frame, equation (1).
        hallucinated: h_t of equation (2), before anything is blended from the past.
        foreground: h_F of equation (2), or None.
        flow: w_t in pixels of this scale, from this frame to the last one, or None without flow.
        mask: m_t in [0, 1], 1 = newly painted, or None without flow.
        features: what the image head saw, full resolution of this scale.
        flow_features: what the flow and mask heads saw, or None.
        foreground_features: what the foreground head saw, or None.
        coarser: the same frame at the next coarser scale, or None at the coarsest.
    """

    frame: Tensor
    hallucinated: Tensor
    foreground: Tensor | None
    flow: Tensor | None
    mask: Tensor | None
    features: Tensor
    flow_features: Tensor | None
    foreground_features: Tensor | None
    coarser: StepOutput | None = None

    @property
    def frames(self) -> list[Tensor]:
        """The frame at every scale, coarsest first."""
        return [*(() if self.coarser is None else self.coarser.frames), self.frame]


def encode_scale(scale: Scale, stacked: Tensor, mask: Tensor | None, coarser: EncodedScale | None) -> EncodedScale:
    """What a scale makes of maps alone.

    Args:
        scale: the networks.
        stacked: stacks of K + 1 maps, (B, (K + 1) C, H, W), oldest first.
        mask: where the foreground is, (B, 1, H, W) in [0, 1]; None without foreground.
        coarser: the same frames at the next coarser scale, if there is one.
    """
    encoded = scale.map_encoder(stacked)
    if not scale.has_foreground:
        return EncodedScale(encoded)
    hidden = _joined(scale.foreground_encoder(stacked), None if coarser is None else coarser.foreground_features_BFHW)
    features = scale.foreground_decoder(scale.foreground_trunk(hidden))
    return EncodedScale(encoded, scale.foreground_head(features), mask, features)


def paint(
    scale: Scale, encoded: EncodedScale, images_BK3HW: Tensor, coarser: StepOutput | None = None, *, raw: bool = False
) -> StepOutput:
    """One frame at one scale, from its encoded map and the K frames before it: equations (1) and (2).

    Args:
        scale: the networks.
        encoded: the frame's map.
        images_BK3HW: the last K frames that this scale painted, in [-1, 1], oldest first.
        coarser: the frame at the next coarser scale, whose features are added; None at the coarsest.
        raw: warp nothing, since nothing was painted yet.
    """
    hidden = encoded.features_BFHW
    if scale.has_past:
        hidden = hidden + scale.past_encoder(images_BK3HW.flatten(1, 2))
    features = scale.decoder(scale.trunk(_joined(hidden, None if coarser is None else coarser.features)))
    hallucinated = frame = scale.image_head(features)
    flow = mask = flow_features = None
    if scale.has_flow:
        hidden = _joined(hidden, None if coarser is None else coarser.flow_features)
        flow_features = scale.flow_decoder(scale.flow_trunk(hidden))
        flow = scale.flow_scale * scale.flow_head(flow_features)
        mask = scale.mask_head(flow_features)
        if not raw:
            frame = (1 - mask) * warp(images_BK3HW[:, -1], flow) + mask * hallucinated  # equation (1)
    if encoded.foreground_B3HW is not None and encoded.foreground_mask_B1HW is not None:
        # equation (2); as in the reference the foreground is laid over the blended frame too, never warped
        b = 1 - encoded.foreground_mask_B1HW
        frame = (1 - b) * encoded.foreground_B3HW + b * frame
        hallucinated = (1 - b) * encoded.foreground_B3HW + b * hallucinated
    return StepOutput(
        frame=frame,
        hallucinated=hallucinated,
        foreground=encoded.foreground_B3HW,
        flow=flow,
        mask=mask,
        features=features,
        flow_features=flow_features,
        foreground_features=encoded.foreground_features_BFHW,
        coarser=coarser,
    )


def _joined(hidden: Tensor, coarser: Tensor | None) -> Tensor:
    """A scale's own features and those of the next coarser scale."""
    return hidden if coarser is None else hidden + coarser


class Vid2VidGenerator(nn.Module):
    """Paints sequences frame by frame from maps and from what it painted before, at one or more scales."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.coarse = CoarseScale(config)
        self.finer = nn.ModuleList(FinerScale(config, s) for s in range(1, config.scales))
        initialise(self)

    @property
    def scales(self) -> list[Scale]:
        """The networks of every scale, coarsest first."""
        return [self.coarse, *self.finer]

    def freeze_coarser(self, frozen: bool = True) -> None:
        """Train the finest scale alone: coarser parameters ask for no gradient, so coarser outputs are constants."""
        for scale in self.scales[:-1]:
            scale.requires_grad_(not frozen)

    def start(self, image_B3HW: Tensor | None, map_BCHW: Tensor) -> PastFrames:
        """The past where sequences begin.

        Args:
            image_B3HW: their first frames, taken for all K past ones; None: nothing was painted yet.
            map_BCHW: their first maps.
        """
        k, scales = self.config.past, self.config.scales
        maps = map_BCHW[:, None].expand(-1, k, -1, -1, -1)
        if image_B3HW is None:
            return PastFrames.blank(maps, scales)
        return PastFrames.starting(image_B3HW[:, None].expand(-1, k, -1, -1, -1), maps, scales)

    def encode(self, maps_BNCHW: Tensor, past: PastFrames) -> tuple[list[Encoded], PastFrames]:
        """All that does not depend on painted frames, for the N maps of a window at once.

        Args:
            maps_BNCHW: the window's maps, as `MapSpec` describes them.
            past: the sequences so far; only their maps are read.

        Returns:
            One `Encoded` for each of the N frames, and the past with these maps seen (its images as they were).

        Raises:
            ModelError: maps of other channels, or of sides that cannot be halved often enough.
        """
        c = self.config
        frames, channels, height, width = maps_BNCHW.shape[1:]
        if channels != c.map_channels or height % c.multiple or width % c.multiple:
            raise ModelError(
                f"maps are {width}x{height} with {channels} channels; this generator takes {c.map_channels} channels "
                f"and sides that are multiples of {c.multiple}"
            )
        if c.norm == "batch" and frames > 1:  # statistics are those of the sequences at one moment, not of a window
            encoded = []
            for map_B1CHW in maps_BNCHW.split(1, 1):
                one, past = self.encode(map_B1CHW, past)
                encoded += one
            return encoded, past
        window: list[EncodedScale] = []
        history = torch.cat((past.maps_BKCHW, maps_BNCHW), 1)
        for scale, maps in zip(self.scales, reversed(pyramid(history, c.scales)), strict=True):
            # one view per frame of the window: its map behind its K predecessors
            stacks = maps.unfold(1, c.past + 1, 1).permute(0, 1, 5, 2, 3, 4)
            mask = foreground_mask(maps[:, c.past :], c.foreground).flatten(0, 1) if c.foreground else None
            coarser = window[-1] if window else None
            window.append(encode_scale(scale, stacks.flatten(0, 1).flatten(1, 2), mask, coarser))
        encoded = [tuple(whole.frame(t, frames) for whole in window) for t in range(frames)]
        return encoded, past.after_maps(maps_BNCHW)

    def step(self, encoded: Encoded, past: PastFrames, *, raw: bool = False) -> tuple[StepOutput, PastFrames]:
        """Paint the next frame of each sequence at every scale, and remember it.

        Args:
            encoded: the frame's maps, from `encode`.
            past: its images are read, and replaced in the past that is returned; its maps stay.
            raw: warp nothing; always so after a blank past.
        """
        output: StepOutput | None = None
        for scale, mine, images_BK3HW in zip(self.scales, encoded, past.images_BK3HW, strict=True):
            output = paint(scale, mine, images_BK3HW, output, raw=raw or not past.painted)
        assert output is not None
        return output, past.after_frames(output.frames)

    def roll(self, maps_BNCHW: Tensor, past: PastFrames) -> Iterator[tuple[StepOutput, PastFrames]]:
        """Paint a whole window, one frame at a time, feeding back what was painted.

        Yields:
            Each frame, and the past right after it: painting may go on from any of them.
        """
        window, _ = self.encode(maps_BNCHW, past)
        for encoded, map_B1CHW in zip(window, maps_BNCHW.split(1, 1), strict=True):
            output, past = self.step(encoded, past.after_maps(map_B1CHW))
            yield output, past

    def stream(
        self, maps_BCHW: Iterable[Tensor], past: PastFrames | None = None, *, lookahead: int = 1
    ) -> Iterator[tuple[StepOutput, PastFrames]]:
        """Paint sequences of any length, map by map, in constant memory.

        Args:
            maps_BCHW: the maps of all B sequences at one moment after another.
            past: what was painted before; None: nothing.
            lookahead: maps that are read ahead and encoded in one batch; it changes speed, not frames.

        Yields:
            As `roll`.
        """
        if lookahead < 1:
            raise ValueError(f"lookahead must be at least 1, got {lookahead}")
        source = iter(maps_BCHW)
        while window := list(islice(source, lookahead)):
            past = self.start(None, window[0]) if past is None else past
            for output, past in self.roll(torch.stack(window, 1), past):  # noqa: B020 - where the next window goes on
                yield output, past
