"""Map specs and frames: contradictions refused, JSON, resizing, pictures, and light imports."""

import subprocess
import sys

import numpy as np
import pytest

from v2vcli.errors import InputError, SchemaMismatch, UsageError
from v2vcli.maps.drawn.keypoints import FaceSettings, PoseSettings
from v2vcli.maps.files.kitti import decode_flow, encode_flow
from v2vcli.maps.schema import CAMVID11, CITYSCAPES19, CITYSCAPES35
from v2vcli.maps.spec import CannySettings, MapFrame, MapSpec

LABELS, EDGES, RGB = MapSpec("labels", CITYSCAPES19), MapSpec("edges"), MapSpec("rgb")
FACE, POSE = MapSpec("face"), MapSpec("pose")
FLOW, DEPTH = MapSpec("flow"), MapSpec("depth")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "sound"}, "'sound' is not one of labels, edges, rgb, face, pose, flow, depth"),
        ({"kind": "labels"}, "'labels' needs a schema"),
        ({"kind": "rgb", "schema": CAMVID11}, "'rgb' has no schema"),
        ({"kind": "edges", "instance_edges": True}, "instance edges belong to label maps"),
        ({"kind": "rgb", "edges": CannySettings()}, "CannySettings belong to 'edges' maps, not to 'rgb'"),
        ({"kind": "pose", "face": FaceSettings()}, "FaceSettings belong to 'face' maps, not to 'pose'"),
        ({"kind": "edges", "pose": PoseSettings()}, "PoseSettings belong to 'pose' maps, not to 'edges'"),
    ],
)
def test_contradictions_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        MapSpec(**arguments)


def test_channels():
    assert MapSpec("labels", CAMVID11).channels == 11
    assert MapSpec("labels", CITYSCAPES35, instance_edges=True).channels == 36
    assert (EDGES.channels, RGB.channels) == (1, 3)
    assert (FACE.channels, MapSpec("face", face=FaceSettings(distances=False)).channels) == (15, 1)
    assert (POSE.channels, MapSpec("pose", pose=PoseSettings(densepose=True)).channels) == (3, 6)
    assert (FLOW.channels, DEPTH.channels) == (3, 2)
    assert MapSpec("edges", edges=CannySettings(distance=True)).channels == 2


def test_label_schema_of_other_kinds_is_an_error():
    assert LABELS.label_schema is CITYSCAPES19
    with pytest.raises(SchemaMismatch, match="'rgb' maps have no label schema"):
        _ = RGB.label_schema


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blur_sigma": -1}, "blur_sigma is -1"),
        ({"high": float("nan")}, "high is nan"),
        ({"low": "auto"}, "low is 'auto'"),
        ({"auto_quantile": 1.5}, "shares in 0..1"),
        ({"low": 3}, "low is given without high"),
        ({"low": 5, "high": 3}, "low 5 is above high 3"),
        ({"distance": 1}, "distance is 1; give true or false"),
    ],
)
def test_canny_settings_out_of_range_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        CannySettings(**arguments)


@pytest.mark.parametrize(
    "spec",
    [
        LABELS,
        MapSpec("labels", CITYSCAPES35, instance_edges=True),
        RGB,
        EDGES,
        MapSpec("edges", edges=CannySettings(1, 9)),
        FACE,
        MapSpec("face", face=FaceSettings(background=False, reference_quirks=True)),
        POSE,
        MapSpec("pose", pose=PoseSettings(densepose=True, body_only=True)),
        MapSpec("edges", edges=CannySettings(distance=True)),
        FLOW,
        DEPTH,
    ],
)
def test_json_round_trip(spec):
    assert MapSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no", "a.mkv is not JSON"),
        ("[" * 100_000, "a.mkv is not JSON"),
        ('{"kind": "rgb", "' + "x" * 9000 + '": 1}', r"^a\.mkv: unknown key x{100,400}\.\.\.$"),
        ("{}", "not an object with a 'kind'"),
        ('{"kind": "rgb", "flavour": 1}', "unknown key flavour"),
        ('{"kind": "labels"}', "needs a schema"),
        ('{"kind": "edges", "edges": {"hihg": 3}}', "hihg"),
        ('{"kind": "edges", "edges": {"low": 3}}', "without high"),
        ('{"kind": "face", "face": {"quirks": true}}', "quirks"),
        ('{"kind": "face", "face": 3}', "'face' is 3, not an object"),
        ('{"kind": "pose", "pose": {"densepose": "yes"}}', "densepose is 'yes'"),
    ],
)
def test_bad_json_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        MapSpec.from_json(text, "a.mkv")


