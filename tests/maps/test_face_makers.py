"""Face maps from frames: whose landmarks they are, and what is drawn where nobody is.

No landmark here was found by the published weights: they are not fetched by tests. What is real, and slow, is the
package's cropping and its reading of heat maps, with a network that says where the points are; and its own networks
with random weights, loaded from files as published ones are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.maps.fake_hub import Attempts, attempts
from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.drawn.face import face_map
from v2vcli.maps.drawn.keypoints import FaceSettings
from v2vcli.maps.makers.extractors import MapExtractor
from v2vcli.maps.makers.face_makers import (
    LONGEST,
    REQUIREMENT,
    FaceMaker,
    faceless_map,
    fetch_weights,
    largest_face,
    open_face_alignment,
)
from v2vcli.maps.makers.weights import torch_file
from v2vcli.worlds import open_world

__all__ = ["attempts"]

WIDTH, HEIGHT = 160, 128


@pytest.fixture(scope="module")
def heads() -> list[tuple[NDArray[np.uint8], NDArray[Any]]]:
    """Frames of the procedural head, each with its landmarks."""
    world = open_world("head", seed=3, width=WIDTH, height=HEIGHT)
    return [(frame.image, frame.landmarks) for frame in (world.frame(index) for index in range(5))]


def box_of(landmarks: NDArray[Any], score: float = 0.9) -> NDArray[np.float64]:
    return np.array([*landmarks.min(axis=0), *landmarks.max(axis=0), score], np.float64)


class Knows:
    """An aligner that knows the pictures it will see: for each the landmarks of every face."""

    def __init__(self, known: Sequence[tuple[NDArray[np.uint8], list[NDArray[Any]]]], shrunk: float = 1.0) -> None:
        self.known = known
        self.shrunk = shrunk
        self.face_detector = self
        self.seen: list[tuple[int, ...]] = []
        self.asked = 0
        self.upcoming = 0

    def detect_from_batch(self, tensor: torch.Tensor) -> list[list[NDArray[np.float64]]]:
        self.seen.append(tuple(tensor.shape))
        assert tensor.dtype == torch.uint8
        mine = [self.known[(self.upcoming + n) % len(self.known)] for n in range(len(tensor))]
        self.upcoming += len(tensor)
        scale = np.array([self.shrunk] * 4 + [1.0])
        return [[box_of(face) * scale for face in faces] for _, faces in mine]

    def get_landmarks_from_image(self, image_or_path: NDArray[np.uint8], detected_faces: list[Any]) -> list[Any]:
        (box,) = detected_faces  # of one face alone: others cost as much
        self.asked += 1
        for image, faces in self.known:
            if np.array_equal(image, image_or_path):
                nearest = min(faces, key=lambda face: float(np.abs(box_of(face)[:4] - box).max()))
                assert np.abs(box_of(nearest)[:4].clip(0, (*image.shape[1::-1],) * 2) - box).max() < 2
                return [nearest.astype(np.float32)]
        raise AssertionError("a picture that nobody gave")


def test_the_map_is_that_of_the_landmarks(heads: list[Any]) -> None:
    settings = FaceSettings(background=False)
    maker = FaceMaker(Knows([(image, [face]) for image, face in heads]), "cpu", settings)
    assert isinstance(maker, MapExtractor)
    made = maker.extract([image for image, _ in heads], (80, 64))
    assert len(made) == len(heads)
    for one, (image, landmarks) in zip(made, heads, strict=True):
        drawn = face_map(landmarks, image, settings).resized(80, 64)
        assert one.spec == maker.spec
        assert np.array_equal(one.array, drawn.array)
        assert one.keypoints is not None and drawn.keypoints is not None
        assert np.allclose(one.keypoints, landmarks / 2, atol=1e-4)


def test_a_batch_gives_the_maps_of_its_frames(heads: list[Any]) -> None:
    knows = Knows([(image, [face]) for image, face in heads])
    maker = FaceMaker(knows, "cpu")
    images = [image for image, _ in heads]
    together = maker.extract(images, (WIDTH, HEIGHT))
    assert [shape[0] for shape in knows.seen] == [4, 1]
    for image, made in zip(images, together, strict=True):
        (alone,) = maker.extract([image], (WIDTH, HEIGHT))
        assert np.array_equal(made.array, alone.array)
        assert made.instances is not None and alone.instances is not None
        assert np.array_equal(made.instances, alone.instances)
    assert maker.extract([], (WIDTH, HEIGHT)) == []


def test_of_several_faces_it_is_the_largest(heads: list[Any]) -> None:
    image, landmarks = heads[0]
    small = (landmarks - landmarks.mean(axis=0)) * 0.3 + (30, 30)
    knows = Knows([(image, [small, landmarks, small + 40])])
    (made,) = FaceMaker(knows, "cpu").extract([image], (WIDTH, HEIGHT))
    assert made.keypoints is not None
    assert np.allclose(made.keypoints, landmarks, atol=1e-3)
    assert knows.asked == 1


def test_the_largest_is_what_the_picture_shows_of_it() -> None:
    boxes = np.array([[-300.0, 10, 20, 90], [40, 10, 80, 60], [90, 10, 130, 60]])
    assert largest_face(boxes, 160, 128).tolist() == [40, 10, 80, 60]  # type: ignore[union-attr]
    assert largest_face(boxes[:1], 160, 128).tolist() == [0, 10, 20, 90]  # type: ignore[union-attr]
    assert largest_face(np.array([[10.0, 10, 17, 90], [200, 10, 300, 90], [50, 50, 40, 40]]), 160, 128) is None
    assert largest_face(np.zeros((0, 4)), 160, 128) is None


def test_faces_are_looked_for_in_a_smaller_picture() -> None:
    import cv2

    world = open_world("head", seed=5, width=WIDTH, height=HEIGHT).frame(0)
    image = np.asarray(cv2.resize(world.image, (WIDTH * 8, HEIGHT * 8)))
    knows = Knows([(image, [world.landmarks * 8])], shrunk=LONGEST / (WIDTH * 8))
    (made,) = FaceMaker(knows, "cpu").extract([image], (WIDTH, HEIGHT))
    assert knows.seen == [(1, 3, LONGEST * HEIGHT // WIDTH, LONGEST)]
    assert made.keypoints is not None
    assert np.allclose(made.keypoints, world.landmarks, atol=1e-3)


@pytest.mark.parametrize("settings", [FaceSettings(), FaceSettings(background=False), FaceSettings(distances=False)])
def test_where_nobody_is_nothing_is_made_up(heads: list[Any], settings: FaceSettings) -> None:
    (image, landmarks), (other, _) = heads[:2]
    knows = Knows([(image, [landmarks]), (other, [])])
    face, nobody = FaceMaker(knows, "cpu", settings).extract([image, other], (WIDTH, HEIGHT))
    assert face.keypoints is not None
    assert nobody.keypoints is None
    assert nobody.instances is not None and not nobody.instances.any()
    assert nobody.spec == face.spec and nobody.array.shape == face.array.shape
    assert np.array_equal(nobody.array, faceless_map(other, settings).array)
    assert nobody.array[..., 0].any() == settings.background
    assert (nobody.array[..., 1:] == 255).all()
    assert set(np.unique(nobody.array[..., 0])) <= {0, 255}


def test_pictures_of_different_sizes(heads: list[Any]) -> None:
    image, landmarks = heads[0]
    narrow = np.ascontiguousarray(image[:, :120])
    knows = Knows([(image, [landmarks]), (narrow, [])])
    made = FaceMaker(knows, "cpu").extract([image, narrow], (60, 50))
    assert [one.size for one in made] == [(60, 50)] * 2
    assert [shape[0] for shape in knows.seen] == [1, 1]


# ---- what cannot be opened


def test_there_are_two_models() -> None:
    with pytest.raises(UsageError, match="did you mean 2d") as raised:
        open_face_alignment("2", "cpu")
    assert "choose 2d or 3d" in str(raised.value)


def test_offline_nothing_is_asked_for_weights_that_are_not_there(
    tmp_path: Path, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("face_alignment", reason=f"the extra [face] is not installed: {REQUIREMENT}")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError) as raised:
        open_face_alignment("2d", "cpu")
    assert str(tmp_path / "hub" / "checkpoints" / "s3fd-") in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not attempts.made


# ---- the package itself


@pytest.fixture
def package() -> Any:
    """face-alignment: slow to import, for it compiles on the way."""
    return pytest.importorskip("face_alignment", reason=f"the extra [face] is not installed: {REQUIREMENT}")


@pytest.mark.slow
def test_landmarks_of_the_package_lie_where_its_network_says(package: Any) -> None:
    # Its cropping and its reading of heat maps, about a network that finds the brightest pixel.
    image = np.zeros((240, 320, 3), np.uint8)
    spots = [(140, 90), (180, 96), (160, 130), (150, 150)]
    for value, (x, y) in zip((40, 90, 150, 220), spots, strict=True):
        image[y - 4 : y + 5, x - 4 : x + 5] = value

    class BrightSpots(torch.nn.Module):
        """A heat map for each landmark: where the picture has the spot's brightness."""

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            grey = torch.nn.functional.avg_pool2d(pictures.mean(dim=1, keepdim=True), 4)
            levels = torch.tensor([40, 90, 150, 220])[torch.arange(68) % 4].view(1, 68, 1, 1) / 255
            return 1 - (grey - levels).abs()

    aligner = package.FaceAlignment.__new__(package.FaceAlignment)
    aligner.device, aligner.dtype, aligner.flip_input, aligner.max_batch_size = "cpu", torch.float32, False, 1
    aligner.landmarks_type, aligner.face_alignment_net = package.LandmarksType.TWO_D, BrightSpots()

    class Detector:
        reference_scale = 195

        def detect_from_batch(self, tensor: torch.Tensor) -> list[Any]:
            return [np.array([[110.0, 60, 210, 180, 0.9]])] * len(tensor)

    aligner.face_detector = Detector()
    (made,) = FaceMaker(aligner, "cpu").extract([image], (320, 240))
    assert made.keypoints is not None
    for landmark in range(68):
        assert np.abs(made.keypoints[landmark] - spots[landmark % 4]).max() < 6, landmark  # the spot has 9 pixels


