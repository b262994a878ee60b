"""Keypoint tables: which landmarks make a curve, which joints a limb, and their colours. Data only, no drawing.

What is peculiar:

- Two orders are drawn: the 68 landmarks of a face (iBUG: 0-16 jaw, 17-26 brows, 27-35 nose, 36-47 eyes, 48-67 lips),
  and OpenPose's 137 points of a person: 25 of the body (BODY_25), 70 of the face (the 68 and two pupils), 21 of each
  hand.
  Other orders (COCO's 17, OpenPose's older 18) are brought to these: `from_coco17`, `from_body18`.
- An OpenPose point is x, y in pixels and a confidence in 0..1; a point that was not found is all zero, and x = 0 alone
  already means "not found".
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError, UsageError

Colour: TypeAlias = tuple[int, int, int]
Chain: TypeAlias = tuple[int, ...]
Points: TypeAlias = NDArray[np.float64]

FARTHEST: Final = 32_768.0
"""Largest coordinate, in pixels, that is taken for a point of a picture."""


class FacePart(NamedTuple):
    """A part of the face map: its curves, each of which has a distance channel, and its value in the part labels."""

    label: int
    curves: tuple[Chain, ...]


FOREHEAD: Final = range(68, 83)
"""Points that `face.with_forehead` adds: the jaw's 15..1, mirrored upwards."""

_OUTER_LIPS: Final = ((48, 49, 50, 51, 52, 53, 54), (54, 55, 56, 57, 58, 59, 48))
_INNER_LIPS: Final = ((60, 61, 62, 63, 64), (64, 65, 66, 67, 60))
_BROWS: Final = (((17, 18, 19, 20, 21),), ((22, 23, 24, 25, 26),))
_EYES: Final = (((36, 37, 38, 39), (39, 40, 41, 36)), ((42, 43, 44, 45), (45, 46, 47, 42)))

FACE_PARTS: Final = (
    FacePart(1, ((*range(17), *FOREHEAD, 0),)),
    FacePart(2, _BROWS[0]),
    FacePart(2, _BROWS[1]),
    FacePart(3, ((28, 31), (31, 32, 33, 34, 35), (35, 28))),
    FacePart(4, _EYES[0]),
    FacePart(4, _EYES[1]),
    FacePart(5, _OUTER_LIPS),
    FacePart(6, _INNER_LIPS),
)
"""Of the 83 points of a face map: outline, brows, nose, eyes, lips, what is between the lips."""

FACE_CURVES: Final = tuple(curve for part in FACE_PARTS for curve in part.curves)
"""The 14 curves, in the order of the distance channels."""

POSE_FACE_CHAINS: Final = (
    *_BROWS[0],
    *_BROWS[1],
    (27, 28, 29, 30),
    (31, 32, 33, 34, 35),
    *_EYES[0],
    *_EYES[1],
    *_OUTER_LIPS,
)
"""What of a face a pose map shows, white; of the 70 points of OpenPose's face."""
POSE_FACE_COLOUR: Final[Colour] = (255, 255, 255)


class Limb(NamedTuple):
    """A line between two of the 25 points of the body."""

    start: int
    end: int
    colour: Colour


HEAD_LIMBS: Final = (
    Limb(17, 15, (153, 0, 153)),
    Limb(15, 0, (153, 0, 102)),
    Limb(0, 16, (102, 0, 153)),
    Limb(16, 18, (51, 0, 153)),
)
"""From ear to eye to nose to eye to ear."""

TRUNK_LIMBS: Final = (
    Limb(0, 1, (153, 0, 51)),
    Limb(1, 8, (153, 0, 0)),
    Limb(1, 2, (153, 51, 0)),
    Limb(2, 3, (153, 102, 0)),
    Limb(3, 4, (153, 153, 0)),
    Limb(1, 5, (102, 153, 0)),
    Limb(5, 6, (51, 153, 0)),
    Limb(6, 7, (0, 153, 0)),
    Limb(8, 9, (0, 153, 51)),
    Limb(9, 10, (0, 153, 102)),
    Limb(10, 11, (0, 153, 153)),
    Limb(11, 24, (0, 153, 153)),
    Limb(11, 22, (0, 153, 153)),
    Limb(22, 23, (0, 153, 153)),
    Limb(8, 12, (0, 102, 153)),
    Limb(12, 13, (0, 51, 153)),
    Limb(13, 14, (0, 0, 153)),
    Limb(14, 21, (0, 0, 153)),
    Limb(14, 19, (0, 0, 153)),
    Limb(19, 20, (0, 0, 153)),
)
"""Neck, trunk, arms, legs and feet."""

FINGERS: Final[tuple[tuple[Chain, Colour], ...]] = (
    ((0, 1, 2, 3, 4), (204, 0, 0)),
    ((0, 5, 6, 7, 8), (163, 204, 0)),
    ((0, 9, 10, 11, 12), (0, 204, 82)),
    ((0, 13, 14, 15, 16), (0, 82, 204)),
    ((0, 17, 18, 19, 20), (163, 0, 204)),
)
"""Of the 21 points of a hand, thumb first."""

HEAD_POINTS: Final = (0, 15, 16, 17, 18)
"""Nose, eyes and ears among the 25 points of the body."""

