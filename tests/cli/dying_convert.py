"""`v2v` in a process of its own that dies, or is told to stop, at a chosen moment of its work.

What is peculiar: a moment is a number of calls of functions of this package, in all threads, not a time by the clock.
So it is as likely to lie anywhere in the work on a busy machine as on an idle one, and inside the last rename as well.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

PATIENCE = 300  # seconds; for a machine that is busy with other things

_PRELOADED = (
    "tests.cli.dying_convert",
    "v2vcli.cli.app",
    "v2vcli.engine.generator",
    "v2vcli.maps.makers.edges",
    "scenedetect",
)


def run(
    arguments: Sequence[object],
    *,
    moment: int | None = None,
    number: int = signal.SIGKILL,
    most: int | None = None,
    reads: int | None = None,
    said: Path | None = None,
) -> tuple[int, int | None]:
    """Run a command line in a process.

    Args:
        arguments: of ``v2v``.
        moment: the signal comes when so many functions have been called; None: never.
        number: of the signal.
        most: bytes that a file may have; writing more fails as on a full disk does (with another number).
        reads: standard output is a pipe whose reader takes so many bytes and goes.
        said: a file that takes what is said on stderr.

    Returns:
        The exit code, negative if the process was killed; and how many functions were called, if it lived to tell.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    told, tell = context.Pipe(duplex=False)
    words = [str(argument) for argument in arguments]
    process = context.Process(target=_run, args=(words, moment, number, most, reads, said, tell))
    process.start()
    tell.close()
    process.join(PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()
        raise TimeoutError(f"v2v {' '.join(words)} does not end")
    called = None
    if told.poll():
        try:
            called = told.recv()
        except EOFError:
            called = None
    told.close()
    assert process.exitcode is not None
    if process.exitcode == 255 and called is None:
        # what multiprocessing says when it does not know; v2v's own 255 comes with a count
        raise ChildProcessError("the process that forks for this test was ended by somebody else; run it again")
    return process.exitcode, called


def _run(
    words: list[str],
    moment: int | None,
    number: int,
    most: int | None,
    reads: int | None,
    said: Path | None,
    tell: Connection,
) -> None:
    import torch

    from v2vcli.cli import app

    torch.set_num_threads(1)
    if most is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    own = str(Path(app.__file__).parent.parent)
    called = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal called
        if event == "call" and frame.f_code.co_filename.startswith(own):
            called += 1
            if called == moment:
                os.kill(os.getpid(), number)

    sys.argv = ["v2v", *words]
    os.dup2(os.open(os.devnull if said is None else said, os.O_WRONLY | os.O_CREAT, 0o666), 2)
    if reads is not None:
        inlet, outlet = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, 4096)  # or a small output would be all in it before the reader goes
        os.dup2(outlet, 1)
        os.close(outlet)
        threading.Thread(target=_read_and_go, args=(inlet, reads), daemon=True).start()
    threading.setprofile(count)
    sys.setprofile(count)
    try:
        app.main()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        tell.send(called)


def _read_and_go(inlet: int, left: int) -> None:
    """Whoever reads standard output: takes some and closes it."""
    while left > 0:
        taken = os.read(inlet, left)
        if not taken:
            break
        left -= len(taken)
    os.close(inlet)
