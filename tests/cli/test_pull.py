"""``v2v models pull``: where models are, or one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import V2V
from tests.maps.fake_hub import Attempts, attempts, write_cached
from v2vcli.maps.makers.weights import torch_file, torchvision_weights

__all__ = ["attempts"]


@pytest.fixture(autouse=True)
def offline_with_empty_caches(tmp_path: Path, attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V2V_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_what_is_here_is_printed(v2v: V2V, tmp_path: Path, attempts: Attempts) -> None:
    folder = write_cached(tmp_path / "hub", "user/net", {"config.json": b"{}", "model.safetensors": b"weights"})
    file = torch_file(torchvision_weights("fcn_resnet50").url)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    outcome = v2v("models", "pull", "hf:user/net", "torchvision:fcn_resnet50")
    assert (outcome.code, outcome.out.splitlines(), outcome.err) == (0, [str(folder), str(file)], "")
    assert not attempts.made


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("torchvision:fcn_resnet50", 4, "v2v models pull torchvision:fcn_resnet50;"),
        ("torchvision:fcn_resnet5", 2, "did you mean fcn_resnet50?"),
        ("hf:user/none@v2", 4, "v2v models pull hf:user/none@v2;"),
        ("user/none", 4, "v2v models pull user/none;"),
        ("face-alignment:4d", 2, "no such model"),
        ("elsewhere:x", 2, "torchvision:MODEL"),
        ("none.safetensors", 4, "no such model file"),
    ],
)
def test_what_is_not_is_one_line(v2v: V2V, name: str, code: int, says: str, attempts: Attempts) -> None:
    outcome = v2v("models", "pull", name)
    assert outcome.code == code
    (line,) = outcome.lines
    assert says in line
    assert not attempts.made
