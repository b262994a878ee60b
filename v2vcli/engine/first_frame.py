"""What the first frame of a shot is painted after: ``--first-frame auto|paint|zeros|input|IMAGE``.

Peculiar: a video generator looks at what it painted last, and at the beginning there is nothing. Whatever is put there
is taken as if it had been painted just before; the first frame of the output is painted after it, and is not it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from v2vcli.engine.request import FIRST_FRAMES
from v2vcli.engine.windows import Window
from v2vcli.errors import InputError
from v2vcli.video.reader import VideoReader

if TYPE_CHECKING:
    from v2vcli.engine.generator import Generator

Picture: TypeAlias = NDArray[np.uint8]


def read_first_frame(first_frame: str) -> Picture | None:
    """The picture that ``--first-frame`` names, (H, W, 3) uint8; None if it is one of its words.

    Raises:
        InputError: it cannot be read.
    """
    if first_frame in FIRST_FRAMES:
        return None
    path = Path(first_frame)
    if not path.is_file():
        words = ", ".join(FIRST_FRAMES)
        raise InputError(f"--first-frame {path}: there is no such picture; give {words}, or the path of one")
    with VideoReader(path) as reader:
        return next(iter(reader)).image


class FirstFrames:
    """Begins shots as a request wants it."""

    def __init__(self, first_frame: str, picture: Picture | None, generator: Generator) -> None:
        """Check that the model can.

        Args:
            first_frame: as the request says it.
            picture: what `read_first_frame` gave for it.
            generator: the model.

        Raises:
            ModelError: it has nothing to paint first frames with, or paints every frame by itself.
        """
        self._how, self._picture, self._generator = first_frame, picture, generator
        generator.require_beginning(first_frame)

    def begin(self, window: Window) -> Any:
        """The past of a shot that begins with a window; None leaves it to the model."""
        if self._picture is not None:
            picture, self._picture = self._picture, None  # of later shots it shows nothing
            return self._generator.begin(window.maps[0], picture)
        if self._how == "zeros":
            return self._generator.begin(window.maps[0], None)
        if self._how == "input":
            return self._generator.begin(window.maps[0], window.frames[0].image)
        return None
