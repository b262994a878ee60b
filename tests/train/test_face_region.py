"""The face's box, read off pose maps."""

from __future__ import annotations

from dataclasses import astuple

import pytest
import torch

from v2vcli.train.face_region import FaceRegion, face_region


def _map(height: int, width: int, *heads: tuple[int, int]) -> torch.Tensor:
    """A six-channel pose map with single pixels of head."""
    maps = torch.full((1, 6, height, width), -1.0)
    for y, x in heads:
        maps[0, 2, y, x] = 1.0
    return maps


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        ([(30, 40), (33, 41)], (23, 39, 32, 48)),  # middles 31 and 40, rounded down
        ([(2, 40)], (0, 16, 32, 48)),  # moved down into the picture
        ([(30, 79)], (22, 38, 64, 80)),  # moved left
    ],
)
def test_a_square_around_the_head(heads: list[tuple[int, int]], expected: tuple[int, ...]) -> None:
    assert astuple(face_region(_map(60, 80, *heads), 64)) == expected  # type: ignore[arg-type]


def test_one_box_for_all_frames() -> None:
    maps = torch.cat((_map(60, 80, (20, 20)), _map(60, 80, (40, 40))))
    assert face_region(maps, 64) == FaceRegion(22, 38, 22, 38)


def test_the_part_plane_of_other_parts_is_no_face() -> None:
    maps = _map(60, 80)
    maps[0, 2, 30, 30] = (22 / 24 - 0.5) / 0.5
    assert face_region(maps, 64) is None
    maps[0, 2, 30, 30] = (23 / 24 - 0.5) / 0.5
    assert face_region(maps, 64) == FaceRegion(22, 38, 22, 38)


def test_openpose_alone_shows_the_neck_limb() -> None:
    maps = torch.full((1, 3, 60, 80), -1.0)
    maps[0, :, 30, 40] = torch.tensor([153.0, 0.0, 51.0]) / 127.5 - 1
    assert face_region(maps, 64) == FaceRegion(22, 38, 32, 48)
    maps[0, 0, 30, 40] += 0.02
    assert face_region(maps, 64) is None


def test_a_box_larger_than_the_picture_is_the_picture() -> None:
    region = face_region(_map(20, 100, (3, 50)), 256)
    assert region == FaceRegion(0, 20, 18, 82)
    assert region.crop(torch.zeros(2, 9, 20, 100)).shape == (2, 9, 20, 64)
