"""The folder of a run: whose it is, who uses it, where training stands.

    runs/NAME/recipe.resolved.json   the recipe with every default written out, and what the run was started from
    runs/NAME/.lock                  locked while a run uses the folder
    runs/NAME/state.pt               where the current stage stands
    runs/NAME/stage-0-NAME.safetensors   what each finished stage handed to the next
    runs/NAME/model.safetensors      the model so far, usable by `v2v convert --model`

Peculiar: a run may be killed at any instant, the power may fail, the disk may be full, and what is under these names is
whole nevertheless: everything is written beside its place, flushed to the disk and then renamed. ``state.pt`` alone
says where training stands. The model is published after it, so a run that is killed between the two publishes it again
when it goes on: a stage is done only when its model is in ``stage-N-NAME.safetensors``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from v2vcli.errors import RecipeError
from v2vcli.train.failures import saving
from v2vcli.train.recipe import Recipe, StageRecipe


class RunFolder:
    """Names and files of one run.

    Attributes:
        path: the folder.
        model: the model so far.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is read or made yet."""
        self.path = path
        self.model = path / "model.safetensors"
        self._state = path / "state.pt"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else trains in this folder meanwhile; the lock goes with the process, however it ends.

        Raises:
            RecipeError: somebody does.
            OutputError: the folder cannot be made.
        """
        with saving(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".lock").open("w")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RecipeError(
                    f"{self.path}: another training is running here; wait for it, or --set name=NAME"
                ) from None
            yield

    def claim(self, recipe: Recipe, start: Path | None) -> None:
        """Write the resolved recipe and what it started from, or check that the folder's are the same.

        A folder in which nothing was trained yet is anybody's.

        Raises:
            RecipeError: the folder holds another run.
        """
        origin = None if start is None else {"name": start.name, "sha256": _sha256(start)}
        path = self.path / "recipe.resolved.json"
        if self.trained and _claimed(path) != (recipe, origin):
            raise RecipeError(
                f"{self.path} holds a run of another version of this recipe or another --start; "
                "choose another --set name=NAME or remove it"
            )
        resolved = recipe.model_dump(mode="json", by_alias=True)
        with writing(path) as partial:
            partial.write_text(json.dumps(resolved | {"started_from": origin}, indent=1))

    @property
    def trained(self) -> bool:
        """Whether there is anything here to go on from."""
        return self._state.exists() or any(self.path.glob("stage-*.safetensors"))

    def state(self, device: torch.device) -> dict[str, Any] | None:
        """What was last saved; None if nothing was.

        Raises:
            RecipeError: the file is damaged, which no kill and no full disk brings about.
        """
        if not self._state.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self._state, map_location=device, weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise RecipeError(
                f"{self._state} is damaged ({str(error).splitlines()[0]}); remove it to begin its stage again"
            ) from error
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Save where training stands; until all of it is on the disk, what was saved before stays.

        Raises:
            OutputError: the disk is full, or the folder may not be written to.
        """
        with writing(self._state) as partial, partial.open("wb") as file:
            torch.save(state, file)

    def handed_on(self, number: int, stage: StageRecipe) -> Path:
        """The model of a finished stage: it is there when the stage is done."""
        return self.path / f"stage-{number}-{stage.name}.safetensors"

    def finish(self, number: int, stage: StageRecipe) -> None:
        """The published model is that of the finished stage: hand it on.

        Raises:
            OutputError: the disk is full.
        """
        with writing(self.handed_on(number, stage)) as partial:
            partial.write_bytes(self.model.read_bytes())


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Hand out the name of a file beside `path`, which gets that place when it is whole and on the disk.

    A file of that name that a killed run left is written over: it is the folder's own.

    Raises:
        OutputError: the disk takes no more.
    """
    partial = path.with_name(path.name + ".part")
    with saving(path):
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _claimed(path: Path) -> tuple[Recipe, Any] | None:
    """The recipe and the origin in a resolved recipe; what it does not say yet is what it meant by not saying it."""
    try:
        resolved = json.loads(path.read_text())
        origin = resolved.pop("started_from")
        return Recipe.model_validate(resolved), origin
    except (OSError, ValueError, KeyError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
