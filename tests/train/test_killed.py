"""kill -9 anywhere, the same command again: the weights of an uninterrupted run, bit for bit."""

from __future__ import annotations

import json
import multiprocessing
import random
import runpy
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.train.test_run import PAINTER
from v2vcli.errors import OutputError, RecipeError
from v2vcli.train.recipe import load_recipe
from v2vcli.train.run import train
from v2vcli.train.run_folder import RunFolder, writing

SCRIPT = Path(__file__).with_name("dying.py")
QUIET = {"report": lambda _: None}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    path.write_text(PAINTER)
    return path


@pytest.fixture(scope="module")
def whole(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing happened to."""
    torch.set_num_threads(1)
    return train(load_recipe(recipe), runs=tmp_path_factory.mktemp("whole"), **QUIET)


def _started(recipe: Path, runs: Path, stage: str = "", step: int = -1, point: str = "") -> BaseProcess:
    """A training, in a process that forks from one which has imported torch but never used it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["v2vcli.train.run"])
    arguments = {"recipe": str(recipe), "runs": str(runs), "stage": stage, "step": step, "point": point}
    process = context.Process(target=runpy.run_path, args=(str(SCRIPT), {"ARGUMENTS": arguments}))
    process.start()
    return process


def _train_and_die(recipe: Path, runs: Path, stage: str, step: int, point: str) -> None:
    process = _started(recipe, runs, stage, step, point)
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "step", "point"),
    [
        ("image", 2, "before saving"),  # a step after the last save
        ("video", 1, "inside state.pt"),  # half a file is on the disk
        ("video", 1, "after state.pt"),  # the published model is older than the state
        ("layout", 2, "before handing on"),  # the stage's last step is saved, its model not handed on
    ],
)
def test_killed_and_gone_on_with(recipe: Path, whole: Path, tmp_path: Path, stage: str, step: int, point: str) -> None:
    _train_and_die(recipe, tmp_path, stage, step, point)
    _require_the_same(recipe, whole, tmp_path)


@pytest.mark.slow
def test_killed_three_times_at_random(recipe: Path, whole: Path, tmp_path: Path) -> None:
    """From outside, at any instant of what is left of the run: wherever it happens to be."""
    begun = time.monotonic()
    _started(recipe, tmp_path / "timed").join(120)
    lasts = time.monotonic() - begun
    delays = [random.uniform(0.2, 0.9) * lasts for _ in range(3)]
    print(f"killed after {delays} s of {lasts} s")
    for delay in delays:
        process = _started(recipe, tmp_path)
        process.join(delay)
        process.kill()
        process.join(120)
    _require_the_same(recipe, whole, tmp_path)


def _require_the_same(recipe: Path, whole: Path, tmp_path: Path) -> None:
    """Go on with a run that was killed: in the end it is the one that nothing happened to."""
    found = load_file(train(load_recipe(recipe), runs=tmp_path, **QUIET))
    expected = load_file(whole)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key
    assert _log(tmp_path / "toy") == _log(whole.parent)
    assert not list(tmp_path.rglob("*.part"))


def _log(folder: Path) -> list[dict[str, float]]:
    """Losses by step: nothing twice, nothing missing."""
    lines = [json.loads(line) for line in (folder / "stats.jsonl").read_text().splitlines()]
    return [{key: line[key] for key in line if key not in ("time", "fps", "memory")} for line in lines]


def test_half_a_state_is_never_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save({"draw": 1})
    with pytest.raises(KeyboardInterrupt), writing(tmp_path / "state.pt") as partial:
        partial.write_bytes(b"half")
        raise KeyboardInterrupt
    assert folder.state(torch.device("cpu")) == {"draw": 1}
    folder.save({"draw": 2})
    assert folder.state(torch.device("cpu")) == {"draw": 2}


def test_a_damaged_state_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"PK\x03\x04 not what it was")
    with pytest.raises(RecipeError, match=r"state.pt is damaged .*; remove it to begin its stage again") as caught:
        RunFolder(tmp_path).state(torch.device("cpu"))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full: /dev/full")
@pytest.mark.parametrize("name", ["state.pt", "model.safetensors", "recipe.resolved.json"])
def test_a_full_disk_is_one_line_and_the_save_before_it_is_whole(tmp_path: Path, recipe: Path, name: str) -> None:
    folder = tmp_path / "toy"
    full = folder / f"{name}.part"

    def fill(_: object) -> None:
        if not full.is_symlink():
            full.symlink_to("/dev/full")

    steps = load_recipe(recipe, ["stage.0.steps=6"])
    if name == "recipe.resolved.json":
        folder.mkdir()
        fill(None)
    told = iter(range(100))
    with pytest.raises(OutputError, match=rf"{name} could not be saved: the disk is full; .* make room") as caught:
        train(steps, runs=tmp_path, report=lambda _: None, progress=lambda p: fill(p) if next(told) == 3 else None)
    assert "\n" not in str(caught.value)
    full.unlink(missing_ok=True)
    if name != "recipe.resolved.json":
        state = RunFolder(folder).state(torch.device("cpu"))
        assert state is not None and state["draw"] == (2 if name == "state.pt" else 4)
    assert train(steps, runs=tmp_path, report=lambda _: None).exists()
