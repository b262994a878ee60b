"""What `--json` tells is what docs/json.md says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import V2V, Outcome
from tests.cli.contract import events, read_events, require_kept
from tests.engine.material import picture, with_sound, write_clip
from v2vcli.cli import events as module
from v2vcli.cli.events import SCHEMA, Events
from v2vcli.cli.messages import Messages
from v2vcli.cli.places import open_place
from v2vcli.cli.reporting import Report, reporting
from v2vcli.cli.signals import Stopped
from v2vcli.engine.progress import Progress, Result
from v2vcli.engine.request import ConvertRequest
from v2vcli.errors import InputError


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PERIOD", 0.0)


def names(told: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in told]


def test_the_contract_has_every_event() -> None:
    assert set(events()) == {"", "start", "progress", "file", "warning", "error", "summary"}
    assert all(keys for keys in events().values())


@pytest.mark.parametrize(
    "broken",
    [
        {"event": "warning", "time": "2026-11-23T16:13:38.563Z"},
        {"event": "warning", "time": "2026-11-23T16:13:38.563Z", "message": 1},
        {"event": "warning", "time": "2026-11-23T16:13:38.563Z", "message": "x", "more": 1},
        {"event": "remark", "time": "2026-11-23T16:13:38.563Z", "message": "x"},
    ],
)
def test_what_breaks_the_contract_is_seen(broken: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        require_kept(broken)


@pytest.mark.usefixtures("often")
def test_a_conversion(v2v: V2V, edge_model: Path, tmp_path: Path) -> None:
    source, out = write_clip(tmp_path / "in.mp4", [picture(t) for t in range(8)]), tmp_path / "out.mkv"
    words = ("convert", source, "-o", out, "--model", edge_model, "--window", "4", "--device", "cpu", "--json")
    done = v2v(*words)
    told = read_events(done.err)
    assert (done.code, done.out) == (0, "")
    assert names(told) == ["start", "progress", "progress", "file", "summary"]
    assert (told[0]["schema"], told[0]["command"], told[0]["files"]) == (SCHEMA, "convert", 1)
    assert [(each["frame"], each["frames"], each["out_time_us"]) for each in told[1:3]] == [
        (4, 8, 160_000),
        (8, 8, 320_000),
    ]
    file, summary = told[3:]
    assert (file["state"], file["input"], file["output"], file["frames"]) == ("done", str(source), str(out), 8)
    assert (file["width"], file["height"], file["seconds"], file["model"]) == (64, 32, 0.32, "tiny-edges")
    assert (summary["exit_code"], summary["done"], summary["failed"], summary["frames"]) == (0, 1, 0, 8)


@pytest.mark.usefixtures("often")
def test_elsewhere_while_people_read_stderr(v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path) -> None:
    place, out = tmp_path / "told.ndjson", tmp_path / "out.mp4"
    done = v2v("convert", clip, "-o", out, "--model", edge_model, "--device", "cpu", "--json-to", place)
    assert done.code == 0 and done.lines[-1].startswith(f"{out}: 25 frames")
    assert names(read_events(place.read_text()))[-2:] == ["file", "summary"]


def test_warnings_are_events_whatever_the_level(v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path) -> None:
    source = with_sound(tmp_path / "in.mp4", clip)
    words = ("convert", source, "-o", tmp_path / "out.webm", "--model", edge_model, "-c:v", "libvpx-vp9", "-crf", "60")
    told = read_events(v2v(*words, "-t", "0.1", "--json", "-v", "quiet").err)
    warned = [event["message"] for event in told if event["event"] == "warning"]
    file = next(event for event in told if event["event"] == "file")
    assert warned and file["warnings"] == warned
    assert any("encoded again" in message for message in warned)


@pytest.mark.parametrize(
    ("line", "code", "kind", "order"),
    [
        ("convert {clip} -o {tmp}/out.mp4 --json --modle x", 2, "NoSuchOption", ["error", "summary"]),
        ("convert {clip} -o {tmp}/out.mp4 --json --mode dog2cat", 2, "UsageError", None),
        ("convert {tmp}/none.mp4 -o {tmp}/out.mp4 --model {model} --json", 5, "InputError", None),
        ("convert {clip} -o {clip} -y --model {model} --json", 1, "OutputError", None),
        ("convert {clip} -o {tmp}/out.mp4 --model {tmp}/none.safetensors --json", 4, "ModelError", None),
        ("convert {clip} -o {tmp}/out.mp4 --model {model} --json --json-to gopher://x", 2, "UsageError", None),
    ],
)
def test_every_end_has_an_error_and_a_summary(
    v2v: V2V, edge_model: Path, clip: Path, tmp_path: Path, line: str, code: int, kind: str, order: list[str] | None
) -> None:
    done = v2v(*(word.format(clip=clip, tmp=tmp_path, model=edge_model) for word in line.split()))
    told = read_events(done.err)
    assert done.code == code
    error, summary = told[-2:]
    assert (error["event"], error["exit_code"], summary["exit_code"]) == ("error", code, code)
    assert error["kind"] == kind or order is not None
    assert order is None or names(told) == order
    assert list(tmp_path.iterdir()) == []
    for file in (event for event in told if event["event"] == "file"):
        assert (file["state"], file["kind"], file["exit_code"]) == ("failed", kind, code)
        assert summary["failed"] == 1


def _report(tmp_path: Path, work: Any) -> list[dict[str, Any]]:
    """What is told of some work on two files, as `cli.app.run` would end it."""
    messages, code = Messages(), 0
    try:
        with reporting(messages, "convert", files=2, json_to=str(tmp_path / "told.ndjson")) as report:
            work(report)
    except Stopped as stopped:
        code = stopped.exit_code
    assert messages.events is not None
    messages.events.summary(code)
    messages.events.summary(1)  # nothing comes after the last line
    return read_events((tmp_path / "told.ndjson").read_text())


def _request(name: str) -> ConvertRequest:
    return ConvertRequest(input=Path(f"{name}.mp4"), output=Path(f"{name}.out.mp4"), mode="edge2face")


def test_a_batch(tmp_path: Path) -> None:
    strange = "b\udcff"

    def work(report: Report) -> None:
        report.skipped(_request("a"), "a.out.mp4 exists")
        report.begin(_request(strange))
        report.failed(_request(strange), InputError("b\nis damaged"))

    told = _report(tmp_path, work)
    assert names(told) == ["start", "file", "file", "error", "summary"]
    assert told[0]["files"] == 2
    assert (told[1]["state"], told[1]["reason"]) == ("skipped", "a.out.mp4 exists")
    assert (told[2]["state"], told[2]["input"], told[2]["exit_code"]) == ("failed", f"{strange}.mp4", 5)
    assert told[3]["message"] == "b is damaged"
    assert [told[-1][key] for key in ("done", "skipped", "failed", "stopped")] == [0, 1, 1, 0]


def test_a_batch_of_two_with_one_broken(v2v: V2V, edge_model: Path, tmp_path: Path) -> None:
    good, bad = write_clip(tmp_path / "good.mp4", [picture(t) for t in range(4)]), tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    words = ("convert", bad, good, "-o", tmp_path / "{stem}.out.mp4", "--model", edge_model, "--device", "cpu")
    done = v2v(*words, "--json")
    told = read_events(done.err)
    assert done.code == 3
    files = {event["input"]: event for event in told if event["event"] == "file"}
    assert (files[str(bad)]["state"], files[str(bad)]["exit_code"]) == ("failed", 5)
    assert (files[str(good)]["state"], files[str(good)]["frames"]) == ("done", 4)
    assert [event["exit_code"] for event in told if event["event"] == "error"] == [5, 3]
    assert [told[-1][key] for key in ("exit_code", "done", "failed", "frames")] == [3, 1, 1, 4]


def test_kept_partials_are_not_taken_for_whole(v2v: V2V, clip: Path, tmp_path: Path) -> None:
    words = ("convert", clip, "-o", tmp_path / "{stem}.mp4", "--mode", "edge2face", "--keep-partial", "--skip-existing")
    done = v2v(*words)
    assert done.code == 2 and "--archive" in done.err and len(done.lines) == 1


@pytest.mark.parametrize("finished", [False, True])
def test_a_file_that_was_stopped(tmp_path: Path, finished: bool) -> None:
    def work(report: Report) -> None:
        report.begin(_request("a"))
        if not finished:
            raise Stopped(15)
        report.stop.ask()
        seen = Progress(3, 9, 0, 0.0)  # type: ignore[arg-type]
        report.done(_request("a"), Result("a.out.mp4", 64, 32, seen, stopped=True))

    told = _report(tmp_path, work)
    assert names(told) == ["start", "file", "summary"]
    assert told[1]["state"] == "stopped" and ("frames" in told[1]) == finished
    assert (told[2]["stopped"], told[2]["exit_code"]) == (1, 255 if finished else 75)


def test_numbers_that_are_none_are_no_json(tmp_path: Path) -> None:
    told = Events(open_place(str(tmp_path / "told"), "--json-to"))
    with pytest.raises(ValueError):
        told.emit("progress", {"fps": float("nan")})
    told.warning("Zürich \ud800")
    assert json.loads((tmp_path / "told").read_text())["message"] == "Zürich \ud800"


def test_only_convert_tells_events_by_json(v2v: V2V) -> None:
    done: Outcome = v2v("models", "list", "--json")
    assert done.code == 0 and isinstance(json.loads(done.out), list)
    failed = v2v("models", "info", "convert", "--json")
    assert failed.code == 4 and failed.lines[0].startswith("v2v: error: ")
