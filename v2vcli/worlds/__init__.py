"""Procedural worlds with exact labels, instances, depth, flow and landmarks: for tests, benchmarks, demos and training.

`open_world` makes one by name; `v2vcli.worlds.sample.write_sample` turns one into a playable file.
"""

from __future__ import annotations

from fractions import Fraction

from v2vcli.errors import UsageError
from v2vcli.worlds.world import World, WorldFrame

__all__ = ["WORLDS", "World", "WorldFrame", "open_world"]

WORLDS: tuple[str, ...] = ("street", "head")


def open_world(name: str, seed: int, width: int, height: int, rate: Fraction = Fraction(25)) -> World:
    """Make a world by name.

    Args:
        name: one of `WORLDS`.
        seed: non-negative; the same seed and size give the same bytes.
        width: pixels, at least 16.
        height: pixels, at least 16.
        rate: frames per second.

    Raises:
        UsageError: for an unknown name or an impossible size.
    """
    # Imported here: each world builds on OpenCV and tables that the other does not need.
    if width < 16 or height < 16:
        raise UsageError(f"a world of {width}x{height} pixels is too small to show anything: ask for at least 16x16")
    if name == "street":
        from v2vcli.worlds.street import ProceduralStreet

        return ProceduralStreet(seed, width, height, rate)
    if name == "head":
        from v2vcli.worlds.head import TalkingHead

        return TalkingHead(seed, width, height, rate)
    raise UsageError(f"unknown world {name!r}: choose one of {', '.join(WORLDS)}")
