"""Where ours has a default for what an option of the reference says, it is the same one; `SAME` lists the pairs.

Not listed, because ours means something else on purpose: the reference's `gpu_ids`, `nThreads` and folders; `netG`
(ours follows from the number of scales); `norm` "batch", which at one frame a time is our "frame" (docs/parity.md).
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.recording import Parity
from v2vcli.maps.drawn.pose import PoseDropout, PoseSettings
from v2vcli.models.discriminators import DiscriminatorConfig
from v2vcli.models.generator import GeneratorConfig
from v2vcli.models.reference_request import FOREGROUND
from v2vcli.train.clip_sampling import clip_window
from v2vcli.train.cropping import SizeRule
from v2vcli.train.losses import GAN_FORMS
from v2vcli.train.objectives import Judge, LossWeights
from v2vcli.train.recipe import DiscriminatorRecipe, LossRecipe, OptimiserRecipe, StageRecipe
from v2vcli.train.schedule import Schedule
from v2vcli.train.temporal import TemporalSampling

GENERATOR, DISCRIMINATOR = GeneratorConfig(map_channels=1), DiscriminatorConfig(channels=1)
LOSSES, RECIPE = LossWeights(), LossRecipe()
SCHEDULE, TEMPORAL, SIZES = Schedule(), TemporalSampling(), SizeRule()
STAGE = StageRecipe.model_fields

SAME: list[tuple[str, Any, str]] = [
    ("GeneratorConfig.width", GENERATOR.width, "ngf"),
    ("GeneratorConfig.downsamplings", GENERATOR.downsamplings, "n_downsample_G"),
    ("GeneratorConfig.blocks", GENERATOR.blocks, "n_blocks"),
    ("GeneratorConfig.finer_blocks", GENERATOR.finer_blocks, "n_blocks_local"),
    ("GeneratorConfig.scales", GENERATOR.scales, "n_scales_spatial"),
    ("GeneratorConfig.past, and the frame itself", GENERATOR.past + 1, "n_frames_G"),
    ("GeneratorConfig without flow", not GENERATOR.flow, "no_flow"),
    ("GeneratorConfig with foreground", bool(GENERATOR.foreground), "fg"),
    ("DiscriminatorConfig.width", DISCRIMINATOR.width, "ndf"),
    ("DiscriminatorConfig.layers", DISCRIMINATOR.layers, "n_layers_D"),
    ("DiscriminatorConfig.scales", DISCRIMINATOR.scales, "num_D"),
    ("TemporalSampling.frames", TEMPORAL.frames, "n_frames_D"),
    ("TemporalSampling.scales", TEMPORAL.scales, "n_scales_temporal"),
    ("TemporalSampling.sparse", TEMPORAL.sparse, "sparse_D"),
    ("DiscriminatorRecipe.temporal_frames", DiscriminatorRecipe().temporal_frames, "n_frames_D"),
    ("LossWeights.feature_matching", LOSSES.feature_matching, "lambda_feat"),
    ("LossWeights.perceptual", LOSSES.perceptual, "lambda_feat"),
    ("LossWeights.flow", LOSSES.flow, "lambda_F"),
    ("LossWeights.flow_warp", LOSSES.flow_warp, "lambda_T"),
    ("LossWeights.frame_warp", LOSSES.frame_warp, "lambda_T"),
    ("LossRecipe.feature_matching", RECIPE.feature_matching, "lambda_feat"),
    ("LossRecipe.flow", RECIPE.flow, "lambda_F"),
    ("LossRecipe.flow_warp", RECIPE.flow_warp, "lambda_T"),
    ("LossRecipe.frame_warp", RECIPE.frame_warp, "lambda_T"),
    ("Adam's first moment", OptimiserRecipe().betas[0], "beta1"),
    ("Schedule.rate", SCHEDULE.rate, "lr"),
    ("StageRecipe.rate", STAGE["rate"].default, "lr"),
    ("Schedule.constant_epochs", SCHEDULE.constant_epochs, "niter"),
    ("Schedule.decay_epochs", SCHEDULE.decay_epochs, "niter_decay"),
    ("Schedule.clip_frames", SCHEDULE.clip_frames, "n_frames_total"),
    ("Schedule.doubling_epochs", SCHEDULE.doubling_epochs, "niter_step"),
    ("Schedule.chunk_frames", SCHEDULE.chunk_frames, "max_frames_per_gpu"),
    ("Schedule.backpropagated_frames", SCHEDULE.backpropagated_frames, "max_frames_backpropagate"),
    ("Schedule.finest_alone_epochs", SCHEDULE.finest_alone_epochs, "niter_fix_global"),
    ("clip_window's longest_step", inspect.signature(clip_window).parameters["longest_step"].default, "max_t_step"),
    ("SizeRule.length", SIZES.length, "loadSize"),
    ("SizeRule.crop_length", SIZES.crop_length, "fineSize"),
    ("SizeRule without flip", not SIZES.flip, "no_flip"),
    ("PoseDropout.probability", PoseDropout().probability, "random_drop_prob"),
    ("PoseDropout.hide_faces", PoseDropout().hide_faces, "remove_face_labels"),
    ("PoseSettings.body_only", PoseSettings().body_only, "basic_point_only"),
]
"""Our default, its value, and the option of the reference's training program."""


@pytest.fixture(scope="module")
def recorded(golden_dir: Path) -> dict[str, dict[str, Any]]:
    """The defaults of the reference's programs, "train" and "test"."""
    found: dict[str, dict[str, Any]] = json.loads((golden_dir / "option_defaults.json").read_text())
    return found


@pytest.mark.parametrize(("name", "ours", "option"), SAME, ids=[name for name, _, _ in SAME])
def test_our_default_is_the_references(
    recorded: dict[str, dict[str, Any]], parity: Parity, name: str, ours: float, option: str
) -> None:
    parity.check("option_defaults", name, ours, recorded["train"][option], 0.0)
    if option in recorded["test"]:
        assert recorded["test"][option] == recorded["train"][option]


def test_defaults_that_are_words_are_the_same(recorded: dict[str, dict[str, Any]]) -> None:
    assert recorded["train"]["gan_mode"] == "ls" and Judge.__dataclass_fields__["form"].default is GAN_FORMS["lsgan"]
    assert recorded["train"]["resize_or_crop"] == "scaleWidth" and (SIZES.scale, SIZES.crop) == ("width", None)
    assert recorded["train"]["fg_labels"] == ",".join(map(str, FOREGROUND))
