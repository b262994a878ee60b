"""Painters of every architecture, from every start, trained for a moment: what a run leaves can be painted with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.whole_clips import whole
from v2vcli.errors import ModelError, RecipeError
from v2vcli.maps.spec import MapSpec
from v2vcli.models.checkpoint import load_model, read_info
from v2vcli.models.covst import Covst
from v2vcli.models.generator import Vid2VidGenerator
from v2vcli.models.painter import Painter
from v2vcli.train import networks
from v2vcli.train.batches import Sampler
from v2vcli.train.clip_loading import ClipBatch
from v2vcli.train.recipe import Recipe, load_recipe
from v2vcli.train.run import train

RECIPE = """
name = "toy"
seed = 5
[model]
maps = "edges"
width = 4
downsamplings = 1
blocks = 1
finer_blocks = 1
kernel = 3
image_width = 4
image_blocks = 1
[data]
load_size = [32, 32]
[[data.source]]
world = "head"
seeds = [0, 1]
frames = 6
[discriminator]
width = 4
layers = 2
scales = 1
[losses]
pixel = 10.0
[log]
every = 1
"""
IMAGE = """
[[stage]]
name = "image"
kind = "image"
size = [32, 32]
steps = 2
"""
VIDEO = """
[[stage]]
name = "video"
kind = "video"
size = [32, 32]
frames = 5
chunk = 2
steps = 2
"""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _recipe(tmp_path: Path, *stages: str, **changes: Any) -> Recipe:
    (tmp_path / "recipe.toml").write_text(RECIPE + "".join(stages))
    return load_recipe(
        tmp_path / "recipe.toml", [f"{key.replace('__', '.')}={value}" for key, value in changes.items()]
    )


def _trained(tmp_path: Path, *stages: str, **changes: Any) -> Path:
    return train(_recipe(tmp_path, *stages, **changes), runs=tmp_path, report=lambda _: None)


def _stats(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "toy" / "stats.jsonl").read_text().splitlines()]


def _paints(model: Path) -> None:
    frames, _ = Painter.load(model).paint(torch.rand(3, 1, 32, 32), None)
    assert frames.shape == (3, 3, 32, 32)
    assert bool(frames.isfinite().all())


def test_pix2pixhd(tmp_path: Path) -> None:
    model = _trained(tmp_path, IMAGE, model__arch="pix2pixHD", model__image_enhancers=1)
    assert (read_info(model).arch, list(read_info(model).parts)) == ("pix2pixHD", ["image_generator"])
    _paints(model)


def test_a_painter_without_memory_is_trained_like_the_others(tmp_path: Path) -> None:
    model = _trained(tmp_path, IMAGE, VIDEO, model__flow="false", model__past=0)
    assert read_info(model).parts["generator"]["past"] == 0
    _paints(model)
    assert "temporal0_gan" in _stats(tmp_path)[-1]
    with pytest.raises(RecipeError, match="past 0 has no frame to warp: set flow to false"):
        _recipe(tmp_path, IMAGE, VIDEO, model__past=0)
    with pytest.raises(RecipeError, match=r"with model\.past 0 nothing is looked back at"):
        _recipe(tmp_path, IMAGE, VIDEO, model__flow="false", model__past=0, stage__1__start="blank")


def test_covst_starts_from_pix2pixhd_and_from_nothing(tmp_path: Path) -> None:
    model = _trained(tmp_path, IMAGE, VIDEO, model__arch="covst")
    assert (read_info(model).arch, list(read_info(model).parts)) == ("covst", ["covst"])
    _paints(model)
    terms = _stats(tmp_path)[-1]
    assert {"flow", "flow_warp", "frame_warp", "gan", "temporal0_gan", "mask_mean"} <= terms.keys()
    recipe = _recipe(tmp_path, IMAGE, VIDEO, model__arch="covst")
    network = Covst(networks.covst_config(recipe, MapSpec("edges")))
    networks.start_from_stylisation(network, tmp_path / "toy" / "stage-0-image.safetensors")
    trained = load_model(tmp_path / "toy" / "stage-0-image.safetensors")[1]["image_generator"].state_dict()
    assert all(torch.equal(value, trained[key]) for key, value in network.image_generator.state_dict().items())
    _paints(_trained(tmp_path, VIDEO, model__arch="covst", name="anew"))


def test_coarse_to_fine(tmp_path: Path) -> None:
    """One scale, then a finer one on top: first alone, then together."""
    finer = VIDEO.replace('"video"\nkind', '"finer"\nkind') + "finest_alone = 1\n"
    model = _trained(tmp_path, IMAGE, VIDEO + "scales = 1\n", finer, model__finer=1)
    info = read_info(model)
    assert (info.arch, set(info.parts)) == ("vid2vid", {"generator", "image_generator"})
    coarse = load_model(tmp_path / "toy" / "stage-1-video.safetensors")[1]["generator"]
    assert isinstance(coarse, Vid2VidGenerator) and coarse.config.scales == 1
    network = load_model(model)[1]["generator"]
    assert isinstance(network, Vid2VidGenerator) and network.config.scales == 2
    _paints(model)

    fresh = Vid2VidGenerator(network.config)
    before = [each.clone() for each in fresh.finer.parameters()]
    networks.start_from_coarser(fresh, tmp_path / "toy" / "stage-1-video.safetensors")
    assert all(
        torch.equal(value, coarse.state_dict()[key])
        for key, value in fresh.state_dict().items()
        if key.startswith("coarse")
    )
    assert all(torch.equal(a, b) for a, b in zip(before, fresh.finer.parameters(), strict=True))
    with pytest.raises(ModelError, match="cannot start from its generator"):
        networks.start_from_coarser(coarse, model)


def test_clips_that_start_from_nothing_need_no_image_generator(tmp_path: Path) -> None:
    model = _trained(tmp_path, VIDEO + 'start = "blank"\n')
    assert list(read_info(model).parts) == ["generator"]
    assert "mask" in _stats(tmp_path)[-1]  # the regulariser, as in the reference
    _paints(model)


def test_clips_that_start_from_real_frames(tmp_path: Path) -> None:
    model = _trained(tmp_path, IMAGE, VIDEO + 'start = "real"\n')
    assert set(read_info(model).parts) == {"generator", "image_generator"}
    assert "mask" not in _stats(tmp_path)[-1]
    _paints(model)


def test_a_painted_start_wants_an_image_generator(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"put an image stage before it, or give --start, or set stage.0.start"):
        _trained(tmp_path, VIDEO)


def test_without_flow(tmp_path: Path) -> None:
    """The paper's ablation."""
    model = _trained(tmp_path, IMAGE, VIDEO, model__flow="false")
    assert "flow" not in _stats(tmp_path)[-1]
    _paints(model)


