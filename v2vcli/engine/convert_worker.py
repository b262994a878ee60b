"""One worker of a batch of conversions: the model is opened once, then file after file is converted with it.

Who calls it: `convert_batch` in its own process, `worker_processes` in each of several, `ray_batch` on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from v2vcli.engine.progress import OnProgress, Progress, Result
from v2vcli.engine.request import ConvertRequest
from v2vcli.engine.stopping import StopRequest
from v2vcli.errors import V2VError


@dataclass(frozen=True)
class Task:
    """One file to convert.

    Attributes:
        index: which input of the batch it is, from 0.
        request: what is asked for.
    """

    index: int
    request: ConvertRequest


Attempt: TypeAlias = Result | V2VError
"""What came of a task."""
Work: TypeAlias = Generator[tuple[Task, Attempt], None, None]
"""Tasks as they are finished, and what came of each."""
OnTaskProgress: TypeAlias = Callable[[int, Progress], None]
"""Told which input is how far."""


class Crew(Protocol):
    """Who carries out the tasks of a batch."""

    def __call__(self, tasks: Sequence[Task], progress: OnTaskProgress) -> Work:
        """Carry out tasks, in any order; closing the iterator stops the work and leaves nothing half-written.

        Args:
            tasks: they differ in their files alone.
            progress: told about progress, in the calling thread.

        Yields:
            Every task at most once, and what came of it, as soon as it is known; what is asked to stop leaves some out.

        Raises:
            ModelError: the model cannot be opened: no task could be carried out.
            UsageError: there is no such device, or less of them than asked for.
        """
        ...


class ConvertWorker:
    """A loaded model, and what makes its maps; converts one file after the other."""

    def __init__(self, request: ConvertRequest) -> None:
        """Open what a request needs.

        Raises:
            ModelError: the model, or what makes its maps, is not there or does not fit.
            UsageError: a mode, a device or an edit that does not exist.
        """
        from v2vcli.engine.loading import load_generator, load_maker  # and with it torch

        self._generator, _ = load_generator(request)
        self._maker = load_maker(request, self._generator)

    def attempt(self, request: ConvertRequest, progress: OnProgress, stop: StopRequest | None = None) -> Attempt:
        """Convert one file, up to where it is asked to stop.

        What goes wrong with it is what came of it, bugs included: the next one has its turn.
        """
        from v2vcli.engine.convert import convert

        try:
            return convert(request, generator=self._generator, maker=self._maker, progress=progress, stop=stop)
        except V2VError as error:
            # its traceback would keep the frames of the conversion alive, and their pictures, to the end of the batch
            error.__cause__ = error.__context__ = None
            return error.with_traceback(None)
        except Exception as error:
            return V2VError(
                f"{request.input}: {type(error).__name__}: {error}; this is a bug: convert it alone with -v debug"
            )


def alone(stop: StopRequest | None = None) -> Crew:
    """A crew of one: file after file, in this process.

    Args:
        stop: may ask to end early: the file in hand ends where it is, and no other is begun.
    """

    def crew(tasks: Sequence[Task], progress: OnTaskProgress) -> Work:
        worker: ConvertWorker | None = None
        for task in tasks:
            if stop is not None and stop.asked:
                return
            worker = worker or ConvertWorker(task.request)

            def report(each: Progress, index: int = task.index) -> None:
                progress(index, each)

            yield task, worker.attempt(task.request, report, stop)

    return crew
