"""The engine's models and clips, and a way to run command lines."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import pytest

from tests.engine.conftest import clip, edge_model, one_torch_thread

__all__ = ["clip", "edge_model", "one_torch_thread"]


@dataclass(frozen=True)
class Outcome:
    """What a command line left."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Of stderr."""
        return self.err.splitlines()


V2V: TypeAlias = Callable[..., Outcome]


@pytest.fixture
def v2v() -> V2V:
    """Run a command line in this process."""
    from v2vcli.cli.app import run

    def call(*arguments: object) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([str(argument) for argument in arguments])
        return Outcome(code, out.getvalue(), err.getvalue())

    return call
