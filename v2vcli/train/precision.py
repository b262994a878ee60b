"""Number formats, memory layout and memory for time: how networks run while they are trained.

Peculiar:
- bf16 is autocast: weights, optimisers, losses, the past, and the grid that flow is read along stay float32; what
  comes out of a network is float32 again before anything is subtracted. bf16 has float32's range, so no loss is scaled;
- norms take their statistics in float32 (PyTorch's do, whatever they are given);
- checkpointing forgets what a frame's networks computed and does it again for the gradient. The noise that past frames
  are given is drawn outside, so the second time gives the same numbers;
- compiled are the outermost ``Sequential`` parts, each by itself, in place: keys of the state stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from v2vcli.models.discriminators import Activations
from v2vcli.train.perceptual import Perceptual

R = TypeVar("R")
PARTS = 128
"""So many parts of one kind may be compiled; a generator of three scales has 39, a discriminator 5 a resolution."""


@dataclass(frozen=True)
class Precision:
    """How networks run.

    Attributes:
        kind: number format of convolutions.
        device: ``"cpu"`` or ``"cuda"``: autocast has to know.
        checkpointing: compute a frame's activations again for the gradient.
        channels_last: memory layout of images.
        compile: compile networks.
    """

    kind: Literal["fp32", "bf16"] = "fp32"
    device: str = "cpu"
    checkpointing: bool = False
    channels_last: bool = False
    compile: bool = False

    def prepared(self, network: nn.Module) -> None:
        """Lay the network's weights out, and compile it, in place; to be done before optimisers are made."""
        if self.channels_last:
            network.to(memory_format=torch.channels_last)
        if self.compile:
            from torch._dynamo import config as dynamo
            from torch._functorch import config as functorch

            # a judge's activations serve two gradients (`v2vcli.train.optimisers`): none may be given away to the first
            functorch.donated_buffer = False
            # all parts are `Sequential.forward` to the compiler, which would give up on the ninth
            dynamo.recompile_limit = max(dynamo.recompile_limit, PARTS)
            for part in outermost(network, nn.Sequential):
                part.compile()

    def laid_out(self, images: Tensor) -> Tensor:
        """(N, C, H, W) images, as the networks like to have them."""
        return images.contiguous(memory_format=torch.channels_last) if self.channels_last else images

    def networks(self) -> AbstractContextManager[Any]:
        """Where networks run; what they give may be of half the precision."""
        if self.kind == "fp32":
            return nullcontext()  # autocast knows no meta device, where memory is estimated
        return torch.autocast(self.device, torch.bfloat16)

    def judging(self, network: nn.Module) -> Callable[[Tensor], Activations]:
        """A discriminator that runs here and gives float32."""

        def activations(x: Tensor) -> Activations:
            with self.networks():
                seen = network(self.laid_out(x))
            return [[layer.float() for layer in scale] for scale in seen]

        return activations

    def comparing(self, perceptual: Perceptual) -> Perceptual:
        """A perceptual loss that runs here."""

        def distance(fake: Tensor, real: Tensor) -> Tensor:
            with self.networks():
                return perceptual(fake, real)

        return distance

    def forgetful(self, function: Callable[..., R]) -> Callable[..., R]:
        """The function, checkpointed if asked for."""
        if not self.checkpointing:
            return function
        # nothing in our networks is random, so there is no generator's state to keep
        return partial(checkpoint, function, use_reentrant=False, preserve_rng_state=False)


def outermost(network: nn.Module, kind: type[nn.Module]) -> Iterator[nn.Module]:
    """The modules of a kind within a network that stand in no other of that kind; empty ones left out."""
    if isinstance(network, kind):
        if len(list(network.children())):
            yield network
        return
    for child in network.children():
        yield from outermost(child, kind)
