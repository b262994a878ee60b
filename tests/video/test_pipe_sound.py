"""What goes beside the video through a pipe: into one, out of one, and nothing else on standard output."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from v2vcli.video import Encoding, VideoReader, VideoWriter

from .made import Maker, packets
from .piped import Bytes


def _copied(data: bytes, target: Path, **options: object) -> list[str]:
    """Read a pipe and write a file, with what else comes through."""
    with VideoReader(io.BytesIO(data), format="nut", carry=True) as reader:
        info = reader.info
        settings = {"encoding": Encoding(preset="ultrafast"), "copy_from": reader.side} | options
        with VideoWriter(
            target, width=info.width, height=info.height, time_base=info.time_base, rate=info.rate, **settings
        ) as writer:  # type: ignore[arg-type]
            for frame in reader:
                writer.write(frame)
    return writer.warnings


def _with_sound(make: Maker, format: str) -> bytes:
    source = make("in.mp4", pts=range(50), audio=True, metadata={"title": "a pipe"})
    sink = Bytes()
    with VideoReader(source) as reader:
        info = reader.info
        with VideoWriter(
            sink, width=64, height=48, time_base=info.time_base, rate=info.rate, copy_from=source, format=format
        ) as writer:
            for frame in reader:
                writer.write(frame)
    assert writer.warnings == [], format
    return bytes(sink.data)


@pytest.mark.parametrize("format", ["nut", "matroska", "mp4", "mpegts"])
def test_sound_goes_into_a_pipe(make: Maker, tmp_path: Path, format: str) -> None:
    path = tmp_path / "piped"
    path.write_bytes(_with_sound(make, format))
    sent, came = packets(tmp_path / "in.mp4", "audio"), packets(path, "audio")
    assert sent[0][1] == Fraction(-1024, 44100)
    if format in ("nut", "mpegts"):  # which have no time before 0: the encoder's priming stays behind
        del sent[0]
    headers = 7 if format == "mpegts" else 0  # each packet of AAC says what it is there
    assert [data[headers:] for data, _ in came] == [data for data, _ in sent]
    assert all(abs(a[1] - b[1]) <= Fraction(1, 1900) for a, b in zip(came, sent, strict=True))  # type: ignore[operator]
    with VideoReader(path) as reader:
        assert [f.pts for f in reader] == [Fraction(i, 25) for i in range(50)]


def test_sound_comes_out_of_a_pipe(make: Maker, tmp_path: Path) -> None:
    data = _with_sound(make, "nut")
    assert _copied(data, tmp_path / "o.mp4") == []
    assert packets(tmp_path / "o.mp4", "audio") == packets(tmp_path / "in.mp4", "audio")[1:]
    with VideoReader(tmp_path / "o.mp4") as reader:
        assert reader.info.metadata["title"] == "a pipe"
        assert [f.pts for f in reader] == [Fraction(i, 25) for i in range(50)]
    assert _copied(data, tmp_path / "silent.mp4", audio=False) == []
    with VideoReader(tmp_path / "silent.mp4") as reader:
        assert not reader.info.has_audio


def test_sound_out_of_a_pipe_is_cut_with_the_picture(make: Maker, tmp_path: Path) -> None:
    data = _with_sound(make, "nut")
    start, end = Fraction(2, 5), Fraction(1)
    with (
        VideoReader(io.BytesIO(data), format="nut", carry=True, start=start, end=end) as reader,
        VideoWriter(
            tmp_path / "o.mp4",
            width=64,
            height=48,
            time_base=reader.info.time_base,
            rate=None,
            copy_from=reader.side,
            start=start,
            end=end,
        ) as writer,
    ):
        for frame in reader:
            writer.write(frame)
    sound = packets(tmp_path / "o.mp4", "audio")
    times = [time for _, time in sound if time is not None]
    assert 0 <= times[0] < Fraction(1024, 44100)
    assert abs(times[-1] + Fraction(1024, 44100) - (end - start)) < Fraction(1100, 44100)


CHILD = """
import os, sys
from fractions import Fraction
from v2vcli.video import Encoding, VideoReader, VideoWriter
with VideoReader("-", format="nut", carry=True) as reader:
    info = reader.info
    with VideoWriter("-", width=info.width, height=info.height, time_base=info.time_base, rate=info.rate,
                     format="nut", copy_from=reader.side) as writer:
        print("printed", flush=False)
        os.write(1, b"by a library\\n")
        for frame in reader:
            writer.write(frame)
print("after")
"""


def _child(program: str, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload]


def test_standard_output_holds_nothing_but_video(make: Maker) -> None:
    with _child(CHILD) as child:
        out, err = child.communicate(_with_sound(make, "nut"), timeout=60)
    assert child.returncode == 0, err
    assert out.endswith(b"after\n")
    assert b"by a library" in err and b"printed" in err
    video = out[: -len(b"after\n")]
    assert b"printed" not in video
    with VideoReader(io.BytesIO(video), format="nut") as reader:
        assert [f.pts for f in reader] == [Fraction(i, 25) for i in range(50)]
        assert reader.info.has_audio


CANCELLED = """
import threading, time
from v2vcli.errors import InputError
from v2vcli.video.pipes import PipeSource
source = PipeSource("-")
thread = threading.Thread(target=lambda: print("read", source.read(100)))
thread.start()
time.sleep(0.2)
source.cancel()
thread.join(20)
print(thread.is_alive())
"""


def test_a_read_that_waits_can_be_ended() -> None:
    with _child(CANCELLED) as child:
        assert child.stdout is not None and child.stdin is not None
        out = child.stdout.read()  # standard input stays open, and says nothing
        child.stdin.close()
    assert out == b"read b''\nFalse\n"


CLOSED = """
import os, sys
os.close(int(sys.argv[1]))
from fractions import Fraction
from v2vcli.errors import V2VError
from v2vcli.video import VideoReader, VideoWriter
try:
    if sys.argv[1] == "0":
        VideoReader("-")
    else:
        VideoWriter("-", width=64, height=48, time_base=Fraction(1, 25), rate=None, format="nut")
except V2VError as error:
    sys.stderr.write(str(error))
"""


@pytest.mark.parametrize("descriptor, words", [("0", "standard input is closed"), ("1", "standard output is closed")])
def test_closed_from_the_beginning(descriptor: str, words: str) -> None:
    done = subprocess.run([sys.executable, "-c", CLOSED, descriptor], capture_output=True, timeout=60, check=True)
    assert done.stderr.decode().startswith(words)


def test_terminals_are_refused() -> None:
    leader, follower = os.openpty()
    program = CLOSED.replace("os.close(int(sys.argv[1]))", "")
    for number, words in [("0", b"standard input is a terminal"), ("1", b"standard output is a terminal")]:
        done = subprocess.run(
            [sys.executable, "-c", program, number], stdin=follower, stdout=follower, stderr=subprocess.PIPE, timeout=60
        )
        assert done.stderr.startswith(words)
    os.close(leader)
    os.close(follower)
