"""Training clips in memory: frames, what they are painted from, and the flow between them.

Peculiar: everything is loaded once, at the size training needs, as bytes; a few thousand small frames fit any
laptop and decoding never stands in the way of a step. Flow follows `v2vcli.models.warp`: from a frame to the one
before it, so index 0 of a clip has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from v2vcli.errors import RecipeError
from v2vcli.maps.schema import SCHEMAS, LabelSchema
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train.flow import teacher_flow
from v2vcli.train.recipe import DataRecipe, SourceRecipe

Pictures = NDArray[np.uint8]
MapMaker = Callable[[Sequence[Pictures], tuple[int, int]], list[MapFrame]]
"""Frames and a (width, height) -> their maps: a `MapExtractor.extract`."""

PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class Clip:
    """Consecutive frames (or stills) of one source.

    Attributes:
        name: for messages.
        images: (T, H, W, 3) uint8 RGB.
        maps: (T, H, W) uint8 ids or edges, or (T, H, W, 3) uint8 control pictures.
        spec: what `maps` are.
        flow: (T, H, W, 2) float16 pixels, or None for stills.
        confidence: (T, H, W) bool, where the flow is to be believed, or None.
        weight: how often it is drawn, relative to its length.
    """

    name: str
    images: Pictures
    maps: Pictures
    spec: MapSpec
    flow: NDArray[np.float16] | None
    confidence: NDArray[np.bool_] | None
    weight: float = 1.0

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.images)


def load_clips(
    data: DataRecipe,
    spec: MapSpec,
    makers: Callable[[str], MapMaker],
    *,
    with_flow: bool,
    report: Callable[[str], None],
) -> list[Clip]:
    """Load every source of a recipe.

    Args:
        data: the recipe's data table.
        spec: what the model is painted from; label sources keep their own schema (see `Clip.spec`).
        makers: the map maker of a given name, e.g. ``"segmenter:street-segmenter"`` or ``"edges"``.
        with_flow: compute the teacher flow of consecutive frames.
        report: told one line per source.

    Raises:
        RecipeError: a source that is not there, or whose labels do not match its frames.
    """
    clips: list[Clip] = []
    for source in data.source:
        found = _load_source(data, source, spec, makers, with_flow)
        report(f"{found[0].name}: {sum(map(len, found))} frames in {len(found)} clip(s)")
        clips += found
    return clips


def _load_source(
    data: DataRecipe, source: SourceRecipe, spec: MapSpec, makers: Callable[[str], MapMaker], with_flow: bool
) -> list[Clip]:
    root, size = Path(data.root).expanduser(), data.load_size
    if source.world is not None:
        return [_world_clip(source, seed, size, spec, makers, with_flow) for seed in range(*source.seeds)]
    if source.stills is not None:
        folder = root / source.stills
        files = sorted(file for file in _listing(folder) if file.suffix.lower() in PICTURES)
        images = np.stack([_scaled(np.asarray(Image.open(file).convert("RGB")), size) for file in files])
    elif source.video is not None:
        images = _read_video(root / source.video, size, source.hold_out)
    else:
        raise RecipeError(f"a data.source names none of video, stills, world: {source}")
    name = source.video or source.stills or ""
    made, own = _maps_of(root, source, images, size, spec, makers)
    if len(made) != len(images):
        raise RecipeError(f"{name}: {len(images)} frames but {len(made)} label maps in {source.labels}")
    flow, confidence = teacher_flow(images) if with_flow and source.video is not None else (None, None)
    return [Clip(name, images, made, own, flow, confidence, source.weight)]


def _maps_of(
    root: Path,
    source: SourceRecipe,
    images: Pictures,
    size: tuple[int, int],
    spec: MapSpec,
    makers: Callable[[str], MapMaker],
) -> tuple[Pictures, MapSpec]:
    if spec.kind != "labels":
        return np.stack([made.array for made in makers(spec.kind)(list(images), size)]), spec
    if source.labels is None:
        raise RecipeError(f'{source.video or source.stills}: says no labels; give a folder or "segmenter:NAME"')
    if source.labels.startswith("segmenter:"):
        made = makers(source.labels)(list(images), size)
        return np.stack([frame.array for frame in made]), made[0].spec
    files = sorted(file for file in _listing(root / source.labels) if file.suffix.lower() == ".png")
    if source.video is not None:  # the held-out tail has labels too
        files = files[: len(images)]
    ids = [np.asarray(Image.open(file)) for file in files]
    return np.stack([cv2.resize(each, size, interpolation=cv2.INTER_NEAREST) for each in ids]), MapSpec(
        "labels", schema=_schema(source.schema_name)
    )


def _schema(name: str | None) -> LabelSchema:
    if name is None or name not in SCHEMAS:
        raise RecipeError(f"data.source.schema is {name!r}; known: {', '.join(SCHEMAS)}")
    return SCHEMAS[name]


def _world_clip(
    source: SourceRecipe,
    seed: int,
    size: tuple[int, int],
    spec: MapSpec,
    makers: Callable[[str], MapMaker],
    with_flow: bool,
) -> Clip:
    from v2vcli.worlds import open_world

    world = open_world(source.world or "", seed=seed, width=size[0], height=size[1])
    frames = [world.frame(index) for index in range(source.frames)]
    images = np.stack([frame.image for frame in frames])
    own = spec
    if spec.kind == "labels":
        maps = np.stack([frame.labels for frame in frames if frame.labels is not None])
        own = MapSpec("labels", schema=SCHEMAS["cityscapes19"])
    else:
        maps = np.stack([made.array for made in makers(spec.kind)(list(images), size)])
    flow = confidence = None
    if with_flow:
        flow = np.stack([frame.flow for frame in frames]).astype(np.float16)
        confidence = np.stack([frame.valid for frame in frames])
    return Clip(f"world:{source.world}:{seed}", images, maps, own, flow, confidence, source.weight)


def _read_video(path: Path, size: tuple[int, int], hold_out: float) -> Pictures:
    from v2vcli.video.reader import VideoReader

    with VideoReader(path) as reader:
        images = [_scaled(frame.image, size) for frame in reader]
    return np.stack(images[: max(1, round(len(images) * (1 - hold_out)))])


def _scaled(image: Pictures, size: tuple[int, int]) -> Pictures:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _listing(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise RecipeError(f"{folder}: no such folder; set the place of the data with --set data.root=DIR")
    return list(folder.iterdir())
