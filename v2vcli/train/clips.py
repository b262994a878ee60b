"""Training clips in memory: frames, what they are painted from, and the flow between them.

Peculiar: everything is loaded once, at the size training needs, as bytes; a few thousand small frames fit any
laptop and decoding never stands in the way of a step. Flow follows `v2vcli.models.warp`: from a frame to the one
before it, so index 0 of a clip has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
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
BATCH = 8
"""Frames a map maker is given at once."""


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
        consecutive: whether the frames follow one another; stills do not, and are never read as a clip.
        weight: how often it is drawn, relative to its length.
        source: the kind of source it is of, a field of `SourceRecipe`; what an epoch is depends on it.
    """

    name: str
    images: Pictures
    maps: Pictures
    spec: MapSpec
    flow: NDArray[np.float16] | None
    confidence: NDArray[np.bool_] | None
    consecutive: bool = True
    weight: float = 1.0
    source: str = "video"

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
        name, pictures = source.stills, _stills(root / source.stills)
    elif source.video is not None:
        name, pictures = source.video, _frames(root / source.video)
    else:
        raise RecipeError("a source is one of video, stills, world")
    images, made = _scaled_and_mapped(pictures, size, _maker_for(name, source, spec, makers))
    if made:
        maps, own = np.stack([each.array for each in made]), made[0].spec
    else:
        maps, own = _stored_maps(root, source, size, spec)
    if len(maps) != len(images):
        raise RecipeError(f"{name}: {len(images)} frames but {len(maps)} maps in {source.labels or source.control}")
    kept = max(1, round(len(images) * (1 - source.hold_out)))
    images, maps = images[:kept], maps[:kept]
    flow, confidence = teacher_flow(images) if with_flow and source.video is not None else (None, None)
    return [Clip(name, images, maps, own, flow, confidence, source.video is not None, source.weight)]


def _maker_for(name: str, source: SourceRecipe, spec: MapSpec, makers: Callable[[str], MapMaker]) -> MapMaker | None:
    """What makes the source's maps from its frames; None where they are stored."""
    if spec.kind == "edges":
        return makers(spec.kind)
    if spec.kind == "labels" and source.labels is None:
        raise RecipeError(f'{name}: says no labels; give a folder or "segmenter:NAME"')
    if spec.kind == "labels" and source.labels is not None and source.labels.startswith("segmenter:"):
        return makers(source.labels)
    return None


def _scaled_and_mapped(
    pictures: Iterable[Pictures], size: tuple[int, int], maker: MapMaker | None
) -> tuple[Pictures, list[MapFrame]]:
    """Frames at training size, and their maps made from the frames as they are, as `convert` makes them."""
    images: list[Pictures] = []
    made: list[MapFrame] = []
    for batch in _batched(pictures, BATCH):
        images += [_scaled(picture, size) for picture in batch]
        if maker is not None:
            made += maker(batch, size)
    if not images:
        raise RecipeError("a data.source holds no frames")
    return np.stack(images), made


def _stored_maps(root: Path, source: SourceRecipe, size: tuple[int, int], spec: MapSpec) -> tuple[Pictures, MapSpec]:
    """A control video's frames, or a folder's labels with the schema that the source names."""
    if spec.kind == "rgb":
        return _scaled_and_mapped(_frames(root / (source.control or "")), size, None)[0], spec
    return _stored_labels(root / (source.labels or ""), size), MapSpec("labels", schema=_schema(source.schema_name))


def _stored_labels(folder: Path, size: tuple[int, int]) -> Pictures:
    files = sorted(file for file in _listing(folder) if file.suffix.lower() == ".png")
    ids = (np.asarray(Image.open(file)) for file in files)
    return np.stack([cv2.resize(each, size, interpolation=cv2.INTER_NEAREST) for each in ids])


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
    return Clip(f"world:{source.world}:{seed}", images, maps, own, flow, confidence, weight=source.weight)


def _frames(path: Path) -> Iterator[Pictures]:
    from v2vcli.video.reader import VideoReader

    if not path.exists():
        raise RecipeError(f"{path}: no such video; set the place of the data with --set data.root=DIR")
    with VideoReader(path) as reader:
        for frame in reader:
            yield frame.image


def _stills(folder: Path) -> Iterator[Pictures]:
    for file in sorted(file for file in _listing(folder) if file.suffix.lower() in PICTURES):
        yield np.asarray(Image.open(file).convert("RGB"))


def _batched(items: Iterable[Pictures], size: int) -> Iterator[list[Pictures]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _scaled(image: Pictures, size: tuple[int, int]) -> Pictures:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _listing(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise RecipeError(f"{folder}: no such folder; set the place of the data with --set data.root=DIR")
    return list(folder.iterdir())
