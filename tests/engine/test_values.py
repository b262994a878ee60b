from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from v2vcli.engine.request import ConvertRequest, SegmentRequest
from v2vcli.errors import UsageError
from v2vcli.values import frame_rate, seconds, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.5", Fraction(25, 2)),
        ("0.1", Fraction(1, 10)),
        (".5", Fraction(1, 2)),
        (0.1, Fraction(1, 10)),
        (7, Fraction(7)),
        (Fraction(1, 3), Fraction(1, 3)),
        ("1:02", Fraction(62)),
        ("01:02:03.004", Fraction(3723004, 1000)),
        ("100:00:00", Fraction(360000)),
        ("500ms", Fraction(1, 2)),
        ("20us", Fraction(1, 50000)),
        ("3s", Fraction(3)),
    ],
)
def test_times_are_exact(text: str, expected: Fraction) -> None:
    assert seconds(text, "-ss") == expected


@pytest.mark.parametrize("text", ["", "x", "-1", "1:2:3:4", "1:60", "1e3", "5 m", "inf", "nan", Fraction(-1), -0.5])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"-ss .*not a time"):
        seconds(text, "-ss")


def test_rates_and_sizes() -> None:
    assert frame_rate("29.97", "-r") == Fraction(2997, 100)
    assert frame_rate("30000/1001", "-r") == Fraction(30000, 1001)
    assert frame_rate("NTSC", "-r") == Fraction(30000, 1001)
    assert size("640x360", "-s") == (640, 360) == size((640, 360), "-s")
    for wrong in ("0", "-5", "1/0", "x", "1e9"):
        with pytest.raises(UsageError, match="-r"):
            frame_rate(wrong, "-r")
    for wrong in ("640", "0x5", "640x", "axb", "99999x1"):
        with pytest.raises(UsageError, match="-s"):
            size(wrong, "-s")


def test_a_request_reads_text_and_refuses_contradictions() -> None:
    def ask(**options: object) -> ConvertRequest:
        return ConvertRequest(input="in.mp4", output="out.mp4", mode="edge2face", **options)  # type: ignore[arg-type]

    asked = ask(start="1:00", duration="2.5", rate="25", size="64x32", paint_size="input", maps="m.mkv")
    assert (asked.start, asked.duration, asked.rate, asked.size) == (60, Fraction(5, 2), 25, (64, 32))
    assert asked.paint_size == "input" and asked.maps is not None and asked.maps.name == "m.mkv"
    for wrong in (
        {"duration": "1", "end": "2"},
        {"start": "3", "end": "2"},
        {"duration": 0},
        {"window": 0},
        {"crf": 99},
        {"device": "tpu"},
        {"precision": "fp8"},
        {"frames": 0},
        {"bit_rate": "fast"},
        {"bit_rate": "2M", "crf": 20},
        {"gop": 0},
        {"warmup": -1},
        {"live": True, "window": 2},
        {"side_by_side": True, "overlay": True},
        {"maps_schema": "camvid11"},
        {"save_maps": "out.mp4"},
        {"paint_size": "huge"},
    ):
        with pytest.raises(UsageError):
            ask(**wrong)
    with pytest.raises(UsageError, match="--mode"):
        ConvertRequest(input="in.mp4", output="out.mp4")  # type: ignore[arg-type]
    assert SegmentRequest(input="in.mp4", output="m.mkv").mode == "seg2street"  # type: ignore[arg-type]


def test_maps_and_output_are_two_places_whatever_they_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(**names: object) -> ConvertRequest:
        return ConvertRequest(input="in.mp4", mode="edge2face", **names)  # type: ignore[arg-type]

    (tmp_path / "w" / "m").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    for save_maps, output in (
        ("./x.mkv", "../w/x.mkv"),
        (tmp_path / "link" / "x.mkv", "x.mkv"),
        ("x.mkv", tmp_path / "link" / ".." / "w" / "x.mkv"),
    ):
        with pytest.raises(UsageError, match="--save-maps and -o are both"):
            asked(save_maps=save_maps, output=output)
    with pytest.raises(UsageError, match="lies in the folder of --save-maps"):
        asked(save_maps="m", output="../link/m/x.mkv")
    assert asked(save_maps="./x.mkv", output="../x.mkv").save_maps == Path("x.mkv")
