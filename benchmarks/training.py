"""What makes a training step faster, each thing by itself: frames per second with it and without it. Prints JSON.

    python benchmarks/training.py [--quick] [--only NAME ...] [--device cuda] [--repeats N] [--note TEXT] [--write]

Peculiar: measurements are paired. With and without take turns, each turn one training step of the same clip, who goes
first alternating, so that a machine that is slow for a while is slow for both; the speed-up is the median of the pairs'
ratios, its spread the middle half of them. Everything else is as `PLAIN` has it. Steps on the CPU are timed by the
process's own clock, which sums over threads: set OMP_NUM_THREADS=1.
What concerns data is measured on videos of the procedural street, whose maps the bundled segmenter makes; clips
prepared ahead in turns of several steps, since what is prepared in one step serves the next. The largest difference of
a loss in the first step says what is paid in accuracy. ``--write`` puts the figures into docs/benchmarks/training.json
and the table in training.md; ``--only`` then replaces those alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from v2vcli.engine.makers import load_segmenter
from v2vcli.engine.modes import SEGMENTER
from v2vcli.maps.conditioning import map_tensor
from v2vcli.maps.schema import CITYSCAPES19
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.models.discriminators import DiscriminatorConfig, MultiScaleDiscriminator
from v2vcli.models.generator import Encoded, GeneratorConfig, PastFrames, Vid2VidGenerator
from v2vcli.train.batches import Sampler
from v2vcli.train.clip_loading import ClipBatch
from v2vcli.train.clips import load_clips
from v2vcli.train.footage import MapMaker
from v2vcli.train.model_card import hardware_in_words
from v2vcli.train.objectives import Judge, LossWeights
from v2vcli.train.optimisers import Optimisers
from v2vcli.train.precision import Precision
from v2vcli.train.recipe import DataRecipe, SourceRecipe, StageRecipe
from v2vcli.train.step import ClipState, Judges, StepOptions, VideoStep
from v2vcli.train.task import Scalars
from v2vcli.train.temporal import TemporalSampling
from v2vcli.worlds import open_world
from v2vcli.worlds.sample import write_sample

DOCS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
BEGIN, END = "<!-- table: benchmarks/training.py -->\n", "<!-- end of table -->\n"
SPEC = MapSpec("labels", schema=CITYSCAPES19)
RATE = 2e-4
K = 3
"""Frames the temporal discriminator sees at once."""
DRAWS = 6
"""Clips that are drawn in a turn, where data is measured."""


@dataclass(frozen=True)
class Shape:
    """What is trained, and on how much: the sizes of everything."""

    width: int = 192
    height: int = 112
    chunk: int = 4
    channels: int = 16
    blocks: int = 4
    judge_channels: int = 32


QUICK = Shape(32, 16, 3, 4, 1, 4)


@dataclass(frozen=True)
class Setting:
    """One way to run the step."""

    hoisted: bool = True
    joined: bool = True
    fused: bool = False
    channels_last: bool = False
    compiled: bool = False
    bf16: bool = False
    checkpointing: bool = False


PLAIN = Setting()
STEPS: dict[str, tuple[str, Setting, Setting]] = {
    "hoisted": ("maps of a chunk encoded in one batch", replace(PLAIN, hoisted=False), PLAIN),
    "joined": ("paintings judged once, for the judge and the painter", replace(PLAIN, joined=False), PLAIN),
    "fused": ("fused Adam", PLAIN, replace(PLAIN, fused=True)),
    "channels_last": ("channels-last images", PLAIN, replace(PLAIN, channels_last=True)),
    "bf16": ("bf16 convolutions", PLAIN, replace(PLAIN, bf16=True)),
    "checkpointing": ("activations computed again (saves memory)", PLAIN, replace(PLAIN, checkpointing=True)),
    "compiled": ("compiled networks", PLAIN, replace(PLAIN, compiled=True)),
}
"""What is compared: name -> in words, without, with."""


class FrameByFrame:
    """A painter whose maps are encoded as they come, one frame at a time."""

    def __init__(self, painter: Vid2VidGenerator) -> None:
        self._painter = painter
        self.step = painter.step

    def encode(self, maps_BTCHW: Tensor, past: PastFrames) -> tuple[list[Encoded], PastFrames]:
        """As the painter's."""
        encoded: list[Encoded] = []
        for map_B1CHW in maps_BTCHW.split(1, 1):
            frame, past = self._painter.encode(map_B1CHW, past)
            encoded += frame
        return encoded, past


