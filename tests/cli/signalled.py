"""`v2v` in a process of its own that gets signals at chosen places of its work, on a terminal of its own if need be.

What is peculiar: a place is the call of a function, so it is hit exactly, however busy the machine is. The processes
come from a server that has imported torch already; otherwise every one of them would take seconds to begin.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 300  # seconds; for a machine that is busy with other things

PLACES = {
    "as it begins": "v2vcli.cli.messages:Messages.begin",
    "while the model is loaded": "v2vcli.engine.generator:Generator.load",
    "as the output is opened": "v2vcli.video.writer:VideoWriter._write_header",
    "after the first window": "v2vcli.engine.progress:Meter.wrote",
    "as the file is finished": "v2vcli.video.writer:VideoWriter.close",
    "just before it gets its name": "v2vcli.partfile:PartFile.commit",
}
"""Module and function that is called there."""

_PRELOADED = (
    "tests.cli.signalled",
    "v2vcli.cli.app",
    "v2vcli.engine.generator",
    "v2vcli.maps.makers.edges",
    "scenedetect",
)


@dataclass(frozen=True)
class Shot:
    """What happens when a place is reached.

    Attributes:
        place: a value of `PLACES`.
        numbers: of the signals, one after the other.
        pause: seconds after each of them.
        stuck: then the function does not return.
    """

    place: str
    numbers: tuple[int, ...] = ()
    pause: float = 0.0
    stuck: bool = False


def run(arguments: Sequence[object], shot: Shot, folder: Path) -> tuple[int, str]:
    """Run a command line; returns the exit code, negative if a signal killed it, and what was on stderr."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    errors = folder / "stderr.txt"
    process = context.Process(target=_run, args=([str(word) for word in arguments], shot, errors, None))
    process.start()
    return _ended(process), errors.read_text()


def run_on_a_terminal(arguments: Sequence[object], folder: Path) -> tuple[int, str]:
    """Run a command line on a terminal that goes away after the first window; as `run`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    reached = folder.parent / f"{folder.name}.reached"
    shot = Shot(PLACES["after the first window"])
    process = context.Process(target=_run, args=([str(word) for word in arguments], shot, reached, name))
    process.start()
    seen = b""
    os.close(theirs)
    deadline = time.monotonic() + PATIENCE
    while not reached.exists() and time.monotonic() < deadline and process.is_alive():
        time.sleep(0.05)
    os.set_blocking(ours, False)
    try:
        seen = os.read(ours, 65536)
    except (BlockingIOError, OSError):
        seen = b""
    os.close(ours)  # the terminal is gone
    return _ended(process), seen.decode("utf-8", "replace")


def _ended(process: Any) -> int:
    process.join(PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()
        raise TimeoutError("v2v does not end")
    assert process.exitcode is not None
    return int(process.exitcode)


def _run(words: list[str], shot: Shot, file: Path, terminal: str | None) -> None:
    import torch

    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if terminal is None:
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), 2)
    else:
        os.setsid()  # and the next terminal that is opened is ours
        tty = os.open(terminal, os.O_RDWR)
        for number in range(3):
            os.dup2(tty, number)
        os.close(tty)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    from v2vcli.cli import app

    _arm(shot, file if terminal is not None else None)
    sys.argv = ["v2v", *words]
    app.main()


def _arm(shot: Shot, reached: Path | None) -> None:
    """Put the shot where it belongs."""
    module, _, path = shot.place.partition(":")
    *outer, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for each in outer:
        owner = getattr(owner, each)
    kind = type(vars(owner)[name])
    real = getattr(owner, name)
    fired = False

    def armed(*given: Any, **named: Any) -> Any:
        nonlocal fired
        result = real(*given, **named) if name == "wrote" else None
        if not fired:
            fired = True
            for number in shot.numbers:
                os.kill(os.getpid(), number)
                time.sleep(shot.pause)
            if reached is not None:
                reached.touch()
                time.sleep(2.0)
            while shot.stuck:
                time.sleep(1.0)
        return result if name == "wrote" else real(*given, **named)

    setattr(owner, name, staticmethod(armed) if kind in (staticmethod, classmethod) else armed)
