"""Streams to write to and to read from in tests: bytes that come frame by frame, at the test's own pace."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from v2vcli.errors import V2VError
from v2vcli.video import Encoding, Frame, VideoReader, VideoWriter

from .made import patterned

PATIENCE = 30.0  # seconds; the machine may be busy


class Bytes(io.RawIOBase):
    """Takes what is written, and cannot go back in it."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += bytes(data)
        return len(data)


def frames(pts: Sequence[Fraction], last: Fraction, size: tuple[int, int] = (64, 48)) -> list[Frame]:
    ends = [*pts[1:], pts[-1] + last]
    return [Frame(patterned(*size, i), p, e - p, i) for i, (p, e) in enumerate(zip(pts, ends, strict=True))]


def even(count: int, rate: Fraction = Fraction(25)) -> list[Frame]:
    return frames([i / rate for i in range(count)], 1 / rate)


def streamed(
    pictures: Sequence[Frame], format: str, encoding: Encoding | None = None, **options: Any
) -> tuple[list[bytes], list[str]]:
    """What a writer gives out with each frame, and at last with its closing; and its warnings."""
    sink = Bytes()
    chunks = []
    height, width = pictures[0].image.shape[:2]
    settings: dict[str, Any] = {"time_base": Fraction(1, 25), "rate": Fraction(25)} | options
    with VideoWriter(sink, width=width, height=height, format=format, encoding=encoding, **settings) as writer:
        for frame in pictures:
            writer.write(frame)
            chunks.append(bytes(sink.data))
            sink.data.clear()
    return [*chunks, bytes(sink.data)], writer.warnings


class Feed:
    """A reader in a thread of its own, at the end of a pipe that the test fills."""

    def __init__(self, **options: Any) -> None:
        source, self._sink = os.pipe()
        self._options = options
        self._source = source
        self._changed = threading.Condition()
        self.frames: list[Frame] = []
        self.error: V2VError | None = None
        self.warnings: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            with os.fdopen(self._source, "rb", buffering=0) as stream, VideoReader(stream, **self._options) as reader:
                for frame in reader:
                    with self._changed:
                        self.frames.append(frame)
                        self._changed.notify()
                self.warnings = reader.warnings
        except V2VError as error:
            self.error = error

    def send(self, data: bytes) -> None:
        os.write(self._sink, data)

    def wait_for(self, count: int) -> int:
        """How many frames have come, once there are as many as this, or patience is at its end."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.frames) >= count, PATIENCE)
            return len(self.frames)

    def end(self) -> list[Frame]:
        os.close(self._sink)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.frames
