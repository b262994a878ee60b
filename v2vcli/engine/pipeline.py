"""Stages that run at the same time: one thread each, bounded channels between them, one place where errors come out.

Peculiar:
- order is kept, since every stage is one thread; memory is bounded, since every channel is;
- the consumer is the caller's own thread: it iterates over what the last stage gives. So Ctrl-C lands there, in
  ordinary code with ordinary context managers around it;
- the first error of any stage cancels all channels at once, and is raised from the iteration in the caller's thread;
- leaving the context waits for every thread: none outlives the pipeline.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


class _Cancelled(Exception):
    """Somebody gave up: leave quietly."""


class Channel(Generic[T]):
    """A queue of at most `room` items between one putting and one taking thread; it can end, or be cancelled."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: deque[T] = deque()
        self._ended = self._cancelled = False
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        """Wait for room and add an item; raises `_Cancelled` when nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._cancelled or len(self._items) < self._room)
            if self._cancelled:
                raise _Cancelled
            self._items.append(item)
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more will be put."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def cancel(self) -> None:
        """Wake both sides; what is queued is dropped."""
        with self._changed:
            self._cancelled = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._cancelled or self._ended or self._items)
                if self._cancelled:
                    raise _Cancelled
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
            del item  # or it would live until the next one comes


class Pipeline(Generic[T]):
    """`source` through `stages`, each in its own thread; iterate inside the context for what the last one gives.

    Args:
        source: called in the first thread; what it returns is iterated there.
        stages: each turns an iterator of items into an iterator of items.
        room: items that may wait between two stages.
        wake: ends what the source may wait for (somebody who sends it something), when nobody wants it any more.

    Example:
        >>> with Pipeline(lambda: range(3), [lambda items: (i * i for i in items)]) as squares:
        ...     list(squares)
        [0, 1, 4]
    """

    def __init__(
        self,
        source: Callable[[], Iterable[Any]],
        stages: list[Callable[[Iterator[Any]], Iterator[Any]]],
        room: int = 2,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._wake = wake
        self._channels: list[Channel[Any]] = [Channel(room) for _ in range(len(stages) + 1)]
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        first, *rest = self._channels
        work: list[tuple[str, Callable[[], Iterable[Any]], Channel[Any]]] = [("v2v-source", source, first)]
        for stage, inlet, outlet in zip(stages, self._channels, rest, strict=False):
            work.append((f"v2v-{_name(stage)}", _bound(stage, inlet), outlet))
        self._threads = [threading.Thread(target=self._run, args=item[1:], name=item[0], daemon=True) for item in work]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cancel()
        self._wake()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def __iter__(self) -> Iterator[T]:
        """Items in order; may be asked for once.

        Raises:
            BaseException: whatever a stage raised first.
        """
        # started here and not on entering the context: a Ctrl-C that comes while they start finds the context entered,
        # and leaving it waits for those that run
        for thread in self._threads:
            thread.start()
        with suppress(_Cancelled):
            yield from self._channels[-1]
        if self._error is not None:
            raise self._error

    def _run(self, work: Callable[[], Iterable[Any]], outlet: Channel[Any]) -> None:
        try:
            items = work()
            with ExitStack() as stack:
                if isinstance(items, Generator):
                    stack.callback(items.close)  # in this thread, at once
                for item in items:
                    outlet.put(item)
                    del item
            outlet.end()
        except _Cancelled:
            pass
        except BaseException as error:
            with self._lock:
                self._error = self._error or error
            self._cancel()

    def _cancel(self) -> None:
        for channel in self._channels:
            channel.cancel()


def _bound(stage: Callable[[Iterator[Any]], Iterator[Any]], inlet: Channel[Any]) -> Callable[[], Iterable[Any]]:
    return lambda: stage(iter(inlet))


def _name(stage: Callable[..., Any]) -> str:
    return getattr(stage, "__name__", "stage")
