"""Map files are read from the middle: the same maps, exactly, with none before them decoded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from v2vcli.maps.files import map_file
from v2vcli.maps.files.map_file import stored_maps
from v2vcli.maps.files.store import MapWriter
from v2vcli.maps.schema import CITYSCAPES19
from v2vcli.maps.spec import MapFrame, MapSpec


@pytest.mark.parametrize("step", [Fraction(1001, 30000), Fraction(1, 5000), Fraction(7, 3)])
@pytest.mark.parametrize("instances", [False, True])
def test_from_any_map_on(tmp_path: Path, step: Fraction, instances: bool) -> None:
    spec = MapSpec("labels", schema=CITYSCAPES19)
    begin = Fraction(7, 5)
    with MapWriter(tmp_path / "maps.mkv", spec) as writer:
        for t in range(40):
            ids = np.full((24, 32), t % 19, np.uint8)
            objects = np.full((24, 32), 100 + t, np.int32) if instances else None
            writer.write(MapFrame(spec, ids, objects), begin + t * step)
    whole = list(stored_maps(tmp_path / "maps.mkv"))
    assert len(whole) == 40
    for first in (0, 1, 17, 39):
        found = list(stored_maps(tmp_path / "maps.mkv", begin + first * step))
        assert [each.pts for each in found] == [each.pts for each in whole[first:]]
        for a, b in zip(found, whole[first:], strict=True):
            assert np.array_equal(a.array, b.array)
            assert (a.instances is None) == (not instances)
            assert a.instances is None or np.array_equal(a.instances, b.instances)


def test_what_lies_before_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, decoded = MapSpec("edges"), 0
    with MapWriter(tmp_path / "maps.mkv", spec) as writer:
        for t in range(200):
            writer.write(MapFrame(spec, np.zeros((64, 64), np.uint8)), Fraction(t, 25))
    pixels = map_file._pixels

    def counted(frame: object) -> object:
        nonlocal decoded
        decoded += 1
        return pixels(frame)  # type: ignore[arg-type]

    monkeypatch.setattr(map_file, "_pixels", counted)
    assert sum(1 for _ in stored_maps(tmp_path / "maps.mkv", Fraction(190, 25))) == 10
    assert decoded <= 12
