"""`v2v train --dry-run`: what it prints, and that it does nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import V2V

TINY = Path(__file__).parents[2] / "recipes" / "tiny.toml"


def test_a_dry_run_prints_recipe_stages_and_memory_and_trains_nothing(v2v: V2V, tmp_path: Path) -> None:
    done = v2v("train", TINY, "--dry-run", "--set", "stage.1.steps=7", "--runs", tmp_path / "runs")
    assert done.code == 0, done.err
    assert '"steps": 7' in done.out
    row = next(line for line in done.out.splitlines() if "7 steps" in line)
    assert "96x48" in row and "MB" in row
    assert "111,822" in done.out  # parameters of the video generator
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_in_json_is_json_alone(v2v: V2V) -> None:
    done = v2v("train", TINY, "--dry-run", "--json", "--gpus", "2")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["recipe"]["name"] == "tiny" and found["processes"] == 2
    assert [stage["batch"] for stage in found["stages"]] == [2, 1]
    assert all(stage["memory"] > stage["weights"] > 0 for stage in found["stages"])


def test_a_recipe_is_resolved_with_every_default(v2v: V2V) -> None:
    resolved = json.loads(v2v("train", TINY, "--dry-run", "--json").out)["recipe"]
    assert resolved["losses"]["flow_warp"] == 10.0 and resolved["stage"][0]["frames"] == 1


def test_what_a_dry_run_refuses(v2v: V2V) -> None:
    done = v2v("train", TINY, "--json")
    assert done.code == 2 and "--json belongs to --dry-run" in done.err
    done = v2v("train", TINY, "--dry-run", "--set", "stage.0.stepz=1")
    assert done.code == 2 and "unknown key 'stage.0.stepz'; did you mean 'steps'" in done.err
    done = v2v("train", TINY, "--dry-run", "--gpus", "3")
    assert done.code == 2 and "stage 'layout': a batch of 4 cannot be divided among 3 processes" in done.err
