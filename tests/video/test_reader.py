"""Exact times out of odd files, cutting, repair, and one typed error for every way a file can be wrong."""

from __future__ import annotations

import os
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from v2vcli.errors import DamagedInput, InputError, UsageError
from v2vcli.video import Frame, VideoReader
from v2vcli.video.timing import PtsRepair, movie_timescale, unit_time_base

from .made import Maker, patterned

TB = Fraction(1, 30000)
VFR = [0, 1001, 1500, 4000, 4001, 9000, 30000, 31001, 31002, 60000]


def _times(path: Path, **options: object) -> list[tuple[Fraction, Fraction]]:
    with VideoReader(path, **options) as reader:  # type: ignore[arg-type]
        return [(frame.pts, frame.duration) for frame in reader]


def _expected(pts: list[int], last: int, time_base: Fraction = TB) -> list[tuple[Fraction, Fraction]]:
    ends = [*pts[1:], pts[-1] + last]
    return [(p * time_base, (e - p) * time_base) for p, e in zip(pts, ends, strict=True)]


@pytest.mark.parametrize("bframes", ["0", "3"])
@pytest.mark.parametrize("offset", [0, 300007], ids=["from 0", "late start"])
def test_variable_rate_and_late_start_are_exact(make: Maker, bframes: str, offset: int) -> None:
    pts = [p + offset for p in VFR]
    path = make(
        "vfr.mp4",
        pts=pts,
        time_base=TB,
        rate=Fraction(30),
        options={"bf": bframes, "preset": "medium"},
        container_options={"movie_timescale": "30000", "video_track_timescale": "30000"},
        last_duration=1234,
    )
    times = _times(path)
    assert [t[0] for t in times] == [p * TB for p in pts]
    assert times[:-1] == _expected(pts, 1234)[:-1]
    if bframes == "0":
        assert times[-1] == _expected(pts, 1234)[-1]


def test_info_says_what_comes_out(make: Maker) -> None:
    path = make(
        "info.mp4",
        pts=[1001 * i for i in range(12)],
        time_base=TB,
        rate=Fraction(30000, 1001),
        pix_fmt="yuv420p10le",
        sample_aspect=Fraction(4, 3),
        audio=True,
        metadata={"title": "a title"},
    )
    with VideoReader(path) as reader:
        info = reader.info
        images = [frame.image for frame in reader]
    assert (info.width, info.height) == (64, 48)
    assert {image.shape for image in images} == {(48, 64, 3)}
    assert all(image.dtype == np.uint8 and image.flags.c_contiguous for image in images)
    assert info.rate == Fraction(30000, 1001)
    assert info.frames == 12
    assert info.duration == 12 * 1001 * TB
    assert info.sample_aspect == Fraction(4, 3)
    assert (info.pix_fmt, info.bit_depth, info.has_alpha, info.rotation) == ("yuv420p10le", 10, False, 0)
    assert info.has_audio
    assert info.metadata["title"] == "a title"
    assert info.start == 0


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.ts", "cut.mpg"])
def test_start_and_end_are_frame_exact(make: Maker, name: str) -> None:
    mpeg = name.endswith("mpg")
    path = make(
        name,
        pts=range(150),
        time_base=Fraction(1, 25),
        codec="mpeg2video" if mpeg else "libx264",
        options={"g": "40", "bf": "2", **({} if mpeg else {"preset": "fast"})},
    )
    with VideoReader(path) as reader:
        everything = list(reader)
    assert len(everything) == 150
    for first, stop in [(0, 3), (39, 41), (40, 80), (73, 74), (101, 150), (149, 150)]:
        start, end = everything[first].pts, everything[stop].pts if stop < 150 else None
        with VideoReader(path, start=start, end=end) as reader:
            part = list(reader)
        assert [f.pts for f in part] == [f.pts for f in everything[first:stop]]
        assert [f.index for f in part] == list(range(stop - first))
        assert [f.duration for f in part] == [f.duration for f in everything[first:stop]]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(part, everything[first:stop], strict=True))


