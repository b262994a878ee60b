"""Stored maps come back exactly, with their times, or not at all."""

import errno
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.maps.clips import label_frames, random_frames
from v2vcli.errors import DamagedInput, InputError, OutputError, SchemaMismatch
from v2vcli.maps.files.map_file import SPEC_TAG, MapFileWriter, stored_maps, stored_spec
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.files.store import MapWriter
from v2vcli.maps.schema import CAMVID11, CITYSCAPES19, CITYSCAPES35, SCHEMAS
from v2vcli.maps.spec import CannySettings, MapFrame, MapSpec

LABELS = MapSpec("labels", CITYSCAPES19)
SPECS = [
    *(MapSpec("labels", schema) for schema in SCHEMAS.values()),
    MapSpec("edges", edges=CannySettings(10, 20)),
    MapSpec("rgb"),
]
NAMES = [s.schema.name if s.schema else s.kind for s in SPECS]
TARGETS = ["maps.mkv", "maps"]

# Not a constant rate, not on milliseconds, two within one millisecond, and before zero.
TIMES = [Fraction(-1, 7), Fraction(0), Fraction(1, 90000), Fraction(1001, 30000), Fraction(99999, 17)]


def store(path, frames, times=TIMES, **options):
    with MapWriter(path, frames[0].spec, **options) as writer:
        for frame, pts in zip(frames, times, strict=False):
            writer.write(frame, pts)
    return path


def with_instances(count):
    frames = label_frames(LABELS, count, instances=True)
    for frame in frames:
        frame.instances[:] %= 1009  # fits 16 bits
    return frames


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_arrays_and_times_come_back_exactly(tmp_path, spec, target):
    frames = random_frames(spec, len(TIMES))
    back = list(open_maps(store(tmp_path / target, frames), spec).timed())
    assert [pts for pts, _ in back] == TIMES
    for (_, got), frame in zip(back, frames, strict=True):
        assert got.spec == spec
        assert np.array_equal(got.array, frame.array)
    assert [p.name for p in tmp_path.iterdir()] == [target]


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (17, 1), (641, 359)])
@pytest.mark.parametrize("target", TARGETS)
def test_odd_sizes(tmp_path, size, target):
    for spec in (LABELS, MapSpec("edges"), MapSpec("rgb")):
        frames = random_frames(spec, 2, *size)
        (tmp_path / spec.kind).mkdir()
        back = list(open_maps(store(tmp_path / spec.kind / target, frames), spec))
        assert all(np.array_equal(a.array, b.array) for a, b in zip(back, frames, strict=True))


@pytest.mark.parametrize("target", TARGETS)
def test_instances_travel_along(tmp_path, target):
    spec = MapSpec("labels", CITYSCAPES35, instance_edges=True)
    frames = label_frames(spec, instances=True)
    frames[0].instances[0, :2] = 0, 65535
    back = list(open_maps(store(tmp_path / target, frames), spec))
    for got, frame in zip(back, frames, strict=True):
        assert got.instances.dtype == np.int32
        assert np.array_equal(got.instances, frame.instances)
        assert np.array_equal(got.array, frame.array)


@pytest.mark.parametrize("target", TARGETS)
def test_instance_ids_beyond_16_bits_are_refused(tmp_path, target):
    frame = label_frames(LABELS, 1, instances=True)[0]
    frame.instances[:] = 3
    frame.instances[0, 0] = 65536
    with pytest.raises(OutputError, match=r"instance ids 3\.\.65536 do not fit 16 bits"):
        store(tmp_path / target, [frame])
    assert not list(tmp_path.iterdir())


def test_the_same_maps_give_the_same_bytes(tmp_path):
    frames = label_frames(LABELS)
    a, b = store(tmp_path / "a.mkv", frames), store(tmp_path / "b.mkv", frames)
    assert a.read_bytes() == b.read_bytes()


def test_the_file_says_what_it_holds(tmp_path):
    path = store(tmp_path / "m.mkv", random_frames(SPECS[-2]))
    assert stored_spec(path) == SPECS[-2]
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "ffv1"
        assert container.streams.video[0].format.name == "gray"


def test_pngs_are_8_bit_paletted_with_the_schemas_colours(tmp_path):
    frames = label_frames(LABELS, 2)
    folder = store(tmp_path / "m", frames)
    assert sorted(p.name for p in folder.iterdir()) == ["000000.png", "000001.png", "maps.json", "schema.json"]
    with Image.open(folder / "000001.png") as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.asarray(picture), frames[1].array)
        assert np.array_equal(np.asarray(picture.convert("RGB")), frames[1].picture())
    assert (folder / "000001.png").read_bytes()[24] == 8  # IHDR: bit depth
    assert len(list(open_maps(folder, LABELS))) == open_maps(folder, LABELS).length == 2


# ---- damage


def test_a_flipped_byte_is_found(tmp_path):
    path = store(tmp_path / "m.mkv", random_frames(MapSpec("rgb"), 3))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DamagedInput, match=r"is damaged at frame 1: .*; make the maps anew"):
        list(stored_maps(path))


