"""The README's pictures, from procedural worlds and the bundled models: input, map, painted frame, three moments each.

python benchmarks/pictures.py [-o docs/pictures]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import v2vcli
from v2vcli.maps.files.sources import open_maps
from v2vcli.models.catalog import find_model
from v2vcli.models.checkpoint import read_info
from v2vcli.video import VideoReader
from v2vcli.worlds.sample import write_sample

FRAMES = 40
MOMENTS = (0, 19, 39)
SCENES = {"seg2street": ("street", 384, 224, 1), "edge2face": ("head", 256, 256, 9001)}
"""Mode: world, width, height, seed. No training has seen these seeds."""


def strip(mode: str, work: Path) -> NDArray[np.uint8]:
    """One row a moment: what came in, the map made of it, what was painted."""
    world, width, height, seed = SCENES[mode]
    sample, out, maps = work / f"{mode}.in.mp4", work / f"{mode}.mp4", work / f"{mode}.mkv"
    write_sample(sample, world, FRAMES, width, height, seed=seed, overwrite=True)
    v2vcli.convert(sample, out, mode=mode, save_maps=maps, overwrite=True, device="cpu")
    with VideoReader(sample) as reader:
        inputs = [frame.image for frame in reader]
    with VideoReader(out) as reader:
        painted = [frame.image for frame in reader]
    pictures = [made.picture() for made in open_maps(maps, read_info(find_model(mode)).spec)]
    rows = [
        np.hstack([inputs[t], cv2.resize(pictures[t], (width, height), interpolation=cv2.INTER_NEAREST), painted[t]])
        for t in MOMENTS
    ]
    return np.vstack(rows).astype(np.uint8)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make and save; prints where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "docs" / "pictures")
    given = parser.parse_args(arguments)
    given.output.mkdir(parents=True, exist_ok=True)
    made = {}
    with tempfile.TemporaryDirectory() as work:
        for mode in SCENES:
            path = given.output / f"{mode}.png"
            picture = Image.fromarray(strip(mode, Path(work)))
            # 256 colours: a third of the bytes, and no worse to look at
            picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
            made[mode] = f"{path} ({path.stat().st_size // 1024} KiB)"
    print(json.dumps(made, indent=1))


if __name__ == "__main__":
    main()
