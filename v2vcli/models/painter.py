"""A model as the engine uses it: maps in, frames out, window by window, the past handed along as a value.

Peculiar: what paints a sequence is any `SequenceModel`. The image generator paints the first frame of a shot and the
sequence model paints it over, as if it had been there before: two networks never agree to the shade, and a shot that
opened with the one and went on with the other would begin with a jump. Without an image generator the sequence model
starts from a blank past; an image generator alone (pix2pixHD) paints every frame by itself.
Sides that the networks cannot halve often enough are padded by reflection, and the frames cropped back.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from v2vcli.errors import ModelError
from v2vcli.models.catalog import find_model
from v2vcli.models.checkpoint import ModelInfo, load_model
from v2vcli.models.image_generator import ImageGenerator
from v2vcli.models.sizes import at_aspect

Precision = Literal["fp32", "bf16"]

SEQUENCE_PARTS = ("generator", "covst")
"""The parts of a checkpoint that paint sequences: each is a `SequenceModel`."""


class Shape(Protocol):
    """What a painter reads off a network's configuration."""

    @property
    def map_channels(self) -> int:
        """Channels of one frame's map."""

    @property
    def multiple(self) -> int:
        """Sides of maps must be multiples of this."""


class Painted(Protocol):
    """What a sequence model gives for a frame."""

    @property
    def frame(self) -> Tensor:
        """(B, 3, H, W) in [-1, 1]."""


class SequenceModel(Protocol):
    """What paints a sequence, each frame with an eye on those before it. Its past is a value of its own kind."""

    @property
    def config(self) -> Shape:
        """Its configuration."""

    def start(self, image_B3HW: Tensor | None, map_BCHW: Tensor) -> Any:
        """The past of sequences that begin with these frames, or of which no frame exists."""

    def roll(self, maps_BNCHW: Tensor, past: Any) -> Iterator[tuple[Painted, Any]]:
        """The next N frames one by one, each with the past right after it."""


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
        image_generator: ImageGenerator | None,
        generator: SequenceModel | None,
        *,
        device: torch.device,
        precision: Precision = "fp32",
    ) -> None:
        """Move the networks to the device and check that they were made for the same maps."""
        self.info, self.device, self.precision = info, device, precision
        self.image_generator, self.generator = image_generator, generator
        for network in (image_generator, generator):
            if isinstance(network, nn.Module):
                network.to(device).eval().requires_grad_(False)
        channels = info.spec.channels
        # the reference's image generators for streets are shown labels without the instance edges
        self._image_channels = channels if image_generator is None else image_generator.config.map_channels
        without_edges = channels - 1 if info.spec.instance_edges else channels
        if self._image_channels not in (channels, without_edges) or (
            generator is not None and generator.config.map_channels != channels
        ):
            read = [network.config.map_channels for network in (image_generator, generator) if network is not None]
            raise ModelError(
                f"{info.name}: its networks read {read} map channels, "
                f"its map specification has {channels}; the file is damaged or was edited"
            )
        self.multiple = max(n.config.multiple for n in (image_generator, generator) if n is not None)

    @classmethod
    def load(cls, name: str | Path, *, device: torch.device | str = "cpu", precision: Precision = "fp32") -> Painter:
        """Open a model by path, bundled name or hub id.

        Raises:
            ModelError: not found, damaged, or not a painter.
        """
        path = find_model(str(name))
        info, networks = load_model(path)
        image_generator = cast(ImageGenerator | None, networks.get("image_generator"))
        generator = next((cast(SequenceModel, networks[part]) for part in SEQUENCE_PARTS if part in networks), None)
        if image_generator is None and generator is None:
            raise ModelError(f"{name}: is a {info.arch}, not a model that paints; `v2v models list` shows which do")
        return cls(info, image_generator, generator, device=torch.device(device), precision=precision)

    def paint_size(self, width: int, height: int) -> tuple[int, int]:
        """The (width, height) a video of the given size is painted at: the model's own area, the video's aspect.

        No side falls below twice `multiple`, under which there is nothing left to halve.
        """
        return at_aspect(self.info.size, (width, height), 2 * self.multiple)

    @torch.inference_mode()
    def paint(self, maps_NCHW: Tensor, past: Any) -> tuple[Tensor, Any]:
        """Paint the next N frames of one sequence.

        Args:
            maps_NCHW: the window's maps as `conditioning.map_tensor` makes them, any device.
            past: what the last call returned, or None at the start of a sequence (and after a cut).

        Returns:
            (N, 3, H, W) float32 frames in [-1, 1] on `device`, and the past for the next call (None if every frame
            is painted by itself).
        """
        height, width = maps_NCHW.shape[-2:]
        maps = self._padded(maps_NCHW)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            frames, past = self._painted(maps, past)
        return frames[..., :height, :width].float(), past

    @torch.inference_mode()
    def begin(self, map_1CHW: Tensor, image_13HW: Tensor | None) -> Any:
        """The past of a sequence whose first frame is somebody else's picture, or of which there is nothing yet.

        Args:
            map_1CHW: the map of the sequence's first frame, any device.
            image_13HW: a picture of that size in [-1, 1], taken as if it had been painted before; None: nothing was.

        Raises:
            ModelError: the model paints every frame by itself.
        """
        if self.generator is None:
            raise ModelError(f"{self.info.name} paints every frame by itself, and begins with nothing")
        image = None if image_13HW is None else self._padded(image_13HW)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.generator.start(image, self._padded(map_1CHW))

    def _padded(self, frames_NCHW: Tensor) -> Tensor:
        """On the device, with sides that the networks can halve."""
        height, width = frames_NCHW.shape[-2:]
        room = (0, -width % self.multiple, 0, -height % self.multiple)
        return F.pad(frames_NCHW.to(self.device, non_blocking=True), room, mode="reflect")

    def _painted(self, maps: Tensor, past: Any) -> tuple[Tensor, Any]:
        if self.generator is None:
            return self._images(maps), None
        if past is None:
            past = self.generator.start(self._images(maps[:1]) if self.image_generator else None, maps[:1])
        frames: list[Tensor] = []
        for output, reached in self.generator.roll(maps[None], past):
            frames.append(output.frame)
            past = reached
        return torch.cat(frames), past

    def _images(self, maps: Tensor) -> Tensor:
        """Frames painted by themselves."""
        assert self.image_generator is not None
        image: Tensor = self.image_generator(maps[:, : self._image_channels])
        return image
