"""Files of the reference implementation: a ``.pth`` that holds one network's state dict, and nothing else.

Peculiar:
- such a file is a pickle, and a pickle can run code. It is read by PyTorch's weights-only unpickler, which makes
  tensors and containers and refuses every other name before anything is called; what it refused is said by name.
- what comes out is looked at before it is used: text keys, dense tensors in memory, and no tensor that claims more
  elements than the file holds (a stride of 0 makes terabytes of one number).
- files are written in PyTorch's default format, which PyTorch 1.6 and newer read, with the same bytes every time.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from v2vcli.errors import ModelError


@dataclass(frozen=True, eq=False)
class StateFile:
    """One state dict as it was found.

    Attributes:
        path: where.
        sha256: of the whole file.
        tensors: by their key in the file, in the order of the file; on the CPU, of any type.
    """

    path: Path
    sha256: str
    tensors: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        """The file's name, as messages give it."""
        return self.path.name


def read_state(path: Path) -> StateFile:
    """Read a state dict, running nothing.

    Raises:
        ModelError: not there, not a PyTorch file, damaged, or it holds anything but named, dense tensors.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()}); check the path") from None
    if not start:
        raise ModelError(f"{path}: is empty; copy or download it anew")
    if start[8:] == b"{":  # a length of eight bytes, then JSON
        raise ModelError(f"{path}: is a safetensors file; import takes .pth files of the reference implementation")
    return StateFile(path, digest, _tensors(path, _unpickled(path)))


def _unpickled(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what PyTorch warns of is no concern of whoever imports
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damage shows as anything from EOFError to KeyError
        # the message of PyTorch itself recommends to load without protection, so it is not passed on
        if named := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise ModelError(
                f"{path}: refused, for it asks to run {named[1]}; nothing of it was run. Only files of tensors are "
                "imported: save the network's state_dict()"
            ) from None
        reason = "truncated, or no PyTorch file at all" if _is_archive(path) else "no PyTorch file, or a damaged one"
        raise ModelError(f"{path}: cannot be read: {reason}; copy or download it anew") from None


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _tensors(path: Path, state: Any) -> OrderedDict[str, Tensor]:
    """The state dict with every value checked."""
    if not isinstance(state, dict):
        raise ModelError(f"{path}: holds a {type(state).__name__}, not a state dict; save the network's state_dict()")
    found: OrderedDict[str, Tensor] = OrderedDict()
    storages: set[int] = set()
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            what = f"a {type(value).__name__}" if isinstance(key, str) else f"under a {type(key).__name__}"
            raise ModelError(f"{path}: {key!r} is {what}, not a tensor by name; save the network's state_dict() itself")
        if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
            raise ModelError(f"{path}: {key} is not a dense tensor; convert it and save it again")
        storage, needed = value.untyped_storage(), value.numel() * value.element_size()
        if needed > storage.nbytes():
            raise ModelError(f"{path}: {key} claims more numbers than the file holds; save it .contiguous()")
        own = storage.nbytes() == needed and storage.data_ptr() not in storages
        storages.add(storage.data_ptr())
        found[key] = value.detach() if own else value.detach().clone()  # safetensors stores no view of another tensor
    if not found:
        raise ModelError(f"{path}: holds no tensors; is it the right file?")
    return found


def write_state(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a state dict, with each tensor in a storage of its own, over whatever is at `path`."""
    state = OrderedDict((key, value.detach().contiguous().clone()) for key, value in tensors.items())
    with path.open("wb") as file:  # not by name: PyTorch would write the name into the file
        torch.save(state, file)
