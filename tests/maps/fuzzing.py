"""Damages maps in many ways and reads them: `python -m tests.maps.fuzzing FIRST COUNT FOLDER`.

A program of its own, so that a hang, or a crash inside a decoder, ends it and not the tests. Every damaged file is a
function of its number. It prints the number before it reads the file, and ends at the first one that is answered by
anything but maps or one clear line.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from tests.maps.clips import label_scene, random_map
from v2vcli.errors import V2VError
from v2vcli.maps.drawn.keypoints import PoseSettings
from v2vcli.maps.files.keypoint_json import keypoints_to_json
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.files.store import MapWriter, stored_source
from v2vcli.maps.schema import CAMVID11, CITYSCAPES35
from v2vcli.maps.spec import MapSpec

SECONDS = 20
"""For one file; far more than any takes."""

SIZE = (40, 24)
STORED = [
    MapSpec("labels", CITYSCAPES35, instance_edges=True),
    MapSpec("edges"),
    MapSpec("rgb"),
    MapSpec("face"),
    MapSpec("pose", pose=PoseSettings(densepose=True)),
    MapSpec("flow"),
    MapSpec("depth"),
]
NASTY = [
    b"1e999999999",
    b"-1",
    b"[" * 5000,
    b"NaN",
    b"\x00",
    b'"',
    b"99999999999999999999999999",
    b"{}",
    b"null",
    b"9" * 5000,
]


def write_originals(folder: Path) -> list[tuple[Path, MapSpec]]:
    """Whole maps of every format, and what to read them as."""
    rng = np.random.default_rng(0)
    made = []
    for number, spec in enumerate(STORED):
        for name in (f"{number}.mkv", f"{number}"):
            with MapWriter(folder / name, spec, source="fuzzing") as writer:
                for t in range(3):
                    writer.write(random_map(spec, SIZE, rng), Fraction(t, 24))
            made.append((folder / name, spec))
    pose, face = MapSpec("pose"), MapSpec("face")
    for name, spec, suffix in (("openpose", pose, "json"), ("landmarks", face, "json"), ("text", face, "txt")):
        (folder / name).mkdir()
        for t in range(2):
            points = rng.uniform(0, 40, (68, 2) if spec is face else (2, 137, 3))
            text = keypoints_to_json(spec.kind, points)
            if suffix == "txt":
                text = "\n".join(f"{x!r},{y!r}" for x, y in points.tolist())
            (folder / name / f"{t}.{suffix}").write_text(text)
        made.append((folder / name, spec))
    made.append((_panoptic(folder / "panoptic"), MapSpec("labels", CAMVID11)))
    return made


def _panoptic(folder: Path) -> Path:
    folder.mkdir()
    ids = label_scene(CAMVID11, *SIZE).astype(np.int32)
    ids[ids == 11] = 0
    Image.fromarray(np.stack([ids, ids // 256, ids * 0], axis=2).astype(np.uint8)).save(folder / "0.png")
    categories = [{"id": c.id, "name": c.name, "isthing": 0} for c in CAMVID11.classes if not c.void]
    segments = [{"id": int(each), "category_id": int(each)} for each in np.unique(ids) if each]
    annotations = [{"file_name": "0.png", "segments_info": segments}]
    (folder / "panoptic.json").write_text(json.dumps({"annotations": annotations, "categories": categories}))
    return folder


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The content of a file with something wrong in it."""
    place, length = int(rng.integers(0, len(data))), int(rng.integers(1, 64))
    nasty = NASTY[rng.integers(len(NASTY))]
    ways: list[Callable[[], bytes]] = [
        lambda: data[:place],
        lambda: data[:place] + data[place + length :],
        lambda: data[:place] + data[place : place + length] * 2 + data[place + length :],
        lambda: data[:place] + bytes(length) + data[place + length :],
        lambda: data[:place] + rng.bytes(length) + data[place + length :],
        lambda: data[:place] + nasty + data[place:],
        lambda: data[:place] + nasty + data[place + len(nasty) :],
        lambda: _flipped(data, rng, 1),
        lambda: _flipped(data, rng, 1),
        lambda: _flipped(data, rng, 8),
        lambda: _flipped(data[:1500], rng, 3) + data[1500:],  # where headers and tags are
        lambda: rng.bytes(length),
        lambda: b"",
    ]
    return ways[rng.integers(len(ways))]()


def _flipped(data: bytes, rng: np.random.Generator, count: int) -> bytes:
    changed = bytearray(data)
    for place in rng.integers(0, len(data), count):
        changed[place] ^= 1 << int(rng.integers(0, 8))
    return bytes(changed)


def read(path: Path, spec: MapSpec) -> str:
    """Read all maps; returns the line of the refusal, or nothing."""
    try:
        if path.is_file() or (path / "maps.json").exists():
            stored_source(path)
        source = open_maps(path, spec, size=SIZE)
        for start in (None, Fraction(1, 24)):
            for _, frame in source.timed(start):
                frame.picture()
    except V2VError as e:
        return str(e)
    return ""


def fuzz(first: int, count: int, folder: Path) -> None:
    """Damage and read `count` files."""
    originals = write_originals(folder)
    refused = 0
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        original, spec = originals[number % len(originals)]
        target = folder / f"damaged{original.suffix}"
        if original.is_dir():
            shutil.copytree(original, target)
            files = sorted(each for each in target.rglob("*") if each.is_file())
            file = files[rng.integers(len(files))]
        else:
            file = Path(shutil.copy(original, target))
        file.write_bytes(damaged(file.read_bytes(), rng))
        print(number, original.name, file.name, flush=True)
        signal.alarm(SECONDS)  # its default action ends the process, inside a decoder too
        line = read(target, spec)
        signal.alarm(0)
        if "\n" in line or len(line) > 700:
            raise AssertionError(f"not one clear line: {line[:400]!r}")
        refused += bool(line)
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    print(f"{refused} of {count} refused", flush=True)


if __name__ == "__main__":
    fuzz(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
