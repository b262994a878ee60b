"""Does the output drift in colour: what a recurrent painter does when small errors feed back into themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from v2vcli.evaluation.registry import Context, Image, Measurement, Moment, metric

START_FRAMES = 10
"""How many first frames, fewer in a shorter video, set the colour that the rest is held against."""


@metric("colour_drift", unit="/255", better="lower")
class ColourDrift:
    """Largest departure of a frame's mean colour from that of the first ten frames, worst channel, in 1/255."""

    def __init__(self, context: Context) -> None:
        self._output = _Departure()
        self._beyond = _Departure()
        self._with_reference = True

    def update(self, moment: Moment) -> None:
        """Take one frame's mean colour into account."""
        colour = _mean_colour(moment.output)
        self._output.add(colour, moment.index)
        if moment.reference is None:
            self._with_reference = False
        else:
            self._beyond.add(colour - _mean_colour(moment.reference), moment.index)

    def measurement(self) -> Measurement:
        """The departure and the frame where it is; with a reference also how far it goes beyond the reference's own."""
        if self._output.worst is None:
            return Measurement(None, note="no frame")
        details: dict[str, float] = {"at_frame": self._output.worst_frame}
        if self._with_reference and self._beyond.worst is not None:
            details["beyond_reference"] = self._beyond.worst
        return Measurement(self._output.worst, details)


class _Departure:
    """Running maximum over frames and channels of |colour - mean colour of the first `START_FRAMES`|."""

    def __init__(self) -> None:
        self._start: list[tuple[int, NDArray[np.float64]]] = []
        self._origin: NDArray[np.float64] | None = None
        self._worst = -1.0
        self._worst_frame = 0

    def add(self, colour: NDArray[np.float64], index: int) -> None:
        if self._origin is None:
            self._start.append((index, colour))
            if len(self._start) == START_FRAMES:
                self._settle()
        else:
            self._hold(colour, index)

    @property
    def worst(self) -> float | None:
        self._settle()
        return None if self._worst < 0 else self._worst

    @property
    def worst_frame(self) -> int:
        self._settle()
        return self._worst_frame

    def _settle(self) -> None:
        if self._origin is None and self._start:
            self._origin = np.mean([colour for _, colour in self._start], axis=0)
            for index, colour in self._start:
                self._hold(colour, index)
            self._start.clear()

    def _hold(self, colour: NDArray[np.float64], index: int) -> None:
        assert self._origin is not None
        departure = float(np.max(np.abs(colour - self._origin)))
        if departure > self._worst:
            self._worst, self._worst_frame = departure, index


def _mean_colour(image: Image) -> NDArray[np.float64]:
    return np.asarray(image.mean(axis=(0, 1), dtype=np.float64))
