"""Every error a user can cause or meet, in one hierarchy.

A message is one line: what is wrong, where, and what to do next. The command line prints it without a
traceback (``-v debug`` shows one) and exits with the class's ``exit_code``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RESUMABLE = 75
INTERRUPTED = 255
EXIT_CODES: Mapping[int, str] = MappingProxyType(
    {
        0: "done",
        1: "failed: the output could not be written, whoever read it has gone, or something unforeseen",
        2: "the command line or a recipe is wrong",
        3: "some of several inputs failed; the others are done",
        4: "a model is not there, or it or its labels do not fit",
        5: "an input is not there, unreadable, damaged, or not what it should be",
        RESUMABLE: "interrupted by a scheduler (SIGTERM, SIGUSR1); the same command goes on, or begins again",
        INTERRUPTED: "interrupted by Ctrl-C, or by a terminal that is gone",
    }
)
"""All that the program exits with, and when: what ``v2v --help`` and docs/json.md say."""


class V2VError(Exception):
    """Root of the hierarchy; ``exit_code`` is what the process exits with."""

    exit_code: int = 1


class UsageError(V2VError):
    """The options contradict each other or cannot be understood."""

    exit_code = 2


class RecipeError(V2VError):
    """A training recipe is wrong: unknown key, impossible value, missing data."""

    exit_code = 2


class ModelError(V2VError):
    """A model cannot be found, opened, or used for what was asked."""

    exit_code = 4


class SchemaMismatch(ModelError):
    """Two label schemas do not fit, even by name; the message lists the classes that do not."""


class InputError(V2VError):
    """An input file is missing, unreadable, damaged, or not what it was said to be."""

    exit_code = 5


class DamagedInput(InputError):
    """An input decodes up to a point; ``--tolerant`` keeps what decodes."""


class OutputError(V2VError):
    """An output cannot be written: folder, disk, codec, or it exists and ``-y`` was not given."""


class ClosedPipe(OutputError):
    """Whoever read the output through a pipe has stopped reading: nothing to complain about, and nothing more to do."""


class SomeInputsFailed(V2VError):
    """Of several inputs some could not be worked on; what could be done of the others is done."""

    exit_code = 3
