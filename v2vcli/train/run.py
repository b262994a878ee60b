"""The loop: stages in order, one folder per run (`run_folder`), resumable by the same command.

Peculiar:
- A batch is a function of (seed, stage, draw), and what is saved holds the state of the random generator, so "resumed"
  means exactly "as if never stopped": kill -9 at any instant costs the steps since the last save, and nothing else.
- Ctrl-C, SIGTERM and SIGUSR1 (a scheduler's warnings) finish the step in hand, save, and end the run with exit code 75,
  for it to be queued again; a second Ctrl-C stops at once.
- Every process of a distributed run (`distributed`, `launch`) runs this very loop; they agree after each step whether
  to stop, and only the leading one writes and tells.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from v2vcli.errors import RecipeError
from v2vcli.train.distributed import World, any_of, mean_scalars, same_everywhere
from v2vcli.train.failures import Interrupted, RunError, in_plain_words, saving
from v2vcli.train.launch import Told, launch
from v2vcli.train.process_group import joined, outer_world, wait_for_all
from v2vcli.train.recipe import Recipe, StageRecipe
from v2vcli.train.run_folder import RunFolder
from v2vcli.train.stage_tasks import StageTasks, map_spec
from v2vcli.train.stopping import StopNow, StopRequest
from v2vcli.train.task import Task
from v2vcli.train.watch import Progress, Watch

__all__ = ["Interrupted", "Progress", "map_spec", "train"]

PATIENCE = timedelta(minutes=2)
"""Silence after which a process counts as lost; `v2vcli.train.heartbeat` says what silence is."""
STUCK_AFTER = timedelta(minutes=30)
"""The longest that one process may keep the others waiting between two steps, saving included."""


def train(
    recipe: Recipe,
    *,
    runs: Path = Path("runs"),
    start: Path | None = None,
    device: str = "cpu",
    gpus: int = 1,
    patience: timedelta = PATIENCE,
    report: Callable[[str], None] = print,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Path:
    """Run a recipe to its end, or go on where it stopped.

    Args:
        recipe: see `v2vcli.train.recipe.load_recipe`.
        runs: folder of all runs; this one lives in ``runs/NAME``.
        start: a checkpoint to start the first stage from.
        device: a torch device.
        gpus: processes to start, on a GPU each, or all on the CPU; they share every batch and the run is the same.
            Under an outer ``torchrun`` its processes are the run's, and this is not looked at.
        patience: silence after which another process counts as lost, and the run ends.
        report: told a line now and then.
        progress: told of every step.

    Returns:
        The path of the finished model.

    Raises:
        RecipeError: data missing, or the folder holds a run of another recipe.
        ModelError: `start` does not fit the recipe.
        Interrupted: Ctrl-C, SIGTERM or SIGUSR1 came; state is saved.
        RunError: memory is full, or another process of the run is lost.
        OutputError: the disk is full; what was saved before is whole.
    """
    if start is None and recipe.needs_start:
        raise RecipeError(
            f"stage {recipe.stage[0].name!r} starts from an image generator: put an image stage before it, or give "
            '--start, or set stage.0.start to "real" or "blank"'
        )
    if gpus > 1 and outer_world() is None:
        require_devices(torch.device(device), gpus)
        require_shares(recipe, World(0, gpus))
        hear: dict[str, Callable[[Any], None]] = {"report": report, "progress": progress}
        work = partial(_as_worker, recipe, runs, start, device, patience)
        model: Path = launch(work, gpus, told=lambda channel, message: hear[channel](message))
        return model
    return _train_here(recipe, runs, start, device, patience, report, progress, _leave)


def _as_worker(recipe: Recipe, runs: Path, start: Path | None, device: str, patience: timedelta, tell: Told) -> Path:
    """What `launch` runs in every process."""

    def lost(message: str) -> None:
        tell("lost", message)
        os._exit(1)

    report, progress = partial(tell, "report"), partial(tell, "progress")
    return _train_here(recipe, runs, start, device, patience, report, progress, lost)


def _leave(message: str) -> None:
    """End this process from a thread, as its main one may wait for a lost peer for ever."""
    print(f"v2v: {message}", file=sys.stderr, flush=True)
    os._exit(1)


def require_devices(device: torch.device, processes: int) -> None:
    """Check that every process gets a GPU of its own.

    Raises:
        RecipeError: there are fewer.
    """
    found = torch.cuda.device_count()
    if device.type == "cuda" and found < processes:
        raise RecipeError(f"--gpus {processes}: this machine has {found}; choose --gpus {found}, or --device cpu")


def require_shares(recipe: Recipe, world: World) -> None:
    """Check that every stage's batch can be shared.

    Raises:
        RecipeError: one cannot.
    """
    for stage in recipe.stage:
        try:
            world.share(stage.batch)
        except RecipeError as error:
            raise RecipeError(f"stage {stage.name!r}: {error}") from None


def _train_here(
    recipe: Recipe,
    runs: Path,
    start: Path | None,
    device: str,
    patience: timedelta,
    report: Callable[[str], None],
    progress: Callable[[Progress], None],
    lost: Callable[[str], None],
) -> Path:
    """This process's part of the run."""
    stop = StopRequest()
    try:
        with (
            stop.leaving(),
            joined(torch.device(device), patience=patience, stuck_after=STUCK_AFTER, lost=lost) as (world, own_device),
        ):
            require_shares(recipe, world)
            folder = RunFolder(runs / recipe.name)
            if not world.leads:
                wait_for_all()
                return _Run(recipe, folder, own_device, world, stop, lambda _: None, None).stages(start)
            with folder.locked():
                folder.claim(recipe, start)
                wait_for_all()  # the others read the folder only when it is known to be this run's
                watch = Watch(folder.path, recipe.log, own_device, progress=progress, processes=world.size)
                with closing(watch):
                    model = _Run(recipe, folder, own_device, world, stop, report, watch).stages(start)
                    with saving(model):
                        watch.finish(model, start)
                return model
    except StopNow:
        raise Interrupted("stopped between steps; the same command goes on from what is saved") from None


