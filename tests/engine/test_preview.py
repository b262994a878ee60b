from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.engine.material import LABELS, picture, read, with_sound, write_clip
from v2vcli.engine.clip import Clip
from v2vcli.engine.preview import Overlay, Preview
from v2vcli.engine.request import SegmentRequest
from v2vcli.maps.schema import CITYSCAPES19
from v2vcli.maps.spec import MapFrame, MapSpec

GREY = np.full((90, 160, 3), 100, np.uint8)
ROAD, VEGETATION, CAR = 0, 8, 13


def labelled(label: int, instances: np.ndarray | None = None) -> MapFrame:  # type: ignore[type-arg]
    array = np.zeros((90, 160), np.uint8)
    array[10:60, 20:90] = label
    return MapFrame(LABELS, array, instances)


def test_classes_in_their_colours_over_the_frame_and_void_as_filmed() -> None:
    overlay = Overlay(LABELS, 160, 90)
    drawn = overlay.draw(GREY, labelled(CAR))
    assert drawn.shape == (90, overlay.size[0], 3) and overlay.size[0] % 2 == 0
    np.testing.assert_allclose(drawn[30, 50].astype(int), (100 + CITYSCAPES19.palette[CAR].astype(int)) / 2, atol=1)
    np.testing.assert_allclose(drawn[80, 150].astype(int), (100 + CITYSCAPES19.palette[ROAD].astype(int)) / 2, atol=1)
    np.testing.assert_array_equal(overlay.draw(GREY, labelled(255))[30, 50], (100, 100, 100))


def test_frames_of_another_size_than_the_maps() -> None:
    large = np.full((360, 640, 3), 100, np.uint8)
    np.testing.assert_array_equal(
        Overlay(LABELS, 160, 90).draw(large, labelled(CAR)), Overlay(LABELS, 160, 90).draw(GREY, labelled(CAR))
    )


def swatches(panel: np.ndarray) -> list[tuple[int, int, int]]:  # type: ignore[type-arg]
    """Colours down the column of the swatches, each once; the ground left out."""
    column = [tuple(int(v) for v in pixel) for pixel in panel[:, 7]]
    return [c for n, c in enumerate(column) if c != (24, 24, 24) and (n == 0 or column[n - 1] != c)]


def test_the_legend_has_the_classes_that_came_up_in_their_places() -> None:
    overlay = Overlay(LABELS, 160, 90)
    colours = {label: tuple(int(v) for v in CITYSCAPES19.palette[label]) for label in (ROAD, VEGETATION, CAR)}
    dim = {label: tuple(v // 3 for v in colour) for label, colour in colours.items()}
    assert swatches(overlay.draw(GREY, labelled(CAR))[:, 160:]) == [colours[ROAD], colours[CAR]]
    # vegetation comes below although its id is lower; the car is gone, and its entry dimmed
    assert swatches(overlay.draw(GREY, labelled(VEGETATION))[:, 160:]) == [colours[ROAD], dim[CAR], colours[VEGETATION]]
    assert swatches(overlay.draw(GREY, labelled(255))[:, 160:]) == [colours[ROAD], dim[CAR], dim[VEGETATION]]


def test_specks_do_not_come_into_the_legend_and_what_does_not_fit_is_counted() -> None:
    speck = MapFrame(LABELS, np.zeros((90, 160), np.uint8))
    speck.array[0, :5] = CAR  # 5 of 14,400 pixels
    assert len(swatches(Overlay(LABELS, 160, 90).draw(GREY, speck)[:, 160:])) == 1
    many = MapFrame(LABELS, np.repeat(np.arange(19, dtype=np.uint8), 5)[:90, None].repeat(160, axis=1))
    panel = Overlay(LABELS, 160, 90).draw(GREY, many)[:, 160:]
    assert len(swatches(panel)) == 6  # seven rows have room, and the last says how many more there are
    assert panel[6 * 12 + 3 : 7 * 12 + 3].max() > 60


def test_instances_are_outlined_and_numbered() -> None:
    ids = np.zeros((90, 160), np.int32)
    ids[10:60, 20:90] = 12
    plain, drawn = (Overlay(LABELS, 160, 90).draw(GREY, labelled(CAR, each)) for each in (None, ids))
    changed = np.any(plain != drawn, axis=2)
    assert changed[10, 20:90].all() and changed[10:60, 20].all()  # the outline
    assert changed[30:45, 40:70].any()  # the number
    assert not changed[65:].any() and not changed[:, 95:].any()
    road = MapFrame(LABELS, np.zeros((90, 160), np.uint8), ids)  # ids of the ground are no objects
    np.testing.assert_array_equal(
        Overlay(LABELS, 160, 90).draw(GREY, road), Overlay(LABELS, 160, 90).draw(GREY, MapFrame(LABELS, road.array))
    )


def test_other_kinds_have_no_legend() -> None:
    edges = MapFrame(MapSpec("edges"), np.zeros((90, 160), np.uint8))
    edges.array[40] = 255
    overlay = Overlay(edges.spec, 160, 90)
    drawn = overlay.draw(GREY, edges)
    assert overlay.size == (160, 90)
    assert (drawn[40] == 255).all() and (drawn[41] == 50).all()
    rgb = MapFrame(MapSpec("rgb"), np.full((90, 160, 3), 200, np.uint8))
    assert (Overlay(rgb.spec, 160, 90).draw(GREY, rgb) == 150).all()


def test_a_preview_has_the_times_and_the_sound_of_the_input(tmp_path: Path) -> None:
    silent = write_clip(tmp_path / "silent.mp4", [picture(t, size=(160, 90)) for t in range(25)], lossless=False)
    clip = with_sound(tmp_path / "in.mp4", silent)
    request = SegmentRequest(input=clip, output=tmp_path / "m.mkv", preview=tmp_path / "p.mp4", start="0.4")
    with Clip(request) as opened:
        frames = list(opened.frames())
        with Preview(tmp_path / "p.mp4", LABELS, (160, 90), clip=opened, source=clip, overwrite=False) as preview:
            for frame in frames:
                preview.write(frame, labelled(CAR))
    found = read(tmp_path / "p.mp4")
    assert [frame.pts for frame in found] == [Fraction(n, 25) for n in range(15)]
    assert found[0].image.shape == (90, Overlay(LABELS, 160, 90).size[0], 3)
    from v2vcli.video.reader import VideoReader

    with VideoReader(tmp_path / "p.mp4") as reader:
        assert reader.info.has_audio
        assert "preview of maps" in reader.info.metadata["comment"]


def test_nothing_is_left_of_a_preview_that_failed(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.mp4", [picture(t) for t in range(5)])
    request = SegmentRequest(input=clip, output=tmp_path / "m.mkv")
    with (
        pytest.raises(RuntimeError),
        Clip(request) as opened,
        Preview(tmp_path / "p.mp4", LABELS, (64, 32), clip=opened, source=clip, overwrite=False),
    ):
        raise RuntimeError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]
