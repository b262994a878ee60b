"""Which frames of a clip a training sample is read from: how many, how far apart, and from where on.

Peculiar: the number of painted frames is a whole number of chunks, so that every optimiser step sees as many frames;
``past`` more are read before them, which are the past of the first painted frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from v2vcli.errors import RecipeError


@dataclass(frozen=True)
class ClipWindow:
    """`frames` frames of a clip, from `start` on, each `step` after the one before."""

    start: int
    step: int
    frames: int

    @property
    def indices(self) -> range:
        """Their numbers within the clip."""
        return range(self.start, self.start + self.frames * self.step, self.step)


def frames_to_read(length: int, *, painted: int, chunk: int, past: int) -> int:
    """How many frames are read of a clip: whole chunks, and the past before them.

    Args:
        length: frames the clip has.
        painted: frames that should be painted; fewer where the clip is shorter.
        chunk: frames painted between two optimiser steps.
        past: frames read before the first painted one.

    Raises:
        RecipeError: not one frame can be painted.
    """
    painted = min(painted, length - past)
    if painted < 1:
        raise RecipeError(
            f"a clip of {length} frames is too short: the first painted frame needs {past} before it; leave it out"
        )
    return painted - painted % min(painted, chunk) + past


def clip_window(
    length: int,
    *,
    painted: int,
    chunk: int,
    past: int,
    rng: np.random.Generator,
    longest_step: int = 1,
    position: int | None = None,
) -> ClipWindow:
    """Draw which frames are read.

    Args:
        length: frames the clip has.
        painted: frames that should be painted; fewer where the clip is shorter.
        chunk: frames painted between two optimiser steps.
        past: frames read before the first painted one.
        rng: asked (`integers`) for the step, then for the start.
        longest_step: the largest temporal stride, where the clip is long enough for it.
        position: where to start instead of a drawn place, for epochs that pass over every frame of long clips; wraps
            around at the last possible start.

    Raises:
        RecipeError: not one frame can be painted.
    """
    frames = frames_to_read(length, painted=painted, chunk=chunk, past=past)
    step = 1 + int(rng.integers(min(longest_step, (length - 1) // max(1, frames - 1)) or 1))
    starts = length - (frames - 1) * step
    start = int(rng.integers(starts)) if position is None else position % starts
    return ClipWindow(start, step, frames)
