"""Every kind of map comes back from a file and from a folder as the same arrays, whatever its size and times."""

from __future__ import annotations

import json
from fractions import Fraction
from importlib.metadata import version

import av
import numpy as np
import pytest

from tests.maps.clips import random_map
from v2vcli.errors import DamagedInput, InputError
from v2vcli.maps.drawn.keypoints import FaceSettings, PoseSettings
from v2vcli.maps.drawn.pose import pose_map
from v2vcli.maps.files.map_file import SOURCE_TAG, SPEC_TAG, VERSION_TAG, stored_as, stored_maps
from v2vcli.maps.files.map_folder import folder_stored_as
from v2vcli.maps.files.openpose import read_openpose
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.files.store import MapWriter, stored_source
from v2vcli.maps.schema import CAMVID11, CITYSCAPES35
from v2vcli.maps.spec import CannySettings, MapFrame, MapSpec

SPECS = {
    "labels": MapSpec("labels", CAMVID11),
    "labels with instances": MapSpec("labels", CITYSCAPES35, instance_edges=True),
    "edges": MapSpec("edges", edges=CannySettings(distance=True)),
    "rgb": MapSpec("rgb"),
    "face": MapSpec("face"),
    "face without distances": MapSpec("face", face=FaceSettings(distances=False)),
    "pose": MapSpec("pose"),
    "pose on DensePose": MapSpec("pose", pose=PoseSettings(densepose=True)),
    "flow": MapSpec("flow"),
    "depth": MapSpec("depth"),
}
SIZES = [(1, 1), (1, 7), (15, 2), (16, 16), (17, 33), (64, 48), (131, 77)]
each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def times(rng: np.random.Generator, count: int) -> list[Fraction]:
    """A constant rate, or one that varies, with times that no millisecond meets."""
    begin = Fraction(int(rng.integers(-100, 100)), int(rng.integers(1, 90)))
    if rng.random() < 0.5:
        return [begin + t / Fraction(30000, 1001) for t in range(count)]
    steps = [Fraction(int(rng.integers(1, 10**6)), int(rng.integers(1, 10**7))) for _ in range(count)]
    return [begin + sum(steps[:t], Fraction(0)) for t in range(count)]


def store(path, frames, pts, **options):
    with MapWriter(path, frames[0].spec, **options) as writer:
        for frame, time in zip(frames, pts, strict=True):
            writer.write(frame, time)
    return path


def assert_same(found: list[tuple[Fraction | None, MapFrame]], frames: list[MapFrame], pts: list[Fraction]) -> None:
    assert [time for time, _ in found] == pts
    for (_, got), frame in zip(found, frames, strict=True):
        assert got.spec == frame.spec
        assert got.array.dtype == frame.array.dtype and np.array_equal(got.array, frame.array)
        assert (got.instances is None) == (frame.instances is None)
        assert got.instances is None or np.array_equal(got.instances, frame.instances)
        assert (got.keypoints is None) == (frame.keypoints is None)
        if got.keypoints is not None and frame.keypoints is not None:
            assert got.keypoints.shape == frame.keypoints.shape
            assert got.keypoints.tobytes() == frame.keypoints.tobytes()  # -0.0 is not 0.0 here


def round_trip(tmp_path, spec: MapSpec, size: tuple[int, int], seed: int, count: int = 4) -> None:
    rng = np.random.default_rng(seed)
    frames = [random_map(spec, size, rng) for _ in range(count)]
    pts = times(rng, count)
    for name in ("maps.mkv", "maps"):
        path = store(tmp_path / name, frames, pts)
        source = open_maps(path, spec)
        assert_same(list(source.timed()), frames, pts)
        later = int(rng.integers(0, count))
        assert_same(list(source.timed(pts[later])), frames[later:], pts[later:])


@each_spec
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_file_and_folder_give_back_the_same(tmp_path, spec, size):
    round_trip(tmp_path, spec, size, seed=size[0] * 1000 + size[1])


@pytest.mark.slow
@each_spec
def test_the_largest_size(tmp_path, spec):
    tile = random_map(spec, (128, 135), np.random.default_rng(5))
    times = (16, 32)  # noise throughout would take a minute of compressing
    array = np.tile(tile.array, (*times, *(1,) * (tile.array.ndim - 2)))
    instances = None if tile.instances is None else np.tile(tile.instances, times)
    frame = MapFrame(spec, array, instances, tile.keypoints)
    assert frame.size == (4096, 2160)
    for name in ("maps.mkv", "maps"):
        path = store(tmp_path / name, [frame], [Fraction(1, 3)])
        assert_same(list(open_maps(path, spec).timed()), [frame], [Fraction(1, 3)])


