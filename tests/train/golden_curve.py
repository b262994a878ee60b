"""The golden loss curve: what `recipes/tiny.toml`, cut to twenty steps, logs. Run by its path, this writes it anew:

    python tests/train/golden_curve.py

which is right when numerics were changed on purpose, and not otherwise.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from v2vcli.train.recipe import load_recipe
from v2vcli.train.run import Progress, train

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "tiny.toml"
SHORT = ("stage.0.steps=12", "stage.1.steps=8", "stage.1.grow_every=0", "log.samples_every=1000")
"""Both stages, with discriminators, flow and noise in the second; without what only takes time."""
GOLDEN = Path(__file__).with_suffix(".json")
Curve = list[dict[str, float]]


def rounding() -> dict[str, str]:
    """What decides how sums are rounded. With another the curve is another after a few steps: Adam's first steps move
    each weight by the whole rate, whichever sign a gradient of nothing but rounding has.
    """
    return {"torch": torch.__version__, "cpu": torch.backends.cpu.get_cpu_capability()}


def curve(runs: Path, *, overrides: Sequence[str] = (), gpus: int = 1) -> Curve:
    """Every number that each step logs, with one thread."""
    torch.set_num_threads(1)
    steps: Curve = []

    def progress(told: Progress) -> None:
        steps.append(told.scalars)

    train(load_recipe(RECIPE, [*SHORT, *overrides]), runs=runs, gpus=gpus, report=lambda _: None, progress=progress)
    return steps


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        lines = ",\n".join(json.dumps(step) for step in curve(Path(folder)))
    GOLDEN.write_text(f'{{"rounding": {json.dumps(rounding())},\n"curve": [\n{lines}\n]}}\n')
