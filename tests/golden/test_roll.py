"""Whole roll-outs of one, two and three scales give the reference's frames: every start, every scale, any window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.golden.networks import clip_maps, first_frame_generator, generator, norm_of
from tests.golden.recording import Golden, Parity
from v2vcli.models.generator import GeneratorConfig, PastFrames, StepOutput, Vid2VidGenerator

TOLERANCE = 5e-5
FLOW_TOLERANCE = 1e-4

RECORDED = {
    "roll_s1_pose": ["train_zeros", "train_real", "eval_zeros"],
    "roll_s1_instnorm_fg": ["train_real", "eval_real"],
    "roll_s2_noflow_tg2": ["train_zeros", "eval_real"],
    "roll_s2_street_fg_inst": ["train_zeros", "train_real", "train_single", "eval_real"],
    "roll_s3_street_fg_inst": ["train_zeros", "train_real"],
}
"""Files and the runs recorded in each: how norms work, and what the first frames follow on."""
RUNS = [(name, run) for name, runs in RECORDED.items() for run in runs]


class Clip:
    """One recorded run: the network, the maps, the past it starts from, and what is to come out."""

    def __init__(self, golden_dir: Path, name: str, run: str) -> None:
        self.name, self.run = name, run
        self.golden = golden = Golden(golden_dir / f"{name}.safetensors")
        h, maps = golden.hyper, clip_maps(golden)
        self.config = GeneratorConfig(
            map_channels=maps.shape[1],
            past=h["tG"] - 1,
            width=h["ngf"],
            downsamplings=h["n_downsampling"],
            blocks=h["n_blocks"],
            finer=h["n_scales"] - 1,
            finer_blocks=h["n_blocks_local"],
            flow=not h["no_flow"],
            foreground=tuple(h["fg_labels"]) if h["fg"] else (),
            norm=norm_of(golden, stored=run.startswith("eval")),
        )
        self.network: Vid2VidGenerator = generator(golden, self.config, stored=run.startswith("eval"))
        k, scales = self.config.past, self.config.scales
        self.maps, seen = maps[None, k:], maps[None, :k]
        match run.partition("_")[2]:
            case "zeros":
                self.past = PastFrames.blank(seen, scales)
            case "real":
                self.past = PastFrames.starting(golden["i/B"][None, :k], seen, scales)
            case "single":
                self.past = PastFrames.starting(self.first()[None], seen, scales)

    def first(self) -> Tensor:
        """The frames of the image generator, which is shown labels without edges, (K, 3, H, W)."""
        maps = clip_maps(self.golden)[: self.config.past, : self.golden.hyper["label_nc"]]
        with torch.no_grad():
            return first_frame_generator(self.golden)(maps)

    def recorded(self) -> list[Tensor]:
        """The reference's frames at every scale, coarsest first, each (T, 3, H, W)."""
        levels = range(self.config.scales - 1, 0, -1)
        return [
            *(self.golden[f"o/{self.run}/fake_level{level}"] for level in levels),
            self.golden[f"o/{self.run}/fake"],
        ]

    def check(self, parity: Parity, outputs: list[StepOutput], *, frames: slice = slice(None)) -> None:
        """Compare what was painted for `frames` with the recording, in all that it recorded of this run."""
        steps = [output.frames for output in outputs]
        found: dict[str, Tensor] = {"fake": torch.cat([step[-1] for step in steps])}
        for level in range(1, self.config.scales):
            found[f"fake_level{level}"] = torch.cat([step[-1 - level] for step in steps])
        for name, values in (("flow", [o.flow for o in outputs]), ("weight", [o.mask for o in outputs])):
            if all(value is not None for value in values):
                found[name] = torch.cat([value for value in values if value is not None])
        found["first"] = self.first() if self.run.endswith("single") else torch.zeros(0)
        recorded = self.golden.below(f"o/{self.run}/")
        assert set(recorded) <= set(found)
        for key, expected in recorded.items():
            tolerance = FLOW_TOLERANCE if key == "flow" else TOLERANCE
            expected = expected if key == "first" else expected[frames]
            parity.check(self.name, f"o/{self.run}/{key}", found[key], expected, tolerance)


def _windows(network: Vid2VidGenerator, maps: Tensor, past: PastFrames, window: int) -> Iterator[StepOutput]:
    """The clip painted in windows that are encoded at once."""
    for part in maps.split(window, 1):
        for output, reached in network.roll(part, past):
            yield output
            past = reached


@pytest.mark.parametrize(("name", "run"), RUNS)
@pytest.mark.parametrize("window", [1, 4, 6])
@torch.no_grad()
def test_roll_out(golden_dir: Path, parity: Parity, name: str, run: str, window: int) -> None:
    """The reference's frames, whatever the window."""
    clip = Clip(golden_dir, name, run)
    clip.check(parity, list(_windows(clip.network, clip.maps, clip.past, window)))


@pytest.mark.parametrize(("name", "run"), RUNS)
@torch.no_grad()
def test_stream(golden_dir: Path, parity: Parity, name: str, run: str) -> None:
    clip = Clip(golden_dir, name, run)
    stream = clip.network.stream(clip.maps.unbind(1), clip.past, lookahead=4)
    clip.check(parity, [output for output, _ in stream])


@pytest.mark.parametrize(("name", "run"), RUNS)
@torch.no_grad()
def test_single_steps_after_the_references_own_frames(golden_dir: Path, parity: Parity, name: str, run: str) -> None:
    """Teacher-forced: an error cannot hide behind, or grow from, those before it."""
    clip = Clip(golden_dir, name, run)
    k, past = clip.config.past, clip.past
    window, _ = clip.network.encode(clip.maps, past)
    histories = [
        torch.cat((start, painted[None]), 1) for start, painted in zip(past.images_BK3HW, clip.recorded(), strict=True)
    ]
    for t, encoded in enumerate(window):
        images = tuple(history[:, t : t + k] for history in histories)
        output, _ = clip.network.step(encoded, replace(past, images_BK3HW=images, painted=past.painted or t > 0))
        clip.check(parity, [output], frames=slice(t, t + 1))


@pytest.mark.parametrize("name", ["roll_s3_street_fg_inst", "roll_s2_noflow_tg2"])
@torch.no_grad()
def test_sequences_in_a_batch_are_the_references_too(golden_dir: Path, parity: Parity, name: str) -> None:
    """Two sequences at once, the clip and the same mirrored: the clip comes out as if it were alone."""
    clip = Clip(golden_dir, name, "train_zeros")
    past = PastFrames.blank(torch.cat((clip.past.maps_BKCHW, clip.past.maps_BKCHW.flip(-1))), clip.config.scales)
    maps = torch.cat((clip.maps, clip.maps.flip(-1)))
    frames = torch.stack([output.frame for output in _windows(clip.network, maps, past, 3)], 1)
    parity.check(name, "o/train_zeros/fake", frames[0], clip.golden["o/train_zeros/fake"], TOLERANCE)
    assert float((frames[1] - frames[0]).abs().max()) > 0.1


@pytest.mark.parametrize("name", RECORDED)
def test_every_run_is_compared(golden_dir: Path, name: str) -> None:
    golden = Golden(golden_dir / f"{name}.safetensors")
    assert {key.split("/")[1] for key in golden.tensors if key.startswith("o/")} == set(RECORDED[name])
