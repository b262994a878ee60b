"""``--gpus N``: starts the processes of a run on this machine, passes on what they tell, ends them together.

Peculiar:
- This process trains nothing. It keeps the store that the others meet in, so that any of them may be lost and the rest
  still learns who; it turns whatever happened into one exception, and leaves no process behind.
- Not torch's elastic agent, whose rendezvous and environment are used all the same (so `torchrun` can take this
  launcher's place): the agent turns every end into its own report, exit code 75 into failure, does not know SIGUSR1,
  and starts the group anew by itself, where here the same command does.
- Processes come from a fork server that has imported torch once; it has no threads and never touches a GPU, so they
  start in a moment, share its memory, and may.
- A signal that asks to stop reaches all processes as SIGUSR1. From a terminal Ctrl-C reaches them directly as well,
  and a second one must stay the user's to press.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, Protocol

import torch
from torch._C._distributed_c10d import TCPStore

from v2vcli.errors import V2VError
from v2vcli.train.failures import GOES_ON, Interrupted, PeerLost, RunError
from v2vcli.train.stopping import SIGNALS

Told = Callable[[str, Any], None]
GRACE = 3.0
"""Seconds that the others have to say what they know, after one process failed; the cause may not be the first news."""


class Work(Protocol):
    """What every process does; importable by name, as it is sent to them."""

    def __call__(self, tell: Told) -> Any:
        """Do it, and give the result. ``tell(channel, message)`` hands something picklable to the caller."""


@dataclass
class _Worker:
    """One of the processes, and how it ended."""

    rank: int
    process: BaseProcess
    events: Connection
    outcome: BaseException | None = None
    result: Any = None
    ended: bool = False


def launch(work: Work, processes: int, *, told: Told) -> Any:
    """Run `work` in so many processes, and give what the leading one gives.

    Args:
        work: must be picklable: a function of a module, or a `functools.partial` of one.
        processes: how many.
        told: called here with what the leading process tells.

    Raises:
        V2VError: the one that a process raised first; of a process that was killed, a `RunError`.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "v2vcli.train.run"])
    store = TCPStore("127.0.0.1", 0, processes, is_master=True, timeout=timedelta(minutes=5), wait_for_workers=False)
    workers: list[_Worker] = []
    try:
        for rank in range(processes):
            receiving, sending = context.Pipe(duplex=False)
            environment = _environment(rank, processes, store.port)
            process = context.Process(target=_main, args=(work, environment, sending), name=f"v2v-train-{rank}")
            process.start()
            sending.close()
            workers.append(_Worker(rank, process, receiving))
        with _passed_on(workers) as stop:
            _attend(workers, told)
        return _conclusion(workers, stopped=stop.asked)
    finally:
        for worker in workers:
            with suppress(ProcessLookupError):
                worker.process.kill()
        for worker in workers:
            worker.process.join()


def _environment(rank: int, processes: int, port: int) -> dict[str, str]:
    """What torchrun would set."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }


# ---- in the processes that train


def _main(work: Work, environment: dict[str, str], events: Connection) -> None:
    """Do the work, say how it ended, and leave without waiting for anybody."""
    os.environ.update(environment)
    if torch.get_num_threads() > 1:  # together as many as one process would take
        torch.set_num_threads(max(1, torch.get_num_threads() // int(environment["LOCAL_WORLD_SIZE"])))
    lock = threading.Lock()

    def tell(channel: str, message: Any) -> None:
        with lock:
            events.send((channel, message))

    try:
        tell("done", work(tell))
    except BaseException as error:
        with suppress(OSError):
            tell("failed", _portable(error))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a collective of a lost peer may never end


def _portable(error: BaseException) -> BaseException:
    """An exception that survives the way to another process, with where it came from."""
    text = "".join(traceback.format_exception(error))
    plain: BaseException = type(error)(*error.args) if isinstance(error, V2VError) else error
    try:
        plain = pickle.loads(pickle.dumps(plain.with_traceback(None)))
    except Exception:  # whatever its class thinks of
        plain = RuntimeError(f"{type(error).__name__}: {error}")
    plain.__cause__ = plain.__context__ = None
    plain.add_note(text)
    return plain


# ---- in the process that started them


@dataclass
class _Stop:
    workers: list[_Worker]
    asked: bool = field(default=False)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        for worker in self.workers:
            if not worker.ended and worker.process.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(worker.process.pid, signal.SIGUSR1)


@contextmanager
def _passed_on(workers: list[_Worker]) -> Iterator[_Stop]:
    """Within, signals that ask to stop go to the processes."""
    stop = _Stop(workers)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _attend(workers: list[_Worker], told: Told) -> None:
    """Listen until all have ended, or for a little while after one failed."""
    deadline: float | None = None
    while running := [worker for worker in workers if not worker.ended]:
        if deadline is not None and time.monotonic() > deadline:
            return
        ready = wait([worker.events for worker in running], timeout=0.5)
        for worker in running:
            if worker.events in ready:
                _hear(worker, told)
            elif not worker.process.is_alive():
                worker.ended = True
        failed = any(worker.outcome is not None or (worker.ended and worker.result is None) for worker in workers)
        if failed and deadline is None:
            deadline = time.monotonic() + GRACE


def _hear(worker: _Worker, told: Told) -> None:
    try:
        channel, message = worker.events.recv()
    except (EOFError, OSError):
        worker.ended = True
        worker.process.join(GRACE)
        return
    match channel:
        case "done":
            worker.result, worker.ended = (message,), True
        case "failed":
            worker.outcome, worker.ended = message, True
        case "lost":  # it may be stuck in a collective, and is not to be waited for
            worker.outcome, worker.ended = PeerLost(message), True
        case _:
            if worker.rank == 0:
                told(channel, message)


def _conclusion(workers: list[_Worker], *, stopped: bool) -> Any:
    """The leading process's result, or the likeliest cause of the end."""
    said = [worker.outcome for worker in workers if worker.outcome is not None]
    silent = [worker for worker in workers if worker.ended and worker.outcome is None and worker.result is None]
    for error in said:
        if not isinstance(error, PeerLost | Interrupted):
            raise error
    if silent and stopped:
        raise Interrupted("stopped before the first step; the same command begins again")
    for error in said:
        if isinstance(error, Interrupted):
            raise error
    for worker in silent:
        raise RunError(_killed(worker, len(workers)))
    if said:
        raise said[0]
    return workers[0].result[0]


def _killed(worker: _Worker, processes: int) -> str:
    code = worker.process.exitcode
    how = f"ended with code {code}"
    if code is not None and code < 0:
        how = f"was killed by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            how += ", as happens when memory is full"
    return f"process {worker.rank} of this run's {processes} {how}; {GOES_ON}"
