"""The warping error: 0 for a still, near 0 for a moved texture, the amplitude of flicker, blind to what is hidden."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from v2vcli.errors import InputError
from v2vcli.evaluation import Context, Measurement, Moment
from v2vcli.evaluation.temporal import WarpErrorDis
from v2vcli.maps.over_time.flow import DisFlow, consistent, ends_inside, warp

Images = Sequence[NDArray[np.uint8]]


def _measure(images: Images, references: Images | None = None) -> Measurement:
    height, width = images[0].shape[:2]
    measuring = WarpErrorDis(Context(width, height))
    for index, image in enumerate(images):
        measuring.update(Moment(index, image, references[index] if references is not None else None))
    return measuring.measurement()


def _flickering(images: Images, amplitude: int) -> list[NDArray[np.uint8]]:
    signs = [1 if t % 2 else -1 for t in range(len(images))]
    return [
        np.clip(image.astype(int) + sign * amplitude, 0, 255).astype(np.uint8)
        for image, sign in zip(images, signs, strict=True)
    ]


def test_warp_reads_where_the_flow_points_and_clamps() -> None:
    previous = np.arange(12, dtype=np.float32).reshape(3, 4)
    flow = np.zeros((3, 4, 2), np.float32)
    flow[..., 0] = 1
    assert warp(previous, flow)[0].tolist() == [1, 2, 3, 3]
    flow[..., 0], flow[..., 1] = 0.5, -9
    assert warp(previous, flow)[2].tolist() == [0.5, 1.5, 2.5, 3]


def test_dis_flow_points_back_to_where_a_pan_came_from(panning: Images) -> None:
    # The window moved by (+3, +1), so a pixel at x shows what was at x + 3 before.
    flow = DisFlow().between(panning[1], panning[0], photometric=True)
    u, v = flow.flow[12:-12, 12:-12].reshape(-1, 2).T
    assert np.median(u) == pytest.approx(3, abs=0.1)
    assert np.median(v) == pytest.approx(1, abs=0.1)
    assert flow.trusted[12:-12, 12:-12].mean() > 0.9


def test_flow_does_not_depend_on_what_was_asked_before(panning: Images) -> None:
    dis = DisFlow()
    first = dis.between(panning[1], panning[0], photometric=False).flow
    dis.between(panning[7], panning[0], photometric=False)
    assert np.array_equal(dis.between(panning[1], panning[0], photometric=False).flow, first)


def test_vectors_that_leave_the_frame_or_do_not_return_are_not_trusted() -> None:
    flow = np.zeros((4, 5, 2), np.float32)
    flow[..., 0] = 2
    assert ends_inside(flow)[0].tolist() == [True, True, True, False, False]
    assert consistent(flow, -flow).all()
    assert not consistent(flow, flow).any()
    assert not consistent(flow, np.zeros_like(flow)).any()


def test_a_still_has_no_warping_error(texture: NDArray[np.uint8]) -> None:
    found = _measure([texture] * 4)
    assert found.value == 0
    assert found.details["trusted"] == 1
    assert found.details["pairs"] == 3


def test_a_moved_texture_has_next_to_none(panning: Images) -> None:
    found = _measure(panning)
    still_flow = (
        float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(panning[1:], panning, strict=False)])) / 255
    )
    assert found.value is not None
    assert found.value < 0.01
    assert found.value < still_flow / 10, "without following the motion the frames differ by more than ten times that"


def test_flicker_is_measured_at_its_amplitude(panning: Images) -> None:
    found = _measure(_flickering(panning, 6), panning)
    assert found.value == pytest.approx(12 / 255, rel=0.1)
    steady = _measure(panning, panning)
    assert steady.value is not None
    assert steady.details["reference"] == steady.value
    assert steady.details["ratio"] == 1
    assert found.details["ratio"] == pytest.approx(found.value / steady.value)


def test_more_flicker_is_a_larger_error(panning: Images) -> None:
    for references in (None, panning):
        values = [_measure(_flickering(panning, amplitude), references).value for amplitude in (0, 3, 6)]
        assert values[0] < values[1] < values[2]


def test_the_reference_decides_what_is_trusted(panning: Images) -> None:
    # An output that is one flat colour is perfectly steady; along its own flow and along the reference's.
    flat = [np.full_like(panning[0], 90)] * len(panning)
    alone, guided = _measure(flat), _measure(flat, panning)
    assert alone.value == guided.value == 0
    assert guided.details["trusted"] == _measure(panning, panning).details["trusted"] < 1


def test_what_an_object_uncovers_is_left_out(texture: NDArray[np.uint8]) -> None:
    # A square moves 6 px over a still texture. What it uncovers was seen nowhere before; an output that differs there
    # only (painted anew, as it must be) must not be blamed.
    background = texture[:96, :144]
    square = cv2.flip(texture, 0)[20:60, 100:140]
    frames = []
    for left in (40, 46):
        frame = background.copy()
        frame[28:68, left : left + 40] = square
        frames.append(frame)
    painted = [frame.copy() for frame in frames]
    painted[1][30:66, 41:45] = 255
    found, clean = _measure(painted, frames), _measure(frames, frames)
    changed = np.abs(painted[1].astype(int) - frames[1]).mean() / 255
    assert changed > 0.002
    assert found.value - clean.value < changed / 5


def test_a_cut_is_left_out(panning: Images, texture: NDArray[np.uint8]) -> None:
    other = np.random.default_rng(3).integers(0, 256, panning[0].shape, dtype=np.uint8)
    found = _measure([*panning[:3], other, other], [*panning[:3], other, other])
    assert found.details["pairs_left_out"] == 1
    assert found.value < 0.01
    assert "1 of 4 pairs" in found.note


def test_one_frame_has_no_warping_error(texture: NDArray[np.uint8]) -> None:
    found = _measure([texture])
    assert found.value is None
    assert found.note


def test_frames_too_small_for_the_flow_are_refused() -> None:
    with pytest.raises(InputError, match="12x12, these are 1x1"):
        WarpErrorDis(Context(1, 1))
    found = _measure([np.zeros((12, 12, 3), np.uint8)] * 2)
    assert found.value == 0
