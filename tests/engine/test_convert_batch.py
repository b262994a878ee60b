"""Many conversions: one model, failures that stay with their files, records of what is done, several workers."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.engine.material import picture, times, write_clip
from v2vcli.engine import convert_worker, loading
from v2vcli.engine.archive import Archive, identity
from v2vcli.engine.convert_batch import Outcome, convert_all, own_results, refuse_collisions
from v2vcli.engine.convert_worker import Task
from v2vcli.engine.progress import Progress
from v2vcli.engine.request import ConvertRequest
from v2vcli.engine.worker_processes import processes
from v2vcli.errors import InputError, ModelError, OutputError, UsageError, V2VError
from v2vcli.partfile import part_of


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    first = write_clip(tmp_path / "a.mp4", [picture(t) for t in range(3)])
    return [first, *(Path(shutil.copy(first, tmp_path / f"{name}.mp4")) for name in "bcd")]


def requests(clips: list[Path], model: Path, **options: Any) -> list[ConvertRequest]:
    return [
        ConvertRequest(
            input=clip,
            output=clip.parent / "out" / clip.name,
            model=str(model),
            device="cpu",
            preset="ultrafast",
            **options,
        )
        for clip in clips
    ]


def states(outcomes: list[Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def nothing_to_do(*_: object) -> None:
    pytest.fail("nothing was left to do")


def test_one_model_for_all_and_failures_stay_with_their_files(
    clips: list[Path], edge_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips[1].write_bytes(b"no video")
    clips.append(clips[0].parent / "missing.mp4")
    opened: list[object] = []
    real = loading.load_generator
    monkeypatch.setattr(loading, "load_generator", lambda request: opened.append(request) or real(request))
    told: list[Outcome] = []
    seen: list[Progress] = []
    outcomes = convert_all(requests(clips, edge_model), told=told.append, progress=seen.append)
    assert states(outcomes) == ["done", "failed", "done", "done", "failed"] and len(opened) == 1
    assert sorted(told, key=outcomes.index) == outcomes
    assert outcomes[1].error is not None and outcomes[1].error.__traceback__ is None  # or it would hold on to pictures
    assert all(isinstance(outcome.error, InputError) for outcome in outcomes if outcome.state == "failed")
    assert sorted(path.name for path in (clips[0].parent / "out").iterdir()) == ["a.mp4", "c.mp4", "d.mp4"]
    assert times(outcomes[2].request.output) == times(clips[2])
    assert seen[-1].frames == 9 and seen[-1].file == (4, 5)


def test_the_first_failure_may_end_it(clips: list[Path], edge_model: Path) -> None:
    clips[1].write_bytes(b"no video")
    outcomes = convert_all(requests(clips, edge_model), keep_going=False)
    assert states(outcomes) == ["done", "failed", "left", "left"]


def test_a_bug_met_with_one_file_does_not_end_the_others(
    clips: list[Path], edge_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from v2vcli.engine import convert

    real = convert.convert

    def failing(request: ConvertRequest, **handed: Any) -> Any:
        if request.input == clips[0]:
            raise IndexError("7")
        return real(request, **handed)

    monkeypatch.setattr(convert, "convert", failing)
    outcomes = convert_all(requests(clips[:2], edge_model))
    assert states(outcomes) == ["failed", "done"]
    assert "IndexError: 7; this is a bug" in str(outcomes[0].error) and str(clips[0]) in str(outcomes[0].error)


def test_what_would_fail_everywhere_ends_the_batch(clips: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        convert_all(requests(clips, tmp_path / "none.safetensors"))
    assert not list((tmp_path / "out").iterdir())


def test_what_is_recorded_is_not_done_again(
    clips: list[Path], edge_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "done.jsonl"
    clips[3].write_bytes(b"no video")
    wanted = requests(clips, edge_model)
    assert states(convert_all(wanted, archive=Archive(record))) == ["done"] * 3 + ["failed"]
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [line["input"] for line in lines] == [str(clip) for clip in clips[:3]]
    assert lines[0]["output"] == str(wanted[0].output) and lines[0]["frames"] == 3
    assert (lines[0]["size"], lines[0]["mtime_ns"]) == identity(clips[0])
    assert lines[0]["options"]["preset"] == "ultrafast" and "device" not in lines[0]["options"]
    wanted[0].output.rename(tmp_path / "moved away.mp4")
    with monkeypatch.context() as patched:
        patched.setattr(convert_worker, "ConvertWorker", nothing_to_do)
        assert states(convert_all(wanted[:3], archive=Archive(record))) == ["skipped"] * 3
    # another version of an input, and other options, are another matter
    os.utime(clips[0], ns=(0, 0))
    again = convert_all(wanted[:2], archive=Archive(record))
    assert states(again) == ["done", "skipped"] and "made anew" in again[0].remarks[0]
    others = convert_all(requests(clips[1:2], edge_model, crf=30), archive=Archive(record))
    assert states(others) == ["failed"] and isinstance(others[0].error, OutputError)  # its output is there: -y
    others = convert_all(requests(clips[1:2], edge_model, crf=30, overwrite=True), archive=Archive(record))
    assert states(others) == ["done"]
    assert len(record.read_text().splitlines()) == 5


def test_a_record_survives_a_death_in_mid_line(clips: list[Path], edge_model: Path, tmp_path: Path) -> None:
    record = tmp_path / "done.jsonl"
    wanted = requests(clips, edge_model)
    Archive(record).add(wanted[0], identity(clips[0]), 3)
    whole = record.read_bytes()
    record.write_bytes(whole + whole[:40])
    archive = Archive(record)
    assert archive.find(wanted[0], identity(clips[0])) == "done"
    archive.add(wanted[1], identity(clips[1]), 3)
    again = Archive(record)
    assert [again.find(wanted[n], identity(clips[n])) for n in range(3)] == ["done", "done", None]


def test_what_is_no_record_is_never_written_to(tmp_path: Path) -> None:
    for content in (b"my diary\n", b"\x00\x00\x00 ftypisom", b"[1, 2]\n", b'{"input": 3}\n', b'{"a": 1'):
        diary = tmp_path / "diary"
        diary.write_bytes(content)
        with pytest.raises(UsageError, match="line 1 is none of a record"):
            Archive(diary)
        assert diary.read_bytes() == content
    with pytest.raises(OutputError, match="--archive"):
        Archive(tmp_path / "nowhere" / "done.jsonl")


def test_what_exists_may_be_left_alone(clips: list[Path], edge_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = requests(clips, edge_model)
    wanted[0].output.parent.mkdir()
    for request in wanted:
        request.output.write_bytes(b"mine")
    monkeypatch.setattr(convert_worker, "ConvertWorker", nothing_to_do)
    assert states(convert_all(wanted, skip_existing=True)) == ["skipped"] * 4
    outcomes = convert_all(wanted)
    assert states(outcomes) == ["failed"] * 4 and "exists" in str(outcomes[0].error)
    assert all(request.output.read_bytes() == b"mine" for request in wanted)


def test_outputs_that_would_destroy_something_are_refused_before_anything_starts(
    clips: list[Path], edge_model: Path, tmp_path: Path
) -> None:
    def asked(source: Path, output: Path, **options: Any) -> ConvertRequest:
        return ConvertRequest(input=source, output=output, model=str(edge_model), overwrite=True, **options)

    other = asked(clips[1], tmp_path / "out" / "b.mp4")
    link = tmp_path / "link.mp4"
    link.hardlink_to(clips[1])
    for output in (clips[1], link, tmp_path / "." / "b.mp4", other.output):
        with pytest.raises(UsageError, match=r"[ab]\.mp4 would be written to"):
            convert_all([asked(clips[0], output), other])
    with pytest.raises(UsageError, match="is the output of"):
        refuse_collisions(
            [asked(clips[0], tmp_path / "x.mkv"), asked(clips[1], tmp_path / "y.mkv", save_maps=tmp_path / "x.mkv")]
        )
    with pytest.raises(UsageError, match="is the archive"):
        refuse_collisions([other], other.output)
    assert not (tmp_path / "out").exists()
    assert own_results([asked(clips[0], clips[1]), other]) == {clips[1]}


@pytest.mark.slow
def test_several_processes_and_one_is_killed(clips: list[Path], edge_model: Path, tmp_path: Path) -> None:
    clips[2].write_bytes(b"no video")
    wanted = requests(clips, edge_model, window=1)
    killed: list[int | None] = []

    def kill_one(_: Progress) -> None:
        if not killed:
            victim = multiprocessing.active_children()[0]
            killed.append(victim.pid)
            victim.kill()

    archive = Archive(tmp_path / "done.jsonl")
    outcomes = convert_all(wanted, crew=processes(2), progress=kill_one, archive=archive)
    assert killed and states(outcomes) == ["done", "done", "failed", "done"]
    assert len((tmp_path / "done.jsonl").read_text().splitlines()) == 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.mp4", "b.mp4", "d.mp4"]
    assert times(wanted[0].output) == times(clips[0]) and multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_file_that_no_worker_survives_is_given_up(clips: list[Path], edge_model: Path) -> None:
    clips[0] = write_clip(clips[0].with_name("long.mp4"), [picture(t) for t in range(12)])
    tasks = [Task(n, request) for n, request in enumerate(requests(clips[:2], edge_model, window=1))]
    tasks[0].request.output.parent.mkdir()

    def kill(index: int, _: Progress) -> None:
        if index == 0:
            for each in multiprocessing.active_children():
                each.kill()

    came = {task.index: attempt for task, attempt in processes(1)(tasks, kill)}
    assert isinstance(came[0], V2VError) and "ended 2 workers, the last by SIGKILL" in str(came[0])
    assert not isinstance(came[1], V2VError)
    assert [path.name for path in tasks[0].request.output.parent.iterdir()] == ["b.mp4"]


@pytest.mark.slow
def test_processes_are_gone_when_their_work_is_not_wanted_any_more(clips: list[Path], edge_model: Path) -> None:
    clips[1] = write_clip(clips[1].with_name("long.mp4"), [picture(t) for t in range(100)])
    tasks = [Task(n, request) for n, request in enumerate(requests(clips, edge_model, window=1))]
    tasks[0].request.output.parent.mkdir()
    work = processes(2)(tasks, lambda index, progress: None)
    next(work)
    work.close()
    assert multiprocessing.active_children() == []
    assert not any(part_of(task.request.output).exists() for task in tasks)


def test_workers_that_cannot_be_had_are_refused(clips: list[Path], tmp_path: Path, edge_model: Path) -> None:
    with pytest.raises(UsageError, match="--gpus 0"):
        processes(0)
    with pytest.raises(ModelError, match="no such model file"):
        convert_all(requests(clips, tmp_path / "none.safetensors"), crew=processes(2))
    assert multiprocessing.active_children() == []
