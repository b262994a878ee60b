"""Damaged and foreign files: maps, or one clear line; never a traceback, never a hang, never fewer maps unnoticed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.maps.clips import encode, random_map
from tests.maps.fuzzing import STORED
from v2vcli.errors import V2VError
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.files.store import MapWriter
from v2vcli.maps.spec import MapSpec

ROOT = Path(__file__).parents[2]


def _fuzz(folder, first: int, count: int) -> None:
    command = [sys.executable, "-m", "tests.maps.fuzzing", str(first), str(count), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    last = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"file {last} ended with {done.returncode}: {done.stderr[-2000:]}"
    refused = re.fullmatch(rf"(\d+) of {count} refused", last[0])
    assert refused is not None and int(refused[1]) > 0.7 * count  # the damage was felt


def test_some_fuzzed_files(tmp_path):
    _fuzz(tmp_path, 100_000, 72)


@pytest.mark.slow
def test_a_thousand_fuzzed_files(tmp_path):
    _fuzz(tmp_path, 0, 1000)


@pytest.mark.parametrize("spec", STORED, ids=lambda spec: spec.kind)
def test_wherever_a_file_was_cut_it_is_noticed(tmp_path, spec):
    rng = np.random.default_rng(0)
    frames = [random_map(spec, (33, 21), rng) for _ in range(3)]
    with MapWriter(tmp_path / "m.mkv", spec) as writer:
        for t, frame in enumerate(frames):
            writer.write(frame, Fraction(t, 30))
    data = (tmp_path / "m.mkv").read_bytes()
    cut, whole = tmp_path / "cut.mkv", 0
    for length in np.linspace(0, len(data) - 1, 60).astype(int):
        cut.write_bytes(data[:length])
        try:
            back = list(open_maps(cut, spec))
        except V2VError as e:
            assert str(cut) in str(e) and "\n" not in str(e)
            continue
        whole += 1  # what was cut off is the index behind the last map
        assert len(back) == 3
        assert all(np.array_equal(a.array, b.array) for a, b in zip(back, frames, strict=True))
    assert whole < 10


@pytest.mark.parametrize("spec", STORED, ids=lambda spec: spec.kind)
def test_files_that_are_no_maps(tmp_path, spec):
    encode(tmp_path / "photo.mp4", [np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)])
    (tmp_path / "text.mkv").write_text("no video at all\n" * 99)
    (tmp_path / "empty.mkv").touch()
    (tmp_path / "script.json").write_text("{}")
    (tmp_path / "hollow").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.png").write_text("no picture")
    shutil.copy(__file__, tmp_path / "notes" / "test.py")
    for path in sorted(tmp_path.iterdir()):
        if spec.kind == "rgb" and path.name == "photo.mp4":
            continue  # any video will do
        with pytest.raises(V2VError) as refusal:
            list(open_maps(path, spec, size=(32, 32)))
        assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_text_that_takes_forever_as_a_number_is_no_time(tmp_path):
    """`Fraction` reads 1e999999999, and takes hours."""
    from v2vcli.maps.files.png_files import write_png

    write_png(tmp_path / "000000.png", np.zeros((4, 4), np.uint8), {"v2v_pts": "1e999999999"})
    ((pts, frame),) = open_maps(tmp_path, MapSpec("edges")).timed()
    assert pts is None and frame.size == (4, 4)
