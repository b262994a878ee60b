"""Each spatial scale of the generator, alone, gives the reference's numbers: every mode and output recorded.

Recordings called "train" normalise with the current statistics: that is how the reference runs inference too, and how
ours always does. Those called "eval" use stored statistics (docs/parity.md).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.golden.networks import OURS, norm_of, scale_state
from tests.golden.recording import Golden, Parity
from v2vcli.models.generator import EncodedScale, GeneratorConfig, StepOutput, encode_scale, paint
from v2vcli.models.scales import CoarseScale, FinerScale, Scale

TOLERANCE = 3e-5
BUFFER_TOLERANCE = 1e-4
MOMENTUM = 0.1
"""Of the reference's running statistics."""

RECORDED = {
    "gen_coarse_nd3_nb9_batch_fg": ["train", "train_raw", "eval"],
    "gen_coarse_nd2_nb9_instance": ["train", "eval"],
    "gen_coarse_nd2_nb3_batch_fg": ["train", "train_raw", "eval"],
    "gen_coarse_nd3_nb2_instance_fg": ["train", "train_raw", "eval"],
    "gen_coarse_nd2_nb4_batch_noflow_fg": ["train", "eval"],
    "gen_local_s1_batch_fg_nd3": ["train", "eval", "train_raw", "eval_raw"],
    "gen_local_s1_instance": ["train", "eval"],
    "gen_local_s1_batch_noflow": ["train", "eval"],
    "gen_local_s2_batch_fg_nd2": ["train", "eval", "train_raw"],
}
"""Files and the modes recorded in each."""


def _scale(golden: Golden, *, stored: bool = False) -> Scale:
    """The recorded scale with its parameters; scale s is s scales up from a coarsest one of 2**s its width."""
    h = golden.hyper
    s = h["scale"]
    config = GeneratorConfig(
        map_channels=h["input_nc"] // 3,
        past=h["prev_output_nc"] // 3,
        width=h["ngf"] << s,
        downsamplings=h["n_downsampling"],
        blocks=h["n_blocks"],
        finer=s,
        finer_blocks=h["n_blocks"],
        flow=not h["no_flow"],
        foreground=(0,) if h["fg"] else (),
        norm=norm_of(golden, stored=stored),
    )
    built = FinerScale(config, s) if s else CoarseScale(config)
    built.load_state_dict(scale_state(golden, "G", stored=stored))
    return built.eval()


def _painted(golden: Golden, scale: Scale, *, raw: bool = False) -> StepOutput:
    """The scale's frame for the recorded input, on the recorded coarser features if it is a finer one."""
    below, coarser = None, None
    if golden.hyper["scale"]:
        features, flow, foreground = (
            golden[key] if (key := f"i/{name}_coarse") in golden else None
            for name in ("img_feat", "flow_feat", "img_fg_feat")
        )
        assert features is not None
        below = EncodedScale(features, foreground_features_BFHW=foreground)
        nothing = torch.zeros(0)  # neither frame nor flow of the coarser scale is looked at
        coarser = StepOutput(nothing, nothing, None, None, None, features, flow, foreground)
    mask = golden["i/mask"] if golden.hyper["fg"] else None
    encoded = encode_scale(scale, golden["i/input"], mask, below)
    return paint(scale, encoded, golden["i/img_prev"].unflatten(1, (-1, 3)), coarser, raw=raw)


@pytest.mark.parametrize(("name", "mode"), [(name, mode) for name, modes in RECORDED.items() for mode in modes])
@torch.no_grad()
def test_one_frame(golden_dir: Path, parity: Parity, name: str, mode: str) -> None:
    golden = Golden(golden_dir / f"{name}.safetensors")
    output = _painted(golden, _scale(golden, stored=mode.startswith("eval")), raw=mode.endswith("raw"))
    found = {
        "img_final": output.frame,
        "img_raw": output.hallucinated,
        "flow": output.flow,
        "weight": output.mask,
        "img_feat": output.features,
        "flow_feat": output.flow_features,
        "img_fg_feat": output.foreground_features,
    }
    recorded = golden.below(f"o/{mode}/")
    assert {"img_final", "img_raw"} <= set(recorded) <= set(found)
    for key, expected in recorded.items():
        tensor = found[key]
        assert tensor is not None, key
        parity.check(name, f"o/{mode}/{key}", tensor, expected, TOLERANCE)


@pytest.mark.parametrize("name", RECORDED)
def test_every_mode_is_compared(golden_dir: Path, name: str) -> None:
    golden = Golden(golden_dir / f"{name}.safetensors")
    modes = {key.split("/")[1] for key in golden.tensors if key.startswith("o/")}
    assert modes == {*RECORDED[name], "train_buffers_after"}


@pytest.mark.parametrize("name", RECORDED)
@torch.no_grad()
def test_statistics_of_every_norm(golden_dir: Path, parity: Parity, name: str) -> None:
    """What enters each of our norms would have moved the reference's running statistics as it moved its own."""
    golden = Golden(golden_dir / f"{name}.safetensors")
    scale, whole_batch = _scale(golden), golden.hyper["norm"] == "batch"
    seen: dict[str, list[Tensor]] = {}

    def keep(key: str, norm: nn.Module) -> None:
        norm.register_forward_pre_hook(lambda _, inputs: seen.setdefault(key, []).append(inputs[0].clone()))

    norms = {key: part for key, part in scale.named_modules() if isinstance(part, nn.InstanceNorm2d | nn.BatchNorm2d)}
    for key, norm in norms.items():
        keep(key, norm)
    _painted(golden, scale)
    before = scale_state(golden, "G", stored=True)
    after = {
        key: value
        for key, value in _renamed(golden.below("o/train_buffers_after/")).items()
        if "num_batches" not in key
    }
    assert {key.rsplit(".", 1)[0] for key in after} == set(norms)
    for key, expected in after.items():
        norm, statistic = key.rsplit(".", 1)
        (x,) = seen[norm]
        groups = [x] if whole_batch else list(x.split(1))  # batch norm pools the batch; instance norm averages over it
        of = torch.mean if statistic == "running_mean" else torch.var
        moved = torch.stack([of(group, dim=(0, 2, 3)) for group in groups]).mean(0)
        found = (1 - MOMENTUM) * before[key] + MOMENTUM * moved
        parity.check(name, f"o/train_buffers_after/{key}", found, expected, BUFFER_TOLERANCE, relative=True)
    for key, counted in golden.below("o/train_buffers_after/").items():
        if key.endswith("num_batches_tracked"):  # once a forward pass; the reference's instance norm never counts
            parity.check(name, key, golden[f"p/G/{key}"] + int(whole_batch), counted, 0.0)


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of the reference under our names."""
    return {f"{OURS[key.split('.', 1)[0]]}.{key.split('.', 1)[1]}": value for key, value in state.items()}
