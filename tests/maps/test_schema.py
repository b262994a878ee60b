"""Label schemas: strict construction, the public facts of the built-in ones, remapping by name, JSON."""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from v2vcli.errors import InputError, SchemaMismatch, UsageError
from v2vcli.maps.schema import CAMVID11, CITYSCAPES19, CITYSCAPES35, SCHEMAS, VOC21, VOID, find_schema
from v2vcli.maps.schema import LabelClass as Class
from v2vcli.maps.schema import LabelSchema as Schema
from v2vcli.maps.schema_names import COARSER, SYNONYMS, canonical_name, plain_name

ALL = list(SCHEMAS.values())
STREET = [CITYSCAPES19, CITYSCAPES35, CAMVID11]
each = pytest.mark.parametrize("schema", ALL, ids=lambda s: s.name)
each_pair = pytest.mark.parametrize(("a", "b"), list(itertools.product(ALL, ALL)), ids=lambda s: s.name)


def classes(schema):
    return {c.id: c for c in schema.classes}


# ---- construction


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", 1, (0, 0, 0)), "give it a name"),
        (("road", -1, (0, 0, 0)), "not in 0..254"),
        (("road", 256, (0, 0, 0)), "not in 0..254"),
        (("road", 255, (0, 0, 0)), "255 is for void only"),
        (("road", True, (0, 0, 0)), "not in 0..254"),
        (("road", 1, (0, 0, 256)), "three bytes"),
        (("road", 1, (0, 0)), "three bytes"),
        (("road", 1, [0, 0, 0]), "three bytes"),
        (("road", 1, (0, 0, 0), True, True), "foreground and void"),
    ],
)
def test_a_class_out_of_range_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Class(*arguments)


