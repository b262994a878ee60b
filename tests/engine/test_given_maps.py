"""Maps that other programs made, through --segmenter file:PATH: COCO-panoptic and Cityscapes' files, with edits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import v2vcli
from tests.engine.material import LABELS, SIZE, save_painter
from v2vcli.errors import InputError, SchemaMismatch
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.schema import CAMVID11, CITYSCAPES19
from v2vcli.maps.spec import MapSpec

WITH_INSTANCES = MapSpec("labels", schema=CITYSCAPES19, instance_edges=True)
FRAMES = 3
ROAD, CAR, BUS = (CITYSCAPES19.class_named(name).id for name in ("road", "car", "bus"))
ASKED: dict[str, Any] = {"device": "cpu", "duration": "0.12", "overwrite": True}


def segments(index: int) -> NDArray[np.int32]:
    """A road, 1, and two cars on it, 300 and 70000; they move."""
    found = np.ones(SIZE[::-1], np.int32)
    found[4:12, 4 + index : 14 + index], found[16:28, 40:60] = 300, 70_000
    return found


@pytest.fixture
def panoptic(tmp_path: Path) -> Path:
    """COCO's format: colours are segments, a JSON says what each is."""
    folder = tmp_path / "panoptic"
    folder.mkdir()
    annotations = []
    for index in range(FRAMES):
        ids = segments(index)
        Image.fromarray(np.stack([ids % 256, ids // 256 % 256, ids // 65536], 2).astype(np.uint8)).save(
            folder / f"{index}.png"
        )
        told = [{"id": 1, "category_id": 7}, {"id": 300, "category_id": 9}, {"id": 70_000, "category_id": 9}]
        annotations.append({"image_id": index, "file_name": f"{index}.png", "segments_info": told})
    categories = [{"id": 7, "name": "road", "isthing": 0}, {"id": 9, "name": "car", "isthing": 1}]
    data = {"images": [], "annotations": annotations, "categories": categories}
    (tmp_path / "panoptic.json").write_text(json.dumps(data))
    return folder


def kept(
    clip: Path, given: Path, tmp_path: Path, spec: MapSpec = WITH_INSTANCES, **more: Any
) -> list[NDArray[np.uint8]]:
    """The labels that a model of Cityscapes' classes was shown."""
    model = save_painter(tmp_path / "street.safetensors", spec)
    asked = {"model": str(model), "save_maps": tmp_path / "kept", "paint_size": SIZE, **ASKED, **more}
    v2vcli.convert(clip, tmp_path / "o.mp4", segmenter=f"file:{given}", **asked)
    return [each.array for each in open_maps(tmp_path / "kept", spec)]


def test_panoptic_pictures_and_an_edit_of_one_instance(clip: Path, panoptic: Path, tmp_path: Path) -> None:
    plain = kept(clip, panoptic, tmp_path)
    for index, labels in enumerate(plain):
        np.testing.assert_array_equal(labels, np.where(segments(index) == 1, ROAD, CAR))
    instances = next(iter(open_maps(tmp_path / "kept", WITH_INSTANCES))).instances
    assert instances is not None
    number = instances[8, 8]
    assert number not in (0, instances[20, 50])
    for index, labels in enumerate(kept(clip, panoptic, tmp_path, relabel=f"car@#{number}=bus")):
        expected = np.select([segments(index) == 300, segments(index) == 1], [BUS, ROAD], CAR)
        np.testing.assert_array_equal(labels, expected)


def test_cityscapes_ids_and_instances(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "gtFine"
    folder.mkdir()
    for index in range(FRAMES):
        found = segments(index)
        Image.fromarray(np.where(found == 1, 7, 26).astype(np.uint8)).save(folder / f"a_{index}_gtFine_labelIds.png")
        numbers = np.select([found == 300, found == 1], [26_000, 7], 26_001).astype(np.uint16)
        Image.fromarray(numbers).save(folder / f"a_{index}_gtFine_instanceIds.png")
    for index, labels in enumerate(kept(clip, folder, tmp_path)):
        np.testing.assert_array_equal(labels, np.where(segments(index) == 1, ROAD, CAR))
    for labels in kept(clip, folder, tmp_path, relabel="car@#26001=bus"):
        assert (labels[16:28, 40:60] == BUS).all() and (labels == CAR).any()


def test_what_does_not_fit_is_refused(clip: Path, panoptic: Path, tmp_path: Path) -> None:
    file = tmp_path / "panoptic.json"
    file.write_text(file.read_text().replace('"car"', '"dragon"'))
    with pytest.raises(SchemaMismatch, match="no home for dragon"):
        kept(clip, panoptic, tmp_path)
    bare = tmp_path / "bare"
    bare.mkdir()
    for index in range(FRAMES):
        Image.fromarray(np.full(SIZE[::-1], 2, np.uint8)).save(bare / f"{index}.png")
    with pytest.raises(InputError, match=r"nothing in .* says what its ids mean"):
        kept(clip, bare, tmp_path, LABELS)
    with pytest.raises(InputError, match="has no instance ids, but the model paints from instance edges"):
        kept(clip, bare, tmp_path, maps_schema="camvid11")
    name = CAMVID11.classes[2].name
    shown = kept(clip, bare, tmp_path, LABELS, maps_schema="camvid11")
    assert {int(value) for value in np.unique(shown)} == {CITYSCAPES19.class_named(name).id}
