"""Folders of videos: nothing to prepare, no clip across a cut, maps as `convert` makes them, bad files named."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.train.footage_files import drifting, write_video
from v2vcli.errors import InputError, RecipeError
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.makers.edges import CannyExtractor, canny
from v2vcli.maps.schema import CITYSCAPES19
from v2vcli.maps.spec import MapFrame, MapSpec, resize_image
from v2vcli.train import pages, video_folder
from v2vcli.train.clip_sampling import ClipWindow
from v2vcli.train.clips import load_clips
from v2vcli.train.footage import Footage, Pictures
from v2vcli.train.recipe import DataRecipe, SourceRecipe
from v2vcli.train.video_folder import VideoFootage
from v2vcli.train.video_index import MapPlan, index_video
from v2vcli.video.reader import VideoReader

EDGES = MapSpec("edges")


def data(root: Path, **fields: object) -> DataRecipe:
    source = {name: fields.pop(name) for name in ("labels", "hold_out") if name in fields}
    values = {"load_size": (48, 32), "fit": "cover", "cache": str(root / "cache")} | fields
    return DataRecipe(root=str(root), source=(SourceRecipe(videos="in", **source),), **values)  # type: ignore[arg-type]


def edges(name: str) -> Callable[..., list[MapFrame]]:
    assert name == "edges"
    return CannyExtractor().extract


def loaded(recipe: DataRecipe, told: list[str] | None = None, spec: MapSpec = EDGES) -> list[Footage]:
    report = (lambda _: None) if told is None else told.append
    return load_clips(recipe, spec, edges, with_flow=True, report=report)


@pytest.fixture(autouse=True)
def no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that another test has read."""
    monkeypatch.setattr(video_folder, "PAGES", pages.Pages())


