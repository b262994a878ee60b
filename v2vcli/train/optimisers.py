"""Separate optimisers, stepped together: every objective was computed, and differentiated, before any weight moves.

Peculiar:
- gradients are taken of one objective and one network at a time (`torch.autograd.grad`), so that a painter's objective
  leaves nothing behind in the discriminators it passes through, and costs nothing there;
- this is where processes that train together agree: gradients are averaged, then looked at. Where one of them is not
  finite, no optimiser steps, all processes alike, and the step is counted; too many in a row end the run;
- a parameter that an objective does not reach has a gradient of zero, not none, or processes could differ in which
  gradients they have (a face is in one batch and not in another).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from v2vcli.errors import RecipeError
from v2vcli.train.distributed import average_gradients

PAINTER = "painter"
"""The name of the painter's objective among those of its judges."""


class Optimisers:
    """One Adam (Kingma & Ba 2015) for each named group of networks.

    Attributes:
        networks: what is optimised, by the name of its objective.
        skipped: steps that were not taken because a gradient was not finite.
    """

    def __init__(
        self,
        groups: Mapping[str, nn.Module],
        *,
        rate: float,
        betas: tuple[float, float],
        fused: bool = False,
        patience: int = 10,
    ) -> None:
        """Optimise each of `groups`' parameters.

        Args:
            groups: networks by the name of their objective.
            rate: learning rate until a step says another.
            betas: Adam's.
            fused: Adam in one kernel.
            patience: so many steps in a row may be skipped.
        """
        self.networks = dict(groups)
        self._adams = {
            name: torch.optim.Adam(network.parameters(), lr=rate, betas=betas, fused=fused or None)
            for name, network in groups.items()
        }
        self._patience, self._in_a_row, self.skipped = patience, 0, 0

    def step(self, objectives: Mapping[str, Tensor], rate: float) -> bool:
        """Step the optimiser of every objective, at learning rate `rate`.

        Args:
            objectives: scalars by the name of their group; a group without one keeps still.
            rate: learning rate of all.

        Returns:
            Whether the step was taken; it is not where a gradient is not finite.

        Raises:
            RecipeError: that has happened too often in a row.
        """
        # the painter's last, which frees what the judges' objectives have in common with it
        order = sorted(objectives, key=lambda name: name == PAINTER)
        moved = {name: self._differentiated(name, objectives[name], shared=name != order[-1]) for name in order}
        if not self._finite([parameter for parameters in moved.values() for parameter in parameters]):
            self._skip(objectives)
            return False
        self._in_a_row = 0
        for name in objectives:
            for group in self._adams[name].param_groups:
                group["lr"] = rate
            self._adams[name].step()
        return True

    def _differentiated(self, name: str, objective: Tensor, *, shared: bool) -> list[nn.Parameter]:
        """The parameters that are trained, with their gradients, averaged over processes.

        An objective may have been computed together with later ones, `shared`; then what it took is kept for those.
        """
        adam = self._adams[name]
        adam.zero_grad(set_to_none=True)
        trained = [p for group in adam.param_groups for p in group["params"] if p.requires_grad]
        if objective.requires_grad:
            gradients = torch.autograd.grad(objective, trained, retain_graph=shared, materialize_grads=True)
        else:  # there was nothing to judge
            gradients = tuple(torch.zeros_like(parameter) for parameter in trained)
        for parameter, gradient in zip(trained, gradients, strict=True):
            parameter.grad = gradient
        average_gradients(trained)
        return trained

    @staticmethod
    def _finite(parameters: list[nn.Parameter]) -> bool:
        norms = torch._foreach_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        return bool(torch.stack(norms).sum().isfinite())

    def _skip(self, objectives: Mapping[str, Tensor]) -> None:
        self._in_a_row += 1
        self.skipped += 1
        for name in objectives:
            self._adams[name].zero_grad(set_to_none=True)
        if self._in_a_row >= self._patience:
            worst = [name for name, objective in objectives.items() if not bool(objective.isfinite())]
            raise RecipeError(
                f"{self._in_a_row} steps in a row had no finite gradients (objectives that are not finite: "
                f"{', '.join(worst) or 'none'}); go on from the last state with a smaller stage.rate, "
                "or with precision.kind=fp32"
            )

    def state(self) -> dict[str, Any]:
        """Moments and counts."""
        adams = {name: adam.state_dict() for name, adam in self._adams.items()}
        return {"adams": adams, "skipped": self.skipped, "in_a_row": self._in_a_row}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        for name, adam in self._adams.items():
            adam.load_state_dict(state["adams"][name])
        self.skipped, self._in_a_row = state["skipped"], state["in_a_row"]
