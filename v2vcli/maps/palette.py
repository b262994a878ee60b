"""Reading colour-coded label maps back: nearest palette colour, and how far away the picture is from the palette.

What is peculiar: every 24-bit colour is decided once and remembered in a table of 2**24 entries (32 MB), because a
compressed video shows the same few thousand colours in every frame.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from v2vcli.maps.label_schema import LabelSchema

_DECIDED: Final = 0x100
_FAR: Final = 0x200


class PaletteReader:
    """Reads pictures in one schema's palette.

    Args:
        schema: Its colours (`LabelSchema.colours`); the void colour reads as `void_id`.
        tolerance: Euclidean distance in RGB from which a pixel counts as far from every palette colour.
    """

    def __init__(self, schema: LabelSchema, tolerance: float = 48.0) -> None:
        self.schema = schema
        self._colours = np.array(list(schema.colours), np.int32)
        self._ids = np.array(list(schema.colours.values()), np.uint16)
        self._limit = tolerance * tolerance
        self._table = np.zeros(1 << 24, np.uint16)

    def read(self, rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
        """Read one picture.

        Args:
            rgb: (H, W, 3) uint8.

        Returns:
            (H, W) uint8 ids of the nearest colours (the class that comes first in `LabelSchema.colours` on a tie), and
            the share of the pixels, 0..1, that are far from every palette colour.
        """
        packed = (rgb[..., 0].astype(np.int32) << 16) | (rgb[..., 1].astype(np.int32) << 8) | rgb[..., 2]
        answers = self._table[packed]
        new = np.unique(packed[answers == 0])
        if new.size:
            self._table[new] = self._decide(new)
            answers = self._table[packed]
        return (answers & 0xFF).astype(np.uint8), float(np.mean((answers & _FAR) != 0))

    def _decide(self, packed: NDArray[np.int32]) -> NDArray[np.uint16]:
        """Table entries for new colours: id, `_DECIDED`, and `_FAR` where no palette colour is near."""
        colours = np.stack([packed >> 16, (packed >> 8) & 0xFF, packed & 0xFF], axis=1)
        best = np.full(len(packed), np.iinfo(np.int32).max, np.int32)
        nearest = np.zeros(len(packed), np.uint16)
        for colour, id_ in zip(self._colours, self._ids, strict=True):  # a palette is short; this keeps memory small
            distance = ((colours - colour) ** 2).sum(axis=1, dtype=np.int32)
            nearer = distance < best
            best[nearer] = distance[nearer]
            nearest[nearer] = id_
        return nearest | np.uint16(_DECIDED) | np.where(best > self._limit, np.uint16(_FAR), np.uint16(0))
