"""The classes of a clip's label maps as a table on the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from v2vcli.maps.histogram import ClassHistogram


def class_table(histogram: ClassHistogram, title: str) -> Table:
    """One row for each class that occurs, the largest first.

    Args:
        histogram: of one clip.
        title: what the clip is called.
    """
    counts = histogram.counts()
    table = Table(title=f"{title}: {histogram.maps} maps, {histogram.schema.name}", title_justify="left")
    table.add_column("", width=2)
    table.add_column("class")
    for heading in ("share", "pixels", "maps"):
        table.add_column(heading, justify="right")
    has_instances = any(each.instances is not None for each in counts)
    if has_instances:
        table.add_column("instances", justify="right")
    for each in counts:
        swatch = Text("  ", style=f"on rgb({','.join(map(str, each.colour))})")
        cells: list[Text | str] = [swatch, each.name, f"{each.share:.2%}", f"{each.pixels}", f"{each.maps}"]
        if has_instances:
            cells.append("" if each.instances is None else f"{each.instances}")
        table.add_row(*cells)
    return table
