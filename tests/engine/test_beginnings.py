"""What a conversion begins with: frames to warm up, first frames, lists of cuts; and what its pictures show."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import v2vcli
from tests.engine.material import EDGES, SIZE, picture, read, save_painter, times, write_clip
from v2vcli.engine.clip import Clip, is_wanted
from v2vcli.engine.cut_list import CutList, ListedCuts, read_cuts
from v2vcli.engine.request import ConvertRequest
from v2vcli.errors import InputError, ModelError, UsageError
from v2vcli.models.checkpoint import ModelInfo, save_model
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.video import Frame

LOSSLESS: dict[str, Any] = {"codec": "libx264rgb", "pix_fmt": "rgb24", "crf": 0, "window": 4, "cuts": "none"}


def _request(source: Path, **options: Any) -> ConvertRequest:
    return ConvertRequest(input=source, output=source.with_name("never.mp4"), mode="edge2face", **options)


def _frames(source: Path, **options: Any) -> list[Frame]:
    with Clip(_request(source, **options)) as clip:
        return list(clip.frames())


def test_frames_to_warm_up_with_come_before_the_start(clip: Path) -> None:
    frames = _frames(clip, start="0.41", duration="0.1", warmup=4)
    assert [frame.index for frame in frames] == [-4, -3, -2, -1, 0, 1]
    assert [frame.pts for frame in frames] == [Fraction(n, 25) for n in range(7, 13)]
    assert [is_wanted(frame) for frame in frames] == [False] * 4 + [True] * 2
    for frame, original in zip(frames, read(clip)[7:], strict=False):
        np.testing.assert_array_equal(frame.image, original.image)
    assert [frame.index for frame in _frames(clip, start="0.08", duration="0.1", warmup=4)] == [-2, -1, 0, 1, 2]
    assert [frame.index for frame in _frames(clip, duration="0.1", warmup=4)] == [0, 1, 2]


def test_frames_that_warm_up_are_not_resampled(clip: Path) -> None:
    frames = _frames(clip, start="0.4", duration="0.4", rate="10", warmup=2)
    assert [frame.pts for frame in frames] == [Fraction(n, 25) for n in (8, 9, 10)] + [
        Fraction(4 + n, 10) for n in (1, 2, 3)
    ]


def test_no_more_than_so_many_frames(clip: Path) -> None:
    assert [frame.index for frame in _frames(clip, start="0.4", frames=2, warmup=1)] == [-1, 0, 1]
    assert len(_frames(clip, frames=100)) == 25


def test_the_first_frame_after_a_seek_is_that_of_the_whole(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"model": str(edge_model), "device": "cpu", **LOSSLESS}
    v2vcli.convert(clip, tmp_path / "whole.mp4", **options)
    whole = [frame.image for frame in read(tmp_path / "whole.mp4")]
    far = {}
    for warmup in (0, 10):
        out = tmp_path / f"{warmup}.mp4"
        v2vcli.convert(clip, out, start="0.4", frames=3, warmup=warmup, **options)
        assert times(out) == [(Fraction(n, 25), Fraction(1, 25)) for n in range(3)]
        far[warmup] = np.abs(read(out)[0].image.astype(int) - whole[10]).max()
    assert far[10] == 0 < far[0]  # ten frames before it are all there are


def test_maps_of_a_part_leave_nothing_to_warm_up_with(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"model": str(edge_model), "start": "0.4", "frames": 3, **LOSSLESS}
    v2vcli.convert(clip, tmp_path / "a.mp4", save_maps=tmp_path / "maps.mkv", warmup=0, **options)
    v2vcli.convert(clip, tmp_path / "b.mp4", maps=tmp_path / "maps.mkv", warmup=6, **options)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_first_frames(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    Image.fromarray(picture(0, shot=1)).save(tmp_path / "other.png")
    found = {}
    for how in ("auto", "paint", "zeros", "input", str(tmp_path / "other.png")):
        out = tmp_path / "out.mp4"
        v2vcli.convert(clip, out, model=str(edge_model), frames=1, first_frame=how, overwrite=True, **LOSSLESS)
        found[how] = read(out)[0].image.tobytes()
    assert found["auto"] == found["paint"]
    assert len(set(found.values())) == 4


def test_first_frames_that_a_model_cannot_begin_with(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    single = save_painter(tmp_path / "single.safetensors")
    image = ImageGenerator(ImageGeneratorConfig(EDGES.channels, width=4, downsamplings=2, blocks=2))
    save_model(single, ModelInfo("single", "pix2pixhd", EDGES, SIZE, "Apache-2.0"), {"image_generator": image})
    with pytest.raises(ModelError, match="every frame by itself"):
        v2vcli.convert(clip, tmp_path / "out.mp4", model=str(single), first_frame="zeros")
    with pytest.raises(InputError, match="no such picture"):
        v2vcli.convert(clip, tmp_path / "out.mp4", model=str(edge_model), first_frame="black")
    assert not (tmp_path / "out.mp4").exists()


def test_lists_of_cuts(tmp_path: Path) -> None:
    path = tmp_path / "cuts.txt"
    path.write_text("# by hand\n0:00.5, 800ms\n7 ; 9\n\n0.21 # a whip pan\n")
    listed = read_cuts(path)
    assert listed == ListedCuts((Fraction(21, 100), Fraction(1, 2), Fraction(4, 5)), frozenset({7, 9}))
    cuts, image = CutList(listed, origin=Fraction(10)), picture(0)
    begun = [n for n in range(25) if cuts.is_cut(Frame(image, 10 + Fraction(n, 25), Fraction(1, 25), n))]
    assert begun == [6, 7, 9, 13, 20]
    with pytest.raises(UsageError, match=r"line 3.*7s"):
        read_cuts(path, counted=False)
    path.write_text("soon\n")
    with pytest.raises(InputError, match="line 1: 'soon' is no time"):
        read_cuts(path)
    with pytest.raises(InputError, match="no such file"):
        read_cuts(tmp_path / "none.txt")


def test_a_listed_cut_makes_it_forget(edge_model: Path, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", [picture(t) for t in range(8)])
    (tmp_path / "cuts.txt").write_text("5\n")
    found = {}
    for cuts in ("none", str(tmp_path / "cuts.txt")):
        options = {**LOSSLESS, "cuts": cuts}
        v2vcli.convert(source, tmp_path / "out.mp4", model=str(edge_model), overwrite=True, **options)
        found[cuts] = [frame.image for frame in read(tmp_path / "out.mp4")]
    plain, cut = found.values()
    assert [bool((a == b).all()) for a, b in zip(plain, cut, strict=True)][:6] == [True] * 5 + [False]


def test_overlay_is_half_and_half(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    for name, overlay in (("alone.mp4", False), ("over.mp4", True)):
        v2vcli.convert(clip, tmp_path / name, model=str(edge_model), frames=2, overlay=overlay, **LOSSLESS)
    paths = (tmp_path / "over.mp4", tmp_path / "alone.mp4", clip)
    for over, alone, original in zip(*map(read, paths), strict=False):
        mean = (alone.image.astype(int) + original.image) / 2
        assert np.abs(over.image - mean).max() <= 0.5
