"""Models of faces and poses: painted from maps drawn in Python, refused by `convert` in one line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import v2vcli
from tests.engine.material import SIZE, picture, save_painter, write_clip
from v2vcli.errors import UsageError
from v2vcli.maps.drawn.face import face_map
from v2vcli.maps.drawn.keypoints import PoseSettings
from v2vcli.maps.drawn.pose import pose_map
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.worlds import open_world


def faces() -> list[MapFrame]:
    world = open_world("head", seed=1, width=128, height=64)
    frames = [world.frame(index) for index in range(3)]
    return [face_map(frame.landmarks, frame.image).resized(*SIZE) for frame in frames if frame.landmarks is not None]


def poses() -> list[MapFrame]:
    people = np.random.default_rng(0).uniform(10, 60, (1, 137, 3))
    densepose = np.zeros((64, 128, 3), np.uint8)
    return [pose_map(people + t, 128, 64, PoseSettings(densepose=True), densepose).resized(*SIZE) for t in range(3)]


@pytest.mark.parametrize("draw", [faces, poses])
def test_drawn_maps_are_painted(tmp_path: Path, draw) -> None:
    maps = draw()
    generator = v2vcli.load(save_painter(tmp_path / "model.safetensors", maps[0].spec), device="cpu")
    assert generator.spec == maps[0].spec
    pictures = list(generator.stream(maps))
    assert [picture.shape for picture in pictures] == [(SIZE[1], SIZE[0], 3)] * 3
    blank = [dataclasses.replace(each, array=np.zeros_like(each.array)) for each in maps]
    assert not np.array_equal(pictures[0], next(generator.stream(blank)))


@pytest.mark.parametrize(
    ("kind", "advice"),
    [("face", "give --face face-alignment:2d or file:"), ("pose", "give --pose torchvision:keypointrcnn_resnet50_fpn")],
)
def test_convert_says_who_makes_such_maps(tmp_path: Path, kind: str, advice: str) -> None:
    model = save_painter(tmp_path / "model.safetensors", MapSpec(kind))
    clip = write_clip(tmp_path / "in.mp4", [picture(t) for t in range(3)])
    with pytest.raises(UsageError, match=f"nothing bundled makes '{kind}' maps; {advice}") as caught:
        v2vcli.convert(clip, tmp_path / "out.mp4", model=str(model), device="cpu")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.mp4").exists()
