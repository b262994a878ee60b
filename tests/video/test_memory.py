"""Peak memory of read -> shots -> write does not depend on the length of the clip."""

from __future__ import annotations

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
