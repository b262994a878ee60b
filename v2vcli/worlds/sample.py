"""Write a world to a playable file: H.264 beside a quiet generated sound, so that a whole conversion can be seen.

The sound is there to be copied: a soft chord that swells and a tick every second, in AAC. It is generated, like the
pictures.
"""

from __future__ import annotations

import argparse
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from v2vcli.video import Encoding, Frame, VideoWriter
from v2vcli.worlds import WORLDS, open_world

Array = NDArray[Any]
SAMPLE_RATE = 48_000


def write_sample(
    path: str | Path,
    world: str,
    frames: int,
    width: int,
    height: int,
    *,
    seed: int = 1,
    rate: Fraction = Fraction(25),
    encoding: Encoding | None = None,
    audio: bool = True,
    overwrite: bool = False,
) -> Path:
    """Render the first ``frames`` frames of a world into a video file.

    Args:
        path: the file to write; its suffix names the container (.mp4, .mkv, .mov).
        world: a name in `v2vcli.worlds.WORLDS`.
        frames: how many, at least 1.
        width: pixels.
        height: pixels.
        seed: which street or person.
        rate: frames per second; pts of frame i is exactly ``i / rate``.
        encoding: codec and quality; H.264 by default.
        audio: add the generated sound as an AAC track.
        overwrite: replace an existing file.

    Returns:
        The path written.

    Raises:
        UsageError: unknown world or impossible size.
        OutputError: the file cannot be written.
    """
    target = Path(path)
    source = open_world(world, seed, width, height, rate)
    duration = 1 / Fraction(rate)
    with tempfile.TemporaryDirectory() as folder:
        sound: Path | None = None
        if audio:
            sound = Path(folder) / "sound.m4a"
            _write_sound(sound, ambience(float(frames * duration), seed))
        with VideoWriter(
            target,
            width=width,
            height=height,
            time_base=duration,
            rate=Fraction(rate),
            encoding=encoding,
            overwrite=overwrite,
            copy_from=sound,
            metadata={"comment": f"procedural {world}, seed {seed}: rendered, no camera"},
        ) as writer:
            for index in range(frames):
                image = source.frame(index).image
                writer.write(Frame(image=image, pts=index * duration, duration=duration, index=index))
    return target


def main(arguments: list[str] | None = None) -> None:
    """``python -m v2vcli.worlds.sample OUT``: write a sample and print its path; what `make demo` begins with."""
    parser = argparse.ArgumentParser(prog="python -m v2vcli.worlds.sample", description="Render a procedural world.")
    parser.add_argument("path", help="file to write (.mp4, .mkv, .mov); replaced if it exists")
    parser.add_argument("--world", choices=WORLDS, default="street")
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--size", default="384x224", help="WIDTHxHEIGHT (default %(default)s)")
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args(arguments)
    try:
        width, height = (int(part) for part in options.size.lower().split("x"))
    except ValueError:
        parser.error(f"--size {options.size}: give it as WIDTHxHEIGHT, such as 384x224")
    if options.frames < 1:
        parser.error(f"--frames {options.frames}: a video has at least one frame")
    print(write_sample(options.path, options.world, options.frames, width, height, seed=options.seed, overwrite=True))


def ambience(seconds: float, seed: int) -> Array:
    """(2, N) float32 stereo in [-1, 1] at `SAMPLE_RATE`: a slow chord and a tick every second."""
    rng = np.random.default_rng([seed, 0x50D])
    t = np.arange(max(1, round(seconds * SAMPLE_RATE))) / SAMPLE_RATE
    root = 110.0 * 2 ** (int(rng.integers(0, 8)) / 12)
    sound = np.zeros((2, len(t)))
    for semitones in (0, 7, 12, 16):
        tone = np.sin(2 * np.pi * root * 2 ** (semitones / 12) * t)
        swell = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.06, 0.2) * t + rng.uniform(0, 6.3))
        side = rng.uniform(0.3, 0.7)
        sound += np.array([[side], [1 - side]]) * (tone * swell)
    since = np.mod(t, 1.0)
    tick = np.sin(2 * np.pi * 880 * since) * np.exp(-since * 60)
    out: Array = (0.11 * sound + 0.12 * tick).astype(np.float32)
    return out


def _write_sound(path: Path, samples: Array) -> None:
    """Encode stereo float samples as AAC."""
    with av.open(str(path), "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo", options={"b": "96000"})
        for start in range(0, samples.shape[1], 1024):
            block = np.ascontiguousarray(samples[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
