"""Our own models in the reference's format: what it would open, and what it has no network for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.models import reference_states as states
from v2vcli.errors import ModelError, OutputError
from v2vcli.maps.schema import CAMVID11
from v2vcli.maps.spec import MapSpec
from v2vcli.models import reference_export
from v2vcli.models.checkpoint import ModelInfo, read_info, save_model
from v2vcli.models.generator import GeneratorConfig, Vid2VidGenerator
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.models.painter import Painter
from v2vcli.models.reference_export import export_model
from v2vcli.models.reference_import import import_model
from v2vcli.models.reference_request import ImportRequest
from v2vcli.models.segmenter import Segmenter, SegmenterConfig

SPEC = MapSpec("labels", CAMVID11, instance_edges=True)
GENERATOR = GeneratorConfig(12, 2, 8, 2, 3, finer=1, finer_blocks=1, foreground=(8, 9))
IMAGE = ImageGeneratorConfig(11, 4, 2, 2)


def saved(path: Path, generator: GeneratorConfig | None, image: ImageGeneratorConfig | None) -> Path:
    """A model of ours, with random weights."""
    torch.manual_seed(0)
    parts: dict[str, nn.Module] = {}
    if generator is not None:
        parts["generator"] = Vid2VidGenerator(generator)
    if image is not None:
        parts["image_generator"] = ImageGenerator(image)
    save_model(path, ModelInfo("mine", "vid2vid", SPEC, (64, 32), "Apache-2.0"), parts, half=True)
    return path


def test_ours_opens_as_the_references_and_paints_the_same(tmp_path: Path) -> None:
    model = saved(tmp_path / "mine.safetensors", GENERATOR, IMAGE)
    export_model(model, tmp_path / "out")
    source = ImportRequest(
        (tmp_path / "out",), tmp_path / "again.safetensors", "street", labels="camvid11", foreground=(8, 9)
    )
    import_model(source)
    mine, again = Painter.load(model), Painter.load(tmp_path / "again.safetensors")
    maps = torch.rand(4, 12, 32, 64)
    assert torch.equal(mine.paint(maps, None)[0], again.paint(maps, None)[0])


def test_norms_get_the_statistics_the_reference_asks_for(tmp_path: Path) -> None:
    export_model(saved(tmp_path / "mine.safetensors", GENERATOR, IMAGE), tmp_path / "out")
    found = states.load(tmp_path / "out")
    expected = states.chain(GENERATOR) | {"G": states.image_generator(IMAGE)}
    assert {role: list(state) for role, state in found.items()} == {
        role: list(state) for role, state in sorted(expected.items())
    }
    for state in found.values():
        assert {v.dtype for k, v in state.items() if not k.endswith("num_batches_tracked")} == {torch.float32}
        assert all(v.eq(0).all() for k, v in state.items() if k.endswith("running_mean"))
        assert all(v.eq(1).all() for k, v in state.items() if k.endswith("running_var"))
        assert {(v.dtype, int(v)) for k, v in state.items() if k.endswith("num_batches_tracked")} == {(torch.int64, 0)}


def test_pix2pixhds_instance_norms_have_none(tmp_path: Path) -> None:
    export_model(saved(tmp_path / "mine.safetensors", None, replace(IMAGE, map_channels=12)), tmp_path / "out")
    (state,) = states.load(tmp_path / "out").values()
    assert list(state) == list(states.image_generator(replace(IMAGE, map_channels=12), statistics=False))


@pytest.mark.parametrize(
    ("generator", "image", "says"),
    [
        ({"kernel": 5}, {}, "its generator begins with 5x5 convolutions, not 7x7"),
        ({}, {"kernel": 3}, "its image generator begins with 3x3"),
        ({"norm": "stored"}, {}, "stored statistics"),
        ({"foreground_width": 2}, {}, "foreground branch has 2 channels, not 8"),
        ({}, {"map_channels": 12}, "shown instance edges, not the labels alone"),
        ({}, {"max_width": 8}, "at most 8 channels, not 1024"),
    ],
)
def test_what_the_reference_has_no_network_for(
    tmp_path: Path, generator: dict[str, Any], image: dict[str, Any], says: str
) -> None:
    model = saved(tmp_path / "m.safetensors", replace(GENERATOR, **generator), replace(IMAGE, **image))
    with pytest.raises(ModelError, match=says) as caught:
        export_model(model, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_segmenter_is_refused(tmp_path: Path) -> None:
    info = ModelInfo("seg", "segmenter", SPEC, (48, 32), "Apache-2.0")
    save_model(tmp_path / "s.safetensors", info, {"segmenter": Segmenter(SegmenterConfig(11, (4, 4)))})
    with pytest.raises(ModelError, match="no network like its segmenter"):
        export_model(tmp_path / "s.safetensors", tmp_path / "out")


def test_files_are_kept_and_all_are_written_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, out = saved(tmp_path / "m.safetensors", GENERATOR, IMAGE), tmp_path / "out"
    out.mkdir()
    (out / "latest_net_G1.pth").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"latest_net_G1\.pth exists; -y overwrites it"):
        export_model(model, out)
    assert [path.name for path in out.iterdir()] == ["latest_net_G1.pth"]

    def full(path: Path, tensors: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(reference_export, "write_state", full)
        for folder in (out, tmp_path / "new"):
            with pytest.raises(OutputError, match="no space left on device"):
                export_model(model, folder, overwrite=True)
    assert (out / "latest_net_G1.pth").read_bytes() == b"mine"
    assert [path.name for path in out.iterdir()] == ["latest_net_G1.pth"]
    assert not (tmp_path / "new").exists()
    export_model(model, out, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == [f"latest_net_{role}.pth" for role in ("G", "G0", "G1")]


@pytest.mark.parametrize("damage", ["parameter", "statistic", "shape", "keys", "files"])
def test_a_damaged_model_is_refused(tmp_path: Path, damage: str) -> None:
    given = states.save(tmp_path / "given", states.chain(states.FACE))
    model = tmp_path / "m.safetensors"
    import_model(ImportRequest((given,), model, "face"))
    tensors, info = load_file(model), read_info(model)
    keys = list(info.reference["G0"])
    match damage:
        case "parameter":
            tensors.pop("generator.coarse.image_head.1.bias")
        case "statistic":
            tensors.pop("reference.G0.model_down_seg.2.running_var")
        case "shape":
            tensors["generator.coarse.image_head.1.bias"] = torch.zeros(4)
        case "keys":
            info = replace(info, reference={"G0": [key for key in keys if key != "model_final_w.1.bias"]})
        case "files":
            info = replace(info, reference={"G0": keys, "G1": keys})
    save_file(tensors, model, {"v2v": info.to_json()})
    with pytest.raises(ModelError, match=r"damaged|was imported from G0, G1, but holds G0"):
        export_model(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()
