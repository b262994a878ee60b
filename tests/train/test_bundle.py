"""From a run's folder to half-precision weights and a card."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from v2vcli.models.checkpoint import load_model, read_info
from v2vcli.train.bundle import main
from v2vcli.train.model_card import training_hours
from v2vcli.train.recipe import load_recipe
from v2vcli.train.run import train

RECIPE = """
name = "toy"
licence = "CC0-1.0"
about = "A toy."
data_note = "one procedural street"
[model]
arch = "segmenter"
schema = "cityscapes19"
widths = [4, 8]
[data]
load_size = [48, 32]
[[data.source]]
world = "street"
[[stage]]
name = "labels"
kind = "segment"
size = [32, 32]
steps = 2
"""


def test_a_run_becomes_weights_and_a_card(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(RECIPE)
    train(load_recipe(tmp_path / "toy.toml"), runs=tmp_path, report=lambda _: None)
    (tmp_path / "figures.json").write_text('{"accuracy": 0.5}')
    out = tmp_path / "out"
    out.mkdir()
    figures = str(tmp_path / "figures.json")
    main([str(tmp_path / "toy"), "-o", str(out), "--hardware", "a toaster", "--figures", figures, "--note", "Mind it."])

    info, networks = load_model(out / "toy.safetensors")
    assert info.provenance["hardware"] == "a toaster"
    whole = load_model(tmp_path / "toy" / "model.safetensors")[1]["segmenter"].state_dict()
    for key, value in networks["segmenter"].state_dict().items():
        assert torch.equal(value, whole[key].half().float() if value.is_floating_point() else whole[key])
    assert read_info(out / "toy.safetensors").provenance["frames_seen"] == 2
    card = (out / "toy.md").read_text()
    for said in (
        "A toy.",
        "CC0-1.0",
        "one procedural street",
        "a toaster",
        "2 frames seen",
        "| accuracy | 0.5 |",
        "Mind it.",
    ):
        assert said in card


def test_pauses_are_not_training(tmp_path: Path) -> None:
    times = [0, 100, 200, 90_000, 90_100]
    (tmp_path / "s.jsonl").write_text("\n".join(json.dumps({"stage": "video", "time": time}) for time in times))
    assert training_hours(tmp_path / "s.jsonl") == 300 / 3600
