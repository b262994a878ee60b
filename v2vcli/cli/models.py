"""``v2v models``: what is installed, and under which licence."""

from __future__ import annotations

import json as jsonlib
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from v2vcli.cli import options, reference
from v2vcli.cli.messages import messages
from v2vcli.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from v2vcli.models.checkpoint import ModelInfo

app = typer.Typer(help="Which models are there, under which licence; import and export.", no_args_is_help=True)


@app.command("list")
def list_models(json: options.Json = False, loglevel: options.LogLevel = "info") -> None:
    """List the bundled models."""
    from v2vcli.models.catalog import bundled_models
    from v2vcli.models.checkpoint import read_info

    found = [_summary(path, read_info(path)) for path in bundled_models().values()]
    if json:
        print(jsonlib.dumps(found, indent=2))
        return
    if not found:
        messages.info("no model is bundled with this installation; --model takes a path or a hub id")
        return
    columns = ("name", "arch", "maps", "size", "megabytes", "licence")
    rows = [columns, *([str(entry[column]) for column in columns] for entry in found)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(columns))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command("info")
def info(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A bundled name, a path or a hub id.")],
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="WxH", help="What painting costs at this size. Default: the model's."),
    ] = None,
    window: options.Window = None,
    json: options.Json = False,
    loglevel: options.LogLevel = "info",
) -> None:
    """Show what a model says of itself, where it comes from, and what painting with it costs.

    A multiply-add counts as two FLOPs. Hoisted ones need no painted frame and are done for a whole window at once;
    recurrent ones wait for the frame before.
    """
    from v2vcli.values import size as parsed

    wanted = None if size is None else parsed(size, "--size")
    if window is not None and window < 1:
        raise UsageError(f"--window {window}: at least one frame is painted at once")
    from v2vcli.models.catalog import find_model

    path = find_model(name)
    from v2vcli.engine.device import choose_device, window_length  # and with it torch
    from v2vcli.models.checkpoint import read_info
    from v2vcli.models.cost import painting_cost

    found = read_info(path)
    cost = painting_cost(found, wanted or found.size, window_length(window, choose_device("auto")))
    summary = {**_summary(path, found), "file": str(path), "provenance": dict(found.provenance)}
    if json:
        summary["parts"] = {part: dict(values) for part, values in found.parts.items()}
        summary["cost"] = cost.as_dict()
        print(jsonlib.dumps(summary, indent=2))
        return
    provenance = summary.pop("provenance")
    for key, value in {**summary, **{k: v for k, v in provenance.items() if not isinstance(v, dict | list)}}.items():
        print(f"{key:12} {value}")
    card = path.with_suffix(".md")
    if card.is_file():
        print(f"{'card':12} {card}")
    print(f"{'memory':12} {cost.memory}, windows of {cost.window} frames")
    from rich import print as show

    show(cost.table())


PULL_EXAMPLES = """[bold]Examples[/bold]

v2v models pull torchvision:deeplabv3_resnet50

v2v models pull hf:user/repo@main        [dim]a segmenter or pose model of transformers[/dim]

v2v models pull user/repo                [dim]a model that v2v trained[/dim]"""


@app.command("pull", epilog=PULL_EXAMPLES)
def pull(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="torchvision:MODEL, hf:USER/REPO\\[@REVISION], face-alignment:2d, or a hub id of v2v's own.",
        ),
    ],
    loglevel: options.LogLevel = "info",
) -> None:
    """Fetch models now, for when there is no network, and print where they are.

    They go where their own libraries keep them: $TORCH_HOME/hub/checkpoints and $HF_HOME/hub.
    With V2V_OFFLINE=1 or HF_HUB_OFFLINE=1 nothing is asked for, here or elsewhere.
    """
    from v2vcli.models.catalog import pull_model

    for name in names:
        for path in pull_model(name, progress=sys.stderr.isatty() and messages.shows("info")):
            print(path, flush=True)


app.command("import", epilog=reference.IMPORT_EXAMPLES)(reference.import_model)
app.command("export", epilog=reference.EXPORT_EXAMPLES)(reference.export_model)


def _summary(path: Path, info: ModelInfo) -> dict[str, Any]:
    maps: str = info.spec.kind
    if info.spec.schema is not None:
        maps += f" ({info.spec.schema.name})"
    return {
        "name": info.name,
        "arch": info.arch,
        "maps": maps,
        "size": f"{info.size[0]}x{info.size[1]}",
        "megabytes": round(path.stat().st_size / 1e6, 1),
        "licence": info.licence,
    }
