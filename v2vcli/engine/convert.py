"""The main job: one video in, another out, stage beside stage.

    decode -> (resample) -> shots -> windows   one thread
    maps, made or read                         one thread
    flow, smoothing, following, edits          one thread each, of label maps, where wanted
    paint                                      one thread
    resize -> encode, save maps                the caller's thread

Peculiar:
- whatever can be wrong with input and output is found before torch is imported, so that it is answered at once;
- frame in = frame out: every frame that the reader gives is written with its own time, painted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from v2vcli.engine.checks import require_known_names
from v2vcli.engine.clip import Clip
from v2vcli.engine.loading import load_generator, load_maker, provenance
from v2vcli.engine.pipeline import Pipeline
from v2vcli.engine.progress import Meter, OnProgress, Result
from v2vcli.engine.request import ConvertRequest
from v2vcli.engine.stopping import StopRequest
from v2vcli.engine.targets import encoding_for, require_free, require_maps_free
from v2vcli.engine.windows import Window, windows
from v2vcli.video.frame import Frame
from v2vcli.video.shots import ShotDetector
from v2vcli.video.writer import VideoWriter

if TYPE_CHECKING:
    from v2vcli.engine.generator import Generator
    from v2vcli.engine.mapping import Stage
    from v2vcli.maps.extractors import MapExtractor
    from v2vcli.maps.spec import MapFrame
    from v2vcli.maps.store import MapWriter


@dataclass(frozen=True, eq=False)
class _Painted:
    """A window after painting: its frames hold painted pictures; the input's are kept only where they are shown."""

    frames: tuple[Frame, ...]
    maps: tuple[MapFrame, ...]
    inputs: tuple[NDArray[np.uint8], ...]


def convert(
    request: ConvertRequest,
    *,
    generator: Generator | None = None,
    maker: MapExtractor | None = None,
    progress: OnProgress | None = None,
    stop: StopRequest | None = None,
) -> Result:
    """Convert a video.

    Args:
        request: what is asked for.
        generator: opened before by `loading.load_generator`, for this request or one that differs only in its files
            and stretch; None opens it here.
        maker: likewise what makes the maps, by `loading.load_maker`.
        progress: told about progress after every window, in the calling thread.
        stop: may ask to end early: what is on its way is written, and the output ends there (`Result.stopped`).

    Returns:
        What was written. On any exception nothing is left under the output's names, and no thread runs on.

    Raises:
        InputError: the input (or a map) is missing, damaged, or not what it should be.
        OutputError: the output cannot be written, or exists.
        ModelError: the model is not there, or does not fit mode or maps.
        UsageError: the request contradicts itself or the model.
    """
    stop = stop or StopRequest()
    with ExitStack() as stack:
        clip = stack.enter_context(Clip(request))
        require_free(request)
        encoding = encoding_for(request)
        require_known_names(request)
        stack.enter_context(_one_opencv_thread())
        notes: list[str] = []
        if generator is None:
            generator, made_by = load_generator(request)
        else:
            made_by = provenance(request, generator)
        info = clip.info
        width, height = request.size or (info.width, info.height)
        paint_size = generator.paint_size(info.width, info.height, request.paint_size)
        make_maps, source = _maps_stages(request, generator, maker, clip, paint_size, notes.append)
        saved = _open_saved(request, generator, source, stack)
        writer = stack.enter_context(
            VideoWriter(
                request.output,
                width=width * (2 if request.side_by_side else 1),
                height=height,
                time_base=clip.time_base,
                rate=clip.rate,
                encoding=encoding,
                # as ffmpeg's -s: the shape on the screen stays
                sample_aspect=info.sample_aspect * Fraction(info.width * height, info.height * width),
                overwrite=request.overwrite,
                copy_from=request.input,
                audio=request.audio,
                metadata={"comment": _comment(made_by, info.metadata.items())},
                start=clip.start,
                end=clip.end,
            )
        )
        meter = Meter(clip.expected_frames(), progress)
        decoded = partial(_source, request, clip, generator, stop)
        paint = partial(_paint, generator, request.side_by_side)
        with Pipeline[_Painted](decoded, [*make_maps, paint], room=1) as painted:
            for window in painted:
                _write(window, (width, height), writer, saved)
                meter.wrote([frame.duration for frame in window.frames])
                del window
        if stop.obeyed:
            writer.end_here()
    # the writers have been closed: only now is everything on disk, and every warning known
    warnings = (*clip.warnings, *writer.warnings, *notes)
    return Result(
        str(request.output),
        width * (2 if request.side_by_side else 1),
        height,
        meter.progress(),
        generator.info.name,
        tuple(dict.fromkeys(warnings)),
        stopped=stop.obeyed,
    )


