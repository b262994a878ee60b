"""The loop: stages in order, one folder per run, resumable by the same command.

    runs/NAME/recipe.resolved.json   the recipe with every default written out
    runs/NAME/stats.jsonl            one JSON object per logged step
    runs/NAME/state.pt               where the current stage stands
    runs/NAME/stage-0-NAME.safetensors   what each finished stage handed to the next
    runs/NAME/model.safetensors      the model so far, usable by `v2v convert --model`
    runs/NAME/samples.png            the last batch, to look at

Peculiar: a batch is a function of (seed, stage, draw), so "resumed" means exactly "as if never stopped". Ctrl-C,
SIGTERM and SIGUSR1 (a scheduler's warnings) finish the step in hand, save, and end the run with exit code 75, for it to
be queued again; a second Ctrl-C stops at once. A folder is locked while a run uses it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import IO, Any

import numpy as np
import torch
from PIL import Image

from v2vcli.engine.modes import load_segmenter
from v2vcli.errors import RecipeError, V2VError
from v2vcli.maps.edges import CannyExtractor
from v2vcli.maps.extractors import MapExtractor
from v2vcli.maps.schema import SCHEMAS
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train.batches import Sampler
from v2vcli.train.clips import Clip, MapMaker, Pictures, load_clips
from v2vcli.train.painting import ImageTask, VideoTask
from v2vcli.train.recipe import Recipe, StageRecipe
from v2vcli.train.segmentation import SegmentTask
from v2vcli.train.task import Scalars, Task

LOG_EVERY = 20
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interrupted(V2VError):
    """Somebody asked the run to stop; everything is saved, the same command goes on."""

    exit_code = 75


@dataclass(frozen=True)
class Progress:
    """What the caller is told while a run goes on."""

    stage: str
    step: int
    steps: int
    scalars: Scalars
    frames_per_second: float


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
        progress: told the numbers every few steps.

    Returns:
        The path of the finished model.

    Raises:
        RecipeError: data missing, or the folder holds a run of another recipe.
        ModelError: `start` does not fit the recipe.
        Interrupted: Ctrl-C, SIGTERM or SIGUSR1 came; state is saved.
    """
    if recipe.stage[0].kind == "video" and start is None:
        raise RecipeError(
            f"stage {recipe.stage[0].name!r} starts from an image generator: "
            "put an image stage before it, or give --start"
        )
    folder = runs / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        _claim(folder, recipe, start)
        return _Run(recipe, folder, torch.device(device), report, progress).stages(start)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else trains in this folder meanwhile; the lock goes with the process, however it ends."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecipeError(f"{folder}: another training is running here; wait for it, or --set name=NAME") from None
        yield


def _claim(folder: Path, recipe: Recipe, start: Path | None) -> None:
    """Write the resolved recipe and what it started from, or check that the folder's are the same.

    A folder in which nothing was trained yet is anybody's.
    """
    resolved = recipe.model_dump(mode="json", by_alias=True)
    origin = None if start is None else {"name": start.name, "sha256": hashlib.sha256(start.read_bytes()).hexdigest()}
    path, text = folder / "recipe.resolved.json", json.dumps(resolved | {"started_from": origin}, indent=1)
    trained = (folder / "state.pt").exists() or any(folder.glob("stage-*.safetensors"))
    if trained and (not path.exists() or path.read_text() != text):
        raise RecipeError(
            f"{folder} holds a run of another version of this recipe or another --start; "
            "choose another --set name=NAME or remove it"
        )
    path.write_text(text)


