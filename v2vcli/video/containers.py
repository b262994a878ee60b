"""What each container holds: which codecs, how exactly the times, whether it can go through a pipe.

What is peculiar:

- FFmpeg knows for most containers what fits, but not for those that take one thing only (a pipe of raw frames) or are
  never asked (MPEG-TS); these are listed here.
- Where neither the container nor the coded pictures say how colours are meant, a player guesses BT.709 for HD and
  BT.601 for less. Samples are stored to fit that guess there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import av
from av.codec import Codec

from v2vcli.errors import OutputError, UsageError

Timing = Literal["exact", "milliseconds", "ticks", "even", "none"]

_VIDEO_DEFAULT = "libx264"
_TAGGED_CODECS = ("h264", "hevc", "av1", "vp9", "prores", "mpeg2video")
_TAGGED_CONTAINERS = ("mp4", "mov", "ipod", "3gp", "3g2", "psp", "matroska", "webm")


@dataclass(frozen=True)
class ContainerFormat:
    """One of FFmpeg's muxers, and what it can say.

    Attributes:
        name: FFmpeg's name of it.
        timing: ``exact``; whole ``milliseconds``; whole ``ticks`` of its own clock; an ``even`` rate only; ``none``.
        codec: what is encoded with where nothing is asked for.
        only: all encoders that fit; None: FFmpeg is asked.
        piped: it can be written without going back.
        alone: it holds one video and nothing else.
    """

    name: str
    timing: Timing = "ticks"
    codec: str = _VIDEO_DEFAULT
    only: tuple[str, ...] | None = None
    piped: bool = False
    alone: bool = False


_TS = ("libx264", "libx265", "h264_nvenc", "hevc_nvenc", "mpeg2video")
_TABLE = (
    ContainerFormat("mp4", "exact", piped=True),
    ContainerFormat("mov", "exact"),
    ContainerFormat("ipod", "exact"),
    ContainerFormat("matroska", "milliseconds", piped=True),
    ContainerFormat("webm", "milliseconds", "libsvtav1", piped=True),
    ContainerFormat("nut", "exact", piped=True),
    ContainerFormat("mpegts", only=_TS, piped=True),
    ContainerFormat("avi", "even"),
    ContainerFormat("yuv4mpegpipe", "even", "rawvideo", ("rawvideo",), piped=True, alone=True),
    ContainerFormat("rawvideo", "none", "rawvideo", ("rawvideo",), piped=True, alone=True),
    ContainerFormat("gif", "ticks", "gif", ("gif",), alone=True),
    ContainerFormat("webp", "ticks", "libwebp_anim", ("libwebp_anim",), alone=True),
    ContainerFormat("apng", "ticks", "apng", ("apng",), alone=True),
    ContainerFormat("image2", "none", "png", ("png", "mjpeg", "libwebp"), alone=True),
)
CONTAINERS = {container.name: container for container in _TABLE}
PIPED = tuple(container.name for container in _TABLE if container.piped)
"""What ``-f`` takes for a pipe."""
_PICTURES = {".png": "png", ".jpg": "mjpeg", ".jpeg": "mjpeg", ".webp": "libwebp"}


def picture_codec(suffix: str) -> str | None:
    """The encoder of single pictures with this suffix; None: not one that is written here."""
    return _PICTURES.get(suffix.lower())


def find_container(path: str | Path, format: str | None = None) -> ContainerFormat:
    """The container that is meant by a file's name, or by ``-f``.

    Raises:
        OutputError: no container is known by that suffix.
        UsageError: ``format`` is none that can be written.
    """
    from v2vcli.video.pictures import is_pattern  # it is about names too, but of files that are read

    if format is None and is_pattern(path):
        codec = picture_codec(Path(path).suffix)
        if codec is None:
            raise OutputError(f"{path}: pictures are written as {', '.join(_PICTURES)}; name the files so")
        return ContainerFormat("image2", "none", codec, (codec,), alone=True)
    if format is not None:
        try:
            name = str(av.ContainerFormat({"mkv": "matroska", "y4m": "yuv4mpegpipe"}.get(format, format), "w").name)
        except ValueError as error:
            raise UsageError(f"-f {format}: not a format that can be written; try {', '.join(PIPED)}") from error
    else:
        try:
            with av.open(f"file:{path}", "w") as guess:  # made only with the first packet
                name = guess.format.name
        except (av.FFmpegError, ValueError) as error:
            suffix = Path(path).suffix or "no extension"
            raise OutputError(
                f"{path}: no known video container has {suffix}; use .mp4, .mkv, .mov or .webm"
            ) from error
        if name == "image2":
            raise OutputError(f"{path} would be one picture; name many with a number, such as frames/%05d.png")
    return CONTAINERS.get(name, ContainerFormat(name))


def default_codec(path: str | Path, format: str | None = None) -> str:
    """The encoder for an output where none is asked for.

    Raises:
        OutputError, UsageError: as `find_container`.
    """
    return find_container(path, format).codec


def require_fit(container: ContainerFormat, codec: str, where: str) -> None:
    """Check that a container holds what an encoder makes.

    Raises:
        OutputError: it does not; says what fits.
    """
    fits = container.only if container.only is not None else _asked(container.name)
    if (fits or container.only is not None) and codec not in fits:
        from v2vcli.video.codecs import ADVISED

        named = [name for name in (container.codec, *ADVISED) if name in fits] or list(fits[:4])
        advice = f"it holds {', '.join(dict.fromkeys(named))}" if named else "choose .mkv"
        raise OutputError(f"{where}: a {container.name} file cannot hold {codec} video; {advice} (-c:v)")


@lru_cache(maxsize=16)
def _asked(name: str) -> tuple[str, ...]:
    """The codecs that FFmpeg says fit into a container."""
    return tuple(sorted(av.open("unwritten", "w", format=name).supported_codecs))


def tells_colours(container: ContainerFormat, codec: str) -> bool:
    """Whether a file of this kind says how its samples mean colours."""
    return container.name in _TAGGED_CONTAINERS or Codec(codec, "w").canonical_name in _TAGGED_CODECS
