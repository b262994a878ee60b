"""Reading colours back: clean, compressed, and not of this palette at all."""

import numpy as np
import pytest

from tests.maps.clips import label_scene
from v2vcli.maps.files.palette import PaletteReader, _core
from v2vcli.maps.schema import CAMVID11, CITYSCAPES19, SCHEMAS, VOC21


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda s: s.name)
def test_clean_colours_come_back_exactly(schema):
    ids = label_scene(schema)
    reading = PaletteReader.of_schema(schema).read(schema.colourise(ids))
    assert np.array_equal(reading.values, ids)
    assert reading[1:] == (0, 0)
    assert PaletteReader.of_schema(schema).distance(schema.colourise(ids)) == 0


def test_every_colour_reads_as_the_nearest_by_brute_force():
    rgb = np.random.default_rng(0).integers(0, 256, (60, 70, 3)).astype(np.uint8)
    reader = PaletteReader(CITYSCAPES19.colours, unsure=np.inf)
    palette = np.array(list(CITYSCAPES19.colours))
    nearest = np.linalg.norm(rgb[:, :, None].astype(float) - palette, axis=3).argmin(2)
    expected = np.array(list(CITYSCAPES19.colours.values()))[nearest]
    for _ in range(2):  # the second time from memory
        assert np.array_equal(reader.read(rgb).values, expected)


def test_a_blurred_border_takes_a_class_beside_it_not_a_third_one():
    schema = CITYSCAPES19  # half way between road and vegetation lies terrain-like grey: nearest is building or wall
    rgb = np.empty((9, 10, 3), np.uint8)
    rgb[:, :5], rgb[:, 5:] = schema.palette[0], schema.palette[8]
    rgb[:, 4:6] = (schema.palette[0].astype(int) + schema.palette[8]) // 2
    assert set(np.unique(PaletteReader(schema.colours, unsure=np.inf).read(rgb).values)) - {0, 8}
    values = PaletteReader.of_schema(schema).read(rgb).values
    assert set(np.unique(values)) == {0, 8}
    assert (values[:, :4] == 0).all()
    assert (values[:, 6:] == 8).all()


def test_foreign_areas_count_and_foreign_lines_do_not():
    picture = CITYSCAPES19.palette[np.full((40, 40), 10, np.uint8)]
    picture[:, 20] = (0, 255, 0)
    lines = PaletteReader.of_schema(CITYSCAPES19).read(picture)
    assert lines.foreign_areas == 0
    assert lines.foreign_drawing == pytest.approx(1 / 40)
    picture[10:30, 10:30] = (0, 255, 0)
    assert PaletteReader.of_schema(CITYSCAPES19).read(picture).foreign_areas == pytest.approx(16 * 16 / 1600)


def test_line_drawings_on_black_are_given_away_by_what_is_drawn():
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[::8] = (0, 255, 0)
    assert PaletteReader.of_schema(CITYSCAPES19).read(picture)[1:] == (0, 1)


def test_another_data_sets_colours_are_foreign():
    coloured = CAMVID11.colourise(label_scene(CAMVID11))
    for schema in (CITYSCAPES19, VOC21):
        assert PaletteReader.of_schema(schema).read(coloured).foreign_areas > 0.2


def test_core():
    mask = np.zeros((9, 9), bool)
    mask[1:7, 2:8] = True
    expected = np.zeros((9, 9), bool)
    expected[3:5, 4:6] = True
    assert np.array_equal(_core(mask), expected)
    assert _core(np.ones((1, 1), bool)).all()
    assert not _core(np.zeros((1, 3), bool)).any()
