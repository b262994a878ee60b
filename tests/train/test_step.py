"""What a step may do otherwise, at toy size. Its numbers are the reference's: tests/golden/test_training.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partialmethod
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from v2vcli.errors import RecipeError
from v2vcli.models.covst import Covst, CovstConfig
from v2vcli.models.discriminators import (
    DiscriminatorConfig,
    MultiScaleDiscriminator,
    image_channels,
    temporal_channels,
)
from v2vcli.models.generator import GeneratorConfig, PastFrames, Vid2VidGenerator
from v2vcli.train.clip_loading import ClipBatch
from v2vcli.train.objectives import Judge, LossWeights
from v2vcli.train.optimisers import Optimisers
from v2vcli.train.precision import Precision
from v2vcli.train.step import ChunkReport, ClipState, Judges, StepOptions, VideoStep
from v2vcli.train.temporal import TemporalSampling

CHANNELS, HEIGHT, WIDTH, FRAMES = 6, 16, 32, 6


def _clip(clips: int = 2) -> ClipBatch:
    random = torch.Generator().manual_seed(1)
    shape = (clips, FRAMES, 1, HEIGHT, WIDTH)
    images, maps = (torch.rand((*shape[:2], n, *shape[3:]), generator=random) * 2 - 1 for n in (3, CHANNELS))
    flow = torch.randn((*shape[:2], 2, *shape[3:]), generator=random)
    return ClipBatch(images, maps, flow, (torch.rand(shape, generator=random) > 0.3).float())


def _no_flow(current: Tensor, previous: Tensor) -> Tensor:
    return torch.zeros_like(current[:, :2])


def _step(options: StepOptions | None = None, *, covst: bool = False, finer: int = 0, **changes: Any) -> VideoStep:
    torch.manual_seed(0)
    painter: nn.Module = Vid2VidGenerator(
        GeneratorConfig(CHANNELS, width=4, downsamplings=1, blocks=1, finer=finer, finer_blocks=1, kernel=3)
    )
    if covst:
        painter = Covst(CovstConfig(CHANNELS, 2, 1, 1, flow_width=2, flow_blocks=1, mask_width=2, kernel=3))
    precision = changes.get("precision", Precision())
    shapes = {"judge": image_channels(CHANNELS), "temporal0_judge": temporal_channels(3)}
    shapes |= {"temporal1_judge": temporal_channels(3), "face_judge": image_channels(CHANNELS)}
    judges = {
        name: MultiScaleDiscriminator(DiscriminatorConfig(channels, 4, 2, 1)) for name, channels in shapes.items()
    }
    asked = {name: Judge(precision.judging(network), joined=True) for name, network in judges.items()}
    step = VideoStep(
        painter=painter,  # type: ignore[arg-type]  # a module's attributes are anything
        judges=Judges(asked["judge"], [asked["temporal0_judge"], asked["temporal1_judge"]]),
        optimisers=Optimisers({"painter": painter, **judges}, rate=1e-3, betas=(0.5, 0.999), patience=3),
        weights=LossWeights(),
        options=options or StepOptions(chunk=2),
        sampling=TemporalSampling(3, 2),
        flow_between=_no_flow,
    )
    if "face" in changes:
        changes["judges"] = replace(step.judges, face=asked["face_judge"], face_size=changes.pop("face"))
    return replace(step, **changes)


def _begin(step: VideoStep, clip: ClipBatch, noise: float = 0.0) -> ClipState:
    image, maps = clip.images_BT3HW[:, 0], clip.maps_BTCHW[:, 0]
    past = step.painter.start(image, maps)  # type: ignore[attr-defined]
    sources = [torch.Generator().manual_seed(seed) for seed in range(len(maps))] if noise else []
    return ClipState(past, image, 1, noise=sources)


def _gradients(step: VideoStep) -> dict[str, Tensor]:
    parameters: Mapping[str, nn.Parameter] = dict(step.painter.named_parameters())  # type: ignore[attr-defined]
    return {name: each.grad.clone() for name, each in parameters.items() if each.grad is not None}


def test_a_clip_is_walked_in_chunks_to_its_end() -> None:
    step, clip = _step(), _clip()
    reports = list(step.walk(clip, _begin(step, clip), 1e-3))
    assert [(part.begin, part.begin + part.frames) for _, part in reports] == [(1, 3), (3, 5), (5, 6)]
    assert [report.painting.frame.shape[1] for report, _ in reports] == [2, 2, 1]
    terms = [set(report.scalars) for report, _ in reports]
    assert {"gan", "feature_matching", "flow", "flow_warp", "frame_warp", "painter", "judge_real"} <= terms[0]
    # two frames are not three; three are, after the second chunk
    assert ["temporal0_gan" in each for each in terms] == [False, True, True]
    assert not any("temporal1_gan" in each for each in terms)


def test_gradients_flow_through_as_many_frames_as_are_asked_for() -> None:
    """The loss of the second frame moves with the first, if they are not kept apart."""
    clip, found = _clip(), {}
    for backprop in (1, 2):
        step = _step(StepOptions(chunk=2, backprop=backprop))
        step.chunk(clip, _begin(step, clip), 1e-3)
        found[backprop] = _gradients(step)["coarse.past_encoder.1.weight"]
    assert not torch.allclose(found[1], found[2], rtol=1e-3)


def test_what_crosses_chunks_holds_no_gradient() -> None:
    step, clip = _step(StepOptions(chunk=2, backprop=2)), _clip()
    _, state = step.chunk(clip, _begin(step, clip), 1e-3)
    assert not state.before_B3HW.requires_grad
    assert not any(images.requires_grad for images in state.past.images_BK3HW)


@pytest.mark.parametrize("covst", [False, True])
def test_checkpointing_changes_memory_and_no_number(covst: bool) -> None:
    clip, found = _clip(), []
    for checkpointing in (False, True):
        step = _step(StepOptions(chunk=3, backprop=3), covst=covst, precision=Precision(checkpointing=checkpointing))
        reports = [report for report, _ in step.walk(clip, _begin(step, clip), 1e-3)]
        found.append((reports[-1].scalars, _gradients(step)))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for name, gradient in found[0][1].items():
        assert torch.allclose(gradient, found[1][1][name], rtol=1e-4, atol=1e-7), name


def test_one_pass_of_the_judges_changes_no_gradient() -> None:
    """Neither the painter's nor theirs, though a way leads from what they pay to the painter."""
    clip, found = _clip(), []
    for joined in (True, False):
        step = _step(StepOptions(chunk=3))
        judges = Judges(
            replace(step.judges.image, joined=joined), [replace(each, joined=joined) for each in step.judges.temporal]
        )
        step = replace(step, judges=judges)
        step.chunk(clip, _begin(step, clip), 1e-3)
        networks = step.optimisers.networks.items()
        found.append({f"{name}.{key}": p.grad for name, network in networks for key, p in network.named_parameters()})
    assert any(name.startswith("judge") for name in found[0])
    for name, gradient in found[0].items():
        other = found[1][name]
        assert (gradient is None) == (other is None), name
        if gradient is not None and other is not None:
            assert torch.allclose(gradient, other, rtol=1e-3, atol=1e-6), name


