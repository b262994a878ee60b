"""Curves and strokes, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from v2vcli.maps.drawn.curves import chain, curve, draw, draw_coloured


def points(*pairs: tuple[float, float]) -> np.ndarray:
    return np.array(pairs, np.float64)


def test_a_line_has_a_pixel_per_unit_of_its_longer_side():
    assert curve(points((2, 5), (6, 7))).tolist() == [[2, 5], [3, 5], [4, 6], [6, 7]]
    assert curve(points((5, 2), (7, 6))).tolist() == [[5, 2], [5, 3], [6, 4], [7, 6]]  # the same, over y


def test_direction_does_not_matter():
    forth, back = points((2, 5), (9, 3)), points((9, 3), (2, 5))
    assert np.array_equal(curve(forth), curve(back))


def test_a_parabola_goes_through_its_points():
    for bent in (points((0, 10), (10, 4), (20, 12)), points((10, 0), (4, 10), (12, 20))):
        drawn = {tuple(pixel) for pixel in curve(bent).tolist()}
        for x, y in bent.astype(int).tolist():
            assert any((x + dx, y + dy) in drawn for dx in (-1, 0, 1) for dy in (-1, 0, 1))


def test_points_in_one_place_draw_nothing():
    assert curve(points((3, 3), (3, 3))).shape == (0, 2)
    assert curve(points((3, 3), (3, 3), (3, 3))).shape == (0, 2)
    assert chain(points((3, 3))).shape == (0, 2)


def test_a_sharp_bend_is_two_lines_and_left_out_as_the_reference_does():
    sharp = points((0, 0), (0.5, 20), (21, 0))  # the parabola's leading coefficient is -1.95
    assert np.array_equal(curve(sharp), np.concatenate([curve(sharp[:2]), curve(sharp[1:])]))
    assert curve(sharp)[:, 1].max() == 20
    assert curve(sharp, quirks=True).shape == (0, 2)
    gentle = points((0, 0), (2, 20), (23, 0))
    assert np.array_equal(curve(gentle), curve(gentle, quirks=True))


@pytest.mark.parametrize("quirks", [False, True])
def test_points_that_share_a_coordinate_are_joined_by_lines(quirks):
    shared = points((10, 3), (10, 5), (14, 6))
    assert np.array_equal(curve(shared, quirks=quirks), np.concatenate([curve(shared[:2]), curve(shared[1:])]))


def test_a_curve_that_turns_back_reaches_its_middle_point():
    hook = points((0, 0), (12, 3), (6, 6))
    assert curve(hook)[:, 0].max() == 12
    assert curve(hook, quirks=True)[:, 0].max() == 6  # the reference stops at the last point


def test_a_chain_shares_the_ends_of_its_pieces():
    long = points((0, 0), (5, 2), (10, 0), (15, 2), (20, 0), (25, 3))
    pieces = [curve(long[:3]), curve(long[2:5]), curve(long[4:])]
    assert np.array_equal(chain(long), np.concatenate(pieces))


def test_a_stroke_covers_offsets_from_minus_n():
    plane = np.zeros((6, 6), np.uint8)
    draw(plane, np.array([[3, 2]]), 1)
    assert np.argwhere(plane).tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
    assert set(np.unique(plane)) == {0, 255}


def test_outside_the_picture_is_not_drawn_or_drawn_on_its_border():
    far = np.array([[40, 3], [-7, -7]])
    for quirks, drawn in ((False, 0), (True, 2 + 1)):
        plane = np.zeros((6, 6), np.uint8)
        draw(plane, far, 1, quirks=quirks)
        assert np.count_nonzero(plane) == drawn


def test_colours_are_full_and_mix_where_they_meet():
    canvas = np.zeros((20, 30, 3), np.uint8)
    draw_coloured(canvas, curve(points((5, 10), (25, 10))), (200, 0, 0), 1)
    assert canvas[10, 15].tolist() == [200, 0, 0]
    assert {tuple(c) for c in canvas.reshape(-1, 3).tolist()} == {(0, 0, 0), (200, 0, 0)}
    draw_coloured(canvas, curve(points((15, 2), (15, 18))), (0, 101, 0), 1)
    assert canvas[10, 15].tolist() == [100, 50, 0]
    assert canvas[4, 15].tolist() == [0, 101, 0]


def test_ends_are_round_and_twice_as_thick():
    canvas = np.zeros((20, 40, 3), np.uint8)
    draw_coloured(canvas, curve(points((10, 10), (30, 10))), (9, 9, 9), 2)
    thickness = (canvas[..., 0] > 0).sum(axis=0)
    assert thickness[20] == 4
    assert thickness[10] == 7
    assert not canvas[6:8, 6:8].all()  # no square corner


def test_strokes_of_the_reference_are_half_dark():
    """Once painted, a pixel of the curve is no longer black when the next offset comes: it is averaged."""
    canvas = np.zeros((20, 30, 3), np.uint8)
    draw_coloured(canvas, curve(points((5, 10), (25, 10))), (200, 0, 0), 1, quirks=True)
    assert {100, 200} <= set(canvas[..., 0].ravel().tolist())


def test_nothing_is_drawn_from_no_pixels():
    canvas = np.zeros((4, 4, 3), np.uint8)
    for quirks in (False, True):
        draw_coloured(canvas, np.empty((0, 2), np.intp), (9, 9, 9), 2, quirks=quirks)
    assert not canvas.any()
