"""Pose maps: the points of people become a picture of coloured limbs, hands and faces; DensePose may join it.

What is peculiar:

- A person is 137 points (`maps.drawn.keypoints`); parts that were not found are not drawn, so a body alone will do. A
  finger, or a line of the face, is drawn only if all of its points were found.
- Widths are in pixels of the picture in which the points were found: 6 for limbs, 2 for fingers and faces, whatever its
  size. A map is drawn there and scaled afterwards (nearest pixel, to keep colours).
- For training, parts may be left out at random (`PoseDropout`): detectors miss some, and a model must stand that.
- 3 channels, in [-1, 1] for the networks; or 6, after DensePose's two surface coordinates and part number (0..24).

Source: the vid2vid paper, section 4 (dancing); sizes, colours and rules are those of its published models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError, UsageError
from v2vcli.maps.drawn.curves import curve, draw_coloured
from v2vcli.maps.drawn.keypoints import (
    BODY,
    FACE,
    FINGERS,
    HEAD_LIMBS,
    HEAD_POINTS,
    LEFT_HAND,
    POSE_FACE_CHAINS,
    POSE_FACE_COLOUR,
    RIGHT_HAND,
    TRUNK_LIMBS,
    Colour,
    Points,
    PoseSettings,
    checked_people,
)
from v2vcli.maps.spec import MapFrame, MapSpec

DENSEPOSE_PARTS: Final = 24

_LIMB_HALF_WIDTH: Final = 3
_FINE_HALF_WIDTH: Final = 1
_FOUND: Final = 0.01  # least confidence of a point of body and hands
_FOUND_IN_FACE: Final = 0.1
_DENSEPOSE_HEAD: Final = (23, 24)
_HEAD_NOISE: Final = 5.0  # pixels, standard deviation of each point of a hidden head
_FACE_SHIFT: Final = 2.0  # pixels, standard deviation of a hidden face's shift


@dataclass(frozen=True)
class PoseDropout:
    """What is left out of the pose maps a model is trained on.

    Attributes:
        probability: That a limb, a hand, a face, or a part of DensePose is missing; each on its own.
        hide_faces: Blur where faces are, so that a model does not learn to tell people by them: points of the head move
            by 5 pixels or so, faces by 2, and DensePose's two parts of the head are left out.

    Raises:
        UsageError: The probability is none.
    """

    probability: float = 0.05
    hide_faces: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise UsageError(f"a pose dropout of {self.probability} is no probability; give 0 to 1")


@dataclass(frozen=True)
class _Segment:
    """One straight line to be drawn."""

    ends: Points
    colour: Colour
    half_width: int


def draw_people(
    people: NDArray[Any],
    width: int,
    height: int,
    settings: PoseSettings = PoseSettings(),  # noqa: B008 - frozen
    dropout: PoseDropout | None = None,
    generator: np.random.Generator | None = None,
) -> NDArray[np.uint8]:
    """Draw skeletons.

    Args:
        people: (people, 137, 3) x, y in pixels, and confidence 0..1; all zero where not found. A later person is drawn
            over an earlier one.
        width: of the picture.
        height: of the picture.
        settings: What is drawn, and how.
        dropout: What to leave out at random; None draws everything.
        generator: The source of `dropout`'s randomness; required with it.

    Returns:
        (H, W, 3) uint8 RGB, black where nobody is.

    Raises:
        InputError: The points have another shape, or coordinates that no picture has.
        UsageError: `dropout` without `generator`.
    """
    picture = np.zeros((height, width, 3), np.uint8)
    for person in checked_people(people):
        canvas = np.zeros_like(picture)
        for segment in _segments(person, settings.body_only, _Chance(dropout, generator)):
            pixels = curve(segment.ends)
            draw_coloured(canvas, pixels, segment.colour, segment.half_width, quirks=settings.reference_quirks)
        if settings.reference_quirks:
            picture += canvas  # bytes that wrap around
        else:
            picture = np.where(canvas.any(axis=2, keepdims=True), canvas, picture)
    return picture


def pose_map(
    people: NDArray[Any],
    width: int,
    height: int,
    settings: PoseSettings = PoseSettings(),  # noqa: B008 - frozen
    densepose: NDArray[np.uint8] | None = None,
    dropout: PoseDropout | None = None,
    generator: np.random.Generator | None = None,
) -> MapFrame:
    """The map of a picture's people, and their points as they were given (`dropout` is in the drawing alone).

    Args:
        people: As `draw_people`.
        width: of the picture.
        height: of the picture.
        settings: What is drawn, and how.
        densepose: (H, W, 3) uint8, u and v in 0..255 and the part number 0..24; required where the settings say so.
        dropout: As `draw_people`.
        generator: As `draw_people`.

    Raises:
        InputError: Points or DensePose do not fit.
        UsageError: DensePose is missing, or not wanted; or `dropout` without `generator`.
    """
    people = checked_people(people)
    skeletons = draw_people(people, width, height, settings, dropout, generator)
    spec = MapSpec("pose", pose=settings)
    if settings.densepose != (densepose is not None):
        raise UsageError(
            f"a pose map of {spec.channels} channels {'needs' if settings.densepose else 'has no'} DensePose"
        )
    if densepose is None:
        return MapFrame(spec, skeletons, keypoints=people)
    if densepose.shape != skeletons.shape or densepose.dtype != np.uint8 or densepose[..., 2].max() > DENSEPOSE_PARTS:
        raise InputError(
            f"a DensePose picture here is {skeletons.shape} uint8 with part numbers 0..{DENSEPOSE_PARTS} in its third "
            f"channel, not {densepose.shape} {densepose.dtype}; check its maker and the order of its channels"
        )
    if dropout is not None:
        densepose = drop_densepose(densepose, dropout, _required(generator))
    return MapFrame(spec, np.concatenate((densepose, skeletons), axis=2), keypoints=people)


def drop_densepose(
    densepose: NDArray[np.uint8], dropout: PoseDropout, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """A DensePose picture (H, W, 3) without the parts that are left out: black there."""
    gone = generator.random(DENSEPOSE_PARTS + 1) < dropout.probability
    gone[0] = False  # the background
    if dropout.hide_faces:
        gone[list(_DENSEPOSE_HEAD)] = True
    return np.where(gone[densepose[..., 2:]], np.uint8(0), densepose)


def middle_columns(width: int) -> slice:
    """The columns of a picture that pose models are trained on: the middle half or so, in whole multiples of 64.

    All columns where the picture is narrower than 128.
    """
    half = width // 4 // 32 * 32
    return slice(width // 2 - half, width // 2 + half) if half else slice(0, width)


class _Chance:
    """What is left out of one person."""

    def __init__(self, dropout: PoseDropout | None, generator: np.random.Generator | None) -> None:
        self._dropout = dropout
        self._generator = None if dropout is None else _required(generator)

    def keeps(self) -> bool:
        """Whether the next part is drawn."""
        if self._dropout is None or self._generator is None:
            return True
        return bool(self._generator.random() >= self._dropout.probability)

    def hidden(self, person: Points) -> Points:
        """The person with head and face moved, where faces are hidden."""
        if self._dropout is None or self._generator is None or not self._dropout.hide_faces:
            return person
        moved = person.copy()
        head, face = list(HEAD_POINTS), np.arange(FACE.start, FACE.stop)
        for points, noise in (
            (head, self._generator.normal(0, _HEAD_NOISE, (len(head), 2))),
            (face, self._generator.normal(0, _FACE_SHIFT, (1, 2))),
        ):
            moved[points, :2] += np.where(person[points, :1] != 0, noise, 0)  # what was not found stays so
        return moved


def _segments(person: Points, body_only: bool, chance: _Chance) -> Iterator[_Segment]:
    """The lines of one person, in the order in which they are drawn."""
    person = chance.hidden(person)
    body = np.where(person[BODY, 2:] > _FOUND, person[BODY, :2], 0)
    for limb in TRUNK_LIMBS if body_only else (*HEAD_LIMBS, *TRUNK_LIMBS):
        if chance.keeps():
            yield from _lines(body[[limb.start, limb.end]], limb.colour, _LIMB_HALF_WIDTH)
    if body_only:
        return
    for hand in (person[LEFT_HAND], person[RIGHT_HAND]):
        if chance.keeps():
            for finger, colour in FINGERS:
                if (hand[list(finger), 2] > _FOUND).all():
                    yield from _lines(hand[list(finger), :2], colour, _FINE_HALF_WIDTH)
    if chance.keeps():
        face = person[FACE]
        for line in POSE_FACE_CHAINS:
            if (face[list(line), 2] > _FOUND_IN_FACE).all():
                yield from _lines(face[list(line), :2], POSE_FACE_COLOUR, _FINE_HALF_WIDTH)


def _lines(points: Points, colour: Colour, half_width: int) -> Iterator[_Segment]:
    """Segments between neighbours, both of which were found."""
    for start in range(len(points) - 1):
        ends = points[start : start + 2]
        if (ends[:, 0] != 0).all():
            yield _Segment(ends, colour, half_width)


def _required(generator: np.random.Generator | None) -> np.random.Generator:
    if generator is None:
        raise UsageError("a pose dropout needs a random generator; give numpy.random.default_rng(seed)")
    return generator
