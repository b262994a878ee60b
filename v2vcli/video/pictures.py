"""Single pictures in a folder, as the frames of a video.

What is peculiar:

- A pattern is ffmpeg's: ``in/%05d.png`` counts from the lowest number there is (0 to 4, or wherever it begins) to the
  first that is missing. A folder gives all of its pictures, ordered by name with numbers in them counted, not spelt.
- Each picture is opened by itself, so their sizes and formats may differ, and a broken one can be stepped over.
- Pictures carry no time: they come at an even rate.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from v2vcli.errors import DamagedInput, InputError, UsageError
from v2vcli.video.demux import open_input
from v2vcli.video.failures import plain
from v2vcli.video.source import SourceInfo

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm")
"""What counts as a picture in a folder."""
_NUMBER = re.compile(r"%(0?)(\d*)d")
_DEFAULT_RATE = Fraction(25)


def is_pattern(path: str | Path) -> bool:
    """Whether a name stands for many pictures: it has one ``%d`` (``%05d``) in its last part, and their suffix."""
    name = Path(path).name
    return len(_NUMBER.findall(name)) == 1 and name.lower().endswith(PICTURE_SUFFIXES)


def is_pictures(path: str | Path) -> bool:
    """Whether a path is a folder, or a pattern of numbered files, rather than one file."""
    return Path(path).is_dir() or (is_pattern(path) and not Path(path).exists())


def numbered(pattern: str | Path, number: int) -> Path:
    """The file of a pattern with this number in its place; ``%%`` is a percent sign."""
    path = Path(pattern)
    text = _NUMBER.sub(lambda m: f"{number:{m[1]}{m[2]}d}", path.name)
    return path.with_name(text.replace("%%", "%"))


def matching(pattern: str | Path) -> re.Pattern[str]:
    """Names of files that a pattern may stand for; the number is the group."""
    before, zero, width, after = _NUMBER.split(Path(pattern).name, maxsplit=1)
    least = max(1, int(width or 1)) if zero else 1
    return re.compile(f"{re.escape(before.replace('%%', '%'))}(\\d{{{least},}}){re.escape(after.replace('%%', '%'))}")


def find_pictures(path: str | Path) -> list[Path]:
    """The pictures of a folder or a pattern, in order.

    Raises:
        InputError: there are none.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {plain(error)}; check the path") from error
    if path.is_dir():
        pictures = [folder / name for name in sorted(names, key=_by_number) if _is_picture(name)]
        if not pictures:
            raise InputError(f"{path} is a folder without pictures; give one of .png or .jpg files, or a video file")
        return pictures
    fits = matching(path)
    numbers = {int(found[1]) for name in names if (found := fits.fullmatch(name))}
    if not numbers:
        raise InputError(f"no file is called as {path} says; check folder and pattern")
    first = min(numbers)
    last = next(n for n in range(first, max(numbers) + 2) if n not in numbers)
    return [numbered(path, number) for number in range(first, last)]


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(PICTURE_SUFFIXES)


def _by_number(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts ``f2`` before ``f10``."""
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.split(r"(\d+)", name)]


class PictureSource:
    """Single pictures at an even rate: a `source.Source`."""

    is_pipe = False

    def __init__(self, path: str | Path, *, rate: Fraction | None, tolerant: bool) -> None:
        """Find the pictures.

        Raises:
            InputError: there are none.
            UsageError: the rate is not above 0.
        """
        rate = _DEFAULT_RATE if rate is None else rate
        if rate <= 0:
            raise UsageError(f"a frame rate of {rate} makes no video; give a positive one")
        self.name = str(path)
        self._pictures = find_pictures(path)
        self._tolerant = tolerant
        self._skipped: list[str] = []
        count = len(self._pictures)
        self.info = SourceInfo(
            time_base=1 / rate,
            rate=rate,
            duration=count / rate,
            frames=count,
            sample_aspect=Fraction(1),
            codec="png" if self._pictures[0].suffix.lower() == ".png" else "mjpeg",
            origin=Fraction(0),
        )

    def frames(self) -> Iterator[av.VideoFrame]:
        """All of them; see `Source`."""
        return self._from(0)

    def _from(self, first: int) -> Iterator[av.VideoFrame]:
        for number in range(first, len(self._pictures)):
            try:
                picture = _decode(self._pictures[number])
            except InputError as error:
                if number == 0 and not self._tolerant:
                    raise
                if not self._tolerant:
                    raise DamagedInput(
                        f"{self.name}: damaged after frame {number}: {error}; --tolerant keeps what decodes"
                    ) from error
                self._skipped.append(self._pictures[number].name)
                continue
            picture.pts, picture.duration = number, 1
            yield picture
            del picture

    def seek(self, time: Fraction) -> Iterator[av.VideoFrame] | None:
        """Frames from the last one not after ``time`` on."""
        return self._from(max(0, min(len(self._pictures) - 1, int(time / self.info.time_base))))

    def rewind(self) -> Iterator[av.VideoFrame]:
        """Frames from the beginning on."""
        return self.frames()

    def warnings(self) -> list[str]:
        """Which pictures were stepped over."""
        if not self._skipped:
            return []
        return [f"{self.name}: {len(self._skipped)} pictures cannot be read ({', '.join(self._skipped[:3])}); left out"]

    def cancel(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is held open."""


def _decode(path: Path) -> av.VideoFrame:
    """The picture in a file.

    Raises:
        InputError: it cannot be opened or decoded.
    """
    with open_input(path) as container:
        try:
            return next(container.decode(video=0))
        except (av.FFmpegError, StopIteration, IndexError, ValueError) as error:
            raise InputError(f"{path} holds no picture that can be decoded; check that it was copied whole") from error
