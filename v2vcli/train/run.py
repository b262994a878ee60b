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

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from v2vcli.errors import RecipeError
from v2vcli.train.distributed import World, any_of, joined, mean_scalars, same_everywhere, wait_for_all
from v2vcli.train.failures import Interrupted, RunError, in_plain_words, saving
from v2vcli.train.recipe import Recipe, StageRecipe
from v2vcli.train.run_folder import RunFolder
from v2vcli.train.stage_tasks import StageTasks, map_spec
from v2vcli.train.stopping import StopRequest
from v2vcli.train.task import Task
from v2vcli.train.watch import Progress, Watch

__all__ = ["Interrupted", "Progress", "map_spec", "train"]

STUCK_AFTER = timedelta(minutes=30)
"""The longest that one process may keep the others waiting between two steps, saving included."""


def train(
    recipe: Recipe,
    *,
    runs: Path = Path("runs"),
    start: Path | None = None,
    device: str = "cpu",
    report: Callable[[str], None] = print,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Path:
    """Run a recipe to its end, or go on where it stopped.

    Args:
        recipe: see `v2vcli.train.recipe.load_recipe`.
        runs: folder of all runs; this one lives in ``runs/NAME``.
        start: a checkpoint to start the first stage from.
        device: a torch device.
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
    if recipe.stage[0].kind == "video" and start is None:
        raise RecipeError(
            f"stage {recipe.stage[0].name!r} starts from an image generator: "
            "put an image stage before it, or give --start"
        )
    with joined(torch.device(device), stuck_after=STUCK_AFTER) as (world, own_device):
        for stage in recipe.stage:
            world.share(stage.batch)  # refused before anything is loaded
        folder = RunFolder(runs / recipe.name)
        if not world.leads:
            wait_for_all()
            return _Run(recipe, folder, own_device, world, lambda _: None, None).stages(start)
        with folder.locked():
            folder.claim(recipe, start)
            wait_for_all()  # the others read the folder only when it is known to be this run's
            watch = Watch(folder.path, recipe.log, own_device, progress=progress, processes=world.size)
            with closing(watch):
                model = _Run(recipe, folder, own_device, world, report, watch).stages(start)
                with saving(model):
                    watch.finish(model, start)
            return model


class _Run:
    """One process's part of a run; the one that leads has a watch."""

    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        device: torch.device,
        world: World,
        report: Callable[[str], None],
        watch: Watch | None,
    ) -> None:
        self.recipe, self.folder, self.device, self.world = recipe, folder, device, world
        self.report, self.watch = report, watch
        self.stop = StopRequest()
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
        with self.stop.listening():  # before the first step there is nothing to save, and signals act as ever
            for draw in range(first, schedule.steps):
                where, rate = f"stage {stage.name}, step {draw}", schedule.at(draw).rate
                with in_plain_words(where):
                    scalars = mean_scalars(task.step(draw, rate), summed=("frames",))
                self.frames_seen += int(scalars.pop("frames"))
                if not all(np.isfinite(value) for value in scalars.values()):
                    raise RecipeError(f"{where}: the loss is not finite; try a smaller stage.rate")
                if self.watch is not None:
                    with saving(self.folder.path):
                        self.watch.step(draw, scalars, frames_seen=self.frames_seen, rate=rate)
                stopping = any_of(self.stop.asked)
                if (draw + 1) % self.recipe.save_every == 0 or stopping:
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
            if (picture := task.picture()) is not None:
                Image.fromarray(picture).save(self.folder.path / "samples.png")
            self.watch.saved(frames_seen=self.frames_seen)

    def _require_same(self, task: Task) -> None:
        """Processes that drift apart would go on averaging gradients of different networks."""
        if not same_everywhere(task.modules):
            raise RunError(
                "the processes of this run hold different weights; do all machines have the same software? "
                "remove state.pt to begin the stage again"
            )
