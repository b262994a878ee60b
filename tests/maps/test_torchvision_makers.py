"""What torchvision's networks say as maps: tested with networks whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from v2vcli.errors import InputError, UsageError
from v2vcli.maps.drawn.keypoints import PoseSettings
from v2vcli.maps.drawn.pose import pose_map
from v2vcli.maps.makers import torchvision_makers
from v2vcli.maps.makers.torchvision_makers import InstanceMaker, PoseMaker, SemanticMaker, coco_people, open_torchvision
from v2vcli.maps.makers.weights import torchvision_weights
from v2vcli.maps.schema import VOC21
from v2vcli.maps.schema_names import canonical_name

CPU = torch.device("cpu")

# ---- label maps

COLOURS = VOC21.palette[:21]
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class NearestColour(nn.Module):
    """Knows VOC's classes by their colours in the palette, if pictures are normalised as torchvision does it."""

    def __init__(self) -> None:
        super().__init__()
        known = (torch.from_numpy(COLOURS.copy()).float() / 255 - torch.tensor(MEAN)) / torch.tensor(SPREAD)
        self.known = known[:, :, None, None]
        self.shapes: list[torch.Size] = []

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        self.shapes.append(pixels.shape)
        return {"out": -(pixels[:, None] - self.known).square().sum(dim=2)}


def semantic(side: int = 32) -> tuple[SemanticMaker, NearestColour]:
    network = NearestColour()
    return SemanticMaker(network, CPU, MEAN, SPREAD, side), network


