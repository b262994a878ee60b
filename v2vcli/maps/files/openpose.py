"""OpenPose's JSON files: the people of one frame as arrays.

What is peculiar: a file may hold bodies alone, or bodies with face and hands; lists that are missing or empty mean "not
asked for". Bodies have 25 points (BODY_25) or, from older models, 18 (COCO), which are brought to the 25. Names without
``_2d`` are those of OpenPose before 1.3.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError
from v2vcli.maps.drawn.keypoints import (
    BODY,
    FACE,
    LEFT_HAND,
    PERSON_POINTS,
    RIGHT_HAND,
    Points,
    checked_people,
    from_body18,
)

PARTS: Final = (
    ("pose_keypoints", BODY),
    ("face_keypoints", FACE),
    ("hand_left_keypoints", LEFT_HAND),
    ("hand_right_keypoints", RIGHT_HAND),
)
"""Names of a person's lists, to which newer files add ``_2d``, and where their points stand among the 137."""
_OLDER_BODY: Final = 18


def read_openpose(path: str | Path) -> Points:
    """The people of one file.

    Args:
        path: A JSON file as OpenPose writes it (``--write_json``), coordinates in pixels.

    Returns:
        (people, 137, 3) x, y, confidence; zero where a part is not in the file. Nobody: (0, 137, 3).

    Raises:
        InputError: The file cannot be read, or is not OpenPose's; the message names it, the person and the part.
    """
    try:
        data = json.loads(Path(path).read_bytes())
    except OSError as e:
        raise InputError(f"{path} cannot be read: {e.strerror}; check the path") from e
    except (ValueError, RecursionError) as e:
        raise InputError(f"{path} is not JSON ({e}); make it anew") from e
    return parse_openpose(data, str(path))


def parse_openpose(data: object, where: str = "OpenPose data") -> Points:
    """What `read_openpose` does with the file's contents; `where` says in messages where they come from."""
    people = data.get("people") if isinstance(data, dict) else None
    if not isinstance(people, list):
        raise InputError(f"{where} has no list of 'people': not a file of OpenPose; give those of --write_json")
    found = np.zeros((len(people), PERSON_POINTS, 3))
    for index, person in enumerate(people):
        if not isinstance(person, dict):
            raise InputError(f"{where}: person {index} is no object; make the file anew")
        for name, part in PARTS:
            numbers = person.get(f"{name}_2d") or person.get(name) or []
            found[index, part] = _points(numbers, part.stop - part.start, f"{where}: person {index}: {name}")
    try:
        return checked_people(found)
    except InputError as e:
        raise InputError(f"{where}: {e}") from e


def _points(numbers: Any, count: int, where: str) -> NDArray[np.float64]:
    """(count, 3) from a flat list; zeros from an empty one."""
    if not isinstance(numbers, list) or not all(type(number) in (int, float) for number in numbers):
        raise InputError(f"{where} is no list of numbers; make the file anew")
    try:
        flat = np.array(numbers, np.float64)
    except OverflowError as e:
        raise InputError(f"{where} has a number that no coordinate is; make the file anew") from e
    if not len(flat):
        return np.zeros((count, 3))
    if len(flat) == 3 * count:
        return flat.reshape(count, 3)
    if count == BODY.stop and len(flat) == 3 * _OLDER_BODY:
        return np.asarray(from_body18(flat.reshape(1, _OLDER_BODY, 3))[0, BODY])
    raise InputError(f"{where} has {len(flat)} numbers, not {3 * count}; which model of OpenPose made it?")
