"""Reading colour-coded maps back: nearest palette colour, and whether the picture is in that palette at all.

What is peculiar:

- A video codec blurs the borders between classes into colours that may be nearest to a third class. A pixel that is not
  quite a palette colour therefore takes the class of one of its eight neighbours that are, the one whose colour is
  nearest. (Labels of a city drive at 640x360 through x264 at crf 18: 98.6 % of the pixels right without, 99.2 % with.)
- The same blur makes far-off colours, but only in thin lines. A class that the palette lacks makes areas. So what is
  counted against a palette is the share of pixels with nothing but far-off colours in the 5x5 square round them: below
  0.5 % for the right palette (x264 crf 30, MPEG-4; 192x112 and up), 35 % and more for that of another data set.
  Line drawings on black, such as HD maps, have few areas: there the far-off share of what is drawn tells (61 to 97 % in
  all but two of 56 frames, 44 % at least, against 14 % at most for label videos).
- Every 24-bit colour is decided once and remembered in a table of 2**24 entries (32 MB): a compressed video shows the
  same few thousand colours in every frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from v2vcli.maps.label_schema import Colour, LabelSchema

_DECIDED: Final = 0x100
_UNSURE: Final = 0x200
_FAR: Final = 0x400


class PaletteReading(NamedTuple):
    """One picture read in a palette.

    Attributes:
        values: (H, W) uint8, what the colours stand for.
        foreign_areas: Share of the picture, 0..1, inside areas (not lines) of colours that the palette lacks.
        foreign_drawing: Share of what is drawn, that is of the pixels not in the palette's first colour, that is in
            colours that the palette lacks; gives away line drawings on black.
    """

    values: NDArray[np.uint8]
    foreign_areas: float
    foreign_drawing: float


class PaletteReader:
    """Reads pictures that are painted in a few known colours.

    Args:
        colours: RGB to the value it stands for, 0..255; the first one is what undrawn paper looks like.
        unsure: Distance (Euclidean, RGB 0..255) from which a pixel asks its neighbours; infinity: never.
        far: Distance from which a pixel counts as no colour of the palette.
    """

    def __init__(self, colours: Mapping[Colour, int], unsure: float = 24.0, far: float = 32.0) -> None:
        self._colours = np.array(list(colours), np.int32)
        self._values = np.array(list(colours.values()), np.uint8)
        self._unsure = unsure * unsure
        self._far = far * far
        self._colour_of = np.zeros((256, 3), np.int32)
        self._colour_of[self._values[::-1]] = self._colours[::-1]  # where values repeat, the first colour counts
        self._table = np.zeros(1 << 24, np.uint16)

    @classmethod
    def of_schema(cls, schema: LabelSchema) -> PaletteReader:
        """Read label maps coloured by `schema`; paper is the void colour, which reads as `void_id`."""
        return cls(schema.colours)

    def read(self, rgb: NDArray[np.uint8]) -> PaletteReading:
        """Read one picture.

        Args:
            rgb: (H, W, 3) uint8.

        Where two colours are equally near, the one that came first at construction counts.
        """
        packed = _packed(rgb)
        answers = self._table[packed]
        new = np.unique(packed[answers == 0])
        if new.size:
            values, distances = self._nearest(new)
            flags = np.where(distances > self._unsure, _UNSURE, 0) | np.where(distances > self._far, _FAR, 0)
            self._table[new] = values.astype(np.uint16) | _DECIDED | flags.astype(np.uint16)
            answers = self._table[packed]
        values = (answers & 0xFF).astype(np.uint8)
        unsure = (answers & _UNSURE) != 0
        if unsure.any():
            self._ask_neighbours(rgb, values, unsure)
        far = (answers & _FAR) != 0
        drawn = int(np.count_nonzero(far | (values != self._values[0])))
        return PaletteReading(values, float(np.mean(_core(far))), int(np.count_nonzero(far)) / max(drawn, 1))

    def distance(self, rgb: NDArray[np.uint8]) -> float:
        """Mean distance of the picture's pixels from their nearest palette colours."""
        colours, counts = np.unique(_packed(rgb), return_counts=True)
        return float(np.average(np.sqrt(self._nearest(colours)[1]), weights=counts))

    def _nearest(self, packed: NDArray[np.int32]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Value and squared distance of the nearest palette colour, for (N,) packed colours."""
        rgb = np.stack([packed >> 16, (packed >> 8) & 0xFF, packed & 0xFF], axis=1)
        best = np.full(len(packed), np.iinfo(np.int32).max, np.int32)
        values = np.zeros(len(packed), np.uint8)
        for colour, value in zip(
            self._colours, self._values, strict=True
        ):  # a palette is short: little memory this way
            squared = ((rgb - colour) ** 2).sum(axis=1, dtype=np.int32)
            nearer = squared < best
            best[nearer] = squared[nearer]
            values[nearer] = value
        return values, best

    def _ask_neighbours(self, rgb: NDArray[np.uint8], values: NDArray[np.uint8], unsure: NDArray[np.bool_]) -> None:
        """Give unsure pixels the value of a sure neighbour, if there is one; in place."""
        rows, columns = np.nonzero(unsure)
        pixels = rgb[rows, columns].astype(np.int32)
        best = np.full(len(rows), np.iinfo(np.int32).max, np.int32)
        chosen = values[rows, columns]
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                y = np.clip(rows + dy, 0, rgb.shape[0] - 1)
                x = np.clip(columns + dx, 0, rgb.shape[1] - 1)
                candidates = values[y, x]
                squared = ((pixels - self._colour_of[candidates]) ** 2).sum(axis=1, dtype=np.int32)
                better = ~unsure[y, x] & (squared < best)
                best[better] = squared[better]
                chosen[better] = candidates[better]
        values[rows, columns] = chosen


def _packed(rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
    return (rgb[..., 0].astype(np.int32) << 16) | (rgb[..., 1].astype(np.int32) << 8) | rgb[..., 2]


def _core(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Erode by a 5x5 square; outside the picture counts as inside the mask."""
    for axis in (0, 1):
        padded = np.pad(mask, [(2, 2) if a == axis else (0, 0) for a in (0, 1)], constant_values=True)
        length = mask.shape[axis]
        mask = np.logical_and.reduce([padded.take(range(i, i + length), axis=axis) for i in range(5)])
    return mask
