"""Bodies and faces from keypoints: OpenPose's files and landmarks in, painted video out, frame by frame exact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import v2vcli
from tests.engine.material import picture, read, save_painter, times, write_clip
from v2vcli.errors import InputError, ModelError, UsageError
from v2vcli.maps.drawn.face import face_map
from v2vcli.maps.drawn.keypoints import FaceSettings, PoseSettings
from v2vcli.maps.drawn.pose import pose_map
from v2vcli.maps.files.openpose import read_openpose
from v2vcli.maps.files.store import stored_source
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.worlds import open_world

VIDEO = (96, 48)
PAINT = (64, 32)
LOSSLESS: dict[str, Any] = {"codec": "libx264rgb", "pix_fmt": "rgb24", "crf": 0, "device": "cpu", "window": 4}
FRAMES = 10


@pytest.fixture(scope="module")
def dance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 10 frames that is larger than what is painted."""
    return write_clip(tmp_path_factory.mktemp("dance") / "in.mp4", [picture(t, size=VIDEO) for t in range(FRAMES)])


@pytest.fixture(scope="module")
def openpose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OpenPose's files of a body that walks, with hands; in the third frame nobody is there."""
    folder = tmp_path_factory.mktemp("openpose") / "json"
    folder.mkdir()
    generator = np.random.default_rng(0)
    body, hand = generator.uniform(5, 40, (25, 3)), generator.uniform(5, 40, (21, 3))
    body[:, 2], hand[:, 2] = 0.9, 0.8
    for t in range(FRAMES):
        step = np.array([4 * t, 0, 0])
        person = {
            "pose_keypoints_2d": (body + step).ravel().tolist(),
            "hand_left_keypoints_2d": (hand + step).ravel().tolist(),
            "hand_right_keypoints_2d": [],
            "face_keypoints_2d": [],
        }
        data = {"version": 1.3, "people": [] if t == 2 else [person]}
        (folder / f"in_{t:012d}_keypoints.json").write_text(json.dumps(data))
    return folder


def drawn(folder: Path, settings: PoseSettings = PoseSettings()) -> list[MapFrame]:  # noqa: B008
    """What the models of these tests are to be shown."""
    files = sorted(folder.glob("*.json"))
    return [pose_map(read_openpose(file), *VIDEO, settings).resized(*PAINT) for file in files]


def painted(model: Path, maps: list[MapFrame]) -> list[NDArray[np.uint8]]:
    """The same maps painted from Python, at the size of the video."""
    from v2vcli.engine.layout import scaled

    pictures = v2vcli.load(model, device="cpu").stream(maps, window=4)
    return [scaled(each, *VIDEO) for each in pictures]


def assert_frames(video: Path, source: Path, expected: list[NDArray[np.uint8]]) -> None:
    """A video is exactly these pictures, at the times of its source."""
    assert times(video) == times(source)
    np.testing.assert_array_equal([frame.image for frame in read(video)], expected)


@pytest.mark.parametrize("settings", [PoseSettings(), PoseSettings(body_only=True)])
def test_bodies_from_openpose(dance: Path, openpose: Path, tmp_path: Path, settings: PoseSettings) -> None:
    model = save_painter(tmp_path / "body.safetensors", MapSpec("pose", pose=settings), PAINT)
    asked = {"mode": "pose2body", "model": str(model), **LOSSLESS}
    v2vcli.convert(dance, tmp_path / "a.mp4", pose=f"file:{openpose}", save_maps=tmp_path / "pose.mkv", **asked)
    maps = drawn(openpose, settings)
    assert not maps[2].array.any() and maps[3].array.any()
    assert_frames(tmp_path / "a.mp4", dance, painted(model, maps))
    for name, given in (("b", {"maps": openpose}), ("c", {"pose": f"file:{tmp_path / 'pose.mkv'}"})):
        v2vcli.convert(dance, tmp_path / f"{name}.mp4", **given, save_maps=tmp_path / f"{name}.mkv", **asked)
        assert stored_source(tmp_path / f"{name}.mkv") == "file:json"  # said of maps that are read again, too
        assert (tmp_path / f"{name}.mp4").read_bytes() == (tmp_path / "a.mp4").read_bytes()


