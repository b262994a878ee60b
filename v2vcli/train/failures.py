"""How a run ends before its end: asked to, or by something that is not a slip in the program; one line each.

Peculiar: the libraries tell of a full memory, a full disk or a vanished peer in many ways, some only in the text of a
`RuntimeError`. They are told apart here and nowhere else; what is not recognised stays the exception that it is.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import distributed as dist

from v2vcli.errors import OutputError, V2VError

GOES_ON = "the same command goes on from the last save"


class Interrupted(V2VError):
    """Somebody asked the run to stop; everything is saved, the same command goes on."""

    exit_code = 75


class RunError(V2VError):
    """A run cannot go on: memory, a worker, a number that is not one."""


class PeerLost(RunError):
    """Another process of this run is gone, or does not answer."""


_NO_MEMORY = ("can't allocate memory", "DefaultCPUAllocator", "out of memory", "std::bad_alloc")
_NO_PEER = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "Socket Timeout",
    "Timed out waiting",
    "gloo",
    "NCCL",
)


@contextmanager
def in_plain_words(where: str) -> Iterator[None]:
    """Turn what can happen to any run into one line.

    Args:
        where: what was being done: ``stage video, step 120``.

    Raises:
        RunError: memory is full, or a process that prepares data died.
        PeerLost: another process of the run cannot be reached.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(where, error) from error
    except dist.DistError as error:
        raise _peer_lost(where) from error
    except RuntimeError as error:
        text = str(error)
        if any(sign in text for sign in _NO_MEMORY):
            raise _out_of_memory(where, error) from error
        if isinstance(error, BrokenExecutor):
            raise RunError(
                f"{where}: a process that prepares data died, often for want of memory; "
                f"set data.workers lower; {GOES_ON}"
            ) from error
        if dist.is_initialized() and any(sign in text for sign in _NO_PEER):
            raise _peer_lost(where) from error
        raise


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Turn a disk that takes no more into one line; what was saved before is whole, as nothing is written over it.

    Args:
        path: what is being written.

    Raises:
        OutputError: the disk is full, or may not be written to.
    """
    try:
        yield
    except OSError as error:
        raise _not_saved(path, error) from error
    except RuntimeError as error:
        # the archive writer tells of a failed write in its own way, after the file has told in the system's
        cause = error.__context__ or error.__cause__
        if isinstance(cause, OSError):
            raise _not_saved(path, cause) from error
        raise


def _not_saved(path: Path, error: OSError) -> OutputError:
    reason = (
        "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else os.strerror(error.errno or 0).lower()
    )
    return OutputError(f"{path} could not be saved: {reason}; the save before it is whole: make room, then {GOES_ON}")


def _out_of_memory(where: str, error: BaseException) -> RunError:
    kind = "GPU memory" if isinstance(error, torch.OutOfMemoryError) or "CUDA" in str(error) else "memory"
    return RunError(
        f"{where}: out of {kind}; set stage.batch, stage.chunk, stage.backprop or stage.size lower, "
        "or precision.checkpointing = true"
    )


def _peer_lost(where: str) -> PeerLost:
    return PeerLost(f"{where}: another process of this run is gone or does not answer; {GOES_ON}")
