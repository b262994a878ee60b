"""Pose maps: what is drawn, what is left out, in which order; the recorded ones are in tests/golden."""

from __future__ import annotations

import numpy as np
import pytest

from v2vcli.errors import InputError, UsageError
from v2vcli.maps.conditioning import map_tensor
from v2vcli.maps.drawn.keypoints import BODY, FACE, LEFT_HAND, PoseSettings, from_coco17
from v2vcli.maps.drawn.pose import PoseDropout, draw_people, drop_densepose, middle_columns, pose_map

WIDTH, HEIGHT = 120, 160


def person(shift: float = 0) -> np.ndarray:
    """(1, 137, 3): a body, a left hand and a face."""
    joints = {0: (60, 25), 1: (60, 45), 8: (60, 85), 2: (45, 45), 3: (35, 65), 4: (35, 85), 5: (75, 45), 6: (85, 65)}
    joints |= {7: (85, 85), 9: (52, 85), 10: (50, 115), 11: (50, 145), 12: (68, 85), 13: (70, 115), 14: (70, 145)}
    joints |= {15: (57, 22), 16: (63, 22), 17: (52, 24), 18: (68, 24)}
    points = np.zeros((1, 137, 3))
    for index, (x, y) in joints.items():
        points[0, index] = x + shift, y, 0.9
    angle = np.linspace(0, 6, 70)
    points[0, FACE] = np.stack([60 + shift + 8 * np.cos(angle), 25 + 9 * np.sin(angle), np.full(70, 0.9)], 1)
    hand = np.arange(21)
    points[0, LEFT_HAND] = np.stack([85 + shift + hand % 5, 85 + hand, np.full(21, 0.9)], 1)
    return points


def colours(picture: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}


def test_limbs_have_their_colours():
    picture = draw_people(person(), WIDTH, HEIGHT)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert picture[65, 60].tolist() == [153, 0, 0]  # the trunk
    assert picture[130, 50].tolist() == [0, 153, 153]  # the right shin
    assert picture[130, 70].tolist() == [0, 0, 153]
    assert (255, 255, 255) in colours(picture)
    assert picture[0, 0].tolist() == [0, 0, 0]


def test_limbs_are_six_pixels_wide():
    picture = draw_people(person(), WIDTH, HEIGHT, PoseSettings(body_only=True))
    assert (picture[65, 50:70].any(axis=1)).sum() == 6


def test_body_only_leaves_out_head_hands_and_face():
    body = draw_people(person(), WIDTH, HEIGHT, PoseSettings(body_only=True))
    assert (255, 255, 255) not in colours(body)
    assert not body[20:24, 50:54].any()  # the right ear
    alone = person()
    alone[:, FACE] = alone[:, LEFT_HAND] = 0
    alone[:, 15:19] = 0
    assert np.array_equal(draw_people(alone, WIDTH, HEIGHT), body)


def test_points_that_were_not_found_are_not_drawn():
    unsure = person()
    unsure[0, 11, 2] = 0.005
    assert not draw_people(unsure, WIDTH, HEIGHT)[125:150, 40:58].any()
    missing = person()
    missing[0, 11] = 0
    assert np.array_equal(draw_people(missing, WIDTH, HEIGHT), draw_people(unsure, WIDTH, HEIGHT))
    no_finger = person()
    no_finger[0, LEFT_HAND.start + 2, 2] = 0
    thumb = colours(draw_people(person(), WIDTH, HEIGHT)) - colours(draw_people(no_finger, WIDTH, HEIGHT))
    assert any(red > 0 and green < red for red, green, _ in thumb)


def test_nobody_is_black():
    assert not draw_people(np.zeros((0, 137, 3)), WIDTH, HEIGHT).any()
    assert not draw_people(np.zeros((2, 137, 3)), WIDTH, HEIGHT).any()


def test_a_later_person_covers_an_earlier_one_and_bytes_wrap_only_as_the_reference_does():
    both = np.concatenate([person(), person(3)])
    sane = draw_people(both, WIDTH, HEIGHT)
    second = draw_people(both[1:], WIDTH, HEIGHT)
    assert np.array_equal(sane[second.any(axis=2)], second[second.any(axis=2)])
    quirks = PoseSettings(reference_quirks=True)
    each = [draw_people(both[i : i + 1], WIDTH, HEIGHT, quirks).astype(int) for i in (0, 1)]
    assert (sum(each) > 255).any()
    assert np.array_equal(draw_people(both, WIDTH, HEIGHT, quirks), sum(each) % 256)


def test_coco17_is_drawn_like_the_same_body():
    body = person()
    order = [0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11]
    alone = np.zeros_like(body)
    alone[:, BODY] = body[:, BODY]
    assert np.array_equal(draw_people(from_coco17(body[:, order]), WIDTH, HEIGHT), draw_people(alone, WIDTH, HEIGHT))


# ---- maps


