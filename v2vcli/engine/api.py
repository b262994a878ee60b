"""The Python face of the main job: `v2vcli.convert` and `v2vcli.load`, imported from there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from v2vcli.engine.progress import OnProgress, Result
from v2vcli.engine.request import ConvertRequest, Device, Precision

if TYPE_CHECKING:
    from v2vcli.engine.generator import Generator


def convert(input: str | Path, output: str | Path, *, progress: OnProgress | None = None, **options: Any) -> Result:
    """Convert a video, as ``v2v convert`` does.

    Args:
        input: the video.
        output: the file to make; not overwritten unless ``overwrite=True``.
        progress: called with a `Progress` after every few frames.
        **options: fields of `v2vcli.engine.request.ConvertRequest`: ``mode``, ``model``, ``segmenter``, ``pose``,
            ``maps``, ``relabel``, ``save_maps``, ``side_by_side``, ``device``, ``start``, ``duration``, ``crf``, ...

    Returns:
        What was written, with its frame count, speed and warnings.

    Raises:
        V2VError: see `v2vcli.engine.convert.convert`.
        TypeError: an option of that name does not exist.

    Example:
        >>> v2vcli.convert("drive.mp4", "out.mp4", mode="seg2street", start="1:30", duration=10)  # doctest: +SKIP
    """
    request = ConvertRequest(input=Path(input), output=Path(output), **options)
    from v2vcli.engine.convert import convert as run

    return run(request, progress=progress)


def load(model: str | Path, *, device: Device = "auto", precision: Precision = "auto") -> Generator:
    """Open a model by path, bundled name or hub id, to paint maps with: ``load(...).stream(maps)``.

    Raises:
        ModelError: not found, damaged, or not a model that paints.
    """
    from v2vcli.engine.generator import Generator

    return Generator.load(model, device=device, precision=precision)
