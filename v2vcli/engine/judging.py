"""The maker of maps behind a conversion, for judging its output: what was asked for, and what can be found in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from v2vcli.engine.maker_names import MakerNames
from v2vcli.engine.makers import load_segmenter, maker_for
from v2vcli.engine.modes import choose_model, require_agreement

if TYPE_CHECKING:
    from v2vcli.maps.makers.extractors import MapExtractor


def extractor_of(
    mode: str | None, model: str | None, video: str | Path, device: str = "auto"
) -> tuple[MapExtractor, tuple[int, int]]:
    """The extractor that `convert` would use for a video, and the (width, height) of the maps it would make.

    Args:
        mode: an entry of `engine.modes.MODES`, or None with a model.
        model: a model that paints, or a segmenter; None is the mode's own.
        video: the video that is judged.
        device: where a segmentation network runs.

    Raises:
        InputError: the video cannot be read.
        ModelError: the model is not there, or does not fit the mode.
        UsageError: nothing makes such maps from frames.
    """
    name = choose_model(mode, model)
    from v2vcli.video.reader import VideoReader

    with VideoReader(video) as reader:
        size = reader.info.width, reader.info.height
    from v2vcli.models.catalog import find_model

    path = find_model(name)
    from v2vcli.engine.device import choose_device
    from v2vcli.models.checkpoint import read_info
    from v2vcli.models.painter import Painter

    place = choose_device(device)
    info = read_info(path)
    require_agreement(mode, name, info.spec)
    if info.arch == "segmenter":
        return load_segmenter(path, place, size), size
    return maker_for(info.spec, MakerNames(), place, size), Painter.load(path).paint_size(*size)
