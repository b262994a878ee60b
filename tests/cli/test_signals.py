"""Told to stop, in every way and at every moment: the right code, and nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.cli.contract import read_events
from tests.cli.signalled import PLACES, Shot, run, run_on_a_terminal
from tests.engine.material import picture, read, with_sound, write_clip
from v2vcli.engine.stopping import StopRequest

CODES = {signal.SIGINT: 255, signal.SIGHUP: 255, signal.SIGTERM: 75, signal.SIGUSR1: 75}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 frames at 25 fps, with sound."""
    folder = tmp_path_factory.mktemp("source")
    silent = write_clip(folder / "clip.mp4", [picture(t) for t in range(80)])
    return with_sound(folder / "in.mp4", silent, 3.2)


@pytest.fixture
def words(source: Path, edge_model: Path, tmp_path: Path) -> tuple[object, ...]:
    out = tmp_path / "out" / "out.mp4"
    out.parent.mkdir()
    options = ("--model", edge_model, "--device", "cpu", "--window", "4", "-preset", "ultrafast", "--cuts", "none")
    return ("convert", source, "-o", out, *options)


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "out").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_one_signal_at_any_moment(
    words: tuple[object, ...], tmp_path: Path, place: str, number: signal.Signals
) -> None:
    code, err = run(words, Shot(PLACES[place], (number,)), tmp_path)
    assert (code, left(tmp_path)) == (CODES[number], []), err
    says = "Ctrl-C" if number == signal.SIGINT else number.name
    assert err.splitlines()[-1] == f"v2v: stopped by {says}; no unfinished file is left"
    assert "Traceback" not in err


def test_sigterm_while_frames_are_written(words: tuple[object, ...], tmp_path: Path) -> None:
    """The one of the above that always runs."""
    code, err = run([*words, "--json"], Shot(PLACES["after the first window"], (signal.SIGTERM,)), tmp_path)
    assert (code, left(tmp_path)) == (75, []), err
    told = read_events(err)
    assert [event["event"] for event in told if event["event"] != "progress"] == ["start", "file", "error", "summary"]
    file, error, summary = told[-3:]
    assert (file["state"], error["kind"], error["message"]) == ("stopped", "Stopped", "stopped by SIGTERM")
    assert (summary["exit_code"], summary["stopped"]) == (75, 1)


def test_ctrl_c_keeps_what_is_done(words: tuple[object, ...], tmp_path: Path, source: Path) -> None:
    shot = Shot(PLACES["after the first window"], (signal.SIGINT, signal.SIGINT))  # the second is an echo
    code, err = run([*words, "--keep-partial", "--json"], shot, tmp_path)
    assert (code, left(tmp_path)) == (255, ["out.mp4"]), err
    kept, given = read(tmp_path / "out" / "out.mp4"), read(source)
    assert 4 <= len(kept) < 80
    assert [(frame.pts, frame.duration) for frame in kept] == [(f.pts, f.duration) for f in given[: len(kept)]]
    with av.open(str(tmp_path / "out" / "out.mp4")) as container:
        packets = [packet for packet in container.demux(container.streams.audio[0]) if packet.pts is not None]
        heard = max(float((packet.pts + packet.duration) * packet.time_base) for packet in packets)
    assert abs(heard - len(kept) / 25) < 0.05  # sound ends with the picture, to a packet of AAC
    told = read_events(err)
    file = next(event for event in told if event["event"] == "file")
    assert (file["state"], file["frames"], told[-1]["exit_code"]) == ("stopped", len(kept), 255)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_only_ctrl_c_keeps(words: tuple[object, ...], tmp_path: Path, number: signal.Signals) -> None:
    code, _ = run([*words, "--keep-partial"], Shot(PLACES["after the first window"], (number,)), tmp_path)
    assert (code, left(tmp_path)) == (CODES[number], [])


@pytest.mark.slow
@pytest.mark.parametrize("place", ["while the model is loaded", "as the output is opened"])
def test_before_the_first_frame_there_is_nothing_to_keep(words: tuple[object, ...], tmp_path: Path, place: str) -> None:
    code, _ = run([*words, "--keep-partial"], Shot(PLACES[place], (signal.SIGINT,)), tmp_path)
    assert (code, left(tmp_path)) == (255, [])


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_the_second_stops_at_once(words: tuple[object, ...], tmp_path: Path, second: signal.Signals) -> None:
    """Whatever the main thread is doing: here it never comes back."""
    shot = Shot(PLACES["after the first window"], (signal.SIGINT, second), pause=0.6, stuck=True)
    began = time.monotonic()
    code, err = run([*words, "--keep-partial"], shot, tmp_path)
    assert (code, left(tmp_path)) == (255, []), err
    assert time.monotonic() - began < 250


