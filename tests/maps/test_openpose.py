"""OpenPose's JSON: complete people, bodies alone, older models; one line for everything else."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from v2vcli.errors import InputError
from v2vcli.maps.drawn.keypoints import BODY, FACE, LEFT_HAND, RIGHT_HAND, from_coco17
from v2vcli.maps.files.openpose import parse_openpose, read_openpose

NAMES_COCO17 = "nose leye reye lear rear lsho rsho lelb relb lwri rwri lhip rhip lkne rkne lank rank"
NAMES_BODY25 = "nose neck rsho relb rwri lsho lelb lwri mhip rhip rkne rank lhip lkne lank reye leye rear lear"


def _person(seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).uniform(1, 99, (137, 3))
    points[:, 2] = 0.9
    return points


def _as_openpose(points: np.ndarray) -> dict[str, Any]:
    names = {"pose": BODY, "face": FACE, "hand_left": LEFT_HAND, "hand_right": RIGHT_HAND}
    return {f"{name}_keypoints_2d": points[part].ravel().tolist() for name, part in names.items()}


def test_complete_people(tmp_path):
    people = np.stack([_person(0), _person(1)])
    file = tmp_path / "000_keypoints.json"
    file.write_text(json.dumps({"version": 1.3, "people": [_as_openpose(p) for p in people]}))
    assert np.array_equal(read_openpose(file), people)


def test_a_body_alone_has_no_hands_and_no_face():
    person = _as_openpose(_person())
    person["face_keypoints_2d"] = []
    del person["hand_left_keypoints_2d"], person["hand_right_keypoints_2d"]
    (found,) = parse_openpose({"people": [person]})
    assert np.array_equal(found[BODY], _person()[BODY])
    assert not found[25:].any()


def test_nobody():
    assert parse_openpose({"people": []}).shape == (0, 137, 3)


def test_names_before_1_3():
    body = _person()[BODY].ravel().tolist()
    assert np.array_equal(parse_openpose({"people": [{"pose_keypoints": body}]})[0, BODY], _person()[BODY])


def test_the_older_body_of_18_points_comes_to_the_same_joints():
    """OpenPose's COCO order: nose, neck, right arm, left arm, right leg, left leg, eyes, ears (right first)."""
    older = np.arange(1, 55, dtype=float).reshape(18, 3)
    (found,) = parse_openpose({"people": [{"pose_keypoints_2d": older.ravel().tolist()}]})
    expected = [*range(8), None, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]
    for index, source in enumerate(expected):
        if source is not None:
            assert np.array_equal(found[index], older[source]), index
    assert found[8].tolist() == [*((older[8] + older[11]) / 2)[:2], min(older[8, 2], older[11, 2])]
    assert not found[19:].any()


def test_coco17_comes_to_the_same_joints():
    names = NAMES_COCO17.split(" ")
    coco = np.arange(1, 52, dtype=float).reshape(1, 17, 3)
    (found,) = from_coco17(coco)
    body25 = NAMES_BODY25.split(" ")
    for index, name in enumerate(body25):
        if name in names:
            assert np.array_equal(found[index], coco[0, names.index(name)]), name
    assert found[1].tolist() == [17.5, 18.5, 18]
    assert found[8].tolist() == [35.5, 36.5, 36]
    assert not found[19:].any()


def test_a_missing_shoulder_leaves_no_neck_half_way_to_the_corner():
    coco = np.full((1, 17, 3), 50.0)
    coco[0, 5] = 0
    assert not from_coco17(coco)[0, 1].any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "no list of 'people'"),
        ('{"people": 3}', "no list of 'people'"),
        ('{"people": [3]}', "person 0 is no object"),
        ('{"people": [{"pose_keypoints_2d": {}, "face_keypoints_2d": "no"}]}', "face_keypoints is no list of numbers"),
        ('{"people": [{}, {"pose_keypoints_2d": [1, 2, null]}]}', "person 1: pose_keypoints is no list of numbers"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "has 3 numbers, not 75"),
        ('{"people": [{"hand_left_keypoints_2d": [' + "1e300, " * 62 + "1]}]}", "1e[+]300: no coordinate"),
        ('{"people": [{"hand_left_keypoints_2d": [' + "NaN, " * 62 + "1]}]}", "nan: no coordinate"),
        ('{"people": [{"hand_left_keypoints_2d": [' + "1, " * 62 + "1" + "0" * 400 + "]}]}", "no coordinate is"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, text, message):
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_openpose(file)
    assert "a.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_openpose(tmp_path / "a.json")
