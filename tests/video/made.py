"""Videos made on the spot: solid patches with independent colour arithmetic, odd timing, rotation, sound, damage."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

KR_KB = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114), "bt2020": (0.2627, 0.0593)}
SPACE_CODE = {"bt709": 1, "bt601": 6, "bt2020": 9}


def yuv_of(rgb: tuple[int, int, int], matrix: str, full: bool, bits: int = 8) -> tuple[int, int, int]:
    """The stored sample values of a colour, straight from the definition in ITU-R BT.601/709/2020; not swscale's."""
    kr, kb = KR_KB[matrix]
    r, g, b = (v / 255 for v in rgb)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    unit = 2 ** (bits - 8)
    if full:
        top = 2**bits - 1
        return round(y * top), min(top, round(cb * top + 128 * unit)), min(top, round(cr * top + 128 * unit))
    return round((219 * y + 16) * unit), round((224 * cb + 128) * unit), round((224 * cr + 128) * unit)


def solid_yuv(width: int, height: int, yuv: tuple[int, int, int], pix_fmt: str) -> av.VideoFrame:
    """A frame of one colour in a planar YUV format, filled sample by sample."""
    frame = av.VideoFrame(width, height, pix_fmt)
    deep = "10" in pix_fmt
    for plane, value in zip(frame.planes, yuv, strict=True):
        line = np.full(plane.line_size // (2 if deep else 1), value, np.uint16 if deep else np.uint8)
        plane.update(np.tile(line, plane.height).tobytes())
    return frame


def patterned(width: int, height: int, index: int) -> np.ndarray:
    """An (H, W, 3) uint8 picture that tells its index (brightness) and its orientation (a red top left corner)."""
    image = np.full((height, width, 3), 40 + (index * 7) % 160, np.uint8)
    image[: max(1, height // 2), : max(1, width // 2)] = (200, 30, 30)
    return image


class Maker:
    """Writes test videos with plain PyAV, not with the code under test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        name: str,
        *,
        pts: Sequence[int] = tuple(range(10)),
        time_base: Fraction = Fraction(1, 25),
        size: tuple[int, int] = (64, 48),
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        options: dict[str, str] | None = None,
        container_options: dict[str, str] | None = None,
        frame: Callable[[int], av.VideoFrame] | None = None,
        last_duration: int | None = None,
        tags: tuple[int, int, int, int] | None = None,
        sample_aspect: Fraction | None = None,
        audio: bool = False,
        audio_codec: str = "aac",
        metadata: dict[str, str] | None = None,
        chapters: list[dict[str, object]] | None = None,
        rate: Fraction | None = None,
    ) -> Path:
        path = self.folder / name
        container = av.open(str(path), "w", container_options=container_options or {})
        container.metadata.update(metadata or {})
        if chapters:
            container.set_chapters(chapters)  # type: ignore[arg-type]
        stream = container.add_stream(codec, rate=rate or 1 / time_base, width=size[0], height=size[1])
        defaults = {"preset": "ultrafast"} if codec == "libx264" else {}
        stream.options = defaults | (options or {})
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = stream.time_base = time_base
        if sample_aspect:
            stream.codec_context.sample_aspect_ratio = sample_aspect
        if tags:
            context = stream.codec_context
            context.colorspace, context.color_range, context.color_primaries, context.color_trc = tags
        stream.codec_context.flags |= int(av.codec.context.Flags.frame_duration)
        sound = container.add_stream(audio_codec, rate=44100, layout="mono") if audio else None
        for i, tick in enumerate(pts):
            if frame is not None:
                picture = frame(i)
            else:
                image = patterned(*size, i)
                picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            picture.pts, picture.time_base = tick, time_base
            last = last_duration or (pts[-1] - pts[-2] if len(pts) > 1 else 1)
            picture.duration = pts[i + 1] - tick if i + 1 < len(pts) else last
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if sound is not None:
            seconds = float((pts[-1] - pts[0]) * time_base)
            samples = (np.sin(np.arange(int(44100 * max(seconds, 0.2))) * 0.05) * 0.3).astype(np.float32)
            tone = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            tone.sample_rate, tone.pts, tone.time_base = 44100, 0, Fraction(1, 44100)
            container.mux(sound.encode(tone))
            container.mux(sound.encode(None))
        container.close()
        return path


def set_display_matrix(path: Path, matrix: Sequence[int]) -> None:
    """Overwrite the 3x3 display matrix in the video track's ``tkhd`` box of an mp4 (version 0)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version/flags, times, id, reserved, duration, reserved, layer.. volume
    struct.pack_into(">9i", data, at, *matrix)
    path.write_bytes(bytes(data))


def packets(path: Path, kind: str) -> list[tuple[bytes, Fraction | None]]:
    """Bytes and time of every packet of the first stream of a kind (``audio``, ``subtitles``)."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        found = []
        for packet in container.demux(stream):
            if packet.size:
                found.append((bytes(packet), packet.pts * packet.time_base if packet.pts is not None else None))
        return found
