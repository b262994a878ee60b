"""Does the output flicker: frame t against frame t-1 moved along the optical flow.

The flow, and which of its pixels are trusted, come from the *reference* when there is one: then every output for the
same input is measured along the same vectors on the same pixels, and an output cannot look better by being blurred
until no motion is found in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError
from v2vcli.evaluation.registry import Context, Image, Measurement, Moment, metric
from v2vcli.maps.over_time.flow import DIS_MIN_SIDE, DisFlow, GuideFlow, warp

MIN_TRUSTED_SHARE = 0.1
"""Pairs of frames with a smaller share of trusted pixels are left out: a cut, or a flow that failed altogether."""


@metric("warp_error_dis", unit="0..1", better="lower")
class WarpErrorDis:
    """Temporal warping error: mean |frame_t - warp(frame_t-1)| over trusted pixels of all pairs, full scale = 1."""

    def __init__(self, context: Context) -> None:
        if min(context.width, context.height) < DIS_MIN_SIDE:
            raise InputError(
                f"warp_error_dis needs frames of at least {DIS_MIN_SIDE}x{DIS_MIN_SIDE}, these are "
                f"{context.width}x{context.height}: leave it out with --metrics"
            )
        self._dis = DisFlow()
        self._before: Moment | None = None
        self._error = _TrustedMean()
        self._reference_error = _TrustedMean()
        self._pairs = 0
        self._left_out = 0
        self._pixels = 0

    def update(self, moment: Moment) -> None:
        """Compare with the previous frame."""
        before, self._before = self._before, moment
        if before is None:
            return
        if moment.reference is not None and before.reference is not None:
            guide = self._dis.between(moment.reference, before.reference, photometric=True)
        else:
            # Its own colours cannot vouch for its own flow: the test would drop just the pixels that flicker.
            guide = self._dis.between(moment.output, before.output, photometric=False)
        self._pairs += 1
        if np.mean(guide.trusted) < MIN_TRUSTED_SHARE:
            self._left_out += 1
            return
        self._pixels += guide.trusted.size
        self._error.add(moment.output, before.output, guide)
        if moment.reference is not None and before.reference is not None:
            self._reference_error.add(moment.reference, before.reference, guide)

    def measurement(self) -> Measurement:
        """The error; with a reference also the reference's own error, and how many times that the output's is."""
        value = self._error.value()
        details: dict[str, float] = {"pairs": self._pairs, "pairs_left_out": self._left_out}
        if value is None:
            return Measurement(None, details, "no pair of frames with a flow to trust")
        details["trusted"] = self._error.pixels / self._pixels
        own = self._reference_error.value()
        if own is not None:
            details["reference"] = own
            if own > 0:
                details["ratio"] = value / own
        note = f"{self._left_out} of {self._pairs} pairs left out: cuts, or no flow to trust" if self._left_out else ""
        return Measurement(value, details, note)


class _TrustedMean:
    """Running mean absolute warping residual over the trusted pixels and the three channels, full scale = 1."""

    def __init__(self) -> None:
        self._sum = 0.0
        self.pixels = 0

    def add(self, current: Image, previous: Image, guide: GuideFlow) -> None:
        self._sum += float(np.sum(warping_residual(current, previous, guide)[guide.trusted], dtype=np.float64))
        self.pixels += int(np.count_nonzero(guide.trusted))

    def value(self) -> float | None:
        return self._sum / self.pixels if self.pixels else None


def warping_residual(current: Image, previous: Image, guide: GuideFlow) -> NDArray[np.float32]:
    """(H, W) float32 in [0, 1]: |current - warped previous|, averaged over the channels."""
    moved = warp(previous.astype(np.float32), guide.flow)
    residual = np.abs(current.astype(np.float32) - moved).mean(axis=2) / 255
    return np.asarray(residual, dtype=np.float32)