@pytest.mark.parametrize(
    ("spec", "array", "instances"),
    [
        (LABELS, np.zeros((2, 3), np.int64), None),
        (LABELS, np.zeros((2, 3, 3), np.uint8), None),
        (RGB, np.zeros((2, 3), np.uint8), None),
        (EDGES, np.zeros((0, 3), np.uint8), None),
        (LABELS, np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.uint16)),
        (LABELS, np.zeros((2, 3), np.uint8), np.zeros((3, 3), np.int32)),
        (EDGES, np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.int32)),
        (FACE, np.zeros((2, 3, 3), np.uint8), None),
        (POSE, np.zeros((2, 3), np.uint8), None),
        (POSE, np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3), np.int32)),
        (FLOW, np.zeros((2, 3, 3), np.uint8), None),
        (FLOW, np.zeros((2, 3, 2), np.uint16), None),
        (DEPTH, np.zeros((2, 3), np.uint8), None),
        (DEPTH, np.zeros((2, 3), np.uint16), np.zeros((2, 3), np.int32)),
        (LABELS, np.zeros(3, np.uint8), None),
    ],
)
def test_arrays_that_do_not_fit_are_refused(spec, array, instances):
    with pytest.raises(InputError, match="check its maker"):
        MapFrame(spec, array, instances)


@pytest.mark.parametrize(
    ("spec", "keypoints", "message"),
    [
        (FACE, np.zeros((68, 2), np.float32), "keypoints are float64 beside a face or pose map, not float32"),
        (LABELS, np.zeros((68, 2)), "beside a 'labels' map"),
        (FACE, np.zeros((1, 137, 3)), r"a face has \(68, 2\) landmarks"),
        (POSE, np.zeros((68, 2)), r"keypoints are \(people, 137, 3\)"),
        (POSE, np.full((1, 137, 3), np.nan), "no coordinate of a picture"),
    ],
)
def test_keypoints_that_do_not_fit_are_refused(spec, keypoints, message):
    shape = (2, 3) if spec.planes is None else (2, 3, spec.planes)
    with pytest.raises(InputError, match=message):
        MapFrame(spec, np.zeros(shape, np.uint8), keypoints=keypoints)


# ---- resizing


def test_labels_take_the_nearest_pixel_and_instances_follow():
    ids = np.arange(6, dtype=np.uint8).reshape(2, 3)
    frame = MapFrame(LABELS, ids, ids.astype(np.int32) + 1000)
    big = frame.resized(6, 4)
    assert np.array_equal(big.array, ids.repeat(2, 0).repeat(2, 1))
    assert np.array_equal(big.instances, big.array.astype(int) + 1000)
    small = big.resized(3, 2)
    assert np.array_equal(small.array, ids)
    assert frame.resized(3, 2) is frame
    assert frame.resized(1, 1).array.tolist() == [[4]]  # the pixel in the middle, not the corner


def test_no_size_mixes_labels():
    ids = np.random.default_rng(0).choice([0, 5, 18, 255], (37, 53)).astype(np.uint8)
    for size in ((1, 1), (20, 11), (53, 36), (54, 38), (200, 90)):
        resized = MapFrame(LABELS, ids).resized(*size)
        assert resized.size == size
        assert set(np.unique(resized.array)) <= {0, 5, 18, 255}


@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90, 130])
@pytest.mark.parametrize("shrink", [1.5, 2, 4, 7])
def test_a_thin_line_stays_a_connected_thin_line_when_edges_shrink(angle, shrink):
    import cv2

    edges = np.zeros((210, 210), np.uint8)
    across = 300 * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    ends = [tuple(int(v) for v in np.round(105 + sign * across)) for sign in (-1, 1)]
    cv2.line(edges, *ends, 255)
    size = round(210 / shrink)
    small = MapFrame(EDGES, edges).resized(size, size).array
    assert set(np.unique(small)) == {0, 255}
    regions, _ = cv2.connectedComponents(255 - small, connectivity=4)
    assert regions == 3  # the line itself and the two sides that it still keeps apart
    assert np.count_nonzero(small) <= 3 * size


def test_edges_grow_without_grey():
    edges = np.eye(5, dtype=np.uint8) * 255
    assert np.array_equal(MapFrame(EDGES, edges).resized(10, 10).array, edges.repeat(2, 0).repeat(2, 1))


def test_rgb_is_averaged_over_areas():
    rgb = np.zeros((2, 2, 3), np.uint8)
    rgb[0, 0] = (200, 100, 40)
    assert MapFrame(RGB, rgb).resized(1, 1).array.tolist() == [[[50, 25, 10]]]


def test_faces_are_interpolated_and_their_parts_are_not():
    planes = np.zeros((4, 4, 15), np.uint8)
    planes[:, 2:, 3] = 200
    parts = np.where(planes[..., 3] > 0, 5, 1).astype(np.int32)
    frame = MapFrame(FACE, planes, parts).resized(8, 8)
    assert set(np.unique(frame.array[..., 3])) > {0, 200}
    assert not np.delete(frame.array, 3, axis=2).any()
    assert set(np.unique(frame.instances)) == {1, 5}


