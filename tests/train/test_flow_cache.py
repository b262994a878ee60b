"""Flow on the disk: found once, for each pair of frames; damage and other sizes are as if it were not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.train.footage_files import drifting
from v2vcli.errors import OutputError
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train.drawing import with_flow
from v2vcli.train.flow import teacher_flow
from v2vcli.train.flow_cache import FlowCache
from v2vcli.train.footage import Moment, Pictures


def moment(numbers: list[int], key: str | None = "video") -> Moment:
    images = drifting(12, 48, 32)[numbers]
    maps = [MapFrame(MapSpec("edges"), np.zeros((32, 48), np.uint8))] * len(numbers)
    return Moment(images, maps, key=key, numbers=numbers)


def never(images: Pictures) -> tuple[NDArray[np.floating[Any]], NDArray[np.generic]]:
    pytest.fail("found twice")


def test_what_was_found_for_some_windows_serves_others(tmp_path: Path) -> None:
    cache = FlowCache(tmp_path)
    with_flow(moment([3, 4, 5]), teacher_flow, cache)
    with_flow(moment([5, 6]), teacher_flow, cache)
    found = with_flow(moment([4, 5, 6]), never, cache)
    flow, confidence = teacher_flow(moment([4, 5, 6]).images)
    assert found.flow is not None and found.confidence is not None
    assert np.array_equal(found.flow, flow)
    assert np.array_equal(found.confidence, confidence)


def test_a_stride_and_another_video_have_flow_of_their_own(tmp_path: Path) -> None:
    cache = FlowCache(tmp_path)
    with_flow(moment([3, 4, 5]), teacher_flow, cache)
    assert cache.found(moment([3, 5])) is None
    assert cache.found(moment([3, 4], key="other")) is None
    assert cache.found(moment([3, 4], key=None)) is None
    smaller = replace(moment([3, 4]), images=moment([3, 4]).images[:, :16])
    assert cache.found(smaller) is None


def test_damage_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    cache = FlowCache(tmp_path)
    with_flow(moment([3, 4]), teacher_flow, cache)
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    assert cache.found(moment([3, 4])) is None
    assert with_flow(moment([3, 4]), teacher_flow, cache).flow is not None
    assert cache.found(moment([3, 4])) is not None
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_that_takes_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match=r"flow cannot be kept .*; make room, or leave data\.cache out"):
        with_flow(moment([3, 4]), teacher_flow, FlowCache(tmp_path / "file"))