def test_stored_poses_serve_a_part_of_the_video(dance: Path, openpose: Path, tmp_path: Path) -> None:
    model = save_painter(tmp_path / "body.safetensors", MapSpec("pose"), PAINT)
    asked = {"model": str(model), **LOSSLESS}
    v2vcli.convert(dance, tmp_path / "a.mp4", pose=f"file:{openpose}", save_maps=tmp_path / "pose", **asked)
    part = {"pose": f"file:{tmp_path / 'pose'}", "start": "0.2", "duration": "0.12", **asked}
    v2vcli.convert(dance, tmp_path / "b.mp4", warmup=0, **part)
    expected = painted(model, drawn(openpose)[5:8])
    np.testing.assert_array_equal([frame.image for frame in read(tmp_path / "b.mp4")], expected)
    v2vcli.convert(dance, tmp_path / "c.mp4", **part)  # with what was painted before, which are fewer than warm up
    expected = painted(model, drawn(openpose)[:8])[5:]
    np.testing.assert_array_equal([frame.image for frame in read(tmp_path / "c.mp4")], expected)


def test_a_pose_too_few_a_wrong_model_and_no_model(dance: Path, openpose: Path, tmp_path: Path) -> None:
    model = str(save_painter(tmp_path / "body.safetensors", MapSpec("pose"), PAINT))
    few = tmp_path / "few"
    few.mkdir()
    for file in sorted(openpose.iterdir())[:4]:
        (few / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="no map for frame 4"):
        v2vcli.convert(dance, tmp_path / "o.mp4", model=model, pose=f"file:{few}", device="cpu")
    with pytest.raises(ModelError, match="use --mode pose2body"):
        v2vcli.convert(dance, tmp_path / "o.mp4", mode="seg2street", model=model, pose=f"file:{few}", device="cpu")
    with pytest.raises(UsageError, match="--mode pose2body: no model that paints from 'pose' maps is bundled"):
        v2vcli.convert(dance, tmp_path / "o.mp4", mode="pose2body", pose=f"file:{few}")
    surface = save_painter(tmp_path / "surface.safetensors", MapSpec("pose", pose=PoseSettings(densepose=True)), PAINT)
    for given in (f"file:{openpose}", "torchvision:keypointrcnn_resnet50_fpn"):
        with pytest.raises(UsageError, match=r"DensePose.* give .*maps"):
            v2vcli.convert(dance, tmp_path / "o.mp4", model=str(surface), pose=given, device="cpu")
    assert not (tmp_path / "o.mp4").exists()


@pytest.mark.parametrize("settings", [FaceSettings(), FaceSettings(background=False, distances=False)])
def test_faces_from_landmarks(tmp_path: Path, settings: FaceSettings) -> None:
    world = open_world("head", seed=1, width=VIDEO[0], height=VIDEO[1])
    frames = [world.frame(index) for index in range(3)]
    source = write_clip(tmp_path / "in.mp4", [frame.image for frame in frames])
    landmarks = tmp_path / "landmarks"
    landmarks.mkdir()
    maps = []
    for index, frame in enumerate(frames):
        assert frame.landmarks is not None
        np.savetxt(landmarks / f"{index}.txt", frame.landmarks)
        maps.append(face_map(frame.landmarks, frame.image, settings).resized(*PAINT))
    model = save_painter(tmp_path / "face.safetensors", MapSpec("face", face=settings), PAINT)
    asked = {"mode": "edge2face", "model": str(model), **LOSSLESS}
    v2vcli.convert(source, tmp_path / "a.mp4", face=f"file:{landmarks}", save_maps=tmp_path / "faces.mkv", **asked)
    assert_frames(tmp_path / "a.mp4", source, painted(model, maps))
    v2vcli.convert(source, tmp_path / "b.mp4", maps=tmp_path / "faces.mkv", **asked)
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "a.mp4").read_bytes()
