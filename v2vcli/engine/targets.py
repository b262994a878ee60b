"""Where results go: whether they may be written there, found before any work is done, and in which encoding."""

from __future__ import annotations

from pathlib import Path

from v2vcli.engine.request import ClipRequest, ConvertRequest
from v2vcli.errors import UsageError
from v2vcli.video.containers import default_codec
from v2vcli.video.destination import require_writable
from v2vcli.video.encoding import Encoding

_PRESETS = ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"]


def require_free(request: ConvertRequest) -> None:
    """Check that the output, and the file of maps if one is kept, may be written; changes nothing on the disk.

    Raises:
        OutputError: the folder is missing or read-only, the target exists and ``-y`` was not given, is an input, is
            being written by somebody else, or something has the name of its part file; no container is known by its
            name.
        UsageError: a pipe without ``-f``, or with a format that cannot go through one.
    """
    inputs = [request.input, *([request.maps] if request.maps is not None else [])]
    require_writable(request.output, format=request.output_format, overwrite=request.overwrite, inputs=inputs)
    if request.save_maps is not None:
        require_maps_free(request.save_maps, request)


def require_maps_free(path: Path, request: ClipRequest) -> None:
    """Check that maps may be written to a file or folder; changes nothing on the disk.

    Raises:
        OutputError: as `require_free`, or the folder holds anything but maps.
    """
    from v2vcli.maps.files import store

    sources = [request.input, getattr(request, "maps", None)]
    inputs = [source for source in sources if source is not None]
    store.require_maps_free(path, overwrite=request.overwrite, inputs=inputs)


def encoding_for(request: ConvertRequest) -> Encoding:
    """The encoding asked for, what is not said filled in by the output's container.

    Raises:
        OutputError: unknown encoder or pixel format, or no container has the output's extension.
        UsageError: unknown preset of an encoder that would say so by itself, past every log.
    """
    codec = request.codec or default_codec(request.output, request.output_format)
    if codec in ("libx264", "libx264rgb", "libx265") and request.preset not in (None, *_PRESETS):
        raise UsageError(f"-preset {request.preset}: {codec} knows {', '.join(_PRESETS)}")
    return Encoding(
        codec=codec,
        crf=request.crf,
        preset=request.preset,
        pix_fmt=request.pix_fmt,
        bit_rate=request.bit_rate,
        gop=request.gop,
        movflags=request.movflags,
        at_once=request.live,
    )
