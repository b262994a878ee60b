"""-ss, -t, -to and -r, told by the frames and times that come out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import V2V
from tests.engine.material import picture, read, times, write_clip


@pytest.mark.parametrize(
    ("options", "begin", "first", "count"),
    [
        ("-ss 0.4", Fraction("0.4"), 10, 15),
        ("-ss 0:00:00.4 -t 0.2", Fraction("0.4"), 10, 5),
        ("-ss 400ms -to 0.6", Fraction("0.4"), 10, 5),
        ("-t 0.5", Fraction(0), 0, 13),  # frames at 0, 0.04, ..., 0.48: those before 0.5
        ("-to 0.48", Fraction(0), 0, 12),
        ("-ss 0.41", Fraction("0.41"), 11, 14),
        ("-t 100", Fraction(0), 0, 25),
    ],
)
def test_part_of_a_video(
    v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path, options: str, begin: Fraction, first: int, count: int
) -> None:
    out = tmp_path / "out.mp4"
    done = v2v("convert", clip, "-o", out, "--model", edge_model, *options.split())
    assert done.code == 0, done.err
    # the second that -ss names is the output's 0
    expected = [(Fraction(first + n, 25) - begin, Fraction(1, 25)) for n in range(count)]
    assert times(out) == expected


def test_a_file_that_begins_late_is_counted_from_its_beginning(v2v: V2V, edge_model: Path, tmp_path: Path) -> None:
    late = [Fraction(250 + n, 25) for n in range(26)]
    source = write_clip(tmp_path / "late.ts", [picture(t) for t in range(25)], times=late, lossless=False)
    assert read(source)[0].pts > 9
    done = v2v("convert", source, "-o", tmp_path / "out.mp4", "--model", edge_model, "-ss", "0.2", "-t", "0.4")
    assert done.code == 0, done.err
    assert [pts for pts, _ in times(tmp_path / "out.mp4")] == [Fraction(n, 25) for n in range(10)]


@pytest.mark.parametrize(("rate", "count"), [("10", 10), ("50", 50), ("30000/1001", 30)])
def test_another_rate(v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path, rate: str, count: int) -> None:
    out = tmp_path / "out.mp4"
    assert v2v("convert", clip, "-o", out, "--model", edge_model, "-r", rate).code == 0
    step = 1 / Fraction(rate)
    assert times(out) == [(n * step, step) for n in range(count)]


def test_another_rate_begins_where_ss_says(v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    assert v2v("convert", clip, "-o", out, "--model", edge_model, "-ss", "0.33", "-t", "0.4", "-r", "10").code == 0
    assert times(out) == [(Fraction(n, 10), Fraction(1, 10)) for n in range(4)]


def test_a_stretch_without_frames(v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path) -> None:
    done = v2v("convert", clip, "-o", tmp_path / "out.mp4", "--model", edge_model, "-ss", "100")
    assert done.code == 5
    assert "no frame lies in the stretch" in done.err and "1 s long" in done.err
    assert list(tmp_path.iterdir()) == []


def test_repeated_frames_show_the_same_input(v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path) -> None:
    out, options = (
        tmp_path / "out.mp4",
        ["-r", "50", "--side-by-side", "-c:v", "libx264rgb", "-pix_fmt", "rgb24", "-crf", "0"],
    )
    assert v2v("convert", clip, "-o", out, "--model", edge_model, *options).code == 0
    frames, originals = read(out), read(clip)
    for n in range(50):
        np.testing.assert_array_equal(frames[n].image[:, :64], originals[n // 2].image)
