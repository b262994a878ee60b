"""What the commands print, which options they have, and how fast they answer."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

import v2vcli
from tests.cli.conftest import V2V
from tests.engine.material import picture, write_clip
from v2vcli.cli.app import app

OPTIONS = {
    "convert": "--archive --audio-codec --bit-rate --crf --cuts --device --duration --edges --end --face --first-frame"
    " --format --frames --gop --gpus --help --hide-banner --hwaccel --input --input-format --input-pix-fmt --input-rate"
    " --input-size --json --json-to --keep-going --keep-partial --live --loglevel --map-metadata --maps --maps-schema"
    " --mode --model --movflags --no-audio --no-overwrite --no-stdin --no-subtitles --output --overlay --overwrite"
    " --paint-size --pix-fmt --pose --precision --preset --rate --ray --recursive --relabel --save-maps --segmenter"
    " --shard --side-by-side --size --skip-existing --smooth-maps --start --tolerant --track --verify --video-codec"
    " --warmup --window -R -an -b:v -c:a -c:v -crf -f -frames:v -g -h -hide_banner -hwaccel -i -loglevel"
    " -map_metadata -movflags -n -nostdin -o -pix_fmt -preset -progress -r -s -sn -ss -t -to -v -y",
    "segment": "--device --duration --edges --end --face --format --help --json --loglevel --maps --maps-schema --mode"
    " --model --no-overwrite --output --overwrite --pose --preview --rate --relabel --segmenter --skip-existing"
    " --smooth-maps --start --stats --tolerant --track --window -h -loglevel -n -o -r -s -ss -t -to -v -y",
    "train": "--device --dry-run --gpus --help --json --runs --set --start -h --loglevel -loglevel -v",
    "eval": "--device --help --json --maps --maps-schema --metric --mode --model --reference -h --loglevel"
    " -loglevel -v",
    "models list": "--help --json -h --loglevel -loglevel -v",
    "models import": "--arch --foreground --help --labels --name --output --overwrite --scales --size"
    " -h --loglevel -loglevel -o -v -y",
    "models export": "--help --output --overwrite -h --loglevel -loglevel -o -v -y",
    "models info": "--help --json --size --window -h --loglevel -loglevel -v",
    "models pull": "--help -h --loglevel -loglevel -v",
}


def test_the_set_of_options_is_frozen() -> None:
    # scripts rest on these: adding one is a decision, taking one away breaks somebody
    found = {}
    commands = [("", typer.main.get_command(app))]
    while commands:
        path, command = commands.pop()
        children = getattr(command, "commands", None)
        if children is not None:
            commands += [(f"{path} {name}".strip(), child) for name, child in children.items()]
            continue
        context = typer.Context(command, info_name=path, help_option_names=["-h", "--help"])
        names = [n for p in command.get_params(context) if p.param_type_name == "option" for n in p.opts]
        found[path] = " ".join(sorted(names))
    assert found == {name: " ".join(sorted(options.split())) for name, options in OPTIONS.items()}


def test_every_command_has_worked_examples(v2v: V2V) -> None:
    for command in ("convert", "segment", "train", "eval"):
        done = v2v(command, "--help")
        assert done.code == 0
        assert done.out.count(f" v2v {command} ") >= 3
    top = v2v("--help")
    assert top.code == 0
    assert all(name in top.out for name in ("convert", "segment", "train", "eval", "models"))
    assert v2v().code == 2


def test_the_options_of_convert_stand_in_panels(v2v: V2V) -> None:
    text = v2v("convert", "--help").out
    panels = [line.split("─ ")[1].split(" ─")[0] for line in text.splitlines() if "╭─ " in line]
    assert [name for name in panels if "ffmpeg" in name] == [
        "Part of the video (as ffmpeg)",
        "Output video (as ffmpeg)",
        "Sound, subtitles, container (as ffmpeg)",
        "Inputs without a header (as ffmpeg, before -i)",
        "Accepted for ffmpeg's sake",
    ]
    options = next(part for part in text.split("╭─ ") if part.startswith("Options"))
    assert options.count("│\n") == 1 and "--help" in options  # every other one has its panel


def test_the_shell_completes() -> None:
    asked = {"_V2V_COMPLETE": "complete_bash", "COMP_WORDS": "v2v convert --first", "COMP_CWORD": "2"}
    command = [sys.executable, "-m", "v2vcli"]
    done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["--first-frame"]


def test_version(v2v: V2V) -> None:
    assert v2v("--version").out == f"v2v {v2vcli.__version__}\n"


def test_help_answers_at_once() -> None:
    # 0.5 s is what is promised, measured on a quiet machine; here others may be at work
    spent = []
    for _ in range(5):
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "v2vcli", "--help"], check=True, capture_output=True)
        spent.append(time.monotonic() - began)
    assert statistics.median(spent) < 1.0


def test_importing_the_package_is_light() -> None:
    heavy = {"torch", "av", "cv2", "numpy", "typer"}
    code = f"import sys, v2vcli; print(v2vcli.__version__, sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == f"{v2vcli.__version__} []\n"
    with pytest.raises(AttributeError, match="convolve"):
        _ = v2vcli.convolve
    assert callable(v2vcli.convert) and callable(v2vcli.load)


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m v2vcli train recipes/edge2face.toml --dry-run | head -c 5"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ('{\n  "', "")


def test_models_info(v2v: V2V, edge_model: Path) -> None:
    done = v2v("models", "info", edge_model, "--json")
    found = json.loads(done.out)
    assert (found["name"], found["maps"], found["size"], found["licence"]) == (
        "tiny-edges",
        "edges",
        "64x32",
        "Apache-2.0",
    )
    assert found["parts"]["generator"]["width"] == 4
    assert "licence      Apache-2.0" in v2v("models", "info", edge_model).out


def test_models_info_says_what_painting_costs(v2v: V2V, edge_model: Path) -> None:
    small, large = (
        json.loads(v2v("models", "info", edge_model, "--json", "--window", 2, *size).out)["cost"]
        for size in ((), ("--size", "128x64"))
    )
    assert (small["size"], large["size"], small["window"]) == ([64, 32], [128, 64], 2)
    for part in ("generator", "image_generator"):
        assert small["parts"][part]["parameters"] == large["parts"][part]["parameters"] > 0
    for kind in ("hoisted", "recurrent"):
        assert large["parts"]["generator"][kind] == 4 * small["parts"]["generator"][kind] > 0
    assert small["memory"]["total"] < large["memory"]["total"]
    text = v2v("models", "info", edge_model, "--size", "128x64").out
    assert "GFLOP per frame at 128x64" in text and "recurrent" in text and "activations" in text


@pytest.mark.parametrize("wrong", [("--size", "wide"), ("--window", 0)])
def test_models_info_refuses_what_it_cannot_paint(v2v: V2V, edge_model: Path, wrong: tuple[object, ...]) -> None:
    assert v2v("models", "info", edge_model, *wrong).code == 2


def test_models_list_names_what_is_bundled(v2v: V2V) -> None:
    from v2vcli.models.catalog import bundled_models

    listed = json.loads(v2v("models", "list", "--json").out)
    assert len(listed) == len(bundled_models())
    assert all({"name", "arch", "maps", "size", "licence"} <= set(entry) for entry in listed)


def test_eval_prints_a_table_or_json(v2v: V2V, clip: Path, edge_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    assert v2v("convert", clip, "-o", out, "--model", edge_model, "--save-maps", tmp_path / "m.mkv").code == 0
    report = json.loads(v2v("eval", out, "--reference", clip, "--metric", "psnr", "--json").out)
    assert report["frames"] == 25 and 0 < report["metrics"]["psnr"]["value"] < 60
    report = json.loads(v2v("eval", out, "--maps", tmp_path / "m.mkv", "--model", edge_model, "--json").out)
    assert 0 <= report["metrics"]["map_agreement"]["value"] <= 1
    assert "psnr" in v2v("eval", out, "--reference", clip).out


def test_segment_then_convert(v2v: V2V, clip: Path, edge_model: Path, tmp_path: Path) -> None:
    done = v2v("segment", clip, "-o", tmp_path / "maps", "--model", edge_model, "-s", "64x32")
    assert done.code == 0 and done.lines[-1].startswith(f"{tmp_path / 'maps'}: 25 frames, 64x32")
    for name, options in (("a.mp4", []), ("b.mp4", ["--maps", tmp_path / "maps"])):
        assert v2v("convert", clip, "-o", tmp_path / name, "--model", edge_model, *options).code == 0
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_progress_is_lines_where_there_is_no_terminal(
    v2v: V2V, edge_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("v2vcli.cli.display._EVERY", 0.0)
    source = write_clip(tmp_path / "in.mp4", [picture(t) for t in range(8)])
    done = v2v("convert", source, "-o", tmp_path / "out.mp4", "--model", edge_model, "--window", "4", "--device", "cpu")
    assert [line.split()[0] for line in done.lines] == ["frame=4/8", "frame=8/8", f"{tmp_path / 'out.mp4'}:"]
    assert all(word in done.lines[0] for word in ("fps=", "speed=", "eta=0:00:0"))
    quiet = v2v("convert", source, "-o", tmp_path / "out.mp4", "-y", "--model", edge_model, "-v", "warning")
    assert (quiet.code, quiet.err) == (0, "")
