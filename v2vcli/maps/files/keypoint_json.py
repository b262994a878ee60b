"""Keypoints as JSON, exactly: what map files and folders hold beside faces and poses.

What is peculiar: people are written as OpenPose writes them, so that other programs read them, and `openpose` reads
them back. A face is an object with its 68 ``landmarks``. Numbers are written with as many digits as tell them from
their neighbours (`repr`), so every float64 comes back as it was.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from v2vcli.errors import InputError
from v2vcli.maps.drawn.keypoints import Points, checked_landmarks, checked_people
from v2vcli.maps.files.openpose import PARTS, parse_openpose
from v2vcli.maps.spec import MapKind


def keypoints_to_json(kind: MapKind, keypoints: Points) -> str:
    """One line of JSON.

    Args:
        kind: ``face`` or ``pose``.
        keypoints: As `MapFrame.keypoints`.

    Raises:
        InputError: Another shape.
    """
    if kind == "face":
        return json.dumps({"landmarks": checked_landmarks(keypoints).tolist()})
    people = [
        {f"{name}_2d": person[part].ravel().tolist() for name, part in PARTS} for person in checked_people(keypoints)
    ]
    return json.dumps({"version": 1.3, "people": people})


def keypoints_from_json(kind: MapKind, text: str | bytes, where: str) -> Points:
    """Inverse of `keypoints_to_json`; of people, all that OpenPose writes is understood.

    Raises:
        InputError: It is not such JSON; the message begins with `where`.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise InputError(f"{where} is not JSON ({e}); make it anew") from e
    return parse_landmarks(data, where) if kind == "face" else parse_openpose(data, where)


def parse_landmarks(data: Any, where: str) -> Points:
    """(68, 2) from an object with ``landmarks``.

    Raises:
        InputError: Something else; the message begins with `where`.
    """
    rows = data.get("landmarks") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not all(
        isinstance(row, list) and len(row) == 2 and all(type(number) in (int, float) for number in row) for row in rows
    ):
        raise InputError(f"{where} has no list of 'landmarks', pairs of x and y; give the iBUG 68")
    try:
        return checked_landmarks(np.array(rows, np.float64).reshape(-1, 2))
    except OverflowError as e:
        raise InputError(f"{where} has a number that no coordinate is; make it anew") from e
    except InputError as e:
        raise InputError(f"{where}: {e}") from e
