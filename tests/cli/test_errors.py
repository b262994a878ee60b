"""What goes wrong becomes one line on stderr and the right exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import V2V
from tests.engine.material import picture, write_clip


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("convert {clip} -o {tmp}/out.mp4", 2, "give --mode"),
        ("convert {clip} --mode edge2face", 2, "'-o'"),
        ("convert {clip} -o {tmp}/out.mp4 --modle x", 2, "--modle"),
        ("convert {clip} -o {tmp}/out.mp4 --mode dog2cat", 2, "choose seg2street, edge2face or pose2body"),
        ("convert {clip} -o {tmp}/out.mp4 --mode edge2face -y -n", 2, "-y and -n"),
        ("convert {clip} -o {tmp}/out.mp4 --mode edge2face -t 1 -to 2", 2, "-t and -to"),
        ("convert {clip} -o {tmp}/out.mp4 --mode edge2face -ss abc", 2, "-ss abc: not a time"),
        ("convert {clip} -o {tmp}/out.mp4 --mode edge2face -crf x", 2, "-crf"),
        ("convert {clip} -o {tmp}/out.mp4 --mode edge2face --device tpu", 2, "choose auto or cpu or cuda"),
        ("convert {clip} -o {tmp}/out.mp4 --mode edge2face -loglevel loud", 2, "choose quiet"),
        ("convert {clip} -o {tmp}/out.mp4 --model {tmp}/none.safetensors", 4, "no such model"),
        ("convert {clip} -o {tmp}/out.mp4 --model {model} --mode seg2street", 4, "use --mode edge2face"),
        ("convert {clip} -o {tmp}/out.mp4 --model {clip}", 4, "not a safetensors file"),
        ("convert {tmp}/none.mp4 -o {tmp}/out.mp4 --model {model}", 5, "does not exist"),
        ("convert {tmp} -o {tmp}/out.mp4 --model {model}", 5, "is a folder"),
        ("convert {model} -o {tmp}/out.mp4 --model {model}", 5, "not a video"),
        ("convert {clip} -o {tmp}/out.mp4 --model {model} --maps {tmp}/none", 5, "no maps at"),
        ("convert {clip} -o {tmp}/no/out.mp4 --model {model}", 1, "does not exist"),
        ("convert {clip} -o {clip} -y --model {model}", 1, "the input itself"),
        ("convert {clip} -o {tmp}/out.xyz --model {model}", 1, "use .mp4, .mkv"),
        ("convert {clip} -o {tmp}/out.mp4 --model {model} -c:v h264x", 1, "unknown video encoder"),
        ("convert {clip} -o {tmp}/out.mp4 --model {model} -pix_fmt rgb99", 1, "unknown pixel format"),
        ("segment {clip} -o {tmp}/maps.png --model {model}", 1, "ending in .mkv"),
        ("convert {clip} -o {tmp}/out.mp4 --model {model} -preset bogus", 2, "ultrafast"),
        ("convert {clip} -o {tmp}/out.mp4 --model {model} --paint-size 2x2", 2, "at least 8"),
        ("eval {tmp}/none.mp4", 5, "does not exist"),
        ("eval {clip} --maps {clip}", 2, "--mode or --model"),
        ("train {tmp}/none.toml", 2, "cannot read the recipe"),
        ("train recipes/edge2face.toml --gpus 8", 2, "8 processes"),
        ("train recipes/edge2face.toml --dry-run --set stage.0.stepz=3", 2, "did you mean 'steps'"),
        ("models info nothing-of-the-kind", 4, "no such model"),
        ("paint {clip}", 2, "paint"),
        ("convert {clip} -o . --model {model} -y", 2, "not a name"),
        ("segment {clip} -o .. --model {model} -y", 2, "not a name"),
        ("convert {clip} -o {tmp}/out.mp4 --model ./mine", 4, "no such model file"),
        ("convert {clip} -o {tmp}/out.mp4 --model ../mine.pth", 4, "only .safetensors"),
        ("convert {clip} -o {tmp}/out.mp4 --model {model} -crf 60", 2, "0 (best) to 51"),
        ("convert {clip} -o {tmp}/out.mp4 --model {model} --maps {clip} --maps-schema nope", 2, "'nope'"),
        ("eval {clip} --maps-schema nope", 2, "give --maps too"),
        ("convert -dash.mp4 -o {tmp}/out.mp4 --model {model}", 2, "write ./-dash.mp4"),
        ("convert {clip} -o {tmp}/out.mp4 --mode pose2body", 2, "give one with --model"),
        ("convert {clip} -o {tmp}/out.mp4 --mode pose2body --pose file:{tmp}", 2, "no model that paints from 'pose'"),
        ("convert {clip} -o {tmp}/out.mp4 --mode seg2street --segmenter stret", 2, "did you mean 'street'"),
        ("convert {clip} -o {tmp}/out.mp4 --mode seg2street --segmenter hf2:a/b", 2, "did you mean 'hf'"),
        ("convert {clip} -o {tmp}/out.mp4 --mode seg2street --segmenter torchvision:fcn_resnet5", 2, "fcn_resnet50"),
        ("convert {clip} -o {tmp}/out.mp4 --mode seg2street --pose file:{tmp}", 2, "give --segmenter instead"),
        ("convert {clip} -o {tmp}/out.mp4 --model {model} --edges canny --maps {clip}", 2, "both say where the maps"),
        ("convert {clip} -o {tmp}/out.mp4 --model {model} --edges file:{tmp}/none", 5, "no maps at"),
        ("convert {clip} -o {tmp}/out.mp4 --mode seg2street --relabel tree", 2, "write WHAT=CLASS"),
        ("convert {clip} -o {tmp}/out.mp4 --mode seg2street --relabel cra=bus", 2, "did you mean 'car'"),
        ("convert {clip} -o {tmp}/out.mp4 --model {model} --track", 2, "--track is for label maps"),
        ("convert {clip} -o {tmp}/out.mp4 --mode seg2street --track", 2, "these maps tell none"),
    ],
)
def test_one_line_and_an_exit_code(
    v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path, line: str, code: int, says: str
) -> None:
    before = clip.read_bytes()
    done = v2v(*(word.format(clip=clip, tmp=tmp_path, model=edge_model) for word in line.split()))
    assert (done.code, len(done.lines)) == (code, 1), done.err
    assert done.lines[0].startswith("v2v: error: ")
    assert says in done.lines[0]
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []
    assert clip.read_bytes() == before


def test_what_exists_is_kept_without_y(v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    out.write_bytes(b"mine")
    for flags in ([], ["-n"]):
        done = v2v("convert", clip, "-o", out, "--model", edge_model, *flags)
        assert (done.code, done.lines) == (1, [f"v2v: error: {out} exists; -y overwrites it"])
        assert out.read_bytes() == b"mine"
    done = v2v("convert", clip, "-o", out, "--model", edge_model, "-y")
    assert done.code == 0
    assert done.lines[-1].startswith(f"{out}: 25 frames, 64x32, 1.00 s, painted by tiny-edges in ")
    assert out.stat().st_size > 1000


def test_the_unforeseen_is_one_line_and_a_hint(
    v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("one\nover\nzero")

    monkeypatch.setattr("v2vcli.engine.convert.convert", broken)
    words = ("convert", clip, "-o", tmp_path / "out.mp4", "--model", edge_model)
    done = v2v(*words)
    assert done.code == 1
    assert done.lines == ["v2v: error: ZeroDivisionError: one over zero; this is a bug: -v debug shows where"]
    done = v2v(*words, "-v", "debug")
    assert done.code == 1 and "Traceback" in done.err
    assert v2v(*words, "-v", "quiet").err == ""


def test_a_damaged_input_is_refused_or_tolerated(v2v: V2V, edge_model: Path, tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mp4", [picture(t, size=(320, 180)) for t in range(50)], lossless=False)
    source = tmp_path / "cut.mp4"
    source.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.8)])
    out = tmp_path / "out.mp4"
    done = v2v("convert", source, "-o", out, "--model", edge_model)
    assert done.code == 5 and "--tolerant" in done.err and len(done.lines) == 1
    assert not out.exists()
    done = v2v("convert", source, "-o", out, "--model", edge_model, "--tolerant")
    assert done.code == 0, done.err
    assert out.exists() and "v2v: warning: " in done.err


@pytest.mark.parametrize(("shell", "code"), [("2>&-", 0), (">&-", 0), ("2> >(true)", 0), ("> /dev/full", 1)], ids=str)
def test_closed_streams_are_no_bug(shell: str, code: int) -> None:
    command = f"{sys.executable} -m v2vcli models list {shell}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == code


def test_nohup_still_works() -> None:
    """Who started v2v with SIGHUP ignored wants it to outlive the terminal."""
    script = (
        "import signal, sys; from v2vcli.cli.app import main\n"
        "signal.signal(signal.SIGHUP, getattr(signal, sys.argv.pop()))\n"
        "try: main()\n"
        "except SystemExit: print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    )
    for before, ignored in (("SIG_IGN", "True"), ("SIG_DFL", "False")):
        command = [sys.executable, "-c", script, "--version", before]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == ignored
