"""Small models and clips for the tests of engine and cli: random weights, drawn pictures, everything seeded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray

from v2vcli.maps.schema import CITYSCAPES19
from v2vcli.maps.schema import LabelSchema as LabelSchema
from v2vcli.maps.spec import MapSpec
from v2vcli.models.checkpoint import ModelInfo, save_model
from v2vcli.models.generator import GeneratorConfig, Vid2VidGenerator
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.models.segmenter import Segmenter, SegmenterConfig
from v2vcli.video import Encoding, Frame, VideoReader, VideoWriter

EDGES = MapSpec("edges")
LABELS = MapSpec("labels", schema=CITYSCAPES19)
RGB = MapSpec("rgb")
SIZE = (64, 32)
RATE = Fraction(25)


def save_painter(path: Path, spec: MapSpec = EDGES, size: tuple[int, int] = SIZE, seed: int = 0) -> Path:
    """A vid2vid model of width 4 with random weights."""
    torch.manual_seed(seed)
    image = ImageGenerator(ImageGeneratorConfig(spec.channels, width=4, downsamplings=2, blocks=2))
    video = Vid2VidGenerator(GeneratorConfig(spec.channels, width=4, downsamplings=2, blocks=2))
    info = ModelInfo(path.stem, "vid2vid", spec, size, "Apache-2.0", {"frames_seen": 0})
    save_model(path, info, {"generator": video, "image_generator": image})
    return path


def save_segmenter(path: Path, spec: MapSpec = LABELS, size: tuple[int, int] = SIZE) -> Path:
    """A segmenter with random weights."""
    torch.manual_seed(1)
    network = Segmenter(SegmenterConfig(spec.channels, widths=(8, 8)))
    save_model(path, ModelInfo(path.stem, "segmenter", spec, size, "Apache-2.0"), {"segmenter": network})
    return path


def picture(t: int, shot: int = 0, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A bright box that moves over a plain ground; shots differ in all their colours."""
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    image[:] = ((20, 60, 90), (230, 190, 40), (120, 20, 160))[shot]
    x, y = 3 + 2 * t % (width // 2), 4 + t % (height // 3)
    image[y : y + height // 3, x : x + width // 4] = ((250, 250, 240), (10, 20, 60), (240, 220, 30))[shot]
    return image


def write_clip(
    path: Path,
    pictures: list[NDArray[np.uint8]],
    *,
    times: list[Fraction] | None = None,
    rate: Fraction = RATE,
    time_base: Fraction | None = None,
    copy_from: Path | None = None,
    lossless: bool = True,
) -> Path:
    """Write pictures as a video, one frame each; `times` are their pts and, last, the end."""
    times = times or [n / rate for n in range(len(pictures) + 1)]
    height, width = pictures[0].shape[:2]
    encoding = Encoding(codec="libx264rgb", pix_fmt="rgb24", crf=0) if lossless else Encoding()
    with VideoWriter(
        path,
        width=width,
        height=height,
        time_base=time_base or 1 / rate,
        rate=rate,
        encoding=encoding,
        copy_from=copy_from,
    ) as writer:
        for n, image in enumerate(pictures):
            writer.write(Frame(image, times[n], times[n + 1] - times[n], n))
    return path


def with_sound(path: Path, source: Path, seconds: float = 1.0) -> Path:
    """A video's packets with a beep beside them, in AAC."""
    tone = (0.2 * np.sin(2 * np.pi * 440 * np.arange(int(48000 * seconds)) / 48000)).astype(np.float32)
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        video = new.add_stream_from_template(old.streams.video[0])
        audio = new.add_stream("aac", rate=48000, layout="mono")
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = video
                new.mux(packet)
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate = 48000
        for sound in (frame, None):
            for packet in audio.encode(sound):
                new.mux(packet)
    return path


def read(path: Path) -> list[Frame]:
    """All frames of a video."""
    with VideoReader(path) as reader:
        return list(reader)


def times(path: Path) -> list[tuple[Fraction, Fraction]]:
    """(pts, duration) of all frames of a video."""
    return [(frame.pts, frame.duration) for frame in read(path)]


def audio_packets(path: Path) -> list[bytes]:
    """The packets of the first audio stream, bit for bit."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]


def counting(limit: int, failing: Callable[[], BaseException] | None = None) -> Iterator[int]:
    """0 .. limit - 1, then the end or an exception."""
    yield from range(limit)
    if failing is not None:
        raise failing()
