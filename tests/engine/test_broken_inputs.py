"""Mutated files through `convert`: a video or one line, in time, and never a bad file under the final name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engine.broken_inputs import CODES, fates, playable, whole_files
from tests.engine.mutations import WAYS, mutated


@pytest.mark.slow
def test_two_hundred_broken_files(edge_model: Path, tmp_path: Path) -> None:
    seen = list(fates(tmp_path, edge_model, range(200)))
    assert len(seen) == 200
    wrong = {fate.case: (fate.wrong, fate.said) for fate in seen if fate.wrong}
    assert wrong == {}, json.dumps(wrong, indent=1)
    codes = {fate.code for fate in seen}
    assert codes <= set(CODES)
    # both outcomes are common, or the mutations do nothing (or too much)
    assert sum(fate.code == 0 for fate in seen) > 20
    assert sum(fate.code == 5 for fate in seen) > 20


def test_a_few_broken_files(edge_model: Path, tmp_path: Path) -> None:
    seen = list(fates(tmp_path, edge_model, range(10)))
    assert [fate.wrong for fate in seen] == [[]] * 10, [fate.said for fate in seen]


def test_mutations_are_seeded_and_change_the_file(tmp_path: Path) -> None:
    for path in whole_files(tmp_path):
        data = path.read_bytes()
        assert playable(path), path
        broken = [mutated(data, seed) for seed in range(60)]
        assert broken == [mutated(data, seed) for seed in range(60)]
        assert sum(other == data for _, other in broken) < 12  # swapping equal parts changes nothing
    assert len({way for way, _ in broken}) > len(WAYS) // 2
