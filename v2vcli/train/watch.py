"""What a run tells while it goes on: numbers, samples, and at its end a model card.

    runs/NAME/stats.jsonl    one JSON object per logged step, always
    runs/NAME/samples/       strips and short videos, see `v2vcli.train.samples`
    runs/NAME/tensorboard/   scalars and strips, where TensorBoard is installed and [log].tensorboard is on
    runs/NAME/model.md       the model's card, when all stages are done

Peculiar: the horizontal axis of everything is frames seen, which goes on through all stages. A run that was killed and
goes on from its last save repeats some steps: what had been logged of them is taken out first, so that the log is that
of an uninterrupted run. What a terminal shows is not done here: `v2vcli.cli.training` does it, from `Progress`.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from v2vcli.train.model_card import hardware_in_words, write_run_card
from v2vcli.train.recipe import LogRecipe, StageRecipe
from v2vcli.train.samples import save_strip, save_video, strip
from v2vcli.train.task import Scalars, Task

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

RECENT = 50
"""Steps that speed and time left are judged by."""


@dataclass(frozen=True)
class Progress:
    """One step, as the caller is told of it.

    Attributes:
        stage: name of the stage.
        step: of the stage, from 0.
        steps: how many the stage has.
        scalars: what the step logs: losses, mostly.
        frames_seen: by the whole run.
        frames_per_second: over the last `RECENT` steps, saving and loading included.
        seconds_left: of this stage, at that speed; None before anything is known.
        memory: the most that was ever used, in bytes, see `memory_used`.
        logged: whether the step goes into ``stats.jsonl``.
    """

    stage: str
    step: int
    steps: int
    scalars: Scalars
    frames_seen: int = 0
    frames_per_second: float = 0.0
    seconds_left: float | None = None
    memory: int = 0
    logged: bool = True


class Watch:
    """Told of every step by the loop; writes and tells what is due."""

    def __init__(
        self,
        folder: Path,
        log: LogRecipe,
        device: torch.device,
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        processes: int = 1,
    ) -> None:
        """Watch the run in `folder`, one of `processes` (the first: the others need no watch)."""
        self.folder, self.log, self.device, self.processes = folder, log, device, processes
        self.progress = progress
        self._stage: StageRecipe | None = None
        self._task: Task | None = None
        self._steps = 0
        self._last = -1
        self._recent: deque[tuple[float, int, int]] = deque(maxlen=RECENT + 1)
        self._board: SummaryWriter | None = None
        self._board_tried = False

    def start(self, stage: StageRecipe, task: Task, *, first: int, steps: int, frames_seen: int) -> None:
        """A stage begins, or goes on, with step `first` of `steps`, when the run has seen `frames_seen` frames."""
        self._stage, self._task, self._steps, self._last = stage, task, steps, first - 1
        self._recent.clear()
        self._recent.append((time.monotonic(), first, frames_seen))
        forget_after(self.folder / "stats.jsonl", frames_seen)
        if self.log.tensorboard and not self._board_tried:
            self._board, self._board_tried = _board(self.folder / "tensorboard", frames_seen), True

    def step(self, draw: int, scalars: Scalars, *, frames_seen: int, rate: float) -> None:
        """Step `draw` of the stage is done, at learning rate `rate`; with it the run has seen `frames_seen` frames."""
        stage = self._started()
        self._last = draw
        self._recent.append((time.monotonic(), draw + 1, frames_seen))
        done = draw + 1 == self._steps
        logged = draw % self.log.every == 0 or done
        progress = Progress(
            stage.name, draw, self._steps, scalars, frames_seen, *self._speed(), memory_used(self.device), logged
        )
        if logged:
            self._write(progress, rate)
        if self.log.samples_every > 0 and self.shows(draw, saved=False):
            self._sample(frames_seen)
        self.progress(progress)

    def shows(self, draw: int, *, saved: bool) -> bool:
        """Whether samples of step `draw` will be written; `saved`: whether the state will be, after it."""
        every = self.log.samples_every
        return saved if every == 0 else (draw + 1) % every == 0 or draw + 1 == self._steps

    def saved(self, *, frames_seen: int) -> None:
        """The state was saved after the last step."""
        if self.log.samples_every == 0 and self._last >= 0:
            self._sample(frames_seen)
        if self._board is not None:
            self._board.flush()

    def finish(self, model: Path, start: Path | None = None) -> Path:
        """All stages are done: write the card of `model`, which was started from `start`, beside it.

        Returns:
            The card's path. One that is there stays if nothing was trained since: it says what the training ran on.
        """
        if self._stage is None and (card := model.with_suffix(".md")).exists():
            return card
        hardware = hardware_in_words(self.device, self.processes)
        return write_run_card(model, self.folder / "stats.jsonl", hardware=hardware, start=start)

    def close(self) -> None:
        """Let go of TensorBoard; the run may have ended in any way."""
        if self._board is not None:
            self._board.close()

    def _started(self) -> StageRecipe:
        if self._stage is None:
            raise RuntimeError("a step before any stage was started")
        return self._stage

    def _speed(self) -> tuple[float, float | None]:
        """Frames per second of late, and the seconds until the stage ends at that speed."""
        (began, first, frames_before), (now, done, frames) = self._recent[0], self._recent[-1]
        seconds = max(now - began, 1e-9)
        return (frames - frames_before) / seconds, (self._steps - done) * seconds / (done - first)

    def _write(self, progress: Progress, rate: float) -> None:
        record: dict[str, Any] = {
            "stage": progress.stage,
            "step": progress.step,
            "frames": progress.frames_seen,
            "fps": significant(progress.frames_per_second, 4),
            "memory": progress.memory,
            "rate": significant(rate),
            "time": time.time(),
        }
        record |= {name: significant(value) for name, value in progress.scalars.items()}
        with (self.folder / "stats.jsonl").open("a") as file:  # one write: a killed run leaves whole lines
            file.write(json.dumps(record) + "\n")
        if self._board is not None:
            shown = progress.scalars | {"rate": rate, "frames_per_second": progress.frames_per_second}
            for name, value in shown.items():
                self._board.add_scalar(f"{progress.stage}/{name}", value, progress.frames_seen)

    def _sample(self, frames_seen: int) -> None:
        stage = self._started()
        rows = [] if self._task is None else self._task.samples()
        if not rows:
            return
        folder = self.folder / "samples"
        folder.mkdir(exist_ok=True)
        name = f"{stage.name}-{self._last + 1:06d}"
        save_strip(folder / f"{name}.png", rows)
        if stage.kind == "video":  # elsewhere rows are different pictures
            save_video(folder / f"{name}.mp4", rows)
        if self._board is not None:
            self._board.add_image(f"{stage.name}/samples", strip(rows), frames_seen, dataformats="HWC")


def forget_after(stats: Path, frames_seen: int) -> None:
    """Take out of a log what was logged after `frames_seen` frames, and what a killed process left half-written."""
    if not stats.exists():
        return
    lines = stats.read_text().splitlines(keepends=True)
    kept = [line for line in lines if (frames := _frames(line)) is not None and frames <= frames_seen]
    if kept != lines:
        partial = stats.with_name(stats.name + ".part")
        partial.write_text("".join(kept))
        partial.replace(stats)


def _frames(line: str) -> int | None:
    try:
        return int(json.loads(line)["frames"])
    except (ValueError, KeyError, TypeError):
        return None


def significant(value: float, digits: int = 8) -> float | None:
    """`value` without the digits that only cost room in a log; None for NaN and infinity, which JSON does not know."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def memory_used(device: torch.device) -> int:
    """The most bytes this process ever held: of tensors on a GPU; on the CPU of everything, as the kernel counts it."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # not Linux
        import resource
        import sys

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    # unlike ru_maxrss, VmHWM begins anew with the program that is started
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _board(folder: Path, frames_seen: int) -> SummaryWriter | None:
    """TensorBoard's writer, if it is installed; what was written after `frames_seen` frames is not shown any more."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(log_dir=str(folder), purge_step=frames_seen + 1)
