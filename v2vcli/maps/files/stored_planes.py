"""How the array of a map becomes pictures that files hold, and back: the same for map files and for folders of PNGs.

What is peculiar: the first picture of every map is one to look at, in any player and any viewer. What has more planes
than such a picture keeps the others in further ones of the same size, three to a picture, 0 where the last has less:

| kind | first picture | further pictures |
|---|---|---|
| labels, edges | the map, 8-bit grey | |
| rgb | the map, 8-bit RGB | |
| face | its edges, 8-bit grey | its 14 distances, if it has them, in five of 8-bit RGB |
| pose | the skeletons, 8-bit RGB | DensePose's u, v and part, if it has them, in one of 8-bit RGB |
| flow | the map, 16-bit RGB | |
| depth | the map, 16-bit grey | |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError, OutputError
from v2vcli.maps.spec import DRAWN_KINDS, MapSpec

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


def _shown(spec: MapSpec) -> int:
    """How many planes the first picture shows."""
    return 1 if spec.kind == "face" else _RGB


def further_pictures(spec: MapSpec) -> int:
    """How many pictures each map has after the first."""
    if spec.kind not in DRAWN_KINDS:
        return 0
    return -(-(spec.channels - _shown(spec)) // _RGB)


def taken_apart(spec: MapSpec, array: NDArray[Any]) -> list[NDArray[Any]]:
    """The pictures of a map.

    Args:
        spec: What it is.
        array: As `MapFrame.array`.

    Returns:
        (H, W) or (H, W, 3) each, uint8 or uint16; 1 + `further_pictures`.
    """
    if spec.kind not in DRAWN_KINDS:
        return [array]
    if spec.kind == "face":
        first, rest = array[..., 0], array[..., 1:]
    else:
        first, rest = array[..., -_RGB:], array[..., :-_RGB]
    padded = np.pad(rest, ((0, 0), (0, 0), (0, -rest.shape[2] % _RGB)))
    return [first, *(padded[..., begin : begin + _RGB] for begin in range(0, rest.shape[2], _RGB))]


def put_together(spec: MapSpec, pictures: Sequence[NDArray[Any]], where: str) -> NDArray[Any]:
    """The map that `taken_apart` divided.

    Labels and edges may come in RGB as well, from files that other programs wrote: they are left as they are.

    Raises:
        InputError: The pictures are not those of such a map; the message begins with `where`.
    """
    first, *further = pictures
    if spec.kind in ("labels", "edges"):
        if first.dtype == np.uint16 and first.max() > 255:
            raise InputError(f"{where} has the value {first.max()}; the ids of a schema are 0..255: check its maker")
        return first.astype(np.uint8, copy=False)
    dtype = np.uint16 if spec.kind in ("flow", "depth") else np.uint8
    if first.dtype != dtype or first.ndim != (2 if spec.kind in ("face", "depth") else 3):
        raise InputError(f"{where} does not have the pixels of a '{spec.kind}' map; make the maps anew")
    if spec.kind not in DRAWN_KINDS:
        return first
    shape = (*first.shape[:2], _RGB)
    if len(further) != further_pictures(spec) or any(each.dtype != dtype or each.shape != shape for each in further):
        raise InputError(f"{where} lacks planes of its '{spec.kind}' map; make the maps anew")
    planes = [each[..., plane, None] for each in further for plane in range(_RGB)][: spec.channels - _shown(spec)]
    return np.concatenate((first[..., None], *planes) if spec.kind == "face" else (*planes, first), axis=2)


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