def test_everything_that_saves_time_or_memory_at_once(tmp_path: Path) -> None:
    """And frames through which gradients flow, and two temporal judges, and noise."""
    model = _trained(
        tmp_path,
        IMAGE,
        VIDEO + "backprop = 2\nnoise = 0.05\n",
        precision__kind="bf16",
        precision__checkpointing="true",
        precision__channels_last="true",
        optimiser__fused="true",
        discriminator__temporal_frames=2,
        discriminator__temporal_scales=2,
    )
    assert {"temporal0_gan", "temporal1_gan"} <= _stats(tmp_path)[-1].keys()
    _paints(model)


def test_faces_are_found_in_pose_maps_alone(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"stage 'image': discriminator.face finds faces in pose maps, not in 'edges'"
    ):
        _recipe(tmp_path, IMAGE, discriminator__face="true")


def test_a_batch_that_is_not_finite_is_skipped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Sampler.clips_batch

    def broken(sampler: Sampler, draw: int, spec: MapSpec, device: torch.device) -> ClipBatch:
        batch = whole(drawn(sampler, draw, spec, device))
        return replace(batch, images_BT3HW=batch.images_BT3HW * torch.nan) if draw == 1 else batch

    monkeypatch.setattr(Sampler, "clips_batch", broken)
    model = _trained(tmp_path, IMAGE, VIDEO, stage__0__steps=3, stage__1__steps=3)
    found = [(line["stage"], line.get("skipped"), "gan" in line) for line in _stats(tmp_path)]
    assert found == [
        *(("image", None, True), ("image", 1.0, False), ("image", 1.0, True)),
        *(("video", None, True), ("video", 1.0, False), ("video", 1.0, True)),
    ]
    _paints(model)
