"""What a conversion needs opened: the model that paints, and what makes its maps. Either may serve many conversions.

Peculiar: whoever converts several videos opens them once and hands them to `convert.convert`; the requests must then
agree in everything that was used here (mode, model, device, precision, makers of maps).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import v2vcli
from v2vcli.engine.modes import choose_model, fingerprint, require_agreement
from v2vcli.engine.request import ConvertRequest

if TYPE_CHECKING:
    from v2vcli.engine.generator import Generator
    from v2vcli.maps.makers.extractors import MapExtractor


def load_generator(request: ConvertRequest) -> tuple[Generator, str]:
    """Open the model of a request.

    Returns:
        The model, and which one it is in words, as the outputs' comments say it.

    Raises:
        ModelError: the model is not there, or does not fit the mode.
        UsageError: there is no such mode or device.
    """
    from v2vcli.models.catalog import find_model

    name = choose_model(request.mode, request.model)
    path = find_model(name)
    from v2vcli.engine.generator import Generator  # and with it torch

    generator = Generator.load(path, device=request.device, precision=request.precision)
    require_agreement(request.mode, name, generator.spec)
    return generator, _provenance(generator, path)


def provenance(request: ConvertRequest, generator: Generator) -> str:
    """Which model it is in words, of one that was loaded before for such a request.

    Raises:
        ModelError: its file is gone.
    """
    from v2vcli.models.catalog import find_model

    return _provenance(generator, find_model(choose_model(request.mode, request.model)))


def load_maker(
    request: ConvertRequest, generator: Generator, video: tuple[int, int] | None = None
) -> MapExtractor | None:
    """What makes the maps that a model paints from; None where they are given.

    Args:
        request: says which.
        generator: the model.
        video: (width, height) of the only video that it is for; None: of any.

    Raises:
        ModelError: its weights are not there, or do not make such maps.
        UsageError: nothing of that name makes such maps.
    """
    from v2vcli.engine.makers import maker_for

    if request.maps is not None:
        return None
    return maker_for(generator.spec, request.makers, generator.device, video)


def _provenance(generator: Generator, path: Path) -> str:
    stat = path.stat()
    version = _fingerprint(path, stat.st_mtime_ns, stat.st_size)
    return f"v2v {v2vcli.__version__} with the model {generator.info.name} (sha256 {version})"


@functools.lru_cache(maxsize=8)
def _fingerprint(path: Path, modified: int, size: int) -> str:
    """As `modes.fingerprint`; a model of a gigabyte is read once, however many videos it paints."""
    return fingerprint(path)