def test_layout_changes_no_number() -> None:
    clip, found = _clip(), []
    for channels_last in (False, True):
        precision = Precision(channels_last=channels_last)
        step = _step(precision=precision)
        precision.prepared(step.painter)  # type: ignore[arg-type]
        found.append(step.chunk(clip, _begin(step, clip), 1e-3)[0].scalars)
    assert found[0] == pytest.approx(found[1], rel=1e-4)


@pytest.mark.slow
def test_compiled_parts_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the compiler's front half, which is quick: graphs are traced and differentiated, and run as they are."""
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend="aot_eager"))
    clip, found = _clip(), []
    for compiled in (False, True):
        precision = Precision(compile=compiled)
        step = _step(precision=precision)
        keys = list(step.painter.state_dict())  # type: ignore[attr-defined]
        for network in step.optimisers.networks.values():
            precision.prepared(network)
        assert list(step.painter.state_dict()) == keys  # type: ignore[attr-defined]
        step.chunk(clip, _begin(step, clip), 1e-3)
        found.append(_gradients(step))
    for name, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][name], rtol=1e-3, atol=1e-6), name


def test_half_precision_is_close_and_leaves_everything_else_in_float32() -> None:
    clip, found = _clip(), []
    for kind in ("fp32", "bf16"):
        step = _step(precision=Precision(kind=kind))  # type: ignore[arg-type]
        report, state = step.chunk(clip, _begin(step, clip), 1e-3)
        found.append(report.scalars)
        assert report.painting.frame.dtype == torch.float32
        assert report.painting.flow is not None and report.painting.flow.dtype == torch.float32
        assert state.past.images_BK3HW[0].dtype == torch.float32
        assert {gradient.dtype for gradient in _gradients(step).values()} == {torch.float32}
    assert found[0] != found[1]
    assert found[0] == pytest.approx(found[1], rel=0.03, abs=0.02)


