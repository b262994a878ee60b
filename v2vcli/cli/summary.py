"""How a batch went, at its end: which inputs failed and why, how many are done, and what the process exits with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from v2vcli.cli.messages import messages
from v2vcli.engine.outcomes import Outcome
from v2vcli.errors import SomeInputsFailed

_NAMED = 12  # inputs in the last line


def judge(outcomes: Sequence[Outcome[Any, Any]]) -> None:
    """Print the summary of several inputs.

    Raises:
        V2VError: the only input failed.
        SomeInputsFailed: some of several did; the message names them, the table all of them.
    """
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if len(outcomes) == 1:
        for outcome in failed:
            assert outcome.error is not None
            raise outcome.error
        return
    for line in table(failed):
        messages.info(line)
    states = ("done", "skipped", "failed", "left")
    counts = [(sum(outcome.state == state for outcome in outcomes), state) for state in states]
    messages.info(f"{len(outcomes)} inputs: " + ", ".join(f"{count} {state}" for count, state in counts if count))
    if failed:
        names = [str(outcome.request.input) for outcome in failed]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise SomeInputsFailed(
            f"{len(failed)} of {len(outcomes)} inputs failed: {', '.join(names[:_NAMED])}{more};"
            " --skip-existing takes up the rest"
        )


def table(failed: Sequence[Outcome[Any, Any]]) -> list[str]:
    """A line for each input that failed: its name, what it alone would have exited with, and why."""
    if not failed:
        return []
    rows = [("failed", "exit", "because")]
    for outcome in failed:
        name = str(outcome.request.input)
        why = " ".join(str(outcome.error).split())
        rows.append((name, str(getattr(outcome.error, "exit_code", 1)), why.removeprefix(name).lstrip(": ")))
    width = max(len(name) for name, _, _ in rows)
    return [f"{name:{width}}  {code:>4}  {why}".rstrip() for name, code, why in rows]
