"""GIF, animated WebP and APNG: each frame at its time and for as long as it should be, as far as the format can say."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from v2vcli.video import Frame, VideoReader, VideoWriter

from .made import patterned

COLOURS = [(200, 40, 60), (40, 200, 60), (60, 40, 200), (255, 255, 255), (0, 0, 0), (128, 127, 90)]
CLOCK = {".gif": Fraction(1, 100), ".webp": Fraction(1, 1000), ".apng": None}


def _write(path: Path, times: list[Fraction], images: list[np.ndarray], time_base: Fraction) -> list[str]:
    """Times are those of the frames, and the end of the last."""
    height, width = images[0].shape[:2]
    with VideoWriter(path, width=width, height=height, time_base=time_base, rate=None) as writer:
        for i, image in enumerate(images):
            writer.write(Frame(image, times[i], times[i + 1] - times[i], i))
    return writer.warnings


def _shown(path: Path) -> list[tuple[Fraction, np.ndarray]]:
    """Durations in seconds, and pictures, as Pillow reads them."""
    shown = []
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            duration = Fraction(image.info.get("duration", 0)).limit_denominator(10**6) / 1000
            shown.append((duration, np.asarray(image.convert("RGB"))))
        assert len(shown) == 1 or image.info.get("loop", 0) == 0
    return shown


def _solid() -> list[np.ndarray]:
    return [np.full((48, 64, 3), colour, np.uint8) for colour in COLOURS]


UNEVEN = [Fraction(n, 1000) for n in (0, 40, 100, 350, 1350, 1400, 2130)]
EVEN = [i * Fraction(1001, 30000) for i in range(7)]
LATE = [Fraction(7, 3) + t for t in UNEVEN]


@pytest.mark.parametrize("suffix", CLOCK)
@pytest.mark.parametrize("times", [UNEVEN, EVEN, LATE], ids=["uneven", "29.97", "late"])
def test_every_frame_lasts_as_long_as_it_should(tmp_path: Path, suffix: str, times: list[Fraction]) -> None:
    path = tmp_path / f"o{suffix}"
    warnings = _write(path, times, _solid(), Fraction(1, 30000) if times is EVEN else Fraction(1, 3000))
    shown = _shown(path)
    assert len(shown) == 6
    clock = CLOCK[suffix]
    if clock is None:
        assert warnings == []
        wanted = [b - a for a, b in pairwise(times)]
        assert all(abs(d - w) < Fraction(1, 10**5) for (d, _), w in zip(shown, wanted, strict=True))
    else:
        ticks = [round(time / clock) for time in times]
        # the last frame's duration is its own, rounded; where frames begin is rounded from the true time, not summed up
        wanted = [(b - a) * clock for a, b in pairwise(ticks[:-1])]
        assert [d for d, _ in shown[:-1]] == wanted
        assert abs(shown[-1][0] - (times[-1] - times[-2])) <= clock
        exact = all((time / clock).denominator == 1 for time in times[:-1])
        assert bool(warnings) != exact
    lossy = 12 if suffix == ".webp" else 4
    assert all(np.abs(p.astype(int) - c).max() <= lossy for (_, p), c in zip(shown, COLOURS, strict=True))


@pytest.mark.parametrize("suffix", CLOCK)
def test_one_frame_is_an_animation_too(tmp_path: Path, suffix: str) -> None:
    assert _write(tmp_path / f"o{suffix}", [Fraction(0), Fraction(1, 2)], _solid()[:1], Fraction(1, 2)) == []
    assert len(_shown(tmp_path / f"o{suffix}")) == 1


def test_apng_is_lossless_and_comes_back_with_its_times(tmp_path: Path) -> None:
    images = [patterned(61, 33, i) for i in range(6)]
    _write(tmp_path / "o.apng", UNEVEN, images, Fraction(1, 1000))
    with VideoReader(tmp_path / "o.apng") as reader:
        got = list(reader)
    assert all(np.array_equal(f.image, image) for f, image in zip(got, images, strict=True))
    assert [f.pts for f in got] == UNEVEN[:-1]


def test_gif_comes_back_with_its_times(tmp_path: Path) -> None:
    times = [Fraction(n, 100) for n in (0, 4, 10, 35, 135, 140, 213)]
    _write(tmp_path / "o.gif", times, _solid(), Fraction(1, 100))
    with VideoReader(tmp_path / "o.gif") as reader:
        got = list(reader)
    assert [f.pts for f in got] == times[:-1]
    assert sum((f.duration for f in got), Fraction(0)) == times[-1]


def test_a_gif_has_a_palette_for_every_frame(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 128).astype(np.uint8)
    pictures = []
    for channel in range(3):
        image = np.zeros((64, 128, 3), np.uint8)
        image[..., channel] = ramp
        image[..., (channel + 1) % 3] = np.linspace(0, 120, 64).astype(np.uint8)[:, None]
        pictures.append(image)
    _write(tmp_path / "o.gif", [Fraction(i, 10) for i in range(4)], pictures, Fraction(1, 10))
    for (_, shown), image in zip(_shown(tmp_path / "o.gif"), pictures, strict=True):
        assert np.abs(shown.astype(int) - image).mean() < 5


def test_what_stands_still_does_not_flicker(tmp_path: Path) -> None:
    still = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    _write(tmp_path / "o.gif", [Fraction(i, 10) for i in range(5)], [still] * 4, Fraction(1, 10))
    shown = [picture for _, picture in _shown(tmp_path / "o.gif")]
    assert all(np.array_equal(shown[0], picture) for picture in shown)


def test_sound_has_no_place_in_a_picture(tmp_path: Path) -> None:
    from .made import Maker

    source = Maker(tmp_path)("in.mp4", audio=True)
    with VideoWriter(
        tmp_path / "o.gif", width=64, height=48, time_base=Fraction(1, 25), rate=None, copy_from=source
    ) as writer:
        writer.write(Frame(_solid()[0], Fraction(0), Fraction(1), 0))
    assert any("holds nothing but pictures" in line for line in writer.warnings)
