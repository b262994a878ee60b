"""RGB frames out of any video that is a map: a colour-coded label video or a control video such as an HD-map rendering.

What is peculiar: maps are decoded here and not by `v2vcli.video`, because the rooms do not know each other and because
a label video that does not say its colour matrix can be read with the one that fits the palette (`untagged`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from v2vcli.errors import DamagedInput, InputError
from v2vcli.maps.files.raw_map import RawMap

# Codecs that give back the very bytes: only their grey pictures can hold class ids.
LOSSLESS: Final = frozenset(
    {"ffv1", "png", "rawvideo", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "qtrle", "bmp", "apng"}
)

_TAGGED: Final = frozenset({1, 4, 5, 6, 7, 9})  # ITU-T H.273 matrices that libswscale knows; 2 is "unspecified"


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its first video stream.

    Raises:
        InputError: Missing, not a video, or without a video stream.
    """
    try:
        container = av.open(str(path), "r", metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as e:
        raise InputError(f"cannot read maps from {path}: {e.strerror or e}; check the path") from e
    with container:
        if not container.streams.video:
            raise InputError(f"{path} has no video stream; give a video, a map file (.mkv) or a folder of PNGs")
        yield container, container.streams.video[0]


def is_untagged(path: Path) -> bool:
    """Whether a video's colours need a matrix to be read and the file does not say which."""
    with open_video(path) as (_, stream):
        return not stream.format.is_rgb and int(stream.codec_context.colorspace) not in _TAGGED


def grey_codec(path: Path) -> str | None:
    """The codec's name if the video is 8-bit grey, else None."""
    with open_video(path) as (_, stream):
        return stream.codec_context.name if stream.format.name == "gray" else None


def grey_frames(path: Path) -> Iterator[RawMap]:
    """Frames of a grey video as they were stored: no conversion."""
    for frame, where, pts in _decoded(path):
        yield RawMap(np.asarray(frame.to_ndarray(format="gray"), np.uint8), where, pts)


def rgb_frames(path: Path, untagged: Colorspace | None = None) -> Iterator[RawMap]:
    """Frames of any video as full-range RGB in display orientation, one at a time.

    Args:
        path: The video.
        untagged: Matrix for a video that does not say; None: BT.709 from 720 lines, BT.601 below, as players assume.

    Raises:
        InputError: The file cannot be opened, or has no frames.
        DamagedInput: Decoding fails on the way; the message names the frame.
    """
    reformatter = VideoReformatter()
    for frame, where, pts in _decoded(path):
        matrix = int(frame.colorspace)
        if matrix not in _TAGGED:
            matrix = int(untagged or (Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601))
        value_range = int(frame.color_range)
        if value_range not in (ColorRange.MPEG, ColorRange.JPEG):
            full = frame.format.name.startswith(("yuvj", "gray")) or frame.format.is_rgb
            value_range = int(ColorRange.JPEG if full else ColorRange.MPEG)
        picture = reformatter.reformat(
            frame,
            format="rgb24",
            src_colorspace=matrix,
            src_color_range=value_range,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
        )
        rgb = np.rot90(picture.to_ndarray(), round(frame.rotation / 90) % 4)
        yield RawMap(np.ascontiguousarray(rgb), where, pts)


def _decoded(path: Path) -> Iterator[tuple[av.VideoFrame, str, Fraction | None]]:
    """Frames with "file, frame N" and exact seconds."""
    index = 0
    with open_video(path) as (container, stream):
        try:
            for frame in container.decode(stream):
                pts = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
                yield frame, f"{path}, frame {index}", pts
                index += 1
        except av.error.FFmpegError as e:
            raise DamagedInput(f"{path} cannot be decoded at frame {index}: {e.strerror}; make the maps anew") from e
    if index == 0:
        raise InputError(f"{path} has no frames; make the maps anew")
