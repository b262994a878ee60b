"""What painting with a model costs: parameters, arithmetic, memory. Nothing is painted and no weight is read.

The networks are built on PyTorch's ``meta`` device, where tensors have shapes and no content, and paint a window there.

- Parameters are those that are trained; buffers are left out.
- FLOPs are counted by `torch.utils.flop_counter`: convolutions alone, a multiply-add being two. Those of a frame are
  *hoisted* (`encode`: they need no painted frame and are done for a whole window in one batch) or *recurrent* (`step`).
- Memory is that of float32 weights, of the past that is kept between windows, and of what is alive at most besides
  while a window is painted (`v2vcli.models.live_bytes`). PyTorch's CPU build was found to allocate 1 to 8 % more, for
  networks 16 channels wide up to 19 %. What PyTorch needs for itself, and the video around the networks, come on top.

Peculiar: the first frame of a sequence may be another network's work, whose FLOPs are then spent once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from v2vcli.errors import ModelError
from v2vcli.models.checkpoint import PARTS, ModelInfo
from v2vcli.models.live_bytes import LiveBytes
from v2vcli.models.painter import SEQUENCE_PARTS, SequenceModel

if TYPE_CHECKING:
    from rich.table import Table

META = torch.device("meta")
IMAGE_PARTS = ("image_generator", "segmenter")
"""The parts of a checkpoint that work on every frame by itself."""

Flops = tuple[float, float, float]
"""Of the first frame, hoisted per frame, recurrent per frame."""
_NOTHING: Flops = (0.0, 0.0, 0.0)


class HoistingModel(SequenceModel, Protocol):
    """A sequence model in two halves."""

    def encode(self, maps_BNCHW: Tensor, past: Any) -> tuple[list[Any], Any]:
        """What needs no painted frame, for a window."""

    def step(self, encoded: Any, past: Any) -> tuple[Any, Any]:
        """The rest, for one frame."""


@dataclass(frozen=True)
class PartCost:
    """What one network costs.

    Attributes:
        parameters: number of trained values.
        first: FLOPs spent once, on the first frame of a sequence.
        hoisted: FLOPs per frame that are done for a window at once.
        recurrent: FLOPs per frame that wait for the frame before.
    """

    parameters: int
    first: float = 0.0
    hoisted: float = 0.0
    recurrent: float = 0.0


@dataclass(frozen=True)
class Memory:
    """Bytes: of the weights, of the past between windows, and of what else is alive at most while one is painted."""

    weights: int
    past: int
    activations: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.past + self.activations

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {_amount(size)}" for name, size in asdict(self).items())
        return f"{_amount(self.total)} ({parts}; float32)"


@dataclass(frozen=True)
class PaintingCost:
    """What a model costs at one size.

    Attributes:
        size: (width, height) of what its networks work on: as asked, enlarged to sides they can halve.
        window: frames that are encoded at once.
        parts: each network of the checkpoint.
        memory: float32, one sequence.
    """

    size: tuple[int, int]
    window: int
    parts: Mapping[str, PartCost]
    memory: Memory

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON; FLOPs and bytes."""
        return {
            "size": list(self.size),
            "window": self.window,
            "parts": {part: asdict(cost) for part, cost in self.parts.items()},
            "memory": asdict(self.memory) | {"total": self.memory.total},
        }

    def table(self) -> Table:
        """A rich table: ``rich.print(cost.table())``."""
        from rich.table import Table

        width, height = self.size
        table = Table(title=f"GFLOP per frame at {width}x{height}", title_justify="left")
        table.add_column("part")
        for heading in ("parameters", "first frame", "hoisted", "recurrent"):
            table.add_column(heading, justify="right")
        for part, cost in self.parts.items():
            flops = (cost.first, cost.hoisted, cost.recurrent)
            table.add_row(part, f"{cost.parameters:,}", *(_three_digits(each / 1e9) for each in flops))
        return table


