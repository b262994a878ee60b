"""Encoders: what they store, how deep, what stands in for them, and what fits where."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from v2vcli.errors import OutputError, UsageError
from v2vcli.video import Encoding, Frame, VideoReader, VideoWriter
from v2vcli.video.codecs import ENCODERS, pixel_formats
from v2vcli.video.containers import default_codec, find_container, require_fit

from .piped import even

SIZE = (64, 48)


def _write(path: Path, pictures: list[Frame], encoding: Encoding | None, **options: object) -> list[str]:
    height, width = pictures[0].image.shape[:2]
    settings = {"time_base": Fraction(1, 25), "rate": Fraction(25)} | options
    with VideoWriter(path, width=width, height=height, encoding=encoding, **settings) as writer:  # type: ignore[arg-type]
        for frame in pictures:
            writer.write(frame)
    return writer.warnings


def _noise(count: int, size: tuple[int, int] = (160, 128)) -> list[Frame]:
    rng = np.random.default_rng(0)
    shape = (size[1], size[0], 3)
    return [Frame(rng.integers(100, 130, shape, np.uint8), Fraction(i, 25), Fraction(1, 25), i) for i in range(count)]


def test_what_is_left_out_is_filled_in() -> None:
    assert (Encoding().codec, Encoding().crf, Encoding().preset, Encoding().pix_fmt) == (
        "libx264",
        18,
        "medium",
        "yuv420p",
    )
    assert (Encoding("libsvtav1").crf, Encoding("libvpx-vp9").crf, Encoding("ffv1").crf) == (30, 31, None)
    assert Encoding("prores_ks").pix_fmt == "yuv422p10le"
    assert Encoding(bit_rate=500_000).crf is None
    assert Encoding("libx264rgb", crf=0).pix_fmt == "rgb24"


def test_settings_that_cannot_be_are_one_line() -> None:
    for settings, words in [
        ({"crf": 20, "bit_rate": 10**6}, "quality or bit rate"),
        ({"crf": 52}, "goes from 0"),
        ({"bit_rate": 5}, "2M is two million"),
        ({"codec": "ffv1", "bit_rate": 10**6}, "no bit rate"),
        ({"gop": 0}, "at least 1"),
    ]:
        with pytest.raises(UsageError, match=words) as caught:
            Encoding(**settings)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match=r"unknown video encoder 'x264'; try libx264, libx265, libsvtav1"):
        Encoding("x264")
    if not any("10" in name for name in pixel_formats("libvpx-vp9")):
        with pytest.raises(OutputError, match=r"8 bits only, libx264, libx265, libsvtav1, ffv1 take yuv420p10le"):
            Encoding("libvpx-vp9", pix_fmt="yuv420p10le")


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "mpeg4"])
def test_bit_rate_is_kept(tmp_path: Path, codec: str) -> None:
    sizes = []
    for rate in (100_000, 1_600_000):
        preset = "ultrafast" if codec in ("libx264", "libx265", "libsvtav1") else None
        path = tmp_path / f"{rate}.mkv"
        _write(path, _noise(25), Encoding(codec, bit_rate=rate, preset=preset))
        sizes.append(path.stat().st_size * 8)
    assert sizes[1] > 2 * sizes[0]
    assert sizes[1] < 3 * 1_600_000


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "mpeg4"])
def test_key_frames_come_as_often_as_asked(tmp_path: Path, codec: str) -> None:
    still = [replace(frame, image=even(1)[0].image) for frame in even(9)]  # no encoder takes anything in it for a cut
    found = []
    for gop in (4, 100):
        _write(tmp_path / f"{gop}.mkv", still, Encoding(codec, gop=gop))
        with av.open(str(tmp_path / f"{gop}.mkv")) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        found.append([i for i, packet in enumerate(packets) if packet.is_keyframe])
    assert found == [[0, 4, 8], [0]]


@pytest.mark.parametrize(
    "codec, pix_fmt, suffix",
    [
        ("libx264", "yuv420p10le", ".mp4"),
        ("libx264", "yuv422p10le", ".mkv"),
        ("libx265", "yuv420p10le", ".mp4"),
        ("libx265", "yuv444p10le", ".mkv"),
        ("libsvtav1", "yuv420p10le", ".webm"),
        ("ffv1", "yuv420p10le", ".mkv"),
        ("ffv1", "yuv444p10le", ".mkv"),
        ("prores_ks", "yuv422p10le", ".mov"),
        ("prores_ks", "yuv444p10le", ".mov"),
    ],
)
def test_ten_bits_hold_the_same_colours(tmp_path: Path, codec: str, pix_fmt: str, suffix: str) -> None:
    if pix_fmt not in pixel_formats(codec):
        pytest.skip(f"this build of {codec} has no {pix_fmt}")
    path = tmp_path / f"o{suffix}"
    colours = [(200, 40, 60), (10, 250, 128), (255, 255, 255), (0, 0, 0), (90, 91, 92)]
    pictures = [
        Frame(np.full((48, 64, 3), colour, np.uint8), Fraction(i, 25), Fraction(1, 25), i)
        for i, colour in enumerate(colours)
    ]
    _write(path, pictures, Encoding(codec, pix_fmt=pix_fmt, crf=4 if ENCODERS[codec].crf is not None else None))
    with VideoReader(path) as reader:
        assert reader.info.bit_depth == (
            12 if (codec, pix_fmt) == ("prores_ks", "yuv444p10le") else 10
        )  # as it decodes
        assert (reader.info.colour.matrix, reader.info.colour.full_range) == ("bt709", False)
        worst = max(np.abs(f.image.astype(int) - c).max() for f, c in zip(reader, colours, strict=True))
    assert worst <= (1 if codec == "ffv1" else 3)


@pytest.mark.parametrize("codec", ["h264_nvenc", "hevc_nvenc", "av1_nvenc"])
def test_without_the_hardware_the_software_encoder_of_the_format_is_used(tmp_path: Path, codec: str) -> None:
    deep = Encoding(codec, pix_fmt="yuv420p10le", preset="p4", options={"rc-lookahead": "8"})
    assert deep.pix_fmt == "p010le"
    _, warning = deep.usable(256, 256)
    if warning is None:
        pytest.skip(f"{codec} works here")
    path = tmp_path / "o.mkv"
    warnings = _write(path, even(3), deep)
    software = ENCODERS[codec].software
    assert len(warnings) == 1 and f"{codec}: no usable NVIDIA encoder" in warnings[0] and str(software) in warnings[0]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.codec.canonical_name == codec.split("_")[0]
        assert stream.codec_context.pix_fmt == "yuv420p10le"


def test_containers_say_what_fits() -> None:
    for name, codec, fits in [
        ("o.webm", "libx264", "libsvtav1, libvpx-vp9"),
        ("o.mp4", "prores_ks", "libx264, libx265, libsvtav1"),
        ("o.gif", "libx264", "it holds gif"),
        ("o.avi", "libx265", "libx264"),
    ]:
        with pytest.raises(OutputError, match=f"cannot hold {codec}.*{fits}"):
            require_fit(find_container(name), codec, name)
    with pytest.raises(OutputError, match=r"cannot hold ffv1.*it holds libx264, libx265"):
        require_fit(find_container("-", "mpegts"), "ffv1", "-")
    assert [default_codec(f"o.{s}") for s in ("mp4", "webm", "gif", "webp", "apng", "mkv")] == [
        *("libx264", "libsvtav1", "gif", "libwebp_anim", "apng", "libx264")
    ]
    assert default_codec("-", "yuv4mpegpipe") == "rawvideo"
    assert default_codec("f/%03d.jpg") == "mjpeg"


def test_a_container_without_a_choice_of_codec_takes_its_own(tmp_path: Path) -> None:
    _write(tmp_path / "o.webm", even(3), None)
    with av.open(str(tmp_path / "o.webm")) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == "av1"


def test_movflags_are_added_or_replace(tmp_path: Path) -> None:
    def boxes(flags: str | None) -> bytes:
        path = tmp_path / "o.mp4"
        _write(path, even(3), Encoding(movflags=flags, gop=1), overwrite=True)
        return path.read_bytes()

    plain, cut, last = boxes(None), boxes("+frag_keyframe"), boxes("-faststart")
    assert b"moof" not in plain and plain.index(b"moov") < plain.index(b"mdat")
    assert b"moof" in cut
    assert last.index(b"moov") > last.index(b"mdat")


def test_the_format_can_be_named_apart_from_the_file(tmp_path: Path) -> None:
    _write(tmp_path / "o.bin", even(3), None, format="matroska")
    assert (tmp_path / "o.bin").read_bytes()[:4] == b"\x1aE\xdf\xa3"
    with VideoReader(tmp_path / "o.bin", format="matroska") as reader:
        assert len(list(reader)) == 3
