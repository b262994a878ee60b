"""What can be refused before torch is imported, which takes long: a mode, a schema, a path, an output's extension."""

from __future__ import annotations

from pathlib import Path

import av

from v2vcli.engine.modes import choose_model, find_mode
from v2vcli.engine.request import ClipRequest, ConvertRequest, SegmentRequest
from v2vcli.errors import InputError, OutputError


def require_known_names(request: ClipRequest) -> None:
    """Check what a request names: its mode, its maps, their schema and edits, and the container it is written to.

    Raises:
        UsageError: no such mode or schema, or an edit that cannot be understood.
        InputError: there are no maps under that path, or the schema file is none.
        OutputError: no container has the output's extension.
    """
    if request.mode is not None:
        find_mode(request.mode)
    if isinstance(request, ConvertRequest):
        choose_model(request.mode, request.model)
    if request.maps is not None and not request.maps.exists():
        raise InputError(f"there are no maps at {request.maps}; check the path")
    if request.maps_schema is not None:
        from v2vcli.maps.schema import find_schema

        find_schema(request.maps_schema)
    if request.relabel:
        from v2vcli.maps.edits import require_edit

        for text in request.relabel:
            require_edit(text)
    if isinstance(request, ConvertRequest):
        _require_container(request.output)
    elif isinstance(request, SegmentRequest) and request.preview is not None:
        _require_container(request.preview)


def _require_container(path: Path) -> None:
    try:
        # FFmpeg chooses by the name, and makes the file only with the first packet
        av.open(f"file:{path}", "w").close()
    except (av.FFmpegError, ValueError):
        suffix = path.suffix or "no extension"
        raise OutputError(f"{path}: no known video container has {suffix}; use .mp4, .mkv, .mov or .webm") from None
