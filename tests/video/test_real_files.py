"""Real and hostile files, from a folder outside the repository: through reader and writer and back."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from v2vcli.errors import V2VError
from v2vcli.video import Encoding, ShotDetector, VideoReader, VideoWriter

pytestmark = pytest.mark.slow
FAST = Encoding(preset="ultrafast")
PATIENCE = 60  # seconds for one file; every one of them is done in less than five


def _convert(source: Path, target: Path, *, tolerant: bool = False) -> list[tuple[Fraction, Fraction]]:
    times = []
    detector = ShotDetector()
    with VideoReader(source, tolerant=tolerant) as reader:
        info = reader.info
        with VideoWriter(
            target,
            width=info.width,
            height=info.height,
            time_base=info.time_base,
            rate=info.rate,
            encoding=FAST,
            sample_aspect=info.sample_aspect,
            overwrite=True,
            copy_from=source,
        ) as writer:
            for frame in reader:
                detector.is_cut(frame)
                times.append((frame.pts, frame.duration))
                writer.write(frame)
    return times


def _audio(path: Path) -> list[bytes]:
    with av.open(f"file:{path}") as container:
        if not container.streams.audio:
            return []
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def _check_copy(source: Path, target: Path, times: list[tuple[Fraction, Fraction]]) -> None:
    with VideoReader(source, tolerant=True) as before, VideoReader(target) as after:
        assert [(frame.pts, frame.duration) for frame in after] == times
        assert (before.info.width, before.info.height) == (after.info.width, after.info.height)
        assert before.info.sample_aspect == after.info.sample_aspect
    assert _audio(target) == _audio(source)


CLIPS = [
    *(f"driving/{n}.mp4" for n in ("highway_day_solidWhiteRight", "highway_day_challenge_cut", "city_day_car_input")),
    *(f"av_hdmap/{n}/rgb.mp4" for n in ("002b815b__cross_left_120fov", "0aef6f94__rear_tele_30fov", "gen_highway")),
    *(f"faces/{n}.mp4" for n in ("man_expressions_d18", "man_talking_office_d13", "man_talking_pexels8048492")),
    *(f"faces/grid_mpeg1/{n}.mpg" for n in ("bbaf2n", "brbk7n", "lbax4n", "sbia1a")),
]


@pytest.mark.parametrize("name", CLIPS)
def test_clips_keep_count_times_size_and_sound(clips_dir: Path, tmp_path: Path, name: str) -> None:
    source = clips_dir / name
    if not source.is_file():
        pytest.skip(f"no {source}")
    target = tmp_path / "out.mp4"
    _check_copy(source, target, _convert(source, target))


def _torture_one(source: Path, target: Path, tolerant: bool, answer: multiprocessing.SimpleQueue[object]) -> None:
    """In a process of its own, so that a hang or a crash in C is seen as what it is."""
    try:
        times = _convert(source, target, tolerant=tolerant)
        _check_copy(source, target, times)
        answer.put(len(times))
    except V2VError as error:
        answer.put(str(error))
    except BaseException as error:
        answer.put(error if isinstance(error, AssertionError) else RuntimeError(repr(error)))


def _torture_files(folder: Path) -> Iterator[tuple[str, dict[str, object]]]:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for name, entry in manifest.items():
        yield name, entry.get("pyav18", {})


@pytest.mark.parametrize("tolerant", [False, True], ids=["strict", "tolerant"])
def test_torture_files_succeed_or_say_one_line(clips_dir: Path, tmp_path: Path, tolerant: bool) -> None:
    folder = clips_dir / "torture"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    spawn = multiprocessing.get_context("forkserver")  # a fork of this process could inherit locked threads
    spawn.set_forkserver_preload([__name__])
    wrong: dict[str, object] = {}
    for name, known in _torture_files(folder):
        answer = spawn.SimpleQueue()
        child = spawn.Process(target=_torture_one, args=(folder / name, tmp_path / "out.mp4", tolerant, answer))
        began = time.monotonic()
        child.start()
        child.join(PATIENCE)
        if child.is_alive():
            child.kill()
            wrong[name] = f"hangs for {time.monotonic() - began:.0f} s"
            continue
        if child.exitcode != 0 or answer.empty():
            wrong[name] = f"died with exit code {child.exitcode}"
            continue
        result = answer.get()
        status = known.get("status")
        if isinstance(result, Exception):
            wrong[name] = result
        elif isinstance(result, str):
            damaged = status == "PARTIAL" and tolerant
            if "\n" in result or not result.startswith(str(folder / name)) or status == "OK" or damaged:
                wrong[name] = result
        elif status == "OK" and result != known["frames"]:
            wrong[name] = f"{result} frames, not {known['frames']}"
        elif status == "PARTIAL" and int(str(result)) < int(str(known["frames"])):
            wrong[name] = f"only {result} frames"
        elif status in ("OPEN_ERROR", "NO_VIDEO_STREAM", "DECODE_ERROR", None):
            wrong[name] = f"{result} frames out of what is no video"
    assert wrong == {}
    assert [path.name for path in tmp_path.iterdir() if ".part." in path.name] == []
