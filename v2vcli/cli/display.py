"""Progress on stderr: a bar on a terminal, a line every few seconds anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from v2vcli.cli.messages import Messages
from v2vcli.cli.streams import Lenient
from v2vcli.engine.progress import OnProgress, Progress, Result

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_EVERY = 5.0  # seconds between lines


@contextmanager
def progress_display(messages: Messages) -> Iterator[OnProgress]:
    """What to hand to a job as its ``progress``; takes the bar away at the end."""
    if not messages.shows("info"):
        yield lambda progress: None
    elif sys.stderr.isatty():
        with _bar() as bar:
            task = bar.add_task("", total=None, file="", fps="", speed="", eta="")

            def report(progress: Progress) -> None:
                total = None if progress.total is None else max(progress.total, progress.frames)
                fps, speed = f"{progress.fps:.1f}", f"{progress.speed:.3g}x"
                shown: dict[str, Any] = {
                    "file": _file(progress),
                    "fps": fps,
                    "speed": speed,
                    "eta": clock(progress.eta),
                }
                bar.update(task, completed=progress.frames, total=total, **shown)

            yield report
    else:
        yield _Lines(messages)


class _Lines:
    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            self._messages.info(line(progress))


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    return Bar(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[file]}fps={task.fields[fps]} speed={task.fields[speed]} eta={task.fields[eta]}"),
        console=Console(file=cast(TextIO, Lenient(sys.stderr))),  # a terminal may vanish while the work goes on
        transient=True,
    )


def line(progress: Progress) -> str:
    """One look at a job, in ffmpeg's words."""
    total = "" if progress.total is None else f"/{max(progress.total, progress.frames)}"
    frames = f"frame={progress.frames}{total} fps={progress.fps:.1f}"
    return f"{_file(progress)}{frames} speed={progress.speed:.3g}x eta={clock(progress.eta)}"


def _file(progress: Progress) -> str:
    """Of several inputs, which one it is."""
    return "" if progress.file is None else f"file={progress.file[0]}/{progress.file[1]} "


def clock(seconds: float | None) -> str:
    """H:MM:SS, or ?."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def conclusion(result: Result) -> str:
    """The last line: where the result is, and what it cost."""
    done = result.progress
    by = f", painted by {result.model}" if result.model else ""
    frames = "1 frame" if done.frames == 1 else f"{done.frames} frames"
    place = "standard output" if result.output == "-" else result.output
    return (
        f"{place}: {frames}, {result.width}x{result.height}, {float(done.media):.2f} s{by}"
        f" in {done.elapsed:.1f} s (fps={done.fps:.1f} speed={done.speed:.3g}x)"
    )


def conclude(messages: Messages, result: Result) -> None:
    """Say how a job ended: its warnings, then the last line."""
    for warning in result.warnings:
        messages.warning(warning)
    messages.info(conclusion(result))
