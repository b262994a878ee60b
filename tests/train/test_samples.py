"""Strips and videos of samples show what the networks saw and painted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from v2vcli.maps.conditioning import map_tensor
from v2vcli.maps.drawn.keypoints import PoseSettings
from v2vcli.maps.label_schema import VOID
from v2vcli.maps.pictures import flow_picture
from v2vcli.maps.schema import CITYSCAPES19
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train.samples import (
    CAPTION,
    ROWS,
    WIDEST,
    Row,
    flow_pictures,
    map_frames,
    map_pictures,
    sample_rows,
    save_strip,
    save_video,
    strip,
)
from v2vcli.video import VideoReader

SPECS = {
    "labels": MapSpec("labels", schema=CITYSCAPES19),
    "edges": MapSpec("edges"),
    "rgb": MapSpec("rgb"),
    "face": MapSpec("face"),
    "pose": MapSpec("pose"),
    "densepose": MapSpec("pose", pose=PoseSettings(densepose=True)),
}


def _drawn(spec: MapSpec, frames: int = 3, height: int = 10, width: int = 14) -> list[MapFrame]:
    rng = np.random.default_rng(0)
    if spec.kind == "labels":
        ids = rng.integers(0, 19, (frames, height, width)).astype(np.uint8)
        ids[:, 0, 0] = VOID
        return [MapFrame(spec, each) for each in ids]
    if spec.kind == "edges":
        return [MapFrame(spec, each) for each in (rng.random((frames, height, width)) < 0.2).astype(np.uint8) * 255]
    values = rng.integers(0, 256, (frames, height, width, spec.channels)).astype(np.uint8)
    if spec.channels == 6:
        values[..., 2] %= 25
    return [MapFrame(spec, each) for each in values]


@pytest.mark.parametrize("name", SPECS)
def test_a_map_is_pictured_as_it_was_before_it_was_a_tensor(name: str) -> None:
    drawn = _drawn(SPECS[name])
    tensor = map_tensor(drawn, "cpu")
    for expected, found in zip(drawn, map_frames(tensor, SPECS[name]), strict=True):
        np.testing.assert_array_equal(found.array, expected.array)
    for expected, picture in zip(drawn, map_pictures(tensor, SPECS[name]), strict=True):
        np.testing.assert_array_equal(picture, expected.picture())


def test_edges_between_instances_are_seen() -> None:
    spec = MapSpec("labels", schema=CITYSCAPES19, instance_edges=True)
    ids, instances = np.full((6, 8), 13, np.uint8), np.zeros((6, 8), np.int32)
    instances[:, 4:] = 1
    picture = map_pictures(map_tensor([MapFrame(spec, ids, instances)], "cpu"), spec)[0]
    assert (picture[:, 3:5] == 255).all()
    np.testing.assert_array_equal(picture[0, 0], CITYSCAPES19.palette[13])


def _rows(frames: int = 9, height: int = 32, width: int = 48) -> list[Row]:
    maps = map_tensor(_drawn(SPECS["edges"], frames, height, width), "cpu")
    level = torch.linspace(-1, 1, frames)[:, None, None, None]
    image = level.expand(-1, 3, height, width)
    flow = torch.zeros(frames, 2, height, width)
    flow[-1, 0, :, width // 2 :] = 3.0
    mask = torch.linspace(0, 1, frames)[:, None, None, None].expand(-1, 1, height, width)
    return sample_rows(SPECS["edges"], maps, image, -image, hallucinated_N3HW=image, flow_N2HW=flow, mask_N1HW=mask)


def test_a_row_holds_what_was_painted_beside_what_should_have_been() -> None:
    rows = _rows()
    assert list(rows[0]) == ["map", "painted", "real", "hallucinated", "flow", "mask"]
    assert [int(row["painted"][0, 0, 0]) for row in (rows[0], rows[-1])] == [0, 255]
    assert [int(row["real"][0, 0, 0]) for row in (rows[0], rows[-1])] == [255, 0]
    assert [int(row["mask"][0, 0, 0]) for row in (rows[0], rows[-1])] == [0, 255]
    assert {picture.shape for row in rows for picture in row.values()} == {(32, 48, 3)}


def test_an_image_stage_has_neither_flow_nor_mask() -> None:
    maps = map_tensor(_drawn(SPECS["edges"]), "cpu")
    image = torch.zeros(3, 3, 10, 14)
    assert list(sample_rows(SPECS["edges"], maps, image, image)[0]) == ["map", "painted", "real"]


def test_flow_of_a_coarser_scale_fits_the_row() -> None:
    maps = map_tensor(_drawn(SPECS["edges"], 2, 32, 48), "cpu")
    image, mask = torch.zeros(2, 3, 32, 48), torch.zeros(2, 1, 16, 24)
    mask[:, :, 8:] = 1
    rows = sample_rows(SPECS["edges"], maps, image, image, flow_N2HW=torch.zeros(2, 2, 16, 24), mask_N1HW=mask)
    assert {picture.shape for row in rows for picture in row.values()} == {(32, 48, 3)}
    np.testing.assert_array_equal(rows[0]["mask"][:, 0, 0], [0] * 16 + [255] * 16)


def test_speed_is_comparable_from_frame_to_frame() -> None:
    rows = _rows()
    assert not rows[0]["flow"].any()  # at rest, however little the others move
    np.testing.assert_array_equal(rows[-1]["flow"][0, 0], [0, 0, 0])
    alone = flow_picture(np.array([[[0, 0], [3, 0]]], np.float32))
    np.testing.assert_array_equal(rows[-1]["flow"][0, -1], alone[0, 1])


def test_single_wild_vectors_do_not_darken_the_rest() -> None:
    flow = torch.full((1, 2, 20, 30), 1.0)
    flow[:, :, :10] = 0
    calm = flow_pictures(flow)[0]
    flow[0, :, 15, 15] = 500.0
    np.testing.assert_array_equal(flow_pictures(flow)[0], calm)
    assert calm[15].max() >= 254 and not calm[:10].any()


def test_a_strip_has_captions_and_evenly_chosen_rows(tmp_path: Path) -> None:
    rows = _rows()
    picture = strip(rows)
    assert picture.shape == (CAPTION + ROWS * 32, 6 * 48, 3)
    painted = picture[CAPTION::32, 48, 0]
    chosen = np.linspace(0, 8, ROWS).round().astype(int)
    assert painted.tolist() == [int(rows[i]["painted"][0, 0, 0]) for i in chosen]
    for column in range(6):
        assert picture[:CAPTION, column * 48 : (column + 1) * 48].max() > 128, "a word over every picture"
    save_strip(tmp_path / "a.png", rows)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), picture)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_large_pictures_are_made_smaller() -> None:
    rows = _rows(2, 512, 1024)
    assert strip(rows).shape == (CAPTION + 2 * 256, 6 * WIDEST, 3)


def test_all_frames_are_in_the_video(tmp_path: Path) -> None:
    rows = _rows()
    save_video(tmp_path / "a.mp4", rows)
    save_video(tmp_path / "a.mp4", rows)  # the same step again, after a resume
    with VideoReader(tmp_path / "a.mp4") as reader:
        frames = list(reader)
    assert len(frames) == len(rows)
    assert frames[0].image.shape == (CAPTION + 32, 6 * 48, 3)
    for frame, row in zip(frames, rows, strict=True):
        assert abs(int(frame.image[CAPTION + 16, 48 + 24, 0]) - int(row["painted"][0, 0, 0])) < 12
