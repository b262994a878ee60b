"""The card that goes with a model's weights: what it is, what it was trained on and by what, and how far it got.

Peculiar: a card says nothing that is not read off the checkpoint, the run's log or measured figures. Both the cards of
finished runs and those of bundled models (`v2vcli.train.bundle`) are written here.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
from torch import nn

from v2vcli.models.checkpoint import ModelInfo, load_model
from v2vcli.train.recipe import UNITS

PAUSE = 10
"""A silence in the log this many times as long as usual in its stage is a pause between sessions, not training."""
LAST = 10
"""Logged steps that the last losses are averaged over."""
NOT_LOSSES = ("stage", "step", "frames", "fps", "memory", "rate", "time")
"""What a line of ``stats.jsonl`` says of a step besides its losses."""


@dataclass(frozen=True)
class Training:
    """How a model came about, as far as its checkpoint does not say.

    Attributes:
        hardware: what it was trained on, in words.
        hours: of training; None: nobody knows.
        started_from: the model it was started from, if any.
        losses: of the last stage, means over its last logged steps.
    """

    hardware: str
    hours: float | None
    started_from: str | None = None
    losses: Mapping[str, float] = field(default_factory=dict)


def write_run_card(model: Path, stats: Path, *, hardware: str, start: Path | None = None, note: str = "") -> Path:
    """Write the card of a finished run's model beside it, as ``.md``.

    Args:
        model: the checkpoint.
        stats: the run's ``stats.jsonl``.
        hardware: what it was trained on, in words.
        start: the checkpoint the first stage was started from.
        note: what else a user of the model should know, Markdown.

    Raises:
        ModelError: there is no usable model.
    """
    info, networks = load_model(model)
    origin = None if start is None else start.name
    known = stats.exists()  # a log may have been thrown away
    training = Training(hardware, training_hours(stats) if known else None, origin, last_losses(stats) if known else {})
    path = model.with_suffix(".md")
    partial = path.with_name(path.name + ".part")
    partial.write_text(card(info, networks, training, size=model.stat().st_size, weights="float32", note=note))
    partial.replace(path)
    return path


def card(
    info: ModelInfo,
    networks: Mapping[str, nn.Module],
    training: Training,
    *,
    size: int,
    weights: str,
    figures: Mapping[str, Any] | None = None,
    note: str = "",
) -> str:
    """The model card, Markdown.

    Args:
        info: what the checkpoint says of itself.
        networks: its parts.
        training: what it does not say.
        size: of the file, in bytes.
        weights: their number format.
        figures: measured numbers, one table row each.
        note: what else a user of the model should know.
    """
    p = info.provenance
    counts = {part: sum(x.numel() for x in network.parameters()) for part, network in networks.items()}
    stages = "; ".join(_stage(stage) for stage in p["recipe"]["stage"])
    facts = {
        "paints from / gives": f"{info.spec.kind}{f' ({info.spec.schema.name})' if info.spec.schema else ''}",
        "size": f"{info.size[0]}x{info.size[1]}",
        "parameters": f"{', '.join(f'{part} {count:,}' for part, count in counts.items())}; {size / 1e6:.1f} MB, "
        f"{weights}",
        "licence of the weights": info.licence,
        "data": p["data"] or "the recipe does not say",
        "started from": training.started_from,
        "trained on": f"{training.hardware}, {_duration(training.hours)}{p['frames_seen']:,} frames seen",
        "recipe": f"{stages}; every setting is in the file's metadata",
        "made with": f"v2v {p['v2v']}, PyTorch {p['torch']}",
    }
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items() if value)
    text = f"# {info.name}\n\n{p['recipe']['about']}\n\n| | |\n|---|---|\n{rows}\n"
    if figures:
        text += _section("Measured", "figure", figures)
    if training.losses:
        losses = {name: f"{value:.4g}" for name, value in training.losses.items()}
        text += _section(f"Last losses (mean of the last {LAST} logged steps, or fewer)", "term", losses)
    return f"{text}\n{note}\n" if note else text


def _section(title: str, first: str, values: Mapping[str, Any]) -> str:
    rows = "\n".join(f"| {name} | {value} |" for name, value in values.items())
    return f"\n## {title}\n\n| {first} | value |\n|---|---|\n{rows}\n"


def _stage(stage: Mapping[str, Any]) -> str:
    unit = next(unit for unit in UNITS if stage.get(unit))
    length = f"{stage[unit]:,} {unit.replace('_', ' ')}" + ("" if unit == "steps" else " in steps")
    return (
        f"{stage['name']}: {length} of {stage['batch']} x {stage['frames']} frames at "
        f"{stage['size'][0]}x{stage['size'][1]}"
    )


def _duration(hours: float | None) -> str:
    if hours is None:
        return ""
    return f"{hours:.1f} hours, " if hours >= 0.1 else f"{hours * 60:.1f} minutes, "


def training_hours(stats: Path) -> float:
    """Hours of training a run's log accounts for."""
    gaps: dict[str, list[float]] = {}
    for before, after in pairwise(json.loads(line) for line in stats.read_text().splitlines()):
        if after["stage"] == before["stage"] and after["time"] > before["time"]:
            gaps.setdefault(after["stage"], []).append(after["time"] - before["time"])
    seconds: float = sum(gap for stage in gaps.values() for gap in stage if gap < PAUSE * median(stage))
    return seconds / 3600


def last_losses(stats: Path) -> dict[str, float]:
    """Mean of every loss over the last `LAST` lines of the last stage; of those lines that have it."""
    records = [json.loads(line) for line in stats.read_text().splitlines()]
    last = [record for record in records if record["stage"] == records[-1]["stage"]][-LAST:]
    names = dict.fromkeys(name for record in last for name in record if name not in NOT_LOSSES)
    values = {name: [record[name] for record in last if record.get(name) is not None] for name in names}
    return {name: fmean(each) for name, each in values.items() if each}  # null: it was not finite


def hardware_in_words(device: torch.device, processes: int = 1) -> str:
    """What this process trains on, such as ``2 x NVIDIA H200`` or ``4 threads of Intel(R) Xeon(R)``."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return name if processes == 1 else f"{processes} x {name}"
    threads = torch.get_num_threads() * processes
    return f"{threads} thread{'s' if threads > 1 else ''} of {_processor()}, {os.cpu_count()} in the machine"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
