"""torchvision's networks are loaded as real ones are, or refused.

No weights of torchvision's are here or in any test: what is loaded are random weights under the file names of the real
ones, by the path that real ones take. Half precision is tried on a CPU; no test runs it on CUDA.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from tests.maps.fake_hub import Attempts, attempts
from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.makers import torchvision_makers
from v2vcli.maps.makers.extractors import MapExtractor
from v2vcli.maps.makers.torchvision_makers import open_torchvision
from v2vcli.maps.makers.torchvision_networks import in_half, open_network
from v2vcli.maps.makers.weights import torch_file, torchvision_weights
from v2vcli.maps.schema import VOC21

__all__ = ["attempts"]


@pytest.fixture(autouse=True)
def one_thread_and_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("V2V_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def random_weights(model: str, scale: float = 1.0) -> Path:
    """Random weights in the cache, under the name of the real ones; the last layer's are larger by `scale`."""
    torch.manual_seed(0)
    options = {"aux_loss": True} if model.startswith(("deeplabv3", "fcn")) else {}
    network = get_model(model, weights=None, weights_backbone=None, **options)
    for name, layer in network.named_modules():
        if name.endswith(("box_predictor.cls_score", "low_classifier", "high_classifier")) or name == "classifier.4":
            layer.weight.data.mul_(scale)
            layer.bias.data.normal_(0.0, 0.1)
            if name.endswith("cls_score"):
                layer.bias.data[1] += 5.0  # people, so that somebody is found
    file = torch_file(torchvision_weights(model).url)
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), file)
    return file


def blocks(count: int, width: int = 96, height: int = 64) -> list[NDArray[np.uint8]]:
    """Pictures of coloured blocks."""
    random = np.random.default_rng(0)
    sizes = (count, height // 16 + 1, width // 16 + 1, 3)
    coarse = random.integers(0, 256, sizes, dtype=np.uint8)
    return list(coarse.repeat(16, 1).repeat(16, 2)[:, :height, :width])


# ---- loading


def test_semantic_networks_are_loaded_as_real_ones_are(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V2V_OFFLINE", "1")
    random_weights("lraspp_mobilenet_v3_large", 1000.0)
    maker = open_torchvision("lraspp_mobilenet_v3_large", "cpu")
    assert isinstance(maker, MapExtractor)
    assert (maker.spec.kind, maker.spec.schema) == ("labels", VOC21)
    pictures = blocks(2, 64, 64)
    together = maker.extract(pictures, (48, 32))
    assert [made.size for made in together] == [(48, 32)] * 2
    assert len(np.unique(together[0].array)) > 1
    for made, picture in zip(together, pictures, strict=True):
        np.testing.assert_array_equal(made.array, maker.extract([picture], (48, 32))[0].array)
    assert maker.extract([], (48, 32)) == []
    assert not attempts.made


def test_the_auxiliary_head_is_where_the_weights_have_it() -> None:
    random_weights("deeplabv3_mobilenet_v3_large")
    maker = open_torchvision("deeplabv3_mobilenet_v3_large", "cpu")
    assert maker.extract(blocks(1, 64, 64), (9, 7))[0].size == (9, 7)


def test_weights_that_are_not_here(attempts: Attempts, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="v2v models pull torchvision:fcn_resnet50") as caught:
        open_torchvision("fcn_resnet50", "cpu")
    assert str(tmp_path) in str(caught.value)
    assert attempts.made


class Trap:
    """Would run a command if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("trapped", "w"))


def test_weights_that_would_run_something_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = random_weights("lraspp_mobilenet_v3_large")
    torch.save({"classifier": Trap()}, file)
    with pytest.raises(ModelError, match="damaged, or not the weights"):
        open_torchvision("lraspp_mobilenet_v3_large", "cpu")
    assert not Path("trapped").exists()
    file.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError, match="damaged, or not the weights"):
        open_torchvision("lraspp_mobilenet_v3_large", "cpu")
    assert not Path("trapped").exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_damaged_weights(damage: str) -> None:
    file = random_weights("lraspp_mobilenet_v3_large")
    whole = file.read_bytes()
    if damage == "other":
        torch.save({"weight": torch.zeros(3)}, file)
    else:
        file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"")
    with pytest.raises(ModelError, match="remove it and fetch it again: v2v models pull torchvision:lraspp") as caught:
        open_torchvision("lraspp_mobilenet_v3_large", "cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("deeplabv3_resnet5", "did you mean deeplabv3_resnet50?"),
        ("maskrcnn_resnet50", "did you mean maskrcnn_resnet50_fpn?"),
        ("raft_small", "no model of torchvision that makes maps"),
        ("keypointrcn_resnet50_fpn", "did you mean keypointrcnn_resnet50_fpn?"),
        ("fasterrcnn_resnet50_fpn", "no model of torchvision that makes maps"),
        ("", "deeplabv3_resnet50, "),
    ],
)
def test_models_that_are_no_makers(model: str, says: str, attempts: Attempts) -> None:
    with pytest.raises(UsageError) as caught:
        open_torchvision(model, "cpu")
    assert says in str(caught.value)
    assert not attempts.made


# ---- half precision


def test_what_overflows_is_computed_again() -> None:
    def network(pixels: Tensor) -> dict[str, Tensor]:
        return {"out": nn.functional.linear(pixels, torch.full((2, 3), 3e4)), "in": pixels}

    small, large = torch.full((1, 3), 0.5), torch.full((1, 3), 100.0)
    seen: list[torch.dtype] = []

    def watched(pixels: Tensor) -> dict[str, Tensor]:
        said = network(pixels)
        seen.append(said["out"].dtype)
        return said

    assert in_half(watched, small, True)["out"].tolist() == [[44_992.0, 44_992.0]]  # the float16 nearest to 45,000
    assert seen == [torch.float16]
    assert in_half(watched, large, True)["out"].tolist() == [[9e6, 9e6]]
    assert seen == [torch.float16, torch.float16, torch.float32]
    assert in_half(watched, small, False)["out"].dtype == torch.float32
    assert seen[-1] == torch.float32


# ---- torchvision's own detectors, whole


def of_small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have detectors see pictures of 96 pixels, not 800, and few things in them: the path is the same, the time not."""
    small = {"min_size": 96, "max_size": 160, "rpn_post_nms_top_n_test": 40, "box_detections_per_img": 8}

    def opened(model: str, device: torch.device, **options: Any) -> Any:
        return open_network(model, device, **small, **options)

    monkeypatch.setattr(torchvision_makers, "open_network", opened)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2", "keypointrcnn_resnet50_fpn"])
def test_detectors_are_loaded_as_real_ones_are(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of_small_pictures(monkeypatch)
    random_weights(model, 100.0)
    maker = open_torchvision(model, "cpu")
    assert isinstance(maker, MapExtractor)
    pictures = blocks(3, 128, 96)
    together = maker.extract(pictures, (64, 48))
    alone = [maker.extract([picture], (64, 48))[0] for picture in pictures]
    for one, other in zip(together, alone, strict=True):
        assert one.size == (64, 48)
        np.testing.assert_array_equal(one.array, other.array)
    found = [made.instances.max() if made.instances is not None else len(made.keypoints) for made in together]
    assert max(found) > 0, found


def test_every_maker_has_weights() -> None:
    for model in torchvision_makers.makers():
        assert "categories" in get_model_weights(model).DEFAULT.meta
