"""Colours survive, measured against the definitions in the ITU recommendations rather than against swscale."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from v2vcli.video import Encoding, Frame, VideoReader, VideoWriter

from .made import SPACE_CODE, Maker, solid_yuv, yuv_of

PATCHES = [
    (200, 40, 60),
    (0, 0, 0),
    (255, 255, 255),
    (10, 240, 30),
    (16, 16, 235),
    (255, 0, 0),
    (0, 0, 255),
    (128,) * 3,
]
LOSSLESS = {"qp": "0"}


def _patches(make: Maker, matrix: str, full: bool, pix_fmt: str, *, tagged: bool = True, size=(32, 32), **kw) -> Path:
    bits = 10 if "10" in pix_fmt else 8
    code = SPACE_CODE[matrix]
    return make(
        "patches.mp4" if "codec" not in kw else "patches.mkv",
        pts=range(len(PATCHES)),
        size=size,
        pix_fmt=pix_fmt,
        options=LOSSLESS if "codec" not in kw else {},
        frame=lambda i: solid_yuv(*size, yuv_of(PATCHES[i], matrix, full, bits), pix_fmt),
        tags=(code, 2 if full else 1, code, code if code != 9 else 14) if tagged else None,
        **kw,
    )


def _worst(path: Path) -> int:
    with VideoReader(path) as reader:
        images = [frame.image for frame in reader]
    assert len(images) == len(PATCHES)
    return max(int(np.abs(image.astype(int) - patch).max()) for image, patch in zip(images, PATCHES, strict=True))


def _copy(source: Path, target: Path, encoding: Encoding) -> Path:
    with VideoReader(source) as reader:
        info = reader.info
        with VideoWriter(
            target, width=info.width, height=info.height, time_base=info.time_base, rate=info.rate, encoding=encoding
        ) as writer:
            for frame in reader:
                writer.write(frame)
    return target


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
def test_patches_read_write_read_within_2(make: Maker, tmp_path: Path, matrix: str, full: bool, pix_fmt: str) -> None:
    source = _patches(make, matrix, full, pix_fmt)
    assert _worst(source) <= 2
    copy = _copy(source, tmp_path / "copy.mp4", Encoding(options=LOSSLESS, crf=None))
    assert _worst(copy) <= 2


@pytest.mark.parametrize(
    "size, matrix", [((32, 32), "bt601"), ((720, 576), "bt601"), ((1280, 64), "bt709"), ((64, 720), "bt709")]
)
def test_untagged_follows_the_picture_size(make: Maker, size: tuple[int, int], matrix: str) -> None:
    source = _patches(make, matrix, False, "yuv420p", tagged=False, size=size)
    assert _worst(source) <= 2
    with VideoReader(source) as reader:
        assert reader.info.colour.guessed
        assert not reader.info.colour.full_range


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv444p"])
def test_output_carries_all_four_tags_and_they_are_true(tmp_path: Path, pix_fmt: str) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(
        path, width=32, height=32, time_base=Fraction(1, 25), rate=Fraction(25), encoding=Encoding(pix_fmt=pix_fmt)
    ) as writer:
        writer.write(Frame(np.full((32, 32, 3), PATCHES[0], np.uint8), Fraction(0), Fraction(1, 25), 0))
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)
        deep = "10" in pix_fmt
        expected = yuv_of(PATCHES[0], "bt709", False, 10 if deep else 8)
        for plane, value in zip(frame.planes, expected, strict=True):
            stored = np.frombuffer(plane, np.uint16 if deep else np.uint8)[0]
            assert abs(int(stored) - value) <= (6 if deep else 2)


@pytest.mark.parametrize(
    "codec, pix_fmt, name",
    [("mjpeg", "yuvj420p", "a.mkv"), ("libx264", "yuvj420p", "a.mp4"), ("libx264rgb", "rgb24", "a.mp4")],
)
def test_formats_with_their_own_idea_of_colour(tmp_path: Path, codec: str, pix_fmt: str, name: str) -> None:
    path = tmp_path / name
    encoding = Encoding(codec=codec, pix_fmt=pix_fmt, crf=4)
    with VideoWriter(
        path, width=32, height=32, time_base=Fraction(1, 25), rate=Fraction(25), encoding=encoding
    ) as writer:
        for i, patch in enumerate(PATCHES):
            writer.write(Frame(np.full((32, 32, 3), patch, np.uint8), Fraction(i, 25), Fraction(1, 25), i))
    assert _worst(path) <= 4  # lossy, but nowhere near the 15 and more of a wrong matrix or range


@pytest.mark.parametrize("codec, name, full", [("ffv1", "g.mkv", True), ("libx264", "g.mp4", False)])
def test_grey_is_read_in_its_range(make: Maker, codec: str, name: str, full: bool) -> None:
    def grey(i: int) -> av.VideoFrame:
        value = i * 28 if full else 16 + round(i * 28 * 219 / 255)
        frame = av.VideoFrame(32, 32, "gray")
        frame.planes[0].update(bytes([value]) * frame.planes[0].buffer_size)
        return frame

    path = make(
        name, codec=codec, pix_fmt="gray", size=(32, 32), frame=grey, options={"qp": "0"} if codec == "libx264" else {}
    )
    with VideoReader(path) as reader:
        for frame in reader:
            assert np.abs(frame.image.astype(int) - frame.index * 28).max() <= 1


def test_alpha_and_deep_input_are_read_and_said(make: Maker) -> None:
    def see_through(i: int) -> av.VideoFrame:
        image = np.full((16, 16, 4), (200, 40, 60, 128), np.uint8)
        return av.VideoFrame.from_ndarray(image, format="rgba").reformat(format="gbrap12le")

    path = make("alpha.mkv", codec="ffv1", pix_fmt="gbrap12le", size=(16, 16), frame=see_through)
    with VideoReader(path) as reader:
        assert reader.info.has_alpha
        assert reader.info.bit_depth == 12
        assert any("alpha" in line for line in reader.warnings)
        assert np.abs(next(iter(reader)).image.astype(int) - (200, 40, 60)).max() <= 1


def test_pq_is_announced(make: Maker) -> None:
    path = make("pq.mp4", size=(32, 32), pix_fmt="yuv420p10le", tags=(9, 1, 9, 16))
    with VideoReader(path) as reader:
        assert reader.info.colour.is_hdr
        assert any("PQ" in line for line in reader.warnings)


def test_ten_passes_do_not_drift(tmp_path: Path) -> None:
    """Read, write, read, ... at near-lossless quality: the mean colour stays where it is."""
    rng = np.random.default_rng(1)
    first = np.repeat(np.repeat(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), 8, 0), 8, 1)
    image, means = first, [first.mean((0, 1))]
    for i in range(10):
        path = tmp_path / f"{i}.mp4"
        with VideoWriter(
            path, width=64, height=64, time_base=Fraction(1, 25), rate=None, encoding=Encoding(crf=1, pix_fmt="yuv444p")
        ) as writer:
            writer.write(Frame(image, Fraction(0), Fraction(1, 25), 0))
        with VideoReader(path) as reader:
            image = next(iter(reader)).image
        means.append(image.mean((0, 1)))
    assert all(np.abs(b - a).max() < 0.5 for a, b in pairwise(means))
    assert np.abs(means[-1] - means[0]).max() < 1.0