def test_classes_are_those_of_the_pictures() -> None:
    labels = np.random.default_rng(1).integers(0, 21, (4, 6), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    maker, _ = semantic()
    (made,) = maker.extract([COLOURS[labels]], (48, 32))
    np.testing.assert_array_equal(made.array, labels)


def test_pictures_of_several_sizes_are_each_seen_at_their_own() -> None:
    maker, network = semantic()
    pictures = [np.zeros((64, 96, 3), np.uint8)] * 3 + [
        np.zeros((300, 100, 3), np.uint8),
        np.zeros((64, 96, 3), np.uint8),
    ]
    made = maker.extract(pictures, (10, 10))
    assert [tuple(shape) for shape in network.shapes] == [
        (2, 3, 32, 48),
        (1, 3, 32, 48),
        (1, 3, 96, 32),
        (1, 3, 32, 48),
    ]
    assert len(made) == 5


@pytest.mark.parametrize("size", [(1, 1), (5000, 1), (1, 5000), (1920, 1080)])
def test_any_size(size: tuple[int, int]) -> None:
    maker, network = semantic()
    (made,) = maker.extract([np.full((size[1], size[0], 3), COLOURS[15], np.uint8)], size)
    assert made.size == size
    assert (made.array == 15).all()
    assert max(network.shapes[0]) <= 4 * 32 + 1


def test_vocs_classes_are_torchvisions() -> None:
    for model in ("deeplabv3_resnet50", "lraspp_mobilenet_v3_large", "fcn_resnet101"):
        names = torchvision_weights(model).meta["categories"]
        for label in VOC21.classes:
            theirs = names[label.id].strip("_")
            assert canonical_name(theirs) == canonical_name(label.name)


# ---- detectors whose answers are known


class KnownDetector(nn.Module):
    """Finds what it is told to in every picture: boxes as shares of the picture, masks or heat maps' points."""

    def __init__(self, labels: list[int], boxes: list[list[float]], **more: Tensor) -> None:
        super().__init__()
        self.transform = GeneralizedRCNNTransform(64, 128, [0.0] * 3, [1.0] * 3)
        self.labels = torch.tensor(labels, dtype=torch.int64)
        self.boxes, self.more = torch.tensor(boxes).reshape(-1, 4), more
        self.batches: list[tuple[int, ...]] = []

    def backbone(self, pixels: Tensor) -> dict[str, Tensor]:
        self.batches.append(tuple(pixels.shape))
        return {"0": pixels}

    def rpn(self, images: Any, features: dict[str, Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
        return [self.boxes] * len(images.image_sizes), {}

    def roi_heads(
        self, features: Any, proposals: Any, sizes: list[tuple[int, int]]
    ) -> tuple[list[dict[str, Tensor]], Any]:
        found = []
        for boxes, (height, width) in zip(proposals, sizes, strict=True):
            scaled = {name: values.clone() for name, values in self.more.items()}
            if "keypoints" in scaled:
                scaled["keypoints"][..., :2] *= torch.tensor([width, height])
            scores = torch.linspace(0.9, 0.6, len(boxes))
            edges = torch.tensor([width, height, width, height])
            found.append({"boxes": boxes * edges, "labels": self.labels, "scores": scores, **scaled})
        return found, {}


COCO = torchvision_makers.coco_schema(torchvision_weights("maskrcnn_resnet50_fpn").meta["categories"])


def instances(labels: list[int], boxes: list[list[float]]) -> tuple[InstanceMaker, KnownDetector]:
    network = KnownDetector(labels, boxes, masks=torch.ones(len(labels), 1, 28, 28))
    return InstanceMaker(network.eval(), CPU, COCO), network


def test_the_better_mask_is_seen_where_two_overlap() -> None:
    maker, _ = instances([1, 3], [[0.25, 0.25, 0.75, 0.75], [0.0, 0.0, 0.5, 1.0]])
    (made,) = maker.extract([np.zeros((60, 80, 3), np.uint8)], (160, 120))
    assert made.spec.instance_edges
    assert made.instances is not None and made.instances.dtype == np.int32
    wanted = np.zeros((120, 160), np.int32)
    wanted[:, :80] = 2
    wanted[30:90, 40:120] = 1
    assert (made.instances == wanted).mean() > 0.96  # torchvision pastes masks a pixel or two wider
    np.testing.assert_array_equal(made.array, np.array([0, 1, 3], np.uint8)[made.instances])
    assert made.array[60, 60] == 1 and made.array[5, 5] == 3 and made.array[5, 155] == 0


def test_labels_that_stand_for_nothing_are_left_out() -> None:
    maker, _ = instances([12, 90, 0], [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.5], [0.0, 0.5, 1.0, 1.0]])  # 12 is N/A
    (made,) = maker.extract([np.zeros((64, 64, 3), np.uint8)], (64, 64))
    assert set(np.unique(made.array)) == {0, 90}
    assert made.picture().shape == (64, 64, 3)


def test_nothing_found_is_background_with_no_instances() -> None:
    maker, _ = instances([], [])
    (made,) = maker.extract([np.zeros((64, 64, 3), np.uint8)], (8, 4))
    assert made.instances is not None
    assert not made.array.any() and not made.instances.any()


def test_detectors_get_batches_of_one_size() -> None:
    maker, network = instances([1], [[0.0, 0.0, 1.0, 0.5]])
    pictures = [np.zeros((64, 96, 3), np.uint8)] * 3 + [np.zeros((512, 512, 3), np.uint8)]
    made = maker.extract(pictures, (32, 32))
    assert network.batches == [(2, 3, 64, 96), (1, 3, 64, 96), (1, 3, 64, 64)]
    for each in made:
        np.testing.assert_array_equal(each.array, made[0].array)


@pytest.mark.parametrize("size", [(1, 1), (5000, 1), (1, 5000)])
def test_detectors_see_any_size(size: tuple[int, int]) -> None:
    maker, network = instances([1], [[0.0, 0.0, 1.0, 1.0]])
    (made,) = maker.extract([np.zeros((size[1], size[0], 3), np.uint8)], size)
    assert made.size == size
    assert (made.array == 1).mean() > 0.99  # torchvision may paste a mask a pixel off
    assert max(network.batches[0][2:]) <= 128


def test_cocos_schema() -> None:
    assert len(COCO.classes) == 81
    assert COCO.planes == 91
    assert (COCO.class_named("person").id, COCO.class_named("toothbrush").id) == (1, 90)
    assert COCO.foreground_ids == tuple(c.id for c in COCO.classes if c.id)
    assert COCO.from_json(COCO.to_json()) == COCO
    names = [f"thing {n}" for n in range(256)]
    assert torchvision_makers.coco_schema(names[:255]).planes == 255
    with pytest.raises(InputError, match=r"not in 0\.\.254"):
        torchvision_makers.coco_schema(names)


POINTS = torch.rand(2, 17, 3, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
LOGITS = torch.full((2, 17), 5.0)


def poses(settings: PoseSettings = PoseSettings(), logits: Tensor = LOGITS) -> PoseMaker:  # noqa: B008 - frozen
    boxes = [[0.0, 0.0, 1.0, 1.0]] * 2
    network = KnownDetector([1, 1], boxes, keypoints=POINTS, keypoints_scores=logits).eval()
    return PoseMaker(network, CPU, settings)


def test_poses_are_drawn_at_the_pictures_size_the_best_last() -> None:
    (made,) = poses().extract([np.zeros((128, 256, 3), np.uint8)], (128, 64))
    assert made.keypoints is not None
    assert made.keypoints.shape == (2, 137, 3)
    best = POINTS[0].double().numpy()
    np.testing.assert_allclose(made.keypoints[1, 0, :2], best[0, :2] * (128, 64), atol=1e-4)  # the nose
    np.testing.assert_allclose(made.keypoints[1, 4, :2], best[10, :2] * (128, 64), atol=1e-4)  # the right wrist
    people = made.keypoints.copy()
    people[..., :2] *= 2
    np.testing.assert_array_equal(made.array, pose_map(people, 256, 128).resized(128, 64).array)
    assert made.array.any()


def test_points_that_are_not_sure_are_not_there() -> None:
    logits = LOGITS.clone()
    logits[0, 9] = 1.9  # the left wrist of the best
    found = {"labels": torch.tensor([1, 1]), "keypoints": POINTS, "keypoints_scores": logits}
    people = coco_people(found)
    assert not people[1, 9].any()
    assert people[0, 9].all()
    np.testing.assert_allclose(people[0, :, 2], 1 / (1 + np.exp(-5.0)))
    (made,) = poses(logits=logits).extract([np.zeros((128, 256, 3), np.uint8)], (256, 128))
    assert made.keypoints is not None
    assert not made.keypoints[1, 7].any()


def test_poses_are_drawn_as_the_settings_say() -> None:
    body = poses(PoseSettings(body_only=True))
    (made,) = body.extract([np.zeros((128, 256, 3), np.uint8)], (256, 128))
    assert made.spec == body.spec
    assert made.spec.pose == PoseSettings(body_only=True)
    with pytest.raises(UsageError, match="DensePose"):
        open_torchvision("keypointrcnn_resnet50_fpn", "cpu", PoseSettings(densepose=True))


def test_nobody() -> None:
    network = KnownDetector([], [], keypoints=torch.zeros(0, 17, 3), keypoints_scores=torch.zeros(0, 17))
    (made,) = PoseMaker(network.eval(), CPU, PoseSettings()).extract([np.zeros((9, 7, 3), np.uint8)], (14, 18))
    assert made.keypoints is not None and made.keypoints.shape == (0, 137, 3)
    assert made.size == (14, 18) and not made.array.any()
