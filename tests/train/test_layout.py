"""The reference's folders as they are: what is read, what has to match, and messages that name the clip."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.train.footage_files import drifting
from v2vcli.errors import InputError, RecipeError, SchemaMismatch
from v2vcli.maps.drawn.face import face_box, face_map
from v2vcli.maps.drawn.keypoints import PoseSettings
from v2vcli.maps.makers.edges import CannyExtractor, canny
from v2vcli.maps.schema import CITYSCAPES35
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train.clip_sampling import ClipWindow
from v2vcli.train.clips import load_clips
from v2vcli.train.footage import Footage
from v2vcli.train.recipe import DataRecipe, SourceRecipe
from v2vcli.worlds import open_world

LABELS = MapSpec("labels", schema=CITYSCAPES35, instance_edges=True)
RNG = np.random.default_rng(0)


def loaded(root: Path, spec: MapSpec, told: list[str] | None = None, **fields: object) -> list[Footage]:
    source = SourceRecipe.model_validate({"layout": "in"} | {n: fields.pop(n) for n in ("schema",) if n in fields})
    values = {"load_size": (48, 32)} | fields
    recipe = DataRecipe(root=str(root), source=(source,), **values)  # type: ignore[arg-type]

    def makers(name: str) -> Callable[..., list[MapFrame]]:
        assert name == "edges"
        return CannyExtractor().extract

    report = (lambda _: None) if told is None else told.append
    return load_clips(recipe, spec, makers, with_flow=True, report=report)


def save(root: Path, folder: str, clip: str, name: str, array: np.ndarray) -> Path:  # type: ignore[type-arg]
    path = root / "in" / f"train_{folder}" / clip
    path.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path / name)
    return path / name


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Two clips of three and two frames; names differ between folders, only their order says what belongs together."""
    for clip, frames in (("b", 3), ("a", 2)):
        for t, image in enumerate(drifting(frames, 48, 32)):
            save(tmp_path, "B", clip, f"frame_{t:02d}.jpg", image)
            save(tmp_path, "A", clip, f"{t:02d}_labelIds.png", np.full((32, 48), 7 + t + 10 * (clip == "b"), np.uint8))
            instances = np.full((32, 48), 26001, np.uint16)
            instances[:, 24:] += t
            save(tmp_path, "inst", clip, f"{t:02d}_instanceIds.png", instances)
    return tmp_path


def test_labels_and_instances_by_sorted_name(street: Path) -> None:
    clips = loaded(street, LABELS)
    assert [Path(clip.name).name for clip in clips] == ["a", "b"]
    assert [clip.stretches.tolist() for clip in clips] == [[2], [3]]
    moment = clips[1].read(0, ClipWindow(0, 2, 2), RNG)
    assert [made.array.max() for made in moment.maps] == [17, 19]
    assert moment.maps[1].instances is not None
    assert moment.maps[1].instances[0].tolist() == [26001] * 24 + [26003] * 24
    assert np.abs(moment.images[0].astype(int) - drifting(3, 48, 32)[0]).mean() < 12  # JPEG


def test_maps_are_brought_to_the_loaded_size(street: Path) -> None:
    moment = loaded(street, LABELS, load_size=(30, 30), fit="cover")[0].read(0, ClipWindow(0, 1, 2), RNG)
    assert moment.images.shape == (2, 30, 45, 3)
    assert [made.size for made in moment.maps] == [(45, 30)] * 2


def test_paletted_labels_are_values_not_colours(street: Path) -> None:
    picture = Image.fromarray(np.full((32, 48), 11, np.uint8))
    picture.putpalette(list(range(255, -1, -1)) * 3)
    picture.save(street / "in" / "train_A" / "a" / "00_labelIds.png")
    assert loaded(street, LABELS)[0].read(0, ClipWindow(0, 1, 1), RNG).maps[0].array.max() == 11


def test_edges_and_control_pictures(street: Path) -> None:
    clip = loaded(street, MapSpec("edges"))[1]
    moment = clip.read(0, ClipWindow(1, 1, 2), RNG)
    assert np.array_equal(moment.maps[0].array, canny(moment.images[0]))
    for t in range(2):
        save(street, "A", "a", f"{t:02d}_labelIds.png", np.full((32, 48, 3), (t, 2, 3), np.uint8))
        save(street, "A", "b", f"{t:02d}_labelIds.png", np.full((32, 48, 3), (t, 2, 3), np.uint8))
    assert loaded(street, MapSpec("rgb"))[0].read(0, ClipWindow(1, 1, 1), RNG).maps[0].array[0, 0].tolist() == [1, 2, 3]


def test_counts_have_to_match_and_the_clip_is_named(street: Path) -> None:
    (street / "in" / "train_A" / "b" / "01_labelIds.png").unlink()
    with pytest.raises(RecipeError, match=r"clip .*train_A/b: 2 files, but 3 frames in .*train_B/b"):
        loaded(street, LABELS)
    save(street, "B", "c", "0.png", np.zeros((32, 48, 3), np.uint8))
    with pytest.raises(RecipeError, match=r"3 clips in train_B but 2 in train_A \(c is in one alone\)"):
        loaded(street, LABELS)


