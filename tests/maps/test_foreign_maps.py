"""Maps that other programs made: OpenPose, landmarks, COCO-panoptic, Cityscapes' instance ids, KITTI."""

from __future__ import annotations

import functools
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from v2vcli.errors import InputError, SchemaMismatch, UsageError
from v2vcli.maps.drawn.face import face_map
from v2vcli.maps.drawn.keypoints import BODY, FaceSettings, PoseSettings
from v2vcli.maps.drawn.pose import pose_map
from v2vcli.maps.files.keypoint_folder import drawn_on
from v2vcli.maps.files.kitti import decode_depth, decode_flow, encode_depth, encode_flow
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.label_schema import LabelClass, LabelSchema
from v2vcli.maps.schema import CITYSCAPES19, CITYSCAPES35
from v2vcli.maps.spec import MapSpec
from v2vcli.worlds import open_world

POSE, FACE = MapSpec("pose"), MapSpec("face")
PLAIN_FACE = MapSpec("face", face=FaceSettings(background=False))


# ---- OpenPose


def _people(seed: int, count: int = 2) -> np.ndarray:
    people = np.zeros((count, 137, 3))
    people[:, BODY] = np.random.default_rng(seed).uniform(1, 60, (count, 25, 3))
    return people


def _openpose_folder(folder, clips):
    folder.mkdir()
    for number, people in clips.items():
        data = {"version": 1.3, "people": [{"pose_keypoints_2d": each[BODY].ravel().tolist()} for each in people]}
        (folder / f"clip_{number}_keypoints.json").write_text(json.dumps(data))
    return folder


def test_a_folder_of_openpose_is_drawn_at_the_videos_size(tmp_path):
    clips = {8: _people(1), 9: _people(2, 0), 10: _people(3, 1)}  # in this order, not 10, 8, 9
    source = open_maps(_openpose_folder(tmp_path / "poses", clips), POSE, size=(80, 64))
    assert source.length == 3
    for frame, people in zip(source, clips.values(), strict=True):
        assert frame.size == (80, 64)
        assert np.array_equal(frame.array, pose_map(people, 80, 64).array)
        assert np.array_equal(frame.keypoints, people)


def test_what_openpose_cannot_give(tmp_path):
    folder = _openpose_folder(tmp_path / "poses", {0: _people(1)})
    with pytest.raises(UsageError, match="holds keypoints without the size of their pictures"):
        open_maps(folder, POSE)
    with pytest.raises(UsageError, match=r"the model paints from DensePose too, which .* lacks"):
        open_maps(folder, MapSpec("pose", pose=PoseSettings(densepose=True)), size=(80, 64))
    (folder / "clip_0_keypoints.json").write_text("[1, 2]")
    with pytest.raises(InputError, match=r"clip_0_keypoints\.json has no list of 'people'"):
        open_maps(folder, POSE, size=(80, 64))
    with pytest.raises(InputError, match=r"clip_0_keypoints\.json has no list of 'landmarks'"):
        open_maps(folder, FACE, size=(80, 64))


def test_a_video_is_no_pose_map(tmp_path):
    from tests.maps.clips import encode

    path = encode(tmp_path / "v.mkv", [np.zeros((16, 16, 3), np.uint8)], "ffv1", "bgr0")
    with pytest.raises(InputError, match="is a video, but 'pose' maps are read from files that v2v stored or a folder"):
        open_maps(path, POSE)
    with pytest.raises(InputError, match="a folder of 16-bit PNGs as KITTI's"):
        open_maps(path, MapSpec("flow"))


# ---- landmarks


@functools.cache
def _landmarks() -> tuple[np.ndarray, np.ndarray]:
    frame = open_world("head", 3, 128, 96).frame(0)
    return frame.landmarks.astype(np.float64), frame.image


@pytest.mark.parametrize("suffix", ["txt", "space.txt", "pts", "json"])
def test_landmark_files_of_all_sorts_are_drawn(tmp_path, suffix):
    points, _ = _landmarks()
    rows = {
        "txt": "\n".join(f"{x!r},{y!r}" for x, y in points.tolist()),
        "space.txt": "\n".join(f"{x!r} {y!r}" for x, y in points.tolist()) + "\n\n",
        "pts": "version: 1\nn_points: 68\n{\n" + "\n".join(f"{x + 1!r} {y + 1!r}" for x, y in points.tolist()) + "\n}",
        "json": json.dumps({"landmarks": points.tolist()}),
    }
    (tmp_path / f"0.{suffix}").write_text(rows[suffix])
    (frame,) = open_maps(tmp_path, PLAIN_FACE, size=(128, 96))
    assert np.allclose(frame.keypoints, points, rtol=0, atol=1e-12)  # .pts counts from 1
    drawn = face_map(frame.keypoints, np.zeros((96, 128, 3), np.uint8), PLAIN_FACE.face)
    assert np.array_equal(frame.array, drawn.array) and np.array_equal(frame.instances, drawn.instances)


