"""Recorded networks of the reference go through import and export and come back; imported, they paint what they did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.golden.networks import clip_maps
from tests.golden.recording import Golden, Parity
from tests.models import reference_states as states
from tests.models.test_reference_import import round_trip
from v2vcli.models.checkpoint import load_model
from v2vcli.models.generator import GeneratorConfig, PastFrames, Vid2VidGenerator
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig


def _recorded(golden: Golden) -> tuple[dict[str, states.State], dict[str, Any]]:
    """Every generator and encoder of a golden file as files of the reference; the options that import them."""
    h, name = golden.hyper, golden.name
    kind = name.split("_")[0]
    if kind == "roll":
        given = {f"G{s}": golden.state(f"G{s}") for s in range(h["n_scales"])}
        if single := golden.state("single"):
            given["G"] = single
        labels, fg = h["label_nc"], tuple(h["fg_labels"]) if h["fg"] else None
        return given, {"labels": str(labels), "foreground": fg} if labels else {"arch": "pose"}
    if kind == "gen":
        options = {"labels": "6", "foreground": (0,) if h["fg"] else None}
        if h["scale"] == 0:
            return {"G0": golden.state("G")}, options
        # a finer scale alone is nothing: those below it are made up
        below = GeneratorConfig(
            6,
            2,
            h["ngf"] << h["scale"],
            h["n_downsampling"],
            2,
            h["scale"],
            h["n_blocks"],
            flow=not h["no_flow"],
            foreground=(0,) if h["fg"] else (),
            norm="instance" if h["norm"] == "instance" else "frame",
        )
        return states.chain(below) | {f"G{h['scale']}": golden.state("G")}, options
    if name == "p2p_encoder":
        shown = ImageGeneratorConfig(7, 4, 2, 2, features=h["feat"])
        return {"E": golden.state("G"), "G": states.image_generator(shown)}, {"labels": "7"}
    given = {"G": golden.state("G") or golden.state("netG")}
    if encoder := golden.state("netE"):
        given["E"] = encoder
    return given, {"labels": "7"}


RECORDED = [
    "gen_coarse_nd3_nb9_batch_fg",
    "gen_coarse_nd2_nb9_instance",
    "gen_coarse_nd2_nb3_batch_fg",
    "gen_coarse_nd3_nb2_instance_fg",
    "gen_coarse_nd2_nb4_batch_noflow_fg",
    "gen_local_s1_batch_fg_nd3",
    "gen_local_s1_batch_noflow",
    "gen_local_s1_instance",
    "gen_local_s2_batch_fg_nd2",
    "roll_s1_pose",
    "roll_s1_instnorm_fg",
    "roll_s2_noflow_tg2",
    "roll_s2_street_fg_inst",
    "roll_s3_street_fg_inst",
    "p2p_global_instance",
    "p2p_global_nd4_batch",
    "p2p_local1_instance",
    "p2p_local2_instance",
    "p2p_encoder",
    "p2p_losses",
    "p2p_losses_feat",
    "v2v_global_with_features",
    "v2v_local_with_features",
]


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_networks_come_back(golden_dir: Path, tmp_path: Path, name: str) -> None:
    given, options = _recorded(Golden(golden_dir / f"{name}.safetensors"))
    round_trip(tmp_path, given, options.pop("arch", "street"), **options)


def test_every_recorded_generator_is_among_them(golden_dir: Path) -> None:
    kinds = ("gen_", "roll_", "p2p_", "v2v_")
    stems = {path.stem for path in golden_dir.glob("*.safetensors") if path.stem.startswith(kinds)}
    assert stems - set(RECORDED) == {"p2p_disc_numD2"}  # a discriminator, which is not imported


@torch.no_grad()
def test_an_imported_model_paints_what_the_reference_painted(golden_dir: Path, parity: Parity, tmp_path: Path) -> None:
    golden = Golden(golden_dir / "roll_s2_street_fg_inst.safetensors")
    given, options = _recorded(golden)
    _, networks = load_model(round_trip(tmp_path, given, **options))
    first, network = networks["image_generator"], networks["generator"]
    assert isinstance(first, ImageGenerator) and isinstance(network, Vid2VidGenerator)
    maps, k, scales = clip_maps(golden), network.config.past, network.config.scales
    past = PastFrames.starting(first(maps[:k, : first.config.map_channels])[None], maps[None, :k], scales)
    found = torch.cat([output.frame for output, _ in network.roll(maps[None, k:], past)])
    parity.check(golden.name, "o/train_single/fake, imported", found, golden["o/train_single/fake"], 5e-5)
