"""Does the memory of a conversion grow with the length of the video? Prints JSON.

Converts 300 and then 3,000 frames of 320x180 with a small random model from edges, each in a process of its own, and
compares the most memory each ever held. The claim is "within 5 %". ``--frames SHORT LONG`` measures other lengths.

What is peculiar: the peak is the kernel's high-water mark of the process (`VmHWM`), which, unlike `ru_maxrss`, begins
anew with the program that is started.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

WIDTH, HEIGHT = 320, 180
ALLOWED = 0.05


def save_model(path: Path) -> None:
    import torch

    from v2vcli.maps.spec import MapSpec
    from v2vcli.models.checkpoint import ModelInfo, save_model
    from v2vcli.models.generator import GeneratorConfig, Vid2VidGenerator
    from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig

    torch.manual_seed(0)
    parts = {
        "image_generator": ImageGenerator(ImageGeneratorConfig(1, width=4, downsamplings=2, blocks=2)),
        "generator": Vid2VidGenerator(GeneratorConfig(1, width=4, downsamplings=2, blocks=2)),
    }
    save_model(path, ModelInfo("tiny", "vid2vid", MapSpec("edges"), (160, 96), "Apache-2.0"), parts)


def save_clip(path: Path, frames: int) -> None:
    import numpy as np

    from v2vcli.video import Encoding, Frame, VideoWriter

    def pictures() -> Iterator[np.ndarray]:
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        for t in range(frames):
            image = np.stack([(rows + t) % 256, (columns + 2 * t) % 256, (rows + columns) % 256], -1).astype(np.uint8)
            x = 3 * t % (WIDTH - 60)
            image[40:120, x : x + 60] = 255
            yield image

    step = Fraction(1, 25)
    encoding = Encoding(preset="ultrafast")
    with VideoWriter(path, width=WIDTH, height=HEIGHT, time_base=step, rate=1 / step, encoding=encoding) as writer:
        for t, image in enumerate(pictures()):
            writer.write(Frame(image, t * step, step, t))


def convert(folder: Path, frames: int) -> None:
    """The measured process: converts, and prints its peak and its speed."""
    import torch

    import v2vcli

    torch.set_num_threads(1)
    model, source = str(folder / "tiny.safetensors"), folder / f"{frames}.mp4"
    result = v2vcli.convert(source, folder / f"{frames}.out.mp4", model=model, device="cpu", preset="ultrafast")
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024
    print(
        json.dumps({"frames": result.progress.frames, "peak_mib": round(peak, 1), "fps": round(result.progress.fps, 1)})
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of a short and a long conversion.")
    parser.add_argument("--frames", type=int, nargs=2, default=(300, 3000), metavar=("SHORT", "LONG"))
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        convert(arguments.measure, arguments.frames[0])
        return
    runs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_model(folder / "tiny.safetensors")
        for frames in arguments.frames:
            save_clip(folder / f"{frames}.mp4", frames)
            command = [sys.executable, __file__, "--measure", name, "--frames", str(frames), "0"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            runs.append(json.loads(done.stdout))
    growth = runs[1]["peak_mib"] / runs[0]["peak_mib"] - 1
    report = {
        "benchmark": "memory",
        "size": [WIDTH, HEIGHT],
        "runs": runs,
        "growth": round(growth, 4),
        "allowed": ALLOWED,
        "holds": growth <= ALLOWED,
    }
    print(json.dumps(report, indent=2))
    sys.exit(0 if growth <= ALLOWED else 1)


if __name__ == "__main__":
    main()