def test_the_background_is_drawn_where_the_photo_is(tmp_path):
    points, photo = _landmarks()
    (tmp_path / "0.json").write_text(json.dumps({"landmarks": points.tolist()}))
    (frame,) = open_maps(tmp_path, FACE, size=(128, 96))
    whole = face_map(points, photo)
    assert np.array_equal(drawn_on(frame, photo).array, whole.array)
    assert not np.array_equal(frame.array, whole.array)
    plain = open_maps(tmp_path, PLAIN_FACE, size=(128, 96))
    (frame,) = plain
    assert drawn_on(frame, photo) is frame


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"\(0 lines\)"),
        ("1,2\n" * 69, r"\(69 lines\)"),
        ("x,y\n" * 68, r"\('x,y'\)"),
        ("1,2,3\n" * 68, r"\('1,2,3'\)"),
        ("nan,1\n" * 68, r"\('nan,1'\)"),
        ("[" * 5000, r"\('\[{40}'\)"),
    ],
)
def test_other_text_is_no_landmarks(tmp_path, text, message):
    (tmp_path / "0.txt").write_text(text)
    with pytest.raises(InputError, match=rf"0\.txt holds no landmarks {message}; 68 lines of x and y are wanted"):
        open_maps(tmp_path, FACE, size=(64, 64))


def test_landmarks_that_no_picture_has(tmp_path):
    (tmp_path / "0.txt").write_text("1e9,1\n" * 68)
    with pytest.raises(InputError, match=r"0\.txt: a landmark lies at 1e\+09: no coordinate of a picture"):
        open_maps(tmp_path, FACE, size=(64, 64))


# ---- COCO-panoptic


CATEGORIES = [
    {"id": 7, "name": "road", "isthing": 0, "color": [128, 64, 128]},
    {"id": 26, "name": "car", "isthing": 1, "color": [0, 0, 142]},
    {"id": 200, "name": "sky", "isthing": 0},
]


def _panoptic(folder, pictures, categories=CATEGORIES, json_at=None):
    """`pictures`: (H, W) segment ids and {segment: category} each."""
    folder.mkdir()
    annotations = []
    for number, (ids, segments) in enumerate(pictures):
        rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
        Image.fromarray(rgb).save(folder / f"{number}.png")
        info = [{"id": int(s), "category_id": c, "iscrowd": 0, "area": 1} for s, c in segments.items()]
        annotations.append({"image_id": number, "file_name": f"{number}.png", "segments_info": info})
    file = json_at or folder.with_name(f"{folder.name}.json")
    file.write_text(json.dumps({"images": [], "annotations": annotations[::-1], "categories": categories}))
    return file


BIG = 3_226_956  # as COCO's are: the colour of a category, changed a little
SEGMENTS = [
    (np.array([[BIG, BIG, 0], [9, 9, 70_000]]), {BIG: 7, 9: 26, 70_000: 26}),
    (np.array([[70_000, BIG, BIG], [BIG, BIG, 9]]), {BIG: 7, 9: 26, 70_000: 26}),
]


@pytest.mark.parametrize("where", ["beside", "inside"])
@pytest.mark.parametrize("given", ["json", "folder"])
def test_panoptic_pngs_become_labels_with_instances(tmp_path, where, given):
    folder = tmp_path / "panoptic_val"
    file = _panoptic(folder, SEGMENTS, json_at=folder / "panoptic.json" if where == "inside" else None)
    own = LabelSchema("own", tuple(LabelClass(n, i, (i, 1, 2), i == 2) for i, n in enumerate(["road", "sky", "car"])))
    spec = MapSpec("labels", own, instance_edges=True)
    source = open_maps(file if given == "json" else folder, spec)
    assert source.length == 2 and source.schema.class_named("car").foreground
    first, second = source
    assert first.array.tolist() == [[0, 0, 255], [2, 2, 2]]
    assert second.array.tolist() == [[2, 0, 0], [0, 0, 2]]
    road, car, other = first.instances[0, 0], first.instances[1, 0], first.instances[1, 2]
    assert len({0, road, car, other}) == 4 and max(road, car, other) < 2**16
    assert second.instances.tolist() == [[other, road, road], [road, road, car]]  # they keep their numbers
    assert first.instances[0, 2] == 0


def test_small_segment_ids_are_the_instances(tmp_path):
    file = _panoptic(tmp_path / "p", [(np.array([[26_001, 26_002]]), {26_001: 26, 26_002: 26})])
    (frame,) = open_maps(file, MapSpec("labels", CITYSCAPES19))
    assert frame.instances.tolist() == [[26_001, 26_002]]
    assert (frame.array == CITYSCAPES19.class_named("car").id).all()


def test_categories_that_fit_no_byte_are_numbered(tmp_path):
    categories = [{"id": 1000 + i, "name": f"thing {i}", "isthing": 1} for i in range(40)]
    file = _panoptic(tmp_path / "p", [(np.array([[1, 2]]), {1: 1000, 2: 1039})], categories)
    schema = open_maps(file, _schema_of(file)).schema
    assert [c.id for c in schema.classes] == list(range(40))
    assert len({c.colour for c in schema.classes}) == 40


