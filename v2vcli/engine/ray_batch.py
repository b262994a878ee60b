"""``--ray ADDRESS|local``: a batch on the machines of a Ray cluster; the extra ``[ray]``.

Each worker is a Ray actor that holds the model; the driver, where the command was typed, hands files to idle actors,
keeps archive and summary, and gives a file whose worker was lost (a machine that went, the memory killer) to another.

Peculiar:

- paths are made absolute and must be the same on every machine: a shared file system;
- actors are not restarted by Ray but replaced here, so that a file that kills its worker is known, and given up after
  as many workers as in `worker_processes`;
- what a lost worker left half-written is removed only once Ray says that its actor is dead;
- a worker takes one GPU where the cluster has any and ``--device`` is not ``cpu``, else one CPU (and Ray lets it
  have as many threads); it gets its first file when it runs, not when it is asked for: a busy cluster may keep it
  waiting.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from v2vcli.engine.convert_worker import Attempt, ConvertWorker, Crew, OnTaskProgress, Task, Work
from v2vcli.engine.progress import Progress
from v2vcli.engine.request import ConvertRequest
from v2vcli.engine.worker_processes import ATTEMPTS, lost_worker, remove_unfinished
from v2vcli.errors import UsageError, V2VError

_MAY_BE_FILES: Final = ("model", "maps_schema", "segmenter", "pose", "face", "edges", "cuts", "first_frame")
_WORDS: Final = frozenset({"auto", "none", "paint", "zeros", "input"})
_STORE: Final = 128 << 20  # bytes: what passes through Ray are names
LOCAL: Final = "local"
"""A cluster of this machine alone, begun and ended with the batch."""


def on_ray(address: str, workers: int | None = None) -> Crew:
    """A crew on a Ray cluster.

    Args:
        address: of its head (``10.0.0.1:6379``, ``auto``, ``ray://...``), or `LOCAL`.
        workers: how many; None: as many as the cluster has GPUs, or, where it has none, CPUs.

    Raises:
        UsageError: the extra is not installed, or that is no number of workers.
    """
    if find_spec("ray") is None:
        raise UsageError(
            "--ray needs the extra [ray]: pip install 'v2vcli[ray]'; or leave it out: --gpus N uses one machine"
        )
    if workers is not None and workers < 1:
        raise UsageError(f"--gpus {workers}: give a number of workers, from 1")

    def crew(tasks: Sequence[Task], progress: OnTaskProgress) -> Work:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        own = not ray.is_initialized()
        if own:
            _connect(ray, address, workers)
        try:
            team = _Team(ray, tasks, progress, workers)
            try:
                yield from team.work()
            finally:
                team.stop()
        finally:
            if own:
                ray.shutdown()

    return crew


def _connect(ray: Any, address: str, workers: int | None) -> None:
    quiet = {"log_to_driver": False, "configure_logging": False, "include_dashboard": False}
    try:
        if address == LOCAL:
            # a core may be shared by workers that were asked for by number
            ray.init(num_cpus=max(workers or 0, os.cpu_count() or 1), object_store_memory=_STORE, **quiet)
        else:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"--ray {address}: no cluster answers there: {reason}; start one with `ray start --head`"
        ) from error


class RemoteWorker:
    """What runs as an actor: a `ConvertWorker` that opens its model with its first file."""

    def __init__(self) -> None:
        """Nothing is opened yet."""
        self._worker: ConvertWorker | None = None

    def ready(self) -> int:
        """Its process."""
        return os.getpid()

    def attempt(self, request: ConvertRequest) -> tuple[Attempt, bool]:
        """Convert one file; and whether it was the model that could not be opened: then no worker will do better."""
        try:
            self._worker = self._worker or ConvertWorker(request)
        except V2VError as error:
            return error, True
        return self._worker.attempt(request, _unheard), False


def _unheard(progress: Progress) -> None:
    """Nobody is told how far a remote worker is with a file."""


class _Team:
    """The driver's side: at most as many actors as tasks; each has one task in hand, once it runs."""

    def __init__(self, ray: Any, tasks: Sequence[Task], progress: OnTaskProgress, workers: int | None) -> None:
        self._ray, self._progress = ray, progress
        self._todo = deque(tasks)
        self._lost: dict[int, int] = {}  # workers that a task has cost, by its index
        self._starting: dict[Any, Any] = {}  # what will be there when an actor runs -> the actor
        self._at: dict[Any, tuple[Any, Task]] = {}  # what will be there when a task is done -> its actor, the task
        resources = ray.cluster_resources()
        gpus = int(resources.get("GPU", 0)) if tasks[0].request.device != "cpu" else 0
        self._takes = {"num_gpus": 1} if gpus else {"num_cpus": 1}
        self._size = min(len(tasks), workers or gpus or max(1, int(resources.get("CPU", 1))))

    def work(self) -> Work:
        for _ in range(self._size):
            self._start()
        while self._todo or self._at:  # actors that the cluster has no room for are not waited for
            finished = self._ray.wait([*self._starting, *self._at], num_returns=1)[0][0]
            if finished in self._starting:
                self._started(finished)
                continue
            actor, task = self._at.pop(finished)
            try:
                came, hopeless = self._ray.get(finished)
            except self._ray.exceptions.RayActorError as error:
                yield from self._replace(task, error)
                continue
            except self._ray.exceptions.RayError as error:
                came, hopeless = V2VError(f"{task.request.input}: Ray: {_first_line(error)}; try again"), False
            if hopeless:
                raise came
            if not isinstance(came, V2VError):
                self._progress(task.index, came.progress)
            self._give(actor)
            yield task, came

    def _start(self) -> None:
        remote = self._ray.remote(**self._takes, max_restarts=0, max_task_retries=0)(RemoteWorker)
        actor = remote.remote()
        self._starting[actor.ready.remote()] = actor

    def _started(self, ready: Any) -> None:
        """An actor runs, or could not be started.

        Raises:
            V2VError: it could not, and nobody else is at work.
        """
        actor = self._starting.pop(ready)
        try:
            self._ray.get(ready)
        except self._ray.exceptions.RayError as error:
            if not self._at and not self._starting:
                raise V2VError(
                    f"--ray: no worker could be started: {_first_line(error)}; is v2v installed on every machine?"
                ) from error
            return
        self._give(actor)

    def _give(self, actor: Any) -> None:
        """The next task for an actor, or its end."""
        if self._todo:
            task = self._todo.popleft()
            self._at[actor.attempt.remote(everywhere(task.request))] = actor, task
        else:
            self._ray.kill(actor)

    def _replace(self, task: Task, error: Exception) -> Work:
        """After the loss of an actor: its task for another, or given up."""
        remove_unfinished(task.request)
        lost = self._lost[task.index] = self._lost.get(task.index, 0) + 1
        if lost < ATTEMPTS:
            self._todo.appendleft(task)
        else:
            yield task, lost_worker(task.request, f"was given up after {lost} lost workers ({_first_line(error)})")
        if self._todo:
            self._start()

    def stop(self) -> None:
        """End those who are still there."""
        for actor in self._starting.values():
            self._ray.kill(actor)
        for actor, task in self._at.values():
            self._ray.kill(actor)
            remove_unfinished(task.request)
        self._starting.clear()
        self._at.clear()


def everywhere(request: ConvertRequest) -> ConvertRequest:
    """A request whose files have the same names wherever it is carried out."""
    files = {name: getattr(request, name) for name in ("input", "output", "maps", "save_maps")}
    moved: dict[str, Any] = {name: Path(os.path.abspath(path)) for name, path in files.items() if path is not None}
    for name in _MAY_BE_FILES:
        value = getattr(request, name)
        if isinstance(value, str) and value not in _WORDS:
            family, colon, path = value.rpartition(":")
            if os.path.exists(path):
                moved[name] = family + colon + os.path.abspath(path)
    if request.maps is not None:  # a maker file:PATH says the same, and has said it
        moved |= dict.fromkeys(("segmenter", "pose", "face", "edges"))
    return replace(request, **moved)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
