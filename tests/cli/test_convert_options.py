"""The options of convert that ffmpeg has: their spellings, and what comes of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.cli.conftest import V2V
from tests.engine.material import picture, read, times, with_sound, write_clip
from v2vcli.cli.ffmpeg_order import before_input
from v2vcli.engine.request import ConvertRequest
from v2vcli.engine.targets import encoding_for
from v2vcli.video import Encoding


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("-f rawvideo -s 64x32 -i - -s 8x8 -r 9", "--input-format rawvideo --input-size 64x32 -i - -s 8x8 -r 9"),
        ("-pix_fmt rgb24 --input in.raw -f nut", "--input-pix-fmt rgb24 --input in.raw -f nut"),
        ("in.mp4 -f nut -o -", "in.mp4 -f nut -o -"),
        ("-f nut -o - -- -i", "-f nut -o - -- -i"),
        ("-ss 3 -i in.mp4 -t 4", "-ss 3 -i in.mp4 -t 4"),
    ],
)
def test_what_stands_before_the_input_is_about_it(given: str, taken: str) -> None:
    assert before_input(given.split()) == taken.split()


def test_one_command_line_in_ffmpegs_words(v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path) -> None:
    source, out = with_sound(tmp_path / "in.mp4", clip), tmp_path / "out.mp4"
    line = f"-hide_banner -nostdin -hwaccel auto -ss 0.2 -i {source} -frames:v 10 -b:v 800k -g 4 -an -map_metadata -1"
    done = v2v("convert", *line.split(), "--model", edge_model, "-o", out, "--verify", "-y", "-v", "warning")
    assert (done.code, done.err) == (0, "")
    assert times(out) == [(Fraction(n, 25), Fraction(1, 25)) for n in range(10)]
    with av.open(str(out)) as container:
        assert not container.streams.audio


def test_the_encoder_gets_what_was_asked_for(tmp_path: Path) -> None:
    names: dict[str, Any] = {"input": tmp_path / "in.mp4", "output": tmp_path / "out.mp4", "mode": "edge2face"}
    asked = ConvertRequest(**names, bit_rate="2.5M", gop=4, movflags="+frag_keyframe", live=True)
    assert encoding_for(asked) == Encoding(bit_rate=2_500_000, gop=4, movflags="+frag_keyframe", at_once=True)
    assert encoding_for(ConvertRequest(**names, crf=23.5, preset="fast")) == Encoding(crf=23.5, preset="fast")
    assert encoding_for(replace(asked, output=Path("-"), output_format="rawvideo", bit_rate=None)).codec == "rawvideo"


def test_sound_ends_with_the_last_frame(v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path) -> None:
    source, out = with_sound(tmp_path / "in.mp4", clip), tmp_path / "out.mp4"
    assert v2v("convert", source, "-o", out, "--model", edge_model, "--frames", 10, "--live").code == 0
    with av.open(str(out)) as container:
        sound = container.streams.audio[0]
        assert sound.duration is not None and sound.time_base is not None
        assert 0.38 < sound.duration * sound.time_base < 0.45
    assert len(read(out)) == 10


def test_pictures_in_and_out(v2v: V2V, edge_model: Path, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", [picture(t) for t in range(5)])
    model = ("--model", edge_model)
    assert v2v("convert", source, "-o", tmp_path / "frames" / "%03d.png", *model).code == 0
    assert len(list((tmp_path / "frames").glob("*.png"))) == 5
    done = v2v("convert", "-r", "10", "-i", tmp_path / "frames" / "%03d.png", "-o", tmp_path / "out.mp4", *model)
    assert done.code == 0, done.err
    assert [pts for pts, _ in times(tmp_path / "out.mp4")] == [Fraction(n, 10) for n in range(5)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("-b:v fast", "not a bit rate"),
        ("-b:v 1M -crf 20", "give one of them"),
        ("-g 0", "1 to 10000"),
        ("-frames:v 0", "give 1 or more"),
        ("--warmup 999", "0 to 256"),
        ("--side-by-side --overlay", "give one of them"),
        ("--live --window 4", "give one of them"),
        ("-map_metadata 7", "give 0"),
        ("--input-size 8x8", "-f rawvideo"),
        ("--input-format rawvideo", "no header"),
    ],
)
def test_refusals(v2v: V2V, clip: Path, tmp_path: Path, options: str, says: str) -> None:
    done = v2v("convert", clip, "-o", tmp_path / "out.mp4", "--mode", "edge2face", *options.split())
    assert done.code == 2 and says in done.err and len(done.lines) == 1


def test_pipes_have_to_be_told_what_to_carry(v2v: V2V, clip: Path) -> None:
    for options, says in (((), "-f"), (("-f", "avi"), "pipe"), (("-f", "nut", "--verify"), "--verify")):
        done = v2v("convert", clip, "-o", "-", "--mode", "edge2face", *options)
        assert (done.code, done.out) == (2, "") and says in done.err
    done = v2v("convert", "-o", "out.mp4", "--mode", "edge2face")
    assert done.code == 2 and "no input is given" in done.err


def test_a_hardware_decoder_is_not_taken_in_silence(v2v: V2V, clip: Path, tmp_path: Path) -> None:
    done = v2v("convert", clip, "-o", tmp_path / "no" / "out.mp4", "--mode", "edge2face", "-hwaccel", "vdpau")
    assert done.lines[0].startswith("v2v: warning: -hwaccel vdpau: frames are decoded on the CPU")