PERSON_POINTS: Final = 137
BODY: Final = slice(0, 25)
FACE: Final = slice(25, 95)
LEFT_HAND: Final = slice(95, 116)
RIGHT_HAND: Final = slice(116, 137)

_FROM_COCO17: Final = {0: 0, 15: 2, 16: 1, 17: 4, 18: 3, 2: 6, 3: 8, 4: 10, 5: 5, 6: 7, 7: 9}
_FROM_COCO17_LEGS: Final = {9: 12, 10: 14, 11: 16, 12: 11, 13: 13, 14: 15}
_FROM_BODY18: Final = (
    {k: k for k in range(8)}
    | {9: 8, 10: 9, 11: 10, 12: 11, 13: 12, 14: 13}
    | dict(zip(range(15, 19), range(14, 18), strict=True))
)


@dataclass(frozen=True)
class FaceSettings:
    """How face maps are drawn (`v2vcli.maps.drawn.face`).

    Attributes:
        background: Canny edges of the photo outside the face, in the edge channel.
        distances: A channel for each curve with the distance from it, after the edge channel.
        reference_quirks: Draw exactly as the reference does, for models that were trained on its maps: an edge of the
            face on one of the background is 254, not 255; a piece of a curve that bends too sharply is left out, not
            drawn straight; what lies outside the picture is drawn on its border.

    Raises:
        UsageError: A value is neither true nor false.
    """

    background: bool = True
    distances: bool = True
    reference_quirks: bool = False

    def __post_init__(self) -> None:
        _require_switches(self)


@dataclass(frozen=True)
class PoseSettings:
    """How pose maps are drawn (`v2vcli.maps.drawn.pose`).

    Attributes:
        densepose: Three DensePose channels (u, v, part) before the three of the skeleton.
        body_only: Leave out head limbs, hands and face.
        reference_quirks: Draw exactly as the reference does, for models that were trained on its maps: lines are dark
            where their strokes overlap themselves, people are added with bytes that wrap around, and what lies outside
            the picture is drawn on its border.

    Raises:
        UsageError: A value is neither true nor false.
    """

    densepose: bool = False
    body_only: bool = False
    reference_quirks: bool = False

    def __post_init__(self) -> None:
        _require_switches(self)


def _require_switches(settings: FaceSettings | PoseSettings) -> None:
    for field in fields(settings):
        value = getattr(settings, field.name)
        if not isinstance(value, bool):
            raise UsageError(f"{type(settings).__name__} {field.name} is {value!r}; give true or false")


def from_coco17(keypoints: NDArray[Any]) -> Points:
    """People in COCO's order (nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left before right).

    Neck and middle of the hips are the means of the shoulders and hips, with the lesser confidence.

    Args:
        keypoints: (people, 17, 3) x, y, confidence.

    Returns:
        (people, 137, 3), without feet, hands and face.
    """
    coco = _checked(keypoints, 17)
    people = np.zeros((len(coco), PERSON_POINTS, 3))
    for target, source in (_FROM_COCO17 | _FROM_COCO17_LEGS).items():
        people[:, target] = coco[:, source]
    people[:, 1] = _between(coco[:, 5], coco[:, 6])
    people[:, 8] = _between(coco[:, 11], coco[:, 12])
    return people


def from_body18(keypoints: NDArray[Any]) -> Points:
    """People in the order of OpenPose's older COCO model; the middle of the hips is their mean.

    Args:
        keypoints: (people, 18, 3) x, y, confidence.

    Returns:
        (people, 137, 3), without feet, hands and face.
    """
    body = _checked(keypoints, 18)
    people = np.zeros((len(body), PERSON_POINTS, 3))
    for target, source in _FROM_BODY18.items():
        people[:, target] = body[:, source]
    people[:, 8] = _between(body[:, 8], body[:, 11])
    return people


def checked_people(people: NDArray[Any]) -> Points:
    """(people, 137, 3) float64.

    Raises:
        InputError: Another shape, or coordinates that no picture has.
    """
    return _checked(people, PERSON_POINTS)


def checked_landmarks(landmarks: NDArray[Any]) -> Points:
    """(68, 2) float64.

    Raises:
        InputError: Another shape, or coordinates that no picture has.
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape != (68, 2):
        raise InputError(f"a face has (68, 2) landmarks, not {points.shape}; give x and y of the iBUG 68")
    _require_near(points, "a landmark")
    return points


def _between(left: Points, right: Points) -> Points:
    """(people, 3): the middle of two points of each person, with the lesser confidence; zero where one is missing."""
    middle = (left + right) / 2
    middle[:, 2] = np.minimum(left[:, 2], right[:, 2])
    return np.asarray(np.where(middle[:, 2:] > 0, middle, 0))


def _checked(keypoints: NDArray[Any], count: int) -> Points:
    points = np.asarray(keypoints, np.float64)
    if points.ndim != 3 or points.shape[1:] != (count, 3):
        raise InputError(f"keypoints are (people, {count}, 3), x, y and confidence, not {points.shape}")
    _require_near(points, "a keypoint")
    return points


def _require_near(points: Points, what: str) -> None:
    if not bool((np.abs(points) <= FARTHEST).all()):  # not finite is not near either
        raise InputError(f"{what} lies at {np.abs(points).max():.3g}: no coordinate of a picture; check its maker")
