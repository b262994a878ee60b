"""Face maps: points, parts, boxes and drawings of faces made here; the recorded ones are in tests/golden."""

from __future__ import annotations

import numpy as np
import pytest

from v2vcli.errors import InputError
from v2vcli.maps.conditioning import map_tensor
from v2vcli.maps.drawn.background_edges import background_edges
from v2vcli.maps.drawn.face import draw_face, face_box, face_map, part_labels, scaled, with_forehead
from v2vcli.maps.drawn.keypoints import FACE_CURVES, FaceSettings
from v2vcli.worlds import open_world

WIDTH, HEIGHT = 160, 128


@pytest.fixture(scope="module")
def head():
    """A frame of the procedural head, and its landmarks."""
    frame = open_world("head", seed=3, width=WIDTH, height=HEIGHT).frame(0)
    return frame.image, frame.landmarks


def test_the_forehead_is_the_jaw_mirrored(head):
    landmarks = head[1]
    points = with_forehead(landmarks)
    assert points.shape == (83, 2)
    assert np.array_equal(points[17:68], landmarks[17:].astype(np.float64))
    assert np.array_equal(points[:17], np.trunc(landmarks[:17]))
    assert np.array_equal(points[68:, 0], points[15:0:-1, 0])  # backwards, so that the outline closes
    level = points[[0, 16], 1].mean()
    assert points[68:, 1].min() < level < points[1:16, 1].max()


def test_parts_lie_where_they_should(head):
    points = with_forehead(head[1])
    labels = part_labels(points, WIDTH, HEIGHT)

    def inside(*indices: int) -> int:
        x, y = points[list(indices)].mean(axis=0).astype(int)
        return int(labels[y, x])

    assert inside(36, 39) == inside(42, 45) == 4
    assert inside(31, 33, 28) == 3
    assert inside(51, 62) == 5
    assert inside(2, 31) == inside(70, 80) == 1
    assert labels[0, 0] == 0


