"""Files of the reference become a model of ours, and come back to the byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models import reference_states as states
from tests.models.reference_states import FACE, FIRST_FRAMES, POSE, STREET
from v2vcli.maps.schema import CITYSCAPES35
from v2vcli.maps.spec import MapSpec
from v2vcli.models.checkpoint import load_model, read_info
from v2vcli.models.feature_encoder import FeatureEncoderConfig
from v2vcli.models.generator import GeneratorConfig
from v2vcli.models.image_generator import ImageGeneratorConfig
from v2vcli.models.painter import Painter
from v2vcli.models.reference_export import export_model
from v2vcli.models.reference_import import LICENCE, Imported, import_model
from v2vcli.models.reference_request import ImportRequest


def imported(folder: Path, model: Path, arch: Any = "street", **options: Any) -> Imported:
    return import_model(ImportRequest((folder,), model, arch, **options))


def round_trip(tmp_path: Path, given: dict[str, states.State], arch: Any = "street", **options: Any) -> Path:
    """Save, import, load, export, and compare; the model."""
    folder, model, back = states.save(tmp_path / "given", given), tmp_path / "m.safetensors", tmp_path / "back"
    imported(folder, model, arch, **options)
    load_model(model)
    assert export_model(model, back) == [back / f"latest_net_{role}.pth" for role in sorted(given)]
    states.require_same(states.load(back), given)
    return model


@pytest.mark.parametrize("old", [False, True])
def test_a_street_of_three_scales_comes_back(tmp_path: Path, old: bool) -> None:
    given = states.chain(STREET) | {"G": states.image_generator(FIRST_FRAMES)}
    folder = states.save(tmp_path / "given", given, old=old)
    done = imported(folder, tmp_path / "m.safetensors")
    assert done.info == read_info(tmp_path / "m.safetensors")
    info, networks = load_model(tmp_path / "m.safetensors")
    assert networks["generator"].config == replace(STREET, foreground_width=4)
    assert networks["image_generator"].config == FIRST_FRAMES
    assert (info.arch, info.spec, info.size) == ("vid2vid", MapSpec("labels", CITYSCAPES35, True), (2048, 1024))
    learnt = [v for s in given.values() for k, v in s.items() if k.endswith(("weight", "bias"))]
    assert done.parameters == sum(value.numel() for value in learnt)
    export_model(tmp_path / "m.safetensors", tmp_path / "back")
    states.require_same(states.load(tmp_path / "back"), given)


@pytest.mark.parametrize(
    ("arch", "config", "size"), [("face", FACE, (256, 256)), ("pose", POSE, (512, 512))], ids=["face", "pose"]
)
def test_faces_and_poses_come_back(tmp_path: Path, arch: str, config: GeneratorConfig, size: tuple[int, int]) -> None:
    model = round_trip(tmp_path, states.chain(config), arch)
    info = read_info(model)
    assert (info.spec.kind, info.spec.channels, info.size) == (arch, config.map_channels, size)
    settings = info.spec.face or info.spec.pose
    assert settings is not None and settings.reference_quirks  # maps as such models saw them


@pytest.mark.parametrize("channels", [1, 3])
def test_the_number_of_channels_says_which_face_or_pose(tmp_path: Path, channels: int) -> None:
    arch = "face" if channels == 1 else "pose"
    model = round_trip(tmp_path, states.chain(replace(FACE, map_channels=channels)), arch)
    assert read_info(model).spec.channels == channels


@pytest.mark.parametrize(
    ("config", "statistics"),
    [
        (ImageGeneratorConfig(36, 4, 4, 2), False),
        (ImageGeneratorConfig(36, 8, 1, 1, "frame", enhancers=2, enhancer_blocks=2), True),
        (ImageGeneratorConfig(36, 4, 2, 2, features=3, features_within=False), False),
        (ImageGeneratorConfig(36, 4, 2, 2, features=3, enhancers=1, enhancer_blocks=1), True),
        (ImageGeneratorConfig(36, 4, 2, 2, features=2, max_width=8), True),
    ],
    ids=["global", "local", "pix2pixHD with features", "local with features", "widths have a limit"],
)
def test_image_generators_come_back(tmp_path: Path, config: ImageGeneratorConfig, statistics: bool) -> None:
    given = {"G": states.image_generator(config, statistics=statistics)}
    if config.features:
        given["E"] = states.feature_encoder(FeatureEncoderConfig(config.features, 4, 2))
    model = round_trip(tmp_path, given)
    info, networks = load_model(model)
    assert info.arch == "pix2pixHD"
    assert networks["image_generator"].config == config
    frames, past = Painter.load(model).paint(torch.rand(2, 36, 32, 64), None)
    assert frames.shape == (2, 3, 32, 64) and past is None


def test_weights_of_half_precision_come_back_as_they_were(tmp_path: Path) -> None:
    given = {"G0": states.OrderedDict((key, value.half()) for key, value in states.chain(FACE)["G0"].items())}
    _, networks = load_model(round_trip(tmp_path, given, "face"))
    assert {value.dtype for value in networks["generator"].state_dict().values()} == {torch.float32}


def test_files_of_the_first_pytorch_that_saved_them_come_back(tmp_path: Path) -> None:
    """Before 0.4.1 norms kept no counter."""
    given = states.chain(FACE)
    given["G0"] = states.OrderedDict(
        (key, v) for key, v in given["G0"].items() if not key.endswith("num_batches_tracked")
    )
    round_trip(tmp_path, given, "face")


def test_any_order_of_keys_and_shared_memory_come_back(tmp_path: Path) -> None:
    given = states.chain(FACE)
    shared = torch.randn(3, *given["G0"]["model_final_w.1.weight"].shape[1:])
    given["G0"]["model_final_w.1.weight"], given["G0"]["model_final_flow.1.weight"] = shared[:1], shared[:2]
    given["G0"] = states.OrderedDict(reversed(given["G0"].items()))
    round_trip(tmp_path, given, "face")


def test_files_of_other_names_and_places(tmp_path: Path) -> None:
    """What a file is for is in the file; each is read once, however often it is named."""
    given = states.chain(STREET)
    for name, role in (("a.pth", "G2"), ("b.pth", "G0"), ("c.pth", "G1")):
        torch.save(given[role], tmp_path / name)
    sources = (tmp_path / "a.pth", tmp_path / "b.pth", tmp_path / "c.pth", tmp_path / "." / "a.pth")
    done = import_model(ImportRequest(sources, tmp_path / "m.safetensors", "street"))
    assert [path.name for path in done.used] == ["b.pth", "c.pth", "a.pth"]
    export_model(tmp_path / "m.safetensors", tmp_path / "back")
    states.require_same(states.load(tmp_path / "back"), given)


def test_fewer_scales_than_there_are(tmp_path: Path) -> None:
    folder = states.save(tmp_path / "given", states.chain(STREET))
    done = imported(folder, tmp_path / "m.safetensors", scales=2)
    assert [path.name for path in done.unused] == ["latest_net_G2.pth"]
    assert done.info.parts["generator"]["finer"] == 1
    assert done.info.size == (1024, 512)


def test_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = states.save(tmp_path / "given", states.chain(FACE))
    for name in ("m1", "m2"):
        imported(folder, tmp_path / f"{name}.safetensors", "face", name="same")
        export_model(tmp_path / f"{name}.safetensors", tmp_path / name)
    assert (tmp_path / "m1.safetensors").read_bytes() == (tmp_path / "m2.safetensors").read_bytes()
    first, second = (tmp_path / name / "latest_net_G0.pth" for name in ("m1", "m2"))
    assert first.read_bytes() == second.read_bytes()


def test_licence_and_origin_are_recorded(tmp_path: Path) -> None:
    import hashlib

    folder = states.save(tmp_path / "given", states.chain(FACE))
    info = imported(folder, tmp_path / "m.safetensors", "face").info
    assert info.licence == LICENCE and "non-commercial" in LICENCE
    digest = hashlib.sha256((folder / "latest_net_G0.pth").read_bytes()).hexdigest()
    assert info.provenance["files"] == {"G0": {"name": "latest_net_G0.pth", "sha256": digest}}