def _schema_of(file):
    from v2vcli.maps.files.panoptic import PanopticFolder

    return MapSpec("labels", PanopticFolder.open(file).schema)


def test_panoptic_files_that_contradict_themselves(tmp_path):
    file = _panoptic(tmp_path / "p", SEGMENTS)
    good = json.loads(file.read_text())
    with pytest.raises(SchemaMismatch, match="schema 'p' does not fit 'voc21': no home for road, sky"):
        from v2vcli.maps.schema import VOC21

        open_maps(file, MapSpec("labels", VOC21))
    spec = _schema_of(file)

    def broken(change, message):
        data = json.loads(json.dumps(good))
        change(data)
        file.write_text(json.dumps(data))
        with pytest.raises(InputError, match=message):
            list(open_maps(file, spec))

    broken(
        lambda d: d["annotations"][1]["segments_info"].pop(0), r"0\.png has the segments \[3226956\], which .*p\.json"
    )
    broken(lambda d: d["annotations"][0].update(file_name="9.png"), r"names '9\.png', which is not in")
    broken(lambda d: d["annotations"][0].update(file_name="../p.json"), r"names '\.\./p\.json', which is not in")
    broken(lambda d: d.pop("categories"), "is no panoptic JSON of COCO: KeyError 'categories'")
    broken(lambda d: d["annotations"][0]["segments_info"][0].update(category_id=[]), "is no panoptic JSON of COCO")
    broken(lambda d: d["categories"].append(CATEGORIES[0]), "p.json: label schema 'p': id 7 is both")
    broken(lambda d: d.update(annotations=[{}]), "lists no panoptic annotations")


# ---- Cityscapes


def test_instance_ids_alone_are_split_into_class_and_object(tmp_path):
    ids = np.array([[7, 26_000, 26_001], [23, 24, 24_017]], np.uint16)
    Image.fromarray(ids).save(tmp_path / "ulm_000000_000019_gtFine_instanceIds.png")
    (frame,) = open_maps(tmp_path, MapSpec("labels", CITYSCAPES35, instance_edges=True))
    assert frame.array.tolist() == [[7, 26, 26], [23, 24, 24]]
    assert np.array_equal(frame.instances, ids)
    (small,) = open_maps(tmp_path, MapSpec("labels", CITYSCAPES19))
    assert small.array[0, 1] == CITYSCAPES19.class_named("car").id
    Image.fromarray(ids * 0 + 999).save(tmp_path / "ulm_000000_000019_gtFine_instanceIds.png")
    with pytest.raises(InputError, match="has the id 999, which is neither a class nor class"):
        open_maps(tmp_path, MapSpec("labels", CITYSCAPES35))


# ---- KITTI


def test_kittis_flow_and_depth_are_read_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    flow = rng.integers(0, 2**16, (9, 11, 3)).astype(np.uint16)
    depth = rng.integers(0, 2**16, (9, 11)).astype(np.uint16)
    for name, array in (("flow", flow[..., ::-1]), ("depth", depth)):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "000000_10.png"), array)  # OpenCV has blue first
    (found,) = open_maps(tmp_path / "flow", MapSpec("flow"))
    assert np.array_equal(found.array, flow)
    (found,) = open_maps(tmp_path / "depth", MapSpec("depth"))
    assert np.array_equal(found.array, depth)
    for name, kind, wanted in (("flow", "depth", "16-bit grey"), ("depth", "flow", "16-bit RGB")):
        with pytest.raises(InputError, match=rf"000000_10\.png is no {wanted} PNG"):
            open_maps(tmp_path / name, MapSpec(kind))
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "depth" / "000000_10.png")
    with pytest.raises(InputError, match="is no 16-bit grey PNG"):
        open_maps(tmp_path / "depth", MapSpec("depth"))


def test_flow_and_depth_go_there_and_back():
    flow = np.array([[[0, 0], [1.5, -2.25], [-512, 511.984375]], [[600, 0], [0, -513], [np.nan, 0]]])
    stored = encode_flow(flow)
    assert stored.tolist()[0] == [[32768, 32768, 1], [32864, 32624, 1], [0, 65535, 1]]
    assert not stored[1].any()
    back, known = decode_flow(stored)
    assert known.tolist() == [[True] * 3, [False] * 3]
    assert np.array_equal(back[0], flow[0]) and not back[1].any()
    assert not encode_flow(flow, np.zeros((2, 3), bool)).any()
    metres = np.array([[0.0, 1, 255.99609375], [256, np.inf, -1]])
    assert encode_depth(metres).tolist() == [[0, 256, 65535], [0, 0, 0]]
    assert decode_depth(encode_depth(metres)).tolist() == [[0, 1, 255.99609375], [0, 0, 0]]
