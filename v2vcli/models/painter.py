"""A model as the engine uses it: maps in, frames out, window by window, the past handed along as a value.

Peculiar: the first frame of a sequence (no past) is the image generator's; the rest are the video generator's. A model
with an image generator alone paints every frame by itself. Sides that the networks cannot halve often enough are
padded by reflection, and the frames cropped back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from v2vcli.errors import ModelError
from v2vcli.models.catalog import find_model
from v2vcli.models.checkpoint import ModelInfo, load_model
from v2vcli.models.generator import PastFrames, Vid2VidGenerator
from v2vcli.models.image_generator import ImageGenerator
from v2vcli.models.sizes import at_aspect

Precision = Literal["fp32", "bf16"]


class Painter:
    """The networks of one checkpoint, on one device.

    Attributes:
        info: what the checkpoint says of itself; ``info.spec`` is what it paints from.
        device: where it runs.
        multiple: maps are padded to sides that are multiples of this.
    """

    def __init__(
        self,
        info: ModelInfo,
        image_generator: ImageGenerator,
        generator: Vid2VidGenerator | None,
        *,
        device: torch.device,
        precision: Precision = "fp32",
    ) -> None:
        """Move the networks to the device and check that they were made for the same maps."""
        self.info, self.device, self.precision = info, device, precision
        self.image_generator = image_generator.to(device).eval().requires_grad_(False)
        self.generator = None if generator is None else generator.to(device).eval().requires_grad_(False)
        configs = [network.config for network in (image_generator, generator) if network is not None]
        if any(config.map_channels != info.spec.channels for config in configs):
            raise ModelError(
                f"{info.name}: its networks read {[c.map_channels for c in configs]} map channels, "
                f"its map specification has {info.spec.channels}; the file is damaged or was edited"
            )
        self.multiple = max(config.multiple for config in configs)

    @classmethod
    def load(cls, name: str | Path, *, device: torch.device | str = "cpu", precision: Precision = "fp32") -> Painter:
        """Open a model by path, bundled name or hub id.

        Raises:
            ModelError: not found, damaged, or not a painter.
        """
        path = find_model(str(name))
        info, networks = load_model(path)
        if "image_generator" not in networks:
            raise ModelError(f"{name}: is a {info.arch}, not a model that paints; `v2v models list` shows which do")
        return cls(
            info,
            cast(ImageGenerator, networks["image_generator"]),
            cast(Vid2VidGenerator | None, networks.get("generator")),
            device=torch.device(device),
            precision=precision,
        )

    def paint_size(self, width: int, height: int) -> tuple[int, int]:
        """The (width, height) a video of the given size is painted at: the model's own area, the video's aspect.

        No side falls below twice `multiple`, under which there is nothing left to halve.
        """
        return at_aspect(self.info.size, (width, height), 2 * self.multiple)

    @torch.inference_mode()
    def paint(self, maps_NCHW: Tensor, past: PastFrames | None) -> tuple[Tensor, PastFrames | None]:
        """Paint the next N frames of one sequence.

        Args:
            maps_NCHW: the window's maps as `conditioning.map_tensor` makes them, any device.
            past: what the last call returned, or None at the start of a sequence (and after a cut).

        Returns:
            (N, 3, H, W) float32 frames in [-1, 1] on `device`, and the past for the next call.
        """
        maps_NCHW = maps_NCHW.to(self.device, non_blocking=True)
        height, width = maps_NCHW.shape[-2:]
        maps = F.pad(maps_NCHW, (0, -width % self.multiple, 0, -height % self.multiple), mode="reflect")
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            frames, past = self._painted(maps, past)
        return frames[..., :height, :width].float(), past

    def _painted(self, maps: Tensor, past: PastFrames | None) -> tuple[Tensor, PastFrames | None]:
        if self.generator is None:
            return self.image_generator(maps), None
        frames: list[Tensor] = []
        if past is None:
            first = self.image_generator(maps[:1])
            past = PastFrames.starting(first, maps[:1], self.generator.config.past)
            frames, maps = [first], maps[1:]
        if len(maps):
            for output, reached in self.generator.roll(maps[None], past):
                frames.append(output.frame)
                past = reached
        return torch.cat(frames), past
