"""Only the maps of a video: what `convert` would paint from, stored to look at, edit, or paint from later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from v2vcli.engine.checks import require_known_names
from v2vcli.engine.clip import Clip
from v2vcli.engine.makers import chosen_maker, load_segmenter, maker_for, map_kind, open_maker
from v2vcli.engine.mapping import extracted, in_turn, refinements
from v2vcli.engine.modes import require_agreement
from v2vcli.engine.pipeline import Pipeline
from v2vcli.engine.progress import Meter, OnProgress, Result
from v2vcli.engine.request import SegmentRequest
from v2vcli.engine.targets import require_maps_free
from v2vcli.engine.windows import Window, windows
from v2vcli.video.shots import ShotDetector

if TYPE_CHECKING:
    import torch

    from v2vcli.maps.extractors import MapExtractor


def segment(request: SegmentRequest, *, progress: OnProgress | None = None) -> Result:
    """Store the maps of a video.

    Args:
        request: what is asked for; its ``size`` is that of the maps, the input's by default.
        progress: told about progress after every window, in the calling thread.

    Raises:
        InputError: the input is missing or damaged.
        OutputError: the output cannot be written, or exists.
        ModelError: the model is not there, or makes no maps.
    """
    with ExitStack() as stack:
        clip = stack.enter_context(Clip(request))
        require_maps_free(request.output, request)
        require_known_names(request)
        from v2vcli.engine.device import choose_device, window_length
        from v2vcli.maps.store import MapWriter

        device = choose_device(request.device)
        extractor = map_maker(request, device, (clip.info.width, clip.info.height))
        width, height = request.size or (clip.info.width, clip.info.height)
        writer = stack.enter_context(MapWriter(request.output, extractor.spec, overwrite=request.overwrite))
        meter = Meter(clip.expected_frames(), progress)

        def source() -> Iterator[Window]:
            return windows(clip.frames(), window_length(request.window, device), ShotDetector())

        notes: list[str] = []
        video = clip.info.width, clip.info.height
        refined = refinements(request, extractor.spec, video, made=True, warn=notes.append)
        make_maps = in_turn(extracted(extractor, (width, height)), *refined)
        with Pipeline[Window](source, [make_maps], room=1) as mapped:
            for window in mapped:
                for frame, made in zip(window.frames, window.maps, strict=True):
                    writer.write(made, frame.pts)
                meter.wrote([frame.duration for frame in window.frames])
                del window
    warnings = tuple(dict.fromkeys((*clip.warnings, *notes)))
    return Result(str(request.output), width, height, meter.progress(), warnings=warnings)


def map_maker(request: SegmentRequest, device: torch.device, video: tuple[int, int]) -> MapExtractor:
    """What makes the maps: what was named for it, or whatever the mode or the painting model needs."""
    if request.model is None:
        kind = map_kind(request.mode, request.makers)
        return open_maker(chosen_maker(kind, request.makers), device, video)
    from v2vcli.models.catalog import find_model
    from v2vcli.models.checkpoint import read_info

    info = read_info(find_model(request.model))
    require_agreement(request.mode, request.model, info.spec)
    if info.arch == "segmenter":
        return load_segmenter(request.model, device, video)
    return maker_for(info.spec, request.makers, device, video)
