"""Single PNGs of maps: 8 and 16 bits, grey, paletted and RGB, with a line of text beside the pixels.

What is peculiar: Pillow reads and writes all of these but 16-bit RGB, which OpenCV does; a text chunk is then put
between its header and its pixels. Pillow decodes every file first, since OpenCV says nothing of damage.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from v2vcli.errors import InputError

_HEADER: Final = 8 + 25  # signature and IHDR, before which no text may stand
_GREY16: Final = frozenset({"I;16", "I;16B", "I"})  # Pillow's names, which changed from version to version


def write_png(file: Path, array: NDArray[Any], text: dict[str, str], palette: NDArray[np.uint8] | None = None) -> None:
    """Write a picture.

    Args:
        file: Where to.
        array: (H, W) or (H, W, 3), uint8 or uint16.
        text: Latin-1 text chunks, by keyword.
        palette: (256, 3) uint8 to show (H, W) uint8 values in.
    """
    if array.ndim == 3 and array.dtype == np.uint16:
        file.write_bytes(_rgb16(array, text))
        return
    picture = Image.fromarray(np.ascontiguousarray(array))
    if palette is not None:
        picture.putpalette(palette.tobytes())  # all 256 entries keep the PNG at 8 bits
    chunks = PngInfo()
    for keyword, line in text.items():
        chunks.add_text(keyword, line)
    picture.save(file, pnginfo=chunks)


def _rgb16(array: NDArray[np.uint16], text: dict[str, str]) -> bytes:
    import cv2

    data = cv2.imencode(".png", np.ascontiguousarray(array[..., ::-1]))[1].tobytes()
    chunks = b""
    for keyword, line in text.items():
        content = b"tEXt" + keyword.encode("latin-1") + b"\0" + line.encode("latin-1")
        chunks += struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return data[:_HEADER] + chunks + data[_HEADER:]


def open_picture(file: Path) -> Image.Image:
    """Open and decode a picture of any format.

    Raises:
        InputError: It cannot be read; the message names it.
    """
    try:
        picture = Image.open(file)
        picture.load()  # decodes now, so that damage shows here
    # Pillow raises all of these, and RuntimeError or TypeError where a damaged header leads it astray
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, RuntimeError, TypeError) as e:
        raise InputError(f"{file} cannot be read as a picture ({e}); make it anew") from e
    except (IndexError, KeyError, struct.error, zlib.error, OverflowError, MemoryError) as e:
        raise InputError(f"{file} cannot be read as a picture ({e}); make it anew") from e
    return picture


def text_of(file: Path, keyword: str) -> str | None:
    """A text chunk that stands before the pixels: only the head of the file is read; None if it has none."""
    try:
        with Image.open(file, formats=["PNG"]) as picture:
            found = picture.info.get(keyword)
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError):
        return None
    return None if found is None else str(found)


def palette_of(picture: Image.Image) -> NDArray[np.uint8] | None:
    """(256, 3) colours of a paletted picture, black where it has no more; None without a palette."""
    if picture.mode != "P":
        return None
    flat = picture.getpalette("RGB") or []
    table = np.zeros((256, 3), np.uint8)
    table[: len(flat) // 3] = np.reshape(flat, (-1, 3))
    return table


def read_rgb(picture: Image.Image, file: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of an opened picture.

    Raises:
        InputError: It has no 8-bit colours.
    """
    if picture.mode not in ("RGB", "RGBA", "P", "L", "1", "LA", "CMYK", "YCbCr"):
        raise InputError(f"{file} is a '{picture.mode}' picture; RGB maps are 8-bit colour pictures")
    return np.asarray(picture.convert("RGB"), np.uint8)


def read_grey(picture: Image.Image, file: Path) -> NDArray[np.uint8]:
    """(H, W) uint8 values of an opened picture.

    Raises:
        InputError: It is not 8-bit grey.
    """
    if picture.mode not in ("1", "L"):
        raise InputError(f"{file} is a '{picture.mode}' picture; 8-bit grey is wanted here")
    return np.asarray(picture.convert("L"), np.uint8)


def read_ids(picture: Image.Image, file: Path) -> NDArray[np.int32]:
    """(H, W) int32 values of an opened picture of 8 or 16 bits.

    Raises:
        InputError: It has colours.
    """
    array = np.asarray(picture)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise InputError(f"{file} does not hold instance ids; they are 8- or 16-bit grey PNGs")
    return array.astype(np.int32)


def read_wide(picture: Image.Image, file: Path, *, planes: int | None) -> NDArray[np.uint16]:
    """16-bit values of an opened PNG.

    Args:
        picture: From `open_picture`.
        file: Where it lies.
        planes: 3 for RGB, None for grey.

    Returns:
        (H, W, 3) or (H, W) uint16.

    Raises:
        InputError: It has not 16 bits, or not these planes.
    """
    if planes is None and picture.mode in _GREY16:
        array = np.asarray(picture)
        if array.min() >= 0 and array.max() < 2**16:
            return array.astype(np.uint16)
    elif planes is not None and picture.mode == "RGB":
        import cv2

        try:
            decoded = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as e:
            raise InputError(f"{file} cannot be read as a picture ({e.code}); make it anew") from e
        if decoded is not None and decoded.dtype == np.uint16 and decoded.shape[2:] == (planes,):
            return np.ascontiguousarray(decoded[..., ::-1], np.uint16)
    wanted = "16-bit grey" if planes is None else "16-bit RGB"
    raise InputError(f"{file} is no {wanted} PNG; flow and depth are read as KITTI stores them")
