"""``v2v convert`` of many files: what it says, how it exits, and that a second run does nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import V2V
from tests.engine.material import picture, times, write_clip

REPOSITORY = Path(__file__).resolve().parents[2]


def material(folder: Path, count: int, broken: int) -> list[Path]:
    """Copies of a tiny clip, every so many of them broken, each in its own way; the broken ones are returned."""
    folder.mkdir()
    whole = write_clip(folder / "000.mp4", [picture(t) for t in range(2)])
    data = whole.read_bytes()
    ways = (b"", b"no video", data[: len(data) // 2], data[:40], os.urandom(2000))
    bad = []
    for n in range(1, count):
        path = folder / f"{n:03}.mp4"
        if n % (count // broken) == 1:
            path.write_bytes(ways[len(bad) % len(ways)])
            bad.append(path)
        else:
            shutil.copy(whole, path)
    assert len(bad) == broken
    return bad


def test_many_files_some_broken(v2v: V2V, tmp_path: Path, edge_model: Path) -> None:
    bad = material(tmp_path / "in", 12, 3)
    asked = ("convert", tmp_path / "in" / "*.mp4", "-o", tmp_path / "out" / "{stem}_{mode}.mp4", "--model", edge_model)
    asked += ("--mode", "edge2face", "--device", "cpu", "-preset", "ultrafast", "--archive", tmp_path / "done.jsonl")
    done = v2v(*asked)
    assert done.code == 3, done.err
    results = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(results) == 9 and results[0] == "000_edge2face.mp4"
    assert times(tmp_path / "out" / results[-1]) == times(tmp_path / "in" / "000.mp4")
    start = next(n for n, line in enumerate(done.lines) if line.startswith("failed"))
    rows = done.lines[start + 1 : start + 4]
    assert [row.split()[:2] for row in rows] == [[str(path), "5"] for path in bad]
    assert done.lines[start + 4] == "12 inputs: 9 done, 3 failed"
    assert done.lines[-1].startswith("v2v: error: 3 of 12 inputs failed: ")
    assert all(str(path) in done.lines[-1] for path in bad)

    again = v2v(*asked)
    assert again.code == 3 and "12 inputs: 9 skipped, 3 failed" in again.lines
    for path in bad:
        path.unlink()
    third = v2v(*asked)
    assert third.code == 0 and third.lines[-1] == "9 inputs: 9 skipped"
    assert v2v(*asked[:-2], "--skip-existing").lines[-1] == "9 inputs: 9 skipped"


def test_a_folder_stands_for_its_videos_and_never_for_its_results(v2v: V2V, tmp_path: Path, edge_model: Path) -> None:
    write_clip(tmp_path / "a.mp4", [picture(0)])
    (tmp_path / "sub").mkdir()
    shutil.copy(tmp_path / "a.mp4", tmp_path / "sub" / "b.mp4")
    asked = ("convert", "-R", tmp_path, "-o", f"{tmp_path}/{{folder}}/{{stem}}_painted.mp4", "--model", edge_model)
    assert v2v(*asked, "--device", "cpu").code == 0
    assert sorted(path.name for path in tmp_path.rglob("*_painted.mp4")) == ["a_painted.mp4", "b_painted.mp4"]
    again = v2v(*asked, "--skip-existing")
    assert again.code == 0 and "2 of the files found are results of this very batch: left out" in again.lines
    assert again.lines[-1] == "2 inputs: 2 skipped"
    # named, they are inputs like any others: and refused, as one would be read and written
    named = (tmp_path / "a.mp4", tmp_path / "a_painted.mp4", *asked[3:])
    refused = v2v("convert", *named, "-y")
    assert refused.code == 2 and "which is the input" in refused.err


def test_what_cannot_go_well_is_refused_before_anything_starts(v2v: V2V, tmp_path: Path, edge_model: Path) -> None:
    inputs = [tmp_path / "x" / "a.mp4", tmp_path / "y" / "a.mp4"]
    common = ("--model", edge_model)
    for options, complaint in (
        (("-o", tmp_path / "out"), "give a template with {parent}"),
        (("-o", tmp_path / "out.mp4"), "is one file, and there are 2 inputs"),
        (("-o", tmp_path / "{title}.mp4"), "there is no field {title}"),
        (("-o", tmp_path / "{index}.mp4", "-y", "--skip-existing"), "give one of them"),
        (("-o", tmp_path / "{index}.mp4", "--shard", "3/2"), "--shard 3/2"),
        (("-o", tmp_path / "{index}.mp4", "--gpus", "0"), "--gpus 0"),
        (("-o", tmp_path / "{index}.mp4", "--archive", tmp_path / "1.mp4"), "is the archive"),
        (("-o", tmp_path / "{index}.mp4", "--save-maps", tmp_path / "maps.mkv"), "belongs to one video"),
    ):
        done = v2v("convert", *inputs, *options, *common)
        assert done.code == 2 and complaint in done.err, done.err
    assert list(tmp_path.iterdir()) == []


def test_each_shard_does_its_part(v2v: V2V, tmp_path: Path, edge_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    material(tmp_path / "in", 6, 1)
    asked = ("convert", tmp_path / "in" / "*.mp4", "-o", f"{tmp_path}/out/", "--model", edge_model, "--device", "cpu")
    assert v2v(*asked, "--shard", "1/2").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["000.mp4", "002.mp4", "004.mp4"]
    for name, value in (("ID", "1"), ("COUNT", "2"), ("MIN", "0"), ("MAX", "1")):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert v2v(*asked, "--shard", "slurm").code == 3  # 001 is broken
    assert len(list((tmp_path / "out").iterdir())) == 5
    assert v2v(*asked, "--shard", "9/9").lines[-1] == "--shard 9/9: none of 6 inputs falls to it"


def test_stopping_at_the_first_failure(v2v: V2V, tmp_path: Path, edge_model: Path) -> None:
    material(tmp_path / "in", 4, 1)
    asked = ("convert", tmp_path / "in" / "*.mp4", "-o", tmp_path / "out" / "{stem}.mp4", "--model", edge_model)
    done = v2v(*asked, "--no-keep-going", "--device", "cpu")
    assert done.code == 3 and "4 inputs: 1 done, 1 failed, 2 left" in done.lines


def test_a_batch_as_events(v2v: V2V, tmp_path: Path, edge_model: Path) -> None:
    material(tmp_path / "in", 4, 1)
    asked = ("convert", tmp_path / "in" / "*.mp4", "-o", tmp_path / "out" / "{stem}.mp4", "--model", edge_model)
    done = v2v(*asked, "--json", "--device", "cpu")
    events = [json.loads(line) for line in done.lines]
    assert done.code == 3 and events[0]["event"] == "start" and events[0]["files"] == 4
    files = [event for event in events if event["event"] == "file"]
    assert sorted(event["state"] for event in files) == ["done", "done", "done", "failed"]
    assert events[-1]["event"] == "summary" and (events[-1]["done"], events[-1]["failed"]) == (3, 1)


def run(*arguments: object) -> tuple[subprocess.CompletedProcess[str], float]:
    began = time.monotonic()
    code = "import sys; from v2vcli.cli.app import main; main()"
    watched = f"import atexit, sys; atexit.register(lambda: print('torch' in sys.modules)); {code}"
    done = subprocess.run(
        [sys.executable, "-c", watched, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    return done, time.monotonic() - began


@pytest.mark.slow
def test_two_hundred_files_ten_of_them_broken(tmp_path: Path, edge_model: Path) -> None:
    bad = material(tmp_path / "in", 200, 10)
    asked = ("convert", tmp_path / "in" / "*.mp4", "-o", f"{tmp_path}/out/", "--model", edge_model)
    asked += ("--device", "cpu", "-preset", "ultrafast", "--archive", tmp_path / "done.jsonl")
    done, _ = run(*asked)
    assert done.returncode == 3, done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 190
    assert {str(times(path)) for path in (tmp_path / "out").iterdir()} == {str(times(tmp_path / "in" / "000.mp4"))}
    last = done.stderr.splitlines()[-1]
    assert all(str(path) in last for path in bad) and "10 of 200" in last
    for path in bad:
        path.unlink()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    again, seconds = run(*asked)
    assert again.returncode == 0 and again.stderr.splitlines()[-1] == "190 inputs: 190 skipped"
    assert again.stdout.split() == ["False"]  # torch was not imported
    assert seconds < 10
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
