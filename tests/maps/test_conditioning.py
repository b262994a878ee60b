"""Maps as tensors, by hand; `tests/golden/test_helpers.py` has the recorded numbers of the reference."""

import cv2
import numpy as np
import pytest
import torch

from v2vcli.errors import InputError, SchemaMismatch
from v2vcli.maps.conditioning import foreground_mask, halved, instance_edges, map_tensor, one_hot, pyramid
from v2vcli.maps.files.kitti import encode_flow
from v2vcli.maps.schema import CAMVID11, CITYSCAPES19, CITYSCAPES35
from v2vcli.maps.spec import CannySettings, MapFrame, MapSpec


def test_foreground_mask_is_clamped_and_empty_without_classes():
    planes = torch.full((1, 3, 2, 2), 0.7)
    assert torch.equal(foreground_mask(planes, [0, 2]), torch.ones(1, 1, 2, 2))
    assert torch.equal(foreground_mask(planes, []), torch.zeros(1, 1, 2, 2))


def test_one_hot_of_void_is_zero_and_of_anything_else_unknown_an_error():
    ids = torch.tensor([[0, 1, 255]], dtype=torch.uint8)
    assert one_hot(ids, 2).tolist() == [[[1, 0, 0]], [[0, 1, 0]]]
    for wrong in (2, 254):
        with pytest.raises(SchemaMismatch, match=rf"ids \[{wrong}\], but there are only 2 classes"):
            one_hot(torch.tensor([[wrong]], dtype=torch.uint8), 2)
    with pytest.raises(SchemaMismatch, match=r"\[-3\]"):
        one_hot(torch.tensor([[-3.0]]), 2)


def test_instance_edges_by_hand_and_at_one_pixel():
    assert instance_edges(torch.tensor([[1, 1, 2, 2]])).tolist() == [[0, 1, 1, 0]]
    assert instance_edges(torch.tensor([[1], [1], [2]])).tolist() == [[0], [1], [1]]
    assert instance_edges(torch.tensor([[7]])).tolist() == [[0]]


def test_label_tensor():
    spec = MapSpec("labels", CITYSCAPES19, instance_edges=True)
    ids = np.array([[13, 13, 255]], np.uint8)
    frame = MapFrame(spec, ids, np.array([[1, 2, 2]], np.int32))
    tensor = map_tensor([frame, frame], "cpu")
    assert tensor.shape == (2, spec.channels, 1, 3)
    assert tensor.dtype == torch.float32
    assert tensor[1, 13].tolist() == [[1, 1, 0]]
    assert tensor[1, 19].tolist() == [[1, 1, 0]]
    assert tensor[:, :19].sum() == 4


def test_void_has_no_plane_in_camvid_but_has_one_in_cityscapes35():
    camvid = map_tensor([MapFrame(MapSpec("labels", CAMVID11), np.array([[11, 255, 0]], np.uint8))], "cpu")
    assert camvid.shape[1] == 11
    assert camvid.sum(1).tolist() == [[[0, 0, 1]]]
    city = map_tensor([MapFrame(MapSpec("labels", CITYSCAPES35), np.array([[0, 255, 34]], np.uint8))], "cpu")
    assert city.sum(1).tolist() == [[[1, 0, 1]]]


def test_edge_and_rgb_tensors():
    edges = map_tensor([MapFrame(MapSpec("edges"), np.array([[0, 255]], np.uint8))], "cpu")
    assert edges.tolist() == [[[[0, 1]]]]
    rgb = map_tensor([MapFrame(MapSpec("rgb"), np.array([[[0, 255, 51]]], np.uint8))], "cpu")
    torch.testing.assert_close(rgb, torch.tensor([-1, 1, -0.6]).view(1, 3, 1, 1))


