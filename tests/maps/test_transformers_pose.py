"""Poses by ViTPose: who is looked at, where points come out, and which count."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.maps import tiny_transformers as tiny
from tests.maps.fake_hub import Attempts, attempts
from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.drawn.keypoints import PoseSettings, from_coco17
from v2vcli.maps.drawn.pose import pose_map
from v2vcli.maps.makers.transformers_makers import open_transformers
from v2vcli.maps.makers.transformers_pose import DETECTOR, ObjectDetector, PersonDetector, PoseMaker, whole_frame

__all__ = ["attempts"]

NOSE, LEFT_WRIST, RIGHT_ANKLE = 0, 9, 16


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "vitpose": tiny.vitpose(root / "vitpose"),
        "experts": tiny.vitpose(root / "experts", experts=2),
        "fourteen": tiny.vitpose(root / "fourteen", points=14),
        "rtdetr": tiny.rtdetr(root / "rtdetr", ["person", "car"]),
        "cars": tiny.rtdetr(root / "cars", ["car", "bus"]),
    }


def heatmaps(heights: dict[int, float]) -> torch.Tensor:
    """(1, 17, 64, 48) with a bump of a height for each point: the n-th at column 8 + 2 n, row 10 + 3 n."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
    maps = torch.zeros(1, 17, 64, 48)
    for point, height in heights.items():
        maps[0, point] = height * torch.exp(-((x - 8 - 2 * point) ** 2 + (y - 10 - 3 * point) ** 2) / 8)
    return maps


def maker_saying(heights: dict[int, float], detector: PersonDetector = whole_frame, **settings: bool) -> PoseMaker:
    config = SimpleNamespace(num_labels=17, backbone_config=SimpleNamespace())
    processor = tiny.transformers.VitPoseImageProcessor()  # 192 x 256
    model = tiny.opened("stand-in", config, processor, heatmaps=heatmaps(heights))
    return PoseMaker(model, detector, PoseSettings(**settings))


def expected(point: int, box: tuple[float, float, float, float]) -> tuple[float, float]:
    """Where a point lies: the heat map covers a box of 3:4 about the person's, a quarter larger."""
    left, top, width, height = box
    wide, high = max(width, height * 3 / 4) * 1.25, max(height, width * 4 / 3) * 1.25
    x = left + width / 2 + ((8 + 2 * point) / 47 - 0.5) * wide
    return x, top + height / 2 + ((10 + 3 * point) / 63 - 0.5) * high


def test_points_lie_where_the_heat_maps_say() -> None:
    boxes = [(10.0, 20.0, 60.0, 80.0), (90.0, 5.0, 40.0, 90.0)]

    def detector(images: object) -> list[np.ndarray]:
        return [np.array(boxes), np.zeros((0, 4)), np.array(boxes[1:])]

    maker = maker_saying({NOSE: 0.9, LEFT_WRIST: 0.6, RIGHT_ANKLE: 0.29}, detector)
    images = tiny.pictures(3, 200, 120)
    made = maker.extract(images, (200, 120))
    assert [one.keypoints.shape for one in made if one.keypoints is not None] == [(2, 137, 3), (0, 137, 3), (1, 137, 3)]
    both = made[0].keypoints
    assert both is not None
    for person, box in zip(both, boxes, strict=True):
        assert np.abs(person[0, :2] - expected(NOSE, box)).max() < 0.5
        assert np.abs(person[7, :2] - expected(LEFT_WRIST, box)).max() < 0.5  # BODY_25's left wrist
        assert person[0, 2] == pytest.approx(0.9, abs=0.02)
        assert not person[11].any()  # the ankle is too low
        assert np.count_nonzero(person[:, 2]) == 2
    assert not made[1].array.any()
    assert np.array_equal(made[2].keypoints[0], both[1])  # type: ignore[index]


def test_it_is_drawn_at_the_size_of_the_picture_and_scaled() -> None:
    heights = dict.fromkeys(range(17), 0.8)
    image = tiny.pictures(1, 200, 120)[0]
    (full,) = maker_saying(heights).extract([image], (200, 120))
    (small,) = maker_saying(heights).extract([image], (100, 60))
    (body,) = maker_saying(heights, body_only=True).extract([image], (200, 120))
    assert full.keypoints is not None and small.keypoints is not None
    assert np.array_equal(full.array, pose_map(full.keypoints, 200, 120).array)
    assert np.array_equal(small.array, full.resized(100, 60).array)
    assert np.allclose(small.keypoints[..., :2] * 2, full.keypoints[..., :2])
    assert full.array.any()
    assert body.spec.pose == PoseSettings(body_only=True)
    assert not np.array_equal(body.array, full.array)


def test_a_point_that_refining_throws_away_does_not_count() -> None:
    # A flat heat map has no curvature: its point is refined to anywhere, or to no number at all.
    maker = maker_saying({NOSE: 0.9})
    flat = heatmaps({NOSE: 0.9})
    flat[0, 1] = 0.5
    flat[0, 2] = 0.5 + 0.001 * torch.arange(48.0)
    maker._model.network.outputs["heatmaps"] = flat  # type: ignore[index,union-attr]
    (made,) = maker.extract(tiny.pictures(1), (160, 90))
    assert made.keypoints is not None
    assert np.isfinite(made.keypoints).all()
    assert (np.abs(made.keypoints[..., :2]) <= 2 * 160).all()
    assert made.keypoints[0, 0, 2] > 0.8


