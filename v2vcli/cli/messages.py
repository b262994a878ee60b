"""What the command line says, all of it on stderr: stdout belongs to results (`v2v models list`, `v2v eval --json`).

One line for each thing that is said; how much is said is ffmpeg's ``-loglevel``. With ``--json`` warnings and errors
are events (docs/json.md), whatever the level, and where events go to stderr nothing else does.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING

from v2vcli.cli.streams import silence
from v2vcli.errors import UsageError

if TYPE_CHECKING:
    from v2vcli.cli.events import Events

LEVELS = ("quiet", "error", "warning", "info", "verbose", "debug")


class Messages:
    """Says things, as far as the level lets it.

    Attributes:
        events: where programs are told, if any asked.
    """

    def __init__(self) -> None:
        self._level = LEVELS.index("info")
        self._silent = False
        self.events: Events | None = None

    def begin(self) -> None:
        """Forget what an earlier command line of this process chose."""
        self._level, self._silent, self.events = LEVELS.index("info"), False, None

    def tell(self, events: Events, *, silent: bool) -> None:
        """Tell programs from now on; ``silent``: and people nothing."""
        self.events, self._silent = events, silent

    def set_level(self, name: str) -> None:
        """Choose how much is said.

        Raises:
            UsageError: no such level.
        """
        if name not in LEVELS:
            raise UsageError(f"-loglevel {name}: choose {', '.join(LEVELS)}")
        self._level = LEVELS.index(name)

    def shows(self, level: str) -> bool:
        """Whether things of this level are said."""
        return not self._silent and LEVELS.index(level) <= self._level

    def say(self, level: str, text: str) -> None:
        """One line; if nobody can read it the work goes on all the same."""
        if self.shows(level):
            try:
                print(text, file=sys.stderr, flush=True)
            except OSError:
                silence(sys.stderr)

    def info(self, text: str) -> None:
        """What is going on."""
        self.say("info", text)

    def warning(self, text: str) -> None:
        """What went not quite as asked."""
        if self.events is not None:
            self.events.warning(text)
        self.say("warning", f"v2v: warning: {text}")

    def error(self, text: str, *, kind: str = "V2VError", exit_code: int = 1) -> None:
        """What went wrong, on one line, whatever the text held; under ``-v debug`` where, too.

        Args:
            text: says it.
            kind: for programs: the class of the error.
            exit_code: for programs: what the process exits with for its sake alone.
        """
        text = " ".join(text.split())
        if self.events is not None:
            self.events.error(kind, text, exit_code)
        self.say("error", f"v2v: error: {text}")
        if self.shows("debug") and sys.exc_info()[0] is not None:
            traceback.print_exc()


messages = Messages()
"""The one of this process."""
