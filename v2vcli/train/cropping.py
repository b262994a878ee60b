"""From a frame of any size to a training frame: scale, crop and mirror, drawn once for all frames of a clip.

`SizeRule` says what may be drawn, `crop_plan` draws, and the `CropPlan` it gives is plain numbers: the size to scale
to, the window to cut, whether to mirror. Sides come out as multiples of ``rule.multiple``, which networks can halve.

Peculiar:
- the window sits near the top, where heads are (its top edge within the first eighth of the frame), and around the
  middle horizontally (a normal distribution, three deviations wide), as in the reference;
- an optical flow that is cut along must also be turned round when mirrored: `CropPlan.cut_flow`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import RecipeError

Scalar = TypeVar("Scalar", bound=np.generic)

GRAIN = 4
"""A frame that is going to be cropped is scaled to multiples of this."""
TOP_SHARE = 8
"""The window's top edge lies within the frame's first 1/8."""


@dataclass(frozen=True)
class SizeRule:
    """How a clip's frames become training frames.

    Attributes:
        scale: the side whose length is given, the other follows the frame's aspect; ``square``: both get that length;
            None: frames keep their size.
        length: of that side in pixels. Drawn anew for each clip where `shortest` is set.
        shortest: smallest length that may be drawn, `length` being the largest; None: always `length`.
        crop: ``square``: a window of `crop_length` by `crop_length`; ``aspect``: one with the frame's aspect, whose
            side named by `scale` is `crop_length`; None: the whole frame.
        crop_length: see `crop`.
        flip: mirror a clip as often as not. Not for poses, whose colours tell left from right.
        multiple: sides of what comes out are multiples of this.
        overshoot: quirk Q15 of the reference, for comparing with it: the drawn length may be `length` + 1, and the
            window may be larger than the frame: what is cut then has sides that are no multiples.

    Raises:
        ValueError: the settings contradict each other.
    """

    scale: Literal["width", "height", "square"] | None = "width"
    length: int = 512
    shortest: int | None = None
    crop: Literal["square", "aspect"] | None = None
    crop_length: int = 512
    flip: bool = True
    multiple: int = 32
    overshoot: bool = False

    def __post_init__(self) -> None:
        """Check that the settings fit together."""
        if min(self.length, self.crop_length, self.multiple) < 1:
            raise ValueError(f"lengths must be positive, got {self}")
        if self.shortest is not None and (self.scale is None or not 1 <= self.shortest <= self.length):
            raise ValueError(f"a length between {self.shortest} and {self.length} of side {self.scale} cannot be drawn")
        if self.crop == "aspect" and self.scale not in ("width", "height"):
            raise ValueError(f"a crop of the frame's aspect needs scale width or height, not {self.scale}")


@dataclass(frozen=True)
class CropPlan:
    """What is done to every frame of one clip.

    Attributes:
        scaled: (width, height) that frames and maps are scaled to first.
        corner: (left, top) of the window in the scaled frame.
        size: (width, height) of the window, and of what comes out (unless a rule that overshoots made it too large).
        mirrored: left and right are exchanged.
    """

    scaled: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]
    mirrored: bool = False

    def cut(self, frames: NDArray[Scalar]) -> NDArray[Scalar]:
        """The window of frames or maps that are already scaled: (T, H, W) or (T, H, W, C), a new array."""
        (left, top), (width, height) = self.corner, self.size
        window = frames[:, top : top + height, left : left + width]
        return np.array(window[:, :, ::-1] if self.mirrored else window)

    def cut_flow(self, flow: NDArray[Scalar]) -> NDArray[Scalar]:
        """The window of a flow between scaled frames: (T, H, W, 2) in pixels; mirroring turns u round."""
        window = self.cut(flow)
        if self.mirrored:
            np.negative(window[..., 0], out=window[..., 0])
        return window


def crop_plan(size: tuple[int, int], rule: SizeRule, rng: np.random.Generator) -> CropPlan:
    """Draw the plan of one clip.

    Args:
        size: (width, height) of its frames.
        rule: what may be drawn.
        rng: asked for, in this order and only where the rule leaves a choice: the length (`integers`), the window's
            left (`standard_normal`) and top (`integers`), mirroring (`random`).

    Raises:
        RecipeError: the scaled frame has a side shorter than ``rule.multiple``.
    """
    scaled = _scaled(size, rule, rng)
    corner = (0, 0)
    if rule.crop is None:
        window = scaled = _multiples(scaled, rule.multiple)
    else:
        window = _window(scaled, rule)
        corner = _corner(scaled, window, rng)
    if min(window) < 1:
        raise RecipeError(
            f"frames of {size[0]}x{size[1]} become {scaled[0]}x{scaled[1]}, less than the {rule.multiple} pixels that "
            "a side must have; train at a larger size, or leave out clips of this shape"
        )
    return CropPlan(scaled, corner, window, rule.flip and bool(rng.random() < 0.5))


def _scaled(size: tuple[int, int], rule: SizeRule, rng: np.random.Generator) -> tuple[int, int]:
    """The size to scale to, in multiples of `GRAIN`."""
    width, height = size
    length = rule.length
    if rule.shortest is not None:
        length = int(rng.integers(rule.shortest, rule.length + rule.overshoot, endpoint=True))
    match rule.scale:
        case "width":
            width, height = length, length * height // width
        case "height":
            width, height = length * width // height, length
        case "square":
            width = height = length
    return _multiples((width, height), GRAIN)


def _window(scaled: tuple[int, int], rule: SizeRule) -> tuple[int, int]:
    """The (width, height) of the window."""
    width, height = scaled
    asked = (rule.crop_length, rule.crop_length)
    if rule.crop == "aspect" and rule.scale == "width":
        asked = (rule.crop_length, rule.crop_length * height // width)
    elif rule.crop == "aspect":
        asked = (rule.crop_length * width // height, rule.crop_length)
    asked = _multiples(asked, rule.multiple)
    if rule.overshoot:
        return asked
    return min(asked[0], width - width % rule.multiple), min(asked[1], height - height % rule.multiple)


def _corner(scaled: tuple[int, int], window: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Where the window sits; drawn even where there is only one place, so that draws do not depend on sizes."""
    half = max(0, scaled[0] - window[0]) // 2
    left = min(max(0, int(rng.standard_normal() * half / 3 + half)), 2 * half)
    lowest = min(max(0, scaled[1] - window[1]), scaled[1] // TOP_SHARE)
    return left, int(rng.integers(0, lowest, endpoint=True))


def _multiples(size: tuple[int, int], of: int) -> tuple[int, int]:
    """Both sides rounded to multiples (half to even)."""
    return round(size[0] / of) * of, round(size[1] / of) * of


def window_plan(
    size: tuple[int, int],
    window: tuple[int, int],
    rng: np.random.Generator,
    *,
    factors: tuple[float, float] = (1.0, 1.0),
    flip: bool = True,
    near_the_top: bool = False,
) -> CropPlan:
    """Draw the plan of one clip whose window is given, so that clips of any shape make one batch.

    Args:
        size: (width, height) of its frames.
        window: (width, height) to cut.
        rng: asked for, in this order: the factor (`uniform`, where there is a choice), the window's left and top, and
            mirroring (`random`, where it is allowed).
        factors: least and most that frames are scaled by, evenly on a logarithmic scale; never so far down that they no
            longer hold the window.
        flip: see `SizeRule`.
        near_the_top: place the window as the reference does, instead of anywhere.
    """
    factor = 1.0
    if factors != (1.0, 1.0):
        factor = float(np.exp(rng.uniform(*np.log(factors))))
    factor = max(factor, window[0] / size[0], window[1] / size[1])
    width, height = (max(least, round(side * factor)) for side, least in zip(size, window, strict=True))
    if near_the_top:
        corner = _corner((width, height), window, rng)
    else:
        top = int(rng.integers(height - window[1] + 1))
        corner = (int(rng.integers(width - window[0] + 1)), top)
    return CropPlan((width, height), corner, window, flip and bool(rng.random() < 0.5))
