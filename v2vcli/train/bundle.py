r"""From a finished run to something to hand out: float16 weights and a model card beside them.

    python -m v2vcli.train.bundle runs/RUN -o v2vcli/assets --hardware "..." \
        [--name NAME] [--figures figures.json] [--note "..."]

Peculiar: the card says nothing that is not read off the checkpoint, the run's log or a file of measured figures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from torch import nn

from v2vcli.errors import V2VError
from v2vcli.models.checkpoint import ModelInfo, load_model, save_model

PAUSE = 10
"""A silence in the log this many times as long as usual in its stage is a pause between sessions, not training."""


def bundle(
    run: Path, folder: Path, *, hardware: str, name: str | None = None, figures: Mapping[str, Any] | None, note: str
) -> Path:
    """Write ``NAME.safetensors`` (float16) and ``NAME.md`` into `folder`.

    Args:
        run: the run's folder, with ``model.safetensors`` and ``stats.jsonl``.
        folder: where to write.
        hardware: what it was trained on, in words.
        name: of the model; None: the run's.
        figures: measured numbers for the card, one table row each.
        note: what else a user of the model should know, Markdown.

    Returns:
        The path of the weights.

    Raises:
        ModelError: the run has no usable model.
    """
    info, networks = load_model(run / "model.safetensors")
    hours = training_hours(run / "stats.jsonl")
    provenance = {**info.provenance, "hardware": hardware, "hours": round(hours, 2)}
    info = replace(info, name=name or info.name, provenance=provenance)
    path = folder / f"{info.name}.safetensors"
    save_model(path, info, networks, half=True)
    path.with_suffix(".md").write_text(card(info, networks, path.stat().st_size, figures or {}, note))
    return path


def training_hours(stats: Path) -> float:
    """Hours of training a run's log accounts for."""
    gaps: dict[str, list[float]] = {}
    for before, after in pairwise(json.loads(line) for line in stats.read_text().splitlines()):
        if after["stage"] == before["stage"] and after["time"] > before["time"]:
            gaps.setdefault(after["stage"], []).append(after["time"] - before["time"])
    seconds: float = sum(gap for stage in gaps.values() for gap in stage if gap < PAUSE * median(stage))
    return seconds / 3600


def card(info: ModelInfo, networks: Mapping[str, nn.Module], size: int, figures: Mapping[str, Any], note: str) -> str:
    """The model card, Markdown."""
    p = info.provenance
    counts = {part: sum(x.numel() for x in network.parameters()) for part, network in networks.items()}
    stages = "; ".join(
        f"{stage['name']}: {stage['steps']} steps of {stage['batch']} x {stage['frames']} frames at "
        f"{stage['size'][0]}x{stage['size'][1]}"
        for stage in p["recipe"]["stage"]
    )
    rows = "\n".join(f"| {name} | {value} |" for name, value in figures.items())
    measured = f"\n## Measured\n\n| figure | value |\n|---|---|\n{rows}\n" if rows else ""
    return f"""# {info.name}

{p["recipe"]["about"]}

| | |
|---|---|
| paints from / gives | {info.spec.kind}{f" ({info.spec.schema.name})" if info.spec.schema else ""} |
| size | {info.size[0]}x{info.size[1]} |
| parameters | {", ".join(f"{part} {count:,}" for part, count in counts.items())}; {size / 1e6:.1f} MB, float16 |
| licence of the weights | {info.licence} |
| data | {p["data"]} |
| trained on | {p["hardware"]}, {p["hours"]:.1f} hours, {p["frames_seen"]:,} frames seen |
| recipe | {stages}; every setting is in the file's metadata |
| made with | v2v {p["v2v"]}, PyTorch {p["torch"]} |
{measured}
{note}
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--hardware", required=True)
    parser.add_argument("--name", help="of the model; default: the run's")
    parser.add_argument("--figures", type=Path, help="a JSON object of figures")
    parser.add_argument("--note", default="", help="Markdown, or @FILE")
    given = parser.parse_args(arguments)
    figures = json.loads(given.figures.read_text()) if given.figures else None
    note = Path(given.note[1:]).read_text() if given.note.startswith("@") else given.note
    try:
        print(bundle(given.run, given.output, hardware=given.hardware, name=given.name, figures=figures, note=note))
    except V2VError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
