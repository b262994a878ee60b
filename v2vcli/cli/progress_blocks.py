"""``-progress URL``: how far the work is, in the blocks of ``key=value`` lines that ffmpeg writes.

A block ends with its ``progress=`` line, ``continue`` or, the last one, ``end``. As in ffmpeg ``out_time_ms`` counts
microseconds, ``bitrate`` and ``total_size`` are ``N/A`` where they are not known.
"""

from __future__ import annotations

import time

from v2vcli.cli.places import Place
from v2vcli.engine.progress import Progress

PERIOD = 0.5
"""Seconds between blocks, as ffmpeg's -stats_period."""


class ProgressBlocks:
    """Blocks to a place, not more often than every `PERIOD` seconds; the last one when it is closed."""

    def __init__(self, place: Place) -> None:
        """Begin; nothing is written yet."""
        self._place = place
        self._last = float("-inf")
        self._seen: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Tell how far it is, if it is time to."""
        self._seen = progress
        now = time.monotonic()
        if now - self._last >= PERIOD:
            self._last = now
            self._place.write(block(progress, "continue"))

    def close(self) -> None:
        """Write the last block, however the work ended, and close the place."""
        self._place.write(block(self._seen, "end"))
        self._place.close()


def block(progress: Progress | None, state: str) -> str:
    """One block: ``state`` is continue or end; None: nothing was done."""
    frames, fps, speed, microseconds = 0, 0.0, "N/A", 0
    if progress is not None:
        frames, fps, microseconds = progress.frames, progress.fps, round(progress.media * 1_000_000)
        speed = f"{progress.speed:.3g}x" if progress.elapsed > 0 else speed
    pairs = {
        "frame": str(frames),
        "fps": f"{fps:.2f}",
        "bitrate": "N/A",
        "total_size": "N/A",
        "out_time_us": str(microseconds),
        "out_time_ms": str(microseconds),
        "out_time": out_time(microseconds),
        "dup_frames": "0",
        "drop_frames": "0",
        "speed": speed,
        "progress": state,
    }
    return "".join(f"{key}={value}\n" for key, value in pairs.items())


def out_time(microseconds: int) -> str:
    """HH:MM:SS.uuuuuu."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:06d}"
