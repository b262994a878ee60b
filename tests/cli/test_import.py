"""`v2v models import` and `export` on the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.cli.conftest import V2V
from tests.engine.material import picture
from tests.models import reference_states as states
from tests.models.reference_states import FACE, FIRST_FRAMES, STREET


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the reference's files: three scales and an image generator."""
    folder = tmp_path_factory.mktemp("street")
    return states.save(folder, states.chain(STREET) | {"G": states.image_generator(FIRST_FRAMES)})


def test_import_says_what_came_in_and_under_which_licence(v2v: V2V, street: Path, tmp_path: Path) -> None:
    model = tmp_path / "street.safetensors"
    done = v2v("models", "import", street, "-o", model, "--arch", "street", "--scales", 2, "--size", "128x64")
    assert (done.code, done.out) == (0, "")
    first, maps, foreground, unused, licence = done.lines
    assert first.startswith(f"{model}: vid2vid, 2 scales, ") and first.endswith("latest_net_G.pth")
    assert maps == "paints labels (cityscapes35 and instance edges) at 128x64"
    assert foreground == "its foreground: 26"
    assert unused == f"{street / 'latest_net_G2.pth'}: not needed for 2 scales"
    assert "non-commercial" in licence
    info = json.loads(v2v("models", "info", model, "--json").out)
    assert "non-commercial" in info["licence"]
    assert sorted(info["provenance"]["files"]) == ["G", "G0", "G1"]


def test_what_was_imported_converts(v2v: V2V, street: Path, clip: Path, tmp_path: Path) -> None:
    model, maps, out = tmp_path / "street.safetensors", tmp_path / "maps", tmp_path / "out.mp4"
    assert v2v("models", "import", street, "-o", model, "--arch", "street", "--size", "128x64").code == 0
    (maps / "instances").mkdir(parents=True)
    for t in range(5):
        ids = picture(t)[..., 0] % 35
        for folder in (maps, maps / "instances"):
            Image.fromarray(ids).save(folder / f"{t:06}.png")
    done = v2v(
        "convert", clip, "-t", "0.2", "--maps", maps, "--maps-schema", "cityscapes35", "--model", model, "-o", out
    )
    assert done.code == 0, done.err
    assert done.lines[-1].startswith(f"{out}: 5 frames, 64x32")


def test_what_was_imported_comes_back(v2v: V2V, street: Path, tmp_path: Path) -> None:
    model, back = tmp_path / "street.safetensors", tmp_path / "back"
    assert v2v("models", "import", street, "-o", model, "--arch", "street").code == 0
    done = v2v("models", "export", model, "-o", back)
    assert done.code == 0 and done.lines[-1].startswith("licence: non-commercial")
    states.require_same(states.load(back), states.load(street))
    again = v2v("models", "export", model, "-o", back)
    assert (again.code, again.lines) == (1, [f"v2v: error: {back / 'latest_net_G.pth'} exists; -y overwrites it"])
    assert v2v("models", "export", model, "-o", back, "-y").code == 0


