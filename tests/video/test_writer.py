"""What is written is what was given: times, sizes, pixels; and a file is either whole or not there."""

from __future__ import annotations

import hashlib
import os
import resource
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from v2vcli.errors import OutputError
from v2vcli.video import Encoding, Frame, VideoReader, VideoWriter

from .made import Maker, patterned

TB = Fraction(1, 30000)
FAST = Encoding(preset="ultrafast")


def _frames(pts: list[Fraction], last: Fraction, size: tuple[int, int] = (64, 48)) -> list[Frame]:
    ends = [*pts[1:], pts[-1] + last]
    return [Frame(patterned(*size, i), p, e - p, i) for i, (p, e) in enumerate(zip(pts, ends, strict=True))]


def _write(path: Path, frames: list[Frame], time_base: Fraction, **options: object) -> list[str]:
    height, width = frames[0].image.shape[:2]
    settings = {"rate": None, "encoding": FAST} | options
    with VideoWriter(path, width=width, height=height, time_base=time_base, **settings) as writer:  # type: ignore[arg-type]
        for frame in frames:
            writer.write(frame)
    return writer.warnings


def _times(path: Path) -> list[tuple[Fraction, Fraction]]:
    with VideoReader(path) as reader:
        return [(frame.pts, frame.duration) for frame in reader]


