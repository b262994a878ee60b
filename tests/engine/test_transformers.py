"""Models of transformers behind --segmenter and --pose: tiny and random, opened and painted from as large ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import v2vcli
from tests.engine.material import LABELS, SIZE, read, save_painter, times
from tests.maps.tiny_transformers import mask2former, segformer, vitpose
from v2vcli.engine.maker_names import parse_maker
from v2vcli.engine.makers import fitted, open_maker
from v2vcli.errors import ModelError, SchemaMismatch, UsageError
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.files.store import stored_source
from v2vcli.maps.schema import CITYSCAPES19
from v2vcli.maps.spec import MapFrame, MapSpec

CPU = torch.device("cpu")
ASKED: dict[str, Any] = {"device": "cpu", "smooth_maps": 0, "duration": "0.2", "window": 5}


def made(option: str, text: str, spec: MapSpec, clip: Path) -> list[MapFrame]:
    """What the maker gives for the first five frames, without the rest of the program."""
    name = parse_maker(option, text)
    maker = fitted(open_maker(name, CPU, SIZE, spec), spec, name)
    return maker.extract([frame.image for frame in read(clip)[:5]], SIZE)


def test_labels(clip: Path, tmp_path: Path) -> None:
    painter = str(save_painter(tmp_path / "street.safetensors", LABELS))
    name = f"hf:{segformer(tmp_path / 'segformer')}"
    v2vcli.convert(
        clip,
        tmp_path / "o.mp4",
        model=painter,
        segmenter=name,
        save_maps=tmp_path / "m.mkv",
        relabel=["sky=road"],
        **ASKED,
    )
    assert times(tmp_path / "o.mp4") == times(clip)[:5]
    assert stored_source(tmp_path / "m.mkv") == name
    sky, road = (CITYSCAPES19.class_named(each).id for each in ("sky", "road"))
    for kept, expected in zip(
        open_maps(tmp_path / "m.mkv", LABELS), made("segmenter", name, LABELS, clip), strict=True
    ):
        np.testing.assert_array_equal(kept.array, np.where(expected.array == sky, road, expected.array))
    foreign = segformer(tmp_path / "foreign", ["road", "unicorn", "dragon"])
    with pytest.raises(SchemaMismatch, match="no home for unicorn, dragon"):
        v2vcli.convert(clip, tmp_path / "no.mp4", model=painter, segmenter=f"hf:{foreign}", **ASKED)


def test_instances(clip: Path, tmp_path: Path) -> None:
    spec = MapSpec("labels", schema=CITYSCAPES19, instance_edges=True)
    painter = str(save_painter(tmp_path / "street.safetensors", spec))
    folder = mask2former(tmp_path / "mask2former")
    asked = {"model": painter, "save_maps": tmp_path / "m.mkv", "overwrite": True, **ASKED}
    v2vcli.convert(clip, tmp_path / "o.mp4", segmenter=f"hf:{folder}#panoptic", **asked)
    kept = list(open_maps(tmp_path / "m.mkv", spec))
    for one, expected in zip(kept, made("segmenter", f"hf:{folder}#panoptic", spec, clip), strict=True):
        np.testing.assert_array_equal(one.instances, expected.instances)
    with pytest.raises(ModelError, match=r"labels with instances, which hf:.* does not tell"):
        v2vcli.convert(clip, tmp_path / "no.mp4", segmenter=f"hf:{folder}#semantic", **asked)
    assert not (tmp_path / "no.mp4").exists()


def test_poses(clip: Path, tmp_path: Path) -> None:
    spec = MapSpec("pose")
    painter = str(save_painter(tmp_path / "body.safetensors", spec))
    name = f"hf:{vitpose(tmp_path / 'vitpose')}+frame"
    asked = {"mode": "pose2body", "model": painter, "save_maps": tmp_path / "m.mkv", **ASKED}
    v2vcli.convert(clip, tmp_path / "o.mp4", pose=name, **asked)
    kept = list(open_maps(tmp_path / "m.mkv", spec))
    for one, expected in zip(kept, made("pose", name, spec, clip), strict=True):
        np.testing.assert_array_equal(one.array, expected.array)
        np.testing.assert_array_equal(one.keypoints, expected.keypoints)
    with pytest.raises(UsageError, match=r"--segmenter hf:.*: makes 'pose' maps; give it with --pose"):
        street = save_painter(tmp_path / "street.safetensors", LABELS)
        v2vcli.convert(clip, tmp_path / "no.mp4", model=str(street), segmenter=name, **ASKED)
