from __future__ import annotations

import json

import numpy as np
import pytest

from v2vcli.maps.histogram import ClassHistogram
from v2vcli.maps.schema import CITYSCAPES19
from v2vcli.maps.spec import MapFrame, MapSpec

LABELS = MapSpec("labels", schema=CITYSCAPES19)


def test_pixels_shares_and_maps_of_each_class() -> None:
    histogram = ClassHistogram(CITYSCAPES19)
    histogram.add(MapFrame(LABELS, np.array([[0, 0, 0, 13]], np.uint8)))
    histogram.add(MapFrame(LABELS, np.array([[0, 0, 255, 255]], np.uint8)))
    found = [(each.name, each.id, each.pixels, each.share, each.maps) for each in histogram.counts()]
    assert found == [("road", 0, 5, 0.625, 2), ("void", 255, 2, 0.25, 1), ("car", 13, 1, 0.125, 1)]
    assert histogram.counts()[0].colour == (128, 64, 128)
    assert all(each.instances is None for each in histogram.counts())


def test_instances_are_counted_over_all_maps() -> None:
    histogram = ClassHistogram(CITYSCAPES19)
    for ids in ([[7, 7, 1, 2]], [[7, 7, 2, 5]]):
        histogram.add(MapFrame(LABELS, np.array([[0, 0, 13, 13]], np.uint8), np.array(ids, np.int32)))
    assert {each.name: each.instances for each in histogram.counts()} == {"road": None, "car": 3}


def test_json() -> None:
    histogram = ClassHistogram(CITYSCAPES19)
    histogram.add(MapFrame(LABELS, np.zeros((2, 2), np.uint8)))
    found = json.loads(json.dumps(histogram.as_dict()))
    assert (found["schema"], found["maps"]) == ("cityscapes19", 1)
    assert found["classes"][0] == {
        "name": "road",
        "id": 0,
        "colour": [128, 64, 128],
        "pixels": 4,
        "share": 1.0,
        "maps": 1,
        "instances": None,
    }


@pytest.mark.parametrize("seed", range(5))
def test_random_maps_against_a_slow_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    histogram = ClassHistogram(CITYSCAPES19)
    maps = [rng.integers(0, 19, (7, 5)).astype(np.uint8) for _ in range(6)]
    for each in maps:
        histogram.add(MapFrame(LABELS, each))
    for count in histogram.counts():
        assert count.pixels == sum(int((each == count.id).sum()) for each in maps)
        assert count.maps == sum(bool((each == count.id).any()) for each in maps)
    assert sum(each.share for each in histogram.counts()) == pytest.approx(1)
