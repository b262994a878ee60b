r"""From a finished run to something to hand out: float16 weights and a model card beside them.

    python -m v2vcli.train.bundle runs/RUN -o v2vcli/assets --hardware "..." \
        [--name NAME] [--figures figures.json] [--note "..."]

Peculiar: the card (`v2vcli.train.model_card`) has measured figures where a run's own card has its last losses.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from v2vcli.errors import V2VError
from v2vcli.models.checkpoint import load_model, save_model
from v2vcli.train.model_card import Training, card, training_hours


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
    text = card(
        info,
        networks,
        Training(hardware, hours),
        size=path.stat().st_size,
        weights="float16",
        figures=figures,
        note=note,
    )
    path.with_suffix(".md").write_text(text)
    return path


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
