"""Pipes, in and out: nothing but video in them, everything at once, and an end that is one line or none."""

from __future__ import annotations

import io
import os
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from v2vcli.errors import ClosedPipe, DamagedInput, InputError, OutputError, UsageError
from v2vcli.video import Encoding, RawVideo, VideoReader, VideoWriter

from .made import Maker, patterned
from .piped import Feed, even, frames, streamed

RAW = RawVideo(64, 48)
TB = Fraction(1, 30000)
VFR = [Fraction(t) * TB for t in (0, 1001, 1500, 4000, 4001, 9000, 30000, 31001, 31002, 60000)]
# frames by which a format holds back what it has been given: Matroska's clusters and mp4's fragments end with the
# frame after, a packet of MPEG-TS is known to be whole when the next one begins, a frame when its next one does
DELAYS = {"nut": 0, "rawvideo": 0, "yuv4mpegpipe": 0, "matroska": 1, "webm": 1, "mp4": 1, "mpegts": 2}


def _options(format: str) -> dict[str, object]:
    return {"format": format, "raw": RAW if format == "rawvideo" else None}


@pytest.mark.parametrize("format", DELAYS)
def test_each_frame_is_there_as_soon_as_it_has_been_sent(format: str) -> None:
    chunks, warnings = streamed(even(8), format)
    assert warnings == []
    feed = Feed(**_options(format))
    for number, chunk in enumerate(chunks[:-1]):
        feed.send(chunk)
        due = number + 1 - DELAYS[format]
        assert feed.wait_for(due) >= due
    feed.send(chunks[-1])
    got = feed.end()
    assert feed.error is None
    assert feed.warnings == []
    assert [(f.pts, f.duration, f.index) for f in got] == [(f.pts, f.duration, f.index) for f in even(8)]
    assert all(np.abs(a.image.astype(int) - b.image).mean() < 6 for a, b in zip(got, even(8), strict=True))


@pytest.mark.parametrize(
    "codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1", "mpeg4", "mjpeg", "rawvideo"]
)
def test_no_encoder_keeps_a_frame_back(codec: str) -> None:
    pictures = even(6)
    chunks, _ = streamed(pictures, "nut", Encoding(codec=codec))
    assert [len(chunk) > 0 for chunk in chunks] == [True] * 7
    with VideoReader(io.BytesIO(b"".join(chunks)), format="nut") as reader:
        assert [f.pts for f in reader] == [f.pts for f in pictures]


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
def test_a_bit_rate_keeps_no_frame_back_either(codec: str) -> None:
    pictures = frames([Fraction(i, 25) for i in range(6)], Fraction(1, 25), (160, 128))  # SVT-AV1 takes none below 64
    chunks, _ = streamed(pictures, "nut", Encoding(codec=codec, bit_rate=300_000, gop=3))
    assert [len(chunk) > 0 for chunk in chunks] == [True] * 7


@pytest.mark.parametrize("late", [Fraction(0), Fraction(13, 25)])
@pytest.mark.parametrize("format", ["nut", "mp4"])
def test_any_times_go_through_exactly(format: str, late: Fraction) -> None:
    pictures = frames([p + late for p in VFR], 77 * TB)
    chunks, warnings = streamed(pictures, format, time_base=TB, rate=None)
    assert warnings == []
    data = b"".join(chunks)
    for live in (None, False):
        with VideoReader(io.BytesIO(data), format=format, live=live) as reader:
            got = list(reader)
        assert [f.pts for f in got] == [f.pts for f in pictures]
        if live is False:
            assert [f.duration for f in got][:-1] == [f.duration for f in pictures][:-1]
        elif format == "mp4":
            assert [f.duration for f in got] == [f.duration for f in pictures]


@pytest.mark.parametrize("format", ["yuv4mpegpipe", "rawvideo"])
def test_formats_of_an_even_rate_say_when_the_times_are_not(format: str) -> None:
    chunks, warnings = streamed(frames(VFR, TB), format, time_base=TB, rate=None)
    assert len(warnings) == 1 and "-r RATE" in warnings[0]
    with VideoReader(io.BytesIO(b"".join(chunks)), **_options(format)) as reader:  # type: ignore[arg-type]
        assert [f.pts for f in reader] == [Fraction(i, 25) for i in range(10)]


