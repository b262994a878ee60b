"""``--verify``: what was written is decoded, frame by frame, before it gets its name.

Peculiar: sizes, counts and times are compared, not pictures: encoders change those, and how much is what ``-crf`` says.
Times are compared from the first frame on and to one tick of the container's clock (an mkv's is a millisecond), or half
a tick where it is exact; where a container knows an even rate only, frames are counted. Eight bytes are kept of every
frame written.
"""

from __future__ import annotations

from array import array
from fractions import Fraction
from pathlib import Path

import av

from v2vcli.engine.request import ConvertRequest
from v2vcli.errors import InputError, OutputError, UsageError
from v2vcli.video.containers import find_container
from v2vcli.video.demux import main_video, open_input
from v2vcli.video.failures import plain

_PER_SECOND = 10**9


class Verification:
    """Remembers what was written, and holds the finished file against it."""

    def __init__(self, request: ConvertRequest, size: tuple[int, int]) -> None:
        """Begin.

        Args:
            request: says what is written, and where.
            size: (width, height) of every frame.

        Raises:
            UsageError: it is not one file.
        """
        container = find_container(request.output, request.output_format)
        if container.name == "image2":
            raise UsageError(f"--verify reads back one file, and {request.output} are many; leave it out")
        self._timed = container.timing not in ("even", "none")
        self._exact = container.timing == "exact"
        self._size = size
        self._times = array("q")

    def wrote(self, times: list[Fraction]) -> None:
        """So many frames more, at these seconds."""
        self._times.extend(round(pts * _PER_SECOND) for pts in times)

    def check(self, path: Path) -> None:
        """Decode a finished file.

        Raises:
            OutputError: it does not decode, or has other frames or times than were written.
        """
        try:
            self._compare(path)
        except InputError as error:
            raise _refused(f"it cannot be read back: {error}") from error
        except av.FFmpegError as error:
            raise _refused(f"it does not decode: {plain(error)}") from error

    def _compare(self, path: Path) -> None:
        with open_input(path) as container:
            stream = main_video(container, str(path))
            tick = stream.time_base or Fraction(1, _PER_SECOND)
            first: Fraction | None = None
            count = 0
            for count, frame in enumerate(container.decode(stream), start=1):
                if frame.is_corrupt or (frame.width, frame.height) != self._size:
                    raise _refused(f"frame {count - 1} is damaged, or {frame.width}x{frame.height}")
                if count > len(self._times):
                    break
                if frame.pts is None or not self._timed:
                    continue
                time = frame.pts * tick
                first = time if first is None else first
                wanted = Fraction(self._times[count - 1] - self._times[0], _PER_SECOND)
                if abs(time - first - wanted) > (tick / 2 if self._exact else tick):
                    found = float(time - first)
                    raise _refused(f"frame {count - 1} comes {found:.6f} s after the first, not {float(wanted):.6f} s")
        if count != len(self._times):
            more = "more" if count > len(self._times) else f"{count}"
            raise _refused(f"it holds {more} frames where {len(self._times)} were written")


def _refused(reason: str) -> OutputError:
    return OutputError(f"--verify: {reason}; nothing is left of it: try again, or another -c:v")
