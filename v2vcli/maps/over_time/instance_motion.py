"""How an instance moves, and where it will be: `maps.over_time.tracking` looks for it there.

Something with constant velocity in space, nearing by the share g of its distance in a frame, is seen n frames later

    s = 1 / (1 - g n)

times as large, and moved by v n s where it moves by v at first. So one formula holds for what is beside the road and
for what drives ahead.

Peculiar: what moves is the *whole* box, with what is hidden of it. Where an instance is seen as large as it should be,
the box is what is seen; where it is seen smaller, something stands before it, and box and velocity are believed rather
than what the sliver shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from v2vcli.maps.over_time.instances import Instance

FASTEST_GROWTH: Final = 0.1
"""Shares of its size by which an instance grows or shrinks in a frame at most."""
LARGEST_SCALE: Final = 2.5
"""By which an instance grows or shrinks at most while it is not seen."""
STEADINESS: Final = 0.5, 0.8
"""Shares of the velocity and of the growth that stay when new ones are measured."""
SPREAD: Final = 30.0
"""Square pixels. An instance whose pixels lie closer than that about their centre tells little of its growth."""
CLEARNESS: Final = 8
"""The exponent of the share that is seen: what is measured of a thing half hidden is mostly the motion before it."""
FADING: Final = 0.1
"""Share of the growth that is forgotten in a frame in which it cannot be measured."""
LEAK: Final = 0.05
"""Share by which the whole box follows what is seen, where next to nothing is seen of it."""


@dataclass(frozen=True, eq=False, slots=True)
class Motion:
    """Where an instance is, hidden parts included, and how it moves there.

    Attributes:
        box: (4,) float64: x, y of its upper left and of its lower right corner, in pixels.
        area: pixels of all of it.
        velocity: (2,) float64 pixels a frame, of the box's centre.
        growth: share of its sides by which it grows in a frame.
    """

    box: NDArray[np.float64]
    area: float
    velocity: NDArray[np.float64]
    growth: float

    @property
    def centre(self) -> NDArray[np.float64]:
        """(2,): x and y of the box's centre."""
        return np.asarray((self.box[:2] + self.box[2:]) / 2)

    def scale(self, frames: int) -> float:
        """How many times as large it is so many frames later."""
        nearing = 1 - self.growth * frames
        return min(LARGEST_SCALE, max(1 / LARGEST_SCALE, 1 / max(nearing, 1 / LARGEST_SCALE)))

    def carried(self, points: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
        """Where points of it, (..., 2), are so many frames later."""
        scale = self.scale(frames)
        return np.asarray(self.centre + self.velocity * (frames * scale) + (points - self.centre) * scale)

    def after(self, frames: int) -> Motion:
        """The same so many frames later; velocity and growth are those that were measured."""
        box = self.carried(self.box.reshape(2, 2), frames).ravel()
        return Motion(box, self.area * self.scale(frames) ** 2, self.velocity, self.growth)

    def corrected(self, seen: Instance, velocity: NDArray[np.float64], growth: float, sightings: int) -> Motion:
        """What it is believed to be, once it has been seen at the time that this one is for.

        Args:
            seen: what is seen of it.
            velocity: (2,) what is measured, of the centre of what is seen; NaN where nothing was.
            growth: what is measured; NaN where nothing was.
            sightings: how often it had been seen before.
        """
        visible = min(1.0, seen.area / max(self.area, 1.0))
        following = LEAK + (1 - LEAK) * visible ** (2 * CLEARNESS)
        around = np.concatenate([np.minimum(self.box[:2], seen.box[:2]), np.maximum(self.box[2:], seen.box[2:])])
        box = around + following * (seen.box - around)
        area = max(float(seen.area), self.area + following * (seen.area - self.area))
        # the first measurements count more, those of what is mostly hidden next to nothing
        first, clear = 1 / (sightings + 1), visible**CLEARNESS
        centre = (box[:2] + box[2:]) / 2
        if np.isnan(velocity[0]):
            clear, velocity, growth = 0.0, np.zeros(2), 0.0
        gain = max(1 - STEADINESS[1], first) * clear
        grown = (1 - gain - FADING * (1 - clear)) * self.growth + gain * float(
            np.clip(growth, -FASTEST_GROWTH, FASTEST_GROWTH)
        )
        of_centre = velocity + grown * (centre - seen.centre)
        gain = max(1 - STEADINESS[0], first) * clear
        return Motion(box, area, (1 - gain) * self.velocity + gain * of_centre, grown)


def first_motion(seen: Instance) -> Motion:
    """Of an instance that is seen for the first time: it rests."""
    return Motion(seen.box, float(seen.area), np.zeros(2), 0.0)


def measured_motion(
    index: NDArray[np.int32], same: NDArray[np.bool_], count: int, x: NDArray[np.float32], y: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How instances have moved since the frame before, by the optical flow over them.

    Args:
        index: (H, W), n + 1 where the n-th instance is.
        same: (H, W), where the flow comes from the same instance.
        count: how many instances there are.
        x: (H, W), where each pixel was in the frame before; its columns.
        y: its rows.

    Returns:
        (count, 2) the mean velocities in pixels, and (count,) the shares by which they grow, the flow's divergence by
        least squares; NaN where no pixel tells.
    """
    at = np.flatnonzero(same & (index != 0))
    which = index.ravel()[at] - 1
    rows, columns = np.divmod(at, index.shape[1])
    pixels = np.bincount(which, minlength=count)

    def mean(of: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(which, of, count) / np.maximum(pixels, 1))

    place = np.stack([columns, rows]).astype(np.float64)
    moved = place - np.stack([x.ravel()[at], y.ravel()[at]])
    velocity = np.stack([mean(moved[0]), mean(moved[1])])
    arm = place - np.stack([mean(place[0]), mean(place[1])])[:, which]
    along = mean((arm * (moved - velocity[:, which])).sum(axis=0))
    growth = along / (mean((arm * arm).sum(axis=0)) + SPREAD)
    unknown = pixels == 0
    return np.where(unknown, np.nan, velocity).T, np.where(unknown, np.nan, growth)
