"""Each process of a run says that it lives; one that falls silent ends the run with a line instead of hanging it.

Peculiar:
- A stopped, swapped-out or vanished process does not fail: the others wait for it inside a collective, on a GPU without
  an exception ever. So a thread writes a mark into the processes' common store every few seconds and reads the
  others'; the thread that waits for the network is not the one that watches the clock, as the store may hang too.
- Marks come from a thread of their own: a process that loads data for an hour is alive. One whose main thread is stuck
  is found by the collectives' own, longer limit.
- Who was stopped itself (Ctrl-Z, a suspended machine) wakes up to old marks: a clock that jumped accuses nobody.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from torch._C._distributed_c10d import Store

from v2vcli.train.distributed import World
from v2vcli.train.failures import GOES_ON

_LEFT = "left"


class Heartbeat:
    """Writes this process's marks and reads the others', from entry to exit."""

    def __init__(self, store: Store, world: World, *, patience: float, lost: Callable[[str], object]) -> None:
        """Nothing is written yet.

        Args:
            store: a connection that nobody else uses.
            world: who this is.
            patience: seconds of silence after which a process counts as lost.
            lost: told who, in one line, on a thread of its own; it has to end the process.
        """
        self._store, self._world, self._patience, self._lost = store, world, patience, lost
        self._every = min(5.0, patience / 8)
        self._over = threading.Event()
        self._marks: dict[int, str] = {}
        self._heard = {rank: time.monotonic() for rank in range(world.size) if rank != world.rank}
        self._contact = time.monotonic()

    def __enter__(self) -> Self:
        """Begin."""
        for work in (self._beat, self._watch):
            threading.Thread(target=work, name=f"heartbeat{work.__name__}", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Say nothing more; the others do not wait for it."""
        self._over.set()

    def _beat(self) -> None:
        """Write and read marks."""
        mine = f"{socket.gethostname()}, pid {os.getpid()}"
        count = 0
        while not self._over.wait(self._every if count else 0):
            try:
                self._store.set(_key(self._world.rank), f"{mine}/{count}")
                for rank in self._heard:
                    self._read(rank)
            except RuntimeError:  # the store is gone
                if not self._over.wait(self._every):
                    self._lost(f"the process that started this run is gone; {GOES_ON}")
                return
            self._contact = time.monotonic()
            count += 1
        try:
            self._store.set(_key(self._world.rank), f"{mine}/{_LEFT}")
        except RuntimeError:
            return

    def _read(self, rank: int) -> None:
        if not self._store.check([_key(rank)]):  # not begun yet
            return
        mark = self._store.get(_key(rank)).decode()
        if mark != self._marks.get(rank) or mark.endswith(_LEFT):
            self._marks[rank], self._heard[rank] = mark, time.monotonic()

    def _watch(self) -> None:
        """Look at the clock."""
        last = time.monotonic()
        while not self._over.wait(self._every):
            now = time.monotonic()
            if now - last > 3 * self._every + 1:  # it was this process that stood still
                self._contact = now
                self._heard = dict.fromkeys(self._heard, now)
            last = now
            if now - self._contact > self._patience:
                self._lost(f"the process that started this run does not answer; {GOES_ON}")
                return
            for rank, heard in self._heard.items():
                if now - heard > self._patience:
                    self._lost(self._silent(rank))
                    return

    def _silent(self, rank: int) -> str:
        who = self._marks.get(rank, "which never began").rpartition("/")[0] or "which never began"
        return (
            f"process {rank} of this run's {self._world.size} ({who}) has not been heard from for "
            f"{self._patience:.0f} s; {GOES_ON}"
        )


def _key(rank: int) -> str:
    return f"alive/{rank}"
