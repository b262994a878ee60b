"""v2v: one video into another with vid2vid, from label maps or edges.

    import v2vcli

    v2vcli.convert("drive.mp4", "out.mp4", mode="seg2street")
    for picture in v2vcli.load("edge2face").stream(maps): ...

What else the command line does is importable from the rooms (``v2vcli.engine``, ``v2vcli.evaluation``, ...). Importing
this package imports none of them, nor torch: `convert` and `load` are fetched when they are first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from v2vcli.engine.api import convert, load

__version__ = "0.1.0"
__all__ = ["__version__", "convert", "load"]


def __getattr__(name: str) -> Any:
    if name in ("convert", "load"):
        from v2vcli.engine import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
