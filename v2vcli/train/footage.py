"""What clips are drawn from: stretches of consecutive frames, read window by window, each source in its own way.

Peculiar:
- a footage knows lengths, not pixels: what a window needs is read when it is drawn. It is a small value that can be
  sent to another process; what was read lately is kept per process and bounded (`v2vcli.train.pages`);
- frames come at the *loaded size*: ``data.load_size``, or what covers it at the frame's own aspect. Scaling further,
  cropping and mirroring are drawn later, once for the whole window (`v2vcli.train.drawing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from v2vcli.maps.spec import MapFrame, MapSpec, resize_image
from v2vcli.train.clip_sampling import ClipWindow

Pictures = NDArray[np.uint8]
Size = tuple[int, int]
"""(width, height) in pixels."""
Fit = Literal["stretch", "cover"]
MapMaker = Callable[[Sequence[Pictures], Size], list[MapFrame]]
"""Frames and the size of the maps -> their maps: a `MapExtractor.extract`."""


@dataclass(frozen=True, eq=False)
class Moment:
    """A window of frames as it was read.

    Attributes:
        images: (T, H, W, 3) uint8 RGB.
        maps: T maps of the same size.
        flow: (T, H, W, 2) pixels from each frame to the one before it in the window, where the footage knows it; what
            it holds for the first frame is not looked at. None: a teacher has to find it.
        confidence: (T, H, W), where `flow` is to be believed; None without it.
        key: names what the frames are of, a video's contents; None: their flow cannot be remembered.
        numbers: the frames' numbers in it.
    """

    images: Pictures
    maps: Sequence[MapFrame]
    flow: NDArray[np.floating[Any]] | None = None
    confidence: NDArray[np.generic] | None = None
    key: str | None = None
    numbers: Sequence[int] = ()


class Footage(Protocol):
    """Where windows come from.

    Attributes:
        name: for messages.
        source: which kind of source it is, a field of `SourceRecipe`.
        spec: what its maps are; labels in the schema that they were stored in.
        weight: how often it is drawn, relative to its length.
        stretches: lengths of its runs of consecutive frames, none of which a window leaves; stills: of single frames.
        resident: all of it lies in memory; there is nothing to wait for.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see above

    @property
    def source(self) -> str: ...  # noqa: D102

    @property
    def spec(self) -> MapSpec: ...  # noqa: D102

    @property
    def weight(self) -> float: ...  # noqa: D102

    @property
    def stretches(self) -> NDArray[np.int64]: ...  # noqa: D102

    @property
    def resident(self) -> bool: ...  # noqa: D102

    def read(self, stretch: int, window: ClipWindow, rng: np.random.Generator) -> Moment:
        """Read a window of a stretch; `rng` is for what is drawn at random while reading.

        Raises:
            InputError: a file cannot be read, or is not what it was; the message names it.
            SchemaMismatch: a label map has ids outside its schema; the message names it.
        """
        ...


def loaded_size(frame: Size, load_size: Size, fit: Fit) -> Size:
    """The size that frames are brought to: `load_size`, or the smallest of the frame's aspect that covers it."""
    if fit == "stretch":
        return load_size
    factor = max(load_size[0] / frame[0], load_size[1] / frame[1])
    width, height = (max(least, round(side * factor)) for side, least in zip(frame, load_size, strict=True))
    return width, height


def resized_frames(images: Pictures, size: Size) -> Pictures:
    """(T, H, W, 3) at another size: averaged over areas when shrinking, bilinear when enlarging."""
    if images.shape[1:3] == (size[1], size[0]):
        return images
    return np.stack([resize_image(image, *size) for image in images])