# ---- who is looked at


def test_people_alone_are_looked_at_the_surest_last() -> None:
    logit = {0.9: 2.2, 0.6: 0.41, 0.3: -0.85}
    logits = torch.full((1, 5, 2), -9.0)
    boxes = torch.zeros(1, 5, 4)  # middle, width and height, as shares
    for query, (label, score, box) in enumerate(
        [
            (0, 0.9, (0.5, 0.5, 0.2, 0.4)),
            (1, 0.9, (0.2, 0.2, 0.1, 0.1)),  # a car
            (0, 0.6, (0.1, 0.5, 0.4, 0.4)),  # reaches out of the picture
            (0, 0.3, (0.8, 0.5, 0.1, 0.1)),  # unsure
            (0, 0.6, (1.2, 0.5, 0.1, 0.1)),  # outside
        ]
    ):
        logits[0, query, label] = logit[score]
        boxes[0, query] = torch.tensor(box)
    config = SimpleNamespace(id2label={0: "Person", 1: "car"})
    processor = tiny.transformers.RTDetrImageProcessor(size={"height": 64, "width": 64})
    detector = ObjectDetector(tiny.opened("stand-in", config, processor, logits=logits, pred_boxes=boxes))
    found = detector(tiny.pictures(6, 100, 50))
    assert len(found) == 6
    for one in found:
        assert np.allclose(one, [[0, 15, 30, 20], [40, 15, 20, 20]], atol=1e-4)


def test_a_whole_frame_is_one_person() -> None:
    assert [box.tolist() for box in whole_frame(tiny.pictures(2, 30, 20))] == [[[0, 0, 30, 20]]] * 2


@pytest.mark.parametrize("family", ["vitpose", "experts"])
def test_a_batch_gives_the_maps_of_its_frames(folders: dict[str, Path], family: str) -> None:
    boxes = np.array([[5.0, 5.0, 40.0, 60.0], [60.0, 10.0, 50.0, 70.0], [100.0, 0.0, 30.0, 80.0]])
    maker = open_transformers(f"{folders[family]}+frame", "cpu")
    assert isinstance(maker, PoseMaker)
    maker._detector = lambda images: [boxes] * len(images)
    with torch.no_grad():
        maker._model.network.head.conv.bias.fill_(0.5)  # type: ignore[union-attr,operator]  # random points are unsure
    images = tiny.pictures(5)
    together = maker.extract(images, (96, 54))
    for image, made in zip(images, together, strict=True):
        (alone,) = maker.extract([image], (96, 54))
        assert made.size == (96, 54)
        assert made.keypoints is not None and alone.keypoints is not None
        assert (made.keypoints[..., 2] > 0).any()
        assert np.array_equal(made.array, alone.array)
        assert np.allclose(made.keypoints, alone.keypoints, atol=1e-3)


def test_a_detector_may_follow_the_name(folders: dict[str, Path]) -> None:
    maker = open_transformers(f"{folders['vitpose']}+{folders['rtdetr']}", "cpu")
    made = maker.extract(tiny.pictures(3), (96, 54))
    assert [one.spec.kind for one in made] == ["pose"] * 3
    assert all(one.keypoints is not None for one in made)
    assert maker.extract([], (96, 54)) == []


def test_without_one_it_is_that_of_the_library(
    folders: dict[str, Path], tmp_path: Path, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=f"v2v models pull hf:{DETECTOR}"):
        open_transformers(str(folders["vitpose"]), "cpu")
    assert not attempts.made


@pytest.mark.parametrize(
    ("model", "detector", "said"),
    [
        ("fourteen", "frame", "finds 14 points; only COCO's 17"),
        ("vitpose", "cars", "finds no people, only car, bus"),
        ("vitpose", "vitpose", "no object detector; ViTPose needs one, or \\+frame"),
    ],
)
def test_what_finds_no_poses_is_refused(folders: dict[str, Path], model: str, detector: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as raised:
        open_transformers(f"{folders[model]}+{folders.get(detector, detector)}", "cpu")
    assert "\n" not in str(raised.value)


def test_what_it_cannot_do_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="tells no DensePose"):
        open_transformers(f"{folders['vitpose']}+frame", "cpu", pose=PoseSettings(densepose=True))
    with pytest.raises(UsageError, match="has no tasks"):
        open_transformers(f"{folders['vitpose']}#semantic", "cpu")


def test_cocos_points_go_where_openpose_has_them() -> None:
    coco = np.zeros((1, 17, 3))
    coco[0, :, 0] = np.arange(17) + 1
    assert from_coco17(coco)[0, [0, 7, 11], 0].tolist() == [NOSE + 1, LEFT_WRIST + 1, RIGHT_ANKLE + 1]
