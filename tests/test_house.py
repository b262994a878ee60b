"""The rules of the house that no linter knows: file length, docstrings, what an import may drag in."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import v2vcli

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "v2vcli"
MAX_LINES = 400


def _tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    files = [REPOSITORY / name for name in listing.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


def test_no_source_file_is_longer_than_400_lines() -> None:
    lengths = {
        file.relative_to(REPOSITORY): len(file.read_text(encoding="utf-8").splitlines())
        for file in _tracked_files()
        if file.suffix == ".py"
    }
    assert lengths, "the listing found no Python file, so the test would prove nothing"
    assert {file: lines for file, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_module_says_what_it_is_for() -> None:
    modules = sorted(PACKAGE.rglob("*.py"))
    assert len(modules) > 5
    silent = [file for file in modules if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))]
    assert silent == []


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {file.parent for file in PACKAGE.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_no_package_registry_is_named() -> None:
    # Where packages come from is the machine's business (pip's configuration), not the repository's.
    # The names are put together here so that this file does not hold them either.
    hosts = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("download", "pytorch", "org"))]
    naming = [
        (file.relative_to(REPOSITORY), host)
        for file in _tracked_files()
        for host in hosts
        if host.encode() in file.read_bytes()
    ]
    assert naming == []


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == v2vcli.__version__


def test_command_line_starts_without_torch() -> None:
    # `v2v --help` answers in well under half a second only because nothing heavy is imported to print it.
    heavy = ("torch", "torchvision", "cv2", "av", "scenedetect", "torchmetrics")
    code = f"import sys, v2vcli.cli.app; print([name for name in {heavy!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr
    assert ast.literal_eval(loaded.stdout) == []
