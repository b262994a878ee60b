"""What a step is said to want of memory, against what PyTorch allocates for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.models.test_cost import allocated
from v2vcli.train.distributed import World
from v2vcli.train.recipe import Recipe, load_recipe
from v2vcli.train.rehearsal import StepNeeds, rehearse
from v2vcli.train.stage_tasks import StageTasks, map_spec

TOLERANCE = 0.2
SLOW = pytest.mark.slow
RECIPES = Path(__file__).parents[2] / "recipes"
RECIPE = """
name = "rehearsed"
[model]
width = 16
downsamplings = 2
blocks = 2
image_width = 16
image_blocks = 2
[data]
load_size = [128, 64]
[[data.source]]
world = "street"
seeds = [0, 1]
frames = 9
[discriminator]
width = 16
layers = 2
scales = 2
cap = 64
temporal_scales = 2
[losses]
perceptual = 1.0
perceptual_model = "street-segmenter"
[[stage]]
name = "image"
kind = "image"
size = [128, 64]
batch = 4
steps = 2
[[stage]]
name = "video"
kind = "video"
size = [128, 64]
frames = 9
chunk = 4
steps = 2
start = "real"
"""


def recipe(tmp_path: Path, *overrides: str) -> Recipe:
    (tmp_path / "r.toml").write_text(RECIPE)
    return load_recipe(tmp_path / "r.toml", overrides)


def measured(recipe: Recipe, number: int) -> int:
    """Most bytes that PyTorch gave out at a time, while two steps of a stage were taken."""
    tasks = StageTasks(recipe, torch.device("cpu"), World(), lambda _: None)

    def train() -> None:
        task, schedule = tasks.of(number, recipe.stage[number], None)
        for draw in range(schedule.steps):
            task.step(draw, 1e-4)

    return max(allocated(train) for _ in range(2))  # the profiler drops events now and then, on a busy machine


@pytest.mark.parametrize(
    ("number", "overrides"),
    [
        pytest.param(0, (), id="image"),
        pytest.param(0, ("stage.0.judged=false", "losses.pixel=1.0"), id="layout", marks=SLOW),
        pytest.param(1, (), id="video", marks=SLOW),
        pytest.param(1, ("stage.1.chunk=2", "stage.1.backprop=2"), id="through time", marks=SLOW),
        pytest.param(1, ("precision.checkpointing=true",), id="checkpointing", marks=SLOW),
        pytest.param(1, ("model.finer=1", "stage.1.finest_alone=2"), id="finest alone", marks=SLOW),
        pytest.param(1, ("stage.1.noise=0.1", "stage.1.start=blank"), id="blank and noisy", marks=SLOW),
    ],
)
def test_memory_is_what_is_allocated_within_a_fifth(tmp_path: Path, number: int, overrides: tuple[str, ...]) -> None:
    r = recipe(tmp_path, *overrides)
    said = rehearse(r, r.stage[number], map_spec(r)).memory
    assert said / measured(r, number) == pytest.approx(1.0, abs=TOLERANCE)


@SLOW
def test_what_saves_memory_is_seen_to() -> None:
    r = load_recipe(RECIPES / "tiny.toml", ["stage.1.steps=1", "stage.1.frames=9"])

    def needs(*overrides: str) -> StepNeeds:
        changed = load_recipe(RECIPES / "tiny.toml", ["stage.1.steps=1", "stage.1.frames=9", *overrides])
        return rehearse(changed, changed.stage[1], map_spec(changed))

    whole = rehearse(r, r.stage[1], map_spec(r))
    assert whole.weights == needs("stage.1.chunk=2").weights
    assert needs("stage.1.chunk=2").besides < 0.7 * whole.besides
    assert needs("precision.checkpointing=true").besides < 0.8 * whole.besides
    assert needs("precision.kind=bf16").besides < 0.9 * whole.besides
    shared = rehearse(r, r.stage[1], map_spec(r), processes=2)
    assert 0.4 * whole.besides < shared.besides < 0.6 * whole.besides


def test_a_segmenter_is_rehearsed_without_labels() -> None:
    r = load_recipe(RECIPES / "street-segmenter.toml")
    needs = rehearse(r, r.stage[0], map_spec(r))
    assert needs.parameters == {"segmenter": 1_597_243}  # 1.6 M, as its card says
    assert needs.besides > needs.weights
