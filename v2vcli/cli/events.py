"""``--json``: what happens, as one JSON object a line, for programs; docs/json.md is the contract.

Peculiar: every line is written whole by one system call, so events may come from any thread; whoever stops reading
does not stop the work.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import v2vcli
from v2vcli.cli.places import Place
from v2vcli.engine.progress import Progress, Result
from v2vcli.errors import V2VError

SCHEMA = 1
"""Version of the contract: it grows when a key vanishes or changes its meaning, not when one is added."""
PERIOD = 0.5
"""Seconds between two events of progress."""


class Events:
    """The events of one run of the program, from ``start`` to ``summary``."""

    def __init__(self, place: Place) -> None:
        """Begin; nothing is written yet."""
        self._place = place
        self._began = time.monotonic()
        self._told = float("-inf")
        self._counts = {"done": 0, "skipped": 0, "failed": 0, "stopped": 0}
        self._frames, self._seconds = 0, 0.0
        self._closed = False

    @property
    def place(self) -> Place:
        """Where they go."""
        return self._place

    def emit(self, event: str, values: Mapping[str, Any]) -> None:
        """One line. Text that is no text (a file's name can be any bytes) is written with escapes."""
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._place.write(json.dumps({"event": event, "time": stamp, **values}, allow_nan=False) + "\n")

    def start(self, command: str, files: int) -> None:
        """The work begins."""
        known = {"schema": SCHEMA, "version": v2vcli.__version__, "pid": os.getpid()}
        self.emit("start", {**known, "command": command, "files": files})

    def progress(self, progress: Progress, *, always: bool = False) -> None:
        """How far it is, if it is time to tell."""
        now = time.monotonic()
        if now - self._told < PERIOD and not always:
            return
        self._told = now
        number, files = progress.file or (1, 1)
        values = {
            "file": number,
            "files": files,
            "frame": progress.frames,
            "frames": progress.total,
            "out_time_us": round(progress.media * 1_000_000),
            "elapsed": round(progress.elapsed, 3),
            "fps": _number(progress.fps),
            "speed": _number(progress.speed),
            "eta": None if progress.eta is None else _number(progress.eta),
        }
        self.emit("progress", values)

    def file(
        self,
        state: str,
        *,
        input: str,
        output: str,
        result: Result | None = None,
        error: V2VError | None = None,
        reason: str | None = None,
    ) -> None:
        """What became of one input: ``state`` is done, skipped, failed or stopped."""
        self._counts[state] += 1
        values: dict[str, Any] = {"state": state, "input": input, "output": output}
        if result is not None:
            done = result.progress
            self._frames += done.frames
            self._seconds += float(done.media)
            values |= {
                "frames": done.frames,
                "width": result.width,
                "height": result.height,
                "seconds": round(float(done.media), 6),
                "elapsed": round(done.elapsed, 3),
                "fps": _number(done.fps),
                "speed": _number(done.speed),
                "model": result.model,
                "warnings": [_line(warning) for warning in result.warnings],
            }
        if error is not None:
            values |= {"kind": type(error).__name__, "message": _line(str(error)), "exit_code": error.exit_code}
        if reason is not None:
            values["reason"] = reason
        self.emit("file", values)

    def warning(self, text: str) -> None:
        """What went not quite as asked."""
        self.emit("warning", {"message": _line(text)})

    def error(self, kind: str, text: str, exit_code: int) -> None:
        """What ended the work, or kept one input from being done."""
        self.emit("error", {"kind": kind, "message": _line(text), "exit_code": exit_code})

    def summary(self, exit_code: int) -> None:
        """The last line; does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        values = {**self._counts, "frames": self._frames, "seconds": round(self._seconds, 6)}
        elapsed = round(time.monotonic() - self._began, 3)
        self.emit("summary", {"exit_code": exit_code, **values, "elapsed": elapsed})
        self._place.close()


def _line(text: str) -> str:
    return " ".join(text.split())


def _number(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
