"""A folder of videos as footage: every video below it, read by exact seeks, with maps that were made once.

Peculiar:
- nothing has to be prepared: on first use every video is read through once (`v2vcli.train.video_index`), which finds
  its cuts and makes its maps; from then on the cache has them. No window crosses a cut;
- a window is read in *pages* of neighbouring frames, aligned within the video, which `v2vcli.train.pages` keeps while
  there is room: windows overlap, and seeking costs more than decoding a few frames more.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from v2vcli.engine.modes import SEGMENTER, fingerprint
from v2vcli.errors import InputError, RecipeError
from v2vcli.maps.files.map_file import stored_maps, stored_spec
from v2vcli.maps.spec import MapFrame, MapSpec, resize_image
from v2vcli.models.catalog import find_model
from v2vcli.train.clip_sampling import ClipWindow
from v2vcli.train.footage import MapMaker, Moment, Pictures
from v2vcli.train.pages import PAGES, array_bytes
from v2vcli.train.recipe import DataRecipe, SourceRecipe
from v2vcli.train.video_index import Busy, MapPlan, VideoIndex, index_video
from v2vcli.video.reader import VideoReader

SUFFIXES = (
    *(".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"),
    *(".ts", ".mts", ".m2ts", ".flv", ".wmv", ".3gp", ".ogv"),
)
TELL_EVERY = 15.0
"""Seconds between two lines while videos are prepared."""
PAGE_BYTES = 1 << 25
PAGE_FRAMES = 32
"""A page has as many frames as fit into the one, at least 4 and at most the other."""


@dataclass(frozen=True, eq=False)
class _Page:
    images: list[Pictures]
    maps: list[MapFrame]

    @property
    def bytes(self) -> int:
        return array_bytes(*self.images, *(each.array for each in self.maps))


@dataclass(frozen=True, eq=False)
class VideoFootage:
    """One video. Follows `Footage`; a stretch is a shot.

    Attributes:
        index: what is known of it.
        spec: what its maps are.
        shots: of each shot, its first frame and how many of its frames may be read.
        weight: see `Footage`.
    """

    index: VideoIndex
    spec: MapSpec
    shots: tuple[tuple[int, int], ...]
    weight: float = 1.0

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.index.path)

    @property
    def source(self) -> str:
        """The kind of source."""
        return "videos"

    @property
    def resident(self) -> bool:
        """Never: it is on the disk."""
        return False

    @property
    def stretches(self) -> NDArray[np.int64]:
        """Lengths of the shots."""
        return np.array([frames for _, frames in self.shots], np.int64)

    def read(self, stretch: int, window: ClipWindow, rng: np.random.Generator) -> Moment:
        """Decode a window."""
        first = self.shots[stretch][0]
        numbers = [first + index for index in window.indices]
        found = [self._frame(number) for number in numbers]
        images, maps = np.stack([image for image, _ in found]), [made for _, made in found]
        return Moment(images, maps, key=self.index.key, numbers=numbers)

    def _frame(self, number: int) -> tuple[Pictures, MapFrame]:
        width, height = self.index.size
        length = min(PAGE_FRAMES, max(4, PAGE_BYTES // (width * height * 3)))
        page, place = divmod(number, length)
        kept = PAGES.get((self.index.maps, page), lambda: self._page(page * length, length), lambda each: each.bytes)
        return kept.images[place], kept.maps[place]

    def _page(self, first: int, length: int) -> _Page:
        times = np.load(self.index.times, mmap_mode="r")
        length = min(length, self.index.frames - first)
        start = Fraction(*map(int, times[first]))
        end = Fraction(*map(int, times[first + length])) if first + length < self.index.frames else None
        with VideoReader(self.index.path, start=start, end=end) as reader:
            images = [resize_image(frame.image, *self.index.size) for frame in reader]
        stored = itertools.islice(stored_maps(self.index.maps, start), length)
        maps = [MapFrame(self.spec, each.array) for each in stored]
        if len(images) != length or len(maps) != length:
            raise InputError(
                f"{self.name}: {len(images)} frames and {len(maps)} maps where {length} were found before; "
                f"remove {self.index.maps.with_name(self.index.key)}* and start again"
            )
        return _Page(images, maps)


def open_videos(
    data: DataRecipe,
    source: SourceRecipe,
    spec: MapSpec,
    makers: Callable[[str], MapMaker],
    report: Callable[[str], None],
) -> list[VideoFootage]:
    """The footage of a recipe's ``videos`` source; prepares what the cache does not have.

    Raises:
        RecipeError: no such folder, no videos in it, too many that cannot be read, or maps that nothing makes.
        OutputError: the cache cannot be written.
    """
    folder = Path(data.root).expanduser() / (source.videos or "")
    paths = found_videos(folder)
    plan = _plan(data, source, spec, makers)
    cache = cache_folder(data) / "videos"
    cache.mkdir(parents=True, exist_ok=True)
    found = _indexed(paths, plan, cache, data.max_bad_files, report)
    if not found:
        raise RecipeError(f"{folder}: none of its {len(paths)} videos can be read; see the lines above")
    footage = []
    for path in sorted(found):
        own = stored_spec(found[path].maps)
        assert own is not None  # we wrote it
        footage.append(VideoFootage(found[path], own, _shots(found[path], source.hold_out), source.weight))
    return footage


def found_videos(folder: Path) -> list[Path]:
    """Every video below a folder, by path; nothing that begins with a dot.

    Raises:
        RecipeError: no such folder, or no video in it.
    """
    if not folder.is_dir():
        raise RecipeError(f"{folder}: no such folder; set the place of the data with --set data.root=DIR")
    paths = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(place, name) for name in files if not name.startswith(".")]
    videos = sorted(path for path in paths if path.suffix.lower() in SUFFIXES)
    if not videos:
        raise RecipeError(f"{folder}: there are no videos in it ({len(paths)} other files); check the path")
    return videos


def cache_folder(data: DataRecipe) -> Path:
    """Where maps and indices are kept: the recipe's folder, else the user's own cache."""
    if data.cache is not None:
        return Path(data.cache).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "v2v" / "training"


def _plan(data: DataRecipe, source: SourceRecipe, spec: MapSpec, makers: Callable[[str], MapMaker]) -> MapPlan:
    if spec.kind == "edges":
        return MapPlan(makers("edges"), spec.to_json(), False, data.load_size, data.fit)
    if spec.kind != "labels" or spec.instance_edges:
        what = "labels with instances" if spec.kind == "labels" else f"{spec.kind} maps"
        raise RecipeError(f"{source.videos}: nothing makes {what} from frames; give them as files: data.source.layout")
    name = source.labels or f"segmenter:{SEGMENTER}"
    kind, _, model = name.partition(":")
    if kind != "segmenter":
        raise RecipeError(f'{source.videos}: labels = {name!r}; of a folder of videos they are made: "segmenter:NAME"')
    identity = f"labels {fingerprint(find_model(model))}"
    return MapPlan(makers(name), identity, True, data.load_size, data.fit)


def _indexed(
    paths: list[Path], plan: MapPlan, cache: Path, most_bad: int, report: Callable[[str], None]
) -> dict[Path, VideoIndex]:
    """What is known of every video that can be read."""
    found: dict[Path, VideoIndex] = {}
    bad = 0
    turns, told = deque((path, False) for path in paths), time.monotonic()
    while turns:
        if time.monotonic() - told > TELL_EVERY:
            report(f"cuts and maps of {len(found)} of {len(paths)} videos are known; this is done once")
            told = time.monotonic()
        path, wait = turns.popleft()
        try:
            found[path] = index_video(path, plan, cache, wait=wait)
        except Busy:
            turns.append((path, True))
        except (InputError, OSError) as error:
            bad += 1
            report(f"left out: {error}")
            if bad > most_bad:
                raise RecipeError(
                    f"{bad} videos cannot be read, more than data.max_bad_files = {most_bad}; the last: {error}"
                ) from None
    return found


def _shots(index: VideoIndex, hold_out: float) -> tuple[tuple[int, int], ...]:
    """(first frame, frames) of every shot, without the last share of the video."""
    kept = max(1, round(index.frames * (1 - hold_out)))
    ends = (*index.cuts[1:], index.frames)
    return tuple((first, min(end, kept) - first) for first, end in zip(index.cuts, ends, strict=True) if first < kept)
