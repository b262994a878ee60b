from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.engine.material import LABELS, picture, read, save_painter, save_segmenter, write_clip
from v2vcli.engine.convert import convert
from v2vcli.engine.request import ConvertRequest, SegmentRequest
from v2vcli.engine.segment import open_map_maker, segment
from v2vcli.errors import InputError, OutputError, UsageError
from v2vcli.maps.files.map_file import stored_spec
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.files.store import stored_source
from v2vcli.maps.makers.edges import canny
from v2vcli.maps.over_time.smoothing import LabelSmoother
from v2vcli.maps.schema import CITYSCAPES35
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


def test_preview_histogram_and_edits_in_one_pass(clip: Path, tmp_path: Path, segmenter: Path) -> None:
    request = SegmentRequest(
        input=clip,
        output=tmp_path / "m.mkv",
        preview=tmp_path / "p.mp4",
        stats=True,
        segmenter=str(segmenter),
        relabel=("*@0,0,50%x100%=building", "*@0.4-=sky", "train@100-=bus"),
        smooth_maps=0,
    )
    result = segment(request)
    stored = [each.array for each in open_maps(tmp_path / "m.mkv", LABELS)]
    assert all((array[:, :32] == 2).all() for array in stored[:10])
    assert all((array == 10).all() for array in stored[10:])  # 0.4 s is frame 10
    assert result.histogram is not None and result.histogram.maps == 25
    assert sum(count.pixels for count in result.histogram.counts()) == 25 * 64 * 32
    assert [frame.pts for frame in read(tmp_path / "p.mp4")] == [frame.pts for frame in read(clip)]
    assert any("'train@100-=bus' changed nothing" in warning for warning in result.warnings)
    assert stored_source(tmp_path / "m.mkv").startswith(f"v2v:{segmenter} ")  # type: ignore[union-attr]


def test_given_maps_in_another_form_with_edits(clip: Path, tmp_path: Path, segmenter: Path) -> None:
    segment(SegmentRequest(input=clip, output=tmp_path / "m.mkv", segmenter=str(segmenter)))
    given = SegmentRequest(input=clip, output=tmp_path / "png", maps=tmp_path / "m.mkv", relabel=("*@0-0.2=road",))
    segment(given)
    before, after = ([m.array for m in open_maps(tmp_path / name, LABELS)] for name in ("m.mkv", "png"))
    assert all((array == 0).all() for array in after[:5])
    np.testing.assert_array_equal(after[5:], before[5:])
    segment(
        SegmentRequest(input=clip, output=tmp_path / "half.mkv", segmenter=f"file:{tmp_path / 'png'}", size="32x16")
    )
    halves = list(open_maps(tmp_path / "half.mkv", LABELS))
    whole = list(open_maps(tmp_path / "png", LABELS))
    np.testing.assert_array_equal([m.array for m in halves], [m.resized(32, 16).array for m in whole])
    with pytest.raises(InputError, match="ends before the video"):
        longer = write_clip(tmp_path / "longer.mp4", [picture(t) for t in range(30)])
        segment(SegmentRequest(input=longer, output=tmp_path / "x.mkv", maps=tmp_path / "m.mkv"))
    assert not (tmp_path / "x.mkv").exists()


def test_what_given_maps_mean(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ids"
    folder.mkdir()
    for number in range(25):
        Image.fromarray(np.full((32, 64), 26, np.uint8)).save(folder / f"{number:03d}.png")
    with pytest.raises(InputError, match=r"says what its labels mean; give --maps-schema"):
        segment(SegmentRequest(input=clip, output=tmp_path / "m.mkv", maps=folder))
    segment(SegmentRequest(input=clip, output=tmp_path / "m.mkv", maps=folder, maps_schema="cityscapes35", stats=True))
    assert stored_spec(tmp_path / "m.mkv") == MapSpec("labels", schema=CITYSCAPES35)  # kept as what they are
    assert stored_source(tmp_path / "m.mkv") == "file:ids"


def test_what_does_not_go_with_the_maps_is_refused(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    common = {"input": clip, "output": tmp_path / "m.mkv", "model": str(edge_model)}
    with pytest.raises(UsageError, match=r"--stats counts the classes of label maps, and these are 'edges' maps"):
        segment(SegmentRequest(**common, stats=True))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"'tree=road' changes labels, but these maps are none"):
        segment(SegmentRequest(**common, relabel=("tree=road",)))  # type: ignore[arg-type]
    with pytest.raises(OutputError, match=r"look\.xyz: no known video container"):
        segment(SegmentRequest(**common, preview=tmp_path / "look.xyz"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--preview and -o are both"):
        SegmentRequest(**common, preview=tmp_path / "m.mkv")  # type: ignore[arg-type]
    (tmp_path / "look.mp4").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"look\.mp4 exists; -y"):
        segment(SegmentRequest(**common, preview=tmp_path / "look.mp4"))  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["look.mp4"]


def test_the_pipeline_gives_what_a_loop_over_the_frames_gives(clip: Path, tmp_path: Path, segmenter: Path) -> None:
    request = SegmentRequest(input=clip, output=tmp_path / "a.mkv", segmenter=str(segmenter), smooth_maps=0.8, window=7)
    segment(request)
    maker = open_map_maker(request)
    smoother, past, expected = LabelSmoother(0.8), None, []
    for frame in read(clip):
        made, past = smoother.smooth([frame.image], maker.extractor.extract([frame.image], (64, 32)), past)
        expected.append(made[0].array)
    np.testing.assert_array_equal([each.array for each in open_maps(tmp_path / "a.mkv", LABELS)], expected)


def test_threads_of_libraries_are_as_before(clip: Path, tmp_path: Path, segmenter: Path) -> None:
    import cv2

    before = torch.get_num_threads(), cv2.getNumThreads()
    segment(SegmentRequest(input=clip, output=tmp_path / "a.mkv", segmenter=str(segmenter)))
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before
