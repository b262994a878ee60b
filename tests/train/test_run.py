"""Whole runs at toy size: stages follow one another, a resumed run is the uninterrupted one, models come out usable."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from v2vcli.errors import ModelError, RecipeError
from v2vcli.models.checkpoint import read_info
from v2vcli.models.painter import Painter
from v2vcli.train.recipe import Recipe, load_recipe
from v2vcli.train.run import Interrupted, Progress, train

PAINTER = """
name = "toy"
seed = 5
save_every = 2
[model]
maps = "edges"
width = 4
downsamplings = 2
blocks = 2
image_width = 4
image_blocks = 2
[data]
load_size = [32, 32]
[[data.source]]
world = "head"
seeds = [0, 1]
frames = 5
[discriminator]
width = 4
layers = 2
scales = 1
[losses]
pixel = 10.0
[[stage]]
name = "layout"
kind = "image"
judged = false
size = [32, 32]
steps = 3
rate = 1e-3
[[stage]]
name = "image"
kind = "image"
size = [32, 32]
steps = 3
[[stage]]
name = "video"
kind = "video"
size = [32, 32]
frames = 5
chunk = 2
noise = 0.1
steps = 3
"""

SEGMENTER = """
name = "toyseg"
[model]
arch = "segmenter"
schema = "cityscapes19"
widths = [4, 8]
[data]
load_size = [48, 32]
scale = [0.8, 1.4]
jitter = 0.5
[[data.source]]
world = "street"
seeds = [0, 2]
frames = 1
[[stage]]
name = "labels"
kind = "segment"
size = [32, 32]
batch = 2
steps = 12
rate = 1e-2
decay = 0.0
"""


def _recipe(tmp_path: Path, text: str, *overrides: str) -> Recipe:
    (tmp_path / "recipe.toml").write_text(text)
    return load_recipe(tmp_path / "recipe.toml", overrides)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Sums of gradients come out the same each time."""
    torch.set_num_threads(1)


class _Stop(Exception):
    pass


def test_resumed_is_uninterrupted(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, PAINTER)
    whole = train(recipe, runs=tmp_path / "a", report=lambda _: None)

    for stop in ("image", "video"):  # killed in the middle of either stage, after its last save

        def killed(progress: Progress, stage: str = stop) -> None:
            if progress.stage == stage and progress.step == 2:
                raise _Stop

        with pytest.raises(_Stop):
            train(recipe, runs=tmp_path / "b", report=lambda _: None, progress=killed)
    resumed = train(recipe, runs=tmp_path / "b", report=lambda _: None)

    expected, found = load_file(whole), load_file(resumed)
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key


def test_a_run_leaves_what_it_says(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, PAINTER)
    model = train(recipe, runs=tmp_path, report=lambda _: None)
    folder = tmp_path / "toy"
    assert json.loads((folder / "recipe.resolved.json").read_text())["stage"][2]["noise"] == 0.1
    stats = [json.loads(line) for line in (folder / "stats.jsonl").read_text().splitlines()]
    assert {line["stage"] for line in stats} == {"layout", "image", "video"}
    assert {"flow", "flow_warp", "frame_warp", "gan", "feature_matching"} <= stats[-1].keys()
    assert "gan" not in stats[0]
    assert list((folder / "samples").glob("*.png"))
    info = read_info(model)
    assert info.provenance["frames_seen"] == 3 + 3 + 3 * 5
    painter = Painter.load(model)
    frames, past = painter.paint(torch.rand(4, 1, 32, 32), None)
    assert frames.shape == (4, 3, 32, 32)
    assert past is not None


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    train(_recipe(tmp_path, SEGMENTER, "stage.0.steps=1"), runs=tmp_path, report=lambda _: None)
    with pytest.raises(RecipeError, match="another version of this recipe"):
        train(_recipe(tmp_path, SEGMENTER, "seed=9"), runs=tmp_path, report=lambda _: None)


def test_a_segmenter_learns(tmp_path: Path) -> None:
    train(_recipe(tmp_path, SEGMENTER, "stage.0.steps=60"), runs=tmp_path, report=lambda _: None)
    stats = [json.loads(line) for line in (tmp_path / "toyseg" / "stats.jsonl").read_text().splitlines()]
    assert stats[-1]["loss"] < 0.75 * stats[0]["loss"]


