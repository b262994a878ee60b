"""No golden file is forgotten: not by the manifest, and not by the tests."""

from __future__ import annotations

from pathlib import Path

from tests.golden.manifest import PROVES


def test_the_manifest_names_every_file(golden_dir: Path) -> None:
    recorded = {path.stem for path in golden_dir.iterdir() if path.suffix in (".safetensors", ".json")} - {"index"}
    assert recorded == set(PROVES)


def test_a_test_names_every_file() -> None:
    text = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in PROVES if f'"{name}' not in text] == []
