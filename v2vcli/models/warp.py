"""Backward warping by optical flow, in pixels.

Convention, everywhere in v2v: flow lives on the grid of the *current* frame and says where to read in the *previous*
one, warped(x, y) = previous(x + u, y + v); channel 0 is u (right), channel 1 is v (down).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def warp(previous: Tensor, flow: Tensor) -> Tensor:
    """Read `previous` along `flow`, bilinear, corner-aligned, border-clamped: the warp of equation (1).

    Shapes: (N, C, H, W) and (N, 2, H, W) in pixels -> (N, C, H, W) of `previous`'s type.
    """
    grid = reading_grid(flow)
    read = F.grid_sample(previous.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=True)
    return read.to(previous.dtype)


def reading_grid(flow: Tensor) -> Tensor:
    """Where `warp` reads: (N, H, W, 2), x and y, the corners' centres at -1 and 1; float32 at least."""
    height, width = flow.shape[-2:]
    flow = flow.to(torch.promote_types(flow.dtype, torch.float32))  # half a type cannot tell neighbouring pixels apart
    x = torch.linspace(-1.0, 1.0, width, device=flow.device, dtype=flow.dtype)
    y = torch.linspace(-1.0, 1.0, height, device=flow.device, dtype=flow.dtype)
    # max(..., 1): a side of one pixel has only one place to read from
    grid_x = x + flow[:, 0] * (2.0 / max(width - 1, 1))
    grid_y = y[:, None] + flow[:, 1] * (2.0 / max(height - 1, 1))
    return torch.stack((grid_x, grid_y), dim=-1)
