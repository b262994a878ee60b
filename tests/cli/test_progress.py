"""`-progress URL`: ffmpeg's blocks, and the places they go to."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from tests.cli.conftest import V2V
from tests.engine.material import picture, write_clip
from v2vcli.cli import progress_blocks
from v2vcli.cli.places import Place, open_place
from v2vcli.cli.progress_blocks import ProgressBlocks, block, out_time
from v2vcli.engine.progress import Progress
from v2vcli.errors import OutputError, UsageError

KEYS = [
    *("frame", "fps", "bitrate", "total_size", "out_time_us", "out_time_ms", "out_time"),
    *("dup_frames", "drop_frames", "speed", "progress"),
]


def read_blocks(text: str) -> list[dict[str, str]]:
    """As programs do that follow ffmpeg: a block ends with its progress line."""
    blocks: list[dict[str, str]] = []
    pairs: dict[str, str] = {}
    for line in text.splitlines():
        key, value = line.split("=", 1)
        pairs[key] = value
        if key == "progress":
            blocks.append(pairs)
            pairs = {}
    assert not pairs
    return blocks


def test_a_block() -> None:
    text = block(Progress(25, 50, Fraction(1001, 1000), 4.0), "continue")
    assert text == (
        "frame=25\nfps=6.25\nbitrate=N/A\ntotal_size=N/A\nout_time_us=1001000\nout_time_ms=1001000\n"
        "out_time=00:00:01.001000\ndup_frames=0\ndrop_frames=0\nspeed=0.25x\nprogress=continue\n"
    )
    (nothing,) = read_blocks(block(None, "end"))
    assert (nothing["frame"], nothing["speed"], nothing["progress"]) == ("0", "N/A", "end")
    assert list(nothing) == KEYS


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0, "00:00:00.000000"), (33_367, "00:00:00.033367"), (360_000_000_001, "100:00:00.000001")],
)
def test_out_time(microseconds: int, text: str) -> None:
    assert out_time(microseconds) == text


def test_not_more_often_than_the_period(tmp_path: Path) -> None:
    blocks = ProgressBlocks(open_place(str(tmp_path / "told"), "-progress"))
    for frames in range(1, 100):
        blocks(Progress(frames, None, Fraction(frames, 25), 1.0))
    blocks.close()
    assert [(each["frame"], each["progress"]) for each in read_blocks((tmp_path / "told").read_text())] == [
        ("1", "continue"),
        ("99", "end"),
    ]


@pytest.fixture
def short_clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "in.mp4", [picture(t) for t in range(8)])


def test_of_a_conversion(
    v2v: V2V, edge_model: Path, short_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_blocks, "PERIOD", 0.0)
    told = tmp_path / "told"
    told.write_text("what was there before")
    words = ("convert", short_clip, "-o", tmp_path / "out.mp4", "--model", edge_model, "--window", "4")
    assert v2v(*words, "-progress", told, "-v", "quiet").code == 0
    blocks = read_blocks(told.read_text())
    assert [(each["frame"], each["out_time_us"], each["progress"]) for each in blocks] == [
        ("4", "160000", "continue"),
        ("8", "320000", "continue"),
        ("8", "320000", "end"),
    ]
    assert all(list(each) == KEYS for each in blocks)


def test_the_last_block_comes_however_it_ends(v2v: V2V, edge_model: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    done = v2v("convert", tmp_path / "none.mp4", "-o", tmp_path / "o.mp4", "--model", edge_model, "-progress", told)
    assert done.code == 5
    assert [each["progress"] for each in read_blocks(told.read_text())] == ["end"]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for end in (read, write):
        try:
            os.close(end)
        except OSError:
            continue


@pytest.mark.parametrize("spelling", ["pipe:{}", "fd:{}"])
def test_a_descriptor(pipe: tuple[int, int], spelling: str) -> None:
    read, write = pipe
    place = open_place(spelling.format(write), "-progress")
    place.write("frame=1\n")
    place.close()
    assert os.read(read, 100) == b"frame=1\n"
    os.fstat(write)  # it is not ours to close


def test_who_stops_reading_is_told_no_more(pipe: tuple[int, int]) -> None:
    read, write = pipe
    place = Place("x", write, owned=False)
    os.close(read)
    place.write("one\n")
    assert place.lost
    place.write("two\n")


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_a_socket(tmp_path: Path, family: str) -> None:
    if family == "tcp":
        server = socket.create_server(("127.0.0.1", 0))
        name = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    else:
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(tmp_path / "s"))
        server.listen()
        name = f"unix:{tmp_path / 's'}"
    got: list[bytes] = []

    def listen() -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as lines:
            got.append(lines.read())

    listener = threading.Thread(target=listen)
    listener.start()
    with server:
        place = open_place(name, "-progress")
        place.write("frame=1\n")
        place.close()
        listener.join(30)
    assert got == [b"frame=1\n"]


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("http://example.test/x", UsageError, "tcp://HOST:PORT"),
        ("pipe:987", OutputError, "no descriptor 987"),
        ("pipe:99999999999999999999", OutputError, "no descriptor"),
        ("{tmp}/no/told", OutputError, "no such file"),
        ("{tmp}", OutputError, "is a directory"),
        ("unix:{tmp}/none", OutputError, "no such file"),
    ],
)
def test_no_place(tmp_path: Path, name: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        open_place(name.format(tmp=tmp_path), "-progress")


@pytest.mark.parametrize("name", ["-", "pipe:", "pipe:1", "fd:1"])
def test_standard_output_may_be_taken(name: str) -> None:
    assert open_place(name, "-progress").name == name
    with pytest.raises(UsageError, match="carries the video"):
        open_place(name, "-progress", stdout_taken=True)