def test_models_without_or_with_odd_first_frames_say_so(v2v: V2V, tmp_path: Path) -> None:
    chain = states.save(tmp_path / "chain", states.chain(FACE))
    done = v2v("models", "import", chain, "-o", tmp_path / "face.safetensors", "--arch", "face")
    assert done.code == 0 and "first frames are painted from an empty past" in done.err
    shown = replace(FIRST_FRAMES, map_channels=15, features=2)
    single = states.save(tmp_path / "single", {"G": states.image_generator(shown)})
    done = v2v("models", "import", chain, single, "-o", tmp_path / "face.safetensors", "--arch", "face", "-y")
    assert done.code == 0 and "takes them for zero" in done.err


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("{street} -o {tmp}/m.safetensors", 2, "--arch"),
        ("{street} -o {tmp}/m.safetensors --arch dog", 2, "choose street, face, pose"),
        ("{street} -o {tmp}/m.pth --arch street", 2, "the name of a .safetensors file"),
        ("-o {tmp}/m.safetensors --arch street", 2, "DIR_OR_PTH"),
        ("{street} -o {tmp}/m.safetensors --arch face", 4, "face maps have 15 or 1"),
        ("{street} -o {tmp}/m.safetensors --arch face --labels 8", 2, "'face' maps have no labels"),
        ("{street} -o {tmp}/m.safetensors --arch street --labels 0", 2, "give 1..254"),
        ("{street} -o {tmp}/m.safetensors --arch street --labels cityscape", 2, "cityscapes35"),
        ("{street} -o {tmp}/m.safetensors --arch street --labels 19", 4, "reads 36 map channels"),
        ("{street} -o {tmp}/m.safetensors --arch street --scales 0", 2, "--scales 0"),
        ("{street} -o {tmp}/m.safetensors --arch street --scales 4", 4, "there are 3 scales"),
        ("{street} -o {tmp}/m.safetensors --arch street --foreground cars", 2, "label ids"),
        ("{street} -o {tmp}/m.safetensors --arch street --size big", 2, "--size big: not a size"),
        ("{tmp}/none -o {tmp}/m.safetensors --arch street", 4, "no such file or folder"),
        ("{tmp} -o {tmp}/m.safetensors --arch street", 4, "no latest_net_G0.pth"),
        ("{street} -o {tmp}/no/m.safetensors --arch street", 1, "does not exist"),
        ("{malicious} -o {tmp}/m.safetensors --arch street", 4, "nothing of it was run"),
    ],
)
def test_one_line_and_nothing_left(
    v2v: V2V, street: Path, tmp_path: Path, malicious: Path, line: str, code: int, says: str
) -> None:
    done = v2v(
        "models", "import", *(word.format(street=street, tmp=tmp_path, malicious=malicious) for word in line.split())
    )
    assert (done.code, len(done.lines)) == (code, 1), done.err
    assert done.lines[0].startswith("v2v: error: ") and says in done.lines[0]
    assert list(tmp_path.iterdir()) == []
    assert sorted(path.name for path in malicious.parent.iterdir()) == [malicious.name]


class _Code:
    """Unpickled, it would make a file beside the one it is in."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


@pytest.fixture(scope="module")
def malicious(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("malicious")
    torch.save({**states.chain(FACE)["G0"], "code": _Code(folder / "trace")}, folder / "latest_net_G0.pth")
    return folder / "latest_net_G0.pth"


def test_what_exists_is_kept_without_y(v2v: V2V, street: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    model.write_bytes(b"mine")
    line = ("models", "import", street, "-o", model, "--arch", "street")
    done = v2v(*line)
    assert (done.code, done.lines) == (1, [f"v2v: error: {model} exists; -y overwrites it"])
    assert model.read_bytes() == b"mine"
    assert v2v(*line, "-y").code == 0
    assert model.stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("nothing-of-the-kind -o {tmp}/out", 4, "no such model"),
        ("seg2street -o {tmp}/out", 4, "begins with 5x5 convolutions"),
        ("street-segmenter -o {tmp}/out", 4, "no network like its segmenter"),
        ("edge2face -o {tmp}/no/out", 1, "does not exist"),
        ("edge2face", 2, "'-o'"),
    ],
)
def test_export_refuses_in_one_line(v2v: V2V, tmp_path: Path, line: str, code: int, says: str) -> None:
    done = v2v("models", "export", *(word.format(tmp=tmp_path) for word in line.split()))
    assert (done.code, len(done.lines)) == (code, 1), done.err
    assert says in done.lines[0]
    assert list(tmp_path.iterdir()) == []


def test_a_bundled_model_is_exported(v2v: V2V, tmp_path: Path) -> None:
    done = v2v("models", "export", "edge2face", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["latest_net_G.pth", "latest_net_G0.pth"]
