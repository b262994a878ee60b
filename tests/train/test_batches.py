"""Batches: the same at any number of workers and processes, cut alike frame by frame, bad luck in one line."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.train.footage_files import drifting, write_video
from tests.train.whole_clips import whole
from v2vcli.errors import InputError, RecipeError, SchemaMismatch
from v2vcli.maps.makers.edges import CannyExtractor
from v2vcli.maps.schema import CAMVID11, CITYSCAPES19, VOC21
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.models.warp import warp
from v2vcli.train.batches import Sampler, shots
from v2vcli.train.clip_loading import ClipBatch
from v2vcli.train.clip_sampling import ClipWindow
from v2vcli.train.clips import Clip, load_clips
from v2vcli.train.distributed import World
from v2vcli.train.failures import RunError, in_plain_words
from v2vcli.train.footage import Footage, Moment
from v2vcli.train.recipe import DataRecipe, SourceRecipe, StageRecipe

CPU = torch.device("cpu")
EDGES = MapSpec("edges")
LABELS = MapSpec("labels", schema=CITYSCAPES19)


def stage(**fields: object) -> StageRecipe:
    values = {"name": "s", "kind": "video", "size": (32, 24), "frames": 4, "batch": 2, "steps": 50}
    return StageRecipe.model_validate(values | fields)


def data(**fields: object) -> DataRecipe:
    return DataRecipe.model_validate({"load_size": (48, 32), "source": [{"world": "street"}]} | fields)


def clip(frames: int = 12, name: str = "c", width: int = 48, height: int = 32, **fields: object) -> Clip:
    images = drifting(frames, width, height, seed=frames)
    flow = np.zeros((frames, height, width, 2), np.float16)
    flow[..., 0] = -1  # drifting to the right: what is here was one pixel to the left
    believed = np.ones((frames, height, width), np.bool_)
    spec = fields.pop("spec", EDGES)
    maps = np.asarray((images[..., 0] > 127) * (255 if spec == EDGES else 1), np.uint8)
    return Clip(name, images, maps, spec, flow, believed, **fields)  # type: ignore[arg-type]


def equal(a: ClipBatch, b: ClipBatch) -> bool:
    return all(torch.equal(mine, theirs) for mine, theirs in zip(a.tensors(), b.tensors(), strict=True))


@pytest.fixture
def videos(tmp_path: Path) -> list[Footage]:
    (tmp_path / "in").mkdir()
    for number in range(3):
        write_video(tmp_path / "in" / f"{number}.mp4", drifting(20 + number, 64, 48, seed=number))
    recipe = data(root=str(tmp_path), cache=str(tmp_path / "c"), source=[{"videos": "in"}])

    def makers(name: str) -> Callable[..., list[MapFrame]]:
        return CannyExtractor().extract

    return load_clips(recipe, EDGES, makers, with_flow=True, report=lambda _: None)


def batches(clips: list[Footage], draws: list[int], recipe: DataRecipe, **fields: object) -> list[ClipBatch]:
    with Sampler(clips, recipe, stage(), (3, 1), **fields) as sampler:  # type: ignore[arg-type]
        return [whole(sampler.clips_batch(draw, EDGES, CPU)) for draw in draws]


def test_a_batch_is_a_function_of_its_number(videos: list[Footage]) -> None:
    straight = batches(videos, [0, 1, 2, 3], data(scale=(1.0, 1.5), stride=3))
    resumed = batches(videos, [2, 3], data(scale=(1.0, 1.5), stride=3))
    assert all(equal(a, b) for a, b in zip(straight[2:], resumed, strict=True))
    assert not equal(straight[0], straight[1])
    assert not torch.equal(straight[0].images_BT3HW[0], straight[0].images_BT3HW[1])
    with Sampler(videos, data(), stage(), (3, 2)) as other:
        assert not equal(whole(other.clips_batch(0, EDGES, CPU)), batches(videos, [0], data())[0])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_workers_do_not_change_the_sequence(videos: list[Footage], workers: int) -> None:
    settings = {"scale": (1.0, 1.4), "stride": 2}
    alone = batches(videos, list(range(6)), data(**settings))
    helped = batches(videos, list(range(6)), data(**settings, workers=workers))
    assert all(equal(a, b) for a, b in zip(alone, helped, strict=True))


@pytest.mark.slow
def test_workers_do_not_change_a_segmenters_pictures() -> None:
    (world,) = load_clips(data(), LABELS, lambda _: pytest.fail("no maker"), with_flow=False, report=lambda _: None)
    settings = stage(kind="segment", frames=1)
    found = []
    for workers in (0, 1):
        with Sampler([world], data(jitter=0.5, workers=workers), settings, (0, 0)) as sampler:
            found.append([sampler.labelled_batch(draw, CPU) for draw in range(3)])
    for alone, helped in zip(*found, strict=True):
        assert torch.equal(alone.images, helped.images)
        assert torch.equal(alone.ids, helped.ids)
        assert alone.schemas == helped.schemas == [CITYSCAPES19] * 2


def test_processes_share_the_batch_of_one(videos: list[Footage]) -> None:
    whole = batches(videos, [5], data())[0]
    shares = [batches(videos, [5], data(), world=World(rank, 2))[0] for rank in range(2)]
    assert torch.equal(whole.images_BT3HW, torch.cat([share.images_BT3HW for share in shares]))
    assert torch.equal(whole.flow_BT2HW, torch.cat([share.flow_BT2HW for share in shares]))
    with pytest.raises(RecipeError, match="a batch of 2 cannot be divided among 3 processes"):
        batches(videos, [0], data(), world=World(0, 3))


def test_everything_of_a_clip_is_cut_alike() -> None:
    """Scaled, cropped, mirrored: maps stay on their images, and the flow still leads from frame to frame."""
    with Sampler([clip()], data(scale=(1.0, 1.6)), stage(batch=1), (0, 0)) as sampler:
        mirrored = set()
        for draw in range(12):
            batch = whole(sampler.clips_batch(draw, EDGES, CPU))
            images, flow = batch.images_BT3HW[0], batch.flow_BT2HW[0]
            agreement = ((images[:, 0] > 0) == (batch.maps_BTCHW[0, :, 0] > 0)).float().mean()
            assert agreement > 0.9
            ratio = flow[1:, 0].abs().mean()
            assert 0.99 < ratio < 1.65  # the scaled frame's pixels
            mirrored.add(bool(flow[1:, 0].mean() > 0))
            inner = (..., slice(4, -4), slice(4, -4))
            warped = warp(images[:-1], flow[1:])
            assert (warped - images[1:])[inner].abs().mean() < 0.06 < (images[:-1] - images[1:])[inner].abs().mean()
            assert flow[0].eq(0).all()
            assert batch.confidence_BT1HW[0, 0].eq(0).all()
            assert batch.confidence_BT1HW[0, 1:].eq(1).all()
        assert mirrored == {True, False}


def test_poses_are_never_mirrored() -> None:
    pose = MapSpec("pose")
    images = drifting(6, 48, 32)
    footage = Clip("p", images, images, pose, None, None)
    settings = stage(kind="image", frames=1, size=(48, 32), batch=1)
    with Sampler([footage], data(), settings, (0, 0)) as sampler:
        for draw in range(20):
            image = whole(sampler.clips_batch(draw, pose, CPU)).images_BT3HW[0, 0]
            assert any(torch.equal(image, torch.from_numpy(each).permute(2, 0, 1) / 127.5 - 1) for each in images)


def test_a_stride_is_drawn_for_each_clip_and_flow_follows_it() -> None:
    found = set()
    with Sampler([clip(24)], data(stride=3, flip=False), stage(batch=1), (0, 0)) as sampler:
        for draw in range(20):
            flow = whole(sampler.clips_batch(draw, EDGES, CPU)).flow_BT2HW[0, 1:, 0]
            steps = flow[:, 4:-4, 6:-4].mean(dim=(1, 2))
            assert steps.std() < 0.2
            found.add(round(-steps.mean().item()))
    assert found == {1, 2, 3}


def test_clips_grow_as_the_stage_says() -> None:
    growing = stage(frames=3, grow_every=10, steps=40, batch=1)
    with Sampler([clip(8), clip(5)], data(), growing, (0, 0)) as sampler:
        lengths = [whole(sampler.clips_batch(draw, EDGES, CPU)).images_BT3HW.shape[1] for draw in (0, 10, 20, 30)]
    assert lengths == [3, 5, 8, 8]  # 1 + 2, 1 + 4, then the longest that there is


def test_a_clip_shorter_than_the_window() -> None:
    with pytest.raises(
        RecipeError, match="stage 's' reads 20 frames at a time; no clip is that long; the longest, of c, has 12"
    ):
        Sampler([clip()], data(), stage(frames=20), (0, 0))
    with Sampler([clip(3, "short"), clip(12)], data(flip=False), stage(frames=6, batch=1), (0, 0)) as sampler:
        for draw in range(5):  # only the long one is drawn
            assert whole(sampler.clips_batch(draw, EDGES, CPU)).images_BT3HW.shape[1] == 6


def test_weights_and_lengths_are_the_odds() -> None:
    dark, bright = clip(11), clip(11)
    dark = replace(dark, images=dark.images * 0, weight=3.0)
    bright = replace(bright, images=bright.images * 0 + 255)
    with Sampler([dark, bright], data(), stage(kind="image", frames=1, batch=400), (0, 0)) as sampler:
        share = (whole(sampler.clips_batch(0, EDGES, CPU)).images_BT3HW.mean(dim=(1, 2, 3, 4)) < 0).float().mean()
    assert 0.69 < share < 0.81


def test_labels_that_do_not_fit_the_model_are_refused_before_the_first_step() -> None:
    wrong = clip(spec=MapSpec("labels", schema=VOC21), name="voc")
    right = clip(spec=LABELS)
    with (
        Sampler([right, wrong], data(), stage(), (0, 0)) as sampler,
        pytest.raises(SchemaMismatch, match=r"^voc: .*aeroplane"),
    ):
        whole(sampler.clips_batch(0, LABELS, CPU))


def test_labels_are_remapped_by_name() -> None:
    fine = clip(spec=LABELS)
    camvid = MapSpec("labels", schema=CAMVID11)
    with Sampler([fine], data(), stage(), (0, 0)) as sampler:
        planes = whole(sampler.clips_batch(0, camvid, CPU)).maps_BTCHW
    assert planes.sum(dim=2).eq(1).all()
    names = {each.id: each.name for each in CAMVID11.classes}
    assert {names[int(i)] for i in planes.argmax(2).unique()} == {"road", "pavement"}


@dataclass(frozen=True, eq=False)
class Troubled:
    """Footage whose first stretch cannot be read, or kills who reads it."""

    fatal: bool = False
    name: str = "troubled"
    source: str = "videos"
    spec: MapSpec = EDGES
    weight: float = 1.0
    resident: bool = False

    @property
    def stretches(self) -> NDArray[np.int64]:
        return np.array([12, 12])

    def read(self, stretch: int, window: ClipWindow, rng: np.random.Generator) -> Moment:
        if stretch == 0 and self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        if stretch == 0:
            raise InputError("bad.png: cannot be read")
        return clip().read(0, window, rng)


def test_a_file_that_cannot_be_read_is_passed_over_and_named_once() -> None:
    told: list[str] = []
    with Sampler([Troubled()], data(max_bad_files=8), stage(), (0, 0), report=told.append) as sampler:
        first = [whole(sampler.clips_batch(draw, EDGES, CPU)) for draw in range(4)]
    assert told == ["left out: bad.png: cannot be read"]
    with Sampler([Troubled()], data(max_bad_files=8), stage(), (0, 0)) as sampler:
        assert equal(first[3], whole(sampler.clips_batch(3, EDGES, CPU)))
    with (
        Sampler([Troubled()], data(max_bad_files=0), stage(batch=8), (0, 0)) as sampler,
        pytest.raises(RecipeError, match=r"more than data\.max_bad_files = 0 files cannot be read; the last: bad\.png"),
    ):
        whole(sampler.clips_batch(0, EDGES, CPU))


@pytest.mark.slow
def test_a_dead_worker_ends_the_run_in_one_line() -> None:
    with Sampler([Troubled(fatal=True)], data(workers=2), stage(batch=8), (0, 0)) as sampler:
        with pytest.raises(BrokenProcessPool):
            whole(sampler.clips_batch(0, EDGES, CPU))
        with pytest.raises(RunError, match="a process that prepares data died") as caught, in_plain_words("step 1"):
            whole(sampler.clips_batch(1, EDGES, CPU))
    assert "\n" not in str(caught.value)


def test_epochs_count_shots() -> None:
    assert [(shot.source, shot.frames) for shot in shots([Troubled(), clip(5)])] == [
        ("videos", 12),
        ("videos", 12),
        ("video", 5),
    ]
    with Sampler([Troubled(), clip(5)], data(), stage(steps=0, epochs=2, batch=1), (0, 0)) as sampler:
        assert sampler.schedule.steps == 2 * (3 + 3 + 1)


def test_sources_are_one_of_five() -> None:
    with pytest.raises(ValueError, match="a source is one of video, stills, world, videos, layout"):
        SourceRecipe(videos="a", layout="b")
