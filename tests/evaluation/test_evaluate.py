"""`evaluate` from files to report: pairing, remarks, what each metric needs, table, JSON, memory."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from v2vcli.errors import InputError, UsageError
from v2vcli.evaluation import METRICS, Report, evaluate, metric
from v2vcli.maps.files.store import MapWriter
from v2vcli.maps.makers.edges import CannyExtractor
from v2vcli.maps.spec import MapFrame

Images = Sequence[NDArray[np.uint8]]
WriteVideo = Callable[..., Path]


def _noisy(images: Images, spread: int) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(1)
    return [
        np.clip(image.astype(int) + random.integers(-spread, spread + 1, image.shape), 0, 255).astype(np.uint8)
        for image in images
    ]


def _printed(report: Report) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115 - closed with the process
    console.print(report.table())
    return console.export_text()


def test_known_noise_has_the_known_psnr(write_video: WriteVideo, panning: Images) -> None:
    noisy = _noisy(panning, 5)
    report = evaluate(write_video("out.mkv", noisy), write_video("in.mkv", panning))
    mse = np.mean([(a.astype(float) - b) ** 2 for a, b in zip(noisy, panning, strict=True)])
    assert report["psnr"].value == pytest.approx(10 * math.log10(255**2 / mse), abs=1e-9)
    assert {score.metric.name for score in report.scores} == {"psnr", "ssim", "warp_error_dis", "colour_drift"}
    assert report.remarks == ()
    assert (report.frames, report.width, report.height) == (8, 96, 64)


def test_maps_made_from_the_reference_agree_with_an_identical_output(write_video: WriteVideo, panning: Images) -> None:
    video = write_video("in.mkv", panning)
    report = evaluate(video, video, extractor=CannyExtractor(), map_size=(48, 32))
    assert report["map_agreement"].value == 1
    assert report["map_agreement"].measurement.details["edge_pixels"] < 8 * 48 * 32
    assert report["warp_error_dis"].measurement.details["ratio"] == 1
    assert report["psnr"].value == math.inf


def test_given_maps_are_walked_in_step(write_video: WriteVideo, panning: Images) -> None:
    extractor = CannyExtractor()
    maps = extractor.extract(panning, (96, 64))
    video = write_video("in.mkv", panning)
    assert evaluate(video, maps=maps, extractor=extractor)["map_agreement"].value == 1
    shifted = evaluate(video, maps=maps[1:], extractor=extractor)
    value = shifted["map_agreement"].value
    assert value is not None
    assert value < 1
    assert "8 frames and there are 7 maps" in shifted.remarks[0]


def test_maps_may_be_a_file(write_video: WriteVideo, panning: Images, tmp_path: Path) -> None:
    extractor = CannyExtractor()
    with MapWriter(tmp_path / "maps.mkv", extractor.spec) as writer:
        for index, asked in enumerate(extractor.extract(panning, (96, 64))):
            writer.write(asked, Fraction(index, 25))
    video = write_video("in.mkv", panning)
    report = evaluate(video, maps=tmp_path / "maps.mkv", extractor=extractor)
    assert report["map_agreement"].value == 1
    assert report.remarks == ()


def test_a_missing_frame_is_reported_and_the_rest_compared(write_video: WriteVideo, panning: Images) -> None:
    report = evaluate(write_video("out.mkv", panning[:6]), write_video("in.mkv", panning), metrics=["psnr"])
    assert report.remarks == ("the output has 6 frames and the reference 8: the first 6 were compared",)
    assert report["psnr"].value == math.inf
    longer = evaluate(write_video("long.mkv", panning), write_video("short.mkv", panning[:6]), metrics=["psnr"])
    assert longer.frames == 8
    assert "the reference 6" in longer.remarks[0]


def test_other_timestamps_are_reported(write_video: WriteVideo, panning: Images) -> None:
    regular = [40 * index for index in range(8)]
    late = [*regular[:3], *(pts + 7 for pts in regular[3:])]
    report = evaluate(write_video("out.mkv", panning, pts=late), write_video("in.mkv", panning), metrics=["psnr"])
    (remark,) = report.remarks
    assert remark.startswith("5 frames have other timestamps")
    assert "first frame 3, by up to 0.007000 s" in remark


def test_a_reference_of_another_size_is_scaled_and_of_another_shape_refused(
    write_video: WriteVideo, panning: Images
) -> None:
    half = [image[::2, ::2] for image in panning]
    report = evaluate(write_video("half.mkv", half), write_video("in.mkv", panning), metrics=["psnr"])
    assert report.remarks == ("the reference is 96x64 and was scaled to the output's size",)
    beside = [np.concatenate([image, image], axis=1) for image in panning]
    with pytest.raises(InputError, match=r"192x64 and the reference 96x64.*side-by-side"):
        evaluate(write_video("beside.mkv", beside), write_video("in2.mkv", panning))


def test_what_a_metric_needs_is_asked_for(write_video: WriteVideo, panning: Images) -> None:
    video = write_video("in.mkv", panning)
    with pytest.raises(UsageError, match="psnr needs a reference"):
        evaluate(video, metrics=["psnr"])
    with pytest.raises(UsageError, match="map_agreement needs an extractor"):
        evaluate(video, video, metrics=["map_agreement"])
    with pytest.raises(UsageError, match=r"give an extractor \(--mode\)"):
        evaluate(video, maps=[])
    with pytest.raises(UsageError, match="did you mean 'warp_error_dis'"):
        evaluate(video, metrics=["warp_eror_dis"])
    alone = evaluate(video)
    assert {score.metric.name for score in alone.scores} == {"warp_error_dis", "colour_drift"}


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        evaluate(tmp_path / "absent.mkv")


def test_json_is_strict_and_complete(write_video: WriteVideo, panning: Images) -> None:
    video = write_video("in.mkv", panning)
    report = evaluate(video, video)
    data = json.loads(report.as_json())
    assert data["metrics"]["psnr"] == {
        "value": None,
        "unit": "dB",
        "better": "higher",
        "details": {},
        "note": "identical, every pixel of every frame",
    }
    assert data["metrics"]["ssim"]["value"] == pytest.approx(1, abs=1e-6)
    assert data["frames"] == 8
    assert data["reference"] == str(video)
    assert data["remarks"] == []


def test_table_shows_values_and_remarks(write_video: WriteVideo, panning: Images) -> None:
    report = evaluate(write_video("out.mkv", _noisy(panning, 5)[:6]), write_video("in.mkv", panning))
    text = _printed(report)
    for name in ("psnr", "ssim", "warp_error_dis", "colour_drift"):
        assert name in text
    assert f"{report['psnr'].value:.4g}" in text
    assert "the output has 6 frames and the reference 8" in " ".join(text.split())


def test_progress_counts_frames_and_maps_may_be_a_generator(write_video: WriteVideo, panning: Images) -> None:
    extractor = CannyExtractor()
    done: list[int] = []
    pulled: list[int] = []

    def maps() -> Iterator[MapFrame]:
        for image in panning:
            pulled.append(len(done))
            yield extractor.extract([image], (96, 64))[0]

    video = write_video("in.mkv", panning)
    evaluate(video, maps=maps(), extractor=extractor, metrics=["map_agreement"], progress=done.append)
    assert done == list(range(1, 9))
    assert pulled == list(range(8)), "a map is pulled when its frame is there, not before"


def test_two_metrics_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match="psnr"):
        metric("psnr", unit="dB", better="higher")(METRICS["psnr"].make)


def test_importing_the_room_does_not_import_torch() -> None:
    # `v2v eval --metrics psnr` needs no network: it should not wait for torch.
    code = "import sys, v2vcli.evaluation; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_memory_does_not_grow_with_length(write_video: WriteVideo, panning: Images) -> None:
    import tracemalloc

    def peak(frames: int) -> int:
        video = write_video(f"{frames}.mkv", [panning[index % 8] for index in range(frames)])
        tracemalloc.start()
        evaluate(video, video, metrics=["psnr", "warp_error_dis", "colour_drift"])
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(8)  # what is imported on the way is no growth
    assert peak(96) < 1.05 * peak(16) + 20_000