@pytest.mark.slow
@pytest.mark.parametrize("model", ["2d", "3d"])
def test_the_package_is_opened_with_files_that_lie_in_torchs_cache(
    package: Any,
    model: str,
    tmp_path: Path,
    attempts: Attempts,
    monkeypatch: pytest.MonkeyPatch,
    heads: list[Any],
) -> None:
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.models import FAN

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with monkeypatch.context() as before_they_are_there:
        before_they_are_there.setattr(
            "v2vcli.maps.makers.face_makers.fetch", lambda url, name, progress: torch_file(url)
        )
        detector_file, network_file = fetch_weights(model)
    detector_file.parent.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(s3fd().state_dict(), detector_file)
    torch.save(FAN(4).state_dict(), network_file)
    before = torch.backends.cudnn.benchmark
    maker = open_face_alignment(model, "cpu", FaceSettings(background=False))
    images = [image for image, _ in heads[:2]]
    assert len(maker.extract(images, (80, 64))) == 2  # random weights find anything, or nothing
    one_face = [(20, 20, 120, 120, 1.0)]
    detector = maker._aligner.face_detector
    monkeypatch.setattr(detector, "detect_from_batch", lambda tensor: [one_face] * len(tensor))
    made = maker.extract(images, (80, 64))
    assert all(one.keypoints is not None and np.isfinite(one.keypoints).all() for one in made)
    for image, one in zip(images, made, strict=True):
        (alone,) = maker.extract([image], (80, 64))
        assert np.array_equal(one.array, alone.array)
    assert torch.backends.cudnn.benchmark == before
    assert not attempts.made
    detector_file.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="its weights are damaged") as raised:
        open_face_alignment(model, "cpu")
    assert "\n" not in str(raised.value)
