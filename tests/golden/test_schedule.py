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

from tests.golden.recording import Parity
from v2vcli.train.clip_sampling import frames_to_read
from v2vcli.train.schedule import EpochPlan, Schedule

SCRIPTS = 19
CLIP = 60
"""Frames of the clip that the recorded trainings read."""


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
