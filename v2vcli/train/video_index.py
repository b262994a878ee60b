"""What has to be known of a video before clips can be drawn from it: its shots, its frames' times, its maps. Cached.

One pass over the file finds all three, with the detector, the extractors and the smoothing that `convert` uses:

    FOLDER/KEY.json          shots, size, frames; written last: with it, the rest is whole
    FOLDER/KEY.times.npy     (frames, 2) int64: numerator and denominator of every frame's time in seconds
    FOLDER/KEY-MAPS.mkv      its maps, in the format of `v2v segment`

KEY says which file it is: its length, time of change, first and last bytes; a file that moved is known again. MAPS says
what maps they are: kind, schema, settings, the version of the network that made them, smoothing and size.

Peculiar: several processes may prepare the same folder at once. Each file has a lock; a process takes the files that
nobody is at, and comes back for the others at the end, when they are done.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from v2vcli.engine.request import ConvertRequest
from v2vcli.errors import InputError
from v2vcli.maps.files.store import MapWriter
from v2vcli.maps.over_time.smoothing import LabelSmoother, SmoothedLabels
from v2vcli.maps.spec import MapFrame
from v2vcli.partfile import part_of
from v2vcli.train.footage import Fit, MapMaker, Pictures, Size, loaded_size
from v2vcli.video.frame import Frame
from v2vcli.video.reader import VideoReader
from v2vcli.video.shots import ShotDetector

FORMAT = 1
"""Counts changes of what is cached, or of how it is made."""
EDGE = 1 << 16
"""Bytes of a file's beginning and end that tell it from others."""
WINDOW = 8
"""Frames that a map maker is given at once, as many as in `convert` at most."""


class Busy(Exception):
    """Another process is preparing the file."""


@dataclass(frozen=True)
class MapPlan:
    """How the maps of a video are made.

    Attributes:
        maker: makes them.
        identity: everything that their values depend on, but for the video and the size.
        smoothed: take the flicker out of label maps, as `convert` does.
        load_size: of the recipe.
        fit: of the recipe.
    """

    maker: MapMaker
    identity: str
    smoothed: bool
    load_size: Size
    fit: Fit


@dataclass(frozen=True)
class VideoIndex:
    """What is known of a video.

    Attributes:
        path: the video.
        key: names its contents.
        size: (width, height) of its maps, and that its frames are brought to.
        frames: how many it has.
        cuts: numbers of the frames that begin a shot, the first one included.
        times: the file with every frame's time.
        maps: the file with its maps.
    """

    path: Path
    key: str
    size: Size
    frames: int
    cuts: tuple[int, ...]
    times: Path
    maps: Path


def index_video(path: Path, plan: MapPlan, folder: Path, *, wait: bool = True) -> VideoIndex:
    """Look the video up, or read it through once.

    Args:
        path: the video.
        plan: how its maps are made.
        folder: of the cache.
        wait: for another process that is at it; otherwise `Busy` is raised.

    Raises:
        InputError: the video cannot be read to its end.
        OutputError: the cache cannot be written.
        Busy: see `wait`.
    """
    key = file_key(path)
    if (found := _known(path, key, plan, folder)) is not None:
        return found
    with _locked(folder / f"{key}.lock", wait):
        if (found := _known(path, key, plan, folder)) is not None:  # the one that held the lock has done it
            return found
        _prepare(path, key, plan, folder)
    found = _known(path, key, plan, folder)
    if found is None:
        raise InputError(f"{path}: changed while it was read; wait until it is whole, then start again")
    return found


def file_key(path: Path) -> str:
    """20 hex digits that tell a file from others, without reading all of it."""
    status = path.stat()
    digest = hashlib.sha256(f"{FORMAT} {status.st_size} {status.st_mtime_ns} ".encode())
    with path.open("rb") as file:
        digest.update(file.read(EDGE))
        file.seek(max(0, status.st_size - EDGE))
        digest.update(file.read(EDGE))
    return digest.hexdigest()[:20]


def _known(path: Path, key: str, plan: MapPlan, folder: Path) -> VideoIndex | None:
    """What the cache has; None unless it has all."""
    try:
        facts = json.loads((folder / f"{key}.json").read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(f"{folder / key}.json: no index of a video ({error}); remove it and start again") from None
    size = loaded_size((facts["width"], facts["height"]), plan.load_size, plan.fit)
    maps = _maps_file(key, plan, size, folder)
    if not maps.exists():
        return None
    return VideoIndex(path, key, size, facts["frames"], tuple(facts["cuts"]), folder / f"{key}.times.npy", maps)


def _maps_file(key: str, plan: MapPlan, size: Size, folder: Path) -> Path:
    strength = ConvertRequest.smooth_maps if plan.smoothed else 0.0
    digest = hashlib.sha256(f"{plan.identity} {strength} {size}".encode()).hexdigest()[:12]
    return folder / f"{key}-{digest}.mkv"


def _prepare(path: Path, key: str, plan: MapPlan, folder: Path) -> None:
    """Read the video through, and write everything."""
    times: list[tuple[int, int]] = []
    cuts: list[int] = []
    with VideoReader(path) as reader, ExitStack() as stack:
        info = reader.info
        size = loaded_size((info.width, info.height), plan.load_size, plan.fit)
        target = _maps_file(key, plan, size, folder)
        part_of(target).unlink(missing_ok=True)  # of a run that was killed: the lock says that nobody writes it now
        writer: MapWriter | None = None
        for frames, begins_shot, maps in _mapped(reader, plan, size):
            if writer is None:
                writer = stack.enter_context(MapWriter(target, maps[0].spec, overwrite=True))
            if begins_shot:
                cuts.append(len(times))
            for frame, made in zip(frames, maps, strict=True):
                writer.write(made, frame.pts)
                times.append((frame.pts.numerator, frame.pts.denominator))
    partial = folder / f"{key}.part.npy"
    np.save(partial, np.array(times, np.int64))
    partial.replace(folder / f"{key}.times.npy")
    facts = {"width": info.width, "height": info.height, "frames": len(times), "cuts": cuts, "name": path.name}
    partial = folder / f"{key}.part.json"
    partial.write_text(json.dumps(facts))
    partial.replace(folder / f"{key}.json")


def _mapped(
    frames: Iterator[Frame] | VideoReader, plan: MapPlan, size: Size
) -> Iterator[tuple[list[Frame], bool, list[MapFrame]]]:
    """Windows that end at cuts: frames, whether they begin a shot, their maps."""
    smoother = LabelSmoother(ConvertRequest.smooth_maps) if plan.smoothed else None
    before: SmoothedLabels | None = None
    for window, begins_shot in _windows(frames):
        images: list[Pictures] = [frame.image for frame in window]
        maps = plan.maker(images, size)
        if smoother is not None:
            maps, before = smoother.smooth(images, maps, None if begins_shot else before)
        yield window, begins_shot, maps


def _windows(frames: Iterator[Frame] | VideoReader) -> Iterator[tuple[list[Frame], bool]]:
    detector, window, begins_shot = ShotDetector(), list[Frame](), True
    for frame in frames:
        cut = detector.is_cut(frame)
        if window and (cut or len(window) == WINDOW):
            yield window, begins_shot
            window, begins_shot = [], cut
        window.append(frame)
    if window:
        yield window, begins_shot


@contextmanager
def _locked(path: Path, wait: bool) -> Iterator[None]:
    """Hold a lock file; it goes with the process, however that ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Busy from None
        yield
    finally:
        os.close(descriptor)
