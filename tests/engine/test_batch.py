from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.material import LABELS, picture, write_clip
from v2vcli.engine import batch
from v2vcli.engine.batch import Outcome, segment_all
from v2vcli.engine.progress import Progress
from v2vcli.engine.request import SegmentRequest
from v2vcli.engine.resume import left_under, remove_leftovers
from v2vcli.errors import InputError, ModelError, OutputError, UsageError
from v2vcli.maps.files.sources import open_maps
from v2vcli.partfile import PartFile, part_of


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    """Three videos of different sizes and lengths."""
    folder = tmp_path / "in"
    folder.mkdir()
    sizes = {"a": (64, 32), "b": (40, 40), "c": (64, 32)}
    return [
        write_clip(folder / f"{name}.mp4", [picture(t, n, size) for t in range(6 + n)])
        for n, (name, size) in enumerate(sizes.items())
    ]


def requests(clips: list[Path], folder: Path, segmenter: Path, **options: Any) -> list[SegmentRequest]:
    return [
        SegmentRequest(input=clip, output=folder / f"{clip.stem}.mkv", segmenter=str(segmenter), **options)
        for clip in clips
    ]


def states(outcomes: list[Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def test_one_maker_for_videos_of_any_shape(
    clips: list[Path], tmp_path: Path, segmenter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    real = batch.open_map_maker
    monkeypatch.setattr(batch, "open_map_maker", lambda request: opened.append(request) or real(request))
    outcomes = segment_all(requests(clips, tmp_path / "new" / "maps", segmenter))
    assert states(outcomes) == ["done"] * 3 and len(opened) == 1
    for outcome, clip in zip(outcomes, clips, strict=True):
        alone = tmp_path / f"alone-{clip.stem}.mkv"
        batch.segment(SegmentRequest(input=clip, output=alone, segmenter=str(segmenter)))
        np.testing.assert_array_equal(
            [each.array for each in open_maps(outcome.request.output, LABELS)],
            [each.array for each in open_maps(alone, LABELS)],
        )


def test_what_fails_does_not_keep_the_others_back(clips: list[Path], tmp_path: Path, segmenter: Path) -> None:
    clips[1].write_bytes(b"no video")
    truncated = clips[2].read_bytes()
    clips[2].write_bytes(truncated[: len(truncated) // 2])
    missing = tmp_path / "missing.mp4"
    told: list[Outcome] = []
    outcomes = segment_all(requests([missing, *clips], tmp_path, segmenter), told=told.append)
    assert states(outcomes) == ["failed", "done", "failed", "failed"] and told == outcomes
    assert all(isinstance(outcome.error, InputError) for outcome in outcomes if outcome.state == "failed")
    assert str(missing) in str(outcomes[0].error)
    assert sorted(path.name for path in tmp_path.glob("*.mkv")) == ["a.mkv"]
    as_json = [outcome.as_dict() for outcome in outcomes]
    assert as_json[0]["exit_code"] == 5 and as_json[1]["frames"] == 6


def test_what_would_fail_everywhere_ends_the_batch(clips: list[Path], tmp_path: Path, segmenter: Path) -> None:
    with pytest.raises(ModelError):
        segment_all(requests(clips, tmp_path, tmp_path / "none.safetensors"))
    with pytest.raises(UsageError, match="no class 'caar'"):
        segment_all(requests(clips, tmp_path, segmenter, relabel=("caar=bus",)))
    with pytest.raises(UsageError, match="belong to one video, and there are 3 inputs"):
        common = {"maps": tmp_path, "maps_schema": "cityscapes19"}
        segment_all([SegmentRequest(input=clip, output=tmp_path / clip.stem, **common) for clip in clips])  # type: ignore[arg-type]
    assert not list(tmp_path.glob("*.mkv"))


def test_progress_goes_over_all_inputs(clips: list[Path], tmp_path: Path, segmenter: Path) -> None:
    seen: list[Progress] = []
    segment_all(requests([clips[0], tmp_path / "missing.mp4", *clips[1:]], tmp_path, segmenter), progress=seen.append)
    assert [each.frames for each in seen] == sorted(each.frames for each in seen)
    assert (seen[-1].frames, seen[-1].total) == (21, 21)
    assert sorted({each.file for each in seen if each.file}) == [(1, 4), (3, 4), (4, 4)]
    alone: list[Progress] = []
    segment_all(requests(clips[:1], tmp_path, segmenter, overwrite=True), progress=alone.append)
    assert alone[-1].file is None


def test_resumed_it_leaves_out_what_is_whole(
    clips: list[Path], tmp_path: Path, segmenter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = requests(clips, tmp_path, segmenter)
    segment_all(wanted[:2])
    before = wanted[0].output.stat().st_mtime_ns
    data = wanted[1].output.read_bytes()
    wanted[1].output.write_bytes(data[: len(data) * 2 // 3])  # as a full disk leaves it
    outcomes = segment_all(wanted, skip_existing=True)
    assert states(outcomes) == ["skipped", "done", "done"]
    assert wanted[0].output.stat().st_mtime_ns == before
    assert "made anew" in outcomes[1].remarks[0] and str(wanted[1].output) in outcomes[1].remarks[0]
    assert wanted[1].output.read_bytes() == data  # the same command, the same bytes
    monkeypatch.setattr(batch, "open_map_maker", lambda request: pytest.fail("nothing was left to do"))
    assert states(segment_all(wanted, skip_existing=True)) == ["skipped"] * 3
    # without it, what exists is an error, and what is somebody else's always is
    assert {type(outcome.error) for outcome in segment_all(wanted)} == {OutputError}


def test_what_is_not_ours_is_never_taken_for_maps(clips: list[Path], tmp_path: Path, segmenter: Path) -> None:
    wanted = requests(clips, tmp_path, segmenter)
    wanted[0].output.write_bytes(b"my diary")
    shutil.copy(clips[0], wanted[1].output)
    outcomes = segment_all(wanted, skip_existing=True)
    assert states(outcomes) == ["failed", "failed", "done"]
    assert all("exists; -y overwrites it" in str(outcome.error) for outcome in outcomes[:2])
    assert wanted[0].output.read_bytes() == b"my diary"


def test_a_preview_that_is_missing_is_told(clips: list[Path], tmp_path: Path, segmenter: Path) -> None:
    segment_all(requests(clips[:1], tmp_path, segmenter))
    again = requests(clips[:1], tmp_path, segmenter, preview=tmp_path / "look.mp4")
    outcome = segment_all(again, skip_existing=True)[0]
    assert outcome.state == "skipped" and "look.mp4 is not there" in outcome.remarks[0]


@pytest.mark.parametrize("folder", [False, True])
def test_leftovers_of_a_killed_run_are_recognised(
    clips: list[Path], tmp_path: Path, segmenter: Path, folder: bool
) -> None:
    output, preview = tmp_path / ("m" if folder else "m.mkv"), tmp_path / "look.mp4"
    request = SegmentRequest(input=clips[0], output=output, segmenter=str(segmenter), preview=preview)
    segment_all([request])
    assert left_under(output).state == "whole" and remove_leftovers(output, preview) == []
    output.rename(part_of(output))
    preview.rename(part_of(preview))
    if not folder:
        data = part_of(output).read_bytes()
        part_of(output).write_bytes(data[: len(data) // 2])
    outcome = segment_all([request], skip_existing=True)[0]
    assert outcome.state == "done" and len(outcome.remarks) == 2
    assert left_under(output).state == "whole" and not part_of(output).exists() and not part_of(preview).exists()


def test_parts_that_may_be_somebodys_stay(tmp_path: Path) -> None:
    output, preview = tmp_path / "m.mkv", tmp_path / "look.mp4"
    part_of(preview).write_bytes(b"unfinished")
    assert remove_leftovers(output, preview) == []  # without a part of the maps it may be anybody's
    part_of(output).write_bytes(b"my diary")
    assert remove_leftovers(output, preview) == []
    part_of(output).unlink()
    being_written = PartFile(output, overwrite=False)
    assert remove_leftovers(output, preview) == []  # empty, but another process is at it
    being_written.discard()
    part_of(output).touch()
    assert remove_leftovers(output, preview) == [part_of(output), part_of(preview)]


def test_a_folder_with_a_gap_is_half_made(clips: list[Path], tmp_path: Path, segmenter: Path) -> None:
    request = SegmentRequest(input=clips[0], output=tmp_path / "m", segmenter=str(segmenter))
    segment_all([request])
    (tmp_path / "m" / "000003.png").unlink()
    left = left_under(tmp_path / "m")
    assert left.state == "half-made" and "000003.png is missing" in left.reason
    (tmp_path / "m" / "holiday.png").write_bytes(b"sea")
    assert left_under(tmp_path / "m").state == "foreign"