def test_edges_with_their_distance():
    spec = MapSpec("edges", edges=CannySettings(distance=True))
    edges = np.zeros((7, 9), np.uint8)
    edges[:, 2] = 255
    tensor = map_tensor([MapFrame(spec, edges), MapFrame(spec, np.zeros_like(edges))], "cpu")
    assert tensor.shape == (2, spec.channels, 7, 9)
    assert torch.equal(tensor[0, 0], torch.from_numpy(edges > 0).float())
    steps = [abs(x - 2) // 3 / 255 for x in range(9)]  # in steps of 3 pixels
    torch.testing.assert_close(tensor[0, 1], torch.tensor([steps] * 7))
    assert tensor[1, 0].eq(0).all() and tensor[1, 1].eq(1).all()  # no edge anywhere: as far as can be


def test_edge_distances_are_those_of_face_maps():
    """The same rule: a face map with a single curve drawn, seen as edges."""
    from v2vcli.maps.conditioning import edge_distance
    from v2vcli.maps.drawn.curves import chain, draw

    line = np.zeros((64, 80), np.uint8)
    draw(line, chain(np.array([[10.0, 10], [40, 30], [70, 20]]), quirks=False), 1, quirks=False)
    expected = np.minimum(cv2.distanceTransform(~line, cv2.DIST_L1, 3) / 3, 255).astype(np.uint8)
    assert np.array_equal(edge_distance(line), expected.astype(np.float32) / 255)


def test_flow_and_depth_tensors():
    flow = np.zeros((1, 3, 2))
    flow[0, 0], flow[0, 1] = (20, -10), (np.nan, 0)
    tensor = map_tensor([MapFrame(MapSpec("flow"), encode_flow(flow))], "cpu")
    assert tensor.tolist() == [[[[1, 0, 0]], [[-0.5, 0, 0]], [[1, 0, 1]]]]
    depth = map_tensor([MapFrame(MapSpec("depth"), np.array([[0, 256, 65535]], np.uint16))], "cpu")
    assert depth.dtype == torch.float32 and depth[0, 1].tolist() == [[0, 1, 1]]
    expected = torch.tensor([[0, 1 - 1 / np.log2(257), 0]], dtype=torch.float32)
    torch.testing.assert_close(depth[0, 0], expected, rtol=0, atol=1e-5)


def test_what_map_tensor_refuses():
    labels = MapSpec("labels", CITYSCAPES19)
    frame = MapFrame(labels, np.zeros((2, 2), np.uint8))
    with pytest.raises(InputError, match="no maps"):
        map_tensor([], "cpu")
    with pytest.raises(InputError, match=r"differ: labels \(2, 2\) and labels \(3, 2\)"):
        map_tensor([frame, MapFrame(labels, np.zeros((2, 3), np.uint8))], "cpu")
    with pytest.raises(InputError, match="differ"):
        map_tensor([frame, MapFrame(MapSpec("labels", CAMVID11), frame.array)], "cpu")
    with pytest.raises(SchemaMismatch, match=r"ids \[19\] that schema 'cityscapes19'"):
        map_tensor([MapFrame(labels, np.full((2, 2), 19, np.uint8))], "cpu")
    with pytest.raises(InputError, match="have no instance ids"):
        map_tensor([MapFrame(MapSpec("labels", CITYSCAPES19, instance_edges=True), frame.array)], "cpu")


def test_half_of_one_pixel_is_that_pixel_and_borders_do_not_darken():
    assert halved(torch.full((2, 3, 1, 1), 0.7)).flatten().tolist() == pytest.approx([0.7] * 6)
    assert halved(torch.ones(5, 9, 7)).eq(1).all()
    assert halved(torch.ones(2, 4, 3, 8, 5)).shape == (2, 4, 3, 4, 3)


def test_a_pyramid_has_as_many_levels_as_asked_finest_first():
    x = torch.rand(1, 2, 12, 20)
    assert [tuple(level.shape[-2:]) for level in pyramid(x, 3)] == [(12, 20), (6, 10), (3, 5)]
    assert pyramid(x, 1)[0] is x