def test_noise_is_shown_and_not_remembered() -> None:
    clip = _clip()
    step = _step(StepOptions(chunk=1, noise=0.5))
    state = _begin(step, clip, noise=0.5)
    painting, past = step.paint(clip.maps_BTCHW[:, 1:2], state)
    assert torch.equal(past.images_BK3HW[0][:, 0], clip.images_BT3HW[:, 0])
    assert torch.equal(past.images_BK3HW[0][:, 1], painting.frame[:, 0])
    without, _ = step.paint(clip.maps_BTCHW[:, 1:2], _begin(step, clip))
    assert not torch.allclose(painting.frame, without.frame)


def test_a_clips_noise_is_its_own_whoever_else_is_in_the_batch() -> None:
    """So a process that has half of the batch draws the same noise for it."""
    clip, step = _clip(), _step(StepOptions(chunk=2, noise=0.5))
    both, _ = step.paint(clip.maps_BTCHW[:, 1:3], _begin(step, clip, noise=0.5))
    half = ClipBatch(*(each[1:] for each in clip.tensors()))
    state = replace(_begin(step, half, noise=0.5), noise=[torch.Generator().manual_seed(1)])
    alone, _ = step.paint(half.maps_BTCHW[:, 1:3], state)
    assert torch.allclose(both.frame[1:], alone.frame, atol=1e-5)


def test_nothing_is_warped_in_the_first_chunk_after_nothing() -> None:
    clip = _clip()
    maps = clip.maps_BTCHW[:, :2]
    for raw_chunk in (False, True):
        step = _step(StepOptions(chunk=2, raw_chunk=raw_chunk))
        state = ClipState(PastFrames.blank(maps), clip.images_BT3HW[:, 1], 2)
        painting, past = step.paint(clip.maps_BTCHW[:, 2:4], state)
        assert painting.hallucinated is not None
        equal = [torch.equal(painting.frame[:, t], painting.hallucinated[:, t]) for t in range(2)]
        assert equal == [True, raw_chunk]
        later, _ = step.paint(clip.maps_BTCHW[:, 4:5], replace(state, past=past))
        assert later.hallucinated is not None
        assert not torch.equal(later.frame, later.hallucinated)


def test_paintings_count_in_full_or_half() -> None:
    clip, found = _clip(), {}
    for paintings in ("sum", "mean"):
        step = _step(StepOptions(chunk=2, paintings=paintings))  # type: ignore[arg-type]
        found[paintings] = step.chunk(clip, _begin(step, clip), 1e-3)[0].scalars
    for name in ("gan", "feature_matching"):
        assert found["mean"][name] == pytest.approx(found["sum"][name] / 2)
    assert found["mean"]["flow"] == pytest.approx(found["sum"]["flow"])


