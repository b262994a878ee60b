"""Videos and folders of frames that tests draw clips from; all of them made here."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from v2vcli.video import Encoding, Frame, VideoWriter

Pictures = NDArray[np.uint8]


def drifting(frames: int, width: int, height: int, seed: int = 0) -> Pictures:
    """(T, H, W, 3): a smooth texture that moves right by a pixel a frame; another seed is another shot."""
    import cv2

    rng = np.random.default_rng(seed)
    wide = rng.integers(0, 255, (height // 4 + 1, (width + frames) // 4 + 1, 3)).astype(np.uint8)
    wide = np.asarray(cv2.resize(wide, (width + frames, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    return np.stack([wide[:, frames - t : frames - t + width] for t in range(frames)])


def write_video(path: Path, images: Sequence[Pictures] | Pictures, keyframes: int = 12) -> Path:
    """A lossless H.264 video at 25 frames per second with a key frame every so often."""
    height, width = images[0].shape[:2]
    encoding = Encoding(crf=0, pix_fmt="yuv444p", preset="ultrafast", options={"g": str(keyframes)})
    with VideoWriter(
        path, width=width, height=height, time_base=Fraction(1, 25), rate=Fraction(25), encoding=encoding
    ) as writer:
        for index, image in enumerate(images):
            writer.write(Frame(image, Fraction(index, 25), Fraction(1, 25), index))
    return path
