"""``-r``: the same frames at the same slots as ffmpeg's own ``fps`` filter, but in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from av.error import BlockingIOError as NotYet
from av.error import EOFError as AtEnd

from v2vcli.errors import UsageError
from v2vcli.video import Frame, resample

TICK = Fraction(1, 9000)


def _frames(ticks: list[int], last: int) -> list[Frame]:
    ends = [*ticks[1:], ticks[-1] + last]
    return [
        Frame(np.full((2, 2, 3), i, np.uint8), t * TICK, (e - t) * TICK, i)
        for i, (t, e) in enumerate(zip(ticks, ends, strict=True))
    ]


def _ffmpeg(ticks: list[int], last: int, rate: Fraction) -> list[tuple[Fraction, int]]:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=2, height=2, format=av.VideoFormat("gray", 2, 2), time_base=TICK)
    fps = graph.add("fps", f"fps={rate}")
    sink = graph.add("buffersink")
    source.link_to(fps)
    fps.link_to(sink)
    graph.configure()
    out = []

    def drain() -> None:
        try:
            while True:
                frame = graph.pull()
                out.append((frame.pts * frame.time_base, int(frame.to_ndarray()[0, 0])))
        except (NotYet, AtEnd):
            pass

    for i, tick in enumerate(ticks):
        frame = av.VideoFrame.from_ndarray(np.full((2, 2), i, np.uint8), format="gray")
        frame.pts, frame.time_base = tick, TICK
        frame.duration = (ticks[i + 1] if i + 1 < len(ticks) else tick + last) - tick
        graph.push(frame)
        drain()
    graph.push(None)
    drain()
    return out


@pytest.mark.parametrize("seed", range(12))
def test_same_as_ffmpegs_fps_filter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = rng.integers(50, 900, 40)
    ticks = [int(t) for t in np.cumsum([int(rng.integers(0, 2000)), *steps[:-1]])]
    last = int(steps[-1])
    rate = [Fraction(30000, 1001), Fraction(25), Fraction(10), Fraction(60)][seed % 4]
    mine = [(f.pts, int(f.image[0, 0, 0])) for f in resample(_frames(ticks, last), rate)]
    assert mine == _ffmpeg(ticks, last, rate)


def test_grid_is_exact_and_numbered() -> None:
    rate = Fraction(30000, 1001)
    out = list(resample(_frames([0, 333, 700, 1500, 9000], 300), rate))
    assert [f.pts for f in out] == [n / rate for n in range(len(out))]
    assert {f.duration for f in out} == {1 / rate}
    assert [f.index for f in out] == list(range(len(out)))


def test_never_empty_unless_the_input_is() -> None:
    assert [f.pts for f in resample(_frames([4500], 1), Fraction(1, 10))] == [Fraction(0)]
    assert list(resample([], Fraction(25))) == []


def test_takes_frames_one_at_a_time() -> None:
    taken = []

    def source():  # type: ignore[no-untyped-def]
        for frame in _frames(list(range(0, 36000, 360)), 360):
            taken.append(frame.index)
            yield frame

    stream = resample(source(), Fraction(25))
    next(stream)
    assert len(taken) == 2


def test_refuses_no_rate() -> None:
    with pytest.raises(UsageError, match="positive"):
        list(resample([], Fraction(0)))
