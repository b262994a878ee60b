"""How close the output is to the reference, pixel by pixel: PSNR and SSIM.

They say little about a picture painted from a map, which may differ from the reference and be right; they are the
measure for a change that must not alter the picture (precision, encoder, tiling).
"""

from __future__ import annotations

import math

import numpy as np

from v2vcli.errors import InputError
from v2vcli.evaluation.registry import Context, Image, Measurement, Moment, metric

PEAK = 255


@metric("psnr", unit="dB", better="higher", needs=("reference",))
class Psnr:
    """Peak signal-to-noise ratio of 8-bit RGB: 10 log10(255^2 / MSE), the MSE over all pixels of all frames.

    Pooled over the video before the logarithm (as ffmpeg's ``average``), so that one identical frame does not make it
    infinite. The sums are integers: the figure does not depend on summation order.
    """

    def __init__(self, context: Context) -> None:
        self._squares = 0
        self._samples = 0
        self._worst_mse = 0.0

    def update(self, moment: Moment) -> None:
        """Add one frame's squared differences."""
        assert moment.reference is not None
        difference = moment.output.astype(np.int32) - moment.reference
        squares = int(np.sum(difference * difference, dtype=np.int64))
        self._squares += squares
        self._samples += difference.size
        self._worst_mse = max(self._worst_mse, squares / difference.size)

    def measurement(self) -> Measurement:
        """Pooled PSNR; ``worst_frame`` is that of the frame with the largest error."""
        if not self._samples:
            return Measurement(None, note="no frame to compare")
        if not self._squares:
            return Measurement(math.inf, note="identical, every pixel of every frame")
        pooled = _decibel(self._squares / self._samples)
        return Measurement(pooled, {"worst_frame": _decibel(self._worst_mse)})


def _decibel(mse: float) -> float:
    return 10 * math.log10(PEAK * PEAK / mse)


@metric("ssim", unit="0..1", better="higher", needs=("reference",))
class Ssim:
    """Structural similarity (Wang et al. 2004) of RGB, mean over frames; computed by torchmetrics.

    Gaussian window of 11x11, sigma 1.5, k1 0.01, k2 0.03, data range 255, the three channels averaged.
    """

    WINDOW = 11

    def __init__(self, context: Context) -> None:
        if min(context.width, context.height) < self.WINDOW:
            raise InputError(
                f"ssim needs frames of at least {self.WINDOW}x{self.WINDOW}, "
                f"these are {context.width}x{context.height}: leave it out with --metrics"
            )
        self._sum = 0.0
        self._frames = 0
        self._worst = math.inf

    def update(self, moment: Moment) -> None:
        """Add one frame's SSIM."""
        from torchmetrics.functional.image import structural_similarity_index_measure

        assert moment.reference is not None
        value = structural_similarity_index_measure(
            _as_batch(moment.output),
            _as_batch(moment.reference),
            data_range=float(PEAK),
            kernel_size=self.WINDOW,
            sigma=1.5,
        )
        assert not isinstance(value, tuple)  # it is one only when the full similarity image is asked for
        similarity = float(value)
        self._sum += similarity
        self._frames += 1
        self._worst = min(self._worst, similarity)

    def measurement(self) -> Measurement:
        """Mean over frames; ``worst_frame`` is the smallest."""
        if not self._frames:
            return Measurement(None, note="no frame to compare")
        return Measurement(self._sum / self._frames, {"worst_frame": self._worst})


def _as_batch(image: Image):  # type: ignore[no-untyped-def]  # torch is imported late, for the start-up time of others
    import torch

    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].float()
