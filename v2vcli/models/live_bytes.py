"""How many bytes of tensors are alive while something runs, and at most were; on ``meta`` tensors it costs nothing.

Peculiar: storages are counted when an operation first returns one, and no longer once Python has let go of it. What an
operation holds only while it runs is not seen, but for convolutions: their libraries lay data out anew, so that each is
taken to hold, beside its output, as much again as its input and weights; a transposed one twice its output, if that is
more (both as measured with PyTorch's CPU build).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Counts while it is entered (``with LiveBytes(...) as live:``).

    Attributes:
        now: bytes alive, in tensors made since it was entered.
        peak: the most there were; may be set to 0 to begin anew.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        """Tensors in `known` (weights), and views of them, are not counted."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._counted = {id(tensor.untyped_storage()) for tensor in known}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operation and look at what it returns."""
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution.default:
            data, weight, transposed = args[0], args[1], args[6]
            at_work = data.nbytes + weight.nbytes
            at_work = max(at_work, 2 * result.nbytes) if transposed else at_work
            self.peak = max(self.peak, self.now + at_work + result.nbytes)
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if id(storage) in self._counted:
            return
        self._counted.add(id(storage))
        weakref.finalize(storage, self._forget, id(storage), storage.nbytes())
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)

    def _forget(self, key: int, size: int) -> None:
        self._counted.discard(key)
        self.now -= size
