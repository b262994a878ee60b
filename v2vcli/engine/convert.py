"""The main job: one video in, another out, stage beside stage.

    decode -> (resample) -> shots -> windows   one thread
    maps, made or read                         one thread
    flow, smoothing, following, edits          one thread each, of label maps, where wanted
    paint                                      one thread
    resize, compose -> encode, save maps       the caller's thread

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
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from v2vcli.engine.checks import require_known_names
from v2vcli.engine.clip import Clip, is_wanted
from v2vcli.engine.cut_list import CutFinder, CutList, read_cuts
from v2vcli.engine.first_frame import FirstFrames, read_first_frame
from v2vcli.engine.layout import Layout
from v2vcli.engine.loading import load_generator, load_maker, provenance
from v2vcli.engine.pipeline import Pipeline
from v2vcli.engine.progress import Meter, OnProgress, Result
from v2vcli.engine.request import ConvertRequest
from v2vcli.engine.stopping import StopRequest
from v2vcli.engine.targets import encoding_for, require_free, require_maps_free
from v2vcli.engine.verifying import Verification
from v2vcli.engine.windows import Window, windows
from v2vcli.video.encoding import Encoding
from v2vcli.video.frame import Frame
from v2vcli.video.shots import ShotDetector
from v2vcli.video.writer import VideoWriter

if TYPE_CHECKING:
    from v2vcli.engine.generator import Generator
    from v2vcli.engine.mapping import Stage
    from v2vcli.maps.files.store import MapWriter
    from v2vcli.maps.makers.extractors import MapExtractor
    from v2vcli.maps.spec import MapFrame


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
    with ExitStack() as stack:
        clip = stack.enter_context(Clip(request, stop))
        require_free(request)
        encoding = encoding_for(request)
        require_known_names(request)
        cuts, picture = _cut_finder(request, clip), read_first_frame(request.first_frame)
        stack.enter_context(_one_opencv_thread())
        notes: list[str] = []
        if generator is None:
            generator, made_by = load_generator(request)
        else:
            made_by = provenance(request, generator)
        info = clip.info
        first_frames = FirstFrames(request.first_frame, picture, generator)
        layout = Layout.of(request, (info.width, info.height))
        paint_size = generator.paint_size(info.width, info.height, request.paint_size)
        make_maps, source = _maps_stages(request, generator, maker, clip, paint_size, notes.append)
        saved = _open_saved(request, generator, source, stack)
        verified = Verification(request, layout.size) if request.verify else None
        writer = stack.enter_context(_open_writer(request, clip, layout, encoding, made_by, verified))
        meter = Meter(clip.expected_frames(), progress)
        decoded = partial(_decoded, request, clip, generator, cuts)
        paint = partial(_paint, generator, first_frames, layout.needs_input)
        with Pipeline[_Painted](decoded, [*make_maps, paint], room=1, wake=clip.cancel) as painted:
            for window in painted:
                written = _write(window, layout, writer, saved)
                if verified is not None:
                    verified.wrote([frame.pts for frame in written])
                meter.wrote([frame.duration for frame in written])
                del window, written
        if clip.ended_early:
            writer.end_here()
    # the writers have been closed: only now is everything on disk, and every warning known
    warnings = (*clip.warnings, *writer.warnings, *notes)
    return Result(
        str(request.output),
        *layout.size,
        meter.progress(),
        generator.info.name,
        tuple(dict.fromkeys(warnings)),
        stopped=clip.stop.obeyed,
    )


def _cut_finder(request: ConvertRequest, clip: Clip) -> CutFinder | None:
    if request.cuts == "auto":
        return ShotDetector()
    if request.cuts == "none":
        return None
    counted = request.start is None and request.rate is None
    return CutList(read_cuts(Path(request.cuts), counted=counted), clip.info.origin)


def _open_writer(
    request: ConvertRequest,
    clip: Clip,
    layout: Layout,
    encoding: Encoding,
    made_by: str,
    verification: Verification | None,
) -> VideoWriter:
    info = clip.info
    width, height = layout.size
    return VideoWriter(
        request.output,
        width=width,
        height=height,
        time_base=clip.time_base,
        rate=clip.rate,
        encoding=encoding,
        # as ffmpeg's -s: the shape on the screen stays
        sample_aspect=info.sample_aspect * Fraction(info.width * layout.height, info.height * layout.width),
        overwrite=request.overwrite,
        format=request.output_format,
        copy_from=clip.side or (request.input if request.input.is_file() else None),
        audio=request.audio,
        audio_codec=request.audio_codec,
        subtitles=request.subtitles,
        keep_metadata=request.tags,
        metadata={"comment": _comment(made_by, info.metadata.items() if request.tags else ())},
        start=clip.start,
        end=clip.end,
        inspect=None if verification is None else verification.check,
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
    from v2vcli.engine.mapping import extracted, given, refinements

    spec, info = generator.spec, clip.info
    video = info.width, info.height
    if request.maps is None:
        maker = maker or load_maker(request, generator, video)
        assert maker is not None  # it is for maps that are given
        made = extracted(maker, size)
        source = maker_source(chosen_maker(spec.kind, request.makers))
        return [made, *refinements(request, spec, info, made=True, warn=warn)], source
    require_kind(spec.kind, request.makers)
    read = given(request, request.maps, spec, video=video, size=size, warn=warn)
    return [read, *refinements(request, spec, info, made=False, warn=warn)], given_source(request.maps)


def _open_saved(request: ConvertRequest, generator: Generator, source: str, stack: ExitStack) -> MapWriter | None:
    if request.save_maps is None:
        return None
    from v2vcli.maps.files.store import MapWriter

    require_maps_free(request.save_maps, request)
    return stack.enter_context(MapWriter(request.save_maps, generator.spec, overwrite=request.overwrite, source=source))


def _decoded(request: ConvertRequest, clip: Clip, generator: Generator, cuts: CutFinder | None) -> Iterator[Window]:
    from v2vcli.engine.device import window_length

    length = 1 if request.live else window_length(request.window, generator.device)
    return windows(clip.frames(), length, cuts)


def _paint(
    generator: Generator, first_frames: FirstFrames, keep_inputs: bool, mapped: Iterable[Window]
) -> Iterator[_Painted]:
    past = None
    for window in mapped:
        if window.begins_shot:
            past = first_frames.begin(window)
        pictures, past = generator.paint(window.maps, past)
        frames = tuple(replace(frame, image=picture) for frame, picture in zip(window.frames, pictures, strict=True))
        inputs = tuple(frame.image for frame in window.frames) if keep_inputs else ()
        yield _Painted(frames, window.maps, inputs)
        del window, frames, inputs, pictures  # or they would live until the next window comes


def _write(window: _Painted, layout: Layout, writer: VideoWriter, saved: MapWriter | None) -> list[Frame]:
    """Write the frames of a window, but for those that only warmed up; which they were."""
    written: list[Frame] = []
    for number, frame in enumerate(window.frames):
        if not is_wanted(frame):
            continue
        original = window.inputs[number] if window.inputs else None
        writer.write(replace(frame, image=layout.compose(frame.image, original)))
        if saved is not None:
            saved.write(window.maps[number], frame.pts)
        written.append(frame)
    return written


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