def street(shape: Shape, device: torch.device) -> ClipBatch:
    """A clip of the procedural street: the frame it starts from, and a chunk to be painted."""
    world = open_world("street", 1, shape.width, shape.height)
    frames = [world.frame(t) for t in range(shape.chunk + 1)]
    images = torch.stack([torch.from_numpy(frame.image).permute(2, 0, 1) for frame in frames]) / 127.5 - 1
    maps = [MapFrame(SPEC, frame.labels) for frame in frames if frame.labels is not None]
    flow = torch.stack([torch.from_numpy(frame.flow).permute(2, 0, 1) for frame in frames])
    valid = torch.stack([torch.from_numpy(frame.valid)[None] for frame in frames]).float()
    return ClipBatch(*(each[None].to(device) for each in (images, map_tensor(maps, device), flow, valid)))


def stepper(shape: Shape, setting: Setting, device: torch.device) -> Callable[[], Scalars]:
    """One optimiser step of everything, on the same chunk each time it is called; gives its losses."""
    torch.manual_seed(0)
    kind = "bf16" if setting.bf16 else "fp32"
    precision = Precision(kind, device.type, setting.checkpointing, setting.channels_last, setting.compiled)
    painter = Vid2VidGenerator(GeneratorConfig(SPEC.channels, width=shape.channels, blocks=shape.blocks))
    judge, in_time = (
        MultiScaleDiscriminator(DiscriminatorConfig(channels, shape.judge_channels, 3, 2, "frame", 256))
        for channels in (SPEC.channels + 3, 3 * K + 2 * (K - 1))
    )
    networks = {"painter": painter, "judge": judge, "temporal0_judge": in_time}
    for network in networks.values():
        precision.prepared(network.to(device))
    clip = street(shape, device)
    step = VideoStep(
        painter=painter if setting.hoisted else FrameByFrame(painter),
        judges=Judges(
            Judge(precision.judging(judge), joined=setting.joined),
            [Judge(precision.judging(in_time), joined=setting.joined)],
        ),
        optimisers=Optimisers(networks, rate=RATE, betas=(0.5, 0.999), fused=setting.fused),
        weights=LossWeights(perceptual=0.0, pixel=10.0),
        options=StepOptions(chunk=shape.chunk),
        sampling=TemporalSampling(K, 1),
        flow_between=lambda now, before: torch.zeros_like(now[:, :2]),
        precision=precision,
    )
    first = clip.images_BT3HW[:, 0]
    begin = ClipState(painter.start(first, clip.maps_BTCHW[:, 0]), first, 1)

    def once() -> Scalars:
        report, _ = step.chunk(clip, begin, RATE)
        assert report.stepped
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return report.scalars

    return once


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long it takes."""
    began = clock()
    work()
    return clock() - began


def paired(without: Callable[[], float], having: Callable[[], float], repeats: int) -> list[tuple[float, float]]:
    """Seconds (without, with) of each pair of turns; who goes first alternates."""
    pairs = []
    for turn in range(repeats):
        if turn % 2:
            after = having()
            pairs.append((without(), after))
        else:
            pairs.append((without(), having()))
    return pairs


def figures(words: str, frames: int, pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Medians of paired measurements of so many frames."""
    ratios = [without / having for without, having in pairs]
    low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    return {
        "what": words,
        "pairs": len(pairs),
        "fps_without": round(frames / median(without for without, _ in pairs), 3),
        "fps_with": round(frames / median(having for _, having in pairs), 3),
        "speedup": round(median(ratios), 3),
        "middle_half": [round(low, 3), round(high, 3)],
    }


