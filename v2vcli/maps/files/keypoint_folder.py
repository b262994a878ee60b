"""Folders of keypoints as maps: OpenPose's JSON for poses, files of 68 landmarks for faces; each is drawn when read.

What is peculiar:

- A folder of keypoints does not say how large the picture was in which they were found: the video says it.
- Face maps may show the edges of the photo's background (`FaceSettings.background`), and a file of landmarks has no
  photo. They are drawn without, and `drawn_on` draws them again where the frame is at hand.

| kind | files | what is in them |
|---|---|---|
| pose | `*.json` | OpenPose's (`--write_json`), of BODY_25 or the older 18 points |
| face | `*.txt` | 68 lines of `x,y` or `x y` |
| face | `*.pts` | iBUG's: a header, then 68 lines of `x y` in braces; counted from 1, as iBUG does |
| face | `*.json` | an object with `landmarks`, 68 pairs (`keypoint_json`) |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError, UsageError
from v2vcli.maps.drawn.keypoints import Points, checked_landmarks
from v2vcli.maps.files.keypoint_json import keypoints_from_json
from v2vcli.maps.files.map_folder import MAPS_FILE
from v2vcli.maps.files.picture_folder import natural
from v2vcli.maps.files.raw_map import RawMap
from v2vcli.maps.spec import MapFrame, MapKind, MapSpec, resize_image

_SUFFIXES: Final[Mapping[MapKind, tuple[str, ...]]] = MappingProxyType(
    {"pose": (".json",), "face": (".txt", ".pts", ".json")}
)
_PTS_POINTS: Final = re.compile(r"\{([^}]*)\}")
_LANDMARKS: Final = 68
_NUMBER: Final = r"[-+]?(?:\d{1,40}\.?\d{0,40}|\.\d{1,40})(?:[eE][-+]?\d{1,3})?"
_PAIR: Final = re.compile(rf"{_NUMBER}(?:\s*[,;]\s*|\s+){_NUMBER}", re.ASCII)
_MOST_BYTES: Final = 1 << 26
"""Larger files are no keypoints of one picture."""


@dataclass(frozen=True)
class KeypointFolder:
    """A folder with the keypoints of each picture of a clip.

    Attributes:
        path: The folder.
        spec: What is drawn, face or pose.
        size: (width, height) of the pictures in which the points were found.
        files: In natural order.
    """

    path: Path
    spec: MapSpec
    size: tuple[int, int]
    files: tuple[Path, ...]

    @classmethod
    def open(cls, path: Path, spec: MapSpec, size: tuple[int, int] | None) -> KeypointFolder | None:
        """Look through a folder; None if it holds no files of keypoints.

        Raises:
            UsageError: It does, but nobody said the size of the pictures; or they are no whole map of this spec.
        """
        if (path / MAPS_FILE).is_file():  # whole maps, which v2v stored
            return None
        files = [each for each in path.iterdir() if each.is_file()]
        for suffix in _SUFFIXES.get(spec.kind, ()):
            if found := sorted((each for each in files if each.suffix.lower() == suffix), key=natural):
                break
        else:
            return None
        if spec.pose is not None and spec.pose.densepose:
            raise UsageError(f"the model paints from DensePose too, which {path} lacks; give whole maps with --maps")
        if size is None or min(size) < 1:
            raise UsageError(f"{path} holds keypoints without the size of their pictures; give it the video's (size=)")
        return cls(path, spec, size, tuple(found))

    def maps(self) -> Iterator[RawMap]:
        """The maps, drawn one at a time.

        Raises:
            InputError: A file cannot be read, or holds something else; the message names it.
        """
        for index, file in enumerate(self.files):
            drawn = draw(self.spec, read_keypoints(self.spec.kind, file), self.size)
            yield RawMap(drawn.array, f"{file} (map {index})", None, drawn.instances, drawn.keypoints)


def read_keypoints(kind: MapKind, file: Path) -> Points:
    """The keypoints of one file.

    Args:
        kind: ``face`` or ``pose``.
        file: One of the formats in the table above, by its suffix.

    Returns:
        As `MapFrame.keypoints`.

    Raises:
        InputError: It cannot be read, or holds something else.
    """
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise InputError(f"{file} is too large for the keypoints of one picture; check the folder")
        data = file.read_bytes()
    except OSError as e:
        raise InputError(f"{file} cannot be read: {e.strerror}; check it") from e
    if file.suffix.lower() == ".json":
        return keypoints_from_json(kind, data, str(file))
    text, first = data.decode("utf-8", "replace"), 0.0
    if file.suffix.lower() == ".pts":
        braces = _PTS_POINTS.search(text)
        text, first = "" if braces is None else braces[1], 1.0
    rows = [line.strip() for line in text.splitlines() if line.strip()]
    if len(rows) != _LANDMARKS or not all(_PAIR.fullmatch(row) for row in rows):
        odd = next((row for row in rows if not _PAIR.fullmatch(row)), None)
        how = f"{len(rows)} lines" if odd is None else f"{odd[:40]!r}"
        raise InputError(f"{file} holds no landmarks ({how}); {_LANDMARKS} lines of x and y are wanted")
    try:
        return checked_landmarks(np.array([re.split(r"[\s,;]+", row) for row in rows], np.float64) - first)
    except InputError as e:
        raise InputError(f"{file}: {e}") from e


def draw(spec: MapSpec, keypoints: Points, size: tuple[int, int], photo: NDArray[np.uint8] | None = None) -> MapFrame:
    """Draw a face or pose map.

    Args:
        spec: Which, and how.
        keypoints: As `MapFrame.keypoints`.
        size: (width, height) of the map.
        photo: (H, W, 3) uint8 of that size, for the edges of a face's background; None leaves them out.

    Raises:
        UsageError: The spec wants DensePose, which keypoints do not give, or is of another kind.
    """
    if spec.face is not None:
        from v2vcli.maps.drawn.face import face_map

        settings = spec.face if photo is not None else replace(spec.face, background=False)
        blank = np.zeros((size[1], size[0], 3), np.uint8)
        drawn = face_map(keypoints, blank if photo is None else photo, settings)
        return MapFrame(spec, drawn.array, drawn.instances, drawn.keypoints)
    if spec.pose is not None:
        from v2vcli.maps.drawn.pose import pose_map

        return pose_map(keypoints, *size, spec.pose)
    raise UsageError(f"'{spec.kind}' maps are not drawn from keypoints; give the maps themselves")


def drawn_on(frame: MapFrame, photo: NDArray[Any]) -> MapFrame:
    """A face map with the edges of its photo's background, which a file of landmarks could not give.

    Args:
        frame: A map as a source gave it.
        photo: (H, W, 3) uint8, the frame it belongs to; of any size.

    Returns:
        The map drawn again, or `frame` itself where nothing is lacking: no face, no background wanted, no keypoints.
    """
    if frame.spec.face is None or not frame.spec.face.background or frame.keypoints is None:
        return frame
    return draw(frame.spec, frame.keypoints, frame.size, resize_image(photo, *frame.size))
