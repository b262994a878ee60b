"""benchmarks/training.py runs, at toy size; what it calls faster computes the same."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "training.py"
EXACT = ("hoisted", "joined", "fused", "channels_last", "checkpointing")
ROUNDING = 1e-4
BF16 = 0.05


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_of_training", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _measured(benchmark: ModuleType, capsys: pytest.CaptureFixture[str], *names: str) -> dict[str, dict[str, float]]:
    benchmark.main(["--quick", "--only", *names])
    found: dict[str, dict[str, float]] = json.loads(capsys.readouterr().out)["results"]
    assert list(found) == list(names)
    for each in found.values():
        assert each["fps_without"] > 0 and each["fps_with"] > 0 and each["pairs"] == 2
    return found


def test_what_changes_speed_changes_no_number(benchmark: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    found = _measured(benchmark, capsys, *EXACT, "bf16")
    for name in EXACT:
        assert found[name]["largest_difference"] < ROUNDING, name
    assert ROUNDING < found["bf16"]["largest_difference"] < BF16


def test_turns_alternate_and_ratios_are_of_pairs(benchmark: ModuleType) -> None:
    asked: list[str] = []
    times = {"without": iter([4.0, 8.0, 1.0, 6.0]), "with": iter([2.0, 2.0, 1.0, 2.0])}

    def turn(which: str) -> float:
        asked.append(which)
        return next(times[which])

    pairs = benchmark.paired(lambda: turn("without"), lambda: turn("with"), 4)
    assert asked == ["without", "with", "with", "without", "without", "with", "with", "without"]
    assert pairs == [(4.0, 2.0), (8.0, 2.0), (1.0, 1.0), (6.0, 2.0)]
    found = benchmark.figures("it", 10, pairs)
    assert found["speedup"] == 2.5  # the median of 2, 4, 1, 3
    assert (found["fps_without"], found["fps_with"]) == (2.0, 5.0)


def test_written_figures_replace_only_those_measured(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "DOCS", tmp_path)
    (tmp_path / "training.md").write_text(f"# Before\n\n{benchmark.BEGIN}old\n{benchmark.END}\nAfter.\n")
    for name, pairs in (("a", [(2.0, 1.0)]), ("b", [(1.0, 1.0)]), ("a", [(3.0, 1.0)])):
        benchmark.write({"note": name, "results": {name: benchmark.figures(name, 1, pairs)}})
    page = (tmp_path / "training.md").read_text()
    assert page.startswith("# Before") and page.endswith("After.\n") and "old" not in page
    assert "| a | 0.33 | 1.00 | **3.00** (3.00 to 3.00) | 1 | nothing |" in page and "| b |" in page
    assert json.loads((tmp_path / "training.json").read_text())["results"].keys() == {"a", "b"}


@pytest.mark.slow
def test_data_is_measured_too(benchmark: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    found = _measured(benchmark, capsys, "cached_maps", "cached_flow")
    assert found["cached_maps"]["speedup"] > 1
