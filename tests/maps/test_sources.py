"""`--maps`: what is accepted comes out right and remapped; what is not is refused with a line that helps."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from tests.maps.clips import encode, label_frames, label_scene, random_frames
from v2vcli.errors import InputError, SchemaMismatch, UsageError
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.files.store import MapWriter
from v2vcli.maps.makers.edges import CannyExtractor
from v2vcli.maps.schema import CAMVID11, CITYSCAPES19, CITYSCAPES35, VOC21, LabelClass, LabelSchema
from v2vcli.maps.spec import MapFrame, MapSpec

CITY, CITY35, CAMVID = (MapSpec("labels", s) for s in (CITYSCAPES19, CITYSCAPES35, CAMVID11))


def scenes(schema, count=3, **size):
    return [label_scene(schema, index=i, **size) for i in range(count)]


def save_pngs(folder, arrays, mode_palette=None, names=None):
    folder.mkdir(exist_ok=True)
    for i, array in enumerate(arrays):
        picture = Image.fromarray(array)
        if mode_palette is not None:
            picture.putpalette(np.ascontiguousarray(mode_palette).tobytes())
        picture.save(folder / (names[i] if names else f"{i}.png"))
    return folder


# ---- colour-coded video


@pytest.mark.parametrize("schema", [CITYSCAPES19, CITYSCAPES35, CAMVID11, VOC21], ids=lambda s: s.name)
def test_lossless_colours_are_exact(tmp_path, schema):
    ids = scenes(schema)
    path = encode(tmp_path / "v.mkv", [schema.colourise(i) for i in ids], "ffv1", "bgr0")
    got = list(open_maps(path, MapSpec("labels", schema)).timed())
    assert [pts for pts, _ in got] == [0, Fraction(1, 25), Fraction(2, 25)]
    for (_, frame), expected in zip(got, ids, strict=True):
        assert np.array_equal(frame.array, expected)


@pytest.mark.parametrize(("matrix", "tagged"), [(1, True), (5, True), (1, False), (5, False)])
@pytest.mark.parametrize("schema", [CITYSCAPES19, CAMVID11], ids=lambda s: s.name)
def test_compressed_colours_survive_whatever_the_matrix(tmp_path, schema, matrix, tagged):
    ids = scenes(schema, width=320, height=192)
    pictures = [schema.colourise(i) for i in ids]
    path = encode(tmp_path / "v.mp4", pictures, matrix=matrix, tagged=tagged, crf=23)
    got = list(open_maps(path, MapSpec("labels", schema)))
    inside = np.ones_like(ids[0], bool)  # away from borders, where chroma at half size cannot help
    for shift in range(-3, 4):
        for axis in (0, 1):
            inside &= np.roll(ids[0], shift, axis) == ids[0]
    assert (got[0].array == ids[0])[inside].mean() > 0.999
    assert np.mean([(g.array == i).mean() for g, i in zip(got, ids, strict=True)]) > 0.93


def test_the_wrong_palette_is_refused_and_the_right_one_named(tmp_path):
    path = encode(tmp_path / "v.mp4", [CAMVID11.colourise(i) for i in scenes(CAMVID11)], crf=23)
    with pytest.raises(
        InputError, match=r"v\.mp4, frame 0 has colours that schema 'cityscapes19' lacks: .*"
    ) as refusal:
        open_maps(path, CITY)
    assert str(refusal.value).endswith("it looks like --maps-schema camvid11")
    remapped = next(iter(open_maps(path, CITY, CAMVID11)))
    assert remapped.spec == CITY
    assert np.mean(remapped.array == CAMVID11.remap_table(CITYSCAPES19)[label_scene(CAMVID11)]) > 0.85


def test_a_photograph_is_no_label_map_and_no_edge_map(tmp_path):
    y, x = np.mgrid[:96, :160]
    photo = np.stack([x + 40, y * 2, 200 - x], -1).astype(np.uint8)
    path = encode(tmp_path / "v.mp4", [photo])
    with pytest.raises(
        InputError, match=r"no built-in schema .* has them; give the palette as --maps-schema SCHEMA\.json"
    ):
        open_maps(path, CITY)
    with pytest.raises(InputError, match="is no edge map"):
        open_maps(path, MapSpec("edges"))


def test_a_palette_that_goes_wrong_later_names_the_frame(tmp_path):
    good, bad = CITYSCAPES19.colourise(label_scene(CITYSCAPES19)), CAMVID11.colourise(label_scene(CAMVID11))
    path = encode(tmp_path / "v.mkv", [good, good, bad], "ffv1", "bgr0")
    source = open_maps(path, CITY)
    with pytest.raises(InputError, match="frame 2 has colours"):
        list(source)


def test_a_schema_of_ones_own(tmp_path):
    mine = LabelSchema("mine", (LabelClass("street", 3, (250, 250, 0)), LabelClass("cars", 7, (0, 250, 250))))
    path = encode(tmp_path / "v.mkv", [mine.colourise(label_scene(mine))], "ffv1", "bgr0")
    with pytest.raises(SchemaMismatch, match="'mine' does not fit 'cityscapes19': no home for street, cars;"):
        open_maps(path, CITY, mine)
    assert np.array_equal(next(iter(open_maps(path, MapSpec("labels", mine)))).array, label_scene(mine))


# ---- grey video


def test_grey_video_of_ids_needs_a_schema_and_a_lossless_codec(tmp_path):
    ids = scenes(CAMVID11)
    path = encode(tmp_path / "v.mkv", ids, "ffv1", "gray")
    with pytest.raises(InputError, match=r"nothing in .* says what its ids mean; give --maps-schema"):
        open_maps(path, CAMVID)
    for frame, expected in zip(open_maps(path, CITY, CAMVID11), ids, strict=True):
        assert np.array_equal(frame.array, CAMVID11.remap_table(CITYSCAPES19)[expected])
    with pytest.raises(InputError, match=r"frame 0 has ids \[21, 22, .*that schema 'voc21' does not know"):
        open_maps(encode(tmp_path / "w.mkv", scenes(CITYSCAPES35), "ffv1", "gray"), MapSpec("labels", VOC21), VOC21)
    lossy = encode(tmp_path / "v.mp4", ids, "libx265", "gray", **{"x265-params": "log-level=none"})
    with pytest.raises(InputError, match="'hevc' is lossy"):
        open_maps(lossy, CAMVID, CAMVID11)


def test_ids_encoded_as_dark_grey_are_not_taken_for_a_black_label_video(tmp_path):
    dark = [np.repeat(i[..., None], 3, 2) for i in scenes(CAMVID11)]
    path = encode(tmp_path / "v.mp4", dark)
    with pytest.raises(InputError, match="the first map is void everywhere"):
        open_maps(path, CAMVID, CAMVID11)


# ---- stored maps


def test_stored_maps_are_remapped_or_refused(tmp_path):
    frames = label_frames(CITY)
    with MapWriter(tmp_path / "m.mkv", CITY) as writer:
        for i, frame in enumerate(frames):
            writer.write(frame, Fraction(i, 25))
    source = open_maps(tmp_path / "m.mkv", CAMVID)
    assert source.schema == CITYSCAPES19
    for _ in range(2):  # every iteration begins at the first map
        for got, frame in zip(source, frames, strict=True):
            assert got.spec == CAMVID
            assert np.array_equal(got.array, CITYSCAPES19.remap_table(CAMVID11)[frame.array])
    with pytest.raises(SchemaMismatch, match="no home for road"):
        open_maps(tmp_path / "m.mkv", MapSpec("labels", VOC21))
    with pytest.raises(InputError, match="holds 'labels' maps, but the model paints from 'rgb' maps"):
        open_maps(tmp_path / "m.mkv", MapSpec("rgb"))
    with pytest.raises(UsageError, match="says that its schema is 'cityscapes19', but --maps-schema says 'camvid11'"):
        open_maps(tmp_path / "m.mkv", CAMVID, CAMVID11)
    open_maps(tmp_path / "m.mkv", CAMVID, CITYSCAPES19)  # saying it again does no harm


def test_a_model_with_instance_edges_wants_instances(tmp_path):
    path = encode(tmp_path / "v.mkv", [CITYSCAPES35.colourise(label_scene(CITYSCAPES35))], "ffv1", "bgr0")
    with pytest.raises(InputError, match="frame 0 has no instance ids"):
        open_maps(path, MapSpec("labels", CITYSCAPES35, instance_edges=True))


# ---- folders


def test_the_pixel_value_is_the_class_and_the_palette_names_the_schema(tmp_path):
    ids = scenes(CAMVID11)
    folder = save_pngs(tmp_path / "m", ids, CAMVID11.palette)
    source = open_maps(folder, CITY)
    assert (source.schema, source.length) == (CAMVID11, 3)
    for got, expected in zip(source, ids, strict=True):
        assert np.array_equal(got.array, CAMVID11.remap_table(CITYSCAPES19)[expected])


def test_a_palette_that_a_shrinking_program_made_is_read_by_colour(tmp_path):
    ids = label_scene(CAMVID11)
    used = np.unique(ids)[::-1]  # some other order
    shrunk = np.argsort(used)[np.searchsorted(np.sort(used), ids)].astype(np.uint8)
    assert np.array_equal(used[shrunk], ids)
    assert not np.array_equal(shrunk, ids)
    folder = save_pngs(tmp_path / "m", [shrunk], CAMVID11.palette[used])
    assert np.array_equal(next(iter(open_maps(folder, CAMVID, CAMVID11))).array, ids)


def test_grey_pngs_need_a_schema_from_somewhere(tmp_path):
    ids = scenes(CAMVID11)
    folder = save_pngs(tmp_path / "m", ids)
    with pytest.raises(InputError, match=r"nothing in .* says what its ids mean.*schema\.json beside the PNGs"):
        open_maps(folder, CAMVID)
    assert np.array_equal(next(iter(open_maps(folder, CAMVID, CAMVID11))).array, ids[0])
    (folder / "schema.json").write_text(CAMVID11.to_json())
    assert np.array_equal(next(iter(open_maps(folder, CAMVID))).array, ids[0])
    with pytest.raises(UsageError, match="leave the option out"):
        open_maps(folder, CAMVID, VOC21)
    (folder / "schema.json").write_text("{")
    with pytest.raises(InputError, match=r"schema\.json is not JSON"):
        open_maps(folder, CAMVID)


def test_rgb_pngs_are_read_by_colour(tmp_path):
    folder = save_pngs(tmp_path / "m", [CAMVID11.colourise(i) for i in scenes(CAMVID11)])
    assert np.array_equal(next(iter(open_maps(folder, CAMVID))).array, label_scene(CAMVID11))
    with pytest.raises(InputError, match=r"0\.png \(map 0\) has colours that schema 'cityscapes19' lacks"):
        open_maps(folder, CITY)


def test_natural_order(tmp_path):
    ids = [np.full((4, 4), i, np.uint8) for i in range(11)]
    folder = save_pngs(tmp_path / "m", ids, names=[f"frame{i}.png" for i in range(11)])
    assert [int(f.array[0, 0]) for f in open_maps(folder, CITY, CITYSCAPES19)] == list(range(11))


def test_unknown_ids_name_the_file_and_the_ids(tmp_path):
    ids = scenes(CITYSCAPES19)
    ids[2] = ids[2].copy()
    ids[2][5, 5], ids[2][6, 6] = 40, 77
    source = open_maps(save_pngs(tmp_path / "m", ids, CITYSCAPES19.palette), CITY)
    with pytest.raises(
        InputError, match=r"2\.png \(map 2\) has ids \[40, 77\] that schema 'cityscapes19' does not know"
    ):
        list(source)


def test_a_cityscapes_folder_works_as_it_is(tmp_path):
    ids = scenes(CITYSCAPES35)
    instances = [i.astype(np.uint16) * 1000 + 3 for i in ids]
    stems = [f"ulm_000000_{i:06d}_gtFine" for i in range(3)]
    folder = save_pngs(tmp_path / "m", ids, names=[f"{s}_labelIds.png" for s in stems])
    save_pngs(folder, instances, names=[f"{s}_instanceIds.png" for s in stems])
    save_pngs(folder, [CITYSCAPES35.colourise(i) for i in ids], names=[f"{s}_color.png" for s in stems])
    spec = MapSpec("labels", CITYSCAPES35, instance_edges=True)
    source = open_maps(folder, spec)
    assert source.length == 3
    for got, label, instance in zip(source, ids, instances, strict=True):
        assert np.array_equal(got.array, label)
        assert np.array_equal(got.instances, instance)
    (folder / f"{stems[1]}_instanceIds.png").unlink()
    with pytest.raises(InputError, match=f"{stems[1]}_instanceIds.png is missing"):
        open_maps(folder, spec)


def test_train_id_files_are_cityscapes19(tmp_path):
    folder = save_pngs(tmp_path / "m", scenes(CITYSCAPES19, 1), names=["a_labelTrainIds.png"])
    assert open_maps(folder, CITY35).schema == CITYSCAPES19


def test_16_bit_pngs_are_no_labels(tmp_path):
    folder = save_pngs(tmp_path / "m", [np.full((4, 4), 26001, np.uint16)])
    with pytest.raises(InputError, match=r"0\.png is a 'I;16' picture"):
        open_maps(folder, CITY, CITYSCAPES19)


def test_an_empty_folder_and_a_missing_path(tmp_path):
    with pytest.raises(InputError, match="has no PNGs in it"):
        open_maps(tmp_path, CITY)
    with pytest.raises(InputError, match="has no pictures in it"):
        open_maps(tmp_path, MapSpec("rgb"))
    with pytest.raises(InputError, match="there are no maps at"):
        open_maps(tmp_path / "none", CITY)
    (tmp_path / "a.mkv").write_text("this is no video")
    with pytest.raises(InputError, match=r"cannot read maps from .*a\.mkv"):
        open_maps(tmp_path / "a.mkv", CITY)


# ---- rgb and edges


def test_a_control_video_comes_back_in_its_colours(tmp_path):
    patches = [(200, 40, 60), (20, 180, 90), (30, 60, 220), (250, 250, 250), (8, 8, 8)]
    picture = np.repeat(np.repeat(np.array([patches], np.uint8), 32, 0), 32, 1)
    for matrix in (1, 5):
        path = encode(tmp_path / f"{matrix}.mp4", [picture] * 2, matrix=matrix, crf=5)
        frames = list(open_maps(path, MapSpec("rgb")))
        assert len(frames) == 2
        for i, colour in enumerate(patches):
            centre = frames[1].array[8:24, 32 * i + 8 : 32 * i + 24]
            assert np.abs(centre.astype(int) - colour).max() <= 3


def test_untagged_video_is_bt601_when_small(tmp_path):
    picture = np.full((64, 64, 3), (200, 40, 60), np.uint8)
    path = encode(tmp_path / "v.mp4", [picture], matrix=5, tagged=False, crf=5)
    assert np.abs(next(iter(open_maps(path, MapSpec("rgb")))).array.astype(int) - picture).max() <= 3


def test_a_folder_of_pictures_as_rgb_maps(tmp_path):
    frames = random_frames(MapSpec("rgb"))
    folder = save_pngs(tmp_path / "m", [f.array for f in frames])
    source = open_maps(folder, MapSpec("rgb"))
    assert source.length == 3
    assert all(np.array_equal(a.array, b.array) for a, b in zip(source, frames, strict=True))


def test_compressed_edges_come_back(tmp_path):
    picture = CITYSCAPES19.colourise(label_scene(CITYSCAPES19, 320, 192))
    frame = CannyExtractor().extract([picture], (320, 192))[0]
    path = encode(tmp_path / "v.mp4", [frame.picture()], crf=28)
    assert np.mean(next(iter(open_maps(path, MapSpec("edges")))).array == frame.array) > 0.999
    folder = save_pngs(tmp_path / "m", [frame.array])
    assert np.array_equal(next(iter(open_maps(folder, MapSpec("edges")))).array, frame.array)


def test_a_schema_for_maps_without_labels_is_a_mistake(tmp_path):
    with pytest.raises(UsageError, match="--maps-schema is for label maps, but the model paints from 'edges' maps"):
        open_maps(tmp_path, MapSpec("edges"), CITYSCAPES19)


# ---- in step, in constant memory


def test_memory_does_not_grow_with_the_clip(tmp_path):
    spec = MapSpec("rgb")
    frame = MapFrame(spec, np.zeros((200, 300, 3), np.uint8))
    peaks = []
    for count in (20, 200):
        with MapWriter(tmp_path / f"{count}.mkv", spec) as writer:
            for i in range(count):
                writer.write(frame, Fraction(i, 25))
        source = open_maps(tmp_path / f"{count}.mkv", spec)
        tracemalloc.start()
        assert sum(1 for _ in source) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2


# ---- real maps


def test_real_label_folders_know_their_schema(clips_dir):
    camvid = open_maps(clips_dir / "camvid" / "0016E5_15hz_a" / "label", CITY)
    assert (camvid.schema, camvid.length) == (CAMVID11, 71)
    driving = open_maps(clips_dir / "driving" / "city_day_car_input.labels", CAMVID)
    assert (driving.schema, driving.length) == (CITYSCAPES19, 121)
    first = next(iter(driving)).array
    assert (first[300:, 200:400] == CAMVID11.class_named("road").id).mean() > 0.95


def test_an_hd_map_is_rgb_and_neither_labels_nor_edges(clips_dir):
    path = clips_dir / "av_hdmap" / "002b815b__front_wide_120fov" / "control.mp4"
    assert next(iter(open_maps(path, MapSpec("rgb")))).size == (640, 360)
    with pytest.raises(InputError, match="has colours that schema 'cityscapes19' lacks"):
        open_maps(path, CITY)
    with pytest.raises(InputError, match="is no edge map"):
        open_maps(path, MapSpec("edges"))
