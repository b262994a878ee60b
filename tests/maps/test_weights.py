"""Weights are found where they lie, fetched once, and nobody is asked where that is forbidden."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.maps.fake_hub import COMMIT, Attempts, attempts, serving, write_cached
from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.makers import weights
from v2vcli.maps.makers.weights import HubId

__all__ = ["attempts"]

MODEL = "deeplabv3_resnet50"
FILE = "deeplabv3_resnet50_coco-cd0a2569.pth"
WHOLE = {"config.json": b"{}", "model.safetensors": b"weights"}


@pytest.fixture(autouse=True)
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("V2V_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


REQUESTS: dict[str, Callable[[], Path]] = {
    "pull of torchvision": lambda: weights.pull(f"torchvision:{MODEL}"),
    "pull of a hub id": lambda: weights.pull("hf:user/repo@v1"),
    "a hub folder": lambda: weights.hub_folder("user/repo@v1"),
}


@pytest.mark.parametrize("ask", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("variable", ["V2V_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_makes_no_request(
    ask: Callable[[], Path], variable: str, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ModelError, match="OFFLINE forbids"):
        ask()
    assert not attempts.made


@pytest.mark.parametrize("ask", REQUESTS.values(), ids=REQUESTS)
def test_otherwise_one_is_made(ask: Callable[[], Path], attempts: Attempts) -> None:
    with pytest.raises(ModelError, match="its weights are not here"):
        ask()
    assert attempts.made


def test_the_message_has_the_command_and_the_place(attempts: Attempts, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        weights.pull(f"torchvision:{MODEL}")
    said = str(caught.value)
    assert f"v2v models pull torchvision:{MODEL};" in said
    assert said.endswith(str(tmp_path / "torch" / "hub" / "checkpoints" / FILE))
    with pytest.raises(ModelError) as caught:
        weights.hub_folder("user/repo@v1")
    said = str(caught.value)
    assert "v2v models pull hf:user/repo@v1;" in said
    assert said.endswith(str(tmp_path / "hub" / "models--user--repo"))
    assert "\n" not in said


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("torchvision:deeplabv3_resnet5", "did you mean deeplabv3_resnet50?"),
        ("torchvision:", "no such model"),
        ("torchvision:raft_smal", "did you mean raft_small?"),
        ("hf:repo", "no hub id"),
        ("hf:a/b/c", "no hub id"),
        ("keras:x", "torchvision:MODEL"),
    ],
)
def test_names_that_nothing_has(name: str, says: str, attempts: Attempts) -> None:
    with pytest.raises(UsageError, match=says.replace("?", r"\?")):
        weights.pull(name)
    assert not attempts.made


def test_hub_ids() -> None:
    assert weights.hub_id("hf:user/repo") == weights.hub_id("user/repo") == HubId("user/repo")
    assert str(weights.hub_id("user/re.po-1@refs/pr/4")) == "user/re.po-1@refs/pr/4"


# ---- one file at an address


def test_a_file_is_fetched_once() -> None:
    content = b"weights" * 1000
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    with serving({"": {name: content}}) as (address, requests):
        file = weights.fetch(f"{address}/{name}", "torchvision:net")
        assert file == weights.torch_file(f"{address}/{name}")
        assert file.read_bytes() == content
        assert requests == [f"HEAD /{name}", f"GET /{name}"]
        assert weights.fetch(f"{address}/{name}", "torchvision:net") == file
        assert len(requests) == 2
    assert os.listdir(file.parent) == [name]


def test_a_file_of_another_hash_is_not_kept() -> None:
    with serving({"": {"net-01234567.pth": b"x"}}) as (address, _), pytest.raises(ModelError, match="invalid hash"):
        weights.fetch(f"{address}/net-01234567.pth", "torchvision:net")
    assert os.listdir(weights.torch_file("x/y").parent) == []


def test_a_file_that_is_gone() -> None:
    with serving({}) as (address, _), pytest.raises(ModelError, match="404"):
        weights.fetch(f"{address}/net.pth", "torchvision:net")


# ---- the hub


def test_what_is_cached_is_used_without_asking(attempts: Attempts, tmp_path: Path) -> None:
    folder = write_cached(tmp_path / "hub", "user/repo", WHOLE)
    assert weights.hub_folder("hf:user/repo") == folder
    assert weights.hub_folder(f"user/repo@{COMMIT}") == folder
    assert not attempts.made


def test_offline_a_pull_is_content_with_the_cache(
    attempts: Attempts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_cached(tmp_path / "hub", "user/repo", WHOLE, revision="v1")
    monkeypatch.setenv("V2V_OFFLINE", "yes")
    assert weights.pull("hf:user/repo@v1") == folder
    with pytest.raises(ModelError, match="not here"):
        weights.pull("hf:user/repo")  # main is another revision
    assert not attempts.made


SHARDS = {"model.safetensors.index.json": json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})}


@pytest.mark.parametrize(
    ("files", "whole"),
    [
        (WHOLE, True),
        ({"config.json": b"{}", "pytorch_model.bin": b"weights"}, True),
        ({"config.json": b"{}"}, False),
        ({"model.safetensors": b"weights"}, False),
        ({"config.json": b"{}", "1.safetensors": b"a", **{k: v.encode() for k, v in SHARDS.items()}}, False),
        (
            {
                "config.json": b"{}",
                "1.safetensors": b"a",
                "2.safetensors": b"b",
                **{k: v.encode() for k, v in SHARDS.items()},
            },
            True,
        ),
        ({"config.json": b"{}", "model.safetensors.index.json": b"[]"}, False),
    ],
)
def test_half_a_repository_is_none(files: dict[str, bytes], whole: bool, tmp_path: Path) -> None:
    folder = write_cached(tmp_path / "hub", "user/repo", files)
    assert weights.cached_repository(HubId("user/repo")) == (folder if whole else None)


def test_a_link_to_nothing_is_no_file(tmp_path: Path) -> None:
    folder = write_cached(tmp_path / "hub", "user/repo", WHOLE)
    (folder / "model.safetensors").resolve().unlink()
    assert weights.cached_repository(HubId("user/repo")) is None


def test_of_a_repository_only_what_is_needed() -> None:
    names = ["config.json", "model.onnx", "tf_model.h5", "onnx/model.safetensors", "merges.txt", "README.md"]
    weight_files = ["pytorch_model.bin", "training_args.bin"]
    assert weights.wanted_files([*names, *weight_files]) == ["config.json", "merges.txt", "pytorch_model.bin"]
    assert weights.wanted_files([*names, *weight_files, "model.safetensors"]) == [
        "config.json",
        "merges.txt",
        "model.safetensors",
    ]


def test_a_cache_that_cannot_be_written_is_not_the_hubs_fault() -> None:
    full = OSError(28, "No space left on device", "/cache/x")
    assert weights.hub_refusal(full) == "No space left on device: /cache/x"
    assert weights.hub_refusal(ConnectionError("refused")) == "the hub cannot be reached"


PULLS = """
import sys
from v2vcli.errors import ModelError
from v2vcli.models.catalog import pull_model