@pytest.mark.parametrize("size", [(64, 48), (1280, 720)])
@pytest.mark.parametrize("format", ["nut", "yuv4mpegpipe", "rawvideo", "mpegts"])
def test_colours_survive_where_no_tag_says_what_they_are(format: str, size: tuple[int, int]) -> None:
    solid = even(1)[0]
    image = np.full((size[1], size[0], 3), (200, 40, 60), np.uint8)
    codec = Encoding(codec="rawvideo") if format == "nut" else None
    chunks, _ = streamed([type(solid)(image, solid.pts, solid.duration, 0)], format, codec)
    raw = RawVideo(*size) if format == "rawvideo" else None
    with VideoReader(io.BytesIO(b"".join(chunks)), format=format, raw=raw) as reader:
        assert np.abs(next(iter(reader)).image.astype(int) - (200, 40, 60)).max() <= 3


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le", "gray"])
def test_raw_frames_in_any_format(pix_fmt: str) -> None:
    for format in ("yuv4mpegpipe", "rawvideo"):
        chunks, _ = streamed(even(3), format, Encoding(codec="rawvideo", pix_fmt=pix_fmt))
        raw = RawVideo(64, 48, pix_fmt) if format == "rawvideo" else None
        with VideoReader(io.BytesIO(b"".join(chunks)), format=format, raw=raw) as reader:
            assert reader.info.pix_fmt == pix_fmt
            for frame, sent in zip(reader, even(3), strict=True):
                wanted = sent.image.astype(float)
                if pix_fmt == "gray":
                    wanted = (wanted @ [0.299, 0.587, 0.114])[..., None]
                assert np.abs(frame.image - wanted).mean() < 4
    with pytest.raises(OutputError, match="cannot hold rgb24"):
        streamed(even(1), "yuv4mpegpipe", Encoding(codec="rawvideo", pix_fmt="rgb24"))


def test_raw_rgb_is_bit_exact_both_ways() -> None:
    rate = Fraction(24000, 1001)
    data = b"".join(streamed(even(4, rate), "rawvideo", Encoding(codec="rawvideo", pix_fmt="rgb24"))[0])
    assert data == b"".join(f.image.tobytes() for f in even(4))
    with VideoReader(io.BytesIO(data), format="rawvideo", raw=RawVideo(64, 48, "rgb24", rate)) as reader:
        got = list(reader)
    assert [(f.pts, f.duration) for f in got] == [(i / rate, 1 / rate) for i in range(4)]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(got, even(4), strict=True))


def test_a_start_in_a_pipe_is_reached_by_reading() -> None:
    data = b"".join(streamed(even(80), "matroska", Encoding(gop=5))[0])
    start, end = Fraction(12, 5), Fraction(14, 5)
    with VideoReader(io.BytesIO(data), format="matroska", start=start, end=end) as reader:
        assert [f.pts for f in reader] == [Fraction(i, 25) for i in range(60, 70)]


def test_ffmpegs_clock_counts_from_the_beginning_of_the_file() -> None:
    late = frames([Fraction(i, 25) + 9 for i in range(20)], Fraction(1, 25))
    data = b"".join(streamed(late, "mpegts")[0])
    with VideoReader(io.BytesIO(data), format="mpegts", start=Fraction(1, 5), from_origin=True) as reader:
        assert reader.start == reader.info.origin + Fraction(1, 5) == Fraction(46, 5)
        assert [f.pts for f in reader] == [f.pts for f in late[5:]]


def test_what_a_pipe_is_may_be_found_out() -> None:
    for format in ("nut", "matroska", "yuv4mpegpipe", "mpegts"):
        with VideoReader(io.BytesIO(b"".join(streamed(even(30), format)[0]))) as reader:
            assert len(list(reader)) == 30


