"""Joining the processes of a run, meeting them and leaving them.

Peculiar:
- Who this is comes from the environment that ``torchrun`` sets, and our own launcher (`v2vcli.train.launch`) likewise.
- A meeting goes through the processes' common store, not through a collective: before the first step one process may
  have a day of maps to make, while between steps half an hour of silence is a fault.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed as dist
from torch._C._distributed_c10d import PrefixStore, Store, TCPStore

from v2vcli.train.distributed import World
from v2vcli.train.heartbeat import Heartbeat


class _Group:
    """Where the processes of a run meet without a collective, whose patience is shorter."""

    def __init__(self, store: Store, world: World) -> None:
        self._store, self._world, self._meetings = store, world, 0

    def meet(self) -> None:
        self._meetings += 1
        key = f"meeting/{self._meetings}"
        here = self._store.add(key, 1)
        while here < self._world.size:  # not in one call that waits, which no signal would get through to
            time.sleep(0.02)
            here = self._store.add(key, 0)

    def part(self) -> None:
        """The store may live in process 0, which leaves when the others have."""
        gone = self._store.add("gone", 1)
        deadline = time.monotonic() + 10
        while self._world.leads and gone < self._world.size and time.monotonic() < deadline:
            time.sleep(0.02)
            gone = self._store.add("gone", 0)


_group: _Group | None = None


def outer_world() -> World | None:
    """Who the launcher of this process (torchrun, or our own) says it is; None where nobody launched it."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return None
    return World(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))


def wait_for_all() -> None:
    """Go on when every process has come here, however long that takes: one may have a day of maps to make."""
    if _group is not None:
        _group.meet()


@contextmanager
def joined(
    device: torch.device, *, patience: timedelta, stuck_after: timedelta, lost: Callable[[str], object]
) -> Iterator[tuple[World, torch.device]]:
    """Join the processes that were launched together, if any; leave them at the end.

    Args:
        device: what the run computes on; ``cuda`` becomes the GPU of this process's local rank.
        patience: how long a process may be silent, see `v2vcli.train.heartbeat`.
        stuck_after: how long a collective may take, after which it fails.
        lost: called with a line, on another thread, when a process is lost; it has to end this one.

    Yields:
        Who this process is, and its device.
    """
    global _group
    world = outer_world()
    if world is None or world.size == 1:
        yield World(), device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", world.rank)))
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    own = _connected(world, stuck_after)
    with Heartbeat(_connected(world, stuck_after, host=False), world, patience=patience.total_seconds(), lost=lost):
        store = PrefixStore("group", own)
        dist.init_process_group(backend, store=store, rank=world.rank, world_size=world.size, timeout=stuck_after)
        _group = _Group(PrefixStore("meetings", own), world)
        try:
            yield world, device
            _group.meet()
            _group.part()
            dist.destroy_process_group()  # with a peer lost this could wait for ever; then the process ends anyway
        finally:
            _group = None


def _connected(world: World, timeout: timedelta, *, host: bool = True) -> Store:
    """A connection of its own to the key-value store that the launched processes share."""
    address, port = os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ.get("MASTER_PORT", "29500"))
    hosted = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"  # by the launcher, which outlives a worker
    store = TCPStore(
        address,
        port,
        world.size,
        is_master=world.leads and host and not hosted,
        timeout=timeout,
        wait_for_workers=False,
    )
    return PrefixStore(f"v2v/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
