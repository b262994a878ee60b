"""PSNR and SSIM against known noise, against torchmetrics, and at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from v2vcli.errors import InputError
from v2vcli.evaluation import Context, Moment, find_metric
from v2vcli.evaluation.fidelity import Psnr, Ssim

CONTEXT = Context(48, 32)


def _pair(seed: int, spread: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    reference = random.integers(20, 236, (32, 48, 3), dtype=np.uint8)
    return (reference + random.integers(-spread, spread + 1, reference.shape)).astype(np.uint8), reference


def test_psnr_of_a_constant_error_is_the_closed_form() -> None:
    psnr = Psnr(CONTEXT)
    for index, error in enumerate((3, 4)):
        reference = np.full((32, 48, 3), 100, np.uint8)
        psnr.update(Moment(index, reference + np.uint8(error), reference))
    found = psnr.measurement()
    assert found.value == pytest.approx(10 * math.log10(255**2 / ((9 + 16) / 2)), abs=1e-12)
    assert found.details["worst_frame"] == pytest.approx(20 * math.log10(255 / 4), abs=1e-12)


def test_psnr_does_not_wrap_around_in_eight_bits() -> None:
    psnr = Psnr(CONTEXT)
    psnr.update(Moment(0, np.zeros((32, 48, 3), np.uint8), np.full((32, 48, 3), 255, np.uint8)))
    assert psnr.measurement().value == pytest.approx(0.0, abs=1e-12)


def test_psnr_agrees_with_torchmetrics() -> None:
    import torch
    from torchmetrics.image import PeakSignalNoiseRatio

    ours, theirs = Psnr(CONTEXT), PeakSignalNoiseRatio(data_range=255.0)
    for index in range(3):
        output, reference = _pair(index, 5 + 10 * index)
        ours.update(Moment(index, output, reference))
        theirs.update(torch.from_numpy(output).float(), torch.from_numpy(reference).float())
    assert ours.measurement().value == pytest.approx(float(theirs.compute()), abs=1e-4)


def test_identical_frames_have_infinite_psnr_and_ssim_one() -> None:
    image = _pair(0, 0)[1]
    for cls, expected in ((Psnr, math.inf), (Ssim, 1.0)):
        measuring = cls(CONTEXT)
        measuring.update(Moment(0, image, image))
        assert measuring.measurement().value == pytest.approx(expected, abs=1e-6)


def test_ssim_is_the_mean_over_frames_and_names_the_worst() -> None:
    singles = []
    together = Ssim(CONTEXT)
    for index, spread in enumerate((4, 40)):
        output, reference = _pair(index, spread)
        alone = Ssim(CONTEXT)
        alone.update(Moment(0, output, reference))
        singles.append(alone.measurement().value)
        together.update(Moment(index, output, reference))
    found = together.measurement()
    assert singles[0] > singles[1]
    assert found.value == pytest.approx(np.mean(singles), abs=1e-7)
    assert found.details["worst_frame"] == pytest.approx(singles[1], abs=1e-7)


def test_ssim_of_a_flat_shift_is_the_luminance_term() -> None:
    # With no variance SSIM is (2ab + C1) / (a^2 + b^2 + C1), C1 = (0.01 * 255)^2.
    ssim, a, b = Ssim(CONTEXT), 100.0, 130.0
    ssim.update(Moment(0, np.full((32, 48, 3), 130, np.uint8), np.full((32, 48, 3), 100, np.uint8)))
    c1 = (0.01 * 255) ** 2
    assert ssim.measurement().value == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=2e-3)


def test_nothing_compared_is_no_value() -> None:
    for name in ("psnr", "ssim"):
        found = find_metric(name).make(CONTEXT).measurement()
        assert found.value is None
        assert found.note


def test_ssim_refuses_frames_smaller_than_its_window() -> None:
    with pytest.raises(InputError, match="11x11, these are 10x40"):
        Ssim(Context(10, 40))