@pytest.mark.slow
@each_spec
def test_any_size_and_times(tmp_path, spec):
    rng = np.random.default_rng(6)
    for seed in range(25):
        (tmp_path / str(seed)).mkdir()
        size = tuple(round(2 ** rng.uniform(0, 8)) for _ in range(2))
        round_trip(tmp_path / str(seed), spec, size, seed, count=int(rng.integers(1, 9)))


@pytest.mark.parametrize("target", ["maps.mkv", "maps"])
def test_keypoints_may_come_and_go_and_nobody_is_not_unknown(tmp_path, target):
    spec = SPECS["pose"]
    rng = np.random.default_rng(1)
    everybody = random_map(spec, (32, 24), rng)
    frames = [
        MapFrame(spec, everybody.array),
        MapFrame(spec, everybody.array, keypoints=np.zeros((0, 137, 3))),
        MapFrame(spec, everybody.array, keypoints=np.zeros((1, 137, 3))),
        MapFrame(spec, everybody.array, keypoints=np.full((3, 137, 3), 1 / 3)),
        MapFrame(spec, everybody.array),
    ]
    pts = [Fraction(t, 50_000) for t in range(5)]  # twenty in a millisecond
    assert_same(list(open_maps(store(tmp_path / target, frames, pts), spec).timed()), frames, pts)


def test_the_same_keypoints_give_the_same_bytes(tmp_path):
    frames = [random_map(SPECS["face"], (40, 30), np.random.default_rng(2)) for _ in range(3)]
    pts = [Fraction(t, 25) for t in range(3)]
    a, b = (store(tmp_path / name, frames, pts).read_bytes() for name in ("a.mkv", "b.mkv"))
    assert a == b


# ---- what others can make of it


def test_the_first_stream_is_a_picture_and_the_keypoints_are_text(tmp_path):
    people = np.zeros((1, 137, 3))
    people[0, [1, 2, 8], :] = [[20, 10, 1], [10, 12, 1], [20, 30, 1]]
    frame = pose_map(people, 48, 40)
    path = store(tmp_path / "m.mkv", [frame] * 3, [Fraction(t, 25) for t in range(3)])
    with av.open(str(path)) as container:
        picture, text = container.streams
        assert (picture.type, picture.codec_context.name, picture.format.name) == ("video", "ffv1", "bgr0")
        assert (text.type, text.metadata["title"], int(text.disposition)) == ("subtitle", "keypoints", 0)
        decoded = next(container.decode(picture))
        assert np.array_equal(decoded.to_ndarray(format="rgb24"), frame.picture())
    with av.open(str(path)) as container:
        lines = [bytes(packet) for packet in container.demux(container.streams[1]) if packet.size]
    assert len(lines) == 3
    (tmp_path / "person.json").write_bytes(lines[1])
    assert np.array_equal(read_openpose(tmp_path / "person.json"), people)


@each_spec
def test_every_kind_shows_a_picture_in_any_player(tmp_path, spec):
    frame = random_map(spec, (64, 48), np.random.default_rng(3))
    with av.open(str(store(tmp_path / "m.mkv", [frame], [Fraction(0)]))) as container:
        assert container.streams[0].type == "video"
        chosen = container.streams.best("video")  # as ffplay chooses
        shown = next(container.decode(chosen)).to_ndarray(format="rgb24")
    assert shown.shape == (48, 64, 3) and shown.std() > 30
    if spec.kind == "labels":
        assert np.array_equal(shown, frame.picture())


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (641, 3), (1281, 720), (640, 480)])
def test_the_colours_of_labels_are_small(tmp_path, size):
    spec = SPECS["labels"]
    frame = MapFrame(spec, np.full(size[::-1], 3, np.uint8))
    path = store(tmp_path / "m.mkv", [frame], [Fraction(0)])
    with av.open(str(path)) as container:
        shown = next(container.decode(container.streams.best("video"))).to_ndarray(format="rgb24")
    assert max(shown.shape[:2]) <= 320 and max(shown.shape[:2]) >= min(max(size), 160)
    assert (shown == spec.label_schema.palette[3]).all()
    (back,) = open_maps(path, spec)
    assert np.array_equal(back.array, frame.array)


def test_people_in_a_folder_are_openposes(tmp_path):
    frame = random_map(SPECS["pose"], (32, 24), np.random.default_rng(4))
    folder = store(tmp_path / "m", [frame], [Fraction(0)])
    assert np.array_equal(read_openpose(folder / "keypoints" / "000000.json"), frame.keypoints)


