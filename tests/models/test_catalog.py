"""What is meant as a path never goes to the hub; what is meant for the hub is answered in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.maps.fake_hub import Attempts, attempts, write_cached
from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.makers.transformers_pose import DETECTOR
from v2vcli.models.catalog import HUB_FILE, bundled_models, find_model, pull_model

__all__ = ["attempts"]


@pytest.mark.parametrize(
    "name", ["./mine", "../mine", "~/mine", "/none/mine", "here/mine", "a/b.pth", "a/b.safetensors"]
)
def test_a_mistyped_path_is_not_asked_of_the_hub(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    monkeypatch.setattr("v2vcli.models.catalog._from_hub", lambda name: pytest.fail("asked the hub"))
    with pytest.raises(ModelError, match="no such model file") as caught:
        find_model(name)
    assert ("only .safetensors" in str(caught.value)) == name.endswith(".pth")


def test_no_hub_id() -> None:
    with pytest.raises(ModelError, match="no such file here"):
        find_model("a/b--c")


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("V2V_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.mark.parametrize("variable", ["V2V_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_the_hub_is_not_asked(
    variable: str, empty_cache: Path, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ModelError, match="v2v models pull user/repo@v1;") as caught:
        find_model("user/repo@v1")
    assert str(caught.value).endswith(str(empty_cache / "models--user--repo"))
    with pytest.raises(ModelError, match="no such file here"):
        find_model("a/b--c")
    folder = write_cached(empty_cache, "user/repo", {HUB_FILE: b"ours"}, revision="v1")
    assert find_model("user/repo@v1") == folder / HUB_FILE
    assert pull_model("v2v:user/repo@v1") == [folder / HUB_FILE]
    assert not attempts.made


def test_a_hub_that_does_not_answer_leaves_what_is_cached(empty_cache: Path, attempts: Attempts) -> None:
    with pytest.raises(ModelError, match="the hub cannot be reached"):
        find_model("user/repo")
    assert attempts.made
    folder = write_cached(empty_cache, "user/repo", {HUB_FILE: b"ours"})
    assert find_model("user/repo") == folder / HUB_FILE


def test_pulling_takes_what_makers_are_called(
    empty_cache: Path, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2V_OFFLINE", "1")
    files = {"config.json": b"{}", "model.safetensors": b"weights"}
    pose = {**files, "config.json": b'{"architectures": ["VitPoseForPoseEstimation"]}'}
    masks = write_cached(empty_cache, "user/masks", files)
    people = write_cached(empty_cache, "user/people", files)
    points = write_cached(empty_cache, "user/points", pose)
    usual = write_cached(empty_cache, DETECTOR, files)
    assert pull_model("hf:user/masks#panoptic") == [masks]
    assert pull_model("hf:user/points") == [points, usual]
    assert pull_model("hf:user/points+frame") == [points]
    assert pull_model("hf:user/points@main+user/people") == [points, people]
    assert not attempts.made


def test_pulling_what_is_bundled_needs_no_network(attempts: Attempts) -> None:
    for name, path in bundled_models().items():
        assert pull_model(name) == [path]
    with pytest.raises(UsageError, match="nothing that can be fetched"):
        pull_model("bundled:street")
    assert not attempts.made
