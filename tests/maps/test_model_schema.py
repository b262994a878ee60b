"""Schemas from nothing but the names of classes."""

from __future__ import annotations

import pytest

from v2vcli.errors import ModelError
from v2vcli.maps.makers.model_schema import schema_of, tells_only_things
from v2vcli.maps.schema import CAMVID11, CITYSCAPES19, CITYSCAPES35, SCHEMAS, VOC21


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_built_in_schemas_names_give_it(schema) -> None:
    ordered = sorted(schema.classes, key=lambda c: c.id)
    if [c.id for c in ordered] != list(range(len(ordered))):
        pytest.skip("its ids have gaps, as no network's have")
    assert schema_of([c.name for c in ordered], "mine") == schema
    assert schema_of([c.name.upper().replace(" ", "_") for c in ordered], "mine") == schema


def test_synonyms_are_the_same_names() -> None:
    names = [c.name for c in CITYSCAPES19.classes]
    names[names.index("sidewalk")] = "pavement"
    names[names.index("person")] = "pedestrian"
    assert schema_of(names, "mine") == CITYSCAPES19
    assert schema_of([c.name for c in CAMVID11.classes if not c.void], "mine") == CAMVID11
    assert schema_of([c.name for c in CITYSCAPES35.classes], "mine") == CITYSCAPES35


def test_another_order_is_another_schema_and_remaps_by_name() -> None:
    names = [c.name for c in reversed(CITYSCAPES19.classes)]
    schema = schema_of(names, "mine")
    assert schema != CITYSCAPES19
    assert schema.name == "mine"
    table = schema.remap_table(CITYSCAPES19)
    assert [int(table[n]) for n in range(19)] == list(reversed(range(19)))
    moving = {c.name for c in CITYSCAPES19.classes if c.foreground}
    assert {c.name for c in schema.classes if c.foreground} == moving | {"traffic light"}  # to COCO it is a thing


def test_decoration_goes_where_names_still_differ() -> None:
    names = ["person, individual, someone", "tree-merged", "building-other-merged", "wall-brick", "wall-other-merged"]
    names += ["door-stuff", "window-other", "window-blind", "screen, silver screen", "screen door, screen"]
    schema = schema_of(names, "mine")
    assert [c.name for c in schema.classes] == [
        *("person", "tree", "building", "wall-brick", "wall", "door", "window", "window-blind", "screen", "screen door")
    ]
    assert schema.class_named("vegetation").id == 1
    alike = schema_of(["water-other", "water-merged", "N/A", "N/A", "n/a", ""], "mine")
    assert [c.name for c in alike.classes] == ["water-other", "water-merged", "N/A", "N/A 3", "n/a 4", "5"]


def test_foreground_is_what_others_call_so() -> None:
    schema = schema_of(["zebra", "tennis racket", "pedestrian", "grass", "unlabeled", "rider"], "mine")
    assert [c.foreground for c in schema.classes] == [True, True, True, False, False, True]
    assert [c.void for c in schema.classes] == [False, False, False, False, True, False]
    assert not tells_only_things(schema)
    assert tells_only_things(schema_of(["zebra", "car", "void"], "mine"))
    assert not tells_only_things(VOC21)


@pytest.mark.parametrize("count", [1, 2, 150, 255])
def test_any_number_of_classes_that_a_byte_holds(count: int) -> None:
    schema = schema_of([f"LABEL_{n}" for n in range(count)], "mine")
    assert schema.planes == count
    assert len({c.colour for c in schema.classes}) == count


@pytest.mark.parametrize("names", [[], [f"LABEL_{n}" for n in range(256)], ["unlabeled"]])
def test_others_are_refused(names: list[str]) -> None:
    with pytest.raises(ModelError, match=r"^mine: .*choose another model"):
        schema_of(names, "mine")
