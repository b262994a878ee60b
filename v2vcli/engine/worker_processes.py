"""``--gpus N``: a batch shared out over N processes of this machine, one GPU each, or on CPUs an equal share of cores.

    parent --- a task, when the worker has none ---> worker: loads the model with its first task
           <-- progress ..., then what came of it --

Peculiar:

- a worker that dies (out of memory, a crash in a driver) costs one attempt: its file goes to another worker, which is
  started in its place; a file that has cost two workers is failed, and the others go on;
- what a dead worker left half-written is removed: nothing had that name before the task, and nobody is writing it;
- workers leave Ctrl-C to the parent, which stops them with SIGTERM; when the parent is gone, killed or not, they end,
  as the pipe to it breaks;
- the processes are started afresh (``spawn``): a CUDA context does not survive a fork.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from v2vcli.engine.convert_worker import Attempt, Crew, OnTaskProgress, Task, Work
from v2vcli.engine.progress import Progress
from v2vcli.engine.request import ConvertRequest
from v2vcli.errors import UsageError, V2VError
from v2vcli.partfile import abandoned_part

ATTEMPTS: Final = 2
"""How many workers a file may cost."""
_PATIENCE: Final = 10.0  # seconds that a worker has to clean up after SIGTERM


@dataclass(frozen=True)
class _Hopeless:
    """The model cannot be opened: no worker will do better."""

    error: V2VError


def processes(count: int) -> Crew:
    """A crew of processes.

    Args:
        count: how many, from 1.

    Raises:
        UsageError: not a number of processes.
    """
    if count < 1:
        raise UsageError(f"--gpus {count}: give a number of workers, from 1")

    def crew(tasks: Sequence[Task], progress: OnTaskProgress) -> Work:
        team = _Team(min(count, len(tasks)), tasks, progress, _places(count, tasks[0].request.device))
        try:
            yield from team.work()
        finally:
            team.stop()

    return crew


def _places(count: int, device: str) -> list[dict[str, str]]:
    """What each worker finds in its environment: its GPU, or its share of the cores.

    Raises:
        UsageError: there are GPUs, but fewer, and a CPU was not asked for.
    """
    import torch

    there = torch.cuda.device_count() if device != "cpu" else 0
    if there == 0 and device != "cuda":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return [{"OMP_NUM_THREADS": str(max(1, cores // count))}] * count
    if there < count:
        raise UsageError(f"--gpus {count}: PyTorch finds {there} here; give as many, or --device cpu")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(number) for number in range(there)]
    return [{"CUDA_VISIBLE_DEVICES": name} for name in names[:count]]


@dataclass(eq=False)
class _Member:
    """A running worker.

    Attributes:
        place: which of `_places` it has.
        process: itself.
        pipe: our end of it.
        task: what it is at, None: nothing.
    """

    place: int
    process: BaseProcess
    pipe: Connection
    task: Task | None = None


class _Team:
    """The parent's side."""

    def __init__(
        self, size: int, tasks: Sequence[Task], progress: OnTaskProgress, places: Sequence[dict[str, str]]
    ) -> None:
        self._todo = deque(tasks)
        self._lost: dict[int, int] = {}  # workers that a task has cost, by its index
        self._progress = progress
        self._places = places
        self._members: list[_Member] = []
        self._size = size

    def work(self) -> Work:
        for place in range(self._size):
            self._start(place)
        while self._members:
            for pipe in wait([member.pipe for member in self._members]):
                member = next(each for each in self._members if each.pipe is pipe)
                try:
                    said: object = member.pipe.recv()
                except (EOFError, OSError):
                    yield from self._bury(member)
                    continue
                task = member.task
                assert task is not None
                if isinstance(said, _Hopeless):
                    raise said.error
                if isinstance(said, Progress):
                    self._progress(task.index, said)
                else:
                    assert isinstance(said, Attempt)
                    self._occupy(member)
                    yield task, said

    def _start(self, place: int) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._places[place]), daemon=True)
        process.start()
        theirs.close()  # or its end would never be seen to close
        member = _Member(place, process, ours)
        self._members.append(member)
        self._occupy(member)

    def _occupy(self, member: _Member) -> None:
        """The next task for it, or its discharge."""
        member.task = self._todo.popleft() if self._todo else None
        if member.task is None:
            self._members.remove(member)
            member.pipe.close()
            member.process.join()
            return
        with contextlib.suppress(OSError):  # it died just now, which is seen when it is listened to
            member.pipe.send(member.task)

    def _bury(self, member: _Member) -> Work:
        """After a worker's death: its task for another, or given up."""
        self._members.remove(member)
        member.pipe.close()
        member.process.join()
        task, code = member.task, member.process.exitcode
        assert task is not None
        remove_unfinished(task.request)
        lost = self._lost[task.index] = self._lost.get(task.index, 0) + 1
        if lost < ATTEMPTS:
            self._todo.appendleft(task)
        else:
            yield task, lost_worker(task.request, f"ended {lost} workers, the last {_how(code)}")
        if self._todo:
            self._start(member.place)

    def stop(self) -> None:
        """End those who are still at work, and wait until they have cleaned up."""
        for member in self._members:
            member.process.terminate()
        for member in self._members:
            member.process.join(_PATIENCE)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()
            if member.task is not None:
                remove_unfinished(member.task.request)
            member.pipe.close()
        self._members.clear()


def lost_worker(request: ConvertRequest, how: str) -> V2VError:
    """What came of a file that no worker survives."""
    return V2VError(f"{request.input}: {how}; memory may be too small: try a smaller --window or --paint-size")


def remove_unfinished(request: ConvertRequest) -> None:
    """Remove what a worker that died left under the names of its part files.

    To be called only of a request whose outputs were free when its worker began.
    """
    for path in (request.output, request.save_maps):
        part = None if path is None else abandoned_part(path)
        if part is not None and part.is_file() and not part.is_symlink():
            _remove(part)


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):
        part.unlink()


def _how(code: int | None) -> str:
    if code is None or code >= 0:
        return f"with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"by {signal.Signals(-code).name}"
    return f"by signal {-code}"


def _serve(pipe: Connection, environment: dict[str, str]) -> None:
    """A worker's life."""
    os.environ.update(environment)  # before torch is imported
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminated)
    from v2vcli.engine.convert_worker import ConvertWorker

    worker: ConvertWorker | None = None
    while True:
        try:
            task: Task = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            worker = worker or ConvertWorker(task.request)
        except V2VError as error:
            pipe.send(_Hopeless(error))
            return
        came = worker.attempt(task.request, pipe.send)
        try:
            pipe.send(came)
        except OSError:  # the parent is gone
            return


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
