"""The flow teacher of clips as one of pairs: what coarser temporal judges are shown."""

from __future__ import annotations

import numpy as np
import torch

from v2vcli.train.flow import between, teacher_flow
from v2vcli.worlds import open_world


def test_pairs_get_the_flow_that_a_clip_gets() -> None:
    world = open_world("street", seed=1, width=96, height=64)
    images = np.stack([world.frame(index).image for index in range(3)])
    signed = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    flow = between(teacher_flow)(signed[1:], signed[:-1])
    expected = teacher_flow(images)[0][1:].astype(np.float32)
    assert float(np.abs(expected).max()) > 0.5
    assert np.array_equal(flow.permute(0, 2, 3, 1).numpy(), expected)
    far = between(teacher_flow)(signed[2:], signed[:1])[0]
    assert float(far.abs().mean()) > 1.2 * float(flow.abs().mean())  # two frames apart, things have moved further
