"""``v2v models import`` and ``export``: weights from and for the reference implementation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from v2vcli.cli import options
from v2vcli.cli.messages import messages
from v2vcli.errors import UsageError

if TYPE_CHECKING:
    from v2vcli.models.reference_import import Imported

IMPORT_EXAMPLES = """[bold]Examples[/bold]

v2v models import checkpoints/label2city_1024 checkpoints/label2city_single -o street.safetensors --arch street

v2v models import checkpoints/edge2face_512 checkpoints/edge2face_single -o face.safetensors --arch face

v2v models import latest_net_G0.pth -o street.safetensors --arch street --labels 8 --foreground 5,6
"""
EXPORT_EXAMPLES = """[bold]Example[/bold]

v2v models export street.safetensors -o checkpoints/street
"""


def import_model(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR_OR_PTH...",
            help="Folders with latest_net_G0.pth and the like, or such files.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="OUT", help="The .safetensors file.", show_default=False)
    ],
    arch: Annotated[
        str,
        typer.Option("--arch", metavar="street|face|pose", help="What it paints.", show_default=False),
    ],
    scales: Annotated[
        int | None,
        typer.Option("--scales", metavar="N", help="Take the N coarsest scales. Default: all that are there."),
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            "--labels",
            metavar="N|SCHEMA",
            help="Of a street: how many labels it was trained on, a schema's name or a schema.json.",
        ),
    ] = "cityscapes35",
    foreground: Annotated[
        str | None,
        typer.Option(
            "--foreground",
            metavar="IDS",
            help="Labels that its foreground branch paints: 5,6. Default: 26, cars, with Cityscapes' 35.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="WxH", help="The size to paint at. Default: as such models were published."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call the model. Default: as OUT.")] = None,
    overwrite: options.Yes = False,
    loglevel: options.LogLevel = "info",
) -> None:
    """Make a model of weights of the reference implementation: vid2vid's or pix2pixHD's .pth files.

    The networks are told from the shapes of the tensors, every one of which has to fit. Nothing in the files is run.
    Such weights stay under the licence they came with, which the model then says of itself.
    """
    from v2vcli.models.reference_request import ImportRequest
    from v2vcli.values import size as parsed

    request = ImportRequest(
        sources=tuple(sources),
        output=output,
        arch=arch,  # type: ignore[arg-type]  # checked there
        scales=scales,
        labels=labels,
        foreground=None if foreground is None else _ids(foreground),
        size=None if size is None else parsed(size, "--size"),
        name=name,
        overwrite=overwrite,
    )
    request.require_ready()
    from v2vcli.models.reference_import import import_model as run  # and with it torch

    _tell(request.output, run(request))


def export_model(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A path, a bundled name or a hub id.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The folder for the files.", show_default=False)
    ],
    overwrite: options.Yes = False,
    loglevel: options.LogLevel = "info",
) -> None:
    """Write a model as the reference implementation would: latest_net_G0.pth and so on.

    What was imported comes back as it was, every tensor to the byte.
    """
    from v2vcli.models.catalog import find_model

    path = find_model(model)
    from v2vcli.models.checkpoint import read_info  # and with it torch
    from v2vcli.models.reference_export import export_model as run

    for written in run(path, output, overwrite=overwrite):
        messages.info(f"{written}: written")
    messages.info(f"licence: {read_info(path).licence}")


def _ids(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise UsageError(f"--foreground {text}: give label ids with commas between them: 5,6") from None


def _tell(output: Path, done: Imported) -> None:
    """What came out of an import, line by line."""
    info, generator = done.info, done.info.parts.get("generator")
    scales = f"{generator['finer'] + 1} scale{'s' if generator['finer'] else ''}, " if generator else ""
    maps = f"{info.spec.kind}, {info.spec.channels} channels"
    if info.spec.schema is not None:
        maps = f"labels ({info.spec.schema.name}{' and instance edges' if info.spec.instance_edges else ''})"
    messages.info(
        f"{output}: {info.arch}, {scales}{done.parameters:,} parameters, from {', '.join(map(str, done.used))}"
    )
    messages.info(f"paints {maps} at {info.size[0]}x{info.size[1]}")
    if generator and generator["foreground"]:
        messages.info(f"its foreground: {', '.join(map(str, generator['foreground']))}")
    for path in done.unused:
        messages.info(f"{path}: not needed for {generator['finer'] + 1 if generator else 0} scales")
    image = info.parts.get("image_generator")
    if image is None:
        messages.warning("no image generator (latest_net_G.pth) was given: first frames are painted from an empty past")
    elif image["features"]:
        messages.warning("its image generator is shown features of a frame; painting has none, and takes them for zero")
    messages.info(f"licence: {info.licence}")