def painting_cost(info: ModelInfo, size: tuple[int, int], window: int = 4) -> PaintingCost:
    """What painting with a model costs.

    Args:
        info: its metadata; the networks are built anew from ``info.parts``.
        size: (width, height) to paint at, any.
        window: frames that are encoded at once.

    Raises:
        ModelError: a part that this version does not know, or settings that no network can have.
    """
    networks = _networks(info)
    multiple = max((getattr(network.config, "multiple", 1) for network in networks.values()), default=1)
    width, height = (-(-side // multiple) * multiple for side in size)
    sequence_part = next((part for part in SEQUENCE_PARTS if part in networks), "")
    image_part = next((part for part in IMAGE_PARTS if part in networks), "")
    painting = _Painting(networks.get(image_part), networks.get(sequence_part), (width, height), window)
    weights = [each for network in networks.values() for each in network.parameters()]
    with torch.no_grad(), LiveBytes(weights) as live:
        image, sequence, past = painting.run(live)
    flops = {image_part: image, sequence_part: sequence}
    parts = {
        part: PartCost(sum(each.numel() for each in network.parameters()), *flops.get(part, _NOTHING))
        for part, network in networks.items()
    }
    memory = Memory(sum(each.numel() * 4 for each in weights), past, live.peak - past)
    return PaintingCost((width, height), window, parts, memory)


def _networks(info: ModelInfo) -> dict[str, Any]:
    networks: dict[str, Any] = {}
    with META:
        for part, values in info.parts.items():
            if part not in PARTS:
                raise ModelError(f"{info.name}: holds a part {part!r} that this version does not know; upgrade v2vcli")
            config, network = PARTS[part]
            try:
                networks[part] = network(config(**values)).eval()
            except (TypeError, ValueError) as error:
                raise ModelError(f"{info.name}: {part} cannot be built ({error}); the file was edited") from None
    return networks


@dataclass(frozen=True)
class _Painting:
    """A model at work on the meta device: a first frame, then two windows, as `v2vcli.models.painter.Painter` would.

    `image` paints frames by themselves (or segments them), `sequence` those that follow; either may be missing.
    """

    image: Any
    sequence: HoistingModel | None
    size: tuple[int, int]
    window: int

    def run(self, live: LiveBytes) -> tuple[Flops, Flops, int]:
        """Paint. Gives the FLOPs of `image` and of `sequence`, and the bytes of the past between windows."""
        if self.sequence is None:
            alone = _counted(self._images, self.window)[0]
            return (0.0, alone / self.window, 0.0), _NOTHING, 0
        first, image = _counted(self._images, 1)
        begun, past = _counted(self.sequence.start, image, self._maps(1)[:, 0])
        del image
        past = self._painted(past)  # only now is the past as long as it gets
        kept = live.now
        whole = _counted(self._painted, past)[0]
        hoisted = _counted(self.sequence.encode, self._maps(self.window), past)[0]
        recurrent = whole - hoisted
        return (first, 0.0, 0.0), (begun, hoisted / self.window, recurrent / self.window), kept

    def _maps(self, frames: int) -> Tensor:
        assert self.sequence is not None
        width, height = self.size
        return torch.empty(1, frames, self.sequence.config.map_channels, height, width, device=META)

    def _images(self, frames: int) -> Tensor | None:
        """What `image` gives; nothing without it."""
        if self.image is None:
            return None
        width, height = self.size
        channels: int = getattr(self.image.config, "map_channels", 3)  # a segmenter reads pictures
        images: Tensor = self.image(torch.empty(frames, channels, height, width, device=META))
        return images

    def _painted(self, past: Any) -> Any:
        """The past after a window; its frames are kept until it is done."""
        assert self.sequence is not None
        frames: list[Tensor] = []
        for output, reached in self.sequence.roll(self._maps(self.window), past):
            frames.append(output.frame)
            past = reached
        torch.cat(frames)
        return past


def _counted(call: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """FLOPs of a call, and what it returns."""
    with FlopCounterMode(display=False) as counter:
        result = call(*arguments)
    return float(counter.get_total_flops()), result


def _three_digits(value: float) -> str:
    return "" if value == 0 else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _amount(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
