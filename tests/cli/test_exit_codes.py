"""One table of exit codes, and every error has one of them."""

from __future__ import annotations

import importlib
import pkgutil
import re
import signal
import subprocess
import sys

import pytest

import v2vcli
from tests.cli.conftest import V2V
from tests.cli.contract import exit_codes
from v2vcli.cli.signals import Stopped
from v2vcli.errors import EXIT_CODES, INTERRUPTED, RESUMABLE, ClosedPipe, V2VError


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


@pytest.mark.parametrize(
    "error", [ClosedPipe("whoever read it has gone"), BrokenPipeError(32, "Broken pipe")], ids=repr
)
def test_a_closed_pipe_ends_quietly(v2v: V2V, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def closed(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("v2vcli.cli.app.app", closed)
    done = v2v("convert", "in.mp4", "-o", "-")
    assert (done.code, done.out, done.err) == (1, "", "")


def test_nobody_reads_what_is_printed() -> None:
    script = "from v2vcli.cli import app; app.app = lambda *_, **__: print('x' * 200000); app.main()"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(120) == 1
