"""What a picture of the output shows: what was painted, alone, beside the input, or over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from v2vcli.engine.request import ConvertRequest

Picture: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """How a picture of the output is put together.

    Attributes:
        width: of what was painted in it, in pixels.
        height: of what was painted in it, in pixels.
        shows: what was ``painted`` alone, the input ``beside`` it to the left, or the input shining through, ``over``.
    """

    width: int
    height: int
    shows: Literal["painted", "beside", "over"] = "painted"

    @classmethod
    def of(cls, request: ConvertRequest, video: tuple[int, int]) -> Layout:
        """What a request wants of a video of (width, height)."""
        width, height = request.size or video
        return cls(width, height, "beside" if request.side_by_side else "over" if request.overlay else "painted")

    @property
    def needs_input(self) -> bool:
        """Whether the input is seen in it."""
        return self.shows != "painted"

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the output."""
        return self.width * (2 if self.shows == "beside" else 1), self.height

    def compose(self, painted: Picture, original: Picture | None) -> Picture:
        """One picture of the output.

        Args:
            painted: (H, W, 3) uint8, any size.
            original: the input's frame, (H, W, 3) uint8 of any size; needed if `needs_input`.
        """
        picture = scaled(painted, self.width, self.height)
        if not self.needs_input:
            return picture
        assert original is not None
        ground = scaled(original, self.width, self.height)
        if self.shows == "beside":
            return np.hstack((ground, picture))
        import cv2

        return np.asarray(cv2.addWeighted(ground, 0.5, picture, 0.5, 0), np.uint8)


def scaled(picture: Picture, width: int, height: int) -> Picture:
    """A picture at another size: averaged over areas when shrinking, bicubic when enlarging."""
    if picture.shape[:2] == (height, width):
        return picture
    import cv2

    shrinks = width <= picture.shape[1] and height <= picture.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)
