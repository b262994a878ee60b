"""What `v2v train` shows on stderr: a live table on a terminal, a line per logged step anywhere else.

Peculiar: the table goes away at the end and at each change of stage, and leaves the stage's last line behind, so that
what scrolls by is short and what is kept is whole (`runs/NAME/stats.jsonl` has all of it).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING

from v2vcli.cli.display import clock
from v2vcli.cli.messages import Messages

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from v2vcli.train.watch import Progress

SMOOTHED_OVER = 50
"""Steps that the table's running means are over, roughly."""
REFRESHES = 4
"""Of the table, per second."""


@contextmanager
def training_display(messages: Messages) -> Iterator[Callable[[Progress], None]]:
    """What to hand to `v2vcli.train.run.train` as its ``progress``; takes the table away at the end."""
    if not messages.shows("info"):
        yield lambda progress: None
    elif sys.stderr.isatty():
        with _Table(messages) as shown:
            yield shown
    else:
        yield lambda progress: messages.info(line(progress)) if progress.logged else None


class _Table:
    """The live table, from the first step on: of several processes only the one that is told of steps has one."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._means: dict[str, float] = {}
        self._stage = ""
        self._live: Live | None = None

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        if progress.stage != self._stage:
            self._stage = progress.stage
            self._means.clear()
        _smooth(self._means, progress.scalars)
        shown = table(progress, self._means)
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(shown, console=Console(stderr=True), refresh_per_second=REFRESHES, transient=True)
            self._live.start()
        self._live.update(shown)
        if progress.step == progress.steps - 1:
            self._messages.info(line(progress))


def line(progress: Progress) -> str:
    """One logged step: where it is, how fast, what it holds in memory, its losses."""
    p = progress
    numbers = " ".join(f"{name}={value:.4g}" for name, value in p.scalars.items())
    return (
        f"{p.stage} {p.step + 1}/{p.steps} fps={p.frames_per_second:.1f} eta={clock(p.seconds_left)} "
        f"mem={_size(p.memory)} {numbers}"
    )


def table(progress: Progress, means: dict[str, float]) -> Table:
    """The same as a table, with running means: a GAN's losses jump about."""
    from rich.box import SIMPLE_HEAD
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    p = progress
    facts = Table.grid(padding=(0, 2))
    facts.add_row("stage", f"[bold]{p.stage}[/bold]  {p.step + 1:,}/{p.steps:,}")
    facts.add_row("", ProgressBar(p.steps, p.step + 1, width=32))
    facts.add_row("frames/s", f"{p.frames_per_second:.2f}")
    facts.add_row("frames seen", f"{p.frames_seen:,}")
    facts.add_row("stage ends in", clock(p.seconds_left))
    facts.add_row("memory", _size(p.memory))
    losses = Table("term", box=SIMPLE_HEAD, padding=(0, 1))
    losses.add_column("step", justify="right")
    losses.add_column("mean", justify="right")
    for name, value in p.scalars.items():
        losses.add_row(name, f"{value:.4g}", f"{means.get(name, value):.4g}")
    both = Table.grid(padding=(0, 4))
    both.add_row(facts, losses)
    return both


def _smooth(means: dict[str, float], scalars: dict[str, float]) -> None:
    """Running means that begin at the first value; what is not finite does not stay in them."""
    for name, value in ((name, value) for name, value in scalars.items() if isfinite(value)):
        means[name] = means.get(name, value) + (value - means.get(name, value)) / SMOOTHED_OVER


def _size(count: int) -> str:
    return f"{count / 2**30:.1f}GiB" if count >= 2**30 else f"{count / 2**20:.0f}MiB"
