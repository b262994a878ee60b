"""The one-liners of docs/batches.md, run by bash as they stand there.

Where a program is missing, a stand-in that does what the line needs and no more takes its place: ``ffmpeg`` copies
packets with PyAV, ``sbatch`` runs an array's tasks one after the other with SLURM's variables. GNU parallel has none.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.material import picture, times, write_clip

REPOSITORY = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash")
NAMES = ("a", "with space", "z")

FFMPEG = """
import sys
import av

words, options, inputs, output = sys.argv[1:], {}, [], None
while words:
    word = words.pop(0)
    if word == "-i":
        inputs.append((words.pop(0), options))
        options = {}
    elif word.startswith("-") and word != "-":
        options[word] = words.pop(0)
    else:
        output = word
assert options.pop("-c") == "copy" and len(inputs) == 1 and output is not None
name, given = inputs[0]
source = sys.stdin.buffer if name == "-" else name
target = sys.stdout.buffer if output == "-" else output
with av.open(source, format=given.get("-f")) as old, av.open(target, "w", format=options.get("-f")) as new:
    streams = {each.index: new.add_stream_from_template(each) for each in old.streams}
    for packet in old.demux():
        if packet.dts is not None:
            packet.stream = streams[packet.stream.index]
            new.mux(packet)
"""

SBATCH = """
import os
import re
import subprocess
import sys

array, wrap, command = sys.argv[1:]
assert wrap == "--wrap"
first, last = map(int, re.fullmatch("--array=([0-9]+)-([0-9]+)", array).groups())
codes = []
for task in range(first, last + 1):
    values = {"ID": task, "COUNT": last - first + 1, "MIN": first, "MAX": last}
    environment = os.environ | {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}
    codes.append(subprocess.run(["sh", "-c", command], env=environment).returncode)
sys.exit(max(codes))
"""


def lines() -> dict[str, str]:
    """The one-liners, by the program that is peculiar to each."""
    text = (REPOSITORY / "docs" / "batches.md").read_text(encoding="utf-8")
    found = re.findall(r"```sh\n(.*?)\n```", text, re.DOTALL)
    names = ("for", "find", "ffmpeg", "parallel", "sbatch")
    return {next(name for name in names if re.search(rf"\b{name} ", line)): line for line in found}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with clips, and programs on the path."""
    (tmp_path / "clips").mkdir()
    for name in NAMES:
        write_clip(tmp_path / "clips" / f"{name}.mp4", [picture(t) for t in range(2)])
    programs = tmp_path / "programs"
    programs.mkdir()
    v2v = programs / "v2v"
    v2v.write_text(f"#!{sys.executable}\nfrom v2vcli.cli.app import main\nmain()\n")
    for name, code in (("ffmpeg", FFMPEG), ("sbatch", SBATCH)):
        if shutil.which(name) is None:
            (programs / name).write_text(f"#!{sys.executable}\n{code}")
    for program in programs.iterdir():
        program.chmod(0o755)
    return tmp_path


def run(line: str, place: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PATH": f"{place / 'programs'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
    }
    assert BASH is not None
    return subprocess.run(
        [BASH, "-o", "pipefail", "-c", line],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


needs_bash = pytest.mark.skipif(BASH is None, reason="there is no bash here")


@needs_bash
def test_there_are_five_and_bash_understands_them(tmp_path: Path) -> None:
    assert sorted(lines()) == ["ffmpeg", "find", "for", "parallel", "sbatch"]
    for line in lines().values():
        assert "\n" not in line
        assert subprocess.run([str(BASH), "-n", "-c", line], check=False).returncode == 0


@needs_bash
@pytest.mark.slow
@pytest.mark.parametrize("which", ["for", "find", "parallel", "sbatch"])
def test_every_clip_is_painted(which: str, place: Path) -> None:
    if which == "parallel" and shutil.which("parallel") is None:
        pytest.skip("GNU parallel is not installed")
    done = run(lines()[which], place)
    assert done.returncode == 0, done.stderr
    assert sorted(path.stem for path in (place / "painted").iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert times(place / "painted" / f"{name}.mp4") == times(place / "clips" / f"{name}.mp4")
    if which == "sbatch":
        assert len((place / "done.jsonl").read_text().splitlines()) == len(NAMES)
        again = run(lines()[which], place)
        assert again.returncode == 0 and again.stderr.count("skipped, recorded in done.jsonl") == len(NAMES)
    if which == "for":
        (place / "clips" / "bad.mp4").write_bytes(b"no video")
        run(lines()[which], place)
        assert "clips/bad.mp4" in (place / "failed.txt").read_text().splitlines()


@needs_bash
@pytest.mark.slow
def test_between_two_ffmpegs(place: Path) -> None:
    done = run(lines()["ffmpeg"], place)
    assert done.returncode == 0, done.stderr
    assert len(times(place / "out.mkv")) == 2