def _comment(provenance: str, tags: Iterable[tuple[str, str]]) -> str:
    """The output's comment: that it is synthetic, before what the input's comment said."""
    old = [value for key, value in tags if key.lower() == "comment" and value]
    return " | ".join([f"Synthetic video, painted by {provenance}", *old])


def _maps_stages(
    request: ConvertRequest,
    generator: Generator,
    maker: MapExtractor | None,
    clip: Clip,
    size: tuple[int, int],
    warn: Callable[[str], None],
) -> tuple[list[Stage], str]:
    """The stages that give every window its maps, and who makes them, in words for the file they are kept in."""
    from v2vcli.engine.makers import chosen_maker, given_source, maker_source, require_kind
    from v2vcli.engine.mapping import extracted, followed, refinements

    spec, video = generator.spec, (clip.info.width, clip.info.height)
    if request.maps is None:
        maker = maker or load_maker(request, generator, video)
        assert maker is not None  # it is for maps that are given
        made = extracted(maker, size)
        source = maker_source(chosen_maker(spec.kind, request.makers))
        return [made, *refinements(request, spec, video, made=True, warn=warn)], source
    from v2vcli.maps.schema import find_schema
    from v2vcli.maps.sources import open_maps

    require_kind(spec.kind, request.makers)
    schema = None if request.maps_schema is None else find_schema(request.maps_schema)
    maps = open_maps(request.maps, spec, schema, size=video)
    by_time = request.start is not None or request.rate is not None
    part = request.duration is not None or request.end is not None
    read = followed(maps, size, by_time=by_time, warn=warn, part=part)
    return [read, *refinements(request, spec, video, made=False, warn=warn)], given_source(request.maps)


def _open_saved(request: ConvertRequest, generator: Generator, source: str, stack: ExitStack) -> MapWriter | None:
    if request.save_maps is None:
        return None
    from v2vcli.maps.store import MapWriter

    require_maps_free(request.save_maps, request)
    return stack.enter_context(MapWriter(request.save_maps, generator.spec, overwrite=request.overwrite, source=source))


def _source(request: ConvertRequest, clip: Clip, generator: Generator, stop: StopRequest) -> Iterator[Window]:
    from v2vcli.engine.device import window_length

    detector = ShotDetector() if request.cuts == "auto" else None
    return windows(stop.until(clip.frames()), window_length(request.window, generator.device), detector)


def _paint(generator: Generator, keep_inputs: bool, mapped: Iterable[Window]) -> Iterator[_Painted]:
    past = None
    for window in mapped:
        pictures, past = generator.paint(window.maps, None if window.begins_shot else past)
        frames = tuple(replace(frame, image=picture) for frame, picture in zip(window.frames, pictures, strict=True))
        inputs = tuple(frame.image for frame in window.frames) if keep_inputs else ()
        yield _Painted(frames, window.maps, inputs)
        del window, frames, inputs, pictures  # or they would live until the next window comes


def _write(window: _Painted, size: tuple[int, int], writer: VideoWriter, saved: MapWriter | None) -> None:
    for number, frame in enumerate(window.frames):
        picture = scaled(frame.image, *size)
        if window.inputs:
            picture = np.hstack((scaled(window.inputs[number], *size), picture))
        writer.write(replace(frame, image=picture))
        if saved is not None:
            saved.write(window.maps[number], frame.pts)


def scaled(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A picture at another size: averaged over areas when shrinking, bicubic when enlarging."""
    if picture.shape[:2] == (height, width):
        return picture
    import cv2

    shrinks = width <= picture.shape[1] and height <= picture.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """OpenCV works on one core meanwhile: its pool would compete with the painting, which is what takes time."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
