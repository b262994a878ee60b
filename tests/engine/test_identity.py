"""A conversion that copies keeps everything: frames, times, size, tags, sound, subtitles, chapters, pixels.

`identity_material` has the videos, `pass_through` the model, `identity` what "keeps" means. The real files and the
whole table are `benchmarks/conformance.py`'s, which writes docs/conformance.md.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import v2vcli
from tests.engine.identity import Row, compare, psnr
from tests.engine.identity_material import FIXTURES, KNOWN, textured
from tests.engine.pass_through import passing_through
from tests.engine.plain_reading import contents
from tests.video.made import Maker
from v2vcli.engine.generator import Generator
from v2vcli.video import Encoding, Frame, VideoWriter


def _parameters() -> list[object]:
    return [
        pytest.param(
            name,
            marks=[
                *([pytest.mark.slow] if fixture.slow else []),
                *([pytest.mark.xfail(reason=KNOWN[name], strict=True)] if name in KNOWN else []),
            ],
        )
        for name, fixture in FIXTURES.items()
    ]


def _copied(name: str, folder: Path) -> Row:
    fixture = FIXTURES[name]
    (folder / "in").mkdir()
    source, target = fixture.make(Maker(folder / "in")), folder / f"out{fixture.target}"
    with passing_through(folder) as options:
        result = v2vcli.convert(source, target, **options, **fixture.lossless)
    assert result.progress.frames == len(contents(source).times)
    return compare(source, target)


@pytest.mark.parametrize("name", _parameters())
def test_a_copy_keeps_everything(name: str, tmp_path: Path) -> None:
    assert _copied(name, tmp_path).wrong == []


def test_copies_are_found_out_when_they_are_none(tmp_path: Path) -> None:
    """The comparison itself: each column notices the change that it is there for."""
    (tmp_path / "in").mkdir()
    source = FIXTURES["two-sounds"].make(Maker(tmp_path / "in"))
    assert compare(source, source).wrong == ["tags: without comment"]
    pictures = [textured(64, 48, n) for n in range(50)]

    def written(name: str, *, turned: bool = False, shift: int = 0, drop: int = 0, sound: bool = True) -> Row:
        path = tmp_path / name
        step = Fraction(1, 25)
        writer = VideoWriter(
            path,
            width=64,
            height=48,
            time_base=Fraction(1, 25000),
            rate=1 / step,
            encoding=Encoding(codec="ffv1", pix_fmt="bgr0"),
            copy_from=source,
            audio=sound,
            metadata={"comment": "Synthetic video, painted by v2v"},
        )
        with writer:
            for n, image in enumerate(pictures[: 50 - drop]):
                late = Fraction(shift, 25000) if n == 20 else 0
                shown = np.ascontiguousarray(image[:, ::-1]) if turned else image
                writer.write(Frame(shown, n * step + late, step, n))
        return compare(source, path)

    assert {line.split(":")[0] for line in written("turned.mp4", turned=True).wrong} == {"PSNR"}
    assert "pts: off by 0.04 ms" in written("late.mp4", shift=1).wrong
    assert "frames: 49 of 50" in written("short.mp4", drop=1).wrong
    assert "audio: 0 of 2" in written("mute.mp4", sound=False).wrong


def test_a_row_of_pixels_that_is_off_by_one_is_seen() -> None:
    flat = np.full((8, 8, 3), 100, np.float32)
    bright = flat + 2
    assert psnr(iter([flat, flat]), iter([flat, flat])) == float("inf")
    assert psnr(iter([flat, flat]), iter([flat, bright])) == pytest.approx(42.11, abs=0.01)
    assert psnr(iter([flat, flat]), iter([flat])) == float("-inf")


def test_the_copyist_is_a_generator_like_any_other(tmp_path: Path) -> None:
    """It goes through conditioning, padding and windows, and remembers like a model."""
    images = [textured(31, 17, n) for n in range(5)]
    with passing_through(tmp_path) as options:
        generator = Generator.load(options["model"])
        from v2vcli.engine import makers

        maps = makers.maker_for(generator.spec, None, generator.device, None).extract(images, (31, 17))  # type: ignore[arg-type]
        painted, past = generator.paint(maps[:3])
        assert past == 3
        again, past = generator.paint(maps[3:], past)
    assert past == 5
    np.testing.assert_array_equal(np.concatenate([painted, again]), np.stack(images))
