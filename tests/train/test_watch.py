"""What a run writes down and tells while it goes on."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from v2vcli.train.model_card import last_losses
from v2vcli.train.recipe import LogRecipe, StageRecipe
from v2vcli.train.samples import Row
from v2vcli.train.task import Scalars
from v2vcli.train.watch import Progress, Watch, forget_after, memory_used, significant

CPU = torch.device("cpu")
IMAGE = StageRecipe(name="image", kind="image", size=(32, 32), steps=10)
VIDEO = StageRecipe(name="video", kind="video", size=(32, 32), steps=10, frames=4)


class _Task:
    """As much of a task as is watched: two frames, grey as many levels as steps were taken."""

    modules: dict[str, torch.nn.Module] = {}  # noqa: RUF012 - as the protocol has it
    level = 0

    def step(self, draw: int, rate: float) -> Scalars:
        self.level = draw
        return {}

    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: dict[str, Any]) -> None: ...

    def publish(self, path: Path, frames_seen: int) -> None: ...

    def picture(self) -> None: ...

    def samples(self) -> list[Row]:
        return [{"real": np.full((16, 24, 3), self.level, np.uint8)}] * 2


class _Clock:
    """Time that passes when it is told to."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr("v2vcli.train.watch.time", clock)
    return clock


def _log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "stats.jsonl").read_text().splitlines()]


def _run(
    watch: Watch, stage: StageRecipe, clock: _Clock, steps: range, *, frames: int = 0, save_every: int = 100
) -> None:
    """Steps of 2 s that see 8 frames each."""
    task = _Task()
    watch.start(stage, task, first=steps.start, steps=10, frames_seen=frames)
    for draw in steps:
        task.step(draw, 1.0)
        clock.now += 2.0
        frames += 8
        watch.step(draw, {"loss": 1 / (draw + 1)}, frames_seen=frames, rate=1e-3)
        if (draw + 1) % save_every == 0:
            watch.saved(frames_seen=frames)


def test_every_logged_step_is_a_line(tmp_path: Path, clock: _Clock) -> None:
    _run(Watch(tmp_path, LogRecipe(every=4), CPU), IMAGE, clock, range(10))
    log = _log(tmp_path)
    assert [line["step"] for line in log] == [0, 4, 8, 9]
    assert log[1].items() >= {"stage": "image", "frames": 40, "fps": 4.0, "rate": 1e-3, "loss": 0.2}.items()
    assert log[1]["memory"] > 50e6, "torch alone takes more"
    assert log[2]["time"] - log[1]["time"] == 8.0


def test_progress_tells_of_every_step_and_how_long_is_left(tmp_path: Path, clock: _Clock) -> None:
    told: list[Progress] = []
    _run(Watch(tmp_path, LogRecipe(every=4), CPU, progress=told.append), IMAGE, clock, range(10))
    assert [each.step for each in told] == list(range(10))
    assert [each.step for each in told if each.logged] == [0, 4, 8, 9]
    assert [each.seconds_left for each in told] == [18.0, 16.0, 14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0, 0.0]
    assert {each.frames_per_second for each in told} == {4.0}


def test_speed_is_that_of_late(tmp_path: Path, clock: _Clock) -> None:
    told: list[Progress] = []
    watch = Watch(tmp_path, LogRecipe(), CPU, progress=told.append)
    watch.start(IMAGE, _Task(), first=0, steps=1000, frames_seen=0)
    for draw in range(200):
        clock.now += 10.0 if draw < 100 else 1.0
        watch.step(draw, {}, frames_seen=draw + 1, rate=1.0)
    assert told[99].frames_per_second == 0.1
    assert told[-1].frames_per_second == 1.0
    assert told[-1].seconds_left == 800.0


def test_a_killed_run_that_goes_on_leaves_the_log_of_an_uninterrupted_one(tmp_path: Path, clock: _Clock) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    log = LogRecipe(every=1)
    _run(Watch(tmp_path / "a", log, CPU), IMAGE, clock, range(10))
    _run(Watch(tmp_path / "b", log, CPU), IMAGE, clock, range(7))
    with (tmp_path / "b" / "stats.jsonl").open("a") as file:
        file.write('{"stage": "image", "step": 7, "fra')
    _run(Watch(tmp_path / "b", log, CPU), IMAGE, clock, range(5, 10), frames=40)  # saved after step 4

    def what(folder: Path) -> list[Any]:
        return [(line["step"], line["frames"], line["loss"]) for line in _log(folder)]

    assert what(tmp_path / "b") == what(tmp_path / "a")


