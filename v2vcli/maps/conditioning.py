"""Maps as tensors: what the networks see. Torch, on any device.

Shapes: N frames, C channels, H, W pixels. Conventions are those of the vid2vid paper's section 3: labels one-hot, then
(if the model uses instances) one plane with the boundaries between instances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from v2vcli.errors import InputError, SchemaMismatch
from v2vcli.maps.files.kitti import decode_flow, nearness
from v2vcli.maps.label_schema import VOID, LabelSchema
from v2vcli.maps.spec import MapFrame

_FLOW_UNIT: Final = np.float32(20)
"""Pixels: what flow heads are multiplied by (`models.scales`)."""


def one_hot(ids: Tensor, classes: int) -> Tensor:
    """Give each class a plane.

    Args:
        ids: (..., H, W) class ids, integers or floats (truncated); `VOID` (255) has no plane.
        classes: Number of planes.

    Returns:
        (..., classes, H, W) float32, 0 or 1; all zero where void.

    Raises:
        SchemaMismatch: An id is neither in 0..classes-1 nor `VOID`. (Costs a synchronisation on a GPU.)
    """
    ids = ids.long()
    wrong = ((ids < 0) | (ids >= classes)) & (ids != VOID)
    if bool(wrong.any()):
        values = torch.unique(ids[wrong]).tolist()
        raise SchemaMismatch(f"label map has ids {values}, but there are only {classes} classes; check the schema")
    return _planes(ids, classes)


def _planes(ids: Tensor, classes: int) -> Tensor:
    numbers = torch.arange(classes, device=ids.device, dtype=ids.dtype)
    planes = torch.empty((*ids.shape[:-2], classes, *ids.shape[-2:]), dtype=torch.float32, device=ids.device)
    return torch.eq(ids.unsqueeze(-3), numbers[:, None, None], out=planes)  # straight into float32, no bool in between


def instance_edges(instances: Tensor) -> Tensor:
    """Mark the boundaries between instances.

    Args:
        instances: (..., H, W) ids, any number type.

    Returns:
        (..., H, W) float32: 1 where the id differs from that of the left, right, upper or lower neighbour inside the
        image, else 0. Boundaries are two pixels wide.
    """
    edges = torch.zeros(instances.shape, dtype=torch.bool, device=instances.device)
    across = instances[..., :, 1:] != instances[..., :, :-1]
    down = instances[..., 1:, :] != instances[..., :-1, :]
    edges[..., :, 1:] |= across
    edges[..., :, :-1] |= across
    edges[..., 1:, :] |= down
    edges[..., :-1, :] |= down
    return edges.to(torch.float32)


def foreground_mask(one_hot: Tensor, indices: Sequence[int]) -> Tensor:
    """Where the foreground branch paints: the background mask b of equation (2) is one minus this.

    Args:
        one_hot: (..., C, H, W) label planes of the current frame, possibly fractional (averaged down).
        indices: Planes of the foreground classes (`LabelSchema.foreground_ids`); none gives an all-zero mask.

    Returns:
        (..., 1, H, W) in [0, 1].
    """
    return one_hot[..., list(indices), :, :].sum(dim=-3, keepdim=True).clamp(0, 1)


def halved(x: Tensor) -> Tensor:
    """Half the size, as the reference pools maps and images from scale to scale.

    Args:
        x: (..., C, H, W) floats.

    Returns:
        (..., C, (H + 1) // 2, (W + 1) // 2): means of 3x3 pixels, stride 2, of those inside the picture.
    """
    pooled = F.avg_pool2d(x.reshape(-1, *x.shape[-3:]), 3, 2, 1, count_include_pad=False)
    return pooled.reshape(*x.shape[:-2], *pooled.shape[-2:])


def pyramid(x: Tensor, levels: int) -> list[Tensor]:
    """`x` (..., C, H, W) and its halvings, finest first: one for each spatial scale of the generator.

    Labels become fractional on the coarser levels, and so do instance edges and foreground masks made from them.
    """
    found = [x]
    while len(found) < levels:
        found.append(halved(found[-1]))
    return found


def map_tensor(maps: Sequence[MapFrame], device: torch.device | str) -> Tensor:
    """Turn maps of one spec and one size into the networks' input.

    Returns:
        (N, C, H, W) float32 on `device`, C = `spec.channels`. Labels: one-hot in [0, 1], zero where an id has no plane
        (void), then the instance edges if the spec has them. Edges: 0 or 1, then the distance from them if the spec
        says so (`edge_distance`). rgb: [-1, 1]. Faces: [0, 1]. Poses: [-1, 1]; of DensePose's part number, 0..24, as
        well. Flow: u and v in units of 20 pixels, as the generator's flow heads have it, then 1 where it is known.
        Depth: `kitti.nearness`, then 1 where it is known.

    Raises:
        InputError: No maps, mixed specs or sizes, or the spec wants instance edges and a map has no instances.
        SchemaMismatch: A label map has ids that its schema does not know.
    """
    if not maps:
        raise InputError("no maps to make a tensor from; give at least one")
    spec, size = maps[0].spec, maps[0].size
    for m in maps:
        if m.size != size or m.spec != spec:
            raise InputError(
                f"maps in one window differ: {spec.kind} {size} and {m.spec.kind} {m.size}; resize or remap"
            )
    if spec.kind in ("flow", "depth"):
        return torch.from_numpy(np.stack([_measured(m) for m in maps])).to(device, non_blocking=True)
    array = torch.from_numpy(np.stack([m.array for m in maps])).to(device, non_blocking=True)
    if spec.kind == "rgb":
        return array.permute(0, 3, 1, 2).to(torch.float32).div_(127.5).sub_(1.0).contiguous()
    if spec.kind == "face":
        return array.permute(0, 3, 1, 2).to(torch.float32).div_(255).contiguous()
    if spec.kind == "pose":
        full = torch.full((spec.channels,), 255.0, device=array.device)
        if spec.channels == 6:
            full[2] = 24  # DensePose's parts
        return (array.permute(0, 3, 1, 2) / full[:, None, None]).sub_(0.5).div_(0.5).contiguous()
    if spec.edges is not None:
        edges = (array > 127).to(torch.float32).unsqueeze(1)
        if not spec.edges.distance:
            return edges
        distances = torch.from_numpy(np.stack([edge_distance(m.array) for m in maps]))
        return torch.cat([edges, distances.unsqueeze(1).to(device, non_blocking=True)], dim=1)
    schema = spec.label_schema
    for m in maps:
        _require_known(m.array, schema)  # on the CPU, so that a GPU need not be waited for
    planes = _planes(array, schema.planes)
    if not spec.instance_edges:
        return planes
    instances = [m.instances for m in maps if m.instances is not None]
    if len(instances) < len(maps):
        raise InputError(
            "the model paints from instance edges, but the maps have no instance ids; "
            "give maps with instances or a model without instance edges"
        )
    edges = instance_edges(torch.from_numpy(np.stack(instances)).to(device, non_blocking=True))
    return torch.cat([planes, edges.unsqueeze(1)], dim=1)


def edge_distance(edges: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Distance from the nearest edge, as face maps have it from their curves: across plus down, in steps of 3 pixels.

    Args:
        edges: (H, W) uint8, 0 or 255.

    Returns:
        (H, W) float32: 0 on an edge, 1 from 765 pixels on, and everywhere where there is no edge.
    """
    import cv2

    distance = cv2.distanceTransform(np.where(edges > 127, np.uint8(0), np.uint8(255)), cv2.DIST_L1, 3)
    return np.asarray(np.minimum(np.floor(distance / 3), 255) / 255, np.float32)


def _measured(frame: MapFrame) -> NDArray[np.float32]:
    """(C, H, W) of a flow or depth map: the measure, then where it is known."""
    if frame.spec.kind == "depth":
        return np.stack((nearness(frame.array), (frame.array > 0).astype(np.float32)))
    flow, known = decode_flow(frame.array)
    return np.concatenate((np.moveaxis(flow, 2, 0) / _FLOW_UNIT, known[None].astype(np.float32)))


def _require_known(ids: NDArray[np.uint8], schema: LabelSchema) -> None:
    if unknown := schema.unknown_ids(ids):
        raise SchemaMismatch(f"label map has ids {unknown} that schema '{schema.name}' does not know; remap it first")
