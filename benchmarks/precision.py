"""How much a device and a precision change what is painted: a three-scale chain, as JSON.

    python benchmarks/precision.py [--device cuda] [--frames 100] [--width 128] [--size 2048x1024] [--model MODEL]

- parity: every frame in float32 on the device against the CPU's, each step from the CPU's own past (a roll-out
  amplifies rounding, so it is compared step by step), largest and mean difference; the figure to hold is 1e-3;
- bf16, fp16: mean absolute difference of painted bytes (of 255) from float32's on the same device, over a roll-out of
  its own, at frames 1, 10, ... and over all: what a user sees of it, with everything it accumulates.

Weights are random (N(0, 0.02), as training starts) unless --model names a vid2vid model. On a CPU, fp16 is left out.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor

import v2vcli
from v2vcli.models.catalog import find_model
from v2vcli.models.checkpoint import load_model
from v2vcli.models.generator import GeneratorConfig, PastFrames, Vid2VidGenerator

CPU = torch.device("cpu")


def network(model: str | None, width: int) -> Vid2VidGenerator:
    """A model's generator, or a three-scale chain with the paper's depth and random weights."""
    if model is not None:
        return cast(Vid2VidGenerator, load_model(find_model(model))[1]["generator"])
    torch.manual_seed(0)
    config = GeneratorConfig(36, width=width, downsamplings=3, blocks=9, finer=2, foreground=(26,))
    return Vid2VidGenerator(config).eval().requires_grad_(False)


def street_maps(channels: int, frames: int, width: int, height: int) -> Iterator[Tensor]:
    """`frames` maps, (1, channels, H, W) each: one-hot blocks as large as a street's, drifting by 4 pixels a frame."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    for t in range(frames):
        ids = ((x + 4 * t) // max(1, width // 8) + 3 * (y // max(1, height // 6))) % channels
        yield torch.nn.functional.one_hot(ids, channels).permute(2, 0, 1)[None].float()


@torch.inference_mode()
def parity(generator: Vid2VidGenerator, maps: list[Tensor], device: torch.device) -> dict[str, float]:
    """Float32 on the device against the CPU, teacher-forced."""
    past, pasts, wanted = generator.start(None, maps[0]), [], []
    for each in maps:
        pasts.append(past)
        output, past = next(generator.roll(each[None], past))
        wanted.append(output.frame)
    there = generator.to(device)
    differences = []
    for each, before, frame in zip(maps, pasts, wanted, strict=True):
        output, _ = next(there.roll(each[None].to(device), _moved(before, device)))
        differences.append((output.frame.cpu() - frame).abs())
    generator.to(CPU)
    stacked = torch.stack(differences)
    return {"frames": len(maps), "max": float(stacked.max()), "mean": float(stacked.mean())}


def _moved(past: PastFrames, device: torch.device) -> PastFrames:
    return PastFrames(tuple(x.to(device) for x in past.images_BK3HW), past.maps_BKCHW.to(device), past.painted)


@torch.inference_mode()
def painted(
    generator: Vid2VidGenerator, maps: Iterable[Tensor], device: torch.device, dtype: torch.dtype | None
) -> Tensor:
    """(frames, 3, H, W) bytes of a roll-out; `dtype` None is float32."""
    there, frames, past = generator.to(device), [], None
    for each in maps:
        past = past or there.start(None, each.to(device))
        with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
            output, past = next(there.roll(each[None].to(device), past))
        frames.append(((output.frame.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu())
    return torch.cat(frames)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--frames", type=int, help="100 on a GPU, 10 on a CPU")
    parser.add_argument("--parity-frames", type=int, default=3, help="the CPU paints these too, which takes long")
    parser.add_argument("--size", help="2048x1024 on a GPU, 256x128 on a CPU")
    parser.add_argument("--parity-size", help="512x256 on a GPU, 128x64 on a CPU")
    parser.add_argument("--width", type=int, help="128 on a GPU, 16 on a CPU")
    parser.add_argument("--model")
    given = parser.parse_args(arguments)
    usual = (100, "2048x1024", "512x256", 128) if given.device.startswith("cuda") else (10, "256x128", "128x64", 16)
    for option, value in zip(("frames", "size", "parity_size", "width"), usual, strict=True):
        setattr(given, option, getattr(given, option) or value)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.tanh(torch.zeros(64, 64))  # the first one of a process may be off by 5e-5 on a CPU
    device, generator = torch.device(given.device), network(given.model, given.width)
    channels = generator.config.map_channels
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
    result: dict[str, Any] = {
        "v2v": v2vcli.__version__,
        "torch": torch.__version__,
        "hardware": name,
        "weights": given.model or f"random, width {given.width}, 3 scales",
        "size": given.size,
        "parity_size": given.parity_size,
    }
    width, height = (int(side) for side in given.parity_size.split("x"))
    result["fp32_against_cpu"] = parity(
        generator, list(street_maps(channels, given.parity_frames, width, height)), device
    )
    width, height = (int(side) for side in given.size.split("x"))
    shape = channels, given.frames, width, height
    exact = painted(generator, street_maps(*shape), device, None)
    for dtype in (torch.bfloat16, torch.float16) if device.type == "cuda" else (torch.bfloat16,):
        off = (painted(generator, street_maps(*shape), device, dtype).int() - exact.int()).abs().float().mean((1, 2, 3))
        at = {str(t + 1): round(float(off[t]), 4) for t in (0, 9, 49, 99) if t < len(off)}
        result[str(dtype).removeprefix("torch.")] = {"mean_of_255": round(float(off.mean()), 4), "at_frame": at}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
