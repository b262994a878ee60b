"""Peak memory of read -> shots -> write does not depend on the length of the clip."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from fractions import Fraction
import numpy as np
from v2vcli.video import Encoding, Frame, ShotDetector, VideoReader, VideoWriter
frames, folder = int(sys.argv[1]), sys.argv[2]
size = dict(width=320, height=180)
fast = Encoding(preset="ultrafast")
strip = np.random.default_rng(0).integers(0, 256, (180, 640, 3), dtype=np.uint8)
tick = Fraction(1, 25)
with VideoWriter(f"{folder}/in.mp4", **size, time_base=tick, rate=25 / Fraction(1), encoding=fast, overwrite=True) as w:
    for i in range(frames):
        w.write(Frame(np.ascontiguousarray(strip[:, i % 320 : i % 320 + 320]), i * tick, tick, i))
shots = ShotDetector()
with VideoReader(f"{folder}/in.mp4") as r, VideoWriter(
    f"{folder}/out.mp4", **size, time_base=r.info.time_base, rate=r.info.rate, encoding=fast, overwrite=True,
    copy_from=f"{folder}/in.mp4",
) as w:
    for frame in r:
        shots.is_cut(frame)
        w.write(frame)
assert frame.index == frames - 1
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_peak_memory_is_the_same_for_ten_times_the_length(tmp_path: object) -> None:
    peaks = []
    for frames in ("300", "3000"):
        command = [sys.executable, "-c", PROGRAM, frames, str(tmp_path)]
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] < 1.05 * peaks[0]


PIPED = """
import os, resource, sys, threading
from fractions import Fraction
import numpy as np
from v2vcli.video import Encoding, Frame, VideoReader, VideoWriter
frames, format = int(sys.argv[1]), sys.argv[2]
size = dict(width=128, height=72)
strip = np.random.default_rng(0).integers(0, 256, (72, 448, 3), dtype=np.uint8)
tick = Fraction(1, 25)
fast = None if format == "yuv4mpegpipe" else Encoding(preset="ultrafast")
source, sink = os.pipe()
def send():
    with os.fdopen(sink, "wb", buffering=0) as stream, VideoWriter(
        stream, **size, time_base=tick, rate=Fraction(25), encoding=fast, format=format
    ) as w:
        for i in range(frames):
            w.write(Frame(np.ascontiguousarray(strip[:, i % 320 : i % 320 + 128]), i * tick, tick, i))
sender = threading.Thread(target=send)
sender.start()
with os.fdopen(source, "rb", buffering=0) as stream, VideoReader(stream, format=format) as r:
    for frame in r:
        if frame.index == 200:
            descriptors = len(os.listdir("/proc/self/fd"))
    assert len(os.listdir("/proc/self/fd")) <= descriptors
assert frame.index == frames - 1
sender.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts descriptors in /proc")
@pytest.mark.parametrize("format", ["nut", "matroska", "mp4", "mpegts", "yuv4mpegpipe"])
def test_a_long_pipe_takes_no_more_memory_than_a_short_one(format: str) -> None:
    peaks = []
    for frames in ("600", "6000"):
        command = [sys.executable, "-c", PIPED, frames, format]
        # FFmpeg's list of an mp4's fragments, 200 bytes each, would pin holes of a picture's size in the heap
        steady = os.environ | {"MALLOC_MMAP_THRESHOLD_": "16384"}
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True, env=steady).stdout))
    assert peaks[1] < 1.05 * peaks[0]
