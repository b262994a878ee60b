"""Two whole iterations of the reference's training, by the step that `v2v train` runs: losses, gradients, weights.

The recordings hold two chunks of one clip. Discriminators normalise with the statistics of the chunk they are shown
(our norm ``batch``), the generator with those of a frame; the flow teacher is a formula.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.golden.networks import OURS, generator
from tests.golden.recording import Golden, Parity
from tests.golden.reference_discriminator import before_a_norm, our_key, rebuilt
from v2vcli.maps.conditioning import instance_edges, one_hot
from v2vcli.models.generator import GeneratorConfig, PastFrames, Vid2VidGenerator
from v2vcli.train import step as step_module
from v2vcli.train.clip_loading import ClipBatch
from v2vcli.train.objectives import Judge, LossWeights
from v2vcli.train.optimisers import Optimisers
from v2vcli.train.step import ChunkReport, ClipState, Judges, StepOptions, VideoStep
from v2vcli.train.temporal import TemporalSampling, frames_before

LOSS, NEXT_LOSS, GRADIENT, ZERO_GRADIENT = 1e-5, 1e-4, 1e-4, 1e-5
"""Losses before any step, after one; gradients and what Adam makes of them, in units of the largest element."""
IMAGE, POSE_IMAGE = 5e-5, 2e-4
"""A past of nothing but zeros has variance 0, which magnifies rounding."""

STREET, FINEST, POSE = "train_s1_street", "train_s2_fixglobal", "train_s1_pose"
NOISE_OF_A_BLANK_PAST = ("model_down_img.1.bias", "model_down_img.4.bias")
"""Of `POSE`, whose past is constant: these gradients are rounding noise divided by sqrt(1e-5)."""
TERMS = {
    "G_GAN": "gan",
    "G_GAN_Feat": "feature_matching",
    "G_VGG": "perceptual",
    "F_Flow": "flow",
    "F_Warp": "flow_warp",
    "G_Warp": "frame_warp",
    "W": "mask",
}


def stand_in(current: Tensor, previous: Tensor) -> Tensor:
    """The recordings' flow teacher: u = 3 (r - g'), v = 2 (b + r')."""
    u = 3 * (current[:, 0] - previous[:, 1])
    v = 2 * (current[:, 2] + previous[:, 0])
    return torch.stack((u, v), 1)


def believed(current: Tensor, previous: Tensor) -> Tensor:
    """And where it is to be believed."""
    return ((current - previous).square().sum(1, keepdim=True) < 0.3).float()


class Training:
    """A recorded training, and ours."""

    def __init__(self, golden: Golden) -> None:
        self.golden, self.hyper = golden, golden.hyper
        h = golden.hyper
        self.maps, images = self._maps(), golden["i/B"]
        config = GeneratorConfig(
            map_channels=self.maps.shape[2],
            width=h["ngf"],
            downsamplings=2,
            blocks=2,
            finer=h["n_scales"] - 1,
            finer_blocks=1,
            foreground=(3,) if h["fg"] else (),
        )
        self.network: Vid2VidGenerator = generator(golden, config)
        self.network.freeze_coarser(h["fix"] > 0)
        discriminators = {
            name: rebuilt(golden.state(name), "batch", width=2, scales=2) for name in ("D", "D_T0", "D_T1")
        }
        self.modules: dict[str, nn.Module] = {"G": self.network, **discriminators}
        flat, before = images[:, 1:].flatten(0, 1), images[:, :-1].flatten(0, 1)
        flow, confidence = stand_in(flat, before)[None], believed(flat, before)[None]
        nothing = torch.zeros_like(flow[:, :1])
        self.clip = ClipBatch(
            images, self.maps, torch.cat((nothing, flow), 1), torch.cat((nothing[:, :, :1], confidence), 1)
        )
        self.step = VideoStep(
            painter=self.network,
            judges=Judges(Judge.of(discriminators["D"]), [Judge.of(discriminators[name]) for name in ("D_T0", "D_T1")]),
            optimisers=Optimisers(
                {
                    "painter": self.network,
                    "judge": discriminators["D"],
                    "temporal0_judge": discriminators["D_T0"],
                    "temporal1_judge": discriminators["D_T1"],
                },
                rate=h["lr"],
                betas=(0.5, 0.999),
            ),
            weights=LossWeights(mask=1.0 if h["no_first_img"] else 0.0),
            options=StepOptions(chunk=h["per_gpu"], raw_chunk=h["no_first_img"], spatial_scales=h["n_scales"]),
            sampling=TemporalSampling(frames=3, scales=2),
            flow_between=stand_in,
        )
        k = config.past
        seen, scales = self.maps[:, :k], config.scales
        past = PastFrames.blank(seen, scales) if h["no_first_img"] else PastFrames.starting(images[:, :k], seen, scales)
        self.state = ClipState(past, images[:, k - 1], k)

    def _maps(self) -> Tensor:
        golden = self.golden
        if self.hyper["label_nc"] == 0:
            return golden["i/A"]
        planes = one_hot(golden["i/A"][0, :, 0], self.hyper["label_nc"])
        return torch.cat((planes, instance_edges(golden["i/inst"][0, :, 0])[:, None]), 1)[None]

    def chunk(self) -> ChunkReport:
        """The next one, painted, judged, and every network moved."""
        report, self.state = self.step.chunk(self.clip, self.state, self.hyper["lr"])
        assert report.stepped
        return report

    def parameter(self, network: str, key: str) -> tuple[nn.Parameter, bool]:
        """Ours, by the reference's name; and whether it is a bias that the norm after it takes away again."""
        if network.startswith("D"):
            return dict(self.modules[network].named_parameters())[our_key(key, 2, 3)], before_a_norm(key)
        scale = self.network.scales[int(network[1:])]
        prefix, rest = key.split(".", 1)
        name = f"{OURS[prefix]}.{rest}"
        convolution = isinstance(scale.get_submodule(name.rpartition(".")[0]), nn.Conv2d | nn.ConvTranspose2d)
        return scale.get_parameter(name), convolution and name.endswith("bias") and "head" not in name

    def compare_losses(self, parity: Parity, at: str, report: ChunkReport, tolerance: float) -> None:
        """Every recorded loss of an iteration, by the reference's name; a term that ours does not have is 0."""
        found = report.scalars
        ours = {f"loss/{theirs}": found.get(name, 0.0) for theirs, name in TERMS.items()}
        ours |= {"loss/D_real": found["judge_real"], "loss/D_fake": found["judge_fake"], "total_G": found["painter"]}
        ours["total_D"] = 0.5 * (found["judge_real"] + found["judge_fake"])
        for scale in (0, 1):
            if f"temporal{scale}_gan" not in found:
                continue
            ours |= {
                f"loss_T{scale}/G_T_GAN": found[f"temporal{scale}_gan"],
                f"loss_T{scale}/G_T_GAN_Feat": found[f"temporal{scale}_feature_matching"],
                f"loss_T{scale}/G_T_Warp": 0.0,
                f"loss_T{scale}/D_T_real": found[f"temporal{scale}_judge_real"],
                f"loss_T{scale}/D_T_fake": found[f"temporal{scale}_judge_fake"],
            }
        recorded = {
            key: value for key, value in self.golden.below(f"o/{at}/").items() if key.startswith(("loss", "total"))
        }
        assert recorded.keys() == ours.keys()
        for key, expected in recorded.items():
            parity.check(self.golden.name, f"{at}/{key}", ours[key], float(expected), tolerance, relative=True)


@pytest.fixture(params=[STREET, FINEST, POSE])
def training(request: pytest.FixtureRequest, golden_dir: Path) -> Training:
    return Training(Golden(golden_dir / f"{request.param}.safetensors"))


def test_the_first_iteration(training: Training, parity: Parity) -> None:
    """Frames, losses, gradients, and the weights that Adam leaves."""
    golden, name = training.golden, training.golden.name
    before = training.state.before_B3HW
    report = training.chunk()
    painted = report.painting.frame
    training.compare_losses(parity, "step0", report, LOSS)
    image = POSE_IMAGE if name == POSE else IMAGE
    parity.check(name, "step0/fake_B", painted, golden["o/step0/fake_B"], image)
    compared_with = frames_before(painted, before)
    key = "fake_B_prev_for_warp_loss"
    parity.check(name, f"step0/{key}", compared_with, golden[f"o/step0/{key}"], image)

    for kind in ("grad_norm", "grad", "param_after"):
        for network in ("G0", "G1", "D", "D_T0", "D_T1"):
            prefix = f"o/step0/param_after/{network}/" if kind == "param_after" else f"o/step0/{kind}_{network}/"
            for key, expected in golden.below(prefix).items():
                parameter, vanishing = training.parameter(network, key)
                if name == POSE and key in NOISE_OF_A_BLANK_PAST:
                    continue
                if kind == "grad_norm" and vanishing:
                    continue  # rounding noise of all its elements, of which each is compared below
                if kind == "param_after":
                    found = parameter.detach()
                else:
                    assert parameter.grad is not None
                    found = parameter.grad.norm()[None] if kind == "grad_norm" else parameter.grad
                tolerance = ZERO_GRADIENT if vanishing else GRADIENT
                parity.check(name, prefix.removeprefix("o/") + key, found, expected, tolerance, relative=not vanishing)


def test_the_second_iteration(training: Training, parity: Parity, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses after one step of every network, the past and the temporal history carried over from the first chunk."""
    training.chunk()
    monkeypatch.setattr(step_module, "frames_before", the_chunks_own_last_frame_first)
    training.compare_losses(parity, "step1", training.chunk(), NEXT_LOSS)


def the_chunks_own_last_frame_first(frames_BT3HW: Tensor, before_B3HW: Tensor) -> Tensor:
    """The slip of the recordings' loop: the first frame of the second chunk is compared with the last of the same.

    Without the wrapper that the reference trains in, its list of frames was updated in place.
    """
    return frames_before(frames_BT3HW, frames_BT3HW[:, -1])


def test_without_the_slip_it_is_the_frame_before(golden_dir: Path) -> None:
    """What the reference does in earnest, and we do: one term is another one, and the sum by as much."""
    training = Training(Golden(golden_dir / f"{STREET}.safetensors"))
    training.chunk()
    found, recorded = training.chunk().scalars, training.golden.below("o/step1/")
    off = {key: found[ours] - float(recorded[f"loss/{key}"]) for key, ours in TERMS.items() if ours in found}
    assert [key for key, each in off.items() if abs(each) > 0.01] == ["G_Warp"]
    assert found["painter"] - float(recorded["total_G"]) == pytest.approx(off["G_Warp"], abs=1e-3)


def test_coarser_scales_keep_still(golden_dir: Path) -> None:
    training = Training(Golden(golden_dir / f"{FINEST}.safetensors"))
    coarse, finest = (
        [parameter.detach().clone() for parameter in scale.parameters()] for scale in training.network.scales
    )
    training.chunk()
    moved = [parameter.detach() for parameter in training.network.coarse.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(coarse, moved, strict=True))
    moved = [parameter.detach() for parameter in training.network.finer.parameters()]
    assert not any(torch.equal(a, b) for a, b in zip(finest, moved, strict=True))


@pytest.mark.parametrize("name", [STREET, FINEST, POSE])
def test_everything_is_compared(golden_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """But what is rounding noise: gradients of biases that a norm takes away."""
    golden, measured = Golden(golden_dir / f"{name}.safetensors"), Parity()
    test_the_first_iteration(Training(golden), measured)
    test_the_second_iteration(Training(golden), measured, monkeypatch)
    missed = {key for key in golden.below("o/") if key not in measured.errors[name]}
    parameter = Training(golden).parameter
    noise = {key for key in missed if parameter(*_gradient_of(key))[1] or key.endswith(NOISE_OF_A_BLANK_PAST)}
    assert missed == noise


def _gradient_of(key: str) -> tuple[str, str]:
    """``step0/grad_norm_G0/indv_down.1.bias`` -> network and parameter."""
    _, kind, parameter = key.split("/")
    return kind.removeprefix("grad_norm_").removeprefix("grad_"), parameter
