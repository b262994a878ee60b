"""What can happen to any run is one clear line; each is made to happen."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import torch

from tests.train.test_run import SEGMENTER
from v2vcli.errors import RecipeError, V2VError
from v2vcli.train.distributed import World
from v2vcli.train.failures import RunError, in_plain_words
from v2vcli.train.recipe import load_recipe
from v2vcli.train.run import train
from v2vcli.train.segmentation import SegmentTask


def _no_main_memory() -> None:
    torch.empty(1 << 52)


def _no_gpu_memory() -> None:
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has ...")


def _dead_worker() -> None:
    raise BrokenProcessPool("A process in the process pool was terminated abruptly while the future was running.")


@pytest.mark.parametrize(
    ("happens", "says"),
    [
        (_no_main_memory, r"stage labels, step 3: out of memory; set stage.batch, .* lower"),
        (_no_gpu_memory, r"stage labels, step 3: out of GPU memory; set stage.batch, .* lower"),
        (_dead_worker, r"stage labels, step 3: a process that prepares data died, .*; set data.workers lower"),
    ],
)
def test_what_happens_in_a_step_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None], says: str
) -> None:
    (tmp_path / "recipe.toml").write_text(SEGMENTER)
    recipe = load_recipe(tmp_path / "recipe.toml", ["stage.0.steps=5", "save_every=2"])
    step = SegmentTask.step

    def failing(task: SegmentTask, draw: int, rate: float, *, keep: bool = False) -> dict[str, float]:
        if draw == 3:
            happens()
        return step(task, draw, rate)

    with monkeypatch.context() as patch, pytest.raises(RunError, match=says) as caught:
        patch.setattr(SegmentTask, "step", failing)
        train(recipe, runs=tmp_path, report=lambda _: None)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, V2VError)
    told: list[str] = []
    train(recipe, runs=tmp_path, report=told.append)  # what was saved is whole
    assert "stage labels: steps 2 to 5" in told


def test_memory_that_ends_while_a_stage_is_made_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipe.toml").write_text(SEGMENTER)
    monkeypatch.setattr(SegmentTask, "__init__", lambda *_: _no_main_memory())
    with pytest.raises(RunError, match="stage labels: out of memory"):
        train(load_recipe(tmp_path / "recipe.toml"), runs=tmp_path, report=lambda _: None)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipe.toml").write_text(SEGMENTER)
    monkeypatch.setattr(SegmentTask, "step", lambda *_, **__: {"loss": float("nan"), "frames": 2.0})
    with pytest.raises(RecipeError, match=r"stage labels, step 0: the loss is not finite; try a smaller stage.rate"):
        train(load_recipe(tmp_path / "recipe.toml"), runs=tmp_path, report=lambda _: None)
    assert not (tmp_path / "toyseg" / "state.pt").exists()


def test_what_is_not_known_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes do not match"), in_plain_words("stage x"):
        raise RuntimeError("shapes do not match")


def test_a_batch_is_shared_evenly_or_refused(tmp_path: Path) -> None:
    assert [World(rank, 3).share(6) for rank in range(3)] == [slice(0, 2), slice(2, 4), slice(4, 6)]
    (tmp_path / "recipe.toml").write_text(SEGMENTER)
    says = (
        r"stage 'labels': a batch of 2 cannot be divided among 3 processes; set stage.batch to 3, or another multiple"
    )
    with pytest.raises(V2VError, match=says) as caught:
        train(load_recipe(tmp_path / "recipe.toml"), runs=tmp_path, gpus=3)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "toyseg").exists()


def test_more_gpus_than_there_are(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(SEGMENTER)
    many = 2 * (torch.cuda.device_count() + 1)
    recipe = load_recipe(tmp_path / "recipe.toml", [f"stage.0.batch={many}"])
    with pytest.raises(V2VError, match=rf"--gpus {many}: this machine has \d+"):
        train(recipe, runs=tmp_path, device="cuda", gpus=many)
