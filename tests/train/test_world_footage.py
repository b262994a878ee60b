"""Worlds as footage: rendered when drawn, exact flow at any stride, no cost for seeds that are never drawn."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch

from tests.train.whole_clips import whole
from v2vcli.errors import RecipeError
from v2vcli.maps.drawn.face import face_map
from v2vcli.maps.makers.edges import CannyExtractor, canny
from v2vcli.maps.schema import CITYSCAPES19
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train.batches import Sampler
from v2vcli.train.clip_sampling import ClipWindow
from v2vcli.train.clips import load_clips
from v2vcli.train.footage import Footage
from v2vcli.train.recipe import DataRecipe, StageRecipe
from v2vcli.worlds import open_world

LABELS = MapSpec("labels", schema=CITYSCAPES19)
RNG = np.random.default_rng(0)


def data(**fields: object) -> DataRecipe:
    source = {"world": "street", "seeds": (0, 10**6), "frames": 10}
    source |= {name: fields.pop(name) for name in ("world", "seeds") if name in fields}  # type: ignore[misc]
    return DataRecipe.model_validate({"load_size": (48, 32), "source": [source]} | fields)


def loaded(spec: MapSpec, **fields: object) -> Footage:
    def makers(name: str) -> Callable[..., list[MapFrame]]:
        assert name == "edges"
        return CannyExtractor().extract

    (footage,) = load_clips(data(**fields), spec, makers, with_flow=True, report=lambda _: None)
    return footage


def test_a_million_seeds_cost_as_much_as_the_one_that_is_drawn() -> None:
    footage = loaded(LABELS)
    assert len(footage.stretches) == 10**6
    moment = footage.read(777_777, ClipWindow(2, 1, 3), RNG)
    world = open_world("street", 777_777, 48, 32)
    for t in range(3):
        frame = world.frame(2 + t)
        assert np.array_equal(moment.images[t], frame.image)
        assert np.array_equal(moment.maps[t].array, frame.labels)
        assert moment.flow is not None and moment.confidence is not None
        assert np.array_equal(moment.flow[t], frame.flow.astype(np.float16))
        assert np.array_equal(moment.confidence[t], frame.valid)


def test_flow_is_exact_at_any_stride() -> None:
    moment = loaded(LABELS).read(3, ClipWindow(5, 2, 3), RNG)
    slower = open_world("street", 3, 48, 32, Fraction(25, 2))
    for t in range(3):
        assert np.array_equal(moment.images[t], slower.frame(2 + t).image)
        assert moment.flow is not None
        assert np.array_equal(moment.flow[t], slower.frame(2 + t).flow.astype(np.float16))


def test_another_teacher_in_place_of_the_worlds_own_flow() -> None:
    assert loaded(LABELS, teacher="dis").read(0, ClipWindow(0, 1, 2), RNG).flow is None


def test_edges_faces_and_instances() -> None:
    window = ClipWindow(1, 1, 1)
    edges = loaded(MapSpec("edges")).read(1, window, RNG)
    assert np.array_equal(edges.maps[0].array, canny(edges.images[0]))
    head = open_world("head", 1, 48, 32).frame(1)
    face = loaded(MapSpec("face"), world="head").read(1, window, RNG)
    assert head.landmarks is not None
    assert np.array_equal(face.maps[0].array, face_map(head.landmarks, head.image).array)
    spec = MapSpec("labels", schema=CITYSCAPES19, instance_edges=True)
    made = loaded(spec).read(1, window, RNG).maps[0]
    assert made.instances is not None
    assert np.array_equal(made.instances, open_world("street", 1, 48, 32).frame(1).instances)
    with pytest.raises(RecipeError, match="the world 'head' knows no labels maps"):
        loaded(LABELS, world="head")


def test_draws_are_deterministic() -> None:
    stage = StageRecipe(name="s", kind="video", size=(32, 32), frames=3, steps=9, batch=2)
    first, again = (
        whole(Sampler([loaded(LABELS)], data(), stage, (1, 0)).clips_batch(4, LABELS, torch.device("cpu")))
        for _ in range(2)
    )
    assert torch.equal(first.images_BT3HW, again.images_BT3HW)
    assert torch.equal(first.maps_BTCHW, again.maps_BTCHW)
    assert first.confidence_BT1HW[:, 0].eq(0).all()
    assert first.confidence_BT1HW[:, 1:].mean() > 0.5
