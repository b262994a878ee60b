from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from tests.worlds.measure import flow_agreement, frames_per_second
from v2vcli.worlds.street import ProceduralStreet
from v2vcli.worlds.street_objects import BUILDING, CAR, PERSON, ROAD, SIDEWALK, SKY, VEGETATION
from v2vcli.worlds.world import WorldFrame, warp_backward


@pytest.fixture(scope="module")
def clip() -> list[WorldFrame]:
    world = ProceduralStreet(3, 192, 112)
    return [world.frame(i) for i in range(8)]


def test_same_seed_gives_the_same_bytes_in_any_order(clip: list[WorldFrame]) -> None:
    again = ProceduralStreet(3, 192, 112)
    for index in (6, 2, 7):
        frame = again.frame(index)
        for name in ("image", "labels", "instances", "depth", "flow", "valid"):
            assert np.array_equal(getattr(frame, name), getattr(clip[index], name)), (index, name)


def test_bytes_do_not_depend_on_the_number_of_threads(clip: list[WorldFrame]) -> None:
    before = cv2.getNumThreads()
    try:
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            frame = ProceduralStreet(3, 192, 112).frame(4)
            assert np.array_equal(frame.image, clip[4].image) and np.array_equal(frame.flow, clip[4].flow)
    finally:
        cv2.setNumThreads(before)


def test_streets_differ() -> None:
    styles = [ProceduralStreet(seed, 64, 32).plan.style for seed in range(12)]
    assert len({s.houses for s in styles}) == 2
    assert np.ptp([s.sun_strength for s in styles]) > 0.2 and np.ptp([s.road_half for s in styles]) > 0.5


def test_labels_are_cityscapes_and_what_a_street_has(clip: list[WorldFrame]) -> None:
    labels = np.stack([f.labels for f in clip if f.labels is not None])
    assert labels.dtype == np.uint8 and labels.max() < 19
    share = np.bincount(labels.ravel(), minlength=19) / labels.size
    assert share[ROAD] > 0.1 and share[SKY] > 0.05 and share[BUILDING] > 0.03 and share[SIDEWALK] > 0.01
    seen = set()
    for seed in range(4):
        for index in (0, 80):
            frame = ProceduralStreet(seed, 192, 112).frame(index)
            assert frame.labels is not None
            seen |= set(np.unique(frame.labels).tolist())
    assert {ROAD, SIDEWALK, BUILDING, VEGETATION, SKY, PERSON, CAR} <= seen and len(seen) >= 12


def test_depth_is_metres(clip: list[WorldFrame]) -> None:
    for frame in clip:
        assert frame.depth is not None and frame.labels is not None and frame.depth.dtype == np.float32
        sky = frame.labels == SKY
        assert np.isinf(frame.depth[sky]).all() and np.isfinite(frame.depth[~sky]).all()
        assert frame.depth.min() > 0.2
    # The road under the bottom row: height over the tangent of the ray's angle.
    world = ProceduralStreet(3, 192, 112)
    camera, frame = world.camera(0), clip[0]
    assert frame.labels is not None and frame.depth is not None
    column = int(np.flatnonzero(frame.labels[-1] == ROAD)[0])
    down = (111 - camera.centre[1]) / camera.focal
    steep = down * np.cos(camera.pitch) - np.sin(camera.pitch)
    assert frame.depth[-1, column] == pytest.approx(camera.position[1] / steep, rel=1e-4)


def test_flow_carries_picture_labels_and_instances(clip: list[WorldFrame]) -> None:
    for previous, frame in pairwise(clip):
        warped, still = flow_agreement(previous, frame)
        assert warped < 4.0 and warped < 0.8 * still, (frame.index, warped, still)
        assert frame.valid.mean() > 0.75
        for name in ("labels", "instances"):
            now, then = getattr(frame, name), getattr(previous, name)
            carried = warp_backward(then.astype(np.float32), frame.flow, nearest=True)
            assert (carried == now)[frame.valid].mean() > 0.999, name


def test_flow_is_exact_for_a_point_on_the_road() -> None:
    """A road pixel, followed by the flow, has the world position that its own ray and depth give."""
    world = ProceduralStreet(3, 192, 112)
    frame, now, before = world.frame(5), world.camera(5), world.camera(4)
    assert frame.labels is not None and frame.depth is not None
    rows, columns = np.nonzero((frame.labels == ROAD) & (frame.depth < 40))
    axes, (cx, cy) = now.axes(), now.centre
    rays = np.stack(((columns - cx) / now.focal, (rows - cy) / now.focal, np.ones(len(rows))), 1) @ axes
    points = np.array(now.position) + rays * frame.depth[rows, columns][:, None]
    assert np.abs(points[:, 1]).max() < 1e-3
    u, v, _ = before.project(*points.T)
    error = np.hypot(u - columns - frame.flow[rows, columns, 0], v - rows - frame.flow[rows, columns, 1])
    assert error.max() < 1e-2


def test_sky_moves_only_with_the_turning_camera(clip: list[WorldFrame]) -> None:
    world = ProceduralStreet(3, 192, 112)
    frame, now, before = clip[5], world.camera(5), world.camera(4)
    assert frame.labels is not None
    expected = (now.yaw - before.yaw) * now.focal
    assert np.abs(frame.flow[frame.labels == SKY][:, 0] - expected).max() < 0.15 + 0.2 * abs(expected)


def test_instances_are_stable_and_single_classed() -> None:
    world = ProceduralStreet(3, 192, 112)
    label_of: dict[int, int] = {}
    tracks: dict[int, list[float]] = {}
    for index in range(0, 30, 3):
        frame = world.frame(index)
        assert frame.instances is not None and frame.labels is not None and frame.instances.dtype == np.int32
        for number in np.unique(frame.instances):
            inside = frame.instances == number
            if number == 0:
                assert not np.isin(frame.labels[inside], range(11, 19)).any(), "every thing has an instance id"
                continue
            labels = np.unique(frame.labels[inside])
            assert len(labels) == 1 and label_of.setdefault(int(number), int(labels[0])) == labels[0]
            tracks.setdefault(int(number), []).append(float(np.nonzero(inside)[1].mean()))
    long_lived = [t for t in tracks.values() if len(t) == 10]
    assert len(long_lived) >= 3
    assert all(np.abs(np.diff(t)).max() < 40 for t in long_lived)


@pytest.mark.parametrize("size", [(97, 61), (61, 97), (33, 17), (300, 40)])
def test_any_size(size: tuple[int, int]) -> None:
    width, height = size
    frame = ProceduralStreet(2, width, height).frame(3)
    assert frame.image.shape == (height, width, 3) and frame.image.dtype == np.uint8
    for name in ("labels", "instances", "depth", "valid"):
        assert getattr(frame, name).shape == (height, width)
    assert np.isfinite(frame.flow).all() and frame.image.std() > 15


def test_it_goes_on_for_ever() -> None:
    frame = ProceduralStreet(3, 96, 48).frame(100_000)
    assert frame.labels is not None and (frame.labels == ROAD).mean() > 0.1
    assert frame.valid.mean() > 0.7


def test_speed() -> None:
    # Measured 15 on one busy core; the bound only catches a collapse.
    assert frames_per_second(ProceduralStreet(1, 256, 128)) > 3
