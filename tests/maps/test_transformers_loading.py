"""Opening models of transformers: from the hub's cache without a request, and what is refused, in one line."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.maps import tiny_transformers as tiny
from tests.maps.fake_hub import Attempts, attempts, write_cached
from v2vcli.errors import UsageError, V2VError
from v2vcli.maps.makers.transformers_makers import open_transformers

__all__ = ["attempts"]

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {"segformer": tiny.segformer(root / "segformer"), "oneformer": tiny.oneformer(root / "oneformer")}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    for name in ("V2V_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def copied(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A model of one's own, to be spoilt."""
    folder = tmp_path / "copied"
    folder.mkdir()
    for file in folders["segformer"].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def refusal(model: str | Path) -> str:
    with pytest.raises(V2VError) as raised:
        open_transformers(str(model), "cpu")
    said = str(raised.value)
    assert "\n" not in said
    assert len(said) < 600
    return said


# ---- the hub's cache


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("family", ["segformer", "oneformer"])
def test_a_model_in_the_cache_is_opened_without_a_request(
    folders: dict[str, Path],
    family: str,
    offline: bool,
    cache: Path,
    attempts: Attempts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if offline:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write_cached(cache, "user/streets", content(folders[family]), revision="v1")
    images = tiny.pictures(2)
    made = open_transformers("user/streets@v1", "cpu").extract(images, (40, 30))
    local = open_transformers(str(folders[family]), "cpu").extract(images, (40, 30))
    assert all(np.array_equal(one.array, other.array) for one, other in zip(made, local, strict=True))
    assert not attempts.made


def test_offline_nothing_is_asked_for_what_is_not_there(
    cache: Path, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    said = refusal("user/streets@v1")
    assert "v2v models pull hf:user/streets@v1" in said
    assert str(cache / "models--user--streets") in said
    assert not attempts.made


def test_without_a_network_the_message_is_the_same_line(cache: Path, attempts: Attempts) -> None:
    said = refusal("user/streets")
    assert "v2v models pull hf:user/streets;" in said
    assert attempts.made  # it was tried


@pytest.mark.slow
def test_a_process_that_is_offline_opens_no_socket(folders: dict[str, Path], tmp_path: Path) -> None:
    write_cached(tmp_path / "hub", "user/streets", content(folders["oneformer"]))
    script = """
import socket
made = []
def refuse(*a, **k):
    made.append(a)
    raise OSError("no network here")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
import numpy as np
from v2vcli.maps.makers.transformers_makers import open_transformers
maps = open_transformers("user/streets", "cpu").extract([np.zeros((40, 60, 3), np.uint8)], (30, 20))
assert maps[0].size == (30, 20) and maps[0].instances is not None
assert not made, made
"""
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("HF_HUB_CACHE", None)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # nor a word of the library's log, nor a bar


# ---- what is refused


def test_what_is_no_model_is_said_in_one_line(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "nothing")
    assert "no such folder" in refusal("./nothing")
    assert "no config.json" in refusal(tmp_path)
    with pytest.raises(UsageError, match="no hub id"):
        open_transformers("nothing", "cpu")


def test_damaged_files_are_said_in_one_line(copied: Path) -> None:
    weights = (copied / "model.safetensors").read_bytes()
    (copied / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    assert str(copied) in refusal(copied)
    (copied / "model.safetensors").unlink()
    assert str(copied) in refusal(copied)
    (copied / "model.safetensors").write_bytes(weights)
    assert open_transformers(str(copied), "cpu").spec.kind == "labels"
    (copied / "preprocessor_config.json").unlink()
    assert "image processor" in refusal(copied)
    (copied / "config.json").write_text("{")
    assert str(copied) in refusal(copied)


def test_weights_that_lack_the_head_are_no_segmenter(copied: Path) -> None:
    # As when a backbone is given: the library would fill its head with random numbers, and warn.
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    body = {key: value for key, value in weights.items() if not key.startswith("decode_head")}
    assert 0 < len(body) < len(weights)
    save_file(body, copied / "model.safetensors", {"format": "pt"})
    said = refusal(copied)
    assert "decode_head" in said
    assert "not trained as a SegformerForSemanticSegmentation" in said


def test_other_architectures_make_no_maps(copied: Path, tmp_path: Path) -> None:
    tiny.rtdetr(tmp_path / "detector", ["person", "car"])
    assert "is a RTDetrForObjectDetection, which makes no maps" in refusal(tmp_path / "detector")
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "architectures": ["TomorrowForSemanticSegmentation"]}))
    assert "pip install --upgrade" in refusal(copied)
    (copied / "config.json").write_text(json.dumps({**config, "architectures": None}))
    assert "model without architecture" in refusal(copied)


def test_too_many_classes(tmp_path: Path) -> None:
    assert "has 300 classes" in refusal(tiny.segformer(tmp_path / "many", [f"thing {n}" for n in range(300)]))


class Boom:
    """What runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.mark,)  # type: ignore[return-value]


def test_weights_are_tensors_and_nothing_else(copied: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (copied / "model.safetensors").unlink()
    torch.save({"weights": Boom(mark)}, copied / "pytorch_model.bin")
    refusal(copied)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Boom(mark)))
    assert mark.exists()  # so it would have been seen


def test_code_that_comes_with_a_model_is_not_run(copied: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (copied / "evil.py").write_text(
        f"from pathlib import Path\nPath({str(mark)!r}).touch()\n"
        "from transformers import PretrainedConfig\nclass Evil(PretrainedConfig):\n    model_type = 'evil'\n"
    )
    config = json.loads((copied / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil"}}
    (copied / "config.json").write_text(json.dumps(config))
    refusal(copied)
    assert not mark.exists()