class _Run:
    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        device: torch.device,
        report: Callable[[str], None],
        progress: Callable[[Progress], None],
    ) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        self.report, self.progress = report, progress
        self.stopping = False
        self.frames_seen = 0
        self.spec = map_spec(recipe)
        self._clips: list[Clip] | None = None

    def stop(self, signal_number: int, frame: FrameType | None) -> None:
        """Finish the step in hand, then save and leave."""
        self.stopping = True
        if signal_number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Signals end the run after a step; before the first step there is nothing to save, and they act as ever."""
        if threading.current_thread() is not threading.main_thread():  # only there can handlers be set
            yield
            return
        handlers = {number: signal.signal(number, self.stop) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def stages(self, start: Path | None) -> Path:
        """All stages that are not done yet."""
        state: dict[str, Any] | None = None
        if (self.folder / "state.pt").exists():
            state = torch.load(self.folder / "state.pt", map_location=self.device, weights_only=True)
            self.frames_seen = state["frames_seen"]
        for number, stage in enumerate(self.recipe.stage):
            done = self.folder / f"stage-{number}-{stage.name}.safetensors"
            if not done.exists():
                mine = state if state is not None and state["stage"] == number else None
                self._stage(number, stage, start, mine)
                _copy(self.folder / "model.safetensors", done)
            start = done
        return self.folder / "model.safetensors"

    def _stage(self, number: int, stage: StageRecipe, start: Path | None, state: dict[str, Any] | None) -> None:
        torch.manual_seed(self.recipe.seed + number)
        task = self._task(number, stage, start)
        first = 0
        if state is not None:
            task.load_state(state["task"])
            first = state["draw"]
        self.report(f"stage {stage.name}: steps {first} to {stage.steps}")
        began, frames_before = time.monotonic(), self.frames_seen
        with self._stoppable(), (self.folder / "stats.jsonl").open("a") as log:
            for draw in range(first, stage.steps):
                scalars = task.step(draw, rate_at(draw, stage))
                self.frames_seen += int(scalars.pop("frames"))
                if not all(np.isfinite(value) for value in scalars.values()):
                    raise RecipeError(
                        f"stage {stage.name}, step {draw}: the loss is not finite; try a smaller stage.rate"
                    )
                if draw % LOG_EVERY == 0 or draw == stage.steps - 1:
                    speed = (self.frames_seen - frames_before) / (time.monotonic() - began)
                    self._log(log, stage, draw, scalars, speed)
                if draw % self.recipe.save_every == self.recipe.save_every - 1 or self.stopping:
                    self._save(number, draw + 1, task)
                if self.stopping:
                    raise Interrupted(
                        f"stopped at step {draw + 1} of stage {stage.name}; the same command goes on from there"
                    )
        self._save(number, stage.steps, task)

    def _log(self, log: IO[str], stage: StageRecipe, draw: int, scalars: Scalars, speed: float) -> None:
        record = {
            "stage": stage.name,
            "step": draw,
            "frames": self.frames_seen,
            "fps": round(speed, 2),
            "time": time.time(),
        }
        log.write(json.dumps(record | {name: round(value, 5) for name, value in scalars.items()}) + "\n")
        log.flush()
        self.progress(Progress(stage.name, draw, stage.steps, scalars, speed))

    def _save(self, number: int, draw: int, task: Task) -> None:
        state = {"stage": number, "draw": draw, "frames_seen": self.frames_seen, "task": task.state()}
        partial = self.folder / "state.pt.part"
        torch.save(state, partial)
        partial.replace(self.folder / "state.pt")
        task.publish(self.folder / "model.safetensors", self.frames_seen)
        if (picture := task.picture()) is not None:
            Image.fromarray(picture).save(self.folder / "samples.png")

    def _task(self, number: int, stage: StageRecipe, start: Path | None) -> Task:
        sampler = Sampler(self._loaded(), self.recipe.data, stage, (self.recipe.seed, number))
        match stage.kind:
            case "segment":
                return SegmentTask(self.recipe, stage, sampler, self.device, start)
            case "image":
                return ImageTask(self.recipe, stage, sampler, self.spec, self.device, start)
            case "video":
                assert start is not None  # `train` has seen to it
                return VideoTask(self.recipe, stage, sampler, self.spec, self.device, start)

    def _loaded(self) -> list[Clip]:
        if self._clips is None:
            with_flow = any(stage.kind == "video" for stage in self.recipe.stage)
            self._clips = load_clips(self.recipe.data, self.spec, self._maker, with_flow=with_flow, report=self.report)
        return self._clips

    def _maker(self, name: str) -> MapMaker:
        if name == "edges":
            return CannyExtractor().extract
        kind, _, model = name.partition(":")
        if kind != "segmenter":
            raise RecipeError(f"nothing makes {name!r} maps; known: edges, segmenter:MODEL")

        @cache
        def extractor(width: int, height: int) -> MapExtractor:
            return load_segmenter(model, self.device, (width, height))

        def make(images: Sequence[Pictures], size: tuple[int, int]) -> list[MapFrame]:
            return extractor(*images[0].shape[1::-1]).extract(images, size)

        return make


def map_spec(recipe: Recipe) -> MapSpec:
    """What the recipe's model is painted from (for a segmenter: what it gives)."""
    if recipe.model.maps != "labels":
        return MapSpec(recipe.model.maps)
    name = recipe.model.schema_name or "cityscapes19"
    if name not in SCHEMAS:
        raise RecipeError(f"model.schema is {name!r}; known: {', '.join(SCHEMAS)}")
    return MapSpec("labels", schema=SCHEMAS[name])


def _copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    partial = target.with_name(target.name + ".part")
    shutil.copyfile(source, partial)
    partial.replace(target)


def rate_at(draw: int, stage: StageRecipe) -> float:
    """Constant, then linearly to zero over the last `stage.decay` of the stage."""
    left = (stage.steps - draw) / stage.steps
    return stage.rate * min(1.0, left / stage.decay) if stage.decay > 0 else stage.rate
