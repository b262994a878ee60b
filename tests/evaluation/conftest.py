"""Videos and moments to measure: made here, lossless, with known content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

Images = Sequence[NDArray[np.uint8]]
WriteVideo = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def one_opencv_thread() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


@pytest.fixture
def write_video(tmp_path: Path) -> WriteVideo:
    """``write_video(name, images, pts=...)`` stores RGB losslessly (FFV1, packed RGB), time base 1/1000."""

    def write(name: str, images: Images, pts: Sequence[int] | None = None) -> Path:
        path = tmp_path / name
        height, width = images[0].shape[:2]
        with av.open(path, "w") as container:
            stream = container.add_stream("ffv1", rate=25, width=width, height=height, pix_fmt="bgr0")
            stream.codec_context.time_base = Fraction(1, 1000)
            for index, image in enumerate(images):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24").reformat(format="bgr0")
                frame.time_base = Fraction(1, 1000)
                frame.pts = pts[index] if pts is not None else 40 * index
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture(scope="session")
def texture() -> NDArray[np.uint8]:
    """(96, 192, 3): smooth random colour with detail everywhere, so that flow is defined everywhere."""
    noise = np.random.default_rng(7).normal(size=(96, 192, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.clip(127 + smooth / smooth.std() * 45, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def panning(texture: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Eight frames of (64, 96, 3): a window that moves 3 px to the right and 1 px down over the texture per frame."""
    return [texture[4 + t : 68 + t, 10 + 3 * t : 106 + 3 * t].copy() for t in range(8)]
