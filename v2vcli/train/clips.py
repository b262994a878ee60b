"""Where a recipe's clips come from: one small clip in memory, or footage that is read as it is drawn.

`load_clips` makes the `Footage` of every source of a recipe. Single videos and folders of stills are loaded once, as
bytes, at the size training needs: a few thousand small frames fit any laptop, and decoding never stands in the way of a
step. Folders of videos, the reference's layout and procedural worlds are read as they are drawn, and may be of any
length (`video_folder`, `layout`, `world_footage`).

Peculiar: flow follows `v2vcli.models.warp`: from a frame to the one before it, so index 0 of a clip has none.
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

from v2vcli.errors import RecipeError, SchemaMismatch
from v2vcli.maps.schema import SCHEMAS, LabelSchema
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train.clip_sampling import ClipWindow
from v2vcli.train.flow import teacher_flow
from v2vcli.train.footage import Footage, MapMaker, Moment, Pictures, Size, loaded_size
from v2vcli.train.layout import open_layout
from v2vcli.train.recipe import DataRecipe, SourceRecipe
from v2vcli.train.video_folder import open_videos
from v2vcli.train.world_footage import open_world_footage

PICTURES = (".png", ".jpg", ".jpeg")
BATCH = 8
"""Frames a map maker is given at once."""


@dataclass(frozen=True, eq=False)
class Clip:
    """Consecutive frames (or stills) of one source, in memory. Follows `Footage`.

    Attributes:
        name: for messages.
        images: (T, H, W, 3) uint8 RGB.
        maps: (T, H, W) uint8 ids or edges, or (T, H, W, 3) uint8 control pictures.
        spec: what `maps` are.
        flow: (T, H, W, 2) float16 pixels between neighbours, or None.
        confidence: (T, H, W) bool, where the flow is to be believed, or None.
        consecutive: whether the frames follow one another; stills do not, and are never read as a clip.
        weight: how often it is drawn, relative to its length.
    """

    name: str
    images: Pictures
    maps: Pictures
    spec: MapSpec
    flow: NDArray[np.float16] | None
    confidence: NDArray[np.bool_] | None
    consecutive: bool = True
    weight: float = 1.0

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.images)

    @property
    def source(self) -> str:
        """The kind of source."""
        return "video" if self.consecutive else "stills"

    @property
    def resident(self) -> bool:
        """Always: it is an array."""
        return True

    @property
    def stretches(self) -> NDArray[np.int64]:
        """One of all frames, or one for each still."""
        return np.array([len(self)]) if self.consecutive else np.ones(len(self), np.int64)

    def read(self, stretch: int, window: ClipWindow, rng: np.random.Generator) -> Moment:
        """A window of it; flow only where its frames are neighbours."""
        first = 0 if self.consecutive else stretch
        chosen = [first + index for index in window.indices]
        maps = [MapFrame(self.spec, each) for each in self.maps[chosen]]
        if self.flow is None or self.confidence is None or window.step != 1:
            return Moment(self.images[chosen], maps)
        return Moment(self.images[chosen], maps, self.flow[chosen], self.confidence[chosen])


def load_clips(
    data: DataRecipe,
    spec: MapSpec,
    makers: Callable[[str], MapMaker],
    *,
    with_flow: bool,
    report: Callable[[str], None],
    load_size: Size | None = None,
) -> list[Footage]:
    """The footage of every source of a recipe.

    Args:
        data: the recipe's data table.
        spec: what the model is painted from; label sources keep their own schema (see `Footage.spec`).
        makers: the map maker of a given name, e.g. ``"segmenter:street-segmenter"`` or ``"edges"``.
        with_flow: compute the teacher flow of clips in memory.
        report: told one line per source, and of every file that is left out.
        load_size: (width, height) in place of the recipe's, see `Recipe.load_size_of`.

    Raises:
        RecipeError: a source that is not there, has nothing in it, or whose maps do not match its frames.
        SchemaMismatch: labels outside the schema that the source names.
    """
    if load_size is not None:
        data = data.model_copy(update={"load_size": load_size})
    clips: list[Footage] = []
    for source in data.source:
        found = _load_source(data, source, spec, makers, with_flow, report)
        frames = sum(int(footage.stretches.sum()) for footage in found)
        shots = "" if source.stills is not None else f" in {sum(len(each.stretches) for each in found)} clip(s)"
        report(f"{_name(source)}: {frames} {'frames' if shots else 'stills'}{shots}")
        clips += found
    return clips


def _name(source: SourceRecipe) -> str:
    if source.videos is not None:
        return f"videos in {source.videos}"
    return source.video or source.stills or source.layout or f"world {source.world}"


def _load_source(
    data: DataRecipe,
    source: SourceRecipe,
    spec: MapSpec,
    makers: Callable[[str], MapMaker],
    with_flow: bool,
    report: Callable[[str], None],
) -> Sequence[Footage]:
    if source.world is not None:
        return [open_world_footage(data, source, spec, makers)]
    if source.videos is not None:
        return open_videos(data, source, spec, makers, report)
    if source.layout is not None:
        return open_layout(data, source, spec, makers, report)
    return [_load_clip(data, source, spec, makers, with_flow)]


def _load_clip(
    data: DataRecipe, source: SourceRecipe, spec: MapSpec, makers: Callable[[str], MapMaker], with_flow: bool
) -> Clip:
    """A single video, or a folder of stills."""
    root, name = Path(data.root).expanduser(), _name(source)
    pictures = _stills(root / name) if source.stills is not None else _frames(root / name)
    images, made = _scaled_and_mapped(name, pictures, data, _maker_for(name, source, spec, makers))
    size = (images.shape[2], images.shape[1])
    if made:
        maps, own = np.stack([each.array for each in made]), made[0].spec
    elif spec.kind == "rgb":
        maps, own = _scaled_and_mapped(name, _frames(root / (source.control or "")), data, None)[0], spec
    else:
        maps, own = _stored_labels(root / (source.labels or ""), size, source)
    if len(maps) != len(images):
        raise RecipeError(f"{name}: {len(images)} frames but {len(maps)} maps in {source.labels or source.control}")
    kept = max(1, round(len(images) * (1 - source.hold_out)))
    images, maps = images[:kept], maps[:kept]
    known = with_flow and source.video is not None and data.teacher in ("exact", "dis") and data.stride == 1
    flow, confidence = teacher_flow(images) if known else (None, None)
    return Clip(name, images, maps, own, flow, confidence, source.video is not None, source.weight)


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
    name: str, pictures: Iterable[Pictures], data: DataRecipe, maker: MapMaker | None
) -> tuple[Pictures, list[MapFrame]]:
    """Frames at training size, and their maps made from the frames as they are, as `convert` makes them."""
    images: list[Pictures] = []
    made: list[MapFrame] = []
    for batch in _batched(pictures, BATCH):
        sizes = {loaded_size((each.shape[1], each.shape[0]), data.load_size, data.fit) for each in batch}
        size = sizes.pop()
        if sizes or (images and images[0].shape[1::-1] != size):
            raise RecipeError(f'{name}: its pictures have several shapes; set data.fit = "stretch"')
        images += [_scaled(picture, size) for picture in batch]
        if maker is not None:
            made += maker(batch, size)
    if not images:
        raise RecipeError(f"{name}: there are no frames in it; check the path")
    return np.stack(images), made


def _stored_labels(folder: Path, size: Size, source: SourceRecipe) -> tuple[Pictures, MapSpec]:
    """A folder's labels, with the schema that the source names."""
    schema = _schema(source.schema_name)
    files = sorted(file for file in _listing(folder) if file.suffix.lower() == ".png")
    if not files:
        raise RecipeError(f"{folder}: there are no label PNGs in it; check the path")
    labels = []
    for file in files:
        ids = np.asarray(Image.open(file))
        if ids.dtype != np.uint8 or ids.ndim != 2:
            raise RecipeError(f"{file}: a label map holds one byte of id per pixel, this is {ids.dtype} {ids.shape}")
        if unknown := schema.unknown_ids(ids):
            raise SchemaMismatch(f"{file}: has ids {unknown} that schema '{schema.name}' does not know; check schema")
        labels.append(np.asarray(cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST), np.uint8))
    return np.stack(labels), MapSpec("labels", schema=schema)


def _schema(name: str | None) -> LabelSchema:
    if name is None or name not in SCHEMAS:
        raise RecipeError(f"data.source.schema is {name!r}; known: {', '.join(SCHEMAS)}")
    return SCHEMAS[name]


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