def test_what_is_not_there_is_named(street: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"train_img: no such folder; the layout wants train_img, train_keypoints"):
        loaded(street, MapSpec("face"))
    (street / "in" / "train_B" / "a0").mkdir()
    (street / "in" / "train_A" / "a0").mkdir()
    (street / "in" / "train_inst" / "a0").mkdir()
    with pytest.raises(RecipeError, match=r"train_B/a0: there are no frames in it"):
        loaded(street, LABELS)
    (tmp_path / "empty" / "in" / "train_B").mkdir(parents=True)
    with pytest.raises(RecipeError, match=r"train_B: there are no clips in it"):
        loaded(tmp_path / "empty", MapSpec("edges"))


def test_labels_outside_the_schema_end_the_run_before_it_begins(street: Path) -> None:
    with pytest.raises(
        SchemaMismatch, match=r"a/00_labelIds\.png: has ids \[12\] that schema 'camvid11' does not know"
    ):
        save(street, "A", "a", "00_labelIds.png", np.full((32, 48), 12, np.uint8))
        loaded(street, MapSpec("labels", schema=CITYSCAPES35), schema="camvid11")


def test_bad_clips_are_named_and_left_out_up_to_a_limit(street: Path) -> None:
    (street / "in" / "train_B" / "a" / "frame_00.jpg").write_bytes(b"nothing")
    told: list[str] = []
    assert [Path(clip.name).name for clip in loaded(street, LABELS, told)] == ["b"]
    assert any(line.startswith("left out: clip a:") and "frame_00.jpg" in line for line in told)
    with pytest.raises(RecipeError, match=r"more than data\.max_bad_files = 0; the last: .*frame_00\.jpg"):
        loaded(street, LABELS, max_bad_files=0)


def test_a_bad_frame_is_named_when_it_is_read(street: Path) -> None:
    clip = loaded(street, LABELS)[1]
    save(street, "inst", "b", "02_instanceIds.png", np.zeros((32, 48, 3), np.uint8))
    with pytest.raises(InputError, match=r"02_instanceIds\.png: holds colours, not ids"):
        clip.read(0, ClipWindow(1, 1, 2), RNG)


def test_faces_are_cropped_by_the_windows_first_frame(tmp_path: Path) -> None:
    world = open_world("head", 3, 160, 120)
    for t in range(3):
        frame = world.frame(10 * t)
        assert frame.landmarks is not None
        save(tmp_path, "img", "a", f"{t}.png", frame.image)
        folder = tmp_path / "in" / "train_keypoints" / "a"
        folder.mkdir(parents=True, exist_ok=True)
        np.savetxt(folder / f"{t}.txt", frame.landmarks.round(), "%d", delimiter=",")
    (clip,) = loaded(tmp_path, MapSpec("face"), load_size=(64, 64))
    moment = clip.read(0, ClipWindow(1, 1, 2), RNG)
    assert moment.images.shape == (2, 64, 64, 3)
    first, second = world.frame(10), world.frame(20)
    assert first.landmarks is not None and second.landmarks is not None
    box = face_box(first.landmarks.round(), 160, 120)
    whole = face_map(second.landmarks.round(), second.image)
    assert whole.instances is not None
    expected = MapFrame(whole.spec, box.of(whole.array), box.of(whole.instances)).resized(64, 64)
    assert np.array_equal(moment.maps[1].array, expected.array)
    assert moment.key is None  # the same frames are cropped otherwise in another window

    (tmp_path / "in" / "train_keypoints" / "a" / "1.txt").write_text("1,2\n3,4\n")
    with pytest.raises(InputError, match=r"a/1\.txt: \(2, 2\) numbers; 68 lines of x,y are wanted"):
        clip.read(0, ClipWindow(0, 1, 2), RNG)


def test_poses_keep_the_middle_and_miss_parts_now_and_then(tmp_path: Path) -> None:
    people = np.zeros((1, 25, 3))
    people[0, :, 0] = np.linspace(50, 200, 25)
    people[0, :, 1] = np.linspace(10, 110, 25)
    people[0, :, 2] = 1
    for t in range(2):
        save(tmp_path, "img", "a", f"{t}.png", drifting(1, 256, 120)[0])
        densepose = np.zeros((120, 256, 3), np.uint8)
        densepose[40:80, 100:150] = (120, 30, 5)  # part 5
        save(tmp_path, "densepose", "a", f"{t}_IUV.png", densepose)
        folder = tmp_path / "in" / "train_openpose" / "a"
        folder.mkdir(parents=True, exist_ok=True)
        person = {"pose_keypoints_2d": people[0].ravel().tolist()}
        (folder / f"{t}_keypoints.json").write_text(json.dumps({"people": [person]}))
    spec = MapSpec("pose", pose=PoseSettings(densepose=True))
    (clip,) = loaded(tmp_path, spec, load_size=(128, 120))
    drawn = [clip.read(0, ClipWindow(0, 1, 2), np.random.default_rng(seed)) for seed in range(12)]
    assert drawn[0].images.shape == (2, 120, 128, 3)
    assert np.array_equal(drawn[0].images[0], drifting(1, 256, 120)[0][:, 64:192])
    assert drawn[0].maps[0].array.shape == (120, 128, 6)
    assert {int(each.maps[0].array[60, 60, 2]) for each in drawn} <= {0, 5}
    assert len({each.maps[0].array[..., 3:].tobytes() for each in drawn}) > 1
    again = clip.read(0, ClipWindow(0, 1, 2), np.random.default_rng(0))
    assert np.array_equal(again.maps[1].array, drawn[0].maps[1].array)
