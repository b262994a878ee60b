"""Label schemas: those that come with v2v, and where others are found. `LabelSchema` itself is in `maps.label_schema`.

Built in: Cityscapes (19 train ids, and all 35 ids), CamVid-11, Pascal VOC-21.

Names, ids and colours are public facts of the data sets. Choices made here:

- *Foreground* is what moves on its own: in street schemas people and vehicles (Cityscapes' classes with instances), in
  VOC everything but the background. The paper speaks of such classes; the authors' released default was cars only.
- *Void* in Cityscapes-35 is what the benchmark ignores, so 35 -> 19 is exactly its train-id table.
- Cityscapes numbers *license plate* -1, which no byte holds; here it is 34, the plane that 35-class networks give it.
- Cityscapes-35 has 35 planes, void classes included, since the networks trained on it see those.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from v2vcli.errors import InputError, UsageError
from v2vcli.maps.label_schema import VOID, Colour, LabelClass, LabelSchema

__all__ = [
    "CAMVID11",
    "CITYSCAPES19",
    "CITYSCAPES35",
    "SCHEMAS",
    "VOC21",
    "VOID",
    "Colour",
    "LabelClass",
    "LabelSchema",
    "find_schema",
    "load_schema",
    "numbered_schema",
]

# id, train id (None: void), name, colour
_CITYSCAPES: Final[tuple[tuple[int, int | None, str, Colour], ...]] = (
    (0, None, "unlabeled", (0, 0, 0)),
    (1, None, "ego vehicle", (0, 0, 0)),
    (2, None, "rectification border", (0, 0, 0)),
    (3, None, "out of roi", (0, 0, 0)),
    (4, None, "static", (0, 0, 0)),
    (5, None, "dynamic", (111, 74, 0)),
    (6, None, "ground", (81, 0, 81)),
    (7, 0, "road", (128, 64, 128)),
    (8, 1, "sidewalk", (244, 35, 232)),
    (9, None, "parking", (250, 170, 160)),
    (10, None, "rail track", (230, 150, 140)),
    (11, 2, "building", (70, 70, 70)),
    (12, 3, "wall", (102, 102, 156)),
    (13, 4, "fence", (190, 153, 153)),
    (14, None, "guard rail", (180, 165, 180)),
    (15, None, "bridge", (150, 100, 100)),
    (16, None, "tunnel", (150, 120, 90)),
    (17, 5, "pole", (153, 153, 153)),
    (18, None, "polegroup", (153, 153, 153)),
    (19, 6, "traffic light", (250, 170, 30)),
    (20, 7, "traffic sign", (220, 220, 0)),
    (21, 8, "vegetation", (107, 142, 35)),
    (22, 9, "terrain", (152, 251, 152)),
    (23, 10, "sky", (70, 130, 180)),
    (24, 11, "person", (220, 20, 60)),
    (25, 12, "rider", (255, 0, 0)),
    (26, 13, "car", (0, 0, 142)),
    (27, 14, "truck", (0, 0, 70)),
    (28, 15, "bus", (0, 60, 100)),
    (29, None, "caravan", (0, 0, 90)),
    (30, None, "trailer", (0, 0, 110)),
    (31, 16, "train", (0, 80, 100)),
    (32, 17, "motorcycle", (0, 0, 230)),
    (33, 18, "bicycle", (119, 11, 32)),
    (34, None, "license plate", (0, 0, 142)),
)
_CITYSCAPES_FOREGROUND: Final = frozenset(range(11, 19))  # train ids: person, rider, and all vehicles

CITYSCAPES19: Final = LabelSchema(
    "cityscapes19",
    tuple(
        LabelClass(name, train_id, colour, foreground=train_id in _CITYSCAPES_FOREGROUND)
        for _, train_id, name, colour in _CITYSCAPES
        if train_id is not None
    ),
)
CITYSCAPES35: Final = LabelSchema(
    "cityscapes35",
    tuple(
        LabelClass(name, id_, colour, foreground=train_id in _CITYSCAPES_FOREGROUND, void=train_id is None)
        for id_, train_id, name, colour in _CITYSCAPES
    ),
    planes=35,
)
CAMVID11: Final = LabelSchema(
    "camvid11",
    (
        LabelClass("sky", 0, (128, 128, 128)),
        LabelClass("building", 1, (128, 0, 0)),
        LabelClass("pole", 2, (192, 192, 128)),
        LabelClass("road", 3, (128, 64, 128)),
        LabelClass("pavement", 4, (60, 40, 222)),
        LabelClass("tree", 5, (128, 128, 0)),
        LabelClass("sign", 6, (192, 128, 128)),
        LabelClass("fence", 7, (64, 64, 128)),
        LabelClass("car", 8, (64, 0, 128), foreground=True),
        LabelClass("pedestrian", 9, (64, 64, 0), foreground=True),
        LabelClass("bicyclist", 10, (0, 128, 192), foreground=True),
        LabelClass("unlabelled", 11, (0, 0, 0), void=True),
    ),
)
VOC21: Final = LabelSchema(
    "voc21",
    (
        LabelClass("background", 0, (0, 0, 0)),
        LabelClass("aeroplane", 1, (128, 0, 0), foreground=True),
        LabelClass("bicycle", 2, (0, 128, 0), foreground=True),
        LabelClass("bird", 3, (128, 128, 0), foreground=True),
        LabelClass("boat", 4, (0, 0, 128), foreground=True),
        LabelClass("bottle", 5, (128, 0, 128), foreground=True),
        LabelClass("bus", 6, (0, 128, 128), foreground=True),
        LabelClass("car", 7, (128, 128, 128), foreground=True),
        LabelClass("cat", 8, (64, 0, 0), foreground=True),
        LabelClass("chair", 9, (192, 0, 0), foreground=True),
        LabelClass("cow", 10, (64, 128, 0), foreground=True),
        LabelClass("dining table", 11, (192, 128, 0), foreground=True),
        LabelClass("dog", 12, (64, 0, 128), foreground=True),
        LabelClass("horse", 13, (192, 0, 128), foreground=True),
        LabelClass("motorbike", 14, (64, 128, 128), foreground=True),
        LabelClass("person", 15, (192, 128, 128), foreground=True),
        LabelClass("potted plant", 16, (0, 64, 0), foreground=True),
        LabelClass("sheep", 17, (128, 64, 0), foreground=True),
        LabelClass("sofa", 18, (0, 192, 0), foreground=True),
        LabelClass("train", 19, (128, 192, 0), foreground=True),
        LabelClass("tv monitor", 20, (0, 64, 128), foreground=True),
    ),
    void_colour=(224, 224, 192),  # the border that VOC draws round objects, id 255
)

SCHEMAS: Final[Mapping[str, LabelSchema]] = MappingProxyType(
    {schema.name: schema for schema in (CITYSCAPES19, CITYSCAPES35, CAMVID11, VOC21)}
)


def find_schema(name: str) -> LabelSchema:
    """Return the schema that `--maps-schema` asks for: a built-in name, or the path of a `schema.json`.

    Raises:
        UsageError: No schema of that name; the message lists them.
        InputError: The file is there but is not a schema.
    """
    if (schema := SCHEMAS.get(name.lower())) is not None:
        return schema
    path = Path(name)
    if path.suffix == ".json":
        return load_schema(path)
    raise UsageError(f"no label schema is called '{name}'; there are {', '.join(SCHEMAS)}, or give a schema.json file")


def numbered_schema(planes: int) -> LabelSchema:
    """A schema for labels of which nothing is known but their number: ``label 0``, ``label 1``, ...

    Each has a colour of its own, made as Pascal VOC makes them, from the bits of the number.
    """

    def channel(number: int, first: int) -> int:
        return sum((number >> (3 * bit + first) & 1) << (7 - bit) for bit in range(8))

    classes = (
        LabelClass(f"label {n}", n, (channel(n + 1, 0), channel(n + 1, 1), channel(n + 1, 2))) for n in range(planes)
    )
    return LabelSchema(f"labels{planes}", tuple(classes))


def load_schema(path: Path) -> LabelSchema:
    """Read a `schema.json`.

    Raises:
        InputError: The file cannot be read or is not a schema.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"cannot read the label schema {path}: {e}; check the path") from e
    return LabelSchema.from_json(text, str(path))
