"""A constant frame rate out of any frames: the semantics of ffmpeg's ``fps`` filter, in exact arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from v2vcli.errors import UsageError
from v2vcli.video.frame import Frame


def _slot(time: Fraction, rate: Fraction) -> int:
    """The output slot nearest to a time, halves away from zero, as FFmpeg's AV_ROUND_NEAR_INF does."""
    scaled = time * rate
    whole = (abs(scaled) + Fraction(1, 2)).__floor__()
    return whole if scaled >= 0 else -whole


def resample(frames: Iterable[Frame], rate: Fraction) -> Iterator[Frame]:
    """Repeat and drop frames so that slot n, at ``n / rate`` seconds, shows the latest frame whose slot is <= n.

    A frame's slot is its ``pts`` rounded to the nearest multiple of ``1 / rate``; of several with one slot the last is
    shown. The grid passes through 0, not through the first frame. The output ends with the slot in which the last
    frame's duration ends, and never is empty if the input is not. One frame is held at a time.

    Args:
        frames: in increasing ``pts``.
        rate: output frames per second, above 0.

    Yields:
        Frames with ``pts = n / rate``, ``duration = 1 / rate`` and ``index`` from 0; pictures are shared, not copied.

    Raises:
        UsageError: the rate is not above 0.
    """
    if rate <= 0:
        raise UsageError(f"a frame rate of {rate} makes no video; give a positive one")
    held: npt.NDArray[np.uint8] | None = None
    slot = 0
    index = 0
    end = Fraction(0)
    for frame in frames:
        arrived = _slot(frame.pts, rate)
        if held is None:
            slot = arrived
        else:
            while slot < arrived:
                yield Frame(held, slot / rate, 1 / rate, index)
                slot += 1
                index += 1
        held = frame.image
        end = frame.pts + frame.duration
    if held is not None:
        stop = max(_slot(end, rate), slot + (index == 0))
        while slot < stop:
            yield Frame(held, slot / rate, 1 / rate, index)
            slot += 1
            index += 1
