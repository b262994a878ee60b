"""Work done ahead: order, errors, and workers that end with whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from v2vcli.errors import InputError
from v2vcli.train.pages import Pages
from v2vcli.train.prefetch import Prefetcher

STARTS_WORKERS = """
import os, sys, time
from pathlib import Path
from v2vcli.train.prefetch import Prefetcher
from tests.train.test_prefetch import told

if __name__ == "__main__":
    ahead = Prefetcher(told, 2)
    print(*ahead.get([0]), flush=True)
    time.sleep(60)
"""


def told(key: int) -> int:
    """Which process this is."""
    return os.getpid()


def squared(folder: Path, key: int) -> int:
    if key < 0:
        raise InputError(f"{key}: negative")
    (folder / str(key)).touch()
    return key * key


def test_without_workers_nothing_is_done_ahead(tmp_path: Path) -> None:
    ahead = Prefetcher(partial(squared, tmp_path), 0)
    assert ahead.get([2, 3], [4, 5]) == [4, 9]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3"]
    ahead.close()


@pytest.mark.slow
def test_workers_begin_what_is_coming_and_errors_come_back_as_they_are(tmp_path: Path) -> None:
    ahead = Prefetcher(partial(squared, tmp_path), 1)
    assert ahead.get([2, 3], [4]) == [4, 9]
    for _ in range(100):
        if (tmp_path / "4").exists():
            break
        time.sleep(0.05)
    assert (tmp_path / "4").exists()
    assert ahead.get([7], []) == [49]  # somebody went elsewhere
    with pytest.raises(InputError, match="-1: negative"):
        ahead.get([-1])
    assert ahead.get([3]) == [9]
    ahead.close()
    ahead.close()


@pytest.mark.slow
def test_workers_do_not_outlive_a_killed_run(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(STARTS_WORKERS)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout is not None
        worker = int(run.stdout.readline())
        os.kill(worker, signal.SIGTERM)  # to a whole group, say: the run's to answer
        os.kill(worker, signal.SIGINT)
        time.sleep(0.3)
        os.kill(worker, 0)  # still there
        run.kill()
        run.wait()
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            break
        if Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z":  # gone, and nobody asks
            break
        time.sleep(0.05)
    else:
        os.kill(worker, signal.SIGKILL)
        pytest.fail("a worker went on")


def test_what_was_not_asked_for_longest_goes_first() -> None:
    pages, read = Pages(room=100), list[str]()

    def page(name: str) -> str:
        return pages.get(name, lambda: read.append(name) or name, lambda _: 40)

    for name in ("a", "b", "a", "c", "a", "b"):
        assert page(name) == name
    assert read == ["a", "b", "c", "b"]
    assert pages.used == 80
    assert pages.get("huge", lambda: "huge", lambda _: 1000) == "huge"  # the one in use is kept in any case
    assert pages.used == 1000
