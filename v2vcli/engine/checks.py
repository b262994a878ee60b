"""What can be refused before torch is imported, which takes long: a mode, a schema, a path, an output's extension."""

from __future__ import annotations

from v2vcli.engine.modes import choose_model, find_mode
from v2vcli.engine.request import ClipRequest, ConvertRequest, SegmentRequest
from v2vcli.errors import InputError
from v2vcli.video.containers import find_container


def require_known_names(request: ClipRequest) -> None:
    """Check what a request names: its mode, its maps, their schema and edits, and the container of a preview.

    Raises:
        UsageError: no such mode or schema, or an edit that cannot be understood.
        InputError: there are no maps under that path, or the schema file is none.
        OutputError: no container has the preview's extension.
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
    if isinstance(request, SegmentRequest) and request.preview is not None:
        find_container(request.preview)
