"""One stage of `recipes/street-1gpu.toml` on a GPU: frames per second, memory, utilisation, and what bf16 costs.

    python benchmarks/training_gpu.py --clips CLIPS [--steps 60] > docs/benchmarks/training-gpu.json
    python benchmarks/training_gpu.py --clips CLIPS --toy        # two steps at toy size on the CPU: does it run at all?

The stage is video-512 (two scales, the finest alone first), trained from nothing on the driving clips, once in bf16 and
once in fp32, with the same clips in the same order: the two loss curves lie beside each other in the output.

Other than the recipe, since it is what there is: labels are Cityscapes-19 without instances, the flow teacher is DIS
and the perceptual loss the bundled segmenter's (VGG's and RAFT's weights may not be at hand). Utilisation is what
``nvidia-smi`` samples every half second. Not run on a GPU yet.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch

import v2vcli
from v2vcli.train.model_card import hardware_in_words
from v2vcli.train.recipe import Recipe
from v2vcli.train.run import Progress, train

RECIPES = Path(__file__).parents[1] / "recipes"
STAGE = "video-512"
CLIPS = ("highway_day_solidWhiteRight", "city_day_car_input")
"""Those with labels in a folder beside them."""
WARM_UP = 5
"""Steps before speed is looked at."""
TOY = {"size": [64, 32], "load_size": [64, 32], "steps": 2}


def recipe(clips: Path, kind: str, steps: int, toy: bool) -> Recipe:
    """The recipe with its one stage, on these clips."""
    whole = tomllib.loads((RECIPES / "street-1gpu.toml").read_text())
    stage = next(each for each in whole["stage"] if each["name"] == STAGE)
    for name in ("epochs", "grow_every", "finest_alone", "longest"):
        stage.pop(name, None)
    stage |= {"steps": steps, "finest_alone": steps // 2} | (TOY | {"finest_alone": 1} if toy else {})
    sources = [
        {"video": f"driving/{clip}.mp4", "labels": f"driving/{clip}.labels", "schema": "cityscapes19"} for clip in CLIPS
    ]
    return Recipe.model_validate(
        whole
        | {
            "name": f"street-{kind}",
            "model": whole["model"]
            | {"schema": "cityscapes19", "instance_edges": False}
            | ({"width": 8, "blocks": 2} if toy else {}),
            "data": {"root": str(clips), "load_size": stage["size"], "source": sources},
            "losses": whole["losses"] | {"perceptual_model": "street-segmenter"},
            "precision": {"kind": kind},
            "log": {"every": 1, "tensorboard": False, "samples_every": 10**9},
            "save_every": 10**9,
            "stage": [stage],
        }
    )


class Utilisation:
    """Percent of the time that a GPU is at work, sampled while the block runs."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Utilisation:
        if shutil.which("nvidia-smi"):
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _watch(self) -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._done.wait(0.5):
            found = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
            self.samples += [float(each) for each in found[:1]]


def measured(each: Recipe, device: str) -> dict[str, Any]:
    """Train, and say how it went."""
    curve: list[dict[str, float]] = []
    times: list[tuple[float, int]] = []

    def progress(told: Progress) -> None:
        curve.append({name: round(value, 5) for name, value in told.scalars.items()})
        times.append((time.perf_counter(), told.frames_seen))

    silent: Callable[[str], None] = lambda _: None  # noqa: E731
    with tempfile.TemporaryDirectory() as runs, Utilisation() as used:
        train(each, runs=Path(runs), device=device, report=silent, progress=progress)
    kept = times[min(WARM_UP, len(times) - 2) :]
    rates = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(kept)]
    found: dict[str, Any] = {"steps": len(curve), "frames_per_second": round(median(rates), 2), "curve": curve}
    if device == "cuda":
        found["peak_memory_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        torch.cuda.reset_peak_memory_stats()
    if used.samples:
        found["utilisation_percent"] = round(mean(used.samples), 1)
    return found


def difference(a: Sequence[dict[str, float]], b: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each loss: mean relative distance of two curves."""
    return {
        name: round(mean(abs(x[name] - y[name]) / max(abs(y[name]), 1e-9) for x, y in zip(a, b, strict=True)), 4)
        for name in b[0]
        if all(name in each for each in (*a, *b))
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="the folder with driving/")
    parser.add_argument("--steps", type=int, default=60, help="of each of the two trainings")
    parser.add_argument("--toy", action="store_true", help="on the CPU, at toy size")
    given = parser.parse_args(arguments)
    device = "cpu" if given.toy else "cuda"
    found = {kind: measured(recipe(given.clips, kind, given.steps, given.toy), device) for kind in ("bf16", "fp32")}
    result = {
        "benchmark": "training-gpu",
        "v2v": v2vcli.__version__,
        "torch": torch.__version__,
        "hardware": hardware_in_words(torch.device(device)),
        "stage": STAGE,
        "bf16_from_fp32": difference(found["bf16"]["curve"], found["fp32"]["curve"]),
        **found,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
