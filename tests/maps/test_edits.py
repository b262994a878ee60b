from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from v2vcli.errors import SchemaMismatch, UsageError
from v2vcli.maps.edits import Edits, parse_edit, require_edit
from v2vcli.maps.schema import CAMVID11, CITYSCAPES19, CITYSCAPES35, LabelClass, LabelSchema
from v2vcli.maps.spec import MapFrame, MapSpec

LABELS = MapSpec("labels", schema=CITYSCAPES19)
ROAD, BUILDING, VEGETATION, PERSON, CAR, BUS = 0, 2, 8, 11, 13, 15
NOW = Fraction(0)


def frame(rows: list[list[int]], instances: list[list[int]] | None = None, spec: MapSpec = LABELS) -> MapFrame:
    ids = None if instances is None else np.array(instances, np.int32)
    return MapFrame(spec, np.array(rows, np.uint8), ids)


def edited(
    map_frame: MapFrame, *texts: str, time: Fraction = NOW, video: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    return Edits.parse(texts, map_frame.spec.schema, video=video).apply(map_frame, time).array


def test_a_class_becomes_another_by_name_or_synonym() -> None:
    before = frame([[VEGETATION, CAR], [ROAD, VEGETATION]])
    for name in ("tree", "vegetation", "Vegetation", " trees "):
        np.testing.assert_array_equal(edited(before, f"{name}=building"), [[BUILDING, CAR], [ROAD, BUILDING]])
    np.testing.assert_array_equal(before.array, [[VEGETATION, CAR], [ROAD, VEGETATION]])


def test_void_and_everything() -> None:
    before = frame([[VEGETATION, CAR, 255]])
    assert edited(before, "car=void").tolist() == [[VEGETATION, 255, 255]]
    assert edited(before, "void=road").tolist() == [[VEGETATION, CAR, ROAD]]
    assert edited(before, "*=sky").tolist() == [[10, 10, 10]]
    camvid = frame([[8, 11, 255]], spec=MapSpec("labels", schema=CAMVID11))
    assert edited(camvid, "car=void").tolist() == [[11, 11, 255]]  # CamVid has a class for it
    assert edited(camvid, "void=car").tolist() == [[8, 8, 8]]


def test_edits_look_at_the_map_as_it_was_made() -> None:
    before = frame([[CAR, BUS, ROAD]])
    assert edited(before, "car=bus", "bus=car").tolist() == [[BUS, CAR, ROAD]]  # a swap, not a chain
    assert edited(before, "car=bus", "car=person").tolist() == [[PERSON, BUS, ROAD]]  # the last one wins


def test_one_instance() -> None:
    before = frame([[CAR, CAR, CAR, ROAD]], [[12, 12, 13, 12]])
    assert edited(before, "car@#12=bus").tolist() == [[BUS, BUS, CAR, ROAD]]
    assert edited(before, "*@#12=bus").tolist() == [[BUS, BUS, CAR, BUS]]
    with pytest.raises(UsageError, match=r"'car@#12=bus' names an instance, but these maps have none.*--segmenter"):
        edited(frame([[CAR]]), "car@#12=bus")


def test_what_is_no_object_any_more_is_no_instance_either() -> None:
    before = frame([[CAR, CAR, ROAD, ROAD]], [[12, 12, 7000, 7000]])
    after = Edits.parse(["car=road"], CITYSCAPES19).apply(before, NOW)
    assert after.instances is not None and after.instances.tolist() == [[7000] * 4]  # numbered as the rest of the road
    gone = Edits.parse(["car=sky"], CITYSCAPES19).apply(before, NOW)
    assert gone.instances is not None and gone.instances.tolist() == [[0, 0, 7000, 7000]]
    kept = Edits.parse(["car=bus"], CITYSCAPES19).apply(before, NOW)
    assert kept.instances is not None and kept.instances.tolist() == before.instances.tolist()  # type: ignore[union-attr]
    assert before.instances is not None and before.instances.tolist() == [[12, 12, 7000, 7000]]


def test_regions_are_said_in_the_video_whatever_the_map_is_painted_at() -> None:
    video = (8, 4)
    for scale in (1, 2, 5):
        before = frame([[CAR] * 8 * scale] * 4 * scale)
        after = edited(before, "car@2,1,3x2=bus", video=video)
        expected = np.full((4 * scale, 8 * scale), CAR)
        expected[1 * scale : 3 * scale, 2 * scale : 5 * scale] = BUS
        np.testing.assert_array_equal(after, expected)
        np.testing.assert_array_equal(edited(before, "car@25%,25%,37.5%x50%=bus", video=video), expected)
    # without a size of the video they are pixels of the map, and what reaches over the border is cut off there
    wide = edited(frame([[CAR] * 4] * 2), "car@3,0,100x1=bus")
    assert wide.tolist() == [[CAR, CAR, CAR, BUS], [CAR] * 4]


def test_halves_of_a_map_meet_without_gap_or_overlap() -> None:
    for width in range(1, 12):
        before = frame([[CAR] * width])
        after = edited(before, "car@0,0,50%x100%=bus", "car@50%,0,50%x100%=person", video=(641, 7))
        assert set(after[0].tolist()) <= {BUS, PERSON}


def test_times_count_from_the_beginning_of_the_file() -> None:
    edits = Edits.parse(["car@1.5-3=bus"], CITYSCAPES19, origin=Fraction(10))
    before = frame([[CAR]])
    found = [edits.apply(before, 10 + Fraction(t, 2)).array[0, 0] for t in range(8)]
    assert found == [CAR, CAR, CAR, BUS, BUS, BUS, CAR, CAR]  # from 1.5 s on, 3 s not among them
    assert edited(before, "car@1:02-=bus", time=Fraction(61)).tolist() == [[CAR]]
    assert edited(before, "car@1:02-=bus", time=Fraction(62)).tolist() == [[BUS]]
    assert edited(before, "car@-500ms=bus", time=Fraction(499, 1000)).tolist() == [[BUS]]
    assert edited(before, "car@-500ms=bus", time=Fraction(1, 2)).tolist() == [[CAR]]


def test_all_places_at_once_in_any_order() -> None:
    before = frame([[CAR, CAR, CAR, ROAD]], [[12, 12, 13, 12]])
    for text in ("car@#12@1,0,3x1@2-=bus", " car @ 2- @ 1 , 0 , 3 x 1 @ # 12 = bus "):
        assert edited(before, text, time=Fraction(2)).tolist() == [[CAR, BUS, CAR, ROAD]]
        assert edited(before, text, time=Fraction(1)).tolist() == before.array.tolist()


def test_edits_that_changed_nothing_are_told() -> None:
    edits = Edits.parse(["tree=building", "bus=car"], CITYSCAPES19)
    assert edits.idle() == ["tree=building", "bus=car"]
    edits.apply(frame([[VEGETATION]]), NOW)
    assert edits.idle() == ["bus=car"]
    assert edits and not Edits([])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tree", "write WHAT=CLASS"),
        ("=bus", "write WHAT=CLASS"),
        ("car=", "write WHAT=CLASS"),
        ("car@=bus", "write WHAT=CLASS"),
        ("car@#=bus", r"'@#' is no instance; write its id"),
        ("car@#1.5=bus", "is no instance"),
        ("car@#-1=bus", "is no instance"),
        ("car@5=bus", "is none of @#INSTANCE"),
        ("car@-=bus", "is none of @#INSTANCE"),
        ("car@1,2,3=bus", "is no region; write @X,Y,WxH"),
        ("car@-1,2,3x4=bus", "is no region"),
        ("car@1,2,0x4=bus", "is empty"),
        ("car@3-1=bus", "1 is not after 3"),
        ("car@x-3=bus", "x: not a time"),
        ("car@#1@#2=bus", "second of its kind"),
        ("car@1-2@3-=bus", "second of its kind"),
        ("car@0,0,1x1@1,1,1x1=bus", "second of its kind"),
    ],
)
def test_what_cannot_be_understood_is_refused_before_anything_is_known_of_the_maps(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        require_edit(text)
    assert text in str(caught.value)
    with pytest.raises(UsageError, match=complaint):
        parse_edit(text, CITYSCAPES19)


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("buildin=road", "'building'"),
        ("tre=road", "'tree', which is 'vegetation' there"),
        ("car=buss", "'bus'"),
        ("car=pedestrain", "'pedestrian', which is 'person' there"),
    ],
)
def test_the_nearest_class_is_named(text: str, suggestion: str) -> None:
    require_edit(text)
    with pytest.raises(UsageError, match=f"schema 'cityscapes19' has no class .*did you mean {suggestion}"):
        parse_edit(text, CITYSCAPES19)


