"""A training that is killed at a given point: run by its path, in a process of its own, with `ARGUMENTS` as globals."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path
from typing import Any

import torch

from v2vcli.train import run_folder
from v2vcli.train.recipe import load_recipe
from v2vcli.train.run import Progress, train
from v2vcli.train.run_folder import RunFolder


def die() -> None:
    """As kill -9, the kernel short of memory and a power cut do it."""
    os.kill(os.getpid(), signal.SIGKILL)


def train_until(recipe: str, runs: str, stage: str, step: int, point: str) -> None:
    """Train, and die at `point` of step `step` (from 0) of a stage."""
    torch.set_num_threads(1)
    at = {"stage": "", "step": -1}

    def here() -> bool:
        return (at["stage"], at["step"]) == (stage, step)

    def progress(told: Progress) -> None:
        at.update(stage=told.stage, step=told.step)
        if point == "before saving" and here():
            die()

    save, finish = torch.save, RunFolder.finish

    def half_saved(state: object, file: Any) -> None:
        whole = io.BytesIO()
        save(state, whole)
        written = whole.getvalue()
        file.write(written[: len(written) // 2] if here() else written)
        if here():
            file.flush()
            die()

    def unpublished(folder: RunFolder, state: dict[str, Any]) -> None:
        saved(folder, state)
        if here():
            die()

    def unfinished(folder: RunFolder, number: int, of_stage: Any) -> None:
        if here():
            die()
        finish(folder, number, of_stage)

    saved = RunFolder.save
    match point:
        case "inside state.pt":
            run_folder.torch.save = half_saved  # type: ignore[assignment]
        case "after state.pt":
            RunFolder.save = unpublished  # type: ignore[method-assign]
        case "before handing on":
            RunFolder.finish = unfinished  # type: ignore[method-assign]
    train(load_recipe(recipe), runs=Path(runs), report=lambda _: None, progress=progress)


if "ARGUMENTS" in globals():
    train_until(**globals()["ARGUMENTS"])
