"""Work done ahead in other processes, asked for by key: what comes back never depends on who did it, or when.

Peculiar:
- processes, not threads: reading clips is Python enough to hold up a training step that shares its interpreter. They
  start from a fresh interpreter (a fork of this one would inherit its GPU and its threads);
- a worker ignores the signals that ask a run to stop, which are the run's to answer, and ends with the process that
  started it, however that ends;
- where a worker dies, `concurrent.futures` says so by `BrokenProcessPool` at the next result.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

import cv2

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_make: Callable[[Any], Any] | None = None
"""In a worker: what it was started for."""


class Prefetcher(Generic[Key, Value]):
    """Calls ``make(key)`` ahead of time, in `workers` processes; with none, when asked."""

    def __init__(self, make: Callable[[Key], Value], workers: int) -> None:
        """Nothing is started before something is asked for. `make` must be picklable where there are workers."""
        self._make = make
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._ahead: dict[Key, Future[Value]] = {}
        self._children: set[BaseProcess] = set()

    def get(self, keys: Iterable[Key], coming: Iterable[Key] = ()) -> list[Value]:
        """The values of `keys`, in order; those of `coming` are begun.

        Raises:
            BrokenProcessPool: a worker died.
        """
        keys = list(keys)
        if self._workers == 0:
            return [self._make(key) for key in keys]
        wanted = dict.fromkeys((*keys, *coming))
        for key in [key for key in self._ahead if key not in wanted]:
            self._ahead.pop(key).cancel()  # somebody went elsewhere
        for key in wanted:
            if key not in self._ahead:
                self._ahead[key] = self._submitted(key)
        try:
            return [self._ahead.pop(key).result() for key in keys]
        except BrokenProcessPool:
            for child in self._children:  # the pool asks its other workers to end by a signal that they ignore
                child.kill()
            raise

    def close(self) -> None:
        """End the workers; safe to call twice."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        self._ahead.clear()

    def _submitted(self, key: Key) -> Future[Value]:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, context, _begin, (self._make,))
        before = set(multiprocessing.active_children())
        future: Future[Value] = self._pool.submit(_made, key)
        self._children |= set(multiprocessing.active_children()) - before
        return future


def _begin(make: Callable[[Any], Any]) -> None:
    """In a worker, once."""
    global _make
    _make = make
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)  # there are as many workers as the machine should have
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _made(key: Any) -> Any:
    assert _make is not None
    return _make(key)
