"""Every error a user can cause or meet, in one hierarchy.

A message is one line: what is wrong, where, and what to do next. The command line prints it without a
traceback (``-v debug`` shows one) and exits with the class's ``exit_code``.
"""

from __future__ import annotations


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


class SomeInputsFailed(V2VError):
    """Of several inputs some could not be worked on; what could be done of the others is done."""

    exit_code = 3
