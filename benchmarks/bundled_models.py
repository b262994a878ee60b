"""How good the bundled models are: the figures of their model cards, as JSON.

    python benchmarks/bundled_models.py --clips CLIPS [--only segmenter|street|face] [--model-dir DIR]

- segmenter: pixel accuracy and mean IoU on CamVid's 0016E5_15hz_a (people's labels, 11 classes, unlabelled ignored),
  through the same path as `v2v segment`;
- street: `v2v convert --mode seg2street` on the held-out last fifth of each driving clip: agreement of the segmenter
  run on the output with the map asked for; warping error against the real clip's, with past frames and without;
- face: `edge2face` on procedural heads that training never saw: share of asked edge pixels with an output edge within
  2 px; the same and colour drift along 120 frames.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

import v2vcli
from v2vcli.engine.maker_names import MakerNames
from v2vcli.engine.makers import load_segmenter, maker_for
from v2vcli.evaluation import Report, evaluate
from v2vcli.maps.makers.edges import CannyExtractor
from v2vcli.maps.schema import CAMVID11
from v2vcli.models.catalog import find_model
from v2vcli.models.checkpoint import load_model, save_model
from v2vcli.video import VideoReader
from v2vcli.worlds.sample import write_sample

HELD_OUT = 0.2
DRIVING = ("highway_day_solidWhiteRight", "city_day_car_input", "highway_day_challenge_cut")
UNSEEN_HEADS = range(9000, 9006)
CPU = torch.device("cpu")


def segmenter(clips: Path, model: str) -> dict[str, Any]:
    """Accuracy on a labelled video that training never saw."""
    folder = clips / "camvid" / "0016E5_15hz_a"
    files = sorted((folder / "rgb").glob("*.jpg"))
    found = load_segmenter(model, CPU, (480, 360))
    table = found.spec.label_schema.remap_table(CAMVID11)
    confusion = np.zeros((11, 11), np.int64)
    for file in files:
        picture = np.asarray(Image.open(file).convert("RGB"))
        truth = np.asarray(Image.open(folder / "label" / f"{file.stem}.png"))
        ids = table[found.extract([picture], (truth.shape[1], truth.shape[0]))[0].array]
        counted = (truth < 11) & (ids < 11)
        np.add.at(confusion, (truth[counted], ids[counted]), 1)
    right = np.diag(confusion)
    iou = right / np.maximum(confusion.sum(0) + confusion.sum(1) - right, 1)
    return {
        "clip": "camvid/0016E5_15hz_a",
        "frames": len(files),
        "pixel_accuracy": round(float(right.sum() / confusion.sum()), 4),
        "mean_iou": round(float(iou.mean()), 4),
        "iou": {label.name: round(float(value), 3) for label, value in zip(CAMVID11.classes, iou, strict=False)},
    }


def street(clips: Path, model: str, work: Path) -> dict[str, Any]:
    """Held-out ends of the driving clips, with and without past frames."""
    info, networks = load_model(find_model(model))
    alone = work / "without-past.safetensors"
    save_model(alone, info, {"image_generator": networks["image_generator"]})
    result = {}
    for name in DRIVING:
        clip = clips / "driving" / f"{name}.mp4"
        with VideoReader(clip) as reader:
            pts = [frame.pts for frame in reader]
        start = pts[round(len(pts) * (1 - HELD_OUT))]
        real = _cut(clip, start, work / f"{name}.real.mp4")
        with_past = _judge_street(real, model, work / f"{name}.mp4")
        without = _judge_street(real, str(alone), work / f"{name}.alone.mp4")
        ratio = with_past["warp_error_dis"].measurement.details["ratio"]
        result[name] = {
            "frames": with_past.frames,
            "map_agreement": _value(with_past, "map_agreement"),
            "warp_error": _value(with_past, "warp_error_dis"),
            "warp_error_over_real": round(float(ratio), 3),
            "warp_error_without_past": _value(without, "warp_error_dis"),
            "map_agreement_without_past": _value(without, "map_agreement"),
            "colour_drift": _value(with_past, "colour_drift"),
        }
    return result


def _judge_street(real: Path, model: str, out: Path) -> Report:
    maps = out.with_suffix(".maps.mkv")
    v2vcli.convert(real, out, model=model, save_maps=maps, overwrite=True, device="cpu")
    info, _ = load_model(find_model(model))
    with VideoReader(out) as reader:
        size = reader.info.width, reader.info.height
    extractor = maker_for(info.spec, MakerNames(), CPU, size)
    return evaluate(
        out, real, maps=maps, extractor=extractor, metrics=["warp_error_dis", "map_agreement", "colour_drift"]
    )


def _cut(clip: Path, start: Fraction, out: Path) -> Path:
    """The end of a clip, lossless, as a file of its own."""
    from v2vcli.video import Encoding, VideoWriter

    with (
        VideoReader(clip, start=start) as reader,
        VideoWriter(
            out,
            width=reader.info.width,
            height=reader.info.height,
            time_base=reader.info.time_base,
            rate=reader.info.rate,
            encoding=Encoding(crf=0, preset="ultrafast"),
            overwrite=True,
            start=start,
        ) as writer,
    ):
        for frame in reader:
            writer.write(frame)
    return out


def face(model: str, work: Path, frames: int) -> dict[str, Any]:
    """Heads that training never saw."""
    info, _ = load_model(find_model(model))
    extractor = CannyExtractor(info.spec.edges) if info.spec.edges else CannyExtractor()
    recalls, drifts, ratios = {}, {}, {}
    for seed in UNSEEN_HEADS:
        real, out = work / f"head{seed}.mp4", work / f"face{seed}.mp4"
        write_sample(real, "head", frames=frames, width=256, height=256, seed=seed, overwrite=True)
        v2vcli.convert(real, out, model=model, overwrite=True, device="cpu")
        report = evaluate(
            out,
            real,
            extractor=extractor,
            map_size=info.size,
            metrics=["map_agreement", "colour_drift", "warp_error_dis"],
        )
        recalls[seed], drifts[seed] = _value(report, "map_agreement"), _value(report, "colour_drift")
        ratios[seed] = round(float(report["warp_error_dis"].measurement.details["ratio"]), 3)
    return {
        "frames_each": frames,
        "edge_recall": recalls,
        "edge_recall_mean": round(float(np.mean(list(recalls.values()))), 4),
        "colour_drift": drifts,
        "warp_error_over_real": ratios,
    }


def _value(report: Report, name: str) -> float | None:
    value = report[name].value
    return None if value is None else round(float(value), 5)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=Path("data/clips"), help="the folder with camvid/ and driving/")
    parser.add_argument("--only", choices=["segmenter", "street", "face"])
    parser.add_argument("--segmenter", default="street-segmenter")
    parser.add_argument("--street", default="seg2street")
    parser.add_argument("--face", default="edge2face")
    parser.add_argument("--face-frames", type=int, default=24)
    parser.add_argument("--keep", type=Path, help="keep the videos in this folder")
    given = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    result: dict[str, Any] = {
        "v2v": v2vcli.__version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, CPU",
    }
    with tempfile.TemporaryDirectory() as temporary:
        work = given.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if given.only != "face" and not given.clips.is_dir():
            result["skipped"] = (
                f"segmenter and street need real clips, and there is no folder {given.clips}: give --clips"
            )
            given.only = "face"
        if given.only in (None, "segmenter"):
            result["segmenter"] = segmenter(given.clips, given.segmenter)
        if given.only in (None, "street"):
            result["street"] = street(given.clips, given.street, work)
        if given.only in (None, "face"):
            result["face"] = face(given.face, work, given.face_frames)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