def test_a_log_that_is_whole_is_not_touched(tmp_path: Path) -> None:
    stats = tmp_path / "stats.jsonl"
    forget_after(stats, 0)
    assert not stats.exists()
    stats.write_text('{"frames": 8}\n{"frames": 16}\n')
    before = stats.stat().st_ino
    forget_after(stats, 16)
    assert stats.stat().st_ino == before
    forget_after(stats, 8)
    assert stats.read_text() == '{"frames": 8}\n'


def test_samples_come_when_asked_for(tmp_path: Path, clock: _Clock) -> None:
    _run(Watch(tmp_path, LogRecipe(samples_every=4), CPU), IMAGE, clock, range(10), save_every=5)
    names = sorted(file.name for file in (tmp_path / "samples").iterdir())
    assert names == ["image-000004.png", "image-000008.png", "image-000010.png"]


def test_samples_come_with_every_save_otherwise_and_move_if_they_are_a_clip(tmp_path: Path, clock: _Clock) -> None:
    _run(Watch(tmp_path, LogRecipe(), CPU), VIDEO, clock, range(10), save_every=5)
    names = sorted(file.name for file in (tmp_path / "samples").iterdir())
    assert names == ["video-000005.mp4", "video-000005.png", "video-000010.mp4", "video-000010.png"]


def test_numbers_keep_what_matters() -> None:
    assert significant(1 / 3) == 0.33333333
    assert significant(1.23456789e-12, 3) == 1.23e-12
    assert significant(math.nan) is None and significant(-math.inf) is None


def test_a_step_without_finite_numbers_is_still_json(tmp_path: Path, clock: _Clock) -> None:
    watch = Watch(tmp_path, LogRecipe(every=1, tensorboard=False), CPU)
    watch.start(IMAGE, _Task(), first=0, steps=10, frames_seen=0)
    for draw, loss in enumerate((math.nan, 2.0, 4.0)):
        clock.now += 1.0
        watch.step(draw, {"loss": loss, "gone": math.inf}, frames_seen=draw + 1, rate=1.0)
    text = (tmp_path / "stats.jsonl").read_text()
    assert "NaN" not in text and "Infinity" not in text
    assert last_losses(tmp_path / "stats.jsonl") == {"loss": 3.0}


def test_a_card_of_other_hardware_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model.md").write_text("trained on a toaster")
    card = Watch(tmp_path, LogRecipe(), CPU).finish(tmp_path / "model.safetensors")
    assert card.read_text() == "trained on a toaster"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads what only Linux tells")
def test_memory_is_the_peak() -> None:
    before = memory_used(CPU)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    more = 64 << 20
    block = np.ones(before - resident + more, np.uint8)
    held = memory_used(CPU)
    del block
    assert held == pytest.approx(before + more, rel=0.02)  # the kernel counts in batches
    assert memory_used(CPU) == pytest.approx(held, rel=0.02)


def test_tensorboard_gets_the_same_numbers(tmp_path: Path, clock: _Clock) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is an extra and is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    watch = Watch(tmp_path, LogRecipe(every=1), CPU)
    _run(watch, IMAGE, clock, range(7), save_every=5)
    watch.close()
    resumed = Watch(tmp_path, LogRecipe(every=1), CPU)
    _run(resumed, IMAGE, clock, range(5, 10), frames=40, save_every=5)
    resumed.close()
    seen = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    losses = seen.Scalars("image/loss")
    assert [each.step for each in losses] == [8 * (draw + 1) for draw in range(10)]
    assert losses[4].value == pytest.approx(0.2)
    assert len(seen.Images("image/samples")) == 2


def test_without_tensorboard_nothing_is_left_of_it(tmp_path: Path, clock: _Clock) -> None:
    _run(Watch(tmp_path, LogRecipe(tensorboard=False), CPU), IMAGE, clock, range(10))
    assert not (tmp_path / "tensorboard").exists()
