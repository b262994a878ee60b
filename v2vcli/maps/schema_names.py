"""Which class names mean the same, and which class may stand in for a finer one: two tables, nothing hidden.

Sources: the class definitions that Cityscapes and Pascal VOC publish, and the usual grouping of CamVid's 32 classes
into 11 (wall, bridge and tunnel count as building; traffic light as sign; truck, bus and train as car; motorcycle as
bicyclist; low vegetation as tree). `background` is nobody's home: a model that never saw a road cannot paint one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# name -> the name that it is a synonym of (Cityscapes spelling where Cityscapes has the class)
SYNONYMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pavement": "sidewalk",
        "footpath": "sidewalk",
        "tree": "vegetation",
        "trees": "vegetation",
        "sign": "traffic sign",
        "sign symbol": "traffic sign",
        "traffic signs": "traffic sign",
        "traffic lights": "traffic light",
        "pedestrian": "person",
        "pedestrians": "person",
        "people": "person",
        "bicyclist": "rider",
        "cyclist": "rider",
        "column pole": "pole",
        "pole group": "polegroup",
        "motorbike": "motorcycle",
        "bike": "bicycle",
        "licence plate": "license plate",
        "aeroplane": "airplane",
        "tvmonitor": "tv monitor",
        "pottedplant": "potted plant",
        "diningtable": "dining table",
        "unlabelled": "unlabeled",
        "unknown": "unlabeled",
        "void": "unlabeled",
    }
)

# name -> classes that may stand in where the target lacks it, the first one that the target has
COARSER: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "wall": ("building",),
        "guard rail": ("fence",),
        "bridge": ("building",),
        "tunnel": ("building",),
        "parking": ("sidewalk", "road"),
        "rail track": ("road",),
        "traffic light": ("traffic sign",),
        "terrain": ("vegetation",),
        "truck": ("car",),
        "bus": ("car",),
        "train": ("car",),
        "caravan": ("car",),
        "trailer": ("car",),
        "motorcycle": ("rider",),
        "bicycle": ("rider",),
        "polegroup": ("pole",),
    }
)


def plain_name(name: str) -> str:
    """Lower case, underscores and hyphens as spaces: `Traffic_Light` and `traffic light` are the same name."""
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def canonical_name(name: str) -> str:
    """The name that all synonyms of `name` share."""
    plain = plain_name(name)
    return SYNONYMS.get(plain, plain)


def coarser_names(name: str) -> tuple[str, ...]:
    """Classes that may stand in for `name`, best first; empty if none may."""
    return COARSER.get(canonical_name(name), ())
