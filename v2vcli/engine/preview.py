"""Maps to look at: drawn over the frames that they belong to, with a legend of the classes that occur.

Peculiar:

- the legend stands beside the picture and covers nothing. Classes are added as they come up for the first time and then
  keep their places, so that it does not jump about; what the current frame does not show is dimmed;
- instances are outlined and numbered: ``#12`` is what ``--relabel 'car@#12=bus'`` calls it.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from v2vcli.engine.clip import Clip
from v2vcli.maps.label_schema import LabelSchema
from v2vcli.maps.spec import MapFrame, MapSpec, resize_image
from v2vcli.video.encoding import Encoding
from v2vcli.video.frame import Frame
from v2vcli.video.writer import VideoWriter

Picture = NDArray[np.uint8]

_COLOUR: Final = 0.5  # how much of the picture is the class's colour
_LEAST_SHARE: Final = 0.0005  # of the picture, for a class to come into the legend: specks do not
_LONGEST_NAME: Final = 24
_GROUND, _BRIGHT, _DIM = (24, 24, 24), (235, 235, 235), (110, 110, 110)
_FONT: Final = 0  # cv2.FONT_HERSHEY_SIMPLEX, whose capitals are 22 pixels high at scale 1
_FONT_HEIGHT: Final = 22


class Overlay:
    """Draws maps of one clip over its frames.

    Args:
        spec: of the maps.
        width: of the maps, in pixels.
        height: of the maps, in pixels.

    Attributes:
        size: (width, height) of the pictures: the map's, and the legend to its right.
    """

    def __init__(self, spec: MapSpec, width: int, height: int) -> None:
        self._map_size = width, height
        self._legend = None if spec.schema is None else Legend(spec.schema, height)
        panel = 0 if self._legend is None else self._legend.width
        if panel:
            panel += (width + panel) % 2  # an even picture can be stored as 4:2:0, which every player shows
        self._panel = panel
        self.size = width + panel, height

    def draw(self, image: Picture, made: MapFrame) -> Picture:
        """One picture.

        Args:
            image: (H, W, 3) uint8, the frame at any size.
            made: its map.

        Returns:
            (height, width, 3) uint8 of `size`.
        """
        ground = resize_image(image, *self._map_size)
        if made.spec.schema is None:
            return _drawn_over(ground, made)
        picture = _coloured(ground, made, made.spec.schema)
        if made.instances is not None:
            _number_instances(picture, made, made.spec.schema)
        if self._legend is None:
            return picture
        return np.hstack((picture, self._legend.draw(made.array, self._panel)))


class Legend:
    """Names and colours of the classes that have come up in a clip.

    Args:
        schema: of the maps.
        height: of the legend, in pixels; its text grows with it.

    Attributes:
        width: in pixels, wide enough for every name of the schema (cut after 24 letters).
    """

    def __init__(self, schema: LabelSchema, height: int) -> None:
        import cv2

        self._schema = schema
        self._height = height
        self._row = min(40, max(12, round(height / 20)))
        self._scale = 0.5 * self._row / _FONT_HEIGHT
        self._names = {c.id: _cut(c.name) for c in schema.classes if not c.void}
        texts = [*self._names.values(), _more(len(self._names))]
        longest = max(cv2.getTextSize(text, _FONT, self._scale, 1)[0][0] for text in texts)
        self.width = longest + 2 * self._row
        self._shown: list[int] = []

    def draw(self, labels: NDArray[np.uint8], width: int) -> Picture:
        """The legend beside a map of ids, (height, width, 3) uint8."""
        shares = np.bincount(labels.ravel(), minlength=256) / labels.size
        self._shown += [i for i in self._names if shares[i] >= _LEAST_SHARE and i not in self._shown]
        panel = np.full((self._height, width, 3), _GROUND, np.uint8)
        rows = max(1, (self._height - self._row // 2) // self._row)
        shown = self._shown if len(self._shown) <= rows else self._shown[: rows - 1]
        side = max(4, self._row * 2 // 3)
        for row, label in enumerate(shown):
            top = self._row // 4 + row * self._row
            colour = self._schema.palette[label].tolist()
            left = self._row // 3
            panel[top : top + side, left : left + side] = colour if shares[label] else np.array(colour) // 3
            self._write(panel, self._names[label], top + side, _BRIGHT if shares[label] else _DIM)
        if hidden := len(self._shown) - len(shown):
            self._write(panel, _more(hidden), self._row // 4 + len(shown) * self._row + side, _DIM)
        return panel

    def _write(self, panel: Picture, text: str, bottom: int, colour: tuple[int, int, int]) -> None:
        import cv2

        place = (self._row * 4 // 3, bottom - max(1, self._row // 8))
        cv2.putText(panel, text, place, _FONT, self._scale, colour, 1, cv2.LINE_AA)


class Preview:
    """The video of the overlays: a context manager, as `video.VideoWriter`, with the sound of the input."""

    def __init__(
        self,
        path: Path,
        spec: MapSpec,
        size: tuple[int, int],
        *,
        clip: Clip,
        source: Path,
        overwrite: bool,
    ) -> None:
        """Open the output.

        Args:
            path: the video to make.
            spec: of the maps.
            size: (width, height) of the maps.
            clip: the stretch of the input that the maps are of.
            source: the input, whose sound comes along.
            overwrite: replace what exists.

        Raises:
            OutputError: it cannot be written.
        """
        self._overlay = Overlay(spec, *size)
        width, height = self._overlay.size
        info = clip.info
        self._writer = VideoWriter(
            path,
            width=width,
            height=height,
            time_base=clip.time_base,
            rate=clip.rate,
            encoding=Encoding(crf=20, preset="veryfast"),
            # the shape on the screen stays
            sample_aspect=info.sample_aspect * Fraction(info.width * size[1], info.height * size[0]),
            overwrite=overwrite,
            copy_from=source,
            metadata={"comment": "A preview of maps, drawn by v2v over the video they were made from"},
            start=clip.start,
            end=clip.end,
        )

    @property
    def warnings(self) -> list[str]:
        """What could not be kept; complete when it is closed."""
        return self._writer.warnings

    def write(self, frame: Frame, made: MapFrame) -> None:
        """Draw and encode one frame with its map.

        Raises:
            OutputError: the disk refuses.
        """
        self._writer.write(replace(frame, image=self._overlay.draw(frame.image, made)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, trace)


def _coloured(ground: Picture, made: MapFrame, schema: LabelSchema) -> Picture:
    """The frame in the colours of its classes; void stays as it was filmed."""
    import cv2

    colours = schema.palette[made.array]
    mixed = np.asarray(cv2.addWeighted(ground, 1 - _COLOUR, colours, _COLOUR, 0), np.uint8)
    void = schema.void[made.array]
    mixed[void] = ground[void]
    return mixed


def _drawn_over(ground: Picture, made: MapFrame) -> Picture:
    """Lines (edges, faces, skeletons) over the darkened frame; maps that are pictures shine through it."""
    import cv2

    picture = made.picture()
    if made.spec.kind in ("edges", "face", "pose"):
        return np.asarray(cv2.add(ground // 2, picture), np.uint8)
    return np.asarray(cv2.addWeighted(ground, 1 - _COLOUR, picture, _COLOUR, 0), np.uint8)


def _number_instances(picture: Picture, made: MapFrame, schema: LabelSchema) -> None:
    """Outline objects in white, and write the number of each that is large enough to its middle."""
    import cv2

    assert made.instances is not None  # asked for maps with instances alone
    is_object = np.isin(np.arange(256), schema.foreground_ids)[made.array]
    ids = np.where(is_object, made.instances, 0)
    outline = np.zeros(ids.shape, np.bool_)
    outline[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    outline[1:] |= ids[1:] != ids[:-1]
    picture[outline] = 255
    scale = max(0.3, picture.shape[0] / 900)
    for number in np.unique(ids[ids > 0]).tolist():
        rows, columns = np.nonzero(ids == number)
        (width, height), _ = cv2.getTextSize(f"#{number}", _FONT, scale, 1)
        if rows.size < 2 * width * height:
            continue
        place = int(columns.mean() - width / 2), int(rows.mean() + height / 2)
        for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(picture, f"#{number}", place, _FONT, scale, colour, thickness, cv2.LINE_AA)


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 2] + ".."


def _more(count: int) -> str:
    return f"+{count} more"
