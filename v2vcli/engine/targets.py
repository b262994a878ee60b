"""Where results go: whether they may be written there, found before any work is done, and in which encoding."""

from __future__ import annotations

from pathlib import Path

from v2vcli.engine.request import ClipRequest, ConvertRequest
from v2vcli.errors import OutputError, UsageError
from v2vcli.video.encoding import Encoding
from v2vcli.video.partfile import PartFile

_CODEC_OF = {".webm": "libsvtav1"}
_PRESETS = ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"]
_CRF_OF = {"libsvtav1": 30.0, "libvpx-vp9": 31.0, "libaom-av1": 30.0}  # on a scale of 63, not 51


def require_free(request: ConvertRequest) -> None:
    """Check that the output, and the file of maps if one is kept, may be written.

    Raises:
        OutputError: the folder is missing or read-only, the target exists and ``-y`` was not given, or is an input.
    """
    inputs = [request.input, *([request.maps] if request.maps is not None else [])]
    PartFile(request.output, overwrite=request.overwrite, inputs=inputs).discard()
    if request.save_maps is not None:
        require_maps_free(request.save_maps, request)


def require_maps_free(path: Path, request: ClipRequest) -> None:
    """Check that maps may be written to a file or folder; `maps.store.MapWriter` checks the rest.

    Raises:
        OutputError: as `require_free`.
    """
    sources = [request.input, getattr(request, "maps", None)]
    if path.exists() and any(source is not None and source.exists() and path.samefile(source) for source in sources):
        raise OutputError(f"{path} is the input itself; choose another output")
    if path.exists() and not request.overwrite:
        raise OutputError(f"{path} exists; -y overwrites it")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it or choose another output")
    if path.suffix and path.suffix.lower() != ".mkv" and not path.is_dir():
        raise OutputError(f"maps cannot be written as {path}; give a name ending in .mkv, or a folder")


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
