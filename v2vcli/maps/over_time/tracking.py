"""Instances over time: an object keeps its id while it is seen, and gets it back after it was hidden for a while.

A maker of instance maps numbers the objects of each frame anew. Here those of a frame are assigned to those remembered,
each to one at most, so that the sum of their affinities is the highest (the Hungarian method). Affinity has two parts:

- *place*: how far the masks overlap when the remembered one is moved along the optical flow, or by its own motion;
  where they do not, how near they are; and for what was hidden, whether it comes out at a side of where it must be now;
- *appearance*: how alike the histograms of their colours are.

Only instances of one class are compared. What is left over gets a new id, which no other had in the shot: such ids are
what a generator can hang an appearance on. What is not found again is remembered for a while, with its motion running
on. It is causal: no frame waits for a later one.

Peculiar: like that of `maps.over_time.smoothing`, the memory of a sequence is a value, handed in and out, and it does
not grow. How the maker numbers the instances makes no difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError, UsageError
from v2vcli.maps.over_time.flow import GuideFlow
from v2vcli.maps.over_time.instance_motion import Motion, first_motion, measured_motion
from v2vcli.maps.over_time.instances import Instance, find_instances, likeness
from v2vcli.maps.over_time.smoothing import FlowGuides, at_flow_size, reading_places
from v2vcli.maps.spec import MapFrame, resize_image

HIGHEST_ID: Final = 65535
"""Ids fit the 16 bits that map files have for them. After so many objects of one shot, forgotten ids come again."""
MOST_REMEMBERED: Final = 1024
"""Instances remembered at most; those seen longest ago are forgotten first."""
PATIENCE: Final = 30
"""Frames for which an instance that is not seen is remembered."""

# Found on procedural streets of other seeds than `benchmarks/tracking.py` measures.
APPEARANCE: Final = 0.4
"""Its share of the affinity; place has the rest."""
NEAR: Final = 0.6
"""What being in the very place is worth where the masks do not overlap."""
EMERGING: Final = 0.5
"""What it is worth to come out from behind something just where it should."""
REACH: Final = 0.3, 2.5
"""How far off the right place may be: in sizes of the instance, and in pixels besides; more for what was not seen."""
SLACK: Final = 0.1, 2.0
"""How far from the side of where it must be something may come out: in sizes of the instance, and in pixels besides."""
AREA: Final = 0.3
"""The exponent with which the ratio of areas counts where masks do not overlap."""
LEAST_PLACE: Final = 0.05
LEAST_LIKENESS: Final = 0.7
"""Of two instances whose masks do not overlap; less of it the more they do."""
FEW_PIXELS: Final = 16
"""The colours of an instance of so many pixels say half of what those of a large one do."""
WAITING: Final = 0.004
"""By which the affinity of an instance sinks with each frame in which it is not seen."""
NOVELTY: Final = 0.5
NOVEL: Final = 10.0
"""The share of its affinity that a new instance lacks, and the sightings in which that falls to 1/e: the sliver of a
car that comes into view may get an id of its own; when more of the car is seen, it has the one it had before."""
CLEARLY: Final = 0.8
"""Where so much of an instance is seen, its mask is kept for when less is."""
NEW_COLOURS: Final = 0.2
"""Share of the newest frame in the colours that are remembered."""


@dataclass(frozen=True, eq=False, slots=True)
class Track:
    """What is remembered of one instance.

    Attributes:
        id: what it is called, 1..`HIGHEST_ID`.
        seen: as it was seen last, but its colours are averaged over the past, its mask is that when seen clearly last.
        motion: where it was when seen last, hidden parts included, and how it moved.
        unseen: frames since it was seen last.
        sightings: how often it has been seen.
    """

    id: int
    seen: Instance
    motion: Motion
    unseen: int
    sightings: int


@dataclass(frozen=True, eq=False, slots=True)
class TrackedInstances:
    """What a sequence remembers.

    Attributes:
        image: the last frame, at the size that flow is estimated at.
        ids: (H, W) int32, as they were handed out.
        tracks: the instances, those seen last first.
        last_id: what the newest instance is called.
    """

    image: NDArray[np.uint8]
    ids: NDArray[np.int32]
    tracks: tuple[Track, ...]
    last_id: int


class InstanceTracker:
    """Gives the instances of maps ids that last."""

    def __init__(self, patience: int = PATIENCE) -> None:
        """Set how long instances are remembered that are not seen.

        Args:
            patience: frames.

        Raises:
            UsageError: it is negative.
        """
        if patience < 0:
            raise UsageError(f"instances cannot be remembered for {patience} frames; give 0 or more")
        self._patience = patience
        self._flow = FlowGuides()

    def track(
        self,
        images: Sequence[NDArray[np.uint8]],
        maps: Sequence[MapFrame],
        before: TrackedInstances | None,
        guides: Sequence[GuideFlow | None] | None = None,
    ) -> tuple[list[MapFrame], TrackedInstances | None]:
        """Name the instances of the next maps of one shot.

        Args:
            images: (H, W, 3) uint8, the frames that the maps show.
            maps: label maps with instances, one per image, all of one size; 0 is no instance and stays 0.
            before: what the last call returned; None where a shot begins.
            guides: what `smoothing.FlowGuides` gives for the images; None makes them here.

        Returns:
            The maps with ids 1..`HIGHEST_ID`, and what the next call is to be given.

        Raises:
            InputError: a map has no instances, or more than there are ids.
        """
        if guides is None:
            guides, _ = self._flow.between(images, None if before is None else before.image)
        tracked: list[MapFrame] = []
        for image, made, guide in zip(images, maps, guides, strict=True):
            if made.instances is None:
                raise InputError("these maps tell no instances to follow; take a maker that does, or leave out --track")
            before = self._next(image, made.array, made.instances, guide, before)
            tracked.append(replace(made, instances=before.ids))
        return tracked, before

    def _next(
        self,
        image: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        instances: NDArray[np.int32],
        guide: GuideFlow | None,
        before: TrackedInstances | None,
    ) -> TrackedInstances:
        height, width = labels.shape
        found, index = find_instances(
            labels, instances, resize_image(image, width, height), HIGHEST_ID - MOST_REMEMBERED
        )
        if before is None or before.ids.shape != labels.shape:
            before = TrackedInstances(image, np.zeros_like(index), (), 0)
        flow = np.zeros((2, 2, 2), np.float32) if guide is None else guide.flow
        x, y = reading_places(flow, width, height)
        carried = _read(before.ids, x, y)
        pairs = _assigned(before.tracks, found, carried, index)
        names = _names([before.tracks[pairs[n]].id if n in pairs else 0 for n in range(len(found))], before)
        ids = np.array([0, *names], np.int32)[index]
        if guide is not None:
            velocity, growth = measured_motion(
                index, (ids == carried) & _trusted(guide, width, height), len(found), x, y
            )
        else:
            velocity, growth = np.full((len(found), 2), np.nan), np.full(len(found), np.nan)
        tracks = [
            _again(before.tracks[pairs[n]], each, velocity[n], float(growth[n]))
            if n in pairs
            else Track(names[n], each, first_motion(each), 0, 1)
            for n, each in enumerate(found)
        ]
        matched = set(pairs.values())
        waiting = [t for k, t in enumerate(before.tracks) if k not in matched and t.unseen < self._patience]
        tracks += [replace(t, unseen=t.unseen + 1) for t in waiting]
        newest = next((names[n] for n in reversed(range(len(found))) if n not in pairs), before.last_id)
        return TrackedInstances(at_flow_size(image), ids, tuple(tracks[:MOST_REMEMBERED]), newest)


def _trusted(guide: GuideFlow, width: int, height: int) -> NDArray[np.bool_]:
    """Where the flow is to be trusted, at the size of the maps."""
    import cv2

    trusted = cv2.resize(guide.trusted.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(trusted, np.bool_)


def _read(ids: NDArray[np.int32], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.int32]:
    """The ids at the nearest pixels to these places, 0 outside."""
    import cv2

    narrow = ids.astype(np.uint16)  # a type that OpenCV reads
    return np.asarray(cv2.remap(narrow, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT), np.int32)


def _names(known: list[int], before: TrackedInstances) -> list[int]:
    """Ids for those that have none (0), onwards from the last that was given; none that is remembered."""
    taken = {track.id for track in before.tracks}
    names, name = [], before.last_id
    for each in known:
        if not each:
            name = name % HIGHEST_ID + 1
            while name in taken:
                name = name % HIGHEST_ID + 1
        names.append(each or name)
    return names


def _again(track: Track, seen: Instance, velocity: NDArray[np.float64], growth: float) -> Track:
    """The track of an instance that is seen again, with what was measured of its motion (NaN: nothing)."""
    frames = track.unseen + 1
    motion = track.motion.after(frames)
    if np.isnan(velocity[0]) and not track.unseen:  # no flow over it: its centre tells, unless it was hidden meanwhile
        velocity, growth = seen.centre - track.seen.centre, motion.growth
    visible = min(1.0, seen.area / max(motion.area, 1.0))
    share = np.float32(max(NEW_COLOURS, 1 / (track.sightings + 1)) * visible)
    colours = track.seen.colours + share * (seen.colours - track.seen.colours)
    mask = seen.mask if visible >= CLEARLY else track.seen.mask
    motion = motion.corrected(seen, velocity, growth, track.sightings - 1)
    return Track(track.id, replace(seen, colours=colours, mask=mask), motion, 0, track.sightings + 1)


def _assigned(
    tracks: Sequence[Track], found: Sequence[Instance], carried: NDArray[np.int32], index: NDArray[np.int32]
) -> dict[int, int]:
    """Which track each of the found instances is: its number to the track's."""
    if not tracks or not found:
        return {}
    from scipy.optimize import linear_sum_assignment

    affinity = _affinity(tracks, found, carried, index)
    pairs = zip(*linear_sum_assignment(affinity, maximize=True), strict=True)
    return {int(n): int(k) for k, n in pairs if affinity[k, n] > 0}


