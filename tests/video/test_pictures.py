"""Numbered pictures, in and out: all of them under the final name, or none."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from v2vcli.errors import DamagedInput, InputError, OutputError, UsageError
from v2vcli.video import Encoding, Frame, VideoReader, VideoWriter
from v2vcli.video.destination import require_writable
from v2vcli.video.pictures import find_pictures, numbered

from .made import patterned
from .piped import even, frames


def _write(pattern: Path, pictures: list[Frame], **options: object) -> list[str]:
    height, width = pictures[0].image.shape[:2]
    settings = {"time_base": Fraction(1, 25), "rate": Fraction(25)} | options
    with VideoWriter(pattern, width=width, height=height, **settings) as writer:  # type: ignore[arg-type]
        for frame in pictures:
            writer.write(frame)
    return writer.warnings


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _pictures(folder: Path, count: int, name: str = "{:03d}.png") -> None:
    folder.mkdir(exist_ok=True)
    for i in range(count):
        cv2.imwrite(str(folder / name.format(i)), patterned(64, 48, i)[..., ::-1])


@pytest.mark.parametrize("size", [(64, 48), (33, 17)])
def test_png_comes_back_bit_by_bit(tmp_path: Path, size: tuple[int, int]) -> None:
    sent = frames([Fraction(i, 25) for i in range(12)], Fraction(1, 25), size)
    assert _write(tmp_path / "out" / "f%03d.png", sent) == []
    assert _names(tmp_path / "out") == [f"f{i:03d}.png" for i in range(1, 13)]
    assert _names(tmp_path) == ["out"]
    assert np.array_equal(cv2.imread(str(tmp_path / "out" / "f003.png"))[..., ::-1], sent[2].image)
    for place in (tmp_path / "out" / "f%03d.png", tmp_path / "out"):
        with VideoReader(place) as reader:
            assert (reader.info.frames, reader.info.width, reader.info.height) == (12, *size)
            got = list(reader)
        assert [(f.pts, f.duration) for f in got] == [(f.pts, f.duration) for f in sent]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(got, sent, strict=True))


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_pictures_hold_their_colours(tmp_path: Path, suffix: str) -> None:
    solid = Frame(np.full((48, 64, 3), (200, 40, 60), np.uint8), Fraction(0), Fraction(1, 25), 0)
    _write(tmp_path / "out" / f"%d{suffix}", [solid])
    other = cv2.imread(str(tmp_path / "out" / f"1{suffix}"))[..., ::-1]
    with VideoReader(tmp_path / "out") as reader:
        ours = next(iter(reader)).image
    for picture in (ours, other):
        assert np.abs(picture.astype(int) - (200, 40, 60)).max() <= 5


def test_quality_of_jpeg_goes_by_crf(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [Frame(rng.integers(0, 256, (48, 64, 3), np.uint8), Fraction(0), Fraction(1), 0)]
    sizes = []
    for crf in (2, 50):
        _write(tmp_path / str(crf) / "%d.jpg", noise, encoding=Encoding("mjpeg", crf=crf))
        sizes.append((tmp_path / str(crf) / "1.jpg").stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]


def test_uneven_times_are_lost_with_a_warning(tmp_path: Path) -> None:
    uneven = frames([Fraction(0), Fraction(1, 25), Fraction(1)], Fraction(1, 25))
    warnings = _write(tmp_path / "out" / "%d.png", uneven)
    assert len(warnings) == 1 and "-r RATE" in warnings[0]
    assert len(_names(tmp_path / "out")) == 3


def test_the_rate_to_read_at(tmp_path: Path) -> None:
    _pictures(tmp_path / "in", 6)
    rate = Fraction(24000, 1001)
    with VideoReader(tmp_path / "in", rate=rate, start=2 / rate, end=5 / rate) as reader:
        assert (reader.info.rate, reader.info.duration) == (rate, 6 / rate)
        assert [(f.pts, f.duration) for f in reader] == [(i / rate, 1 / rate) for i in (2, 3, 4)]
    with pytest.raises(UsageError, match="positive"):
        VideoReader(tmp_path / "in", rate=Fraction(0))


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    _pictures(tmp_path / "in", 12, "shot2_{}.png")
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    (tmp_path / "in" / ".hidden.png").write_text("nor this")
    assert [path.name for path in find_pictures(tmp_path / "in")] == [f"shot2_{i}.png" for i in range(12)]
    with VideoReader(tmp_path / "in") as reader:
        assert all(np.array_equal(f.image, patterned(64, 48, f.index)) for f in reader)


def test_a_pattern_ends_at_the_first_gap(tmp_path: Path) -> None:
    _pictures(tmp_path / "in", 8, "100%_{:02d}.png")
    (tmp_path / "in" / "100%_05.png").unlink()
    (tmp_path / "in" / "100%_00.png").unlink()
    found = find_pictures(tmp_path / "in" / "100%%_%02d.png")
    assert [path.name for path in found] == [f"100%_{i:02d}.png" for i in range(1, 5)]
    assert numbered("a/%04d.png", 12345).name == "12345.png"


def test_pictures_of_several_sizes_become_one(tmp_path: Path) -> None:
    _pictures(tmp_path / "in", 3)
    cv2.imwrite(str(tmp_path / "in" / "001.png"), np.zeros((24, 32, 3), np.uint8))
    with VideoReader(tmp_path / "in") as reader:
        assert [f.image.shape for f in reader] == [(48, 64, 3)] * 3
    assert any("changes size" in line for line in reader.warnings)


def test_broken_and_missing_pictures_are_one_line(tmp_path: Path) -> None:
    _pictures(tmp_path / "in", 4)
    (tmp_path / "in" / "002.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with VideoReader(tmp_path / "in") as reader:
        got: list[Frame] = []
        with pytest.raises(DamagedInput, match=r"after frame 2: .*002.png"):
            got.extend(reader)
    with VideoReader(tmp_path / "in", tolerant=True) as reader:
        assert [f.pts for f in reader] == [Fraction(i, 25) for i in (0, 1, 3)]
        assert reader.warnings == [f"{tmp_path / 'in'}: 1 pictures cannot be read (002.png); left out"]
    (tmp_path / "none").mkdir()
    for place, words in [
        (tmp_path / "none", "is a folder without pictures"),
        (tmp_path / "in" / "x%d.png", "no file is called"),
        (tmp_path / "no" / "%d.png", "cannot be read"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            VideoReader(place)
        assert "\n" not in str(caught.value)


def test_nothing_is_there_before_the_end_or_after_an_exception(tmp_path: Path) -> None:
    pattern = tmp_path / "out" / "%05d.png"
    with VideoWriter(pattern, width=64, height=48, time_base=Fraction(1, 25), rate=None) as writer:
        for frame in even(3):
            writer.write(frame)
            assert _names(tmp_path) == ["out.part"]
    assert len(_names(tmp_path / "out")) == 3
    with (
        pytest.raises(RuntimeError),
        VideoWriter(pattern, width=64, height=48, time_base=Fraction(1, 25), rate=None, overwrite=True) as writer,
    ):
        writer.write(even(1)[0])
        raise RuntimeError("boom")
    assert len(_names(tmp_path / "out")) == 3
    assert _names(tmp_path) == ["out"]


def test_only_an_own_set_is_replaced_and_only_when_asked(tmp_path: Path) -> None:
    pattern = tmp_path / "out" / "%05d.png"
    (tmp_path / "out").mkdir()
    _write(pattern, even(5))  # into an empty folder, as ffmpeg wants it made
    with pytest.raises(OutputError, match="-y overwrites"):
        _write(pattern, even(3))
    assert len(_names(tmp_path / "out")) == 5
    _write(pattern, even(3), overwrite=True)
    assert _names(tmp_path / "out") == ["00001.png", "00002.png", "00003.png"]
    assert _names(tmp_path) == ["out"]
    mine = tmp_path / "out" / "mine.txt"
    mine.write_text("keep")
    with pytest.raises(OutputError, match=r"holds other files than %05d.png \(mine.txt\)"):
        _write(pattern, even(3), overwrite=True)
    assert len(_names(tmp_path / "out")) == 4


def test_a_file_that_appears_meanwhile_is_not_thrown_away(tmp_path: Path) -> None:
    pattern = tmp_path / "out" / "%05d.png"
    _write(pattern, even(2))
    with (
        pytest.raises(OutputError, match=r"mine\.txt"),
        VideoWriter(pattern, width=64, height=48, time_base=Fraction(1, 25), rate=None, overwrite=True) as writer,
    ):
        writer.write(even(1)[0])
        (tmp_path / "out" / "mine.txt").write_text("keep")
    assert _names(tmp_path / "out") == ["00001.png", "00002.png", "mine.txt"]
    assert _names(tmp_path) == ["out"]


def test_the_input_is_never_replaced(tmp_path: Path) -> None:
    _pictures(tmp_path / "in", 2, "{:05d}.png")
    pattern = tmp_path / "in" / "%05d.png"
    for source in (tmp_path / "in", tmp_path / "in" / "00001.png"):
        with pytest.raises(OutputError, match="input itself"):
            require_writable(pattern, overwrite=True, inputs=[source])


def test_names_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, words in [
        ("%05d.png", "a folder of their own, such as frames/%05d.png"),
        ("out/%05d.bmp", "written as .png, .jpg"),
        ("one.png", "would be one picture"),
        ("%d.tga", "would be one picture"),
        ("no/such/%d.png", "does not exist"),
    ]:
        with pytest.raises(OutputError, match=words) as caught:
            _write(Path(name), even(1))
        assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match="cannot hold libx264 video; it holds png"):
        _write(Path("out/%d.png"), even(1), encoding=Encoding())
    assert _names(tmp_path) == []


def test_a_number_in_the_name_of_a_video_is_just_a_name(tmp_path: Path) -> None:
    _write(tmp_path / "take%d.mp4", even(2))
    assert _names(tmp_path) == ["take%d.mp4"]
    with VideoReader(tmp_path / "take%d.mp4") as reader:
        assert len(list(reader)) == 2


def test_percent_signs_in_folders_are_just_signs(tmp_path: Path) -> None:
    folder = tmp_path / "100%"
    _write(folder / "a%%_%d.png", even(2))
    assert _names(folder) == ["a%_1.png", "a%_2.png"]
    with VideoReader(folder / "a%%_%d.png") as reader:
        assert len(list(reader)) == 2