def test_fifteen_channels(head):
    image, landmarks = head
    frame = face_map(landmarks, image)
    assert frame.array.shape == (HEIGHT, WIDTH, 15)
    edges, distances = frame.array[..., 0], frame.array[..., 1:]
    assert set(np.unique(edges)) == {0, 255}
    assert distances.shape[2] == len(FACE_CURVES)
    for index, curve in enumerate(FACE_CURVES):
        x, y = with_forehead(landmarks)[curve[len(curve) // 2]].astype(int)
        assert distances[y - 1 : y + 2, x - 1 : x + 2, index].min() == 0
    # curves are the only edges inside the face: there the nearest curve is at no distance
    face = frame.instances > 0
    assert (distances.min(axis=2)[face & (edges > 0)] == 0).all()
    tensor = map_tensor([frame], "cpu")
    assert tensor.shape == (1, 15, HEIGHT, WIDTH)
    assert (float(tensor.min()), float(tensor.max())) == (0, 1)


def test_distances_are_thirds_of_steps_across_and_down():
    points = np.full((83, 2), 5000.0)  # far outside, but for the right brow
    points[[17, 18, 19, 20, 21]] = [(20, 40), (24, 40), (28, 40), (32, 40), (36, 40)]
    photo = np.zeros((100, 100, 3), np.uint8)
    drawn = draw_face(points, photo, photo[..., 0], FaceSettings(background=False))
    brow = drawn[..., 2]
    assert brow[40, 20:37].tolist() == [0] * 17
    assert brow[40 + 30, 28] == 10  # 30 down
    assert brow[39 - 9, 36 + 12] == 7  # 9 up from row 39, 12 to the right of column 36
    assert (drawn[..., 3] == 255).all()  # the other brow is nowhere


def test_background_edges_stay_out_of_the_face(head):
    image, landmarks = head
    with_background = face_map(landmarks, image)
    without = face_map(landmarks, image, FaceSettings(background=False))
    added = with_background.array[..., 0] != without.array[..., 0]
    assert added.sum() > 100
    assert not added[with_background.instances > 0].any()
    assert np.array_equal(with_background.array[..., 1:], without.array[..., 1:])
    assert (background_edges(image) >= added).all()


def test_one_channel(head):
    edges = face_map(head[1], head[0], FaceSettings(distances=False))
    assert edges.spec.channels == 1
    assert np.array_equal(edges.array[..., 0], face_map(head[1], head[0]).array[..., 0])


def test_the_overflow_is_kept_only_behind_its_switch():
    """An edge of the photo along the jaw, just outside of it: both channels add up to 254 in bytes."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    points = with_forehead(open_world("head", seed=3, width=WIDTH, height=HEIGHT).frame(0).landmarks)
    labels = part_labels(points, WIDTH, HEIGHT)
    image[labels > 0] = 255
    sane = draw_face(points, image, labels, FaceSettings())
    quirky = draw_face(points, image, labels, FaceSettings(reference_quirks=True))
    assert set(np.unique(sane[..., 0])) == {0, 255}
    assert set(np.unique(quirky[..., 0])) == {0, 254, 255}


def test_scaling_narrows_the_face_and_keeps_its_middle(head):
    points = with_forehead(head[1])
    narrow = scaled(points)
    outline = [*range(17), *range(68, 83)]
    assert np.ptp(narrow[outline, 0]) == pytest.approx(0.9 * np.ptp(points[outline, 0]))
    assert np.allclose(narrow[outline, 1], points[outline, 1])
    eyes = [points[36:42, 0].mean() - points[42:48, 0].mean(), narrow[36:42, 0].mean() - narrow[42:48, 0].mean()]
    assert abs(eyes[1]) < abs(eyes[0])
    assert np.array_equal(points, with_forehead(head[1]))  # the input is left alone


@pytest.mark.parametrize(("width", "height"), [(640, 480), (160, 128), (90, 200), (40, 30)])
def test_the_box_lies_inside_any_picture(width, height):
    landmarks = np.random.default_rng(0).uniform((30, 20), (95, 110), (68, 2))
    box = face_box(landmarks, width, height)
    assert 0 <= box.left < box.right <= width
    assert 0 <= box.top < box.bottom <= height
    if (width, height) == (640, 480):
        assert box.right - box.left == box.bottom - box.top == pytest.approx(2.5 * np.ptp(landmarks[:, 0]), abs=2)
    picture = np.arange(width * height).reshape(height, width)
    assert box.of(picture).shape == (box.bottom - box.top, box.right - box.left)


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (np.zeros((67, 2)), r"\(68, 2\) landmarks, not \(67, 2\)"),
        (np.full((68, 2), np.nan), "no coordinate of a picture"),
        (np.full((68, 2), 1e9), "no coordinate of a picture"),
    ],
)
def test_what_no_face_has_is_refused(landmarks, message):
    with pytest.raises(InputError, match=message):
        face_map(landmarks, np.zeros((8, 8, 3), np.uint8))


def test_a_face_without_width_has_no_box():
    with pytest.raises(InputError, match="lie on a line"):
        face_box(np.zeros((68, 2)), 10, 10)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (40, 4)])
def test_landmarks_outside_a_tiny_picture(size, head):
    for quirks in (False, True):
        frame = face_map(head[1], np.zeros((size[1], size[0], 3), np.uint8), FaceSettings(reference_quirks=quirks))
        assert frame.size == size


# ---- background edges


def test_edges_of_a_square():
    image = np.zeros((40, 40, 3), np.uint8)
    image[10:30, 10:30] = 255
    edges = background_edges(image)
    rows, columns = np.nonzero(edges)
    assert set(rows) | set(columns) <= set(range(8, 32))
    assert not edges[14:26, 14:26].any()
    assert edges[20].sum() >= 2


def test_a_faint_edge_counts_only_where_it_meets_a_strong_one():
    image = np.full((40, 60, 3), 100, np.uint8)
    image[20:, :] = 114  # a step of 0.055: a gradient of 0.15 after the blur
    assert not background_edges(image).any()
    image[20:, :40] += np.linspace(26, 0, 40, dtype=np.uint8)[:, None]  # stronger to the left, little by little
    assert background_edges(image)[18:22, 45:55].any(axis=0).all()


def test_flat_and_tiny_pictures_have_no_edges():
    for size in ((1, 1), (2, 3), (30, 30)):
        assert not background_edges(np.full((*size, 3), 200, np.uint8)).any()