def test_range_between_frames_and_beyond(make: Maker) -> None:
    path = make("short.mp4", pts=range(10), time_base=Fraction(1, 10))
    inside = _times(path, start=Fraction(1, 4), end=Fraction(1, 2))
    assert inside == [(Fraction(3, 10), Fraction(1, 10)), (Fraction(4, 10), Fraction(1, 10))]
    assert _times(path, start=Fraction(100)) == []
    with pytest.raises(UsageError, match="not after"):
        VideoReader(path, start=Fraction(2), end=Fraction(2))


def test_missing_times_are_counted_out_and_said(make: Maker) -> None:
    path = make("raw.h264", pts=range(7), time_base=Fraction(1, 25))
    with VideoReader(path) as reader:
        frames = list(reader)
    assert [f.pts for f in frames] == [Fraction(i, 25) for i in range(7)]
    assert {f.duration for f in frames} == {Fraction(1, 25)}
    assert any("7 frames carried no time" in line for line in reader.warnings)


def test_repair_of_gaps_repeats_and_jumps_back() -> None:
    repair = PtsRepair(Fraction(1, 1000), Fraction(30000, 1001))
    given = [0, None, None, 100, 100, 90, 133, None]
    times = [repair(pts) * 1000 for pts in given]
    assert times == [0, 33, 67, 100, 101, 102, 133, 166]
    assert (repair.invented, repair.moved) == (3, 2)
    assert len(repair.warnings("x")) == 2


def test_invented_times_do_not_drift() -> None:
    repair = PtsRepair(Fraction(1, 1000), Fraction(30000, 1001))
    times = [repair(None) for _ in range(30001)]
    assert times[30000] == 1001


def test_time_bases() -> None:
    assert unit_time_base(Fraction(1001, 30000), Fraction(1, 2)) == Fraction(1, 30000)
    assert unit_time_base(Fraction(1, 12800), Fraction(1, 3)) == Fraction(1, 38400)
    assert unit_time_base(Fraction(1, 2**31)) is None
    assert movie_timescale([12800, 44100]) == 5644800
    assert movie_timescale([2**31 - 1, 44100]) == 2**31 - 1


def test_size_change_on_the_way_is_scaled(make: Maker, tmp_path: Path) -> None:
    big, small = make("a.h264", size=(64, 48)), make("b.h264", size=(32, 32))
    joined = tmp_path / "joined.h264"
    joined.write_bytes(big.read_bytes() + small.read_bytes())
    with VideoReader(joined) as reader:
        frames = list(reader)
    assert len(frames) == 20
    assert {f.image.shape for f in frames} == {(48, 64, 3)}
    assert sum("changes size" in line for line in reader.warnings) == 1


def test_interlaced_is_kept_and_said(make: Maker) -> None:
    path = make("i.mp4", options={"x264-params": "interlaced=1:tff=1"})
    with VideoReader(path) as reader:
        assert len(list(reader)) == 10
    assert any("interlaced" in line for line in reader.warnings)