def test_where_nothing_is_near_all_classes_are_listed() -> None:
    with pytest.raises(UsageError, match=r"no class 'xylophone'; it has road, .*bicycle, and void"):
        parse_edit("xylophone=road", CITYSCAPES19)


def test_what_does_not_fit_the_maps() -> None:
    with pytest.raises(UsageError, match=r"changes labels, but these maps are none"):
        Edits.parse(["car=bus"], None)
    assert not Edits.parse([], None)
    with pytest.raises(UsageError, match=r"begins outside the video of 640x360"):
        Edits.parse(["car@640,0,10x10=bus"], CITYSCAPES19, video=(640, 360))
    with pytest.raises(SchemaMismatch, match=r"labels of 'cityscapes35', not of schema 'cityscapes19'"):
        Edits.parse(["car=bus"], CITYSCAPES35).apply(frame([[CAR]]), NOW)


def test_names_with_spaces_and_digits() -> None:
    schema = LabelSchema("odd", (LabelClass("label 0", 0, (1, 1, 1)), LabelClass("traffic light-red", 7, (2, 2, 2))))
    before = frame([[0, 7]], spec=MapSpec("labels", schema=schema))
    assert edited(before, "label 0=traffic light red").tolist() == [[7, 7]]


def test_random_edits_against_a_slow_reading() -> None:
    rng = np.random.default_rng(5)
    names = [c.name for c in CITYSCAPES19.classes]
    for _ in range(60):
        width, height = (int(n) for n in rng.integers(1, 9, 2))
        video = (width * 3, height * 3)
        before = frame(rng.integers(0, 19, (height, width)).tolist(), rng.integers(0, 3, (height, width)).tolist())
        source, target = (int(n) for n in rng.integers(0, 19, 2))
        x, y = int(rng.integers(0, video[0])), int(rng.integers(0, video[1]))
        w, h, instance = (int(n) for n in rng.integers(1, 12, 3))
        expected = before.array.copy()
        assert before.instances is not None
        for row in range(height):
            for column in range(width):
                centre = (column * 3 + 1.5, row * 3 + 1.5)
                inside = x <= centre[0] < x + w and y <= centre[1] < y + h
                if inside and before.array[row, column] == source and before.instances[row, column] == instance:
                    expected[row, column] = target
        text = f"{names[source]}@#{instance}@{x},{y},{w}x{h}={names[target]}"
        np.testing.assert_array_equal(edited(before, text, video=video), expected)
