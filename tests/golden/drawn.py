"""Random numbers that the reference drew, given again in the same order, for the same ranges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Drawn(np.random.Generator):
    """A generator that gives recorded numbers, and fails where it is asked for anything else.

    Args:
        integers: ((low, high), value) in the order drawn, high exclusive.
        normals: values of the standard normal distribution.
    """

    def __init__(self, integers: Sequence[tuple[tuple[int, int], int]], normals: Sequence[float] = ()) -> None:
        super().__init__(np.random.PCG64(0))
        self._integers, self._normals = list(integers), list(normals)

    def integers(self, low: int, high: int | None = None, *, endpoint: bool = False) -> int:  # type: ignore[override]
        asked = (0, low) if high is None else (low, high)
        (first, end), value = self._integers.pop(0)
        assert (asked[0], asked[1] + endpoint) == (first, end), f"{asked} asked for, {(first, end)} was drawn from"
        return value

    def standard_normal(self) -> float:  # type: ignore[override]
        return self._normals.pop(0)

    def random(self) -> float:  # type: ignore[override]
        raise AssertionError("nothing of the kind was drawn")

    def used_up(self) -> None:
        """Nothing recorded is left."""
        assert not self._integers and not self._normals
