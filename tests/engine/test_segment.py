from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.engine.material import LABELS, read, save_painter, save_segmenter
from v2vcli.engine.convert import convert
from v2vcli.engine.request import ConvertRequest, SegmentRequest
from v2vcli.engine.segment import segment
from v2vcli.errors import OutputError
from v2vcli.maps.edges import canny
from v2vcli.maps.sources import open_maps
from v2vcli.maps.spec import MapSpec


def test_edges_of_every_frame(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    result = segment(SegmentRequest(input=clip, output=tmp_path / "m.mkv", model=str(edge_model)))
    assert (result.progress.frames, result.width, result.height) == (25, 64, 32)
    frames = read(clip)
    stored = list(open_maps(tmp_path / "m.mkv", MapSpec("edges")).timed())
    assert [pts for pts, _ in stored] == [frame.pts for frame in frames]
    for (_, found), frame in zip(stored, frames, strict=True):
        np.testing.assert_array_equal(found.array, canny(frame.image))


def test_labels_by_a_segmenter_or_by_what_a_painter_needs(clip: Path, tmp_path: Path) -> None:
    network = save_segmenter(tmp_path / "seg.safetensors")
    painter = save_painter(tmp_path / "street.safetensors", LABELS)
    found = []
    by_name = {"segmenter": str(network)}
    for name, options in (("a", by_name), ("b", {"model": str(network)}), ("c", {"model": str(painter), **by_name})):
        segment(SegmentRequest(input=clip, output=tmp_path / name, size=(40, 20), end="0.2", **options))  # type: ignore[arg-type]
        found.append([each.array for each in open_maps(tmp_path / name, LABELS)])
    assert [each.shape for each in found[0]] == [(20, 40)] * 5
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_photos_survive(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "instances").mkdir(parents=True)
    (photos / "holiday.png").write_bytes(b"sea")
    (photos / "instances" / "thesis.doc").write_bytes(b"years")
    with pytest.raises(OutputError, match=r"photos holds other files than maps of v2v \(holiday\.png\)"):
        segment(SegmentRequest(input=clip, output=photos, model=str(edge_model), overwrite=True))
    assert (photos / "holiday.png").read_bytes() == b"sea"
    assert (photos / "instances" / "thesis.doc").read_bytes() == b"years"


def test_what_exists_stays(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "m.mkv").write_bytes(b"mine")
    with pytest.raises(OutputError, match="-y"):
        segment(SegmentRequest(input=clip, output=tmp_path / "m.mkv", model=str(edge_model)))
    with pytest.raises(OutputError, match="input itself"):
        segment(SegmentRequest(input=clip, output=clip, model=str(edge_model), overwrite=True))
    with pytest.raises(OutputError, match=r"\.mkv"):
        segment(SegmentRequest(input=clip, output=tmp_path / "m.png", model=str(edge_model)))
    assert (tmp_path / "m.mkv").read_bytes() == b"mine"


def test_label_maps_are_smoothed_and_those_of_convert_are_the_same(clip: Path, tmp_path: Path) -> None:
    network = str(save_segmenter(tmp_path / "seg.safetensors"))
    painter = save_painter(tmp_path / "street.safetensors", LABELS)
    found = {}
    for strength in (0.0, 0.9):
        out = tmp_path / f"{strength}.mkv"
        segment(
            SegmentRequest(
                input=clip, output=out, model=str(painter), segmenter=network, size=(64, 32), smooth_maps=strength
            )
        )
        found[strength] = [each.array for each in open_maps(out, LABELS)]
    np.testing.assert_array_equal(found[0.9][0], found[0.0][0])  # a shot's first map has nothing to hold on to
    assert any(np.any(a != b) for a, b in zip(found[0.9], found[0.0], strict=True))
    request = ConvertRequest(
        input=clip,
        output=tmp_path / "o.mp4",
        model=str(painter),
        segmenter=network,
        save_maps=tmp_path / "m.mkv",
        smooth_maps=0.9,
    )
    convert(request)
    saved = [each.array for each in open_maps(tmp_path / "m.mkv", LABELS)]
    np.testing.assert_array_equal(saved, found[0.9])