def _affinity(
    tracks: Sequence[Track], found: Sequence[Instance], carried: NDArray[np.int32], index: NDArray[np.int32]
) -> NDArray[np.float64]:
    """(tracks, found): how much each is like each, 0 where it cannot be the same.

    Args:
        tracks: what is remembered.
        found: what is seen.
        carried: (H, W), the ids of the frame before, moved along the flow.
        index: (H, W), n + 1 where the n-th found is.
    """
    frames = np.array([t.unseen + 1 for t in tracks])
    later = [t.motion.after(n) for t, n in zip(tracks, frames.tolist(), strict=True)]
    whole = np.stack([motion.box for motion in later])
    size = np.sqrt((whole[:, 2:] - whole[:, :2]).prod(axis=1))[:, None]
    expected = np.array([motion.area for motion in later])
    area = np.array([each.area for each in found], np.float64)
    ratio = np.minimum(expected[:, None], area) / np.maximum(expected[:, None], area)
    unseen = frames[:, None] - 1

    overlap = np.maximum(_overlap_along_flow(tracks, area, carried, index), _overlap_in_motion(tracks, area, index))
    centres = np.stack([motion.centre for motion in later])
    distance = np.linalg.norm(
        centres[:, None] - np.stack([(each.box[:2] + each.box[2:]) / 2 for each in found]), axis=2
    )
    reach = (REACH[0] + 0.1 * np.sqrt(unseen)) * size + REACH[1] * (1 + np.sqrt(unseen))
    near = np.exp(-0.5 * (distance / reach) ** 2) * ratio**AREA
    emerging = _emerging(whole, np.stack([each.box for each in found]), SLACK[0] * size + SLACK[1]) * ratio**AREA
    place = np.maximum(overlap, np.maximum(NEAR * near, np.where(unseen > 0, EMERGING * emerging, 0)))

    alike = likeness(np.stack([t.seen.colours for t in tracks]), np.stack([each.colours for each in found]))
    pixels = np.array([t.motion.area for t in tracks])[:, None]
    sightings = np.array([t.sightings for t in tracks])[:, None]
    certain = np.where(unseen > 0, 0.5, 1)  # what was hidden may be something else in the same place
    possible = (pixels * alike + FEW_PIXELS) / (pixels + FEW_PIXELS) >= LEAST_LIKENESS * (1 - overlap * certain)
    possible &= place >= LEAST_PLACE
    possible &= np.array([t.seen.label for t in tracks])[:, None] == np.array([each.label for each in found])
    affinity = ((1 - APPEARANCE) * place + APPEARANCE * alike) / (1 + WAITING * unseen)
    affinity *= 1 - NOVELTY * np.exp(-sightings / NOVEL)
    return np.where(possible, affinity, 0)


