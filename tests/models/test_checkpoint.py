"""A checkpoint comes back as it was saved, and one that does not fit says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from v2vcli.errors import ModelError
from v2vcli.maps.schema import CAMVID11
from v2vcli.maps.spec import MapSpec
from v2vcli.models.checkpoint import ModelInfo, load_model, read_info, save_model
from v2vcli.models.generator import GeneratorConfig, Vid2VidGenerator
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.models.painter import Painter

SPEC = MapSpec("labels", schema=CAMVID11)


def _saved(path: Path, *, half: bool = False, video: bool = True) -> Painter:
    torch.manual_seed(0)
    image_generator = ImageGenerator(ImageGeneratorConfig(SPEC.channels, 4, 2, 2, "frame"))
    generator = Vid2VidGenerator(GeneratorConfig(SPEC.channels, 2, 4, 2, 2, foreground=(8, 9)))
    info = ModelInfo("tiny", "vid2vid", SPEC, (48, 32), "Apache-2.0", {"frames_seen": 7})
    parts = {"image_generator": image_generator} | ({"generator": generator} if video else {})
    save_model(path, info, parts, half=half)
    return Painter(info, image_generator, generator if video else None, device=torch.device("cpu"))


def test_round_trip(tmp_path: Path) -> None:
    saved = _saved(tmp_path / "m.safetensors")
    info, networks = load_model(tmp_path / "m.safetensors")
    assert (info.name, info.spec, info.size, info.licence) == ("tiny", SPEC, (48, 32), "Apache-2.0")
    assert info.provenance["frames_seen"] == 7
    assert networks["generator"].config == saved.generator.config  # type: ignore[union-attr]
    for key, value in saved.image_generator.state_dict().items():
        assert torch.equal(networks["image_generator"].state_dict()[key], value)


def test_half_precision_comes_back_as_float32(tmp_path: Path) -> None:
    saved = _saved(tmp_path / "m.safetensors", half=True)
    assert all(tensor.dtype == torch.float16 for tensor in load_file(tmp_path / "m.safetensors").values())
    _, networks = load_model(tmp_path / "m.safetensors")
    for key, value in saved.image_generator.state_dict().items():
        found = networks["image_generator"].state_dict()[key]
        assert found.dtype == torch.float32
        assert torch.equal(found, value.half().float())


def _rewritten(path: Path, change: str) -> Path:
    tensors, info = load_file(path), read_info(path).to_json()
    match change:
        case "missing":
            tensors.pop("generator.coarse.mask_head.1.bias")
        case "surplus":
            tensors["generator.extra"] = torch.zeros(1)
        case "stranger":
            tensors["other.weight"] = torch.zeros(1)
        case "format":
            info = info.replace('"format": 2', '"format": 99')
        case "old":
            info = info.replace('"format": 2', '"format": 1')
    out = path.with_name(f"{change}.safetensors")
    save_file(tensors, out, {} if change == "anonymous" else {"v2v": info})
    return out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", "mask_head.1.bias"),
        ("surplus", "extra"),
        ("stranger", "holds tensors of other"),
        ("format", "newer than this program"),
        ("old", "of an older program"),
        ("anonymous", "without v2v metadata"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change: str, message: str) -> None:
    _saved(tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match=message) as caught:
        load_model(_rewritten(tmp_path / "m.safetensors", change))
    assert "\n" not in str(caught.value)


def test_garbage_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.safetensors").write_bytes(b"not tensors" * 100)
    with pytest.raises(ModelError, match="not a safetensors file"):
        load_model(tmp_path / "g.safetensors")
    with pytest.raises(ModelError, match="no such model"):
        load_model(tmp_path / "absent.safetensors")


def test_painter_opens_it(tmp_path: Path) -> None:
    saved = _saved(tmp_path / "m.safetensors")
    opened = Painter.load(tmp_path / "m.safetensors")
    maps = torch.rand(5, SPEC.channels, 30, 45)
    assert torch.equal(saved.paint(maps, None)[0], opened.paint(maps, None)[0])


def test_a_segmenter_is_no_painter(tmp_path: Path) -> None:
    from v2vcli.models.segmenter import Segmenter, SegmenterConfig

    info = ModelInfo("seg", "segmenter", SPEC, (48, 32), "Apache-2.0")
    save_model(tmp_path / "s.safetensors", info, {"segmenter": Segmenter(SegmenterConfig(11, (4, 4)))})
    with pytest.raises(ModelError, match="not a model that paints"):
        Painter.load(tmp_path / "s.safetensors")
