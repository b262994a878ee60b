"""What is no file of the reference, or not the one that was asked for, is refused in one line; nothing of it is run."""

from __future__ import annotations

import itertools
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.models import reference_states as states
from tests.models.reference_states import FACE, FIRST_FRAMES, POSE, STREET
from v2vcli.errors import ModelError
from v2vcli.models.feature_encoder import FeatureEncoderConfig
from v2vcli.models.reference_import import import_model
from v2vcli.models.reference_request import ImportRequest


def refused(folder: Path, tmp_path: Path, says: str, arch: Any = "street", **options: Any) -> None:
    """One line that says so, and nothing left behind."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ModelError, match=says) as caught:
        import_model(ImportRequest((folder,), tmp_path / "m.safetensors", arch, **options))
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


Change = Callable[[states.State], Any]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop("model_up_flow.1.weight"), r"model_up_flow\.1\.weight is missing"),
        (lambda s: s.pop("model_down_seg.1.weight"), r"model_down_seg\.1\.weight, a convolution, is missing"),
        (lambda s: s.update(extra=torch.zeros(1)), "extra has no place"),
        (lambda s: s.update({"model_res_img.7.conv_block.1.weight": torch.zeros(16, 16, 3, 3)}), r"model_res_img\.\d"),
        (
            lambda s: s.update({"model_final_img.1.bias": torch.zeros(4)}),
            r"model_final_img\.1\.bias has the shape \[4\]",
        ),
        (lambda s: s.update({"model_up_img.1.running_var": torch.zeros(9)}), r"running_var has the shape \[9\]"),
        (lambda s: s.update({"model_final_img.1.bias": torch.zeros(3, dtype=torch.int64)}), r"torch\.int64"),
        (lambda s: s.update({"model_down_img.1.weight": torch.zeros(4, 7, 7, 7)}), "not a number of RGB frames"),
        (lambda s: s.update({"model_down_seg.1.weight": torch.zeros(4, 46, 7, 7)}), "not a map for each of 3"),
        (lambda s: s.update({"model_down_seg.1.weight": torch.zeros(4, 45)}), "a convolution, is missing"),
        (lambda s: s.update({"model_down_seg.1.weight": torch.zeros(10**9, 0, 7, 7)}), "a convolution, is missing"),
        (lambda s: s.update({"model_up_img.999.weight": torch.zeros(1)}), "fit no network that could be built"),
        (lambda s: s.update({f"model_up_img.{'9' * 5000}.weight": torch.zeros(1)}), "has no place in such a network"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change: Change, says: str) -> None:
    given = states.chain(FACE)
    change(given["G0"])
    refused(states.save(tmp_path / "given", given), tmp_path, rf"latest_net_G0\.pth.*{says}", "face")


def test_whatever_is_missing_or_misshapen_is_refused(tmp_path: Path) -> None:
    """Every learnt tensor in turn: no damage leads to another network, or to anything but a clear error."""
    given = states.chain(POSE) | {"G": states.image_generator(replace(FIRST_FRAMES, map_channels=6))}
    damages: Iterator[Callable[[torch.Tensor], torch.Tensor | None]] = itertools.cycle(
        (
            lambda value: None,
            lambda value: value[None],
            lambda value: value[:-1],
            lambda value: torch.cat((value, value)),
            lambda value: value[..., None],
        )
    )
    for role, state in given.items():
        learnt = [key for key in state if key.endswith(("weight", "bias"))]
        assert len(learnt) > 10
        for key in learnt:
            changed = states.OrderedDict(state)
            if (damaged := next(damages)(changed.pop(key))) is not None:
                changed[key] = damaged
            folder = states.save(tmp_path / "given", given | {role: changed})
            with pytest.raises(ModelError):
                import_model(ImportRequest((folder,), tmp_path / "m.safetensors", "pose"))
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize(
    ("arch", "options", "says"),
    [
        ("street", {"labels": "19"}, "reads 36 map channels a frame, and cityscapes19 has 19, or 20 with instance"),
        ("street", {"labels": "cityscapes19"}, "reads 36 map channels"),
        ("face", {}, "reads 36 map channels a frame, and face maps have 15 or 1"),
        ("pose", {}, "pose maps have 6 or 3"),
        ("street", {"scales": 4}, "--scales 4: there are 3 scales"),
        ("street", {"foreground": (36,)}, r"--foreground 36: .* map channels 0\.\.35"),
        ("street", {"foreground": ()}, "--foreground : "),
    ],
)
def test_what_was_asked_for_is_not_what_is_there(tmp_path: Path, arch: str, options: dict[str, Any], says: str) -> None:
    refused(states.save(tmp_path / "given", states.chain(STREET)), tmp_path, says, arch, **options)


def test_a_foreground_branch_and_its_option_belong_together(tmp_path: Path) -> None:
    plain = states.save(tmp_path / "plain", states.chain(replace(STREET, foreground=())))
    refused(plain, tmp_path, "has no foreground branch", foreground=(26,))
    odd = states.save(tmp_path / "odd", states.chain(replace(FACE, map_channels=8, foreground=(5,))))
    refused(odd, tmp_path, "say with --foreground", labels="8")


def test_networks_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    chain = states.chain(STREET)
    first, encoder = states.image_generator(FIRST_FRAMES), states.feature_encoder(FeatureEncoderConfig(3, 4, 2))
    shown = states.image_generator(replace(FIRST_FRAMES, map_channels=36, features=2))
    cases: list[tuple[dict[str, states.State], str]] = [
        ({"G1": chain["G1"]}, "only .*G1.pth, a finer one"),
        ({"G0": chain["G0"], "G2": chain["G2"]}, "G1.pth missing"),
        (chain | {"G": states.image_generator(replace(FIRST_FRAMES, map_channels=19))}, "reads 19 map channels"),
        ({"E": encoder}, "needs its image generator"),
        ({"E": encoder, "G": shown}, "gives 3 features, .* is shown 2"),
        ({"E": encoder, "G": first}, "without 3 of features, reads 32"),
        ({"G0": chain["G0"], "G3": chain["G0"]}, "there is two"),
        ({"G": first, "G0": first}, "are both image generators"),
    ]
    for number, (given, says) in enumerate(cases):
        refused(states.save(tmp_path / str(number), given), tmp_path, says)


def test_what_paints_nothing_is_refused(tmp_path: Path) -> None:
    layer = {"scale0_layer0.0.weight": torch.zeros(4, 39, 4, 4)}
    refused(states.save(tmp_path / "d", {"G": layer}), tmp_path, "holds a discriminator")
    refused(
        states.save(tmp_path / "v", {"G": {"features.0.weight": torch.zeros(1)}}), tmp_path, "belongs to no generator"
    )


# ---- files that hold more, or less, than tensors


class Malicious:
    """Unpickled, it would make a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


