"""What maps are that somebody already made, where no model says what they should be.

A model that paints says what its maps mean, and `maps.files.sources.open_maps` brings given ones to that. `v2v segment`
has no such model: it keeps them as what they say that they are, or as what ``--maps-schema`` says.
"""

from __future__ import annotations

from pathlib import Path

from v2vcli.errors import InputError
from v2vcli.maps.files.map_file import stored_as
from v2vcli.maps.files.map_folder import folder_stored_as
from v2vcli.maps.files.panoptic import PanopticFolder
from v2vcli.maps.files.picture_folder import MapFolder
from v2vcli.maps.schema import CITYSCAPES19, SCHEMAS, LabelSchema
from v2vcli.maps.spec import MapKind, MapSpec


def given_spec(path: Path, kind: MapKind, schema: LabelSchema | None) -> MapSpec:
    """What the maps under a path are.

    Args:
        path: as ``--maps`` takes it.
        kind: what they are taken for, unless v2v wrote them: then they say it.
        schema: what ``--maps-schema`` says, or None.

    Raises:
        InputError: nothing there can be read as maps, or nothing says what their ids mean.
    """
    if not path.exists():
        raise InputError(f"there are no maps at {path}; check the path")
    if path.suffix.lower() != ".json":  # such as COCO's
        stored = folder_stored_as(path) if path.is_dir() else stored_as(path)
        if stored is not None:
            return stored.spec
    if kind != "labels":
        return MapSpec(kind)
    found = schema or _declared(path)
    if found is None:
        raise InputError(
            f"nothing in {path} says what its labels mean; give --maps-schema ({', '.join(SCHEMAS)}, or a schema.json)"
        )
    return MapSpec("labels", schema=found)


def _declared(path: Path) -> LabelSchema | None:
    """The schema that label maps of other programs declare by names, palettes or JSON."""
    panoptic = PanopticFolder.open(path)
    if panoptic is not None:
        return panoptic.schema
    if not path.is_dir():
        return None
    folder = MapFolder.open(path, "labels")
    return folder.schema or folder.schema_of_palette(CITYSCAPES19)
