"""How a command tells what it does: to people on stderr, to programs with ``--json`` and ``-progress``, in one object.

    with reporting(messages, "convert", json=json, progress=progress) as report:
        report.begin(request)
        result = convert(request, progress=report.progress, stop=report.stop)
        report.done(request, result)

Peculiar: errors are not told here but where the process ends (`cli.app.run`), and the summary with them: so both come
once, last, and with the exit code that it really was.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from v2vcli.cli.display import conclude, progress_display
from v2vcli.cli.events import Events
from v2vcli.cli.messages import Messages
from v2vcli.cli.places import StderrPlace, open_place
from v2vcli.cli.progress_blocks import ProgressBlocks
from v2vcli.cli.signals import Stopped, signals
from v2vcli.engine.progress import OnProgress, Progress, Result
from v2vcli.engine.stopping import StopRequest
from v2vcli.errors import V2VError


class Files(Protocol):
    """Of a request: what is read and written."""

    @property
    def input(self) -> Path | str:
        """What is read."""

    @property
    def output(self) -> Path | str:
        """What is written."""


class Report:
    """What a command calls while it works.

    Attributes:
        stop: to be handed to a job; asked to end by Ctrl-C where partial files are kept.
    """

    def __init__(
        self, messages: Messages, shown: OnProgress, blocks: ProgressBlocks | None, keep_partial: bool
    ) -> None:
        """Used by `reporting`."""
        self.stop = StopRequest()
        self._messages, self._shown, self._blocks, self._keep_partial = messages, shown, blocks, keep_partial
        self._last: Progress | None = None
        self._current: Files | None = None

    def begin(self, files: Files) -> None:
        """One input is taken up; `done`, `skipped` or `failed` ends it, or an error that ends everything."""
        self._current = files

    def progress(self, progress: Progress) -> None:
        """How far it is: the callback for a job.

        Raises:
            Stopped: a signal came, and what it raised was lost on the way.
        """
        signals.check()
        if self._keep_partial and self._last is None:
            signals.willing(self.stop)  # from now on there is something to keep
        self._last = progress
        self._shown(progress)
        if self._blocks is not None:
            self._blocks(progress)
        if self._messages.events is not None:
            self._messages.events.progress(progress)

    def done(self, files: Files, result: Result) -> None:
        """One input is done; or ends early, as was asked for.

        Raises:
            Stopped: somebody asked to stop meanwhile.
        """
        self._end()
        if self._messages.events is not None:
            state = "stopped" if result.stopped else "done"
            self._messages.events.file(state, input=str(files.input), output=str(files.output), result=result)
        conclude(self._messages, result)
        if self.stop.asked:
            raise Stopped(signal.SIGINT)

    def skipped(self, files: Files, reason: str) -> None:
        """There is nothing to do for one input."""
        self._end()
        if self._messages.events is not None:
            self._messages.events.file("skipped", input=str(files.input), output=str(files.output), reason=reason)
        self._messages.info(f"{files.output}: skipped, {reason}")

    def failed(self, files: Files, error: V2VError) -> None:
        """One of several inputs cannot be done; of a single one, the error is raised instead.

        Raises:
            Stopped: a signal came, and the error is what a library made of it.
        """
        if not self.stop.asked:
            signals.check()
        self._end()
        self._tell_failed(files, error)
        self._messages.error(str(error), kind=type(error).__name__, exit_code=error.exit_code)

    def info(self, text: str) -> None:
        """What else people may want to know."""
        self._messages.info(text)

    def warning(self, text: str) -> None:
        """What went not quite as asked; not the warnings of a `Result`, which `done` tells."""
        self._messages.warning(text)

    def broken_off(self, error: BaseException) -> None:
        """Everything ends with this, whatever was in hand with it."""
        files = self._current
        self._end()
        if files is not None:
            self._tell_failed(files, error)

    def _end(self) -> None:
        signals.willing(None)
        self._last = self._current = None

    def _tell_failed(self, files: Files, error: BaseException) -> None:
        if self._messages.events is not None:
            self._messages.events.file(
                "failed" if isinstance(error, Exception) else "stopped",
                input=str(files.input),
                output=str(files.output),
                error=error if isinstance(error, V2VError) else None,
            )


@contextmanager
def reporting(
    messages: Messages,
    command: str,
    *,
    files: int = 1,
    json: bool = False,
    json_to: str | None = None,
    progress: str | None = None,
    keep_partial: bool = False,
    stdout_taken: bool = False,
) -> Iterator[Report]:
    """Open what was asked for, show progress, and take it all away at the end.

    Args:
        messages: those of the process.
        command: its name, for ``start``.
        files: how many inputs there are.
        json: events on stderr, and nothing else there.
        json_to: or events to this place, beside what people are told.
        progress: blocks of ``key=value`` to this place.
        keep_partial: the first Ctrl-C ends the file in hand where it is, and keeps it.
        stdout_taken: standard output carries the video.

    Raises:
        UsageError: a place is none, or standard output is taken.
        OutputError: a place cannot be opened.
    """
    with ExitStack() as stack:
        blocks = None
        if progress is not None:
            blocks = ProgressBlocks(open_place(progress, "-progress", stdout_taken=stdout_taken))
            stack.callback(blocks.close)
        if json_to is not None:
            messages.tell(Events(open_place(json_to, "--json-to", stdout_taken=stdout_taken)), silent=False)
        elif json and messages.events is None:  # `cli.app.run` may have begun with it
            messages.tell(Events(StderrPlace()), silent=True)
        if messages.events is not None:
            messages.events.start(command, files)
        stack.callback(signals.willing, None)
        shown = stack.enter_context(progress_display(messages))
        report = Report(messages, shown, blocks, keep_partial)
        try:
            yield report
        except BaseException as error:
            report.broken_off(error)
            raise
