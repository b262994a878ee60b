"""Faces and poses where they cannot go yet: one line that says so, and what to do."""

from __future__ import annotations

import pytest

from v2vcli.errors import OutputError, UsageError
from v2vcli.maps.sources import open_maps
from v2vcli.maps.spec import MapSpec
from v2vcli.maps.store import MapWriter

each_kind = pytest.mark.parametrize("kind", ["face", "pose"])


@each_kind
@pytest.mark.parametrize("name", ["maps.mkv", "maps"])
def test_they_are_not_stored(tmp_path, kind, name):
    with pytest.raises(OutputError, match=f"'{kind}' maps cannot be stored yet; keep the keypoints"):
        MapWriter(tmp_path / name, MapSpec(kind))
    assert list(tmp_path.iterdir()) == []


@each_kind
def test_they_are_not_read(tmp_path, kind):
    with pytest.raises(
        UsageError, match=rf"'{kind}' maps, which v2v cannot read .* draw them with v2vcli.maps.{kind} "
    ):
        open_maps(tmp_path, MapSpec(kind))
