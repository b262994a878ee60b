"""One process of several that average: run by its path, with `ARGUMENTS` as globals; leaves what it found as JSON."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import torch
from torch import nn

from v2vcli.train import distributed
from v2vcli.train.distributed import any_of, average_gradients, mean_scalars, same_everywhere
from v2vcli.train.process_group import joined, wait_for_all


def average(environment: dict[str, str], found: str) -> None:
    """Gradients, numbers and flags of ranks 0 and 1."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    distributed.BUCKET = 5  # so that there are several
    minutes = timedelta(minutes=1)
    with joined(torch.device("cpu"), patience=minutes, stuck_after=minutes, lost=print) as (world, _):
        parameters = [nn.Parameter(torch.zeros(shape)) for shape in [(2, 3), (1,), (4,), (2,)]]
        for index, parameter in enumerate(parameters):
            if index != 1:  # one has none, in all processes
                parameter.grad = torch.arange(float(parameter.numel())).view_as(parameter) + 10 * world.rank
        average_gradients(parameters)
        network = nn.Linear(2, 2)
        nn.init.constant_(network.weight, 1.0)
        nn.init.constant_(network.bias, 0.0)
        alike = same_everywhere({"network": network})
        if world.leads:
            network.bias.data[1] += 1e-7
        wait_for_all()
        outcome = {
            "gradients": [None if each.grad is None else each.grad.flatten().tolist() for each in parameters],
            "scalars": mean_scalars({"loss": 1.0 + world.rank, "frames": 3.0}, summed=("frames",)),
            "any": [any_of(world.rank == 1), any_of(False)],
            "same": [alike, same_everywhere({"network": network})],
        }
        Path(found).write_text(json.dumps(outcome))


if "ARGUMENTS" in globals():
    average(**globals()["ARGUMENTS"])