def compare_steps(name: str, shape: Shape, device: torch.device, repeats: int) -> dict[str, Any]:
    """One of `STEPS`; on the CPU by its own clock, which stands still while other jobs run."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    words, *settings = STEPS[name]
    without, having = (stepper(shape, setting, device) for setting in settings)
    expected, began = without(), time.perf_counter()
    found_losses, first = having(), time.perf_counter() - began  # the first step compiles
    pairs = paired(lambda: seconds(without, clock), lambda: seconds(having, clock), repeats)
    found = figures(words, shape.chunk, pairs) | {"clock": clock.__name__}
    found["largest_difference"] = float(f"{difference(expected, found_losses):.2g}")
    if settings[1].compiled:
        found["seconds_to_compile"] = round(first, 1)
    return found


def difference(these: Scalars, those: Scalars) -> float:
    """The largest of any loss, in units of its value or of 1, whichever is larger."""
    return max(abs(value - those[name]) / max(1.0, abs(value)) for name, value in these.items())


@dataclass(frozen=True)
class Videos:
    """A folder of two videos, and how a stage reads them."""

    folder: Path
    shape: Shape

    def written(self) -> Videos:
        """Render them."""
        for seed in (1, 2):
            path, size = self.folder / f"{seed}.mp4", (2 * self.shape.width, 2 * self.shape.height)
            write_sample(path, "street", 4 * (self.shape.chunk + 1), *size, seed=seed, audio=False)
        return self

    def data(self, cache: str | None, workers: int = 0) -> DataRecipe:
        """The recipe's table."""
        source = SourceRecipe(videos=".", labels=f"segmenter:{SEGMENTER}")
        size = (self.shape.width, self.shape.height)
        return DataRecipe(root=str(self.folder), load_size=size, cache=cache, workers=workers, source=(source,))

    def sampler(self, data: DataRecipe, device: torch.device) -> Sampler:
        """Draws clips of a chunk and the frame it starts from."""

        def maker(name: str) -> MapMaker:
            width, height = self.shape.width, self.shape.height
            return load_segmenter(name.partition(":")[2], device, (2 * width, 2 * height)).extract

        clips = load_clips(data, SPEC, maker, with_flow=True, report=lambda _: None)
        size = (self.shape.width, self.shape.height)
        stage = StageRecipe(name="video", kind="video", size=size, steps=10_000, frames=self.shape.chunk + 1)
        return Sampler(clips, data, stage, (0, 0))


def compare_cached_maps(shape: Shape, device: torch.device, repeats: int) -> dict[str, Any]:
    """A folder of videos prepared for the first time, and again."""
    with TemporaryDirectory() as folder:
        videos = Videos(Path(folder), shape).written()
        fresh = count()

        def prepared(cache: str) -> float:
            return seconds(lambda: videos.sampler(videos.data(str(Path(folder, ".cache", cache))), device).close())

        prepared("kept")
        pairs = paired(lambda: prepared(f"{next(fresh)}"), lambda: prepared("kept"), repeats)
    return figures("maps of a folder of videos read from the cache (start of a run)", 8 * (shape.chunk + 1), pairs)


def compare_cached_flow(shape: Shape, device: torch.device, repeats: int) -> dict[str, Any]:
    """Clips drawn, their DIS flow found anew or read; the frames themselves are in memory for both."""
    with TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder  # where maps go without a cache for flow
        videos = Videos(Path(folder), shape).written()
        anew, kept = (videos.sampler(videos.data(cache), device) for cache in (None, str(Path(folder, ".cache"))))

        def draw(sampler: Sampler) -> None:
            for number in range(DRAWS):
                sampler.clips_batch(number, SPEC, device)

        draw(anew)
        draw(kept)
        pairs = paired(lambda: seconds(lambda: draw(anew)), lambda: seconds(lambda: draw(kept)), repeats)
    return figures("flow read from the cache (drawing clips alone)", DRAWS * (shape.chunk + 1), pairs)


