"""From a recipe to a painted video with nothing but command lines."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import V2V
from tests.engine.material import times

RECIPE = """
name = "toy"
[model]
maps = "edges"
width = 4
downsamplings = 2
blocks = 2
image_width = 4
image_blocks = 2
[data]
load_size = [64, 64]
[[data.source]]
world = "head"
seeds = [0, 1]
frames = 2
[discriminator]
width = 4
layers = 2
scales = 1
[[stage]]
name = "image"
kind = "image"
size = [64, 64]
steps = 2
[[stage]]
name = "video"
kind = "video"
size = [64, 64]
steps = 1
frames = 2
chunk = 1
"""


def test_train_then_convert(v2v: V2V, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(RECIPE)
    command = ("train", tmp_path / "toy.toml", "--runs", tmp_path / "runs", "--device", "cpu")
    done = v2v(*command, "--set", "stage.0.steps=1")
    assert done.code == 0, done.err
    model = tmp_path / "runs" / "toy" / "model.safetensors"
    assert done.lines[-1] == f"{model}: finished; try it with `v2v convert INPUT -o OUT --model {model}`"
    assert "image 1/1 fps=" in done.err
    assert v2v("convert", clip, "-o", tmp_path / "out.mp4", "--model", model, "--mode", "edge2face").code == 0
    assert times(tmp_path / "out.mp4") == times(clip)
    assert json.loads(v2v("models", "info", model, "--json").out)["provenance"]["frames_seen"] > 0
    # another recipe does not go into the same run, and says so
    done = v2v(*command)
    assert done.code == 2 and "another version of this recipe" in done.err