for name in sys.argv[1:]:
    try:
        print(*pull_model(name))
    except ModelError as error:
        print("ModelError", error)
    sys.stdout.flush()
"""


OFFLINE = (
    """
import socket, sys
made = []

def refuse(*arguments, **options):
    made.append(arguments)
    raise OSError("there is no network in this test")

socket.create_connection = socket.getaddrinfo = socket.socket.connect = refuse
"""
    + PULLS
)


@pytest.mark.parametrize("variable", ["V2V_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_from_the_very_start(variable: str, tmp_path: Path) -> None:
    """In a process of its own: what libraries ask for once, when first used, has been asked for in this one."""
    home = tmp_path / "home"
    folder = write_cached(home / "hub", "user/net", WHOLE)
    environment = {**os.environ, variable: "1", "HF_HOME": str(home)}
    names = ["hf:user/net", "user/net", "hf:user/none", "user/none"]
    result = subprocess.run(
        [sys.executable, "-c", OFFLINE + "print(made)", *names],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    *said, made = result.stdout.splitlines()
    assert made == "[]"
    assert said[:2] == [str(folder), str(folder / "model.safetensors")]
    assert all(line.startswith("ModelError") and "v2v models pull" in line for line in said[2:])


def test_pulls_from_a_hub_that_answers(tmp_path: Path) -> None:
    """In a process of its own, whose HF_ENDPOINT is a server of this test that speaks as the hub does."""
    held = {
        "user/net": {**WHOLE, "README.md": b"card", "tf_model.h5": b"another framework", "pytorch_model.bin": b"again"},
        "user/words": {"config.json": b"{}", "README.md": b"no weights"},
        "user/painter": {"model.safetensors": b"ours"},
    }
    with serving(held) as (address, requests):
        environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "*"}
        names = ["hf:user/net", "hf:user/words", "hf:user/none", "user/painter", "user/net@v9"]
        result = subprocess.run(
            [sys.executable, "-c", PULLS, *names], env=environment, capture_output=True, text=True, timeout=120
        )
    assert result.returncode == 0, result.stderr
    net, words, none, painter, other = result.stdout.splitlines()
    assert sorted(os.listdir(net)) == ["config.json", "model.safetensors"]
    assert Path(net, "model.safetensors").read_bytes() == b"weights"
    assert net.startswith(str(tmp_path / "home" / "hub" / "models--user--net"))
    assert "hf:user/words: holds no configuration with weights" in words
    assert "the hub refused" in none
    assert none.endswith(str(tmp_path / "home" / "hub" / "models--user--none"))
    assert Path(painter).read_bytes() == b"ours"
    assert Path(other).read_bytes() == b"weights"  # of a model of ours, the one file
    assert not [request for request in requests if "tf_model" in request or ".bin" in request]
