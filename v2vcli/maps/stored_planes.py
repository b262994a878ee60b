"""How the array of a map becomes pictures that files hold, and back: the same for map files and for folders of PNGs.

What is peculiar: the first picture of every map is one to look at, in any player and any viewer. What has more planes
than such a picture keeps the others stacked from top to bottom in a second one, grey:

| kind | picture | stacked planes |
|---|---|---|
| labels, edges | the map, 8-bit grey | |
| rgb | the map, 8-bit RGB | |
| face | its edges, 8-bit grey | its 14 distances, if it has them |
| pose | the skeletons, 8-bit RGB | DensePose's u, v and part, if it has them |
| flow | the map, 16-bit RGB | |
| depth | the map, 16-bit grey | |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError, OutputError
from v2vcli.maps.spec import MapSpec

_RGB: Final = 3
_TIME: Final = re.compile(r"(-?\d{1,100})/([1-9]\d{0,99})")


@dataclass(frozen=True)
class StoredAs:
    """Who made stored maps, and what they are.

    Attributes:
        spec: What the maps are.
        source: Who made them, such as ``bundled:street-segmenter``; empty where nobody said.
        version: The version of v2v that wrote them; empty where another program did.
    """

    spec: MapSpec
    source: str = ""
    version: str = ""


def has_stacked_planes(spec: MapSpec) -> bool:
    """Whether maps of a spec need a second picture."""
    return (spec.kind == "face" and spec.channels > 1) or (spec.kind == "pose" and spec.channels > _RGB)


def taken_apart(spec: MapSpec, array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
    """The pictures of a map.

    Args:
        spec: What it is.
        array: As `MapFrame.array`.

    Returns:
        (H, W) or (H, W, 3), uint8 or uint16; and (planes * H, W) uint8, or None.
    """
    if spec.kind == "face":
        picture, rest = array[..., 0], array[..., 1:]
    elif spec.kind == "pose":
        picture, rest = array[..., -_RGB:], array[..., :-_RGB]
    else:
        return array, None
    if not rest.shape[2]:
        return picture, None
    return picture, np.moveaxis(rest, 2, 0).reshape(-1, array.shape[1])


def put_together(spec: MapSpec, picture: NDArray[Any], stacked: NDArray[Any] | None, where: str) -> NDArray[Any]:
    """The map that `taken_apart` divided.

    Labels and edges may come in RGB as well, from files that other programs wrote: they are left as they are.

    Raises:
        InputError: The pictures are not those of such maps; the message begins with `where`.
    """
    wide = spec.kind in ("flow", "depth")
    if spec.kind in ("labels", "edges"):
        if picture.dtype == np.uint16 and picture.max() > 255:
            raise InputError(f"{where} has the value {picture.max()}; the ids of a schema are 0..255: check its maker")
        return picture.astype(np.uint8, copy=False)
    dimensions = 2 if spec.kind in ("face", "depth") else 3
    if picture.dtype != (np.uint16 if wide else np.uint8) or picture.ndim != dimensions:
        raise InputError(f"{where} does not have the pixels of a '{spec.kind}' map; make the maps anew")
    if not has_stacked_planes(spec):
        return picture[..., None] if spec.kind == "face" else picture
    height, width = picture.shape[:2]
    planes = spec.channels - (1 if spec.kind == "face" else _RGB)
    if stacked is None or stacked.dtype != np.uint8 or stacked.shape != (planes * height, width):
        raise InputError(f"{where} lacks the {planes} stacked planes of its '{spec.kind}' map; make the maps anew")
    rest = np.moveaxis(stacked.reshape(planes, height, width), 0, 2)
    if spec.kind == "face":
        return np.concatenate((picture[..., None], rest), axis=2)
    return np.concatenate((rest, picture), axis=2)


def as_uint16(instances: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Narrow instance ids to what files hold.

    Raises:
        OutputError: An id lies outside 0..65535.
    """
    low, high = int(instances.min()), int(instances.max())
    if low < 0 or high > 65535:
        raise OutputError(f"instance ids {low}..{high} do not fit 16 bits; number them 0..65535")
    return instances.astype(np.uint16)


def time_text(pts: Fraction) -> str:
    """An exact time in seconds as files hold it: `numerator/denominator`."""
    return f"{pts.numerator}/{pts.denominator}"


def time_from(text: str) -> Fraction | None:
    """Inverse of `time_text`; None for anything else (`Fraction` alone would read 1e999999999, for hours)."""
    match = _TIME.fullmatch(text)
    return None if match is None else Fraction(int(match[1]), int(match[2]))
