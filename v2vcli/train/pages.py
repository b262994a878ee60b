"""What was decoded or rendered lately, kept as long as there is room: memory does not grow with the data.

Peculiar: there is one `PAGES` for each process, so that footage stays a value that can be sent to another process.
Whatever is kept can be read again, so nothing depends on what is in here but speed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np

Value = TypeVar("Value")

ROOM = 512 << 20
"""Bytes kept in each process."""


class Pages:
    """Values by key, of which the one that was not asked for longest goes first."""

    def __init__(self, room: int = ROOM) -> None:
        """Keep up to `room` bytes, counted in the arrays of what is kept."""
        self.room = room
        self.used = 0
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, read: Callable[[], Value], size: Callable[[Value], int]) -> Value:
        """What is kept under `key`, or what `read` gives, which is kept from now on; `size` tells its bytes."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                found: Value = self._kept[key][0]
                return found
        value = read()  # outside the lock: two threads may read the same, which is wasteful and harmless
        with self._lock:
            if key not in self._kept:
                self._kept[key] = (value, size(value))
                self.used += self._kept[key][1]
            while self.used > self.room and len(self._kept) > 1:
                _, (_, gone) = self._kept.popitem(last=False)
                self.used -= gone
        return value


PAGES = Pages()


def array_bytes(*arrays: np.ndarray[Any, Any] | None) -> int:
    """Bytes of the arrays that are there."""
    return sum(array.nbytes for array in arrays if array is not None)