def test_an_mp4_with_its_index_first_comes_through(make: Maker) -> None:
    fast = make("fast.mp4", audio=True, pts=range(30), container_options={"movflags": "+faststart"})
    with open(fast, "rb") as stream, VideoReader(stream.raw, format="mp4") as reader:  # type: ignore[attr-defined]
        assert [f.pts for f in reader] == [Fraction(i, 25) for i in range(30)]
    rng = np.random.default_rng(0)

    def noise(index: int) -> av.VideoFrame:
        image = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
        return av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuvj420p")

    slow = make("slow.mp4", codec="mjpeg", pix_fmt="yuvj420p", size=(320, 240), frame=noise)

    class Once(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(InputError, match="its index comes last"):
        VideoReader(Once(slow.read_bytes()), format="mp4")


def _one_line(kind: type[Exception], words: str, data: bytes, **options: object) -> None:
    with pytest.raises(kind, match=words) as caught:
        list(VideoReader(io.BytesIO(data), **options))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_everything_wrong_with_a_pipe_is_one_line() -> None:
    nut = b"".join(streamed(even(10), "nut")[0])
    _one_line(InputError, "ends before there is a video|cut short", b"", format="nut")
    _one_line(InputError, "is no matroska video", nut, format="matroska")
    _one_line(InputError, "give its format with -f", b"plain text\n" * 900)
    _one_line(UsageError, "choose apng", nut, format="lavfi")
    _one_line(UsageError, "give its size", nut, format="rawvideo")
    _one_line(UsageError, "to no other", nut, format="nut", raw=RAW)
    with pytest.raises(UsageError, match="above 0"):
        RawVideo(0, 3)
    with pytest.raises(UsageError, match="unknown pixel format"):
        RawVideo(2, 3, "rgb99")


def test_a_pipe_that_breaks_off_gives_the_good_frames_first(tmp_path: Path) -> None:
    data = b"".join(streamed(even(4), "yuv4mpegpipe")[0])[:-1000]
    with VideoReader(io.BytesIO(data), format="yuv4mpegpipe") as reader:
        got = []
        with pytest.raises(DamagedInput, match="after frame 3"):
            got += list(reader)
    with VideoReader(io.BytesIO(data), format="yuv4mpegpipe", tolerant=True) as reader:
        assert len(list(reader)) == 3
        assert "damaged" in reader.warnings[0]
    (tmp_path / "cut.y4m").write_bytes(data)
    with VideoReader(tmp_path / "cut.y4m") as reader, pytest.raises(DamagedInput, match="after frame 3"):
        list(reader)


class _Failing(io.RawIOBase):
    """A stream that breaks after so many bytes."""

    def __init__(self, data: bytes, error: BaseException) -> None:
        self._data, self._error = io.BytesIO(data), error

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found = self._data.read(size)
        if not found:
            raise self._error
        return found

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise self._error


def test_an_exception_in_a_stream_comes_out_as_what_it_is() -> None:
    nut = b"".join(streamed(even(10), "nut")[0])
    for error, kind in [(OSError(5, "broken"), InputError), (KeyboardInterrupt(), KeyboardInterrupt)]:
        with pytest.raises(kind), VideoReader(_Failing(nut, error), format="nut") as reader:
            list(reader)
    for error, kind in [
        (BrokenPipeError(32, "gone"), ClosedPipe),
        (OSError(28, "full"), OutputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ]:
        with pytest.raises(kind):
            VideoWriter(
                _Failing(b"", error), width=64, height=48, time_base=Fraction(1, 25), rate=None, format="nut"
            )  # the header is written at once


def test_a_closed_pipe_is_an_error_of_its_own() -> None:
    source, sink = os.pipe()
    with os.fdopen(sink, "wb", buffering=0) as stream:
        writer = VideoWriter(stream, width=64, height=48, time_base=Fraction(1, 25), rate=Fraction(25), format="nut")
        pictures = even(200)
        writer.write(pictures[0])
        os.close(source)
        with pytest.raises(ClosedPipe), writer:
            for frame in pictures[1:]:
                writer.write(frame)


def test_a_pipe_needs_a_format_that_goes_through_one() -> None:
    with pytest.raises(UsageError, match="give -f mp4"):
        VideoWriter("-", width=64, height=48, time_base=Fraction(1, 25), rate=None)
    with pytest.raises(UsageError, match="cannot be written to a pipe"):
        VideoWriter("-", width=64, height=48, time_base=Fraction(1, 25), rate=None, format="avi")
    with pytest.raises(UsageError, match="not a format"):
        VideoWriter("-", width=64, height=48, time_base=Fraction(1, 25), rate=None, format="tape")


def test_a_slow_reader_slows_the_writer_and_loses_nothing() -> None:
    source, sink = os.pipe()
    received = bytearray()

    def slowly() -> None:
        with os.fdopen(source, "rb", buffering=0) as stream:
            while part := stream.read(4096):
                received.extend(part)

    thread = threading.Thread(target=slowly, daemon=True)
    thread.start()
    big = [type(f)(patterned(320, 240, f.index), f.pts, f.duration, f.index) for f in even(12)]
    with (
        os.fdopen(sink, "wb", buffering=0) as stream,
        VideoWriter(
            stream, width=320, height=240, time_base=Fraction(1, 25), rate=Fraction(25), format="rawvideo"
        ) as writer,
    ):
        for frame in big:
            writer.write(frame)
    thread.join(30)
    assert len(received) == 12 * 320 * 240 * 3 // 2