@pytest.fixture
def two_shots(tmp_path: Path) -> Path:
    """A video with a cut at frame 40, in a folder of a folder."""
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    images = np.concatenate((drifting(40, 96, 64, seed=1), 255 - drifting(60, 96, 64, seed=2) // 3))
    return write_video(tmp_path / "in" / "deeper" / "a.mp4", images)


def test_clips_end_at_cuts_and_hold_the_very_frames(tmp_path: Path, two_shots: Path) -> None:
    (footage,) = loaded(data(tmp_path))
    assert isinstance(footage, VideoFootage)
    assert footage.stretches.tolist() == [40, 60]
    with VideoReader(two_shots) as reader:
        whole = [frame.image for frame in reader]
    for stretch, window in ((0, ClipWindow(37, 1, 3)), (1, ClipWindow(0, 1, 5)), (1, ClipWindow(29, 6, 6))):
        moment = footage.read(stretch, window, np.random.default_rng(0))
        numbers = [(0, 40)[stretch] + index for index in window.indices]
        assert list(moment.numbers) == numbers
        for image, made, number in zip(moment.images, moment.maps, numbers, strict=True):
            assert np.array_equal(image, resize_image(whole[number], 48, 32))
            assert np.array_equal(made.array, canny(resize_image(whole[number], 48, 32)))  # as `convert` makes them


def test_the_cache_holds_maps_that_v2v_reads_and_is_used(tmp_path: Path, two_shots: Path) -> None:
    (footage,) = loaded(data(tmp_path))
    assert isinstance(footage, VideoFootage)
    assert sum(1 for _ in open_maps(footage.index.maps, EDGES)) == 100
    written = footage.index.maps.stat().st_mtime_ns

    def never(name: str) -> Callable[..., list[MapFrame]]:
        return lambda images, size: pytest.fail("made twice")

    two_shots.rename(two_shots.with_name("renamed.mp4"))
    (again,) = load_clips(data(tmp_path), EDGES, never, with_flow=True, report=lambda _: None)
    assert isinstance(again, VideoFootage)
    assert again.index.maps.stat().st_mtime_ns == written
    assert again.name.endswith("renamed.mp4")


def test_another_size_or_another_file_has_maps_of_its_own(tmp_path: Path, two_shots: Path) -> None:
    (first,) = loaded(data(tmp_path))
    (larger,) = loaded(data(tmp_path, load_size=(64, 40)))
    write_video(two_shots.with_name("b.mp4"), drifting(10, 96, 64, seed=1))
    two_shots.unlink()
    (other,) = loaded(data(tmp_path))
    assert isinstance(first, VideoFootage) and isinstance(larger, VideoFootage) and isinstance(other, VideoFootage)
    assert larger.index.size == (64, 43)  # covers, at the frame's aspect
    assert len({first.index.maps, larger.index.maps, other.index.maps}) == 3
    assert first.index.key == larger.index.key != other.index.key


def test_what_a_killed_run_left_is_no_obstacle(tmp_path: Path, two_shots: Path) -> None:
    (first,) = loaded(data(tmp_path))
    assert isinstance(first, VideoFootage)
    maps = first.index.maps
    maps.rename(maps.with_name(f"{maps.stem}.part.mkv"))  # half a file, and no index
    (maps.parent / f"{first.index.key}.json").unlink()
    (again,) = loaded(data(tmp_path))
    assert isinstance(again, VideoFootage)
    assert again.index == first.index
    assert maps.exists()


def test_held_out_frames_are_never_read(tmp_path: Path, two_shots: Path) -> None:
    assert loaded(data(tmp_path, hold_out=0.3))[0].stretches.tolist() == [40, 30]
    assert loaded(data(tmp_path, hold_out=0.7))[0].stretches.tolist() == [30]


def test_what_is_kept_in_memory_is_bounded(tmp_path: Path, two_shots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = pages.Pages(room=1 << 19)
    monkeypatch.setattr(video_folder, "PAGES", kept)
    (footage,) = loaded(data(tmp_path))
    for start in (0, 20, 59, 0):
        footage.read(1, ClipWindow(min(start, 56), 1, 4), np.random.default_rng(0))
        footage.read(0, ClipWindow(min(start, 36), 1, 4), np.random.default_rng(0))
        assert 0 < kept.used <= kept.room


def test_a_bad_file_is_named_and_left_out_up_to_a_limit(tmp_path: Path, two_shots: Path) -> None:
    bad = two_shots.with_name("bad.mp4")
    bad.write_bytes(b"no video at all")
    told: list[str] = []
    assert len(loaded(data(tmp_path, max_bad_files=1), told)) == 1
    assert sum("left out" in line and "bad.mp4" in line for line in told) == 1
    with pytest.raises(RecipeError, match=r"1 videos cannot be read, more than data\.max_bad_files = 0.*bad\.mp4"):
        loaded(data(tmp_path, max_bad_files=0))


def test_a_cut_short_video_is_a_bad_file(tmp_path: Path, two_shots: Path) -> None:
    whole = two_shots.read_bytes()
    two_shots.with_suffix(".mkv").write_bytes(whole[: len(whole) // 2])  # an MP4 whose index is missing
    told: list[str] = []
    assert [footage.name for footage in loaded(data(tmp_path), told)] == [str(two_shots)]
    assert any("a.mkv" in line for line in told)


def test_a_file_that_changes_under_the_run_is_said(tmp_path: Path, two_shots: Path) -> None:
    (footage,) = loaded(data(tmp_path))
    write_video(tmp_path / "short.mp4", drifting(10, 96, 64)).replace(two_shots)
    with pytest.raises(InputError, match=r"a\.mp4: 0 frames and 4 maps where 4 were found before"):
        footage.read(1, ClipWindow(56, 1, 2), np.random.default_rng(0))


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"in: no such folder; set the place of the data with --set data\.root=DIR"):
        loaded(data(tmp_path))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("no video")
    with pytest.raises(RecipeError, match=r"in: there are no videos in it \(1 other files\); check the path"):
        loaded(data(tmp_path))
    (tmp_path / "in" / "a.mp4").write_text("no video")
    with pytest.raises(RecipeError, match="none of its 1 videos can be read"):
        loaded(data(tmp_path))


def test_maps_that_nothing_makes(tmp_path: Path, two_shots: Path) -> None:
    with pytest.raises(RecipeError, match=r"makes face maps from frames; give them as files: data\.source\.layout"):
        loaded(data(tmp_path), spec=MapSpec("face"))
    with pytest.raises(RecipeError, match=r"labels = 'folder'; of a folder of videos they are made"):
        loaded(data(tmp_path, labels="folder"), spec=MapSpec("labels", schema=CITYSCAPES19))


def test_label_maps_are_smoothed_shot_by_shot_and_named_by_their_network(tmp_path: Path, two_shots: Path) -> None:
    spec, calls = MapSpec("labels", schema=CITYSCAPES19), 0

    def flickering(images: list[Pictures], size: tuple[int, int]) -> list[MapFrame]:
        nonlocal calls
        made = []
        for _ in images:
            made.append(MapFrame(spec, np.full((size[1], size[0]), calls == 20, np.uint8)))  # one frame differs
            calls += 1
        return made

    plan = MapPlan(flickering, "labels 1", True, (48, 32), "stretch")  # type: ignore[arg-type]
    (tmp_path / "cache").mkdir()
    found = index_video(two_shots, plan, tmp_path / "cache")
    maps = [made.array for made in open_maps(found.maps, spec)]
    assert np.mean(maps[20] == 0) > 0.8  # outvoted by the frames before it, where the flow is believed
    assert len(maps) == 100
    again = index_video(two_shots, MapPlan(flickering, "labels 2", True, (48, 32), "stretch"), tmp_path / "cache")  # type: ignore[arg-type]
    assert again.maps != found.maps
    assert calls == 200


def _prepare(root: str) -> None:
    loaded(data(Path(root)))


@pytest.mark.slow
def test_two_processes_prepare_one_folder(tmp_path: Path, two_shots: Path) -> None:
    for number in range(3):
        write_video(two_shots.with_name(f"{number}.mp4"), drifting(30, 96, 64, seed=number))
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_prepare, args=(str(tmp_path),)) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert [other.exitcode for other in others] == [0, 0]
    assert len(loaded(data(tmp_path))) == 4


def test_a_busy_file_is_come_back_to(tmp_path: Path, two_shots: Path) -> None:
    """Two threads stand for two processes: locks are of open files."""
    write_video(two_shots.with_name("b.mp4"), drifting(10, 96, 64))
    threads = [threading.Thread(target=_prepare, args=(str(tmp_path),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = loaded(data(tmp_path))
    assert [footage.stretches.sum() for footage in found] == [100, 10]


def test_faces_from_nothing_but_videos(tmp_path: Path, clips_dir: Path) -> None:
    """A real talking head: reading from the middle by a seek gives what reading from the top gives."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "face.mp4").symlink_to(clips_dir / "faces" / "man_expressions_d18.mp4")
    (footage,) = loaded(data(tmp_path, load_size=(96, 96)))
    assert footage.stretches.tolist() == [216]
    moment = footage.read(0, ClipWindow(150, 2, 5), np.random.default_rng(0))
    with VideoReader(clips_dir / "faces" / "man_expressions_d18.mp4") as reader:
        whole = [resize_image(frame.image, 96, 96) for frame in reader]
    for t, number in enumerate(range(150, 160, 2)):
        assert np.array_equal(moment.images[t], whole[number])
        assert np.array_equal(moment.maps[t].array, canny(whole[number]))


def test_times_are_exact(tmp_path: Path, two_shots: Path) -> None:
    (footage,) = loaded(data(tmp_path))
    assert isinstance(footage, VideoFootage)
    times = np.load(footage.index.times)
    assert [Fraction(*map(int, pair)) for pair in times] == [Fraction(n, 25) for n in range(100)]