def test_a_file_that_was_cut_short_is_found(tmp_path):
    path = store(tmp_path / "m.mkv", random_frames(MapSpec("rgb"), 3))
    path.write_bytes(path.read_bytes()[:-9000])
    with pytest.raises(DamagedInput, match="cut short: it ends after 1 maps"):
        list(stored_maps(path))


def test_a_damaged_png_is_named(tmp_path):
    folder = store(tmp_path / "m", random_frames(LABELS, 3))
    whole = (folder / "000001.png").read_bytes()
    (folder / "000001.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"000001\.png cannot be read as a picture"):
        list(open_maps(folder, LABELS))


def test_a_file_without_our_additions_is_read_by_its_milliseconds(tmp_path):
    """Somebody else may write such files: FFV1 grey and the tag, nothing more."""
    frames = label_frames(LABELS, 3)
    with av.open(str(tmp_path / "m.mkv"), "w") as container:
        container.metadata[SPEC_TAG.lower()] = LABELS.to_json()
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = "gray"
        for i, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame.array, "gray")
            picture.pts, picture.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    back = list(open_maps(tmp_path / "m.mkv", LABELS).timed())
    assert [pts for pts, _ in back] == [0, Fraction(1, 25), Fraction(2, 25)]
    assert all(np.array_equal(got.array, frame.array) for (_, got), frame in zip(back, frames, strict=True))


# ---- safety of files


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_left_after_an_exception(tmp_path, target):
    with pytest.raises(RuntimeError), MapWriter(tmp_path / target, LABELS) as writer:
        writer.write(label_frames(LABELS, 1)[0], Fraction(0))
        assert [p.name for p in tmp_path.iterdir()] == ["maps.part" + target[4:]]
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_no_maps_is_an_error_that_leaves_nothing(tmp_path, target):
    with pytest.raises(OutputError, match="there were no maps"), MapWriter(tmp_path / target, LABELS):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_overwritten_unasked_and_a_failure_keeps_the_old(tmp_path, target):
    path = store(tmp_path / target, label_frames(LABELS, 4))
    with pytest.raises(OutputError, match="exists; -y overwrites it"):
        MapWriter(path, LABELS)
    with pytest.raises(RuntimeError), MapWriter(path, LABELS, overwrite=True):
        raise RuntimeError
    assert len(list(open_maps(path, LABELS))) == 4
    store(path, label_frames(LABELS, 2), overwrite=True)
    assert len(list(open_maps(path, LABELS))) == 2
    assert [p.name for p in tmp_path.iterdir()] == [target]


def test_a_folder_with_other_things_in_it_is_never_replaced(tmp_path):
    folder = store(tmp_path / "m", label_frames(LABELS, 1))
    (folder / "thesis.tex").write_text("x")
    with pytest.raises(OutputError, match=r"holds other files than maps of v2v \(thesis\.tex\)"):
        MapWriter(folder, LABELS, overwrite=True)
    assert (folder / "thesis.tex").exists()


@pytest.mark.parametrize("spec", [LABELS, MapSpec("edges"), MapSpec("rgb")], ids=lambda spec: spec.kind)
def test_only_folders_that_were_written_here_are_replaced(tmp_path, spec):
    """Each of these folders holds nothing but names that maps have, and one thing that is somebody's own."""
    picture = Image.fromarray(np.zeros((4, 4), np.uint8))

    def own(folder, name):
        (folder / name).parent.mkdir(exist_ok=True)
        picture.save(folder / name)

    frames = with_instances(2) if spec.kind == "labels" else random_frames(spec, 2)
    for name in ("holiday.png", "instances/thesis.doc", "instances/000007.png", "000007.png", "000000.png"):
        folder = store(tmp_path / "m", frames)
        if name.endswith(".doc"):
            (folder / "instances").mkdir(exist_ok=True)
            (folder / name).write_text("x")
        else:
            own(folder, name)  # the last one stands for a map that was edited in another program
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        with pytest.raises(OutputError, match=rf"holds other files than maps of v2v \({name}\); give another folder"):
            MapWriter(folder, spec, overwrite=True)
        assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert [path.name for path in tmp_path.iterdir()] == ["m"]
        folder.rename(tmp_path.with_name(f"{tmp_path.name}-{name.replace('/', '-')}"))


def test_photos_survive(tmp_path):
    photos = tmp_path / "photos"
    (photos / "instances").mkdir(parents=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(photos / "holiday.png")
    (photos / "instances" / "thesis.doc").write_text("years")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "schema.json").write_text(CITYSCAPES19.to_json())
    for name in ("photos", "schemas"):
        with pytest.raises(OutputError, match="holds other files than maps of v2v"):
            MapWriter(tmp_path / name, LABELS, overwrite=True)
    assert (photos / "holiday.png").exists() and (photos / "instances" / "thesis.doc").read_text() == "years"
    assert (tmp_path / "schemas" / "schema.json").exists()


