"""Between stored samples and full-range RGB, the same way in both directions.

What is peculiar:

- swscale converts with BT.601 whatever the stream is tagged with, unless told otherwise on every call; so matrix and
  range are always passed explicitly, both ways.
- ``ACCURATE_RND`` is not a luxury: without it 8-bit 4:2:0 comes back 1.1/255 darker on average, and a recurrent
  generator that looks at its own output would drift with it. What is left is the quantisation of limited range.
- One :class:`VideoReformatter` serves a whole stream: setting swscale up costs more than a frame.
- BT.2020 gets its matrix but no gamut or tone mapping: HLG is made to be watched that way; PQ comes out pale, and the
  reader says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from v2vcli.video.frame import ColourTags

# ITU-T H.273 code points, as AVFrame carries them
_MATRIX_NAMES = {
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    9: "bt2020nc",
    10: "bt2020nc",  # constant luminance: swscale has no such matrix, the non-constant one is the nearest
}
_PRIMARIES_NAMES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
_TRANSFER_NAMES = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    11: "iec61966-2-4",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
_SWSCALE_MATRIX = {
    "bt709": Colorspace.ITU709,
    "fcc": Colorspace.FCC,
    "bt470bg": Colorspace.ITU624,
    "smpte170m": Colorspace.SMPTE170M,
    "smpte240m": Colorspace.SMPTE240M,
    "bt2020nc": Colorspace.BT2020,
}
_ALWAYS_601 = ("mjpeg", "libwebp", "libwebp_anim")
# grey is stored full range by image-like codecs, limited range by these (their specifications say so when untagged)
_LIMITED_GREY_CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg")

_ACCURATE = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
_DECODE_FLAGS = int(Interpolation.BILINEAR | _ACCURATE)
_ENCODE_FLAGS = int(Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INP | _ACCURATE)
_THREADS = 2

OUTPUT_TAGS = ColourTags(matrix="bt709", full_range=False, primaries="bt709", transfer="bt709")
"""What the writer stores, unless the pixel format rules it out."""


def is_rgb(pix_fmt: str) -> bool:
    """Whether samples of this FFmpeg pixel format are RGB (packed, planar or paletted), so that no matrix applies."""
    return bool(av.VideoFormat(pix_fmt).is_rgb) or pix_fmt == "pal8"


def resolve_colour(frame: av.VideoFrame, codec: str) -> ColourTags:
    """Read the colour tags of a decoded frame and fill in what players assume where they are silent.

    An untagged picture at least 1280 wide or with more than 576 lines is BT.709, a smaller one BT.601.

    Args:
        frame: as decoded.
        codec: the decoder's name; it decides the range of untagged greyscale.
    """
    name = frame.format.name
    primaries = _PRIMARIES_NAMES.get(int(frame.color_primaries), "unknown")
    transfer = _TRANSFER_NAMES.get(int(frame.color_trc), "unknown")
    if is_rgb(name):
        return ColourTags("rgb", True, primaries, transfer)
    matrix = _MATRIX_NAMES.get(int(frame.colorspace))
    guess = _guessed_matrix(frame.width, frame.height)
    tagged_range = int(frame.color_range)
    if name.startswith("yuvj"):
        full = True
    elif tagged_range in (ColorRange.MPEG, ColorRange.JPEG):
        full = tagged_range == ColorRange.JPEG
    else:
        full = name.startswith(("gray", "ya", "mono")) and not codec.startswith(_LIMITED_GREY_CODECS)
    return ColourTags(matrix or guess, full, primaries, transfer, guessed=matrix is None)


def _guessed_matrix(width: int, height: int) -> str:
    """What players take the matrix of an untagged picture for."""
    return "bt709" if width >= 1280 or height > 576 else "smpte170m"


def stored_tags(pix_fmt: str, codec: str, untagged: tuple[int, int] | None = None) -> ColourTags:
    """The tags that go with samples written in ``pix_fmt`` by an encoder: BT.709 limited wherever there is a choice.

    RGB has no matrix, ``yuvj*`` is full range by name, and MJPEG and WebP are BT.601 because their files cannot say
    otherwise. Where nothing in the output can, it is what players take a picture of this size for.

    Args:
        pix_fmt: FFmpeg's name of it.
        codec: the encoder.
        untagged: (width, height) where neither container nor coded picture hold tags.
    """
    if is_rgb(pix_fmt):
        return ColourTags("rgb", True, "bt709", "bt709")
    matrix = OUTPUT_TAGS.matrix if untagged is None else _guessed_matrix(*untagged)
    if codec in _ALWAYS_601:
        matrix = "bt470bg"
    full = pix_fmt.startswith("yuvj") or (pix_fmt.startswith("gray") and untagged is not None)
    return replace(OUTPUT_TAGS, matrix=matrix, full_range=full)


def tag_encoder(context: av.VideoCodecContext, tags: ColourTags) -> None:
    """Put all four colour tags of ``tags`` on an encoder that has not been opened yet."""
    context.colorspace = 0 if tags.matrix == "rgb" else _code(_MATRIX_NAMES, tags.matrix)
    context.color_range = int(_range(tags))
    context.color_primaries = _code(_PRIMARIES_NAMES, tags.primaries)
    context.color_trc = _code(_TRANSFER_NAMES, tags.transfer)


def _code(names: dict[int, str], name: str) -> int:
    return next((code for code, known in names.items() if known == name), 2)  # 2: unspecified


def _range(tags: ColourTags) -> ColorRange:
    return ColorRange.JPEG if tags.full_range else ColorRange.MPEG


class RGBDecoder:
    """Turns decoded frames of one stream into RGB pictures of one size; keeps one reformatter."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame, tags: ColourTags, width: int, height: int) -> npt.NDArray[np.uint8]:
        """Convert one frame.

        Args:
            frame: as decoded, any pixel format; alpha is dropped.
            tags: how to read its samples, from :func:`resolve_colour`.
            width: of the result; the frame is scaled if its own differs.
            height: of the result.

        Returns:
            (height, width, 3) uint8, full-range RGB, owned by the caller.
        """
        rgb = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            src_colorspace=_SWSCALE_MATRIX.get(tags.matrix),
            src_color_range=_range(tags),
            dst_color_range=ColorRange.JPEG,
            interpolation=_DECODE_FLAGS,
            threads=_THREADS,
        )
        return cast("npt.NDArray[np.uint8]", rgb.to_ndarray())


class RGBEncoder:
    """Turns RGB pictures into frames of one pixel format; keeps one reformatter."""

    def __init__(self, pix_fmt: str, tags: ColourTags) -> None:
        self._reformatter = VideoReformatter()
        self._pix_fmt = pix_fmt
        self._tags = tags

    def __call__(self, image: npt.NDArray[np.uint8]) -> av.VideoFrame:
        """Convert one (H, W, 3) uint8 full-range RGB picture; the samples match the tags given at construction."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.color_range = int(ColorRange.JPEG)
        return self._reformatter.reformat(
            frame,
            format=self._pix_fmt,
            src_color_range=ColorRange.JPEG,
            dst_colorspace=_SWSCALE_MATRIX.get(self._tags.matrix),
            dst_color_range=_range(self._tags),
            interpolation=_ENCODE_FLAGS,
            threads=_THREADS,
        )
