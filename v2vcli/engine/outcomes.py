"""What becomes of the inputs of a batch, whatever is done with them: one outcome each, and progress over all.

`engine.batch` (many videos segmented) and `engine.convert_batch` (many converted) share this.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from v2vcli.engine.progress import OnProgress, Progress, Result
from v2vcli.engine.request import ClipRequest
from v2vcli.errors import OutputError, V2VError

Request = TypeVar("Request", bound=ClipRequest, covariant=True)
Made = TypeVar("Made", bound=Result, covariant=True)
State: TypeAlias = Literal["done", "skipped", "failed", "left"]


@dataclass(frozen=True)
class Outcome(Generic[Request, Made]):
    """What became of one input.

    Attributes:
        request: what was asked for.
        state: ``skipped`` where nothing was left to do; ``left`` where the batch ended before it came to this one.
        result: of inputs that were done.
        error: of inputs that failed.
        remarks: what else is to be said of it, one line each.
    """

    request: Request
    state: State
    result: Made | None = None
    error: V2VError | None = None
    remarks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        found: dict[str, Any] = {
            "input": str(self.request.input),
            "output": str(self.request.output),
            "state": self.state,
            "remarks": list(self.remarks),
        }
        if self.error is not None:
            found |= {"error": str(self.error), "exit_code": self.error.exit_code}
        if self.result is not None:
            done = self.result.progress
            found |= {
                "width": self.result.width,
                "height": self.result.height,
                "frames": done.frames,
                "seconds": float(done.media),
                "elapsed": round(done.elapsed, 3),
                "fps": round(done.fps, 3),
                "warnings": list(self.result.warnings),
            }
        return found


def make_folder(folder: Path) -> None:
    """Make a folder for outputs, and those above it, where there is none.

    Raises:
        OutputError: the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror or error}; choose another -o") from error


class BatchMeter:
    """Progress of single inputs, one after the other or side by side, as progress of all."""

    def __init__(self, expected: Sequence[int | None], on_progress: OnProgress | None) -> None:
        """Begin.

        Args:
            expected: about how many frames each input has; 0: nothing is left to do; None: nobody knows.
            on_progress: told about all inputs together.
        """
        self._expected = list(expected)
        self._on_progress = on_progress
        self._began = time.monotonic()
        self._last: dict[int, Progress] = {}

    def of(self, index: int) -> OnProgress:
        """What to hand to the work on one input."""

        def report(progress: Progress) -> None:
            self.told(index, progress)

        return report

    def told(self, index: int, progress: Progress) -> None:
        """One input is so far."""
        self._last[index] = progress
        if self._on_progress is not None:
            self._on_progress(self._over_all(index))

    def over(self, index: int) -> None:
        """Work on one input has ended, as it may: it has as many frames as were written."""
        last = self._last.get(index)
        self._expected[index] = 0 if last is None else last.frames

    def _over_all(self, index: int) -> Progress:
        counts = [count for count in self._expected if count is not None]
        total = sum(counts) if len(counts) == len(self._expected) else None
        seen = self._last.values()
        file = (index + 1, len(self._expected)) if len(self._expected) > 1 else None
        return Progress(
            sum(each.frames for each in seen),
            total,
            sum((each.media for each in seen), Fraction(0)),
            time.monotonic() - self._began,
            file,
        )


Told: TypeAlias = Callable[[Outcome[Any, Any]], None]
