"""The values that travel out of the video room: a picture with its exact time, and what is known of its file.

Time is a ``Fraction`` of a second everywhere, never a float and never a tick count: ticks only mean something beside
the time base of one stream, and frames outlive their stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """One picture and the stretch of time it is shown for.

    Attributes:
        image: (H, W, 3) uint8, RGB, full range, in display orientation (rotation metadata already applied).
        pts: when it appears, in seconds, exact.
        duration: how long it stays, in seconds, exact: up to the next frame's ``pts``; for the last frame what the
            container says.
        index: 0-based, counted from the first frame handed out.
    """

    image: npt.NDArray[np.uint8]
    pts: Fraction
    duration: Fraction
    index: int


@dataclass(frozen=True, slots=True)
class ColourTags:
    """How the stored samples mean colours, guesses filled in; names as FFmpeg prints them (ITU-T H.273 code points).

    Attributes:
        matrix: ``bt709``, ``smpte170m``, ``bt470bg``, ``fcc``, ``smpte240m``, ``bt2020nc`` or ``rgb``.
        full_range: True for 0-255 samples, False for 16-235 ones ("limited", "TV").
        primaries: for example ``bt709``; ``unknown`` where the stream does not say.
        transfer: for example ``bt709``, ``smpte2084`` (PQ) or ``arib-std-b67`` (HLG); ``unknown`` where untagged.
        guessed: the matrix was not tagged and follows from the picture size.
    """

    matrix: str
    full_range: bool
    primaries: str = "unknown"
    transfer: str = "unknown"
    guessed: bool = False

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer curve is one of the two HDR ones."""
        return self.transfer in ("smpte2084", "arib-std-b67")


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What an opened video says of itself; sizes are for display, after rotation.

    Attributes:
        path: as given.
        width: in pixels, of every frame handed out.
        height: in pixels, of every frame handed out.
        rate: average frames per second as the container says, None if it says nothing sane.
        time_base: every ``pts`` is a whole multiple of it.
        frames: an estimate for a progress bar, None if unknown.
        duration: seconds, None if unknown.
        sample_aspect: width of a pixel over its height.
        rotation: degrees clockwise that the stored picture was turned by (0, 90, 180, 270); a mirrored picture is
            mirrored left-right first.
        pix_fmt: FFmpeg's name of the stored pixel format.
        bit_depth: bits of the first stored component.
        has_alpha: an alpha channel is stored (it is ignored).
        colour: matrix, range, primaries and transfer, resolved.
        has_audio: at least one audio stream.
        metadata: the container's tags.
        start: ``pts`` of the file's first frame, in seconds.
        origin: when the file begins, its earliest stream, in seconds: where ffmpeg's ``-ss`` counts from.
    """

    path: str
    width: int
    height: int
    rate: Fraction | None
    time_base: Fraction
    frames: int | None
    duration: Fraction | None
    sample_aspect: Fraction
    rotation: int
    pix_fmt: str
    bit_depth: int
    has_alpha: bool
    colour: ColourTags
    has_audio: bool
    metadata: Mapping[str, str]
    start: Fraction
    origin: Fraction = Fraction(0)
