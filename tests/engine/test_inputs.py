"""Which files a command line means, how they are named again, and which share of them is whose."""

from __future__ import annotations

import io
import os
from pathlib import Path, PurePath

import pytest

from v2vcli.engine.inputs import InputFile, find_inputs, is_several
from v2vcli.engine.output_names import converted_outputs
from v2vcli.engine.shards import Shard, read_shard
from v2vcli.errors import InputError, UsageError


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b[1].mp4", "c.txt", "sub/d.MKV", "sub/deep/e.mov", "sub/d.part.mkv", ".hidden/f.mp4"):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def found(*arguments: str, recursive: bool = False) -> list[str]:
    return [str(each.path) for each in find_inputs(arguments, recursive=recursive)]


def test_patterns_and_plain_names(clips: Path) -> None:
    assert found("clips/*.mp4") == ["clips/a.mp4", "clips/b[1].mp4"]
    assert found("clips/b[1].mp4") == ["clips/b[1].mp4"]  # a file of that very name
    assert found("clips/**/*.m*") == ["clips/a.mp4", "clips/b[1].mp4", "clips/sub/deep/e.mov"]
    assert found("clips/c.txt", "clips/a.mp4", "clips/*.mp4") == ["clips/c.txt", "clips/a.mp4", "clips/b[1].mp4"]
    assert found("nowhere.mp4") == ["nowhere.mp4"]  # told by whoever opens it
    with pytest.raises(InputError, match=r"x\*\.mp4: no file matches"):
        find_inputs(["x*.mp4"])
    assert not is_several(["clips/b[1].mp4"]) and not is_several(["-"])
    assert is_several(["clips/*"]) and is_several(["@list"]) and is_several(["a", "b"])


def test_folders(clips: Path) -> None:
    files = find_inputs(["clips"], recursive=True)
    assert [(str(each.path), str(each.folder)) for each in files] == [
        ("clips/a.mp4", "."),
        ("clips/b[1].mp4", "."),
        ("clips/sub/d.MKV", "sub"),  # and not what is being written, nor what is hidden
        ("clips/sub/deep/e.mov", "sub/deep"),
    ]
    assert found("clips") == ["clips"]
    (clips / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds no video"):
        find_inputs(["empty"], recursive=True)


def test_lists(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clips / "list").write_bytes("\ufeffclips/a.mp4\r\n# a remark\n\nclips/*.mp4\nclips/a.mp4\n".encode())
    assert found("@list") == ["clips/a.mp4", "clips/*.mp4"]  # a list holds names, no patterns; each of them once
    (clips / "list0").write_bytes(b"with\nnewline.mp4\0#1.mp4\0")
    assert found("@list0") == ["with\nnewline.mp4", "#1.mp4"]
    (clips / "bytes").write_bytes(b"\xff.mp4\n")
    assert os.fsencode(found("@bytes")[0]) == b"\xff.mp4"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x.mp4\0y.mp4")))
    assert found("@-") == ["x.mp4", "y.mp4"]
    with pytest.raises(InputError, match="@nothing: cannot read the list"):
        find_inputs(["@nothing"])
    with pytest.raises(UsageError, match="standard input"):
        find_inputs(["-", "a.mp4"])


def test_outputs_of_conversions() -> None:
    inputs = [InputFile(Path("in/a.mp4")), InputFile(Path("in/x/b.mkv"), PurePath("x"), found=True)]
    named = [str(path) for path in converted_outputs(inputs, "out", "-o", "edge2face")]
    assert named == ["out/a.mp4", "out/x/b.mp4"]
    named = [str(path) for path in converted_outputs(inputs, "o/{index}_{stem}_{mode}.{ext}", "-o", "edge2face")]
    assert named == ["o/1_a_edge2face.mp4", "o/2_b_edge2face.mkv"]
    assert converted_outputs(inputs[:1], "out.mp4", "-o", "m") == [Path("out.mp4")]
    assert converted_outputs(inputs[:1], "out/", "-o", "m") == [Path("out/a.mp4")]
    for output in ("out.mp4", "{parent}.mp4"):
        with pytest.raises(UsageError, match="-o"):
            converted_outputs([inputs[0], inputs[0]], output, "-o", "m")


def test_shards_are_disjoint_and_miss_nothing() -> None:
    items = list(range(23))
    parts = [read_shard(f"{n}/5").of(items) for n in range(1, 6)]
    assert sorted(item for part in parts for item in part) == items and {len(part) for part in parts} == {4, 5}
    assert read_shard(None).of(items) == items
    for text in ("0/5", "6/5", "1", "1/0", "-1/2", "a/b"):
        with pytest.raises(UsageError, match=f"--shard {text}"):
            read_shard(text)


@pytest.mark.parametrize(
    ("task", "count", "least", "most", "shard"),
    [
        ("0", "4", "0", "3", Shard(1, 4)),
        ("4", "4", "1", "4", Shard(4, 4)),
        ("7", "4", "1", "10", Shard(3, 4)),  # --array=1-10:3
        ("9", "1", "9", "9", Shard(1, 1)),
    ],
)
def test_slurm(task: str, count: str, least: str, most: str, shard: Shard) -> None:
    names = ("ID", "COUNT", "MIN", "MAX")
    environment = {
        f"SLURM_ARRAY_TASK_{name}": value for name, value in zip(names, (task, count, least, most), strict=True)
    }
    assert read_shard("slurm", environment) == shard


def test_slurm_refuses_what_it_cannot_number() -> None:
    with pytest.raises(UsageError, match="are not set"):
        read_shard("slurm", {"SLURM_ARRAY_TASK_ID": "1"})
    uneven = {"ID": "5", "COUNT": "3", "MIN": "1", "MAX": "7"}  # --array=1,5,7
    with pytest.raises(UsageError, match="not evenly spaced"):
        read_shard("slurm", {f"SLURM_ARRAY_TASK_{name}": value for name, value in uneven.items()})
