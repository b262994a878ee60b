"""Face maps: 68 landmarks become the edges of a face and the distances from its curves.

What is peculiar:

- Landmarks end at the brows, so the jaw's points are mirrored upwards, at two thirds of their height, to close the
  outline: 83 points. The closed outline tells the face from its background, whose Canny edges join the edge channel.
- 15 channels: edges, then for each of 14 curves the distance from it, across plus down, in steps of 3 pixels up to 255
  (`FaceSettings.distances`; without it the edges alone).
- A map is drawn at the size of the picture and cropped afterwards (`face_box`): curves are two pixels wide there, and
  models know them as what is left of that after scaling.

Source: the vid2vid paper, section 4 (face swapping); sizes and rules are those of its published models.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError
from v2vcli.maps.drawn.background_edges import background_edges
from v2vcli.maps.drawn.curves import chain, draw
from v2vcli.maps.drawn.keypoints import FACE_CURVES, FACE_PARTS, FaceSettings, Points, checked_landmarks
from v2vcli.maps.spec import MapFrame, MapSpec

HALF_WIDTH: Final = 1
"""Of the strokes, in pixels: offsets -1 and 0."""

_NARROWED: Final = 0.9  # distance of the brows, and of the eyes, over what it was
_SCALES: Final = {  # of each part, by its label: across, down
    1: (0.9, 1.0),
    2: (1.0, 1.0),
    3: (0.9, 1.0),
    4: (1.0, 1.1),
    5: (0.9, 0.9),
    6: (0.9, 0.9),
}


class Box(NamedTuple):
    """A part of a picture, in pixels; right and bottom are not in it."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, image: NDArray[Any]) -> NDArray[Any]:
        """The part of a (H, W, ...) picture or map."""
        return image[self.top : self.bottom, self.left : self.right]


def with_forehead(landmarks: NDArray[Any]) -> Points:
    """The 83 points of a face map.

    Args:
        landmarks: (68, 2) x, y in pixels.

    Returns:
        (83, 2): the landmarks, those of the jaw truncated to whole pixels, and the jaw's points 15 to 1 mirrored about
        the height of its ends.

    Raises:
        InputError: Another shape, or coordinates that no picture has.
    """
    points = checked_landmarks(landmarks).copy()
    points[:17] = np.trunc(points[:17])
    level = points[[0, 16], 1].mean()
    forehead = points[15:0:-1].copy()
    forehead[:, 1] = np.trunc(level + np.floor((level - forehead[:, 1]) * 2 / 3))
    return np.concatenate((points, forehead))


def part_labels(points: Points, width: int, height: int) -> NDArray[np.uint8]:
    """What lies inside the curves: 1 skin, 2 brows, 3 nose, 4 eyes, 5 lips, 6 between the lips, 0 elsewhere.

    Args:
        points: (83, 2) from `with_forehead`.
        width: of the picture.
        height: of the picture.

    Returns:
        (H, W) uint8.
    """
    import cv2

    labels = np.zeros((height, width), np.uint8)
    for part in FACE_PARTS:
        outline = points[np.concatenate(part.curves)].astype(np.int32)
        cv2.fillPoly(labels, [outline], part.label)
    return labels


def scaled(points: Points) -> Points:
    """A narrower face: the reference's test-time change of proportions, for driving one face with another's motion.

    Brows, and eyes, come together by a tenth of their distance; then every part is scaled about its own middle.

    Args:
        points: (83, 2) from `with_forehead`.

    Returns:
        (83, 2), not whole pixels.
    """
    points = points.copy()
    for pair in (FACE_PARTS[1:3], FACE_PARTS[4:6]):
        curves = [curve for part in pair for curve in part.curves]
        middle = points[np.concatenate(curves), 0].mean()
        for curve in curves:  # the corners of an eye are in two curves, and move twice
            points[list(curve), 0] += (points[list(curve), 0].mean() - middle) * (_NARROWED - 1)
    for part in FACE_PARTS:
        indices = np.concatenate(part.curves)  # a point that closes a curve counts twice in the mean
        middle = points[indices].mean(axis=0)
        unique = np.unique(indices)
        points[unique] = (points[unique] - middle) * _SCALES[part.label] + middle
    return points


def face_box(landmarks: NDArray[Any], width: int, height: int) -> Box:
    """What to crop so that face and hair fill the picture: a square of 2.5 times the landmarks' width.

    Args:
        landmarks: (68, 2) x, y in pixels, without the forehead.
        width: of the picture.
        height: of the picture.

    Returns:
        A box inside the picture; smaller than that square, and not square, where the picture is too small for it.

    Raises:
        InputError: The landmarks have no width.
    """
    (low_x, low_y), (high_x, high_y) = landmarks.min(axis=0), landmarks.max(axis=0)
    side = 2.5 * (high_x - low_x)
    if side < 2:
        raise InputError("the landmarks of a face lie on a line; check their maker")
    half = side // 2
    sides = []
    for middle, length in (((low_x + high_x) // 2, width), ((3 * low_y + high_y) // 4, height)):
        middle = min(max(0, middle - half) + side, length) - half
        sides.append((max(0, int(middle - half)), min(length, int(middle + half))))
    (left, right), (top, bottom) = sides
    return Box(left, top, right, bottom)


def draw_face(
    points: Points, photo: NDArray[np.uint8], labels: NDArray[np.uint8], settings: FaceSettings
) -> NDArray[np.uint8]:
    """Draw a face map at the size of the photo.

    Args:
        points: (83, 2) from `with_forehead`, possibly `scaled`.
        photo: (H, W, 3) uint8 RGB, for the edges of the background.
        labels: (H, W) uint8 `part_labels`: where the face is.
        settings: Which channels, and how.

    Returns:
        (H, W, 15) uint8: edges 255 (or 254, a quirk of the reference), distances; or (H, W, 1), edges.
    """
    import cv2

    quirks = settings.reference_quirks
    edges = np.zeros(photo.shape[:2], np.uint8)
    distances = []
    for curve in FACE_CURVES:
        line = np.zeros_like(edges)
        draw(line, chain(points[list(curve)], quirks=quirks), HALF_WIDTH, quirks=quirks)
        edges |= line
        if settings.distances:
            distance = cv2.distanceTransform(~line, cv2.DIST_L1, 3)
            distances.append(np.minimum(distance / 3, 255).astype(np.uint8))
    if settings.background:
        background = np.where(background_edges(photo) & (labels == 0), np.uint8(255), np.uint8(0))
        edges = edges + background if quirks else edges | background
    return np.stack((edges, *distances), axis=2)


def face_map(
    landmarks: NDArray[Any],
    photo: NDArray[np.uint8],
    settings: FaceSettings = FaceSettings(),  # noqa: B008 - frozen
) -> MapFrame:
    """The map of a face, at the size of the photo, with its part labels as instances, and the landmarks.

    Args:
        landmarks: (68, 2) x, y in pixels of the photo.
        photo: (H, W, 3) uint8 RGB.
        settings: Which channels, and how.

    Raises:
        InputError: The landmarks have another shape, or coordinates that no picture has.
    """
    points = with_forehead(landmarks)
    labels = part_labels(points, photo.shape[1], photo.shape[0])
    drawn = draw_face(points, photo, labels, settings)
    return MapFrame(MapSpec("face", face=settings), drawn, labels.astype(np.int32), checked_landmarks(landmarks))
