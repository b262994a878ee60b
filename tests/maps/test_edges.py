"""Canny edge maps: where the edges are, how thin, how thresholds adapt."""

import numpy as np
import pytest

from v2vcli.maps.makers.edges import CannyExtractor, CannySettings, canny


def disc(size=128, inside=200, outside=60):
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    picture = np.where(np.hypot(x, y) < size / 4, inside, outside).astype(np.uint8)
    return np.repeat(picture[..., None], 3, axis=2), np.hypot(x, y) - size / 4


def test_edges_lie_on_the_boundary_all_round_and_are_one_pixel_wide():
    picture, distance = disc()
    edges = canny(picture)
    assert edges.dtype == np.uint8
    assert set(np.unique(edges)) == {0, 255}
    assert np.abs(distance[edges > 0]).max() < 1.6
    circumference = 2 * np.pi * 32
    assert 0.85 * circumference < np.count_nonzero(edges) < 1.3 * circumference
    angles = np.arctan2(*(np.argwhere(edges) - 63.5).T)
    assert np.diff(np.sort(angles)).max() < 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5)])
def test_any_size_works(shape):
    edges = canny(np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8))
    assert edges.shape == shape
    assert set(np.unique(edges)) <= {0, 255}
    assert not canny(np.full((*shape, 3), 90, np.uint8)).any()


def test_the_same_picture_gives_the_same_edges():
    picture = np.random.default_rng(1).integers(0, 256, (97, 131, 3)).astype(np.uint8)
    assert np.array_equal(canny(picture), canny(picture.copy()))
    assert np.array_equal(canny(picture[:, ::-1]), canny(np.ascontiguousarray(picture[:, ::-1])))


def test_automatic_thresholds_do_not_depend_on_contrast():
    bright, dim = disc(inside=220, outside=20)[0], disc(inside=60, outside=40)[0]
    a, b = canny(bright) > 0, canny(dim) > 0
    for one, other in ((a, b), (b, a)):  # a pixel off at most: on a stair of the disc two pixels may be equally good
        near = np.lib.stride_tricks.sliding_window_view(np.pad(other, 1), (3, 3)).any((2, 3))
        assert near[one].all()
    assert np.count_nonzero(a) == pytest.approx(np.count_nonzero(b), rel=0.1)
    fixed = CannySettings(low=200, high=300)
    assert canny(bright, fixed).any()
    assert not canny(dim, fixed).any()


def test_sensor_noise_in_a_flat_picture_is_no_edge():
    noise = np.random.default_rng(2).normal(128, 2, (200, 200, 3)).round().astype(np.uint8)
    assert not canny(noise).any()
    assert canny(noise, CannySettings(auto_floor=0)).any()


def test_hysteresis_follows_a_weak_edge_from_a_strong_one():
    picture = np.full((60, 60, 3), 100, np.uint8)
    picture[:, 30:] = np.linspace(200, 110, 60).astype(np.uint8)[:, None, None]  # fades towards the bottom
    assert canny(picture, CannySettings(low=10, high=150))[50].any()
    assert not canny(picture, CannySettings(low=140, high=150))[50].any()
    assert not canny(picture[45:], CannySettings(low=10, high=150)).any()


def test_extractor_resizes_before_it_looks_for_edges():
    picture, _ = disc(512)
    extractor = CannyExtractor()
    small, same = extractor.extract([picture, picture[::2, ::2]], (128, 96))
    assert small.size == same.size == (128, 96)
    assert small.spec == extractor.spec
    assert extractor.spec.kind == "edges"
    # one pixel wide at the map's size: no 2x2 block is all edge
    e = small.array > 0
    assert not (e[1:, 1:] & e[:-1, 1:] & e[1:, :-1] & e[:-1, :-1]).any()
    assert np.count_nonzero(e) > 120


def test_extractor_carries_its_settings_in_its_spec():
    settings = CannySettings(low=10, high=20, blur_sigma=0)
    assert CannyExtractor(settings).spec.edges == settings
