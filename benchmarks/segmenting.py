"""How fast the bundled segmenter is on a CPU, and what the pipeline of `v2v segment` gains. Prints JSON.

    python benchmarks/segmenting.py [--threads 2] [--frames 100] [--rounds 5] [--size 512x288] [--smooth-maps 0.93]

- segmenter: label maps per second, one frame at a time and in batches of 8; the network and the interpolation to the
  map's size, nothing else;
- pipeline: frames per second of the whole way from a video file to a file of maps. The loop decodes a frame, segments
  it, smooths it and writes it, and then takes the next; the pipeline (`engine.segment`) does all that in batches, at
  once, in threads. The claim is "at least 1.3 times the loop". Both leave the same maps, which is checked.

What is peculiar: loop and pipeline take turns, and the ratio is that of neighbours (its median is reported), so that
whatever else the machine does strikes both. The clip is a procedural street; the process is held to as many cores as it
has threads, and the network is opened once, before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import v2vcli
from v2vcli.engine.request import SegmentRequest
from v2vcli.engine.segment import MapMaker, open_map_maker, segment
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.files.store import MapWriter
from v2vcli.maps.over_time.smoothing import LabelSmoother
from v2vcli.values import size as parsed_size
from v2vcli.video import VideoReader
from v2vcli.video.shots import ShotDetector
from v2vcli.worlds.sample import write_sample

ALLOWED = 1.3


def frame_by_frame(request: SegmentRequest, maker: MapMaker) -> None:
    """What one would write first: every frame through every step before the next one is looked at."""
    detector = ShotDetector()
    smoother = LabelSmoother(request.smooth_maps) if request.smooth_maps > 0 else None
    past = None
    spec = maker.extractor.spec
    with VideoReader(request.input) as reader, MapWriter(request.output, spec, overwrite=True) as writer:
        size = request.size or (reader.info.width, reader.info.height)
        for frame in reader:
            if detector.is_cut(frame):
                past = None
            made = maker.extractor.extract([frame.image], size)
            if smoother is not None:
                made, past = smoother.smooth([frame.image], made, past)
            writer.write(made[0], frame.pts)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of a call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def segmenter_rates(clip: Path, maker: MapMaker, rounds: int) -> dict[str, float]:
    """Label maps per second, medians over the rounds."""
    with VideoReader(clip) as reader:
        images = [frame.image for frame in reader][:32]
    height, width = images[0].shape[:2]

    def in_batches(batch: int) -> None:
        for start in range(0, len(images), batch):
            maker.extractor.extract(images[start : start + batch], (width, height))

    in_batches(8)  # warm
    spent: dict[int, list[float]] = {1: [], 8: []}
    for _ in range(rounds):
        for batch, times in spent.items():
            times.append(seconds(lambda batch=batch: in_batches(batch)))  # type: ignore[misc]
    rates = {batch: len(images) / statistics.median(times) for batch, times in spent.items()}
    return {"one_at_a_time_fps": round(rates[1], 2), "in_batches_of_8_fps": round(rates[8], 2)}


def pipeline_gain(clip: Path, folder: Path, maker: MapMaker, arguments: argparse.Namespace) -> dict[str, Any]:
    """Loop and pipeline in turns over the same clip."""
    common = {"input": clip, "overwrite": True, "smooth_maps": arguments.smooth_maps, "window": arguments.window}
    one_by_one = SegmentRequest(output=folder / "loop.mkv", **common)
    at_once = SegmentRequest(output=folder / "pipeline.mkv", **common)
    spent: dict[str, list[float]] = {"loop": [], "pipeline": []}
    work = {
        "loop": lambda: frame_by_frame(one_by_one, maker),
        "pipeline": lambda: segment(at_once, maker=maker),
    }
    for turn in range(arguments.rounds + 1):
        for name in sorted(work, reverse=bool(turn % 2)):
            took = seconds(work[name])
            if turn:  # the first is for warming up
                spent[name].append(took)
    ratios = [loop / pipeline for loop, pipeline in zip(spent["loop"], spent["pipeline"], strict=True)]
    return {
        "loop_fps": round(arguments.frames / statistics.median(spent["loop"]), 2),
        "pipeline_fps": round(arguments.frames / statistics.median(spent["pipeline"]), 2),
        "gain": round(statistics.median(ratios), 3),
        "gains": [round(ratio, 3) for ratio in ratios],
        "differing_pixels": _difference(one_by_one.output, at_once.output, maker),
        "holds": statistics.median(ratios) >= ALLOWED,
    }


def _difference(first: Path, second: Path, maker: MapMaker) -> float:
    """The share of pixels that differ between two files of maps."""
    pairs = zip(*(open_maps(path, maker.extractor.spec) for path in (first, second)), strict=True)
    return float(np.mean([np.mean(a.array != b.array) for a, b in pairs]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="cores and threads of the libraries")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", default="512x288")
    parser.add_argument("--smooth-maps", type=float, default=0.93)
    parser.add_argument("--window", type=int, default=None)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        width, height = parsed_size(arguments.size, "--size")
        clip = write_sample(folder / "in.mp4", "street", arguments.frames, width, height, rate=Fraction(25))
        maker = open_map_maker(SegmentRequest(input=clip, output=folder / "maps.mkv", device="cpu"))
        result = {
            "v2v": v2vcli.__version__,
            "torch": torch.__version__,
            "cpu": platform.processor() or platform.machine(),
            "threads": arguments.threads,
            "size": arguments.size,
            "frames": arguments.frames,
            "rounds": arguments.rounds,
            "smooth_maps": arguments.smooth_maps,
            "segmenter": segmenter_rates(clip, maker, arguments.rounds),
            "pipeline": pipeline_gain(clip, folder, maker, arguments),
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
