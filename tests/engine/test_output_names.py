from __future__ import annotations

from pathlib import Path

import pytest

from v2vcli.engine.output_names import given_for, map_outputs, video_outputs
from v2vcli.errors import UsageError

ONE = [Path("clips/drive.mp4")]
TWO = [Path("clips/drive.mp4"), Path("more/walk.mov")]


@pytest.mark.parametrize(
    ("inputs", "output", "form", "expected"),
    [
        (ONE, "maps.mkv", None, ["maps.mkv"]),
        (ONE, "maps", None, ["maps"]),  # a folder of PNGs
        (ONE, "maps", "png", ["maps"]),
        (ONE, "maps", "mkv", ["maps/drive.mkv"]),
        (ONE, "maps.mkv", "mkv", ["maps.mkv"]),
        (ONE, "{parent}/{stem}.mkv", None, ["clips/drive.mkv"]),
        (TWO, "maps", None, ["maps/drive.mkv", "maps/walk.mkv"]),
        (TWO, "maps/", "mkv", ["maps/drive.mkv", "maps/walk.mkv"]),
        (TWO, "maps", "png", ["maps/drive", "maps/walk"]),
        (TWO, "{index}-{stem}.MKV", None, ["1-drive.MKV", "2-walk.MKV"]),
        (TWO, "all/{parent}", "png", ["all/clips", "all/more"]),
    ],
)
def test_where_maps_go(inputs: list[Path], output: str, form: str | None, expected: list[str]) -> None:
    assert map_outputs(inputs, output, form) == [Path(name) for name in expected]


@pytest.mark.parametrize(
    ("inputs", "output", "form", "complaint"),
    [
        (ONE, "maps.mkv", "png", "--format png makes folders"),
        (ONE, "{stem}", "mkv", "does not end in .mkv"),
        (ONE, "maps", "tiff", "--format tiff: choose mkv or png"),
        (TWO, "maps.mkv", None, r"is one file, and there are 2 inputs; give a folder, or a template"),
        (TWO, "{name}.mkv", None, r"there is no field \{name\}; use \{stem\}, \{ext\}, \{parent\}, \{index\}"),
        (TWO, "{}.mkv", None, "there is no field"),
        ([Path("a/x.mp4"), Path("b/x.mp4")], "maps", None, r"maps/x.mkv for a/x.mp4 and for b/x.mp4; .*\{parent\}"),
        ([Path("a/x.mp4"), Path("a/x.mp4")], "maps/../{parent}.mkv", None, r"is .*a.mkv for"),
    ],
)
def test_names_that_contradict_themselves(inputs: list[Path], output: str, form: str | None, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        map_outputs(inputs, output, form)


def test_where_previews_go_and_where_given_maps_come_from() -> None:
    assert video_outputs(ONE, "look.mp4", "--preview") == [Path("look.mp4")]
    assert video_outputs(TWO, "look", "--preview") == [Path("look/drive.mp4"), Path("look/walk.mp4")]
    assert video_outputs(TWO, "{stem}.webm", "--preview") == [Path("drive.webm"), Path("walk.webm")]
    with pytest.raises(UsageError, match=r"--preview a/look\.mov is one file.*'a/\{stem\}\.mov'"):
        video_outputs(TWO, "a/look.mov", "--preview")
    assert given_for(ONE, "labels", "--maps") == [Path("labels")]
    assert given_for(TWO, "labels/{stem}", "--maps") == [Path("labels/drive"), Path("labels/walk")]
    with pytest.raises(UsageError, match=r"--maps labels belongs to one video.*'labels/\{stem\}'"):
        given_for(TWO, "labels", "--maps")