def test_three_channels():
    frame = pose_map(person(), WIDTH, HEIGHT)
    assert frame.spec.channels == 3
    tensor = map_tensor([frame], "cpu")[0]
    assert tensor[:, 0, 0].tolist() == [-1, -1, -1]
    assert tensor[:, 65, 60].tolist() == pytest.approx([0.2, -1, -1])
    assert np.array_equal(frame.picture(), draw_people(person(), WIDTH, HEIGHT))


def test_six_channels_with_densepose_first():
    densepose = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    densepose[40:60, 40:80] = (255, 51, 12)
    frame = pose_map(person(), WIDTH, HEIGHT, PoseSettings(densepose=True), densepose)
    tensor = map_tensor([frame], "cpu")[0]
    assert tensor.shape[0] == frame.spec.channels == 6
    assert tensor[:3, 50, 50].tolist() == pytest.approx([1, -0.6, 0])
    assert tensor[3:, 65, 60].tolist() == pytest.approx([0.2, -1, -1])
    picture = frame.picture()
    assert picture[65, 60].tolist() == [153, 0, 0]
    assert picture[58, 42].any()


def test_densepose_is_neither_forgotten_nor_forced():
    with pytest.raises(UsageError, match="of 6 channels needs DensePose"):
        pose_map(person(), WIDTH, HEIGHT, PoseSettings(densepose=True))
    with pytest.raises(UsageError, match="of 3 channels has no DensePose"):
        pose_map(person(), WIDTH, HEIGHT, densepose=np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    for wrong in (np.full((HEIGHT, WIDTH, 3), 25, np.uint8), np.zeros((HEIGHT, 3, 3), np.uint8)):
        with pytest.raises(InputError, match="part numbers"):
            pose_map(person(), WIDTH, HEIGHT, PoseSettings(densepose=True), wrong)


def test_poses_keep_their_colours_when_resized():
    frame = pose_map(person(), WIDTH, HEIGHT)
    assert colours(frame.resized(77, 53).array) <= colours(frame.array)


def test_other_arrays_are_refused():
    with pytest.raises(InputError, match=r"\(people, 137, 3\)"):
        draw_people(np.zeros((1, 25, 3)), WIDTH, HEIGHT)
    with pytest.raises(InputError, match="no coordinate"):
        draw_people(np.full((1, 137, 3), np.inf), WIDTH, HEIGHT)


def test_the_middle_is_a_multiple_of_64():
    assert middle_columns(1024) == slice(256, 768)
    assert middle_columns(300) == slice(86, 214)
    assert middle_columns(100) == slice(0, 100)


# ---- dropout


def test_dropout_needs_a_generator_and_is_repeatable():
    with pytest.raises(UsageError, match="random generator"):
        draw_people(person(), WIDTH, HEIGHT, dropout=PoseDropout())
    with pytest.raises(UsageError, match="no probability"):
        PoseDropout(1.5)
    drawn = [
        draw_people(person(), WIDTH, HEIGHT, dropout=PoseDropout(0.3), generator=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_dropout_of_everything_and_of_nothing():
    generator = np.random.default_rng(0)
    assert not draw_people(person(), WIDTH, HEIGHT, dropout=PoseDropout(1.0), generator=generator).any()
    whole = draw_people(person(), WIDTH, HEIGHT, dropout=PoseDropout(0.0), generator=generator)
    assert np.array_equal(whole, draw_people(person(), WIDTH, HEIGHT))


def test_parts_are_dropped_as_often_as_asked():
    """The right shin, and one part of DensePose, over many draws."""
    generator = np.random.default_rng(5)
    dropout = PoseDropout(0.25)
    gone = [
        not draw_people(person(), WIDTH, HEIGHT, PoseSettings(body_only=True), dropout, generator)[130, 50].any()
        for _ in range(300)
    ]
    assert np.mean(gone) == pytest.approx(0.25, abs=0.07)
    densepose = np.full((2, 2, 3), 7, np.uint8)
    gone = [not drop_densepose(densepose, dropout, generator).any() for _ in range(1000)]
    assert np.mean(gone) == pytest.approx(0.25, abs=0.05)


def test_hidden_faces_move_and_nothing_else_does():
    found = person()
    found[0, 17] = 0  # an ear that was not found stays away
    hidden = PoseDropout(0.0, hide_faces=True)
    plain = draw_people(found, WIDTH, HEIGHT)
    moved = draw_people(found, WIDTH, HEIGHT, dropout=hidden, generator=np.random.default_rng(1))
    assert not np.array_equal(moved[:40], plain[:40])
    assert np.array_equal(moved[60:], plain[60:])
    densepose = np.zeros((1, 3, 3), np.uint8)
    densepose[0, :, 2] = (22, 23, 24)
    assert drop_densepose(densepose, hidden, np.random.default_rng(0))[0, :, 2].tolist() == [22, 0, 0]


def test_a_map_for_training_drops_both_alike():
    densepose = np.full((HEIGHT, WIDTH, 3), 3, np.uint8)
    frame = pose_map(
        person(), WIDTH, HEIGHT, PoseSettings(densepose=True), densepose, PoseDropout(1.0), np.random.default_rng(0)
    )
    assert not frame.array.any()
