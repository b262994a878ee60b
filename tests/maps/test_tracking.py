"""Instances followed over time: on coloured boxes that move over a textured plane, and (slow) on procedural streets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from v2vcli.errors import InputError, UsageError
from v2vcli.maps.over_time.instance_motion import Motion, measured_motion
from v2vcli.maps.over_time.instances import find_instances, likeness
from v2vcli.maps.over_time.tracking import HIGHEST_ID, MOST_REMEMBERED, InstanceTracker, TrackedInstances
from v2vcli.maps.schema import CITYSCAPES19
from v2vcli.maps.spec import MapFrame, MapSpec

SPEC = MapSpec("labels", CITYSCAPES19)
ROAD, CAR, BUS = (CITYSCAPES19.class_named(name).id for name in ("road", "car", "bus"))
WIDTH, HEIGHT = 120, 64
RED, BLUE, WHITE = (200, 40, 40), (40, 50, 190), (225, 225, 220)
Images, Masks = list[NDArray[np.uint8]], list[NDArray[np.int32]]


class Box:
    """A box of one colour with some texture; `x`, `y` at frame 0, and how it moves in a frame."""

    def __init__(self, number: int, colour: tuple[int, int, int], x: float, y: float, move: float, width: int = 24):
        self.number, self.colour, self.x, self.y, self.move, self.width = number, colour, x, y, move, width
        grain = np.random.default_rng(number).integers(-18, 19, (16, width, 1))
        self.skin = np.clip(np.array(colour) + grain, 0, 255).astype(np.uint8)


def scene(boxes: Sequence[Box], frames: int) -> tuple[Images, list[NDArray[np.uint8]], Masks]:
    """Pictures, labels and instances; later boxes are in front."""
    import cv2

    noise = np.random.default_rng(5).integers(60, 140, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    ground = np.asarray(cv2.GaussianBlur(noise, (0, 0), 1), np.uint8)
    shown: tuple[Images, list[NDArray[np.uint8]], Masks] = ([], [], [])
    for t in range(frames):
        image, labels = ground.copy(), np.full((HEIGHT, WIDTH), ROAD, np.uint8)
        instances = np.zeros((HEIGHT, WIDTH), np.int32)
        for box in boxes:
            x, y = round(box.x + box.move * t), round(box.y)
            left, right = max(0, x), min(WIDTH, x + box.width)
            if left < right:
                image[y : y + 16, left:right] = box.skin[:, left - x : right - x]
                labels[y : y + 16, left:right] = CAR
                instances[y : y + 16, left:right] = box.number
        for made, each in zip(shown, (image, labels, instances), strict=True):
            made.append(each)  # type: ignore[arg-type]
    return shown


def maps_of(labels: Sequence[NDArray[np.uint8]], masks: Masks, seed: int = 0) -> list[MapFrame]:
    """With other numbers in each frame."""
    rng, maps = np.random.default_rng(seed), []
    for label, mask in zip(labels, masks, strict=True):
        numbers = rng.permutation(50000)[: mask.max() + 1].astype(np.int32) + 1
        numbers[0] = 0
        maps.append(MapFrame(SPEC, label, numbers[mask]))
    return maps


def names(tracked: Sequence[MapFrame], masks: Masks, number: int) -> list[int]:
    """What an object is called in each frame in which it is told; it has one name in each."""
    found = []
    for each, mask in zip(tracked, masks, strict=True):
        assert each.instances is not None
        if (mask == number).any():
            (name,) = np.unique(each.instances[mask == number])
            found.append(int(name))
    return found


def without(masks: Masks, number: int, frames: range) -> Masks:
    return [np.where(mask == number, 0, mask) if t in frames else mask for t, mask in enumerate(masks)]


# ---- following


def test_ids_last_however_the_maker_numbers() -> None:
    boxes = [Box(1, RED, 4, 4, 2), Box(2, RED, 40, 24, -1), Box(3, BLUE, 80, 44, 0.5)]
    images, labels, masks = scene(boxes, 20)
    tracked, memory = InstanceTracker().track(images, maps_of(labels, masks), None)
    assert [set(names(tracked, masks, n)) for n in (1, 2, 3)] == [{1}, {2}, {3}]
    assert all(np.array_equal(each.array, label) for each, label in zip(tracked, labels, strict=True))
    assert all(
        each.instances is not None and not each.instances[m == 0].any() for each, m in zip(tracked, masks, strict=True)
    )
    assert memory is not None and memory.last_id == 3
    again, _ = InstanceTracker().track(images, maps_of(labels, masks, seed=9), None)
    assert all(np.array_equal(a.instances, b.instances) for a, b in zip(tracked, again, strict=True))


def test_windows_make_no_difference() -> None:
    images, labels, masks = scene([Box(1, RED, 4, 4, 2), Box(2, BLUE, 60, 12, -2)], 15)
    maps, tracker = maps_of(labels, without(masks, 1, range(5, 9))), InstanceTracker()
    whole, _ = tracker.track(images, maps, None)
    memory: TrackedInstances | None = None
    parts: list[MapFrame] = []
    for t in range(0, 15, 4):
        some, memory = tracker.track(images[t : t + 4], maps[t : t + 4], memory)
        parts += some
    assert all(np.array_equal(a.instances, b.instances) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize("move", [-2.0, 0.0, 1.5, 3.0])
def test_what_is_hidden_for_ten_frames_gets_its_id_back(move: float) -> None:
    boxes = [Box(1, RED, 90 if move < 0 else 6, 8, move), Box(2, BLUE, 50, 40, 1)]
    images, labels, masks = scene(boxes, 24)
    masks = without(masks, 1, range(8, 18))
    tracked, _ = InstanceTracker().track(images, maps_of(labels, masks), None)
    assert set(names(tracked, masks, 1)) == {1} and set(names(tracked, masks, 2)) == {2}


def test_one_that_passes_behind_another_keeps_its_id() -> None:
    boxes = [Box(1, RED, 6, 20, 3), Box(2, WHITE, 72, 20, -1, width=44)]
    images, labels, masks = scene(boxes, 32)
    assert any(not (mask == 1).any() for mask in masks[14:22])  # for a moment nothing is seen of it
    tracked, _ = InstanceTracker().track(images, maps_of(labels, masks), None)
    first, second = names(tracked, masks, 1), names(tracked, masks, 2)
    assert set(second) == {2}
    assert first[0] == first[-1] == 1 and first.count(1) >= len(first) - 3  # a sliver may be named anew


def test_something_else_in_the_place_of_what_was_hidden_has_another_id() -> None:
    images, labels, masks = scene([Box(1, RED, 40, 20, 0)], 8)
    others, _, _ = scene([Box(1, BLUE, 40, 20, 0)], 8)
    masks = without(masks, 1, range(4, 8)) + masks
    tracked, _ = InstanceTracker().track(images + others, maps_of(labels * 2, masks), None)
    assert names(tracked, masks, 1) == [1] * 4 + [2] * 8


def test_classes_are_not_mixed() -> None:
    images, labels, masks = scene([Box(1, RED, 40, 20, 0)], 6)
    labels = labels[:3] + [np.where(each == CAR, BUS, each).astype(np.uint8) for each in labels[3:]]
    tracked, _ = InstanceTracker().track(images, maps_of(labels, masks), None)
    assert names(tracked, masks, 1) == [1] * 3 + [2] * 3


def test_patience_ends_and_no_id_is_given_twice() -> None:
    images, labels, masks = scene([Box(1, RED, 40, 20, 0)], 20)
    masks = without(masks, 1, range(3, 14))
    kept, _ = InstanceTracker(patience=11).track(images, maps_of(labels, masks), None)
    assert set(names(kept, masks, 1)) == {1}
    forgotten, memory = InstanceTracker(patience=10).track(images, maps_of(labels, masks), None)
    assert names(forgotten, masks, 1) == [1] * 3 + [2] * 6
    assert memory is not None and len(memory.tracks) == 1


def test_the_memory_does_not_grow() -> None:
    rng, tracker = np.random.default_rng(2), InstanceTracker(patience=10**6)
    labels, memory = np.full((HEIGHT, WIDTH), CAR, np.uint8), None
    named: set[int] = set()
    for _ in range(12):  # 120 new things in each frame, nowhere near the old ones in colour
        image = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        cells = np.kron(rng.permutation(120).reshape(8, 15) + 1, np.ones((8, 8))).astype(np.int32)
        (made,), memory = tracker.track([image], [MapFrame(SPEC, labels, cells)], memory)
        assert made.instances is not None
        assert len(np.unique(made.instances)) == 120  # each has one of its own
        named |= set(np.unique(made.instances).tolist())
    assert memory is not None and len(memory.tracks) <= MOST_REMEMBERED
    assert max(named) == memory.last_id and named == set(range(1, memory.last_id + 1))


def test_after_the_highest_id_forgotten_ones_come_again() -> None:
    images, labels, masks = scene([Box(1, RED, 4, 4, 0), Box(2, BLUE, 40, 24, 0), Box(3, WHITE, 80, 44, 0)], 2)
    first = [np.where(mask == 1, 1, 0).astype(np.int32) for mask in masks]
    _, memory = InstanceTracker().track(images[:1], maps_of(labels[:1], first[:1]), None)
    assert memory is not None
    memory = replace(memory, last_id=HIGHEST_ID - 1)
    tracked, memory = InstanceTracker().track(images[1:], maps_of(labels[1:], masks[1:]), memory)
    assert [names(tracked, masks[1:], n) for n in (1, 2, 3)] == [[1], [HIGHEST_ID], [2]]  # 1 is still remembered
    assert memory is not None and memory.last_id == 2


def test_odd_maps() -> None:
    tracker = InstanceTracker()
    tiny = np.zeros((5, 7, 3), np.uint8)  # too small for any flow
    pixel = np.zeros((9, 3), np.int32)
    pixel[4, 1] = -7
    maps = [MapFrame(SPEC, np.full((9, 3), CAR, np.uint8), each) for each in (pixel * 0, pixel, pixel * 3, pixel * 0)]
    tracked, _ = tracker.track([tiny] * 4, maps, None)
    assert [int(each.instances.max()) for each in tracked if each.instances is not None] == [0, 1, 1, 0]
    assert tracker.track([], [], None) == ([], None)
    with pytest.raises(InputError, match="tell no instances"):
        tracker.track([tiny], [MapFrame(SPEC, np.zeros((9, 3), np.uint8))], None)
    crowd = MapFrame(
        SPEC, np.zeros((256, 257), np.uint8), np.arange(1, 256 * 257 + 1, dtype=np.int32).reshape(256, 257)
    )
    with pytest.raises(InputError, match="65792 instances"):
        tracker.track([np.zeros((12, 12, 3), np.uint8)], [crowd], None)
    with pytest.raises(UsageError, match="-1 frames"):
        InstanceTracker(patience=-1)


# ---- what it is made of


def test_instances_are_found_in_the_order_of_their_first_pixels() -> None:
    instances = np.array([[0, 9, 9, 0], [4, 9, 0, 0], [4, 4, 0, 70000]], np.int32)
    labels = np.array([[0, 1, 1, 0], [2, 3, 0, 0], [2, 2, 0, 5]], np.uint8)
    image = np.zeros((3, 4, 3), np.uint8)
    image[instances == 4] = 255
    found, index = find_instances(labels, instances, image)
    assert index.tolist() == [[0, 1, 1, 0], [2, 1, 0, 0], [2, 2, 0, 3]]
    assert [(each.label, each.area, each.corner) for each in found] == [(1, 3, (1, 0)), (2, 3, (0, 1)), (5, 1, (3, 2))]
    assert found[0].mask.tolist() == [[True, True], [True, False]]
    assert found[0].centre.tolist() == pytest.approx([4 / 3, 1 / 3])
    assert found[1].box.tolist() == [0, 1, 2, 3]
    alike = likeness(np.stack([each.colours for each in found]), np.stack([each.colours for each in found]))
    assert alike == pytest.approx(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]), abs=1e-6)  # black, white, black
    assert find_instances(labels, instances * 0, image)[0] == []


def test_constant_velocity_in_space_is_foreseen_exactly() -> None:
    def seen(frame: float) -> NDArray[np.float64]:
        """A box of 3x2 metres at (2, 1), 20 m away and 0.4 m nearer in each frame, which also moves to the right."""
        x, y, distance = 2 + 0.1 * frame, 1.0, 20 - 0.4 * frame
        return np.array([x - 1.5, y - 1, x + 1.5, y + 1]) / distance * 500

    centre = (seen(0)[:2] + seen(0)[2:]) / 2
    nearing = 0.4 / 20
    velocity = np.array([0.1 / 20 * 500, 0]) + nearing * centre
    motion = Motion(seen(0), 3750.0, velocity, nearing)
    for frames in (1, 10, 20):
        later = motion.after(frames)
        assert later.box == pytest.approx(seen(frames))
        assert later.area == pytest.approx(3750 * (20 / (20 - 0.4 * frames)) ** 2)


def test_motion_is_measured_on_the_flow() -> None:
    y, x = np.indices((40, 60), np.float32)
    index = np.zeros((40, 60), np.int32)
    index[5:35, 5:30], index[10:20, 40:50], index[0, 0] = 1, 2, 3
    grown = index == 1
    before_x, before_y = np.where(grown, x - 2 - 0.05 * (x - 17), x + 1), np.where(grown, y - 0.05 * (y - 20), y)
    velocity, growth = measured_motion(index, index != 3, 3, before_x.astype(np.float32), before_y.astype(np.float32))
    assert velocity[:2] == pytest.approx(np.array([[2, -0.025], [-1, 0]]), abs=1e-4)
    assert growth[0] == pytest.approx(0.05, rel=0.3) and abs(growth[1]) < 1e-6
    assert np.isnan(velocity[2]).all() and np.isnan(growth[2])


# ---- the benchmark, and what it must show


def test_identity_f1_is_that_of_the_literature() -> None:
    from benchmarks.tracking import Identities

    one = np.zeros((4, 8), np.int32)
    one[:, :4], one[:, 4:] = 1, 2
    swapped = np.where(one == 1, 6, 5).astype(np.int32)
    steady, switched = Identities(), Identities()
    for t in range(10):
        steady.add(one, one + 10)
        switched.add(one, swapped if t >= 6 else one + 4)
    assert (steady.f1, steady.switches) == (1.0, 0)
    assert (switched.f1, switched.switches) == (0.6, 2)  # each is itself in 6 of 10 frames
    half = Identities()
    for t in range(10):
        half.add(one, np.where(one == 1, 3, 0 if t % 2 else 4).astype(np.int32))
    assert half.f1 == pytest.approx(2 * 15 / (20 + 15)) and half.switches == 0
    cut = Identities()
    cut.add(one, np.where(np.arange(8) < 1, one, 0).astype(np.int32))  # a quarter of a mask is no agreement
    assert cut.f1 == 0


def test_masks_are_damaged_as_said() -> None:
    from benchmarks.tracking import damaged, eroded, occlusions, renumbered

    rng = np.random.default_rng(0)
    cells = np.kron(np.arange(400).reshape(20, 20) + 1, np.ones((6, 6))).astype(np.int32)
    whole = np.unique(cells)
    dropped = np.unique(damaged(cells, "dropped", set(), rng))
    assert 20 <= len(whole) - np.count_nonzero(dropped) <= 60
    worn = np.bincount(damaged(cells, "eroded", set(), rng).ravel())[1:]
    assert set(worn.tolist()) == {36, 16} and 20 <= np.count_nonzero(worn == 16) <= 60
    assert np.array_equal(damaged(cells, "clean", set(), rng), cells)
    assert set(whole) - set(np.unique(damaged(cells, "hidden", {7, 9}, rng))) == {7, 9}
    assert eroded(np.ones((20, 20), bool)).sum() == 16 * 16
    shuffled = renumbered(cells, rng)
    assert len(np.unique(shuffled)) == 400 and not np.array_equal(shuffled, cells)
    seen = [90] * 5 + [0] * 4 + [90] * 3 + [0] * 2 + [90] + [0] * 21 + [90]
    assert occlusions(seen) == [(5, 9)]
    assert occlusions([60] + [0] * 5 + [90]) == []


@pytest.mark.slow
def test_on_unseen_streets_it_is_as_good_as_it_must_be() -> None:
    import cv2

    from benchmarks.tracking import NEEDED, Street, holds, report

    cv2.setNumThreads(1)
    streets = ((seed, Street.render(seed, 60, 512, 288)) for seed in (9201, 9202))
    result = report(streets, ("clean", "dropped_or_eroded", "hidden"))
    assert result["hidden"]["hidden_cars"] >= 15
    assert result["clean"]["true_masks"] > 1500
    assert holds(result), {"found": result, "needed": NEEDED}
