"""What the command line says, all of it on stderr: stdout belongs to results (`v2v models list`, `v2v eval --json`).

One line for each thing that is said; how much is said is ffmpeg's ``-loglevel``.
"""

from __future__ import annotations

import sys
import traceback

from v2vcli.cli.streams import silence
from v2vcli.errors import UsageError

LEVELS = ("quiet", "error", "warning", "info", "verbose", "debug")


class Messages:
    """Says things, as far as the level lets it."""

    def __init__(self) -> None:
        self._level = LEVELS.index("info")

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
        return LEVELS.index(level) <= self._level

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
        self.say("warning", f"v2v: warning: {text}")

    def error(self, text: str) -> None:
        """What went wrong, on one line, whatever the text held; under ``-v debug`` where, too."""
        self.say("error", f"v2v: error: {' '.join(text.split())}")
        if self.shows("debug") and sys.exc_info()[0] is not None:
            traceback.print_exc()


messages = Messages()
"""The one of this process."""
