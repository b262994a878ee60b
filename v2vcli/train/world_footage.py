"""Procedural worlds as footage: frames are rendered when they are drawn, each seed a clip, with flow that is exact.

Peculiar: nothing is rendered ahead, so a million seeds cost as much as one. What was rendered lately is kept
(`v2vcli.train.pages`); a world of few frames is soon rendered once and for all. With a stride of n the world runs at
1/n of its rate, which keeps its flow exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import RecipeError
from v2vcli.maps.drawn.face import face_map
from v2vcli.maps.drawn.keypoints import FaceSettings
from v2vcli.maps.schema import CITYSCAPES19
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train.clip_sampling import ClipWindow
from v2vcli.train.footage import MapMaker, Moment, Size
from v2vcli.train.pages import PAGES, array_bytes
from v2vcli.train.recipe import DataRecipe, SourceRecipe
from v2vcli.worlds import open_world

RATE = Fraction(25)


@dataclass(frozen=True, eq=False)
class _Rendered:
    image: NDArray[np.uint8]
    map: MapFrame
    flow: NDArray[np.float16]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class WorldFootage:
    """One world with all its seeds. Follows `Footage`; a stretch is a seed.

    Attributes:
        world: its name.
        seeds: which of them.
        frames: of each seed.
        size: (width, height) it is rendered at.
        spec: what its maps are.
        maker: makes them from frames, where the world does not know them.
        exact: whether its own flow is handed out.
        weight: see `Footage`.
    """

    world: str
    seeds: range
    frames: int
    size: Size
    spec: MapSpec
    maker: MapMaker | None
    exact: bool = True
    weight: float = 1.0

    @property
    def name(self) -> str:
        """For messages."""
        return f"world {self.world}"

    @property
    def source(self) -> str:
        """The kind of source."""
        return "world"

    @property
    def resident(self) -> bool:
        """Never: rendering takes its time."""
        return False

    @property
    def stretches(self) -> NDArray[np.int64]:
        """As many as seeds, all of the same length."""
        return np.full(len(self.seeds), self.frames)

    def read(self, stretch: int, window: ClipWindow, rng: np.random.Generator) -> Moment:
        """Render a window. Its start is a multiple of its step, or is brought to the one before."""
        seed, first = self.seeds[stretch], window.start // window.step
        shown = [self._frame(seed, first + t, window.step) for t in range(window.frames)]
        images, maps = np.stack([each.image for each in shown]), [each.map for each in shown]
        if not self.exact:
            return Moment(images, maps)
        return Moment(images, maps, np.stack([each.flow for each in shown]), np.stack([each.valid for each in shown]))

    def _frame(self, seed: int, index: int, step: int) -> _Rendered:
        key = (self.world, seed, self.size, self.spec.kind, self.spec.instance_edges, step, index)
        return PAGES.get(
            key,
            lambda: self._render(seed, index, step),
            lambda each: array_bytes(each.image, each.map.array, each.map.instances, each.flow, each.valid),
        )

    def _render(self, seed: int, index: int, step: int) -> _Rendered:
        frame = open_world(self.world, seed, *self.size, RATE / step).frame(index)
        if self.maker is not None:
            made = self.maker([frame.image], self.size)[0]
        elif self.spec.kind == "face":
            assert frame.landmarks is not None  # `open_world_footage` has seen to it
            made = face_map(frame.landmarks, frame.image, self.spec.face or FaceSettings())
        else:
            assert frame.labels is not None
            made = MapFrame(self.spec, frame.labels, frame.instances if self.spec.instance_edges else None)
        return _Rendered(frame.image, made, frame.flow.astype(np.float16), np.asarray(frame.valid, np.bool_))


def open_world_footage(
    data: DataRecipe, source: SourceRecipe, spec: MapSpec, makers: Callable[[str], MapMaker]
) -> WorldFootage:
    """The footage of a recipe's ``world`` source.

    Raises:
        RecipeError: the world knows no maps of this kind.
    """
    world = source.world or ""
    maker = makers("edges") if spec.kind == "edges" else None
    own = MapSpec("labels", CITYSCAPES19, instance_edges=spec.instance_edges) if spec.kind == "labels" else spec
    known = {"labels": "street", "face": "head"}
    if maker is None and known.get(spec.kind) != world:
        raise RecipeError(f'the world {world!r} knows no {spec.kind} maps; its edges it has: model.maps = "edges"')
    return WorldFootage(
        world,
        range(*source.seeds),
        source.frames,
        data.load_size,
        own,
        maker,
        exact=data.teacher == "exact",
        weight=source.weight,
    )
