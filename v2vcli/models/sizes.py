"""At which size a network works on a video: its own area, the aspect of the video. Imports nothing heavy."""

from __future__ import annotations


def at_aspect(own: tuple[int, int], video: tuple[int, int], least: int) -> tuple[int, int]:
    """The (width, height) with about the area of `own` and the aspect of `video`, both in pixels.

    No side falls below `least`, nor grows beyond what leaves the other that much of the area.
    """
    area = own[0] * own[1]
    scale = float((area / (video[0] * video[1])) ** 0.5)
    width, height = (max(least, min(round(side * scale), area // least)) for side in video)
    return width, height
