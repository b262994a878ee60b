"""Discriminators give the reference's numbers: every activation of every resolution, in every recorded mode.

Recordings called "train" normalise with statistics of the batch they are given (our norms ``batch``, and ``frame`` at
batch 1), those called "eval" with stored ones (our norm ``stored``).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.golden.recording import Golden, Parity
from tests.golden.reference_discriminator import rebuilt
from v2vcli.models.discriminators import predictions, temporal_channels
from v2vcli.models.layers import Norm

TOLERANCE = 3e-5

RECORDED: list[tuple[str, str, Norm]] = [
    ("disc_image_numD2", "train", "batch"),
    ("disc_image_numD2", "eval", "stored"),
    ("disc_image_numD2_instance", "train", "instance"),
    ("disc_image_numD2_instance", "eval", "stored"),
    ("disc_image_numD3", "train", "frame"),
    ("disc_image_numD3", "train", "batch"),
    ("disc_temporal_numD2", "train", "batch"),
    ("p2p_disc_numD2", "train", "instance"),
]
"""File, mode, and the norm of ours that computes it."""


@pytest.mark.parametrize(("name", "mode", "norm"), RECORDED)
@torch.no_grad()
def test_every_activation(golden_dir: Path, parity: Parity, name: str, mode: str, norm: Norm) -> None:
    golden = Golden(golden_dir / f"{name}.safetensors")
    h = golden.hyper
    network = rebuilt(
        golden.state("D"),
        norm,
        width=h["ndf"],
        scales=h["num_D"],
        layers=h["n_layers"],
        narrow_first=h["lib"] == "vid2vid",
    )
    found = {f"out{i}_{j}": layer for i, scale in enumerate(network(golden["i/x"])) for j, layer in enumerate(scale)}
    recorded = golden.below(f"o/{mode}/")
    assert set(found) == set(recorded)
    for key, expected in recorded.items():
        parity.check(name, f"{mode}/{key}", found[key], expected, TOLERANCE)


def test_every_recorded_mode_is_compared(golden_dir: Path) -> None:
    for name in {name for name, _, _ in RECORDED}:
        modes = Golden(golden_dir / f"{name}.safetensors").hyper["modes"]
        assert {mode for file, mode, _ in RECORDED if file == name} == set(modes), name


@pytest.mark.parametrize("norm", ["frame", "batch"])
@torch.no_grad()
def test_predictions_alone(golden_dir: Path, parity: Parity, norm: Norm) -> None:
    name = "disc_image_numD2_nofeat"
    golden = Golden(golden_dir / f"{name}.safetensors")
    h = golden.hyper
    network = rebuilt(golden.state("D"), norm, width=h["ndf"], scales=h["num_D"], layers=h["n_layers"])
    recorded = golden.below("o/train/")
    found = predictions(network(golden["i/x"]))
    assert len(found) == len(recorded)
    for index, tensor in enumerate(found):
        parity.check(name, f"train/out{index}_0", tensor, recorded[f"out{index}_0"], TOLERANCE)


def test_three_frames_and_two_flows_are_thirteen_channels(golden_dir: Path) -> None:
    assert temporal_channels(3) == Golden(golden_dir / "disc_temporal_numD2.safetensors").hyper["input_nc"]
