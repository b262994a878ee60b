"""A model that paints what it is shown, so that all of `convert` but the painting can be held against its input.

No checkpoint can do this: every network here normalises its activations, so none can copy. The networks are replaced
where the code itself allows others, and nothing else is:

- `Generator.load` gives a real `Generator` with a real `Painter`, whose `SequenceModel` gives every map back;
- `makers.maker_for` (with `chosen_maker`, which names it) gives a `MapExtractor` whose map of a frame is the frame.

The maps are brought to the paint size, conditioned, padded, painted in windows and turned into pictures as ever. With
``--maps INPUT`` instead of the second the input would be read by `maps.files.control_video`, not by the reader under
test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.engine.material import RGB, save_painter
from v2vcli.engine import makers
from v2vcli.engine.generator import Generator
from v2vcli.engine.maker_names import MakerName, parse_maker
from v2vcli.maps.spec import MapFrame
from v2vcli.models.checkpoint import ModelInfo
from v2vcli.models.painter import Painter


@dataclass(frozen=True)
class _Shape:
    map_channels: int = 3
    multiple: int = 1


@dataclass(frozen=True)
class _Copy:
    frame: Tensor


class Copyist:
    """A `SequenceModel` whose frames are its maps; its past counts them, so that a forgotten one would show."""

    config = _Shape()

    def start(self, image_B3HW: Tensor | None, map_BCHW: Tensor) -> int:
        return 0

    def roll(self, maps_BNCHW: Tensor, past: int) -> Iterator[tuple[_Copy, int]]:
        for n in range(maps_BNCHW.shape[1]):
            past += 1
            yield _Copy(maps_BNCHW[:, n]), past


class FramesThemselves:
    """A `MapExtractor` of RGB maps: the map of a frame is the frame, at the size asked for."""

    spec = RGB

    def extract(self, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> list[MapFrame]:
        return [MapFrame(RGB, image).resized(*size) for image in images]


def _generator(*_: object, **__: object) -> Generator:
    info = ModelInfo("pass-through", "vid2vid", RGB, (64, 64), "Apache-2.0")
    return Generator(Painter(info, None, Copyist(), device=torch.device("cpu")))


def _maker_name(*_: object) -> MakerName:
    return parse_maker("edges", "bundled:canny")  # any name will do: it is written into kept maps only


@contextmanager
def passing_through(folder: Path) -> Iterator[dict[str, Any]]:
    """Inside, a conversion with the options that this yields copies its input.

    Args:
        folder: takes a checkpoint of random weights; its name and checksum are what the output's comment says.
    """
    checkpoint = folder / "pass-through.safetensors"
    if not checkpoint.exists():
        save_painter(checkpoint, RGB)
    with ExitStack() as stack:
        stack.enter_context(patch.object(Generator, "load", _generator))
        stack.enter_context(patch.object(makers, "maker_for", lambda *_: FramesThemselves()))
        stack.enter_context(patch.object(makers, "chosen_maker", _maker_name))
        yield {"model": str(checkpoint), "paint_size": "input", "device": "cpu"}
