"""Several processes as one: who this one is, what it takes of a batch, gradients averaged in one place.

Peculiar:
- A step's numbers do not depend on the number of processes. `StageRecipe.batch` is the batch of all of them together,
  each takes its equal share, and the mean of the shares' gradients is the gradient of the whole batch; so rates
  and schedules stay as they are. Nothing in a painter or a discriminator has running statistics, so there is no buffer
  to broadcast. A segmenter has batch norm: each process normalises by its own share, and the leading one's running
  statistics are published.
- Gradients are averaged by `average_gradients`, after they are complete, in flat buckets; not by
  `DistributedDataParallel`. A step here takes the gradients of several objectives (`torch.autograd.grad`), of networks
  that are called piecewise (encode, step) and several times, which DDP's hooks do not see.
  What that gives up is the overlap of sending with back-propagation.
- Numbers that steer (stop? the scalars to log) travel as CPU tensors over gloo, gradients of a GPU over nccl.
- Where there is one process every function here is the identity, and no process group (`process_group`) exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch import distributed as dist

from v2vcli.errors import RecipeError

BUCKET = 1 << 23
"""Numbers that are sent at once (32 MB of float32): large enough to be fast, small beside the gradients."""


@dataclass(frozen=True)
class World:
    """Which process of how many this is. Only rank 0 writes files."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and tells."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """This process's part of a batch of all: ``items[world.share(len(items))]``.

        Raises:
            RecipeError: the batch cannot be divided evenly.
        """
        if batch % self.size:
            near = max(self.size, round(batch / self.size) * self.size)
            raise RecipeError(
                f"a batch of {batch} cannot be divided among {self.size} processes; set stage.batch to {near}, "
                "or another multiple"
            )
        part = batch // self.size
        return slice(self.rank * part, (self.rank + 1) * part)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes, in place.

    To be called between computing gradients and the optimiser's step, by every process, for the same parameters in the
    same order. A parameter without a gradient is left without: it has to lack it in all processes. Whether gradients
    are finite is to be asked *after* this call, when all processes see the same ones and come to the same decision.
    """
    if not dist.is_initialized():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    for bucket in _buckets(gradients):
        flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        for gradient, mean in zip(bucket, flat.split([each.numel() for each in bucket]), strict=True):
            gradient.copy_(mean.view_as(gradient))


def _buckets(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    for gradient in gradients:
        full = sum(each.numel() for each in bucket) + gradient.numel() > BUCKET
        if bucket and (full or gradient.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process. All have to ask."""
    if not dist.is_initialized():
        return flag
    asked = torch.tensor([float(flag)])
    dist.all_reduce(asked, dist.ReduceOp.MAX)
    return bool(asked.item())


def mean_scalars(scalars: Mapping[str, float], *, summed: Iterable[str] = ()) -> dict[str, float]:
    """The mean of every number over the processes, those named in `summed` as their sum. Same names in all."""
    if not dist.is_initialized():
        return dict(scalars)
    totals = torch.tensor([scalars[name] for name in sorted(scalars)], dtype=torch.float64)
    dist.all_reduce(totals)
    means = dict(zip(sorted(scalars), (totals / dist.get_world_size()).tolist(), strict=True))
    means.update({name: means[name] * dist.get_world_size() for name in summed})
    return {name: means[name] for name in scalars}  # in the order they came


@torch.no_grad()
def fingerprint(modules: Mapping[str, nn.Module]) -> Tensor:
    """(parameters,) float64 sum of each: equal weights have equal ones, bit for bit."""
    sums = [value.detach().double().sum() for name in sorted(modules) for value in modules[name].parameters()]
    return torch.stack(sums).cpu() if sums else torch.zeros(0, dtype=torch.float64)


def same_everywhere(modules: Mapping[str, nn.Module]) -> bool:
    """Whether all processes hold the same weights, which is what training them in step rests on."""
    if not dist.is_initialized():
        return True
    mine = fingerprint(modules)
    low, high = mine.clone(), mine.clone()
    dist.all_reduce(low, dist.ReduceOp.MIN)
    dist.all_reduce(high, dist.ReduceOp.MAX)
    return torch.equal(low, high)
