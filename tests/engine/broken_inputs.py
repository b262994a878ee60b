"""Broken files through `v2v convert`, one after another in a process that can be killed: what became of each.

What is peculiar:

- Command lines run in one long-lived worker process, as `v2v` itself would run them but for the start: importing torch
  two thousand times would take hours. A crash or a hang in C kills the worker, is noted, and a new one goes on.
- Time is the worker's own on the processor, which others may hold: a hang is `PATIENCE` seconds of work, or none at all
  for three times as long by the clock.
- The worker may take `MEMORY` more than it has when it starts, as a broken header may ask for any amount.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import resource
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import av

from tests.engine.identity_material import accompanied, textured
from tests.engine.mutations import mutated
from tests.video.made import Maker

PATIENCE = 10.0
MEMORY = 3 << 30
CODES = (0, 1, 2, 4, 5)
"""What `convert` may exit with; 75, 129, 143 and 255 are for those who were told to stop."""


@dataclass
class Fate:
    """What became of one broken file.

    Attributes:
        case: number, file and way.
        code: what `v2v` exits with; None where it crashed or hung.
        said: its stderr.
        wall: seconds by the clock.
        cpu: seconds of the processor.
        wrong: what must not be.
    """

    case: str
    code: int | None = None
    said: str = ""
    wall: float = 0.0
    cpu: float = 0.0
    wrong: list[str] = field(default_factory=list)


def whole_files(folder: Path) -> list[Path]:
    """A few small videos to be broken, one for each container and codec that matters."""

    def frame(index: int, pix_fmt: str) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(textured(64, 48, index), format="rgb24").reformat(format=pix_fmt)

    make, draw = Maker(folder), partial(frame, pix_fmt="yuv420p")
    plain = make("b-frames.mp4", frame=draw, options={"bf": "2", "preset": "medium"}, pts=range(12), audio=True)
    beside = accompanied(
        make("plain.mkv", frame=draw), folder / "beside.mkv", sounds=[("flac", "eng")], subtitles="subrip"
    )
    deep = partial(frame, pix_fmt="yuv422p10le")
    vp9 = {"deadline": "realtime", "cpu-used": "8"}
    return [
        plain,
        beside,
        make("sound.mov", frame=draw, audio=True),
        make("pieces.mp4", frame=draw, container_options={"movflags": "frag_keyframe+empty_moov"}, audio=True),
        make("vp9.webm", frame=draw, codec="libvpx-vp9", options=vp9),
        make("sound.ts", frame=draw, audio=True),
        make("sound.avi", frame=draw, codec="mpeg4", audio=True, audio_codec="libmp3lame"),
        make("deep.mov", frame=deep, codec="prores_ks", pix_fmt="yuv422p10le"),
        make(
            "motion.mkv", frame=draw, codec="libx265", options={"preset": "ultrafast", "x265-params": "log-level=none"}
        ),
        make("still.flv", frame=draw, codec="flv1"),
    ]


def fates(folder: Path, model: Path, cases: Iterable[int], seed: int = 0) -> Iterator[Fate]:
    """Convert broken files, and tell what became of each.

    Args:
        folder: for files; cleared as it goes.
        model: a checkpoint that paints from edges.
        cases: numbers; each names a broken file, together with ``seed``. Every other one is converted ``--tolerant``.
        seed: of all.
    """
    (folder / "whole").mkdir()
    wholes = [(path.name, path.read_bytes()) for path in whole_files(folder / "whole")]
    worker = Worker(model)
    try:
        for number in cases:
            name, data = wholes[number % len(wholes)]
            way, broken = mutated(data, f"{seed}:{number}")
            place = folder / "case"
            place.mkdir()
            source = place / f"in{Path(name).suffix}"
            source.write_bytes(broken)
            options = ["--tolerant"] if number // len(wholes) % 2 else []
            fate = worker.convert(Fate(f"{number} {name} {way} {' '.join(options)}".strip()), source, options)
            for path in place.iterdir():
                path.unlink()
            place.rmdir()
            yield fate
    finally:
        worker.close()


class Worker:
    """A process that converts what it is told to, and is replaced when it dies or hangs."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.engine.broken_inputs", "v2vcli.cli.app", "v2vcli.engine.generator"])
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_work, args=(other, str(self._model)), daemon=True)
        self._process.start()
        other.close()

    def convert(self, fate: Fate, source: Path, options: list[str]) -> Fate:
        """Convert a file beside itself and look at what is left."""
        output = source.with_name("out.mp4")
        self._pipe.send((str(source), str(output), options))
        begun = time.monotonic()
        try:
            if self._answers():
                fate.code, fate.said, fate.cpu = self._pipe.recv()
            else:
                fate.wrong.append("hangs")
        except (EOFError, ConnectionResetError):
            self._process.join()
            fate.wrong.append(f"crashes with exit code {self._process.exitcode}")
        fate.wall = time.monotonic() - begun
        if fate.code is None:
            self.close()
            self._start()
        _judge(fate, output, source)
        return fate

    def _answers(self) -> bool:
        """Wait for the worker while it works, and not for longer than `PATIENCE` of that; False: it hangs."""
        begun = before = self._worked()
        idle = 0.0
        while not self._pipe.poll(1):
            now = self._worked()
            idle = idle + 1 if now == before else 0.0
            before = now
            if idle > 3 * PATIENCE or now - begun > PATIENCE:
                return False
        return True

    def _worked(self) -> float:
        """Seconds that all threads of the worker have had of the processor; of no meaning once it is dead."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _judge(fate: Fate, output: Path, source: Path) -> None:
    if fate.cpu > PATIENCE:
        fate.wrong.append(f"takes {fate.cpu:.1f} s")
    if "Traceback" in fate.said or "this is a bug" in fate.said:
        fate.wrong.append("something unforeseen")
    errors = [line for line in fate.said.splitlines() if line.startswith("v2v: error:")]
    if fate.code is not None and (fate.code not in CODES or len(errors) != (fate.code != 0)):
        fate.wrong.append(f"exit code {fate.code} with {len(errors)} errors")
    left = sorted(path.name for path in source.parent.iterdir() if path not in (source, output))
    if left and fate.code is not None:
        fate.wrong.append(f"leaves {', '.join(left)}")
    if fate.code == 0 and not playable(output):
        fate.wrong.append("a bad file under the final name")
    if fate.code != 0 and output.exists():
        fate.wrong.append("a file under the final name of a failure")


def playable(path: Path) -> bool:
    """Whether a video decodes from beginning to end, all its frames."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            decoded = sum(1 for _ in container.decode(stream))
            # AVI counts slots, empty ones too
            expected = stream.frames if container.format.name.startswith("mov") else 0
            return decoded > 0 and decoded == (expected or decoded)
    except (OSError, av.FFmpegError, IndexError):
        return False


def _work(pipe: Connection, model: str) -> None:
    """The worker: command lines in, exit codes and what was said out."""
    import torch

    from v2vcli.cli.app import run

    torch.set_num_threads(1)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, resource.RLIM_INFINITY))
    fixed = ["--model", model, "--device", "cpu", "-preset", "ultrafast", "-s", "64x48"]
    while True:
        source, output, options = pipe.recv()
        err, begun = io.StringIO(), time.process_time()
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            code = run(["convert", source, "-o", output, *fixed, *options])
        pipe.send((code, err.getvalue(), time.process_time() - begun))
