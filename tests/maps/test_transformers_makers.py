"""Label maps by models of transformers: what they make, how outputs are read, and which task is chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.maps import tiny_transformers as tiny
from v2vcli.errors import UsageError
from v2vcli.maps.label_schema import VOID
from v2vcli.maps.makers.extractors import MapExtractor
from v2vcli.maps.makers.mask_reading import best_class, semantic_scores
from v2vcli.maps.makers.transformers_loading import open_model
from v2vcli.maps.makers.transformers_makers import Segmenter, _batch, open_transformers, task_of
from v2vcli.maps.schema import CITYSCAPES19

CPU = torch.device("cpu")
FAMILIES = {
    "segformer": tiny.segformer,
    "eomt": tiny.eomt,
    "mask2former": tiny.mask2former,
    "maskformer": tiny.maskformer,
    "oneformer": tiny.oneformer,
}
ROAD, SKY, CAR, PERSON = (CITYSCAPES19.class_named(name).id for name in ("road", "sky", "car", "person"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {family: build(root / family) for family, build in FAMILIES.items()}


ASKED = [
    ("segformer", ""),
    ("eomt", ""),
    ("eomt", "#semantic"),
    ("eomt", "#instance"),
    ("mask2former", ""),
    ("mask2former", "#semantic"),
    ("mask2former", "#instance"),
    ("maskformer", ""),
    ("oneformer", ""),
    ("oneformer", "#semantic"),
    ("oneformer", "#instance"),
]


@pytest.mark.parametrize(("family", "task"), ASKED, ids=[family + task for family, task in ASKED])
def test_a_batch_gives_the_maps_of_its_frames(folders: dict[str, Path], family: str, task: str) -> None:
    maker = open_transformers(f"{folders[family]}{task}", "cpu")
    assert isinstance(maker, MapExtractor)
    assert maker.spec.schema == CITYSCAPES19
    assert maker.spec.instance_edges == (family != "segformer" and task != "#semantic")
    images = tiny.pictures()
    together = maker.extract(images, (96, 54))
    assert len(together) == len(images)
    for image, made in zip(images, together, strict=True):
        (alone,) = maker.extract([image], (96, 54))
        assert made.spec == maker.spec
        assert made.size == (96, 54)
        assert made.array.dtype == np.uint8
        assert not CITYSCAPES19.unknown_ids(made.array)
        assert np.array_equal(made.array, alone.array)
        assert (made.instances is None) == (not maker.spec.instance_edges)
        if made.instances is not None and alone.instances is not None:
            assert np.array_equal(made.instances, alone.instances)


def test_frames_of_different_sizes_and_none_at_all(folders: dict[str, Path]) -> None:
    maker = open_transformers(str(folders["segformer"]), "cpu")
    images = [*tiny.pictures(1), *tiny.pictures(1, 64, 100), *tiny.pictures(1, 40, 41)]
    assert [made.size for made in maker.extract(images, (33, 21))] == [(33, 21)] * 3
    assert maker.extract([], (33, 21)) == []


def test_maps_of_pixels_are_those_of_the_library(folders: dict[str, Path]) -> None:
    folder, image = folders["segformer"], tiny.pictures(1)[0]
    (made,) = open_transformers(str(folder), "cpu").extract([image], (96, 54))
    images = tiny.transformers.AutoImageProcessor.from_pretrained(folder)
    with torch.no_grad():
        outputs = tiny.transformers.SegformerForSemanticSegmentation.from_pretrained(folder).eval()(
            **images(image, return_tensors="pt")
        )
    (expected,) = images.post_process_semantic_segmentation(outputs, target_sizes=[(54, 96)])
    assert np.array_equal(made.array, expected.numpy())
    assert len(np.unique(made.array)) > 3  # a constant map would prove little


@pytest.mark.parametrize("family", ["mask2former", "maskformer", "oneformer"])
def test_semantic_maps_of_masks_are_those_of_the_library(folders: dict[str, Path], family: str) -> None:
    # Where masks are enlarged before they are added up differs by family, and with it a few borders.
    maker = open_transformers(f"{folders[family]}#semantic", "cpu")
    assert isinstance(maker, Segmenter)
    image, model = tiny.pictures(1)[0], maker._model
    asked = {"task_inputs": ["semantic"]} if family == "oneformer" else {}
    with torch.no_grad():
        outputs = model.run(model.prepared([image], **asked))
    generator = torch.Generator().manual_seed(0)  # random weights are sure of nothing
    outputs["class_queries_logits"] = 3 * torch.randn(outputs["class_queries_logits"].shape, generator=generator)
    coarse = 9 * torch.randn(*outputs["masks_queries_logits"].shape[:2], 4, 4, generator=generator)
    outputs["masks_queries_logits"] = torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear")
    (expected,) = model.processor.post_process_semantic_segmentation(outputs, target_sizes=[(54, 96)])
    scores = semantic_scores(outputs["class_queries_logits"][0], outputs["masks_queries_logits"][0])
    read = best_class(scores, (54, 96)).numpy()
    assert np.mean(read == expected.numpy()) > 0.95
    assert len(np.unique(read)) > 3


# ---- reading masks that are known


def quarters() -> dict[str, np.ndarray]:
    """Four quarters of a mask, and their halves."""
    y, x = np.mgrid[:16, :16]
    return {
        "upper": y < 8,
        "lower left": (y >= 8) & (x < 8),
        "lower right": (y >= 8) & (x >= 8),
        "far right": (y >= 8) & (x >= 12),
        "near right": (y >= 8) & (x >= 8) & (x < 12),
    }


def mask2former_saying(*said: tuple[str, float, np.ndarray], task: str) -> Segmenter:
    config = tiny.transformers.Mask2FormerConfig(**tiny.labelled(tiny.CITYSCAPES))
    processor = tiny.transformers.Mask2FormerImageProcessor(size={"height": 64, "width": 64})
    outputs = tiny.queries(tiny.CITYSCAPES, *said)
    return Segmenter(tiny.opened("stand-in", config, processor, **outputs), task)  # type: ignore[arg-type]


def test_panoptic_maps_have_instances_of_things_alone_and_fuse_nothing_else() -> None:
    # Stuff in two pieces with things between them: where the library fuses, the things get one number.
    part = quarters()
    maker = mask2former_saying(
        ("road", 0.9, part["lower left"]),
        ("car", 0.9, part["near right"]),
        ("road", 0.9, part["upper"] & (np.mgrid[:16, :16][1] < 8)),
        ("car", 0.9, part["far right"]),
        ("sky", 0.9, part["upper"] & (np.mgrid[:16, :16][1] >= 8)),
        task="panoptic",
    )
    made = maker.extract(tiny.pictures(2), (64, 64))
    for one in made:
        assert one.instances is not None
        assert (one.array[36:, :28] == ROAD).all()
        assert (one.array[:28, :28] == ROAD).all()
        assert (one.array[:28, 36:] == SKY).all()
        assert (one.array[36:, 36:] == CAR).all()
        assert (one.instances[:28] == 0).all()
        assert (one.instances[36:, :28] == 0).all()
        near, far = np.unique(one.instances[36:, 36:44]), np.unique(one.instances[36:, 54:])
        assert len(near) == len(far) == 1
        assert {int(near[0]), int(far[0])} == {1, 2}


def test_what_thresholds_leave_open_gets_the_class_of_its_best_mask() -> None:
    part = quarters()
    maker = mask2former_saying(
        ("road", 0.9, part["lower left"] | part["lower right"]), ("sky", 0.45, part["upper"]), task="panoptic"
    )
    (made,) = maker.extract(tiny.pictures(1), (64, 64))
    assert (made.array[:28] == SKY).all()
    assert (made.array[36:] == ROAD).all()
    assert made.instances is not None and not made.instances.any()


def test_instance_maps_are_void_where_no_object_is() -> None:
    part = quarters()
    maker = mask2former_saying(
        ("car", 0.95, part["near right"]),
        ("person", 0.95, part["far right"]),
        ("car", 0.4, part["upper"]),
        task="instance",
    )
    (made,) = maker.extract(tiny.pictures(1), (64, 64))
    assert made.instances is not None
    assert (made.array[:31] == VOID).all()
    assert (made.array[33:, :31] == VOID).all()
    assert np.array_equal(made.instances == 0, made.array == VOID)
    assert (made.array[36:, 36:44] == CAR).all()
    assert (made.array[36:, 54:] == PERSON).all()
    assert len(np.unique(made.instances[36:, 36:])) == 2


def test_nothing_found_is_a_map_all_the_same() -> None:
    config = tiny.transformers.Mask2FormerConfig(**tiny.labelled(tiny.CITYSCAPES))
    processor = tiny.transformers.Mask2FormerImageProcessor(size={"height": 64, "width": 64})
    outputs = tiny.queries(tiny.CITYSCAPES, ("", 0.95, quarters()["upper"]))
    for task in ("panoptic", "instance"):
        maker = Segmenter(tiny.opened("stand-in", config, processor, **outputs), task)  # type: ignore[arg-type]
        (made,) = maker.extract(tiny.pictures(1), (20, 10))
        assert (made.array == VOID).all()
        assert made.instances is not None and not made.instances.any()


@pytest.mark.parametrize("task", ["panoptic", "semantic"])
def test_the_padding_of_eomt_is_left_out(task: str) -> None:
    # A picture of 160 x 80 is 64 x 32 in a square of 64: its masks end in the middle of the network's.
    y, x = np.mgrid[:16, :16]
    seen = y < 8
    outputs = tiny.queries(
        tiny.CITYSCAPES, ("road", 0.95, seen & (x < 8)), ("car", 0.95, seen & (x >= 8)), ("sky", 0.95, ~seen)
    )
    config = tiny.transformers.EomtConfig(**tiny.labelled(tiny.CITYSCAPES))
    processor = tiny.transformers.EomtImageProcessor(size={"shortest_edge": 64, "longest_edge": 64}, do_pad=True)
    maker = Segmenter(tiny.opened("stand-in", config, processor, **outputs), task)  # type: ignore[arg-type]
    (made,) = maker.extract(tiny.pictures(1, 160, 80), (80, 40))
    assert (made.array[:36, :36] == ROAD).all()
    assert (made.array[:36, 44:] == CAR).all()
    assert (made.array[:36] != SKY).all()
    assert (made.instances is None) == (task == "semantic")
    if made.instances is not None:
        assert (made.instances[:36, 44:] == 1).all()
        assert (made.instances[:36, :36] == 0).all()


def test_where_nothing_is_known_of_things_every_segment_is_one() -> None:
    names = ["LABEL_0", "LABEL_1", "LABEL_2"]
    part = quarters()
    config = tiny.transformers.Mask2FormerConfig(**tiny.labelled(names))
    processor = tiny.transformers.Mask2FormerImageProcessor(size={"height": 64, "width": 64})
    outputs = tiny.queries(names, ("LABEL_1", 0.9, part["upper"]), ("LABEL_2", 0.9, ~part["upper"]))
    maker = Segmenter(tiny.opened("user/mine", config, processor, **outputs), "panoptic")
    (made,) = maker.extract(tiny.pictures(1), (64, 64))
    assert made.spec.label_schema.name == "mine"
    assert made.instances is not None
    assert (made.instances[:28] == 1).all()
    assert (made.instances[36:] == 2).all()


# ---- which task


def masks_named(name: str, names: list[str] = tiny.CITYSCAPES) -> str:
    config = tiny.transformers.Mask2FormerConfig(**tiny.labelled(names))
    processor = tiny.transformers.Mask2FormerImageProcessor()
    return task_of(tiny.opened(name, config, processor))


def test_the_task_is_in_the_name_of_a_repository_or_follows_from_the_classes(tmp_path: Path) -> None:
    assert masks_named("facebook/mask2former-swin-large-cityscapes-semantic") == "semantic"
    assert masks_named("tue-mps/ade20k_panoptic_eomt_large_640@v1") == "panoptic"
    assert masks_named("facebook/mask2former-swin-tiny-coco-instance") == "instance"
    assert masks_named("semantic/mask2former") == "panoptic"  # a user's name says nothing
    assert masks_named("user/semantic-and-panoptic") == "panoptic"
    assert masks_named("user/objects", ["person", "car", "traffic light", "zebra"]) == "instance"
    folder = tmp_path / "runs-semantic"
    folder.mkdir()
    assert masks_named(str(folder)) == "panoptic"  # nor does where a folder lies


def test_eomt_that_cuts_pictures_is_semantic(tmp_path: Path) -> None:
    folder = tiny.eomt(tmp_path / "cuts", cuts=True)
    opened = open_model(str(folder), folder, "EomtForUniversalSegmentation", CPU)
    assert task_of(opened) == "semantic"
    maker = open_transformers(str(folder), "cpu")
    images = tiny.pictures(3)
    made = maker.extract(images, (96, 54))
    assert maker.spec.instance_edges is False
    for image, one in zip(images, made, strict=True):
        assert np.array_equal(one.array, maker.extract([image], (96, 54))[0].array)
    with pytest.raises(UsageError, match="cuts pictures into pieces"):
        open_transformers(f"{folder}#panoptic", "cpu")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("segformer#panoptic", "tells no instances; leave #panoptic out"),
        ("mask2former#everything", "no task 'everything'; choose #semantic or #panoptic or #instance"),
        ("mask2former+user/detector", "only pose models need a detector"),
    ],
)
def test_what_a_model_cannot_do_is_refused(folders: dict[str, Path], asked: str, said: str) -> None:
    family = asked.partition("#")[0].partition("+")[0]
    with pytest.raises(UsageError, match=said) as raised:
        open_transformers(str(folders[family]) + asked.removeprefix(family), "cpu")
    assert "\n" not in str(raised.value)


def test_large_maps_are_made_one_by_one() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert _batch((512, 288), cpu) == 4
    assert _batch((2048, 1024), cpu) == 1
    assert _batch((8192, 4096), cuda) == 1
    assert _batch((512, 288), cuda) == 16


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_changes_little(folders: dict[str, Path], family: str) -> None:
    images = tiny.pictures(4)
    exact = open_transformers(f"{folders[family]}", "cpu").extract(images, (96, 54))
    half = open_transformers(f"{folders[family]}", "cuda").extract(images, (96, 54))
    same = np.mean([np.mean(a.array == b.array) for a, b in zip(exact, half, strict=True)])
    assert same > 0.9