def _overlap_along_flow(
    tracks: Sequence[Track], area: NDArray[np.float64], carried: NDArray[np.int32], index: NDArray[np.int32]
) -> NDArray[np.float64]:
    """(tracks, found): intersection over union of masks, those of the frame before moved along the flow."""
    row = np.zeros(HIGHEST_ID + 1, np.int64)
    row[[track.id for track in tracks]] = np.arange(1, len(tracks) + 1)
    columns = len(area) + 1
    joint = np.bincount((row[carried] * columns + index).ravel(), minlength=(len(tracks) + 1) * columns)
    shared = joint.reshape(-1, columns)[1:]
    moved = shared.sum(axis=1, keepdims=True)
    return np.asarray(shared[:, 1:] / (moved + area - shared[:, 1:]))


def _overlap_in_motion(
    tracks: Sequence[Track], area: NDArray[np.float64], index: NDArray[np.int32]
) -> NDArray[np.float64]:
    """(tracks, found): the same for the masks as last seen clearly, where the instances must be by their own motion."""
    overlap = np.zeros((len(tracks), len(area)))
    for k, track in enumerate(tracks):
        left, top, right, bottom = track.motion.after(track.unseen + 1).box
        height, width = max(1, round(bottom - top)), max(1, round(right - left))
        first_y, first_x = round(top), round(left)
        y = np.arange(max(0, first_y), min(index.shape[0], first_y + height))
        x = np.arange(max(0, first_x), min(index.shape[1], first_x + width))
        if not (len(y) and len(x)):
            continue
        mask = track.seen.mask
        moved = mask[((y - first_y) * mask.shape[0] // height)[:, None], (x - first_x) * mask.shape[1] // width]
        shared = np.bincount(index[y[0] : y[-1] + 1, x[0] : x[-1] + 1][moved], minlength=len(area) + 1)[1:]
        overlap[k] = shared / (moved.sum() + area - shared)
    return overlap


def _emerging(
    whole: NDArray[np.float64], boxes: NDArray[np.float64], slack: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(tracks, found) in [0, 1]: whether a box lies inside of where something must be, at its left or right side.

    Args:
        whole: (tracks, 4), where they must be.
        boxes: (found, 4), where something is seen.
        slack: (tracks, 1) pixels by which that may be wrong.
    """
    room = whole[:, None] + np.array([-1, -1, 1, 1]) * slack[..., None]
    common = np.minimum(room[..., 2:], boxes[:, 2:]) - np.maximum(room[..., :2], boxes[:, :2])
    inside = np.clip(common / (boxes[:, 2:] - boxes[:, :2]), 0, 1).prod(axis=2)
    aside = np.abs(whole[:, None, ::2] - boxes[:, ::2]).min(axis=2)
    return np.asarray(inside**2 * np.exp(-((aside / slack) ** 2)))
