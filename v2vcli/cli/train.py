"""``v2v train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from v2vcli.cli import options
from v2vcli.cli.messages import messages
from v2vcli.cli.training import training_display

EXAMPLES = """[bold]Examples[/bold]

v2v train recipes/edge2face.toml

v2v train recipes/edge2face.toml --set stage.0.steps=100 --set name=trial --dry-run

v2v train recipes/seg2street.toml --set data.root=/videos --device cuda
"""


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A TOML file; see recipes/.", show_default=False)],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe; may be repeated.")
    ] = None,
    runs: Annotated[Path, typer.Option("--runs", metavar="DIR", help="Folder of all runs.")] = Path("runs"),
    start: Annotated[
        str | None, typer.Option("--start", metavar="MODEL", help="Start the first stage from this model.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved recipe as JSON, and train nothing.")
    ] = False,
    device: options.Device = "auto",
    loglevel: options.LogLevel = "info",
) -> None:
    """Train a model by a recipe; the same command again goes on where it stopped."""
    from v2vcli.train.recipe import load_recipe

    resolved = load_recipe(recipe, overrides or [])
    if dry_run:
        print(resolved.model_dump_json(indent=2, by_alias=True))
        return
    from v2vcli.engine.device import choose_device
    from v2vcli.models.catalog import find_model
    from v2vcli.train.run import train as run

    with training_display(messages) as progress:
        model = run(
            resolved,
            runs=runs,
            start=None if start is None else find_model(start),
            device=str(choose_device(device)),
            report=messages.info,
            progress=progress,
        )
    messages.info(f"{model}: finished; try it with `v2v convert INPUT -o OUT --model {model}`")