def test_names_that_look_like_something_else(make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make("plain.mp4").read_bytes()
    monkeypatch.chdir(tmp_path)
    for name in ["-dash.mp4", "a:b.mp4", "http:x.mp4", "50%d.mp4", "with space & ünïcödé 日本.mp4"]:
        Path(name).write_bytes(source)
        assert len(_times(Path(name))) == 10


def _cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def _detailed(make: Maker, name: str, **more: object) -> Path:
    """A file in which every frame has real bytes, so that cutting it loses some."""
    rng = np.random.default_rng(0)

    def noise(i: int) -> av.VideoFrame:
        image = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        return av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")

    return make(name, pts=range(100), frame=noise, options={"g": "10"}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
def test_truncated_file(make: Maker, name: str) -> None:
    faststart = {"container_options": {"movflags": "+faststart"}} if name.endswith("mp4") else {}
    path = _cut(_detailed(make, name, **faststart), 0.6)
    good: list[Frame] = []
    with VideoReader(path) as reader, pytest.raises(DamagedInput, match="--tolerant"):
        good.extend(reader)
    assert 50 <= len(good) <= 65
    assert [f.pts for f in good] == [Fraction(i, 25) for i in range(len(good))]
    with VideoReader(path, tolerant=True) as reader:
        kept = list(reader)
    assert len(kept) >= len(good)
    assert any("damaged" in line for line in reader.warnings)


def test_damage_in_the_middle(make: Maker) -> None:
    path = _detailed(make, "hit.mp4")
    with av.open(str(path)) as container:
        hit = [packet.pos for packet in container.demux(video=0) if packet.pos][50]
    data = bytearray(path.read_bytes())
    data[hit : hit + 64] = b"\xff" * 64
    path.write_bytes(bytes(data))
    good: list[Frame] = []
    with VideoReader(path) as reader, pytest.raises(DamagedInput, match="damaged after frame"):
        good.extend(reader)
    assert len(good) >= 48
    with VideoReader(path, tolerant=True) as reader:
        kept = list(reader)
    assert len(kept) >= 90
    assert reader.warnings


def test_every_kind_of_wrong_file_has_its_own_line(make: Maker, tmp_path: Path) -> None:
    def says(path: Path, words: str, kind: type[InputError] = InputError) -> None:
        with pytest.raises(kind, match=words) as caught:
            VideoReader(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)

    says(tmp_path / "nowhere.mp4", "does not exist")
    says(tmp_path, "is a folder")
    (tmp_path / "empty.mp4").write_bytes(b"")
    says(tmp_path / "empty.mp4", "is empty")
    for name in ["text.mp4", "text.txt", "text.nfo"]:
        (tmp_path / name).write_text("this is not a video\n" * 50)
        says(tmp_path / name, "is not a video")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n")
    says(tmp_path / "list.m3u8", "not a video|cannot be opened|no video stream")
    says(_cut(make("no_moov.mp4"), 0.6), "index is missing")

    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        tone.sample_rate = 8000
        container.mux(stream.encode(tone))
    says(sound, "no video stream")

    strange = make("strange.mp4")
    data = strange.read_bytes()
    assert data.count(b"avc1") >= 1
    strange.write_bytes(data.replace(b"avc1", b"zzzz"))
    says(strange, "codec is unknown")

    noise = make("noise.mp4", pix_fmt="yuv444p", options={"qp": "0"})
    with av.open(str(noise)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.pos]
    data2 = bytearray(noise.read_bytes())
    for position, size in places:
        data2[position : position + size] = b"\xee" * size
    noise.write_bytes(bytes(data2))
    says(noise, "frame 0|nothing in it can be decoded")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    outcome: list[BaseException] = []

    def attempt() -> None:
        try:
            VideoReader(pipe)
        except InputError as error:
            outcome.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(5)
    assert outcome and "regular file" in str(outcome[0])


def test_second_video_stream_and_cover_pictures(make: Maker, tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25, width=w, height=32) for w in (64, 32)]
        for stream in streams:
            stream.pix_fmt = "yuv420p"
        for i in range(5):
            for stream in streams:
                picture = av.VideoFrame.from_ndarray(patterned(stream.width, 32, i), format="rgb24")
                picture.pts, picture.time_base = i, Fraction(1, 25)
                container.mux(stream.encode(picture))
        for stream in streams:
            container.mux(stream.encode(None))
    with VideoReader(path) as reader:
        assert {f.image.shape for f in reader} == {(32, 64, 3)}
    assert any("2 video streams" in line for line in reader.warnings)


def test_closing_twice_and_early(make: Maker) -> None:
    reader = VideoReader(make("early.mp4"))
    next(iter(reader))
    reader.close()
    reader.close()
    assert list(reader) == []


def test_ffmpeg_keeps_quiet(make: Maker, capfd: pytest.CaptureFixture[str]) -> None:
    path = _cut(_detailed(make, "loud.mp4", container_options={"movflags": "+faststart"}), 0.6)
    capfd.readouterr()
    with VideoReader(path, tolerant=True) as reader:
        list(reader)
    assert capfd.readouterr() == ("", "")
