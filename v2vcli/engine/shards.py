"""``--shard i/n``: one of n equal parts of a batch, so that n machines share it without talking to each other.

Peculiar: every n-th file, not a stretch of them, so that neighbours (which often are of one length) are spread; and an
array job of SLURM is read only where that is asked for (``--shard slurm``), since in most array jobs each task brings
files of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from v2vcli.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """One part.

    Attributes:
        number: from 1.
        count: of all.
    """

    number: int = 1
    count: int = 1

    def of(self, items: Sequence[T]) -> list[T]:
        """The items that are this part's: over all parts each of them once."""
        return list(items[self.number - 1 :: self.count])

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def read_shard(text: str | None, environment: Mapping[str, str] | None = None) -> Shard:
    """Read what ``--shard`` says.

    Args:
        text: ``3/8``: the third of eight; ``slurm``: the task of the array job this runs in; None: all.
        environment: SLURM's variables are looked up here, by default in the process's.

    Raises:
        UsageError: it is neither, out of range, or this is no array job.
    """
    if text is None:
        return Shard()
    if text == "slurm":
        return _slurm(os.environ if environment is None else environment)
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise UsageError(f"--shard {text}: give I/N, as 3/8 for the third of eight parts, or slurm in an array job")
    number, count = int(match[1]), int(match[2])
    if not 1 <= number <= count:
        raise UsageError(f"--shard {text}: parts are counted from 1 to {count}")
    return Shard(number, count)


def _slurm(environment: Mapping[str, str]) -> Shard:
    try:
        task, count = int(environment["SLURM_ARRAY_TASK_ID"]), int(environment["SLURM_ARRAY_TASK_COUNT"])
        first = int(environment.get("SLURM_ARRAY_TASK_MIN", "0"))
        last = int(environment.get("SLURM_ARRAY_TASK_MAX", str(first + count - 1)))
    except (KeyError, ValueError) as error:
        raise UsageError(
            "--shard slurm: SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT are not set; start it with sbatch --array,"
            " or give I/N"
        ) from error
    step = max(1, (last - first) // max(1, count - 1))
    numbers = range(first, first + step * count, step)
    if task not in numbers or numbers[-1] != last:  # --array=1,5,7: which of them a task is, is not told
        raise UsageError("--shard slurm: the array's numbers are not evenly spaced; use --array=1-N, or give I/N")
    return Shard(numbers.index(task) + 1, count)