def test_unjudged_there_are_no_judges() -> None:
    clip = _clip()
    step = _step(StepOptions(chunk=3, judged=False), weights=LossWeights(pixel=2.0, gradient=3.0))
    scalars = step.chunk(clip, _begin(step, clip), 1e-3)[0].scalars
    assert set(scalars) == {"painter", "flow", "flow_warp", "frame_warp", "pixel", "gradient", "mask_mean"}


def _with_a_face(clip: ClipBatch) -> ClipBatch:
    maps = clip.maps_BTCHW.clamp(max=0.5).clone()
    maps[:, :, 2, 4:8, 10:14] = 1.0
    return replace(clip, maps_BTCHW=maps)


def test_a_face_is_judged_where_there_is_one_and_costs_nothing_where_there_is_none() -> None:
    step = _step(face=32)
    faceless = replace(_clip(), maps_BTCHW=_clip().maps_BTCHW.clamp(max=0.5))
    seen, unseen = (step.chunk(clip, _begin(step, clip), 1e-3)[0].scalars for clip in (_with_a_face(_clip()), faceless))
    assert seen.keys() == unseen.keys()  # processes that train together log the same names
    assert seen["face_gan"] > 0
    assert [unseen[name] for name in seen if name.startswith("face")] == [0.0] * 4


def test_gradients_that_are_not_finite_cost_a_step_and_too_many_the_run() -> None:
    clip = _clip()
    step = _step()
    broken = replace(clip, images_BT3HW=clip.images_BT3HW.clone())
    broken.images_BT3HW[:, 3] = torch.nan
    before = [each.detach().clone() for each in step.painter.parameters()]  # type: ignore[attr-defined]
    reports: list[ChunkReport] = [report for report, _ in step.walk(broken, replace(_begin(step, clip), at=3), 1e-3)]
    assert [report.stepped for report in reports] == [False]  # and the rest of the clip is left alone
    assert step.optimisers.skipped == 1
    after = list(step.painter.parameters())  # type: ignore[attr-defined]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))

    assert all(report.stepped for report, _ in step.walk(clip, _begin(step, clip), 1e-3))  # it goes on, and counts anew
    for _ in range(2):
        list(step.walk(broken, replace(_begin(step, clip), at=3), 1e-3))
    with pytest.raises(RecipeError, match=r"3 steps in a row .* not finite: .*judge.* smaller stage.rate") as caught:
        list(step.walk(broken, replace(_begin(step, clip), at=3), 1e-3))
    assert "\n" not in str(caught.value)


def test_covst_learns_its_flow_and_mask_from_the_teacher() -> None:
    step, clip = _step(covst=True, weights=LossWeights(mask=1.0)), _clip()
    reports = [report for report, _ in step.walk(clip, _begin(step, clip), 1e-3)]
    assert {"flow", "flow_warp", "frame_warp", "mask"} <= set(reports[0].scalars)
    assert reports[0].painting.flow is not None
    assert reports[0].painting.flow.shape[-2:] == (HEIGHT // 2, WIDTH // 2)
    gradients = _gradients(step)
    for part in ("motion_encoder.1", "past_encoder.1", "flow_head.1", "mask_head.1", "image_generator.image_head.1"):
        assert float(gradients[f"{part}.weight"].abs().sum()) > 0, part


def test_only_the_finest_scale_moves_until_it_is_said_otherwise() -> None:
    step, clip = _step(finer=1), _clip()
    network = step.painter
    assert isinstance(network, Vid2VidGenerator)
    for frozen in (True, False):
        network.freeze_coarser(frozen)
        before = {name: each.detach().clone() for name, each in network.named_parameters()}
        step.chunk(clip, _begin(step, clip), 1e-3)
        moved = {name.split(".")[0] for name, each in network.named_parameters() if not torch.equal(each, before[name])}
        assert moved == ({"finer"} if frozen else {"finer", "coarse"})