class _Run:
    """One process's part of a run; the one that leads has a watch."""

    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        device: torch.device,
        world: World,
        stop: StopRequest,
        report: Callable[[str], None],
        watch: Watch | None,
    ) -> None:
        self.recipe, self.folder, self.device, self.world = recipe, folder, device, world
        self.report, self.watch = report, watch
        self.stop = stop
        self.frames_seen = 0
        self.tasks = StageTasks(recipe, device, world, report)

    def stages(self, start: Path | None) -> Path:
        """All stages that are not done yet."""
        state = self.folder.state(self.device)
        if state is not None:
            self.frames_seen = state["frames_seen"]
        done = [self.folder.handed_on(number, stage) for number, stage in enumerate(self.recipe.stage)]
        left = [number for number, path in enumerate(done) if not path.exists()]
        wait_for_all()  # all have seen the same folder, before anybody writes to it
        with closing(self.tasks):
            for number in left:
                stage = self.recipe.stage[number]
                mine = state if state is not None and state["stage"] == number else None
                with in_plain_words(f"stage {stage.name}"):
                    self._stage(number, stage, done[number - 1] if number else start, mine)
                if self.world.leads:
                    self.folder.finish(number, stage)
                wait_for_all()  # for the model that the next stage starts from
        return self.folder.model

    def _stage(self, number: int, stage: StageRecipe, start: Path | None, state: dict[str, Any] | None) -> None:
        torch.manual_seed(self.recipe.seed + number)
        task, schedule = self.tasks.of(number, stage, start)
        first = 0
        if state is not None:
            task.load_state(state["task"])
            torch.set_rng_state(state["random"].cpu())
            first = state["draw"]
        self.report(f"stage {stage.name}: steps {first} to {schedule.steps}")
        wait_for_all()  # loading takes one process longer than another
        self._require_same(task)
        if self.watch is not None:
            self.watch.start(stage, task, first=first, steps=schedule.steps, frames_seen=self.frames_seen)
        with self.stop.listening():
            for draw in range(first, schedule.steps):
                where, rate = f"stage {stage.name}, step {draw}", schedule.at(draw).rate
                due = (draw + 1) % self.recipe.save_every == 0
                keep = self.watch is not None and self.watch.shows(draw, saved=due or draw + 1 == schedule.steps)
                with in_plain_words(where):
                    scalars = mean_scalars(task.step(draw, rate, keep=keep), summed=("frames",))
                self.frames_seen += int(scalars.pop("frames"))
                finite = all(np.isfinite(value) for value in scalars.values())
                if not finite and "skipped" not in scalars:  # those who skip such steps also know when to give up
                    raise RecipeError(f"{where}: the loss is not finite; try a smaller stage.rate")
                if self.watch is not None:
                    with saving(self.folder.path):
                        self.watch.step(draw, scalars, frames_seen=self.frames_seen, rate=rate)
                stopping = any_of(self.stop.asked)
                if due or stopping:
                    self._save(number, draw + 1, task)
                if stopping:
                    wait_for_all()  # whoever leaves first may take the rest along
                    raise Interrupted(
                        f"stopped at step {draw + 1} of stage {stage.name}; the same command goes on from there"
                    )
        self._save(number, schedule.steps, task)

    def _save(self, number: int, draw: int, task: Task) -> None:
        self._require_same(task)
        if self.watch is None:
            return
        state = {"stage": number, "draw": draw, "frames_seen": self.frames_seen, "task": task.state()}
        self.folder.save(state | {"random": torch.get_rng_state()})
        with saving(self.folder.model):
            task.publish(self.folder.model, self.frames_seen)
            self.watch.saved(frames_seen=self.frames_seen)

    def _require_same(self, task: Task) -> None:
        """Processes that drift apart would go on averaging gradients of different networks."""
        if not same_everywhere(task.modules):
            raise RunError(
                "the processes of this run hold different weights; do all machines have the same software? "
                "remove state.pt to begin the stage again"
            )