def _stored_times(path: Path) -> list[tuple[Fraction, Fraction]]:
    """Times as plain PyAV reports them, without any of the reader's reasoning."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return [(f.pts * stream.time_base, f.duration * stream.time_base) for f in container.decode(stream)]


VFR = [Fraction(t) * TB for t in (0, 1001, 1500, 4000, 4001, 9000, 30000, 31001, 31002, 60000)]
TIMINGS = {
    "25 fps": ([Fraction(i, 25) for i in range(10)], Fraction(1, 25), Fraction(1, 25)),
    "29.97 fps": ([i * Fraction(1001, 30000) for i in range(10)], Fraction(1001, 30000), Fraction(1001, 30000)),
    "variable": (VFR, 1234 * TB, TB),
    "late": ([p + 300007 * TB for p in VFR], 77 * TB, TB),
    "90 kHz": ([Fraction(3003 * i + 132000, 90000) for i in range(10)], Fraction(3003, 90000), Fraction(1, 90000)),
    "1 fps": ([Fraction(i) for i in range(5)], Fraction(1), Fraction(1)),
    "one frame": ([Fraction(5, 7)], Fraction(3, 7), Fraction(1, 7)),
}


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("timing", TIMINGS)
def test_times_and_durations_land_exactly(tmp_path: Path, timing: str, suffix: str) -> None:
    pts, last, time_base = TIMINGS[timing]
    frames = _frames(pts, last)
    path = tmp_path / f"out{suffix}"
    assert _write(path, frames, time_base) == []
    expected = [(f.pts, f.duration) for f in frames]
    assert _times(path) == expected
    assert _stored_times(path) == expected


@pytest.mark.parametrize("codec", ["libx265", "libsvtav1", "mpeg4"])
def test_other_encoders_keep_times_too(tmp_path: Path, codec: str, capfd: pytest.CaptureFixture[str]) -> None:
    pts = [i * Fraction(1001, 30000) for i in range(10)]
    frames = _frames(pts, Fraction(1001, 30000))
    encoding = Encoding(codec=codec, preset="ultrafast", crf=30)
    _write(tmp_path / "o.mp4", frames, Fraction(1001, 30000), encoding=encoding)
    assert _stored_times(tmp_path / "o.mp4") == [(f.pts, f.duration) for f in frames]
    assert capfd.readouterr() == ("", "")


def test_matroska_holds_milliseconds_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"
    whole = [Fraction(t, 1000) for t in (0, 41, 83, 125, 300, 301)]
    assert _write(path, _frames(whole, Fraction(42, 1000)), Fraction(1, 1000), rate=Fraction(24)) == []
    assert [t[0] for t in _times(path)] == whole
    (path).unlink()
    pts = [i * Fraction(1001, 30000) for i in range(30)]
    warnings = _write(path, _frames(pts, Fraction(1001, 30000)), Fraction(1001, 30000), rate=Fraction(30000, 1001))
    assert len(warnings) == 1 and "rounded" in warnings[0]
    assert [t[0] for t in _times(path)] == [Fraction(int(p * 1000 + Fraction(1, 2)), 1000) for p in pts]


def test_start_moves_everything_to_zero(make: Maker, tmp_path: Path) -> None:
    source = make("in.mp4", pts=range(50), audio=True)
    start, end = Fraction(1, 3), Fraction(3, 2)
    with VideoReader(source, start=start, end=end) as reader:
        frames = list(reader)
    _write(tmp_path / "o.mp4", frames, Fraction(1, 25), copy_from=source, start=start, end=end)
    assert [t[0] for t in _times(tmp_path / "o.mp4")] == [f.pts - start for f in frames]
    with av.open(str(tmp_path / "o.mp4")) as container:
        sound = [p for p in container.demux(audio=0) if p.size]
        assert 0 <= sound[0].pts * sound[0].time_base < Fraction(1024, 44100)
        length = (sound[-1].pts + sound[-1].duration) * sound[-1].time_base
    assert abs(length - (end - start)) < Fraction(2048, 44100)


def test_a_negative_start_is_moved_with_a_warning(tmp_path: Path) -> None:
    pts = [Fraction(i - 3, 25) for i in range(8)]
    warnings = _write(tmp_path / "o.mp4", _frames(pts, Fraction(1, 25)), Fraction(1, 25))
    assert "moved to begin at 0" in warnings[0]
    assert [t[0] for t in _times(tmp_path / "o.mp4")] == [Fraction(i, 25) for i in range(8)]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 2), (2, 3), (319, 179), (17, 64), (64, 17), (16, 180)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_any_size_in_same_size_out(tmp_path: Path, size: tuple[int, int], pix_fmt: str) -> None:
    path = tmp_path / "out.mp4"
    frames = _frames([Fraction(0), Fraction(1, 25)], Fraction(1, 25), size)
    warnings = _write(path, frames, Fraction(1, 25), encoding=Encoding(pix_fmt=pix_fmt, crf=1))
    with VideoReader(path) as reader:
        assert (reader.info.width, reader.info.height) == size
        assert reader.info.bit_depth == (10 if "10" in pix_fmt else 8)
        image = next(iter(reader)).image
    assert image.shape == (size[1], size[0], 3)
    odd = size[0] % 2 or size[1] % 2
    assert bool(warnings) == bool(odd)
    if odd:
        assert np.abs(image.astype(int) - frames[0].image).mean() < 3  # 4:4:4: not even the colour edge is blurred


@pytest.mark.parametrize(
    "codec, pix_fmt, suffix",
    [
        ("libx265", "yuv420p", ".mp4"),
        ("libvpx-vp9", "yuv420p", ".webm"),
        ("libsvtav1", "yuv420p", ".mp4"),
        ("ffv1", "yuv420p", ".mkv"),
        ("mjpeg", "yuvj420p", ".mkv"),
        ("mpeg4", "yuv420p", ".mp4"),
        ("prores_ks", "yuv422p10le", ".mov"),
    ],
)
def test_odd_sizes_are_whole_to_the_last_pixel(tmp_path: Path, codec: str, pix_fmt: str, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    solid = Frame(np.full((67, 65, 3), (200, 40, 60), np.uint8), Fraction(0), Fraction(1, 25), 0)
    _write(path, [solid], Fraction(1, 25), encoding=Encoding(codec=codec, pix_fmt=pix_fmt, crf=10, preset=None))
    with VideoReader(path) as reader:
        image = next(iter(reader)).image
    assert image.shape == (67, 65, 3)
    assert np.abs(image.astype(int) - (200, 40, 60)).max() <= 4


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sample_aspect_is_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    _write(path, _frames([Fraction(0)], Fraction(1, 25)), Fraction(1, 25), sample_aspect=Fraction(1137, 800))
    with VideoReader(path) as reader:
        assert reader.info.sample_aspect == Fraction(1137, 800)


def test_index_comes_first_and_bytes_repeat(tmp_path: Path) -> None:
    digests = set()
    for name in ["a", "b"]:
        for suffix in [".mp4", ".mkv"]:
            path = tmp_path / f"{name}{suffix}"
            _write(path, _frames([Fraction(i, 25) for i in range(20)], Fraction(1, 25)), Fraction(1, 25))
            digests.add((suffix, hashlib.sha256(path.read_bytes()).hexdigest()))
    assert len(digests) == 2
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_x264_keeps_away_from_its_avx512_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    # there two encodings of the same frames differ now and then, by what lies in memory: no test can wait for that
    def options(avx512: bool, **given: str) -> str | None:
        monkeypatch.setattr("v2vcli.video.encoding._has_avx512", lambda: avx512)
        return Encoding(options=given).encoder_options().get("x264-params")

    assert options(False) is None
    assert options(True) == "asm=avx2,fma3,bmi2"
    assert options(True, **{"x264-params": "keyint=3"}) == "keyint=3:asm=avx2,fma3,bmi2"
    assert options(True, **{"x264-params": "asm=0:keyint=3"}) == "asm=0:keyint=3"


def test_only_a_finished_file_has_the_name(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    frames = _frames([Fraction(i, 25) for i in range(5)], Fraction(1, 25))
    with VideoWriter(path, width=64, height=48, time_base=Fraction(1, 25), rate=None, encoding=FAST) as writer:
        for frame in frames:
            writer.write(frame)
            assert not path.exists()
            assert (tmp_path / "out.part.mp4").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    with pytest.raises(OutputError, match="closed"):
        writer.write(frames[0])
    writer.close()


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt()])
def test_nothing_is_left_after_an_exception(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"the old one")
    with (
        pytest.raises(type(error)),
        VideoWriter(
            path, width=64, height=48, time_base=Fraction(1, 25), rate=None, encoding=FAST, overwrite=True
        ) as writer,
    ):
        writer.write(_frames([Fraction(0)], Fraction(1, 25))[0])
        raise error
    assert path.read_bytes() == b"the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_overwriting_has_to_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    frames = _frames([Fraction(0)], Fraction(1, 25))
    _write(path, frames, Fraction(1, 25))
    with pytest.raises(OutputError, match="-y overwrites"):
        _write(path, frames, Fraction(1, 25))
    _write(path, frames, Fraction(1, 25), overwrite=True)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_of_two_writers_the_second_is_refused(tmp_path: Path, suffix: str) -> None:
    """The part file stays the one that was made, through the rewriting that puts an mp4's index first."""
    path = tmp_path / f"out{suffix}"
    frames = _frames([Fraction(i, 25) for i in range(5)], Fraction(1, 25))
    with VideoWriter(path, width=64, height=48, time_base=Fraction(1, 25), rate=None, encoding=FAST) as writer:
        made = (tmp_path / f"out.part{suffix}").stat().st_ino
        for frame in frames:
            with pytest.raises(OutputError, match="another v2v is writing this"):
                _write(path, frames, Fraction(1, 25), overwrite=True)
            writer.write(frame)
    _write(tmp_path / f"alone{suffix}", frames, Fraction(1, 25))
    assert path.stat().st_ino == made
    assert path.read_bytes() == (tmp_path / f"alone{suffix}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_is_called_like_the_part_file_survives(tmp_path: Path) -> None:
    kept = tmp_path / "keep.part.mp4"
    kept.write_bytes(b"mine")
    with pytest.raises(OutputError, match="in the way"):
        _write(tmp_path / "keep.mp4", _frames([Fraction(0)], Fraction(1, 25)), Fraction(1, 25), overwrite=True)
    assert kept.read_bytes() == b"mine"


def test_a_target_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with (
        pytest.raises(OutputError, match="exists"),
        VideoWriter(path, width=64, height=48, time_base=Fraction(1, 25), rate=None, encoding=FAST) as writer,
    ):
        writer.write(_frames([Fraction(0)], Fraction(1, 25))[0])
        path.write_bytes(b"somebody else's")
    assert path.read_bytes() == b"somebody else's"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_input_is_never_the_output(make: Maker, tmp_path: Path) -> None:
    source = make("in.mp4")
    before = source.read_bytes()
    link = tmp_path / "link.mp4"
    link.symlink_to(source)
    twin = make("x.part.mp4")
    for target, origin in [(source, source), (link, source), (tmp_path / "x.mp4", twin)]:
        with pytest.raises(OutputError, match="is the input itself"):
            _write(target, _frames([Fraction(0)], Fraction(1, 25)), Fraction(1, 25), copy_from=origin, overwrite=True)
    assert source.read_bytes() == before and twin.exists()


def _refused(path: Path, words: str, *, size: tuple[int, int] = (64, 48), **options: object) -> None:
    with pytest.raises(OutputError, match=words) as caught:
        VideoWriter(path, width=size[0], height=size[1], time_base=Fraction(1, 25), rate=None, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not list(path.parent.glob("*.part*")) if path.parent.is_dir() else True


def test_every_refusal_comes_before_any_work(tmp_path: Path) -> None:
    _refused(tmp_path / "no" / "such" / "out.mp4", "does not exist")
    (tmp_path / "file").write_bytes(b"")
    _refused(tmp_path / "file" / "out.mp4", "is a file")
    _refused(tmp_path, "is a folder|exists")
    _refused(tmp_path / "out.xyz", "no known video container")
    _refused(tmp_path / "out", "no known video container")
    _refused(tmp_path / "out.webm", "cannot hold libx264 video; it holds libsvtav1, libvpx-vp9", encoding=FAST)
    _refused(tmp_path / "out.mp4", "cannot hold prores_ks", encoding=Encoding(codec="prores_ks"))
    _refused(tmp_path / "out.mp4", "refuses 4x4", size=(4, 4), encoding=Encoding(codec="libx265"))
    _refused(tmp_path / "out.mp4", "no option speeed", encoding=Encoding(options={"speeed": "9"}))
    _refused(tmp_path / "out.mp4", "refuses", encoding=Encoding(options={"preset": "warp"}))
    for settings, words in [
        ({"codec": "libx999"}, "unknown video encoder"),
        ({"codec": "aac"}, "encodes audio"),
        ({"pix_fmt": "yuv999"}, "unknown pixel format"),
        ({"pix_fmt": "rgba"}, "cannot store rgba"),
    ]:
        with pytest.raises(OutputError, match=words):
            Encoding(**settings)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_folder(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    _refused(folder / "out.mp4", "cannot write in .*permission denied")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder nobody can write in")
def test_folder_that_takes_no_files() -> None:
    _refused(Path("/proc/self/out.mp4"), "cannot write in")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / f"out{suffix}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # the kernel refuses to let the file grow on
    try:
        with (
            pytest.raises(OutputError, match=r"size limit|disk is full") as caught,
            VideoWriter(path, width=64, height=48, time_base=Fraction(1, 25), rate=None, encoding=FAST) as writer,
        ):
            for i in range(200):
                image = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
                writer.write(Frame(image, Fraction(i, 25), Fraction(1, 25), i))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_wrong_frames_are_refused(tmp_path: Path) -> None:
    frames = _frames([Fraction(0), Fraction(1, 25)], Fraction(1, 25))
    with pytest.raises(OutputError, match="does not come after"):
        _write(tmp_path / "a.mp4", [frames[0], frames[0]], Fraction(1, 25))
    with pytest.raises(OutputError, match="is 10x10"):
        _write(tmp_path / "b.mp4", [frames[0], *_frames([Fraction(1)], Fraction(1), (10, 10))], Fraction(1, 25))
    broad = Frame(frames[0].image.astype(np.float32), Fraction(0), Fraction(1, 25), 0)  # type: ignore[arg-type]
    with pytest.raises(OutputError, match="not uint8 RGB"):
        _write(tmp_path / "d.mp4", [broad], Fraction(1, 25))
    with pytest.raises(OutputError, match="no frame was written"):
        VideoWriter(tmp_path / "c.mp4", width=64, height=48, time_base=Fraction(1, 25), rate=None).close()
    assert list(tmp_path.iterdir()) == []


def test_encoder_settings_reach_the_encoder(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [
        Frame(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), Fraction(i, 25), Fraction(1, 25), i) for i in range(12)
    ]
    sizes = []
    for crf in (10, 40):
        path = tmp_path / f"{crf}.mp4"
        _write(
            path,
            frames,
            Fraction(1, 25),
            encoding=Encoding(crf=crf, preset="veryfast", options={"g": "3", "sc_threshold": "0"}),
        )
        sizes.append(path.stat().st_size)
        with av.open(str(path)) as container:
            assert [p.is_keyframe for p in container.demux(video=0) if p.size][:4] == [True, False, False, True]
    assert sizes[0] > 2 * sizes[1]
    assert Encoding(codec="libsvtav1", preset="slow").encoder_options() == {"crf": "30", "preset": "5"}
    assert "crf" not in Encoding(codec="ffv1", pix_fmt="yuv420p").encoder_options()


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_frame_an_hour_is_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"slow.{suffix}"
    with VideoWriter(path, width=64, height=48, time_base=Fraction(1, 1000), rate=Fraction(1, 3000)) as writer:
        writer.write(Frame(np.zeros((48, 64, 3), np.uint8), Fraction(0), Fraction(3000), 0))
    with VideoReader(path) as reader:
        assert len(list(reader)) == 1
