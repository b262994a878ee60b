"""The schedules of the 19 published trainings, epoch by epoch.

Compared is what the reference's model objects hold, which is what its schedule intends: the generator's and the image
discriminator's rate, the temporal discriminators', clip length, frames read of a clip, frames per chunk, frames
back-propagated, and whether all scales are trained. Not compared is the rate its loop actually used after the coarse
scales joined (column `lr_G_used_by_loop`, quirk Q3): it went on stepping the old optimiser.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.recording import Parity
from v2vcli.train.clip_sampling import frames_to_read
from v2vcli.train.recipe import load_recipe
from v2vcli.train.schedule import EpochPlan, Schedule
from v2vcli.train.stage_schedule import DrawPlan, StageSchedule

SCRIPTS = 19
CLIP = 60
"""Frames of the clip that the recorded trainings read."""

RECIPES = Path(__file__).parents[2] / "recipes"
CLAIMS = [
    ("street", "video-512", "street/train_512"),
    ("street", "video-1024", "street/train_1024"),
    ("street", "video-2048", "street/train_2048"),
    ("street-1gpu", "video-256", "street/train_g1_256"),
    ("street-1gpu", "video-512", "street/train_g1_512"),
    ("street-1gpu", "video-896", "street/train_g1_1024"),
    ("pose", "video-256", "pose/train_256p"),
    ("pose", "video-512", "pose/train_512p"),
    ("pose", "video-1024", "pose/train_1024p"),
]
"""Recipe, stage, and the published training whose schedule the recipe's header claims for it."""


def schedule_of(options: dict[str, Any]) -> Schedule:
    """Ours, for the options of a published script."""
    devices = options["n_gpus_gen"] if options["batchSize"] == 1 else 1
    return Schedule(
        rate=options["lr"],
        constant_epochs=options["niter"],
        decay_epochs=options["niter_decay"],
        clip_frames=options["n_frames_total"],
        doubling_epochs=options["niter_step"],
        chunk_frames=options["max_frames_per_gpu"] * devices,
        chunk_unit=devices,
        backpropagated_frames=options["max_frames_backpropagate"],
        finest_alone_epochs=options["niter_fix_global"],
        temporal_rate_decays=False,
    )


def columns(plan: EpochPlan, past: int) -> dict[str, float]:
    """A plan under the names of the recorded columns."""
    return {
        "lr_object_in_model": plan.rate,
        "lr_D": plan.rate,
        "lr_D_T": plan.temporal_rate,
        "n_frames_total": plan.clip_frames,
        "frames_read_from_a_60_frame_clip": frames_to_read(
            CLIP, painted=plan.clip_frames, chunk=plan.chunk_frames, past=past
        ),
        "model_frames_per_chunk": plan.chunk_frames,
        "n_frames_bp": plan.backpropagated_frames,
        "finetune_all": not plan.finest_alone,
    }


def test_every_epoch_of_every_published_training(golden_dir: Path, parity: Parity) -> None:
    recorded = json.loads((golden_dir / "schedule.json").read_text())
    assert len(recorded) == SCRIPTS
    for script, training in recorded.items():
        options = training["options"]
        ours, past = schedule_of(options), options["n_frames_G"] - 1
        assert ours.epochs == len(training["epochs"]), script
        for row in training["epochs"]:
            plan = ours.at(row["epoch"], longest_clip=CLIP, past=past)
            for column, value in columns(plan, past).items():
                parity.check("schedule", f"{script}/{column}", value, row[column], 1e-12, relative=True)
            assert plan.chunk_frames == row["model_frames_per_gpu"] * ours.chunk_unit
            joined = ours.finest_alone_epochs and not plan.finest_alone
            if not joined:
                parity.check(
                    "schedule", f"{script}/lr_G_used_by_loop", plan.rate, row["lr_G_used_by_loop"], 1e-12, relative=True
                )


def draw_columns(plan: DrawPlan, past: int) -> dict[str, float]:
    """A draw's plan under the names of the recorded columns, as far as a recipe claims to be like the reference."""
    return {
        "lr_object_in_model": plan.rate,
        "lr_D": plan.rate,
        "n_frames_total": plan.frames - past,
        "model_frames_per_chunk": plan.chunk,
        "n_frames_bp": plan.backprop,
        "finetune_all": not plan.finest_alone,
    }


@pytest.mark.parametrize(("name", "stage_name", "script"), CLAIMS, ids=[f"{n}-{s}" for n, s, _ in CLAIMS])
def test_shipped_recipes_keep_the_published_schedules(
    golden_dir: Path, parity: Parity, name: str, stage_name: str, script: str
) -> None:
    training = json.loads((golden_dir / "schedule.json").read_text())[script]
    recipe = load_recipe(RECIPES / f"{name}.toml")
    (stage,) = [each for each in recipe.stage if each.name == stage_name]
    past, windows = recipe.model.past, 3 * stage.batch
    # the recorded trainings read clips of 60 frames; the recipe's data has shorter ones, and the recipe says so
    schedule = StageSchedule(stage.model_copy(update={"longest": CLIP}), past=past, windows=windows, longest=CLIP)
    assert stage.epochs == len(training["epochs"])
    assert schedule.steps == 3 * stage.epochs
    for row in training["epochs"]:
        for draw in range(3 * (row["epoch"] - 1), 3 * row["epoch"]):
            plan = schedule.at(draw)
            assert plan.epoch == row["epoch"]
            for column, value in draw_columns(plan, past).items():
                parity.check("schedule", f"{name}/{stage_name}/{column}", value, row[column], 1e-12, relative=True)


@pytest.mark.parametrize(("name", "stage_name", "script"), CLAIMS, ids=[f"{n}-{s}" for n, s, _ in CLAIMS])
def test_shipped_recipes_have_the_published_networks(golden_dir: Path, name: str, stage_name: str, script: str) -> None:
    options = json.loads((golden_dir / "schedule.json").read_text())[script]["options"]
    recipe = load_recipe(RECIPES / f"{name}.toml")
    (stage,) = [each for each in recipe.stage if each.name == stage_name]
    model, judges, losses = recipe.model, recipe.discriminator_of(stage), recipe.losses
    side = 0 if "idth" in options["resize_or_crop"] else 1
    length = options["loadSize"] if side == 0 else options["fineSize"]
    theirs = {
        "ngf": model.width,
        "n_downsample_G": model.downsamplings,
        "n_blocks": model.blocks,
        "n_blocks_local": model.finer_blocks,
        "n_scales_spatial": recipe.scales_of(stage),
        "n_frames_G": model.past + 1,
        "fg": model.foreground,
        "use_instance": model.instance_edges,
        "no_first_img": stage.start == "blank",
        "ndf": judges.width,
        "n_layers_D": judges.layers,
        "num_D": judges.scales,
        "n_frames_D": judges.temporal_frames,
        "n_scales_temporal": judges.temporal_scales,
        "add_face_disc": judges.face,
        "max_t_step": recipe.data.stride,
        "lambda_feat": losses.perceptual,
        "lambda_F": losses.flow,
        "lambda_T": losses.frame_warp,
        "beta1": recipe.optimiser.betas[0],
    }
    assert theirs == {option: options[option] for option in theirs}
    assert stage.size[side] == length
    assert (losses.feature_matching, losses.flow_warp) == (losses.perceptual, losses.frame_warp)
