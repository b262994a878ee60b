"""What memory is worth: `recipes/world-street.toml` against itself without flow and past frames, and against pix2pixHD.

    python benchmarks/world_street.py [--runs DIR] [--pictures FILE.png] > docs/benchmarks/world-street.json

Trains the three (hours; the same command goes on where it stopped, and finished ones are only measured), each in a
process of its own with one thread, then paints worlds that none of them saw. Printed for each, mean over all worlds:

- warp_error: mean |frame - previous frame moved along the world's exact flow| where that is valid, full scale = 1; the
  rendered video's own is ``rendered``. Lower is steadier;
- psnr: against the rendered frames, in dB;
- map_agreement: share of pixels that the bundled segmenter, which never saw such worlds, gives the label that was
  asked for; the rendered frames' own is the ceiling;
- cpu_minutes: what training cost, of the process and of the one that renders for it.

"memory" is the recipe as it is. "no_memory" has neither flow nor past frames (``model.past = 0``) and is otherwise the
same, discriminators in time included. "pix2pixHD" has the recipe's first stage, then a GAN on single frames for so
long that it costs what the whole recipe costs, within a tenth.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import v2vcli
from v2vcli.engine.makers import load_segmenter
from v2vcli.maps.conditioning import map_tensor
from v2vcli.maps.over_time.flow import warp
from v2vcli.maps.spec import MapFrame
from v2vcli.models.painter import Painter
from v2vcli.train.recipe import Recipe
from v2vcli.train.run import train
from v2vcli.worlds import WorldFrame, open_world

RECIPE = Path(__file__).parents[1] / "recipes" / "world-street.toml"
UNSEEN = range(1000, 1008)
"""Seeds; the recipe trains on 0 to 199."""
FRAMES = 24
"""Of each: twice as many as clips had in training."""
WINDOW = 4
SHOWN = (0, 8, 16, 23)
"""Frames of the first world that are shown."""
GAN_STEPS = 6000
"""Of pix2pixHD's second stage: with it, it costs what the whole recipe costs, within a tenth."""
CPU = torch.device("cpu")


def variants() -> dict[str, Recipe]:
    """The recipe, and what it is compared with."""
    memory = tomllib.loads(RECIPE.read_text())
    layout = memory["stage"][0]
    gan = layout | {"name": "image", "judged": True, "steps": GAN_STEPS, "rate": 2e-4, "decay": 0.5}
    found = {
        "memory": memory,
        "no_memory": memory | {"model": memory["model"] | {"flow": False, "past": 0}},
        "pix2pixHD": memory | {"model": memory["model"] | {"arch": "pix2pixHD"}, "stage": [layout, gan]},
    }
    return {name: Recipe.model_validate(recipe | {"name": name}) for name, recipe in found.items()}


def trained(name: str, runs: Path) -> Path:
    """The model, and beside it what it cost; in a process of its own, so that its cost is its own."""
    if not cost_of(name, runs).exists():
        subprocess.run([sys.executable, __file__, "--runs", str(runs), "--train", name], check=True, stdout=sys.stderr)
    return runs / name / "model.safetensors"


def train_here(name: str, runs: Path) -> None:
    """Train, and add what it cost to ``runs/NAME/cpu_seconds``."""
    torch.set_num_threads(1)
    train(variants()[name], runs=runs, report=lambda line: print(f"{name}: {line}", flush=True))
    used = sum(
        each.ru_utime + each.ru_stime
        for each in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )
    cost_of(name, runs).write_text(str(used))


def cost_of(name: str, runs: Path) -> Path:
    """Where it is written what a finished training cost."""
    return runs / name / "cpu_seconds"


def painted(painter: Painter, frames: Sequence[WorldFrame]) -> NDArray[np.uint8]:
    """(T, H, W, 3): what a model makes of a world's labels."""
    maps = [MapFrame(painter.info.spec, frame.labels) for frame in frames if frame.labels is not None]
    parts, past = [], None
    for begin in range(0, len(maps), WINDOW):
        part, past = painter.paint(map_tensor(maps[begin : begin + WINDOW], CPU), past)
        parts.append(part)
    pixels = torch.cat(parts).clamp(-1, 1).add(1).mul(127.5).round().byte()
    return pixels.permute(0, 2, 3, 1).numpy()


def warp_errors(images: NDArray[np.uint8], frames: Sequence[WorldFrame]) -> Iterator[float]:
    """One for each pair of frames."""
    for t in range(1, len(frames)):
        moved = warp(images[t - 1].astype(np.float32), frames[t].flow)
        error = np.abs(images[t].astype(np.float32) - moved).mean(axis=2) / 255
        yield float(error[frames[t].valid].mean())


def measured(images: NDArray[np.uint8], frames: Sequence[WorldFrame], segmenter: Any) -> dict[str, float]:
    """The figures of one world."""
    real = np.stack([frame.image for frame in frames])
    error = np.mean((images.astype(np.float64) - real) ** 2, axis=(1, 2, 3))
    found = segmenter.extract(list(images), real.shape[2:0:-1])
    agreement = [float((each.array == frame.labels).mean()) for each, frame in zip(found, frames, strict=True)]
    return {
        "warp_error": float(np.mean(list(warp_errors(images, frames)))),
        "psnr": float(np.mean(10 * np.log10(255**2 / np.maximum(error, 1e-9)))),
        "map_agreement": float(np.mean(agreement)),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--pictures", type=Path, help="also show some frames of an unseen world")
    parser.add_argument("--train", choices=list(variants()), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.train:
        train_here(given.train, given.runs)
        return
    models = {name: trained(name, given.runs) for name in variants()}
    torch.set_num_threads(1)
    width, height = variants()["memory"].stage[0].size
    segmenter = load_segmenter("street-segmenter", CPU, (width, height))
    painters = {name: Painter.load(path) for name, path in models.items()}
    by_world: dict[str, list[dict[str, float]]] = {name: [] for name in ("rendered", *painters)}
    for seed in UNSEEN:
        world = open_world("street", seed, width, height)
        frames = [world.frame(t) for t in range(FRAMES)]
        rows = {"rendered": np.stack([frame.image for frame in frames])}
        rows |= {name: painted(painter, frames) for name, painter in painters.items()}
        for name, images in rows.items():
            by_world[name].append(measured(images, frames, segmenter))
        if given.pictures and seed == UNSEEN[0]:
            labels = [MapFrame(painters["memory"].info.spec, frames[t].labels).picture() for t in SHOWN]
            sheet = [np.hstack(labels), *(np.hstack([images[t] for t in SHOWN]) for images in rows.values())]
            Image.fromarray(np.vstack(sheet)).save(given.pictures)
    result: dict[str, Any] = {
        "v2v": v2vcli.__version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, CPU, one thread and one process that renders for each training",
        "worlds": list(UNSEEN),
        "frames_each": FRAMES,
    }
    for name, each in by_world.items():
        means = {key: round(float(np.mean([one[key] for one in each])), 5) for key in each[0]}
        if name == "rendered":
            del means["psnr"]  # of a video and itself
        if name in models:
            means["cpu_minutes"] = round(float(cost_of(name, given.runs).read_text()) / 60, 1)
        result[name] = means
    result["warp_error_by_world"] = {name: [round(one["warp_error"], 5) for one in by_world[name]] for name in by_world}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
