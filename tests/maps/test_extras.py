"""Packages that are not installed with v2v: what is said where they are wanted and missing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from v2vcli.errors import ModelError
from v2vcli.maps.makers import face_makers, transformers_loading
from v2vcli.maps.makers.transformers_makers import open_transformers

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_missing_package_is_said_in_one_line_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for module, ask in (
        (transformers_loading, lambda: open_transformers(str(tmp_path), "cpu")),
        (face_makers, lambda: face_makers.open_face_alignment("2d", "cpu")),
    ):
        with pytest.raises(ModelError) as raised:
            ask()
        assert str(raised.value).endswith(f"which is not here; pip install '{module.REQUIREMENT}'")
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("package", ["transformers", "face_alignment"])
def test_a_package_that_cannot_be_imported_is_said_in_one_line(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("raise ImportError('its parts do\\nnot fit')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ModelError, match=r"cannot be imported .its parts do not fit.; pip install --upgrade") as raised:
        if package == "transformers":
            open_transformers(str(tmp_path), "cpu")
        else:
            face_makers.open_face_alignment("2d", "cpu")
    assert "\n" not in str(raised.value)


def test_the_commands_are_those_of_the_project() -> None:
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["hf"] == [transformers_loading.REQUIREMENT]
    assert extras["face"] == [face_makers.REQUIREMENT]


def test_the_makers_are_imported_without_the_packages() -> None:
    script = (
        "import sys; from v2vcli.maps.makers import transformers_makers, transformers_pose, face_makers;"
        "assert not {'transformers', 'face_alignment', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=True)
