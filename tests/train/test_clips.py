"""Clips out of sources: control videos, stills that are no clip, hold-out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.train.whole_clips import whole
from v2vcli.errors import RecipeError, SchemaMismatch
from v2vcli.maps.makers.edges import CannyExtractor
from v2vcli.maps.schema import CAMVID11
from v2vcli.maps.spec import MapSpec
from v2vcli.train.batches import Sampler
from v2vcli.train.clips import Clip, load_clips
from v2vcli.train.recipe import DataRecipe, SourceRecipe, StageRecipe
from v2vcli.video import Encoding, Frame, VideoWriter

CPU = torch.device("cpu")


def _video(path: Path, colours: list[tuple[int, int, int]]) -> None:
    encoding = Encoding(crf=0, pix_fmt="yuv444p")
    with VideoWriter(
        path, width=32, height=16, time_base=Fraction(1, 25), rate=Fraction(25), encoding=encoding
    ) as writer:
        for index, colour in enumerate(colours):
            image = np.full((16, 32, 3), colour, np.uint8)
            writer.write(Frame(image, Fraction(index, 25), Fraction(1, 25), index))


def _load(tmp_path: Path, spec: MapSpec, **source: object) -> list:  # type: ignore[type-arg]
    data = DataRecipe(root=str(tmp_path), load_size=(32, 16), source=(SourceRecipe.model_validate(source),))
    return load_clips(data, spec, lambda name: pytest.fail(name), with_flow=False, report=lambda _: None)


def test_a_control_video_is_the_map(tmp_path: Path) -> None:
    _video(tmp_path / "v.mp4", [(10 * t, 0, 0) for t in range(10)])
    _video(tmp_path / "c.mp4", [(0, 0, 20 * t) for t in range(10)])
    (clip,) = _load(tmp_path, MapSpec("rgb"), video="v.mp4", control="c.mp4", hold_out=0.2)
    assert clip.maps.shape == (8, 16, 32, 3)
    assert abs(int(clip.maps[7, 0, 0, 2]) - 140) <= 2
    assert abs(int(clip.images[7, 0, 0, 0]) - 70) <= 2
    data = DataRecipe(load_size=(32, 16), flip=False, source=(SourceRecipe(video="v.mp4"),))
    stage = StageRecipe(name="s", kind="video", size=(32, 16), steps=1, frames=3)
    batch = whole(Sampler([clip], data, stage, (0, 0)).clips_batch(0, MapSpec("rgb"), CPU))
    assert batch.maps_BTCHW.shape == batch.images_BT3HW.shape == (1, 3, 3, 16, 32)
    assert batch.maps_BTCHW.min() >= -1


def test_a_control_video_of_another_length(tmp_path: Path) -> None:
    _video(tmp_path / "v.mp4", [(0, 0, 0)] * 5)
    _video(tmp_path / "c.mp4", [(0, 0, 0)] * 4)
    with pytest.raises(RecipeError, match=r"v.mp4: 5 frames but 4 maps in c.mp4"):
        _load(tmp_path, MapSpec("rgb"), video="v.mp4", control="c.mp4")


def test_stills_are_no_clip(tmp_path: Path) -> None:
    for folder in ("rgb", "label"):
        (tmp_path / folder).mkdir()
    for t in range(4):
        Image.fromarray(np.full((16, 32, 3), t, np.uint8)).save(tmp_path / "rgb" / f"{t}.png")
        Image.fromarray(np.full((16, 32), t, np.uint8)).save(tmp_path / "label" / f"{t}.png")
    spec = MapSpec("labels", schema=CAMVID11)
    clips = _load(tmp_path, spec, stills="rgb", labels="label", schema="camvid11")
    assert len(clips[0]) == 4
    data = DataRecipe(load_size=(32, 16), source=(SourceRecipe(stills="rgb"),))
    single = StageRecipe(name="s", kind="image", size=(32, 16), steps=1)
    assert whole(Sampler(clips, data, single, (0, 0)).clips_batch(0, spec, CPU)).images_BT3HW.shape[1] == 1
    with pytest.raises(RecipeError, match="no clip is that long"):
        Sampler(clips, data, single.model_copy(update={"frames": 3}), (0, 0))


def test_a_missing_video_says_where_to_set_the_place(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no such video; set the place of the data with --set data\.root=DIR"):
        _load(tmp_path, MapSpec("rgb"), video="v.mp4", control="c.mp4")


def test_labels_outside_the_schema_are_named_before_anything_is_trained(tmp_path: Path) -> None:
    for folder in ("rgb", "label"):
        (tmp_path / folder).mkdir()
    for t in range(2):
        Image.fromarray(np.zeros((16, 32, 3), np.uint8)).save(tmp_path / "rgb" / f"{t}.png")
        Image.fromarray(np.full((16, 32), 40 * t, np.uint8)).save(tmp_path / "label" / f"{t}.png")
    with pytest.raises(SchemaMismatch, match=r"label/1\.png: has ids \[40\] that schema 'camvid11' does not know"):
        _load(tmp_path, MapSpec("labels", schema=CAMVID11), stills="rgb", labels="label", schema="camvid11")


def test_frames_that_cover_keep_their_aspect(tmp_path: Path) -> None:
    _video(tmp_path / "v.mp4", [(0, 0, 0)] * 3)
    data = DataRecipe(root=str(tmp_path), load_size=(24, 24), fit="cover", source=(SourceRecipe(video="v.mp4"),))
    (clip,) = load_clips(
        data, MapSpec("edges"), lambda _: CannyExtractor().extract, with_flow=True, report=lambda _: None
    )
    assert isinstance(clip, Clip)
    assert clip.images.shape == (3, 24, 48, 3)
    assert clip.flow is not None


def test_stills_of_several_shapes_cannot_cover(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for width in (32, 40):
        Image.fromarray(np.zeros((16, width, 3), np.uint8)).save(tmp_path / "s" / f"{width}.png")
    data = DataRecipe(root=str(tmp_path), load_size=(16, 16), fit="cover", source=(SourceRecipe(stills="s"),))
    with pytest.raises(RecipeError, match=r's: its pictures have several shapes; set data\.fit = "stretch"'):
        load_clips(data, MapSpec("edges"), lambda _: CannyExtractor().extract, with_flow=False, report=lambda _: None)