def test_an_empty_folder_may_be_filled_and_a_link_may_not(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "m")
    store(tmp_path / "m", with_instances(2), overwrite=True)
    store(tmp_path / "m", label_frames(LABELS, 1), overwrite=True)
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["000000.png", "maps.json", "schema.json"]
    with pytest.raises(OutputError, match="is a link"):
        MapWriter(tmp_path / "link", LABELS, overwrite=True)


def test_what_came_into_the_old_folder_meanwhile_is_kept(tmp_path):
    folder = store(tmp_path / "m", label_frames(LABELS, 2))
    with pytest.raises(OutputError, match=r"holds other files than maps of v2v \(out\.mp4\)"):  # noqa: SIM117
        with MapWriter(folder, LABELS, overwrite=True) as writer:
            writer.write(label_frames(LABELS, 1)[0], Fraction(0))
            (folder / "out.mp4").write_text("x")
    left = sorted(path.name for path in folder.iterdir())
    assert left == ["000000.png", "000001.png", "maps.json", "out.mp4", "schema.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_folder_that_appears_meanwhile_is_not_replaced(tmp_path):
    with pytest.raises(OutputError, match="exists"), MapWriter(tmp_path / "m", LABELS) as writer:
        writer.write(label_frames(LABELS, 1)[0], Fraction(0))
        store(tmp_path / "other", label_frames(LABELS, 3)).rename(tmp_path / "m")
    assert len(list(open_maps(tmp_path / "m", LABELS))) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("target", TARGETS)
def test_of_two_writers_the_second_is_refused(tmp_path, target):
    frames = label_frames(LABELS, 3)
    with MapWriter(tmp_path / target, LABELS) as writer:
        for i, frame in enumerate(frames):
            with pytest.raises(OutputError, match="another v2v is writing this; wait for it"):
                MapWriter(tmp_path / target, LABELS, overwrite=True)
            writer.write(frame, Fraction(i))
    back = list(open_maps(tmp_path / target, LABELS))
    assert all(np.array_equal(got.array, frame.array) for got, frame in zip(back, frames, strict=True))


@pytest.mark.parametrize("target", TARGETS)
def test_what_has_the_name_of_the_part_file_is_kept(tmp_path, target):
    part = tmp_path / f"maps.part{target[4:]}"
    (part / "deep").mkdir(parents=True)
    (part / "deep" / "mine").write_text("mine")
    with pytest.raises(OutputError, match=rf"{part} is in the way: remove it"):
        MapWriter(tmp_path / target, LABELS, overwrite=True)
    assert (part / "deep" / "mine").read_text() == "mine"


def test_targets_that_cannot_be(tmp_path):
    (tmp_path / "d.mkv").mkdir()
    (tmp_path / "f").write_text("x")
    for name, message in (
        ("a.mp4", "give a name ending in .mkv, or a folder"),
        ("none/a.mkv", "does not exist"),
        ("d.mkv", "is a folder"),
        ("f", "is a file"),
    ):
        with pytest.raises(OutputError, match=message):
            MapWriter(tmp_path / name, LABELS, overwrite=True)


@pytest.mark.parametrize("target", TARGETS)
def test_maps_that_do_not_belong_are_refused(tmp_path, target):
    frame = label_frames(LABELS, 1)[0]
    for wrong, error, message in (
        (MapFrame(MapSpec("labels", CAMVID11), frame.array), OutputError, "map 1 is not what"),
        (frame.resized(8, 8), OutputError, r"map 1 is \(8, 8\)"),
        (MapFrame(LABELS, frame.array + np.uint8(100)), SchemaMismatch, "map 1 has ids"),
    ):
        with pytest.raises(error, match=message), MapWriter(tmp_path / target, LABELS) as writer:
            writer.write(frame, Fraction(0))
            writer.write(wrong, Fraction(1))


@pytest.mark.parametrize("target", TARGETS)
def test_instances_must_not_come_and_go(tmp_path, target):
    without, with_ = label_frames(LABELS, 1)[0], with_instances(1)[0]
    for frames in ([without, with_], [with_, without]):
        with pytest.raises(OutputError, match="some maps of the clip have instances"):
            store(tmp_path / target, frames)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_an_error():
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    frames = random_frames(MapSpec("rgb"), 3, 400, 300)
    writer = MapFileWriter(Path("/dev/full"), frames[0].spec)
    with pytest.raises((OSError, av.error.FFmpegError), match="No space left"):  # MapWriter makes it an OutputError
        for i, frame in enumerate(frames):
            writer.write(frame, Fraction(i))
        writer.close()


@pytest.mark.parametrize("target", TARGETS)
def test_a_writer_that_fails_midway_is_one_clear_line_and_leaves_nothing(tmp_path, target, monkeypatch):
    frames = label_frames(LABELS, 2)
    with pytest.raises(OutputError, match=r"cannot be written: No space left on device; is the disk full\?"):  # noqa: SIM117
        with MapWriter(tmp_path / target, LABELS) as writer:
            writer.write(frames[0], Fraction(0))

            def fail(*_):
                raise OSError(errno.ENOSPC, "No space left on device")

            monkeypatch.setattr(writer._writer, "write", fail)
            writer.write(frames[1], Fraction(1))
    assert not list(tmp_path.iterdir())
