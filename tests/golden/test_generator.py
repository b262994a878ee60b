"""The coarse generator and its one-scale roll-out give the reference's numbers.

Recordings called "train" normalise with the current statistics: that is how the reference runs inference too, and how
ours always does. Those called "eval" use stored statistics (docs/parity.md).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.models.reference import Golden, generator, worst
from v2vcli.maps.conditioning import foreground_mask, instance_edges, one_hot
from v2vcli.models.generator import PastFrames

TOLERANCE = 3e-5
ROLL_TOLERANCE = 1e-4

COARSE = {
    "gen_coarse_nd3_nb9_batch_fg": ["train", "train_raw", "eval"],
    "gen_coarse_nd2_nb9_instance": ["train", "eval"],
    "gen_coarse_nd2_nb3_batch_fg": ["train", "train_raw", "eval"],
    "gen_coarse_nd3_nb2_instance_fg": ["train", "train_raw", "eval"],
    "gen_coarse_nd2_nb4_batch_noflow_fg": ["train", "eval"],
}
"""Files and the modes recorded in each."""


@pytest.mark.usefixtures("first_tanh")
@pytest.mark.parametrize(("name", "mode"), [(name, mode) for name, modes in COARSE.items() for mode in modes])
@torch.no_grad()
def test_one_frame(golden_dir: Path, name: str, mode: str) -> None:
    golden = Golden(golden_dir / f"{name}.safetensors")
    foreground = (0,) if golden.hyper["fg"] else ()
    network = generator(golden, "G", golden["i/input"].shape[1] // 3, foreground, stored=mode.startswith("eval"))
    mask = golden["i/mask"] if golden.hyper["fg"] else None
    encoded = network.encode_stacked(golden["i/input"], mask)
    output = network.paint(encoded, golden["i/img_prev"].unflatten(1, (-1, 3)), hallucinate=mode.endswith("raw"))
    found = {
        "img_final": output.frame,
        "img_raw": output.hallucinated,
        "flow": output.flow,
        "weight": output.mask,
        "img_feat": output.features,
        "flow_feat": output.flow_features,
        "img_fg_feat": encoded.foreground_features_BFHW,
    }
    recorded = [key.rsplit("/", 1)[1] for key in golden.tensors if key.startswith(f"o/{mode}/")]
    assert set(recorded) <= set(found)
    for key in recorded:
        tensor = found[key]
        assert tensor is not None, key
        assert worst(tensor, golden[f"o/{mode}/{key}"]) <= TOLERANCE, key


def _maps(golden: Golden) -> Tensor:
    """(1, T, C, H, W): one-hot labels and instance edges, or the dense maps as they are."""
    if golden.hyper["label_nc"] == 0:
        return golden["i/A"][None]
    planes = one_hot(golden["i/A"][:, 0], golden.hyper["label_nc"])
    if golden.hyper["use_instance"]:
        planes = torch.cat((planes, instance_edges(golden["i/inst"][:, 0])[:, None]), 1)
    return planes[None]


@pytest.mark.usefixtures("first_tanh")
@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("roll_s1_pose", "train_zeros"),
        ("roll_s1_pose", "train_real"),
        ("roll_s1_pose", "eval_zeros"),
        ("roll_s1_instnorm_fg", "train_real"),
        ("roll_s1_instnorm_fg", "eval_real"),
    ],
)
@pytest.mark.parametrize("window", [1, 2, 6])
@torch.no_grad()
def test_roll_out(golden_dir: Path, name: str, run: str, window: int) -> None:
    """The same frames, whatever the window that is encoded at once."""
    golden = Golden(golden_dir / f"{name}.safetensors")
    maps = _maps(golden)
    foreground = tuple(golden.hyper["fg_labels"]) if golden.hyper["fg"] else ()
    network = generator(golden, "G0", maps.shape[2], foreground, stored=run.startswith("eval"))
    k = network.config.past
    real = golden["i/B"][None, :k]
    zeros = run.endswith("zeros")
    past = PastFrames(torch.zeros_like(real) if zeros else real, maps[:, :k])
    frames: list[Tensor] = []
    for start in range(k, maps.shape[1], window):
        encoded, past = network.encode(maps[:, start : start + window], past)
        for each in encoded:
            output, past = network.step(each, past, hallucinate=zeros and not frames)
            frames.append(output.frame[0])
    assert worst(torch.stack(frames), golden[f"o/{run}/fake"]) <= ROLL_TOLERANCE


def test_foreground_mask_is_the_sum_of_its_planes() -> None:
    planes = one_hot(torch.tensor([[[0, 1], [2, 255]]]), 3)
    assert foreground_mask(planes, [1, 2])[0, 0].tolist() == [[0.0, 1.0], [1.0, 0.0]]