def test_poses_take_the_nearest_pixel():
    array = np.arange(2 * 2 * 6, dtype=np.uint8).reshape(2, 2, 6)
    frame = MapFrame(MapSpec("pose", pose=PoseSettings(densepose=True)), array).resized(4, 4)
    assert np.array_equal(frame.array, array.repeat(2, 0).repeat(2, 1))


def test_keypoints_are_scaled_with_their_map():
    people = np.zeros((1, 137, 3))
    people[0, 3] = (10, 20, 0.7)
    frame = MapFrame(POSE, np.zeros((40, 30, 3), np.uint8), keypoints=people).resized(60, 20)
    assert frame.keypoints[0, 3].tolist() == [20, 10, 0.7]
    assert not np.delete(frame.keypoints, 3, axis=1).any()  # what was not found is still not found
    assert people[0, 3, 0] == 10
    landmarks = np.arange(136.0).reshape(68, 2)
    small = MapFrame(FACE, np.zeros((100, 100, 15), np.uint8), keypoints=landmarks).resized(50, 25)
    assert np.array_equal(small.keypoints, landmarks * [0.5, 0.25])


def test_flow_is_in_pixels_of_its_own_map():
    flow = np.zeros((2, 2, 2))
    flow[0, 0], flow[1, 1] = (3, -5), (500, 2)
    frame = MapFrame(FLOW, encode_flow(flow)).resized(4, 6)
    back, known = decode_flow(frame.array)
    assert back[0, 0].tolist() == [6, -15] and back[2, 1].tolist() == [6, -15] and back[5, 0].tolist() == [0, 0]
    assert back[5, 3, 0] == pytest.approx(512, abs=0.02) and known.all()  # as far as 16 bits go
    unknown = MapFrame(FLOW, np.zeros((2, 2, 3), np.uint16)).resized(5, 5)
    assert not unknown.array.any()


def test_depth_takes_the_nearest_pixel():
    depth = np.array([[0, 256], [512, 65535]], np.uint16)
    assert np.array_equal(MapFrame(DEPTH, depth).resized(4, 4).array, depth.repeat(2, 0).repeat(2, 1))


def test_a_size_of_nothing_is_refused():
    with pytest.raises(UsageError, match="0x4"):
        MapFrame(RGB, np.zeros((2, 2, 3), np.uint8)).resized(0, 4)


# ---- pictures


def test_pictures():
    ids = np.array([[0, 255]], np.uint8)
    assert MapFrame(LABELS, ids).picture().tolist() == [[[128, 64, 128], [0, 0, 0]]]
    assert MapFrame(EDGES, np.array([[0, 255]], np.uint8)).picture().tolist() == [[[0] * 3, [255] * 3]]
    rgb = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert np.array_equal(MapFrame(RGB, rgb).picture(), rgb)
    with pytest.raises(SchemaMismatch, match=r"ids \[19\]"):
        MapFrame(LABELS, ids + 19).picture()


def test_pictures_of_faces_and_poses():
    planes = np.full((1, 3, 15), 255, np.uint8)
    planes[0, :, 0] = (255, 0, 0)
    planes[0, 1, 4] = 0
    assert MapFrame(FACE, planes).picture().tolist() == [[[255] * 3, [0, 0, 160], [0, 0, 0]]]
    edges = MapFrame(MapSpec("face", face=FaceSettings(distances=False)), planes[..., :1])
    assert edges.picture().tolist() == [[[255] * 3, [0] * 3, [0] * 3]]
    both = np.array([[[80, 90, 24, 0, 0, 0], [80, 90, 24, 0, 7, 0]]], np.uint8)
    picture = MapFrame(MapSpec("pose", pose=PoseSettings(densepose=True)), both).picture()
    assert picture.tolist() == [[[40, 45, 120], [0, 7, 0]]]
    assert np.array_equal(both[0, 0, :3], [80, 90, 24])  # the map itself is left alone


def test_pictures_of_flow_and_depth():
    flow = np.zeros((1, 3, 2))
    flow[0, 1] = (4, 0)
    known = np.array([[True, True, False]])
    assert MapFrame(FLOW, encode_flow(flow, known)).picture().tolist() == [[[0] * 3, [255, 0, 0], [0] * 3]]
    picture = MapFrame(DEPTH, np.array([[0, 1, 2560, 65535]], np.uint16)).picture()
    assert (picture == picture[..., :1]).all()
    unknown, near, middle, far = picture[0, :, 0].tolist()
    assert (unknown, near, far) == (0, 254, 0) and 100 < middle < 160


def test_schemas_and_specs_import_neither_torch_nor_opencv_nor_av():
    code = (
        "import sys, v2vcli.maps.schema, v2vcli.maps.spec, v2vcli.maps.makers.edges;"
        "print([m for m in ('torch', 'cv2', 'av', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
