"""What is known of the encoders: their scale of quality, what they store, what stands in for those that need hardware.

What is peculiar:

- An encoder that is not in the table can be used too, with its own defaults.
- NVIDIA's encoders are there only where a graphics card has the circuit (H100 and H200 have none), which only opening
  one tells. Where it does not open, the software encoder of the same format takes its place, with a warning.
- Which pixel formats an encoder takes is asked of the build that is installed: x264, x265 and libvpx come with and
  without 10 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import av
from av.codec import Codec
from av.codec.codec import UnknownCodecError

from v2vcli.errors import OutputError
from v2vcli.video.failures import plain


@dataclass(frozen=True)
class Encoder:
    """One encoder of FFmpeg.

    Attributes:
        name: FFmpeg's name of it.
        crf: constant quality where none is asked for; None: the encoder has no such scale, or a good one of its own.
        worst: the end of that scale; 0 is best.
        preset: speed against size where none is asked for.
        pix_fmt: what is stored where nothing is asked for.
        even: it holds no odd sizes with subsampled chroma.
        software: the encoder of the same format that needs no hardware.
        at_once: options without which it would keep frames back.
        rated: it takes a bit rate.
        deep: other names that 10 bits go by.
    """

    name: str
    crf: float | None = None
    worst: float | None = None
    preset: str | None = None
    pix_fmt: str = "yuv420p"
    even: bool = False
    software: str | None = None
    at_once: tuple[tuple[str, str], ...] = ()
    rated: bool = True
    deep: tuple[tuple[str, str], ...] = ()


_P010 = (("yuv420p10le", "p010le"),)
_NVENC_AT_ONCE = (("zerolatency", "1"), ("delay", "0"), ("rc-lookahead", "0"))
_ZERO_LATENCY = (("tune", "zerolatency"),)
_TABLE = (
    Encoder("libx264", 18, 51, "medium", even=True, at_once=_ZERO_LATENCY),
    Encoder("libx264rgb", 18, 51, "medium", "rgb24", at_once=_ZERO_LATENCY),
    Encoder("libx265", 18, 51, "medium", even=True, at_once=_ZERO_LATENCY),
    Encoder("libsvtav1", 30, 63, "medium", at_once=(("svtav1-params", "pred-struct=1:lookahead=0"),)),
    Encoder("libvpx-vp9", 31, 63, at_once=(("lag-in-frames", "0"), ("deadline", "realtime"), ("cpu-used", "6"))),
    Encoder("libvpx", 10, 63, at_once=(("lag-in-frames", "0"), ("deadline", "realtime"), ("cpu-used", "6"))),
    Encoder("libaom-av1", 30, 63, at_once=(("lag-in-frames", "0"), ("usage", "realtime"))),
    Encoder("ffv1", rated=False),
    Encoder("prores_ks", pix_fmt="yuv422p10le", even=True, rated=False),
    Encoder("prores", pix_fmt="yuv422p10le", even=True, rated=False),
    Encoder("h264_nvenc", 18, 51, "medium", even=True, software="libx264", at_once=_NVENC_AT_ONCE, deep=_P010),
    Encoder("hevc_nvenc", 18, 51, "medium", even=True, software="libx265", at_once=_NVENC_AT_ONCE, deep=_P010),
    Encoder("av1_nvenc", 30, 63, "medium", software="libsvtav1", at_once=_NVENC_AT_ONCE, deep=_P010),
    Encoder("libopenh264", even=True),
    Encoder("mpeg4", 18),
    Encoder("mpeg2video", 18),
    Encoder("mjpeg", 18, pix_fmt="yuvj420p"),
    Encoder("rawvideo", rated=False),
    Encoder("png", pix_fmt="rgb24", rated=False),
    Encoder("apng", pix_fmt="rgb24", rated=False),
    Encoder("gif", pix_fmt="pal8", rated=False),
    Encoder("libwebp", pix_fmt="yuv420p", rated=False),
    Encoder("libwebp_anim", pix_fmt="yuv420p", rated=False),
)
ENCODERS = {encoder.name: encoder for encoder in _TABLE}
"""By name."""
ADVISED = ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1", "prores_ks")
"""What a message names when it says which encoders there are."""


def find_encoder(name: str) -> Encoder:
    """What is known of an encoder; one that is not in the table has FFmpeg's defaults.

    Raises:
        OutputError: FFmpeg has no such encoder here, or it is not one for video.
    """
    try:
        codec = Codec(name, "w")
    except UnknownCodecError as error:
        raise OutputError(f"unknown video encoder {name!r}; try {', '.join(ADVISED)}") from error
    if codec.type != "video":
        raise OutputError(f"{name} encodes {codec.type}, not video; try libx264")
    if name in ENCODERS:
        return ENCODERS[name]
    first = next((str(known.name) for known in codec.video_formats or []), "yuv420p")
    return Encoder(name, pix_fmt="yuv420p" if "yuv420p" in pixel_formats(name) else first)


@lru_cache(maxsize=64)
def pixel_formats(name: str) -> tuple[str, ...]:
    """What this build of an encoder stores; empty where it does not say (raw video stores anything)."""
    return tuple(known.name for known in Codec(name, "w").video_formats or [])


def stored_format(encoder: Encoder, asked: str) -> str:
    """The pixel format that an encoder stores for one that is asked for.

    Raises:
        OutputError: the format is unknown, or the encoder does not take it.
    """
    try:
        bits = av.VideoFormat(asked).components[0].bits
    except (ValueError, IndexError) as error:
        raise OutputError(f"unknown pixel format {asked!r}; try yuv420p or yuv420p10le") from error
    known = pixel_formats(encoder.name)
    stored = dict(encoder.deep).get(asked, asked)
    if known and stored not in known:
        also = ""
        if bits > 8 and not any(_bits(name) > 8 for name in known):
            able = [name for name in ADVISED if asked in _known_of(name)]
            also = f"; this build of it stores 8 bits only, {', '.join(able)} take {asked}" if able else ""
        raise OutputError(f"{encoder.name} cannot store {asked}; it takes {', '.join(known[:8])}{also}")
    return stored


def _bits(pix_fmt: str) -> int:
    try:
        return av.VideoFormat(pix_fmt).components[0].bits
    except (ValueError, IndexError):
        return 0


def _known_of(name: str) -> Sequence[str]:
    return pixel_formats(name) if name in av.codecs_available else ()


def in_place_of(encoder: Encoder, pix_fmt: str, width: int, height: int) -> tuple[Encoder, str | None]:
    """The encoder to use: the one asked for, or its software twin where no hardware opens; and what to warn of.

    Args:
        encoder: asked for.
        pix_fmt: it is to store.
        width: of the pictures.
        height: of the pictures.
    """
    if encoder.software is None:
        return encoder, None
    reason = _why_closed(encoder.name, pix_fmt, width, height)
    if reason is None:
        return encoder, None
    twin = ENCODERS[encoder.software]
    return twin, f"{encoder.name}: no usable NVIDIA encoder was found here ({reason}); encoded with {twin.name} instead"


@lru_cache(maxsize=16)
def _why_closed(name: str, pix_fmt: str, width: int, height: int) -> str | None:
    """Why an encoder does not open for such pictures; None if it does."""
    trial = av.CodecContext.create(name, "w")
    assert isinstance(trial, av.VideoCodecContext)
    trial.width, trial.height, trial.pix_fmt = width, height, pix_fmt
    trial.time_base, trial.framerate = Fraction(1, 25), Fraction(25)
    try:
        trial.open()
    except (av.FFmpegError, ValueError) as error:
        return plain(error)
    return None
