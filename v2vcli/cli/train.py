"""``v2v train``."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from v2vcli.cli import options
from v2vcli.cli.messages import messages
from v2vcli.cli.training import training_display
from v2vcli.errors import UsageError

if TYPE_CHECKING:
    from v2vcli.train.recipe import Recipe

EXAMPLES = """[bold]Examples[/bold]

v2v train recipes/tiny.toml
    two minutes on a CPU, no data: see what a run is. The same command again goes on where it stopped.

v2v train recipes/faces.toml --set data.root=/videos --set stage.0.batch=4 --dry-run
    what your changes come to: the resolved recipe, its stages, the memory each of them wants. Nothing is trained.

v2v train recipes/street.toml --set data.root=/cityscapes --gpus 8
    on eight GPUs; on several machines, run the same without --gpus under torchrun --nnodes N --nproc-per-node 8.
"""
RECIPE_PANEL = "Recipe"


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A TOML file; see recipes/.", show_default=False)],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change the recipe; may be repeated.", rich_help_panel=RECIPE_PANEL
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--start", metavar="MODEL", help="Start the first stage from this model.", rich_help_panel=RECIPE_PANEL
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the resolved recipe, its stages and the memory they want, and train nothing.",
            rich_help_panel=RECIPE_PANEL,
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="With --dry-run: print JSON.", rich_help_panel=RECIPE_PANEL)
    ] = False,
    runs: Annotated[
        Path, typer.Option("--runs", metavar="DIR", help="Folder of all runs.", rich_help_panel=options.FILES_PANEL)
    ] = Path("runs"),
    device: options.Device = "auto",
    gpus: Annotated[
        int,
        typer.Option(
            "--gpus",
            metavar="N",
            min=1,
            help="Share every batch among so many processes, a GPU each.",
            rich_help_panel=options.RUN_PANEL,
        ),
    ] = 1,
    loglevel: options.LogLevel = "info",
) -> None:
    """Train a model by a recipe; the same command again goes on where it stopped."""
    from v2vcli.train.recipe import load_recipe

    if json and not dry_run:
        raise UsageError("--json belongs to --dry-run; what a run tells in JSON is in its folder's stats.jsonl")
    resolved = load_recipe(recipe, overrides or [])
    if dry_run:
        _print_plan(resolved, gpus, json)
        return
    from v2vcli.engine.device import choose_device
    from v2vcli.models.catalog import find_model
    from v2vcli.train.process_group import outer_world
    from v2vcli.train.run import train as run

    world = outer_world()
    if world is not None and not world.leads:
        messages.set_level("error")  # the leading process of the same torchrun tells everything
    with training_display(messages) as progress:
        model = run(
            resolved,
            runs=runs,
            start=None if start is None else find_model(start),
            device=str(choose_device(device)),
            gpus=gpus,
            report=messages.info,
            progress=progress,
        )
    messages.info(f"{model}: finished; try it with `v2v convert INPUT -o OUT --model {model}`")


def _print_plan(recipe: Recipe, processes: int, as_json: bool) -> None:
    """What the recipe would do."""
    from v2vcli.train.plan import plan

    found = plan(recipe, processes=processes)
    if as_json:
        print(jsonlib.dumps(found.as_dict(), indent=2))
        return
    from rich.console import Console

    print(recipe.model_dump_json(indent=2, by_alias=True))
    console = Console()
    console.width = max(console.width, found.WIDTH)  # a narrow table says nothing; a terminal may wrap it
    console.print(found.table(), found.networks())
    print("memory: of each process, in the worst step; what the device's libraries hold for themselves comes on top")