ROAD, SKY = Class("road", 0, (1, 2, 3)), Class("sky", 1, (4, 5, 6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("s", (ROAD, dataclasses.replace(SKY, id=0))), "id 0 is both 'road' and 'sky'"),
        (("s", (ROAD, dataclasses.replace(SKY, name="Road"))), "two classes are called 'Road'"),
        (("s", (ROAD, dataclasses.replace(SKY, colour=(1, 2, 3)))), r"'road' and 'sky' have the colour \(1, 2, 3\)"),
        (("s", ()), "no class that is not void"),
        (("s", (Class("void", 0, (0, 0, 0), void=True),)), "no class that is not void"),
        (("", (ROAD,)), "give it a name"),
        (("s", (ROAD, SKY), 1), "planes is 1, but its ids need 2..255"),
        (("s", (ROAD, SKY), 256), "planes is 256"),
        (("s", (ROAD, SKY), 0, (4, 5, 6)), "is the colour of 'sky'"),
        (("s", (ROAD, SKY), 0, (4, 5)), "three bytes"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Schema(*arguments)


def test_void_classes_may_share_a_colour_and_it_reads_as_the_class_that_is_not_void():
    schema = Schema("s", (Class("group", 0, (9, 9, 9), void=True), Class("pole", 1, (9, 9, 9))))
    assert schema.colours[9, 9, 9] == 1


# ---- the built-in schemas


def test_sizes():
    assert [(s.name, len(s.classes), s.planes) for s in ALL] == [
        ("cityscapes19", 19, 19),
        ("cityscapes35", 35, 35),
        ("camvid11", 12, 11),
        ("voc21", 21, 21),
    ]


def test_35_to_19_is_the_published_train_id_table():
    published = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13}
    published |= {27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
    table = CITYSCAPES35.remap_table(CITYSCAPES19)
    assert table.tolist() == [published.get(i, VOID) for i in range(256)]


def test_camvid_is_what_the_clips_say(clips_dir):
    facts = json.loads((clips_dir / "camvid" / "classes.json").read_text())
    for id_, fact in facts["ids"].items():
        ours = classes(CAMVID11)[int(id_)]
        assert ours.colour == tuple(fact["color"])
        assert canonical_name(ours.name) == canonical_name(fact["name"])
        assert ours.void == (int(id_) == facts["ignore_index"])


def test_void_and_foreground():
    assert CAMVID11.void_id == 11
    assert CITYSCAPES35.void_id == 0
    assert CITYSCAPES19.void_id == VOC21.void_id == VOID
    assert [classes(CITYSCAPES19)[i].name for i in CITYSCAPES19.foreground_ids] == [
        *("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
    ]
    assert [classes(CITYSCAPES35)[i].name for i in CITYSCAPES35.foreground_ids] == [
        classes(CITYSCAPES19)[i].name for i in CITYSCAPES19.foreground_ids
    ]


@each
def test_foreground_has_planes_and_tables_agree(schema):
    assert all(i < schema.planes for i in schema.foreground_ids)
    assert [i for i in range(256) if schema.known[i]] == sorted({*classes(schema), VOID})
    assert schema.void[VOID]
    assert schema.void[schema.void_id]
    for c in schema.classes:
        assert schema.void[c.id] == c.void
        assert tuple(schema.palette[c.id]) == c.colour
    with pytest.raises(ValueError, match="read-only"):
        schema.palette[0] = 1


@each
def test_colour_round_trip(schema):
    ids = np.array([[c.id for c in schema.classes] * 3] * 3, np.uint8)
    back = schema.ids_from_colours(schema.colourise(ids))
    same_colour = schema.palette[back] == schema.palette[ids]
    assert same_colour.all()
    not_void = ~schema.void[ids]
    assert np.array_equal(back[not_void], ids[not_void])
    lost = {
        (classes(schema)[int(a)].name, classes(schema)[int(b)].name)
        for a, b in zip(ids[~not_void], back[~not_void], strict=True)
    }
    lost = {(a, b) for a, b in lost if not schema.class_named(b).void}
    assert lost == ({("polegroup", "pole"), ("license plate", "car")} if schema is CITYSCAPES35 else set())


@each
def test_void_pixels_come_back_void(schema):
    assert (
        schema.ids_from_colours(schema.colourise(np.full((2, 2), VOID, np.uint8))).tolist()
        == [[schema.void_id] * 2] * 2
    )


@each
def test_unknown_ids_are_named(schema):
    ids = np.array([[0, 200], [77, VOID]], np.uint8)
    assert schema.unknown_ids(ids) == [77, 200]
    with pytest.raises(SchemaMismatch, match=rf"ids \[77, 200\] that schema '{schema.name}'"):
        schema.colourise(ids)


# ---- names


def test_name_tables_are_written_in_the_spelling_that_is_looked_up():
    for alias, name in SYNONYMS.items():
        assert plain_name(alias) == alias
        assert canonical_name(name) == name, f"{name} is itself a synonym"
    for name, homes in COARSER.items():
        assert canonical_name(name) == name
        assert all(canonical_name(home) == home for home in homes)


@pytest.mark.parametrize("name", ["tree", "Tree", "vegetation", "VEGETATION"])
def test_synonyms_are_found(name):
    assert CITYSCAPES19.class_named(name).id == 8
    assert CAMVID11.class_named(name).id == 5


def test_an_exact_name_is_preferred_to_a_synonym():
    schema = Schema("s", (Class("vegetation", 0, (0, 1, 0)), Class("tree", 1, (0, 2, 0))))
    assert schema.class_named("tree").id == 1
    assert schema.class_named("trees").id == 0


def test_an_absent_class_is_an_error_that_lists_the_present_ones():
    with pytest.raises(SchemaMismatch, match=r"no class 'rail track'; it has sky, building"):
        CAMVID11.class_named("rail track")


# ---- remapping


@each_pair
def test_every_pair_fits_or_names_all_that_do_not(a, b):
    homeless = [
        c.name
        for c in a.classes
        if not c.void and not any(b._find(n) for n in (c.name, *COARSER.get(canonical_name(c.name), ())))
    ]
    if homeless:
        with pytest.raises(SchemaMismatch) as refusal:
            a.remap_table(b)
        assert f"no home for {', '.join(homeless)};" in str(refusal.value)
        return
    table = a.remap_table(b)
    assert table.dtype == np.uint8
    assert b.known[table].all()
    for c in a.classes:
        assert b.void[table[c.id]] == c.void or a is b
    for i in np.flatnonzero(~a.known):
        assert table[i] == b.void_id


def test_which_pairs_fit():
    fits = set()
    for a, b in itertools.product(ALL, ALL):
        try:
            a.remap_table(b)
            fits.add((a.name, b.name))
        except SchemaMismatch:
            pass
    assert fits == {(a.name, b.name) for a, b in itertools.product(STREET, STREET)} | {("voc21", "voc21")}


@each
def test_a_schema_maps_onto_itself_unchanged(schema):
    table = schema.remap_table(schema)
    assert all(table[i] == i for i in (*classes(schema), VOID))


def test_19_to_35_and_back_changes_nothing():
    there, back = CITYSCAPES19.remap_table(CITYSCAPES35), CITYSCAPES35.remap_table(CITYSCAPES19)
    assert np.array_equal(back[there][:19], np.arange(19))
    assert back[there[VOID]] == VOID


def test_19_to_camvid_by_name():
    table = CITYSCAPES19.remap_table(CAMVID11)
    homes = {c.name: classes(CAMVID11)[int(table[c.id])].name for c in CITYSCAPES19.classes}
    assert homes == {
        **{"road": "road", "sidewalk": "pavement", "building": "building", "wall": "building", "fence": "fence"},
        **{"pole": "pole", "traffic light": "sign", "traffic sign": "sign", "vegetation": "tree", "terrain": "tree"},
        **{"sky": "sky", "person": "pedestrian", "rider": "bicyclist", "car": "car", "truck": "car", "bus": "car"},
        **{"train": "car", "motorcycle": "bicyclist", "bicycle": "bicyclist"},
    }


def test_the_refusal_reads_well():
    with pytest.raises(SchemaMismatch) as refusal:
        CAMVID11.remap_table(VOC21)
    assert str(refusal.value) == (
        "schema 'camvid11' does not fit 'voc21': no home for sky, building, pole, road, pavement, tree, sign, fence, "
        "bicyclist; use a model trained on 'camvid11' or maps in 'voc21'"
    )


# ---- JSON


@each
def test_json_round_trip(schema):
    again = Schema.from_json(schema.to_json())
    assert again == schema
    assert again.planes == schema.planes


def test_a_schema_written_by_hand_needs_little():
    text = '{"name": "s", "classes": [{"name": "road", "id": 3, "colour": [1, 2, 3]}]}'
    assert Schema.from_json(text) == Schema("s", (Class("road", 3, (1, 2, 3)),), 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "mine.json is not JSON"),
        ("[]", "mine.json is not an object with a list of 'classes'"),
        ('{"classes": [3]}', "class 3 is not an object"),
        ('{"classes": [], "planez": 3}', "unknown key planez; known are classes, name, planes, void_colour"),
        ('{"classes": [{"name": "a"}]}', "lacks colour, id"),
        ('{"classes": [{"name": "a", "id": 0, "colour": 5}]}', "three bytes"),
        ('{"classes": [{"name": "a", "id": "0", "colour": [0, 0, 1]}]}', "not in 0..254"),
        ('{"classes": [{"name": "a", "id": 0, "colour": [0, 0, 1]}]}', "give it a name"),
        ('{"name": "s", "planes": "4", "classes": [{"name": "a", "id": 0, "colour": [0, 0, 1]}]}', "planes is '4'"),
    ],
)
def test_bad_json_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        Schema.from_json(text, "mine.json")


def test_find_schema(tmp_path):
    assert find_schema("CityScapes35") is CITYSCAPES35
    file = tmp_path / "mine.json"
    file.write_text(VOC21.to_json())
    assert find_schema(str(file)) == VOC21
    with pytest.raises(
        UsageError, match=r"there are cityscapes19, cityscapes35, camvid11, voc21, or give a schema\.json"
    ):
        find_schema("ade20k")
    with pytest.raises(InputError, match=r"cannot read the label schema .*none\.json"):
        find_schema(str(tmp_path / "none.json"))