class SystemCall(Malicious):
    """Unpickled, it would run a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.trace}'",)


@pytest.mark.parametrize("kind", [Malicious, SystemCall])
@pytest.mark.parametrize("form", ["today's", "before PyTorch 1.6", "a bare pickle"])
def test_nothing_in_a_file_is_run(tmp_path: Path, kind: type[Malicious], form: str) -> None:
    trace, file = tmp_path / "trace", tmp_path / "given" / "latest_net_G0.pth"
    file.parent.mkdir()
    state: dict[str, Any] = {**states.chain(FACE)["G0"], "extra": kind(trace)}
    if form == "a bare pickle":
        file.write_bytes(pickle.dumps(state["extra"], protocol=2))
    else:
        torch.save(state, file, _use_new_zipfile_serialization=form == "today's")
    refused(file.parent, tmp_path, "asks to run .*nothing of it was run|cannot be read", "face")
    assert not trace.exists()
    if form != "a bare pickle":  # the file would have done it
        torch.load(file, weights_only=False)
        assert trace.exists()


def test_a_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Conv2d(1, 1, 1), tmp_path / "net_G0.pth")
    refused(
        tmp_path / "net_G0.pth",
        tmp_path,
        r"asks to run torch\.nn\.modules\.conv\.Conv2d.*save the network's state_dict",
    )


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, old: bool, share: float) -> None:
    file = states.save(tmp_path / "given", states.chain(FACE), old=old) / "latest_net_G0.pth"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    refused(file.parent, tmp_path, r"latest_net_G0\.pth: (is empty|cannot be read)", "face")


def _not_a_state_dict(path: Path, kind: str) -> None:
    weight = torch.zeros(2, 3)
    match kind:
        case "safetensors":
            save_file({"model.1.weight": weight}, path)
        case "text":
            path.write_text("<html>404: not found</html>")
        case "zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("archive/data.txt", "x")
        case "script":
            torch.jit.script(torch.nn.Conv2d(1, 1, 1)).save(path)
        case "list":
            torch.save([weight], path)
        case "nothing":
            torch.save({}, path)
        case "number":
            torch.save({"model.1.weight": weight, "epoch": 7}, path)
        case "nested":
            torch.save({"state_dict": {"model.1.weight": weight}}, path)
        case "key":
            torch.save({1: weight}, path)
        case "sparse":
            torch.save({"model.1.weight": weight.to_sparse()}, path)
        case "meta":
            torch.save({"model.1.weight": weight.to("meta")}, path)
        case "vast":
            torch.save({"model.1.weight": torch.zeros(1).expand(10**9, 10**4)}, path)


@pytest.mark.filterwarnings("ignore")  # torch.jit is on its way out
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("safetensors", "is a safetensors file"),
        ("text", "cannot be read: no PyTorch file"),
        ("zip", "cannot be read: truncated, or no PyTorch file"),
        ("script", "cannot be read: "),
        ("list", "holds a list, not a state dict"),
        ("nothing", "holds no tensors"),
        ("number", "'epoch' is a int, not a tensor by name"),
        ("nested", "'state_dict' is a dict, not a tensor by name"),
        ("key", "1 is under a int, not a tensor by name"),
        ("sparse", "is not a dense tensor"),
        ("meta", "is not a dense tensor"),
        ("vast", "claims more numbers than the file holds"),
    ],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, kind: str, says: str) -> None:
    path = tmp_path / "net_G0.pth"
    _not_a_state_dict(path, kind)
    refused(path, tmp_path, rf"net_G0\.pth: .*{says}")


def test_sources_that_are_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "none", tmp_path, "none: no such file or folder")
    refused(tmp_path / "empty", tmp_path, "empty: no latest_net_G0.pth")
