"""``v2v segment`` as a tool: what it prints, in which order, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import V2V
from tests.engine.conftest import segmenter
from tests.engine.material import picture, write_clip

__all__ = ["segmenter"]


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    return [write_clip(tmp_path / f"{name}.mp4", [picture(t) for t in range(5)]) for name in "ab"]


def test_many_inputs_some_of_which_fail(v2v: V2V, clips: list[Path], tmp_path: Path, segmenter: Path) -> None:
    clips[0].write_bytes(b"no video")
    maps = tmp_path / "maps"
    done = v2v("segment", *clips, tmp_path / "none.mp4", "-o", maps, "--segmenter", segmenter)
    assert done.code == 3
    assert sorted(path.name for path in maps.iterdir()) == ["b.mkv"]
    assert "3 inputs: 1 done, 2 failed" in done.err
    last = done.lines[-1]
    assert last.startswith("v2v: error: 2 of 3 inputs failed: ") and str(clips[0]) in last and "none.mp4" in last
    assert sum(line.startswith("v2v: error: ") for line in done.lines) == 3
    assert done.out == ""


def test_a_single_input_that_fails_has_its_own_exit_code(v2v: V2V, tmp_path: Path, segmenter: Path) -> None:
    done = v2v("segment", tmp_path / "none.mp4", "-o", tmp_path / "m.mkv", "--segmenter", segmenter)
    assert done.code == 5 and done.lines == [f"v2v: error: {tmp_path / 'none.mp4'} does not exist; check the path"]
    assert v2v("segment", tmp_path / "none.mp4", "-o", tmp_path / "no" / "m.mkv").code == 5
    assert not (tmp_path / "no").exists()


def test_resuming_says_what_is_left_out_and_what_is_made_anew(
    v2v: V2V, clips: list[Path], tmp_path: Path, segmenter: Path
) -> None:
    asked = ("segment", *clips, "-o", tmp_path / "{stem}.maps.mkv", "--segmenter", segmenter)
    assert v2v(*asked).code == 0
    half = tmp_path / "b.maps.mkv"
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    assert v2v(*asked).code == 3  # both exist
    done = v2v(*asked, "--skip-existing")
    assert done.code == 0
    assert f"{tmp_path / 'a.maps.mkv'}: skipped, its maps are there and whole" in done.lines
    assert any(line.startswith(str(half)) and line.endswith(": made anew") for line in done.lines)
    assert done.lines[-1] == "2 inputs: 1 done, 1 skipped"
    assert v2v(*asked, "--skip-existing", "-y").code == 2


def test_stats_as_table_and_as_json(v2v: V2V, clips: list[Path], tmp_path: Path, segmenter: Path) -> None:
    asked = ("segment", *clips, "-o", tmp_path / "m", "--segmenter", segmenter, "-y", "--relabel", "*=road", "--stats")
    table = v2v(*asked)
    assert table.code == 0
    assert "a.mp4: 5 maps, cityscapes19" in table.out and "b.mp4: 5 maps" in table.out
    row = next(line for line in table.out.splitlines() if "road" in line)
    assert "100.00%" in row and str(5 * 64 * 32) in row
    found = json.loads(v2v(*asked, "--json").out)
    assert [each["state"] for each in found] == ["done", "done"]
    assert found[0]["classes"]["classes"] == [
        {"name": "road", "id": 0, "colour": [128, 64, 128], "pixels": 10240, "share": 1.0, "maps": 5, "instances": None}
    ]
    without = json.loads(v2v(*asked[:-1], "--json", "-v", "quiet").out)
    assert [(each["frames"], "classes" in each) for each in without] == [(5, False), (5, False)]


def test_formats_and_previews(v2v: V2V, clips: list[Path], tmp_path: Path, segmenter: Path) -> None:
    done = v2v(
        *("segment", *clips, "-o", tmp_path / "png", "--format", "png", "--segmenter", segmenter),
        *("--preview", tmp_path / "look" / "{stem}.mkv"),
    )
    assert done.code == 0, done.err
    assert (tmp_path / "png" / "a" / "000004.png").is_file() and (tmp_path / "look" / "b.mkv").is_file()
    assert f"{tmp_path / 'look' / 'a.mkv'}: the maps over the frames" in done.lines
    assert v2v("segment", *clips, "-o", tmp_path / "m.mkv", "--segmenter", segmenter).code == 2
    assert v2v("segment", clips[0], "-o", tmp_path / "m.mkv", "--format", "png").code == 2
    one = v2v("segment", clips[0], "-o", tmp_path / "one", "--format", "mkv", "--segmenter", segmenter)
    assert one.code == 1 and "create it" in one.err  # folders are made for several inputs


def test_edits_are_refused_before_anything_is_opened(v2v: V2V, clips: list[Path], tmp_path: Path) -> None:
    done = v2v("segment", clips[0], "-o", tmp_path / "m.mkv", "--relabel", "car@5=bus", "--segmenter", "x.safetensors")
    assert done.code == 2 and "'car@5=bus': '@5' is none of" in done.err


def test_help_says_how_edits_are_written(v2v: V2V) -> None:
    text = " ".join(v2v("segment", "--help").out.replace("│", " ").split())
    for word in ("tree=building", "car@#12=bus", "car@1.5-3=bus", "{stem}", "--skip-existing"):
        assert word in text