def test_who_made_them_and_which_v2v(tmp_path):
    spec = SPECS["depth"]
    frame = random_map(spec, (8, 8), np.random.default_rng(0))
    for name in ("m.mkv", "m"):
        path = store(tmp_path / name, [frame], [Fraction(0)], source="hf:somebody/depth-é 1a2b")
        assert stored_source(path) == "hf:somebody/depth-é 1a2b"
        about = stored_as(path) if path.is_file() else folder_stored_as(path)
        assert about is not None and (about.spec, about.version) == (spec, version("v2vcli"))
    with av.open(str(tmp_path / "m.mkv")) as container:
        assert {SPEC_TAG, SOURCE_TAG, VERSION_TAG} <= set(container.metadata)
    assert stored_source(store(tmp_path / "unsaid.mkv", [frame], [Fraction(0)])) == ""


# ---- drawn in another way than the model's


def test_a_pose_is_drawn_again_for_a_model_that_wants_it_otherwise(tmp_path):
    spec, wanted = SPECS["pose"], MapSpec("pose", pose=PoseSettings(body_only=True))
    frame = pose_map(np.random.default_rng(7).uniform(1, 40, (1, 137, 3)), 48, 40)
    path = store(tmp_path / "m.mkv", [frame], [Fraction(0)])
    found = next(iter(open_maps(path, wanted)))
    assert np.array_equal(found.array, pose_map(frame.keypoints, 48, 40, wanted.pose).array)
    assert not np.array_equal(found.array, frame.array)
    bare = store(tmp_path / "bare.mkv", [MapFrame(spec, frame.array)], [Fraction(0)])
    with pytest.raises(InputError, match=r"was drawn with PoseSettings\(densepose=False, body_only=False.* make the"):
        open_maps(bare, wanted)


@pytest.mark.parametrize("target", ["maps.mkv", "maps"])
def test_other_kinds_are_refused(tmp_path, target):
    path = store(tmp_path / target, [random_map(SPECS["face"], (8, 8), np.random.default_rng(0))], [Fraction(0)])
    with pytest.raises(InputError, match="holds 'face' maps, but the model paints from 'pose' maps; give maps of"):
        open_maps(path, SPECS["pose"])


# ---- damage


def _keypoint_file(tmp_path):
    rng = np.random.default_rng(8)
    frames = [random_map(SPECS["face"], (16, 16), rng) for _ in range(3)]
    return store(tmp_path / "m.mkv", frames, [Fraction(t, 25) for t in range(3)])


def test_a_digit_that_changed_in_the_keypoints_is_found(tmp_path):
    path = _keypoint_file(tmp_path)
    data = path.read_bytes()
    place = data.index(b"landmarks", data.index(b"landmarks") + 1) + 20
    place = next(i for i in range(place, place + 99) if data[i : i + 1].isdigit())
    path.write_bytes(data[:place] + (b"1" if data[place : place + 1] != b"1" else b"2") + data[place + 1 :])
    with pytest.raises(DamagedInput, match="damaged at frame 1: checksum of the keypoints; make the maps anew"):
        list(stored_maps(path))


def test_keypoints_that_are_gone_are_missed(tmp_path):
    path = _keypoint_file(tmp_path)
    with av.open(str(path)) as found, av.open(str(tmp_path / "bare.mkv"), "w") as bare:
        streams = [bare.add_stream_from_template(each, opaque=True) for each in found.streams.video]
        bare.metadata.update(found.metadata)
        for packet in found.demux(found.streams.video):
            if packet.size:
                packet.stream = streams[packet.stream_index]
                bare.mux(packet)
    with pytest.raises(DamagedInput, match="its keypoints are missing"):
        list(stored_maps(tmp_path / "bare.mkv"))


def test_damaged_json_beside_the_maps_is_named(tmp_path):
    folder = store(tmp_path / "m", [random_map(SPECS["pose"], (8, 8), np.random.default_rng(0))], [Fraction(0)])
    file = folder / "keypoints" / "000000.json"
    file.write_text(file.read_text()[:-9])
    with pytest.raises(InputError, match=r"keypoints/000000\.json is not JSON"):
        open_maps(folder, SPECS["pose"])
    (folder / "maps.json").write_text(json.dumps({"spec": {"kind": "pose", "pose": {"socks": True}}}))
    with pytest.raises(InputError, match=r"maps\.json: spec: .*socks"):
        open_maps(folder, SPECS["pose"])
    (folder / "maps.json").unlink()
    with pytest.raises(InputError, match=r"has no maps\.json, so nothing says how its 'pose' maps were drawn"):
        open_maps(folder, SPECS["pose"])