def compare_prefetch(shape: Shape, device: torch.device, repeats: int) -> dict[str, Any]:
    """Turns of several steps, each on a clip of its own, that the step waits for or that a worker prepares."""
    step = stepper(shape, PLAIN, device)
    with TemporaryDirectory() as folder:
        videos, first = Videos(Path(folder), shape).written(), count(0, DRAWS + 1)
        os.environ["XDG_CACHE_HOME"] = folder

        def turn(sampler: Sampler) -> float:
            begin = next(first)
            sampler.clips_batch(begin, SPEC, device)  # starts the worker, and is not counted

            def walk() -> None:
                for draw in range(begin + 1, begin + 1 + DRAWS):
                    sampler.clips_batch(draw, SPEC, device)
                    step()

            return seconds(walk)

        waiting, working = (videos.sampler(videos.data(None, workers), device) for workers in (0, 1))
        with waiting, working:
            pairs = paired(lambda: turn(waiting), lambda: turn(working), repeats)
    return figures("clips prepared ahead by one worker (steps and data)", DRAWS * shape.chunk, pairs)


DATA: dict[str, Callable[[Shape, torch.device, int], dict[str, Any]]] = {
    "cached_maps": compare_cached_maps,
    "cached_flow": compare_cached_flow,
    "prefetch": compare_prefetch,
}
"""What concerns data."""


def table(results: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = [
        "| | frames/s without | frames/s with | speed-up (middle half) | pairs | losses differ by |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for each in results.values():
        low, high = each["middle_half"]
        differ = f"{each['largest_difference']:.0e}" if each.get("largest_difference") else "nothing"
        rows.append(
            f"| {each['what']} | {each['fps_without']:.2f} | {each['fps_with']:.2f} | "
            f"**{each['speedup']:.2f}** ({low:.2f} to {high:.2f}) | {each['pairs']} | {differ} |"
        )
    return "\n".join(rows) + "\n"


def write(report: dict[str, Any]) -> None:
    """Into docs/benchmarks; figures that were not measured now stay."""
    path, page = DOCS / "training.json", DOCS / "training.md"
    if path.exists():
        report = report | {"results": json.loads(path.read_text())["results"] | report["results"]}
    path.write_text(json.dumps(report, indent=1) + "\n")
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + BEGIN + "\n" + table(report["results"]) + "\n" + END + after)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="toy size: whether it runs, not how fast")
    parser.add_argument("--only", nargs="+", choices=[*STEPS, *DATA], metavar="NAME", help="measure these alone")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=9, help="pairs of each comparison")
    parser.add_argument("--note", default="", help="of the machine: what else it was doing")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks")
    given = parser.parse_args(arguments)
    device, shape = torch.device(given.device), QUICK if given.quick else Shape()
    repeats = 2 if given.quick else given.repeats
    results = {}
    for name in given.only or [each for each in (*STEPS, *DATA) if not (given.quick and each == "compiled")]:
        print(name, file=sys.stderr)
        if name in STEPS:
            results[name] = compare_steps(name, shape, device, repeats)
        else:
            results[name] = DATA[name](shape, device, repeats)
    report = {
        "benchmark": "training",
        "hardware": hardware_in_words(device),
        "note": given.note,
        "torch": torch.__version__,
        "v2v": version("v2vcli"),
        "shape": shape.__dict__,
        "results": results,
    }
    print(json.dumps(report, indent=1))
    if given.write and not given.quick:
        write(report)


if __name__ == "__main__":
    main()
