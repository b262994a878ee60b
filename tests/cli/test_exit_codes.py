"""One table of exit codes, and every error has one of them."""

from __future__ import annotations

import importlib
import pkgutil
import re
import signal

import pytest

import v2vcli
from tests.cli.conftest import V2V
from tests.cli.contract import exit_codes
from v2vcli.cli.signals import Stopped
from v2vcli.errors import EXIT_CODES, INTERRUPTED, RESUMABLE, V2VError


def _errors(kind: type[V2VError]) -> set[type[V2VError]]:
    return {kind}.union(*(_errors(each) for each in kind.__subclasses__()))


def test_every_error_has_a_code_of_the_table() -> None:
    for module in pkgutil.walk_packages(v2vcli.__path__, "v2vcli."):
        if module.name.startswith(
            ("v2vcli.train.", "v2vcli.models.", "v2vcli.maps.", "v2vcli.video.", "v2vcli.engine.")
        ):
            importlib.import_module(module.name)
    found = {error for error in _errors(V2VError) if error.__module__.startswith("v2vcli")}
    assert len(found) > 10 and any(error.__module__ == "v2vcli.train.failures" for error in found)
    assert {error.__qualname__: error.exit_code for error in found if error.exit_code not in EXIT_CODES} == {}
    assert not [error for error in found if error.exit_code in (0, INTERRUPTED)]


def test_the_page_has_the_table() -> None:
    assert exit_codes() == dict(EXIT_CODES)
    assert list(EXIT_CODES) == [0, 1, 2, 3, 4, 5, 75, 255]


def test_the_help_has_the_table(v2v: V2V) -> None:
    words = re.sub(r"\s+", " ", v2v("--help").out)
    for code, when in EXIT_CODES.items():
        assert f"{code} {when}" in words


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("SIGINT", INTERRUPTED, "Ctrl-C"),
        ("SIGHUP", INTERRUPTED, "SIGHUP"),
        ("SIGTERM", RESUMABLE, "SIGTERM"),
        ("SIGUSR1", RESUMABLE, "SIGUSR1"),
    ],
)
def test_signals(name: str, code: int, says: str) -> None:
    stopped = Stopped(getattr(signal, name))
    assert (stopped.exit_code, str(stopped)) == (code, f"stopped by {says}")