@pytest.mark.slow
def test_a_terminal_that_goes_away(words: tuple[object, ...], tmp_path: Path) -> None:
    code, seen = run_on_a_terminal(words, tmp_path / "out")
    assert (code, left(tmp_path)) == (255, []), seen
    assert "fps=" in seen  # it had a bar there, which could not be taken away


SMALL = """
import os, signal, sys, time
from pathlib import Path
for name in {ignored!r}:
    signal.signal(getattr(signal, name), signal.SIG_IGN)
from v2vcli.cli import app
from v2vcli.partfile import PartFile
def work(*_, **__):
    part = PartFile(sys.argv[1], overwrite=False)
    print("ready", flush=True)
    {work}
    part.discard()
    return 0
app.app = work
app.main()
"""


def _start(tmp_path: Path, work: str, ignored: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """A process that has begun a file and works on it; without the weight of a model."""
    script = SMALL.format(work=work, ignored=ignored)
    command = [sys.executable, "-c", script, str(tmp_path / "out.mp4")]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    assert (tmp_path / "out.part.mp4").exists()
    return process


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_what_was_begun_is_removed(tmp_path: Path, number: signal.Signals) -> None:
    process = _start(tmp_path, "time.sleep(600)")  # nobody unwinds this file but the end of the program
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, list(tmp_path.iterdir())) == (CODES[number], [])
    assert err.startswith("v2v: stopped by ") and len(err.splitlines()) == 1


def test_the_second_is_not_held_up_by_who_catches_everything(tmp_path: Path) -> None:
    stubborn = "\n    ".join(
        [
            "while True:",
            "    try:",
            "        time.sleep(600)",
            "    except BaseException:",
            "        print('no', flush=True)",
        ]
    )
    process = _start(tmp_path, stubborn)
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None and process.stdout.readline() == "no\n"
    time.sleep(0.4)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert (process.returncode, list(tmp_path.iterdir())) == (75, [])


def test_an_error_on_the_way_out_does_not_hide_the_signal(tmp_path: Path) -> None:
    """As libraries do that turn what a signal raises into their own."""
    process = _start(tmp_path, "try: time.sleep(600)\n    finally: raise RuntimeError('torn down')")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, list(tmp_path.iterdir())) == (75, [])
    assert "bug" not in err


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_what_was_ignored_stays_ignored(tmp_path: Path, name: str) -> None:
    """`nohup v2v ...`, and jobs in the background of a script."""
    process = _start(tmp_path, "sys.stdin.readline()", (name,))
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=120)
    assert process.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_signals_to_a_child_are_its_own(tmp_path: Path) -> None:
    """A forked worker shares our descriptors; what it is sent must not count as ours, nor what it removes."""
    script = "\n    ".join(
        [
            "child = os.fork()",
            "if child == 0: part.discard(); signal.signal(signal.SIGUSR1, lambda *_: os._exit(0)); signal.pause()",
            "time.sleep(0.2); os.kill(child, signal.SIGUSR1); os.waitpid(child, 0); time.sleep(0.5)",
            "print(part.part.exists(), flush=True); time.sleep(600)",
        ]
    )
    process = _start(tmp_path, script)
    assert process.stdout is not None and process.stdout.readline() == "True\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, list(tmp_path.iterdir())) == (75, [])
    assert err == "v2v: stopped by SIGTERM; no unfinished file is left\n"


def test_a_stop_request() -> None:
    stop = StopRequest()
    taken = []
    for number in stop.until(range(10)):
        taken.append(number)
        if number == 3:
            stop.ask()
    assert (taken, stop.asked, stop.obeyed) == ([0, 1, 2, 3], True, True)
    stop = StopRequest()
    stop.ask()
    assert (list(stop.until(range(3))), stop.obeyed) == ([0], True)  # an output of no frames cannot be kept
    stop = StopRequest()
    stop.ask()
    assert (list(stop.until([Fraction(1)])), stop.obeyed) == ([Fraction(1)], False)  # it was over anyway
