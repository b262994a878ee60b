"""Where results go: whether they may be written there, found before any work is done, and in which encoding."""

from __future__ import annotations

from pathlib import Path

from v2vcli import partfile
from v2vcli.engine.request import ClipRequest, ConvertRequest
from v2vcli.errors import UsageError
from v2vcli.video.encoding import Encoding

_CODEC_OF = {".webm": "libsvtav1"}
_PRESETS = ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"]
_CRF_OF = {"libsvtav1": 30.0, "libvpx-vp9": 31.0, "libaom-av1": 30.0}  # on a scale of 63, not 51


def require_free(request: ConvertRequest) -> None:
    """Check that the output, and the file of maps if one is kept, may be written; changes nothing on the disk.

    Raises:
        OutputError: the folder is missing or read-only, the target exists and ``-y`` was not given, is an input, is
            being written by somebody else, or something has the name of its part file.
    """
    inputs = [request.input, *([request.maps] if request.maps is not None else [])]
    partfile.require_free(request.output, overwrite=request.overwrite, inputs=inputs)
    if request.save_maps is not None:
        require_maps_free(request.save_maps, request)


def require_maps_free(path: Path, request: ClipRequest) -> None:
    """Check that maps may be written to a file or folder; changes nothing on the disk.

    Raises:
        OutputError: as `require_free`, or the folder holds anything but maps.
    """
    from v2vcli.maps import store

    sources = [request.input, getattr(request, "maps", None)]
    inputs = [source for source in sources if source is not None]
    store.require_maps_free(path, overwrite=request.overwrite, inputs=inputs)


def encoding_for(request: ConvertRequest) -> Encoding:
    """The encoding asked for, what is not said filled in by the output's extension.

    Raises:
        OutputError: unknown encoder or pixel format.
        UsageError: unknown preset of an encoder that would say so by itself, past every log.
    """
    codec = request.codec or _CODEC_OF.get(request.output.suffix.lower(), Encoding.codec)
    if codec in ("libx264", "libx264rgb", "libx265") and request.preset not in (None, *_PRESETS):
        raise UsageError(f"-preset {request.preset}: {codec} knows {', '.join(_PRESETS)}")
    return Encoding(
        codec=codec,
        crf=request.crf if request.crf is not None else _CRF_OF.get(codec, Encoding.crf),
        preset=request.preset or Encoding.preset,
        pix_fmt=request.pix_fmt or Encoding.pix_fmt,
    )