def test_a_video_stage_needs_an_image_generator(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, PAINTER.replace('kind = "image"', 'kind = "video"\nframes = 4'))
    with pytest.raises(RecipeError, match="put an image stage before it, or give --start"):
        train(recipe, runs=tmp_path, report=lambda _: None)


def test_missing_data_is_named(tmp_path: Path) -> None:
    text = SEGMENTER.replace('world = "street"', 'stills = "nowhere"\nlabels = "nowhere"')
    with pytest.raises(RecipeError, match="nowhere: no such folder; set the place of the data"):
        train(_recipe(tmp_path, text), runs=tmp_path, report=lambda _: None)


def test_a_corrected_recipe_may_use_the_folder_of_one_that_failed(tmp_path: Path) -> None:
    text = SEGMENTER.replace('world = "street"', 'stills = "nowhere"\nlabels = "nowhere"')
    with pytest.raises(RecipeError):
        train(_recipe(tmp_path, text, "stage.0.steps=1"), runs=tmp_path, report=lambda _: None)
    train(_recipe(tmp_path, SEGMENTER, "stage.0.steps=1"), runs=tmp_path, report=lambda _: None)


def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, SEGMENTER, "stage.0.steps=30")

    def interrupt(progress: Progress) -> None:
        if progress.step == 20:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match=r"stopped at step 21 .* the same command goes on") as caught:
        train(recipe, runs=tmp_path, report=lambda _: None, progress=interrupt)
    assert caught.value.exit_code == 75
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    told: list[str] = []
    train(recipe, runs=tmp_path, report=told.append)
    assert "stage labels: steps 21 to 30" in told


def test_two_trainings_in_one_folder(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, SEGMENTER, "stage.0.steps=1")

    def again(_: Progress) -> None:
        train(recipe, runs=tmp_path, report=lambda _: None)

    with pytest.raises(RecipeError, match="another training is running here"):
        train(recipe, runs=tmp_path, report=lambda _: None, progress=again)


def test_a_start_that_does_not_fit_is_one_line(tmp_path: Path) -> None:
    segmenter = train(_recipe(tmp_path, SEGMENTER, "stage.0.steps=1"), runs=tmp_path, report=lambda _: None)
    with pytest.raises(ModelError, match="has no image_generator to start from, only segmenter"):
        train(_recipe(tmp_path, PAINTER), runs=tmp_path, start=segmenter, report=lambda _: None)
    painter = train(_recipe(tmp_path, PAINTER), runs=tmp_path, report=lambda _: None)
    with pytest.raises(ModelError, match="cannot start from its image_generator") as caught:
        wider = _recipe(tmp_path, PAINTER, "model.image_width=8", "name=wide")
        train(wider, runs=tmp_path, start=painter, report=lambda _: None)
    assert "\n" not in str(caught.value)
    with pytest.raises(RecipeError, match="another --start"):
        train(_recipe(tmp_path, PAINTER), runs=tmp_path, start=painter, report=lambda _: None)


@pytest.mark.parametrize("warning", [signal.SIGTERM, signal.SIGUSR1])
def test_a_warning_while_clips_are_loaded_ends_the_run_at_once(tmp_path: Path, warning: signal.Signals) -> None:
    recipe, before = _recipe(tmp_path, SEGMENTER, "stage.0.steps=1"), signal.getsignal(warning)
    with pytest.raises(Interrupted, match="the same command goes on") as caught:
        train(recipe, runs=tmp_path, report=lambda _: signal.raise_signal(warning))
    assert caught.value.exit_code == 75
    assert signal.getsignal(warning) is before
    train(recipe, runs=tmp_path, report=lambda _: None)


def test_a_folder_of_a_recipe_that_said_less_is_gone_on_with(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, SEGMENTER, "stage.0.steps=1")
    train(recipe, runs=tmp_path, report=lambda _: None)
    path = tmp_path / "toyseg" / "recipe.resolved.json"
    resolved = json.loads(path.read_text())
    del resolved["log"]  # as if an older version had written it
    path.write_text(json.dumps(resolved))
    train(recipe, runs=tmp_path, report=lambda _: None)
    assert "log" in json.loads(path.read_text())
