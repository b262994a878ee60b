"""Only the maps of a video: what `convert` would paint from, stored to look at, edit, or paint from later.

    decode -> (resample) -> shots -> windows   one thread
    maps, made in batches or read              one thread
    flow, smoothing, tracking, edits           one thread each
    preview: drawn and encoded                 one thread
    stored, counted                            the caller's thread

Peculiar: what makes the maps can be opened once (`open_map_maker`) and used for many videos of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from v2vcli import partfile
from v2vcli.engine.checks import require_known_names
from v2vcli.engine.clip import Clip
from v2vcli.engine.makers import (
    chosen_maker,
    given_source,
    load_segmenter,
    maker_for,
    maker_source,
    map_kind,
    open_maker,
    require_kind,
)
from v2vcli.engine.mapping import Stage, extracted, given, refinements
from v2vcli.engine.modes import fingerprint, require_agreement
from v2vcli.engine.pipeline import Pipeline
from v2vcli.engine.progress import Meter, OnProgress, Result
from v2vcli.engine.request import SegmentRequest
from v2vcli.engine.targets import require_maps_free
from v2vcli.engine.windows import Window, windows
from v2vcli.errors import UsageError
from v2vcli.maps.edits import Edits
from v2vcli.maps.histogram import ClassHistogram
from v2vcli.video.shots import ShotDetector

if TYPE_CHECKING:
    import torch

    from v2vcli.engine.preview import Preview
    from v2vcli.maps.makers.extractors import MapExtractor
    from v2vcli.maps.spec import MapSpec


@dataclass(frozen=True)
class MapMaker:
    """What makes maps, opened: for any number of videos.

    Attributes:
        extractor: makes them.
        source: who that is, for the files: FAMILY:MODEL and, of our own networks, which version.
        device: where it runs.
    """

    extractor: MapExtractor
    source: str
    device: torch.device


@dataclass(frozen=True)
class Segmented(Result):
    """What `segment` left.

    Attributes:
        histogram: of the classes, where it was asked for.
    """

    histogram: ClassHistogram | None = None


def segment(request: SegmentRequest, *, progress: OnProgress | None = None, maker: MapMaker | None = None) -> Segmented:
    """Store the maps of a video.

    Args:
        request: what is asked for; its ``size`` is that of the maps, the input's by default.
        progress: told about progress after every window, in the calling thread.
        maker: opened before for this request or one that differs only in its files; None opens it here.

    Returns:
        What was written. On any exception nothing is left under the outputs' names, and no thread runs on.

    Raises:
        InputError: the input (or a map) is missing or damaged.
        OutputError: the output or the preview cannot be written, or exists.
        ModelError: the model is not there, or makes no maps.
        UsageError: what is asked for does not go with the maps.
    """
    with ExitStack() as stack:
        clip = stack.enter_context(Clip(request))
        require_outputs_free(request)
        require_known_names(request)
        from v2vcli.engine.core_shares import core_shares  # and with it torch
        from v2vcli.engine.device import choose_device, window_length
        from v2vcli.maps.files.store import MapWriter

        notes: list[str] = []
        video = clip.info.width, clip.info.height
        width, height = request.size or video
        if request.maps is None:
            maker = maker or open_map_maker(request)
            spec, source, device = maker.extractor.spec, maker.source, maker.device
            make_maps = extracted(maker.extractor, (width, height))
        else:
            device, source = choose_device(request.device), given_source(request.maps)
            spec, make_maps = _given_maps(request, request.maps, video, (width, height), notes.append)
        require_fitting(request, spec)
        histogram = ClassHistogram(spec.schema) if request.stats and spec.schema is not None else None
        stages = [make_maps, *refinements(request, spec, clip.info, made=request.maps is None, warn=notes.append)]
        writer = stack.enter_context(MapWriter(request.output, spec, overwrite=request.overwrite, source=source))
        preview = _open_preview(request, clip, spec, (width, height))
        if preview is not None:
            stages.append(_previewed(stack.enter_context(preview)))
        if request.maps is None:
            flows = spec.kind == "labels" and (request.smooth_maps > 0 or request.track)
            stack.enter_context(core_shares(device, flows=flows))
        meter = Meter(clip.expected_frames(), progress)

        def decoded() -> Iterator[Window]:
            return windows(clip.frames(), window_length(request.window, device), ShotDetector())

        with Pipeline[Window](decoded, [*stages], room=1) as mapped:
            for window in mapped:
                for frame, made in zip(window.frames, window.maps, strict=True):
                    writer.write(made, frame.pts)
                    if histogram is not None:
                        histogram.add(made)
                meter.wrote([frame.duration for frame in window.frames])
                del window
    warnings = dict.fromkeys((*clip.warnings, *notes, *(preview.warnings if preview is not None else ())))
    return Segmented(
        str(request.output), width, height, meter.progress(), warnings=tuple(warnings), histogram=histogram
    )


def open_map_maker(request: SegmentRequest) -> MapMaker:
    """What makes the maps: what was named for it, or whatever the mode or the painting model needs.

    Raises:
        ModelError: its weights are not there or not what was asked for, or model and mode contradict each other.
        UsageError: nothing of that name makes such maps.
    """
    from v2vcli.engine.device import choose_device

    device = choose_device(request.device)
    if request.model is None:
        name = chosen_maker(map_kind(request.mode, request.makers), request.makers)
        return MapMaker(open_maker(name, device, None), maker_source(name), device)
    from v2vcli.models.catalog import find_model
    from v2vcli.models.checkpoint import read_info

    path = find_model(request.model)
    info = read_info(path)
    require_agreement(request.mode, request.model, info.spec)
    if info.arch == "segmenter":
        segmenter = load_segmenter(request.model, device, None)
        return MapMaker(segmenter, f"v2v:{info.name} {fingerprint(path)}", device)
    extractor = maker_for(info.spec, request.makers, device, None)
    return MapMaker(extractor, maker_source(chosen_maker(info.spec.kind, request.makers)), device)


def require_outputs_free(request: SegmentRequest) -> None:
    """Check that the maps, and the preview if one is made, may be written; changes nothing on the disk.

    Raises:
        OutputError: as `targets.require_maps_free`.
    """
    require_maps_free(request.output, request)
    if request.preview is not None:
        partfile.require_free(request.preview, overwrite=request.overwrite, inputs=[request.input])


def _given_maps(
    request: SegmentRequest, maps: Path, video: tuple[int, int], size: tuple[int, int], warn: Callable[[str], None]
) -> tuple[MapSpec, Stage]:
    """Maps that somebody made, to be stored in another form: what they are, and the stage that reads them."""
    from v2vcli.engine.given_maps import given_spec
    from v2vcli.maps.schema import find_schema

    schema = None if request.maps_schema is None else find_schema(request.maps_schema)
    spec = given_spec(maps, map_kind(request.mode, request.makers), schema)
    require_kind(spec.kind, request.makers)
    return spec, given(request, maps, spec, video=video, size=size, warn=warn)


def require_fitting(request: SegmentRequest, spec: MapSpec) -> None:
    """Check that what is to be done with maps goes with what they are.

    Raises:
        UsageError: it is for labels alone and they are none, or an edit names a class that their schema lacks.
    """
    if request.stats and spec.schema is None:
        raise UsageError(f"--stats counts the classes of label maps, and these are '{spec.kind}' maps; leave it out")
    Edits.parse(request.relabel, spec.schema)


def _open_preview(request: SegmentRequest, clip: Clip, spec: MapSpec, size: tuple[int, int]) -> Preview | None:
    if request.preview is None:
        return None
    from v2vcli.engine.preview import Preview

    return Preview(request.preview, spec, size, clip=clip, source=request.input, overwrite=request.overwrite)


def _previewed(preview: Preview) -> Stage:
    """A stage that draws and encodes what passes through it."""

    def drawn(mapped: Iterable[Window]) -> Iterator[Window]:
        for window in mapped:
            for frame, made in zip(window.frames, window.maps, strict=True):
                preview.write(frame, made)
            yield window
            del window

    return drawn
