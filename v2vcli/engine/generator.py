"""Maps in, pictures out: a model as Python code uses it (``v2vcli.load``), and as `engine.convert` does.

``v2vcli.load("edge2face").stream(maps)`` paints one picture for each map, in constant memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from v2vcli.engine.device import choose_device, choose_precision, window_length
from v2vcli.engine.request import Device, Precision
from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.conditioning import map_tensor
from v2vcli.maps.spec import MapFrame, MapSpec, resize_image
from v2vcli.models.checkpoint import ModelInfo
from v2vcli.models.painter import Painter


class Generator:
    """A model that paints, ready on a device. It remembers nothing between calls: the past is a value.

    Attributes:
        info: what its checkpoint says.
        spec: what it paints from.
    """

    def __init__(self, painter: Painter) -> None:
        self._painter = painter
        self.info: ModelInfo = painter.info
        self.spec: MapSpec = painter.info.spec

    @classmethod
    def load(cls, model: str | Path, *, device: Device = "auto", precision: Precision = "auto") -> Generator:
        """Open a model by path, bundled name or hub id.

        Raises:
            ModelError: not found, damaged, or not a model that paints.
            UsageError: the device is not there.
        """
        place = choose_device(device)
        return cls(Painter.load(model, device=place, precision=choose_precision(precision, place)))

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self._painter.device

    def paint_size(self, width: int, height: int, wanted: tuple[int, int] | str | None = None) -> tuple[int, int]:
        """The (width, height) that a video of the given size is painted at.

        Args:
            width: of the video, pixels.
            height: of the video, pixels.
            wanted: None: the model's own area at the video's aspect; ``"input"``: the video's size; or a size.

        Raises:
            UsageError: the wanted size is too small for the networks to halve as often as they must.
        """
        if wanted is None:
            return self._painter.paint_size(width, height)
        least = 2 * self._painter.multiple
        if wanted == "input":
            return max(width, least), max(height, least)
        assert isinstance(wanted, tuple)
        if min(wanted) < least:
            raise UsageError(f"--paint-size {wanted[0]}x{wanted[1]}: {self.info.name} needs sides of at least {least}")
        return wanted

    @torch.inference_mode()
    def paint(self, maps: Sequence[MapFrame], past: Any = None) -> tuple[NDArray[np.uint8], Any]:
        """Paint the next frames of one sequence.

        Args:
            maps: of the model's spec, all of one size.
            past: what the last call returned, a value of the model's own kind; None where a shot begins.

        Returns:
            (N, H, W, 3) uint8 RGB pictures, and the past for the next call.

        Raises:
            ModelError: the GPU's memory is too small.
        """
        try:
            frames, past = self._painter.paint(map_tensor(maps, self.device), past)
            pixels = ((frames + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)
            return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy(), past
        except torch.cuda.OutOfMemoryError as error:
            width, height = maps[0].size
            raise ModelError(
                f"the GPU's memory is too small for {len(maps)} frames of {width}x{height} at once;"
                " try a smaller --window or --paint-size"
            ) from error

    def require_beginning(self, first_frame: str) -> None:
        """Check that a shot can begin as ``--first-frame`` says.

        Raises:
            ModelError: the model has nothing to paint first frames with, or paints every frame by itself.
        """
        if first_frame == "paint" and self._painter.image_generator is None:
            raise ModelError(
                f"--first-frame paint: {self.info.name} has no image generator, which paints first frames; give zeros,"
                " input or a picture"
            )
        if first_frame not in ("auto", "paint") and self._painter.generator is None:
            raise ModelError(
                f"--first-frame {first_frame}: {self.info.name} paints every frame by itself; leave it out"
            )

    def begin(self, first_map: MapFrame, picture: NDArray[np.uint8] | None) -> Any:
        """The past of a shot, for `paint`, that begins otherwise than the model would by itself.

        Args:
            first_map: of the shot's first frame.
            picture: (H, W, 3) uint8 RGB of any size, taken as if it had been painted before; None: nothing was.

        Raises:
            ModelError: the model paints every frame by itself.
        """
        image = None
        if picture is not None:
            fitting = resize_image(picture, *first_map.size)
            pixels = torch.from_numpy(np.ascontiguousarray(fitting)).to(self.device)
            image = pixels.permute(2, 0, 1)[None].float() / 127.5 - 1
        return self._painter.begin(map_tensor([first_map], self.device), image)

    def stream(self, maps: Iterable[MapFrame], *, window: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """Paint one shot, map by map, in constant memory.

        Args:
            maps: of the model's spec, all of one size.
            window: maps that are read ahead and encoded in one batch; None leaves it to the device.

        Yields:
            One (H, W, 3) uint8 RGB picture per map, in order.
        """
        source, past = iter(maps), None
        while batch := list(islice(source, window_length(window, self.device))):
            pictures, past = self.paint(batch, past)
            yield from pictures
