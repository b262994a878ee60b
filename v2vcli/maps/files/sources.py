"""`--maps`: maps that somebody already made, in step with the video; remapped to the model's schema, or refused.

What is accepted, and where the schema of label maps comes from:

| path | schema |
|---|---|
| our own `.mkv` (`map_file`) or folder (`map_folder`) | what it says of itself |
| folder of PNGs whose values are ids (`picture_folder`) | `schema.json`, Cityscapes file names, a known palette |
| folder of RGB PNGs, or a video, in a schema's colours | the model's own, unless given; the colours are checked |
| lossless grey video of ids | must be given (`--maps-schema`) |
| COCO's panoptic JSON and PNGs (`panoptic`) | the JSON's categories |
| edges: video or folder, white on black; rgb: any video or folder | none |
| face and pose: folder of keypoints (`keypoint_folder`), drawn at the video's size | none |
| flow and depth: folder of KITTI's PNGs (`kitti`) | none |

Nothing is guessed that the pictures do not confirm: ids outside the schema and areas in colours outside the palette
are errors that name the frame. Stored faces and poses that were drawn in another way than the model's are drawn again
from their keypoints, or refused. One map is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from v2vcli.errors import InputError, UsageError
from v2vcli.maps.files.control_video import LOSSLESS, grey_codec, grey_frames, is_untagged, rgb_frames
from v2vcli.maps.files.keypoint_folder import KeypointFolder, draw
from v2vcli.maps.files.map_file import stored_maps, stored_spec
from v2vcli.maps.files.palette import PaletteReader, PaletteReading
from v2vcli.maps.files.panoptic import PanopticFolder
from v2vcli.maps.files.picture_folder import MapFolder, other_kind
from v2vcli.maps.files.raw_map import RawMap
from v2vcli.maps.schema import SCHEMAS, LabelSchema
from v2vcli.maps.spec import DRAWN_KINDS, MapFrame, MapSpec

Opener: TypeAlias = Callable[[Fraction | None], Iterator[RawMap]]
"""Opens the maps from a time on, or all of them; those that know no times are all given."""

# How much of a picture may be in colours outside the palette: see palette.py for what was measured.
_FOREIGN_AREAS: Final = 0.02
_FOREIGN_DRAWING: Final = 0.35
_BLACK_AND_WHITE: Final = {(0, 0, 0): 0, (255, 255, 255): 255}


class MapSource:
    """Maps of one clip, for a model of one spec. Every iteration starts at the first map.

    Attributes:
        path: Where they come from.
        spec: What they are when they come out: the model's spec.
        schema: What the labels were before they were remapped, or None.
        length: How many, or None where only reading tells.
        stored: What the maps were when they were stored, or None: faces and poses may have to be drawn again.
    """

    def __init__(
        self,
        path: Path,
        spec: MapSpec,
        opener: Opener,
        schema: LabelSchema | None = None,
        length: int | None = None,
        stored: MapSpec | None = None,
    ) -> None:
        self.path = path
        self.spec = spec
        self.schema = schema
        self.length = length
        self.stored = stored
        self._opener = opener
        self._table = None if schema is None else schema.remap_table(spec.label_schema)
        self._reader: PaletteReader | None = None

    def __iter__(self) -> Iterator[MapFrame]:
        for _, frame in self.timed():
            yield frame

    def timed(self, start: Fraction | None = None) -> Iterator[tuple[Fraction | None, MapFrame]]:
        """Maps with their times in seconds, exact where the file has them; None where it has none.

        Args:
            start: Leave out the maps from before this time; what v2v stored is not even decoded until there.

        Raises:
            InputError: A map cannot be read, or is not what the source was said to hold; the message names it.
        """
        for raw in self._opener(start):
            if start is None or raw.pts is None or raw.pts >= start:
                yield raw.pts, self._frame(raw)

    def _frame(self, raw: RawMap) -> MapFrame:
        if self.spec.kind in DRAWN_KINDS:
            return self._drawn(raw)
        if self.spec.kind in ("rgb", "flow", "depth"):
            return MapFrame(self.spec, raw.array)
        if self.spec.kind == "edges":
            return MapFrame(self.spec, self._edges(raw))
        if self.spec.instance_edges and raw.instances is None:
            raise InputError(
                f"{raw.where} has no instance ids, but the model paints from instance edges; "
                "give maps with instances, or another model"
            )
        return MapFrame(self.spec, self._labels(raw), raw.instances)

    def _drawn(self, raw: RawMap) -> MapFrame:
        """A face or pose as the model wants it drawn."""
        if self.stored is None or self.stored == self.spec:
            return MapFrame(self.spec, raw.array, raw.instances, raw.keypoints)
        if raw.keypoints is None or (self.spec.face is not None and self.spec.face.background):
            raise InputError(
                f"{raw.where} was drawn with {self.stored.face or self.stored.pose}, but the model paints from "
                f"{self.spec.face or self.spec.pose}; make the maps anew for that model"
            )
        return draw(self.spec, raw.keypoints, (raw.array.shape[1], raw.array.shape[0]))

    def _labels(self, raw: RawMap) -> NDArray[np.uint8]:
        schema, table = self.schema, self._table
        assert schema is not None and table is not None  # open_maps gives label sources a schema
        ids: NDArray[np.uint8] = raw.array
        if ids.ndim == 3:
            self._reader = self._reader or PaletteReader.of_schema(schema)
            reading = self._reader.read(raw.array)
            if _is_foreign(reading):
                raise InputError(
                    f"{raw.where} has colours that schema '{schema.name}' lacks: {reading.foreign_areas:.1%} of the "
                    f"picture, {reading.foreign_drawing:.0%} of what is not void; {_suggestion(raw.array, schema)}"
                )
            ids = reading.values
        elif unknown := schema.unknown_ids(ids):
            raise InputError(
                f"{raw.where} has ids {unknown} that schema '{schema.name}' does not know; "
                f"say what they mean with --maps-schema ({', '.join(SCHEMAS)}, or a schema.json)"
            )
        return table[ids]

    def _edges(self, raw: RawMap) -> NDArray[np.uint8]:
        if raw.array.ndim == 2 and bool(np.isin(raw.array, (0, 255)).all()):
            edges: NDArray[np.uint8] = raw.array
            return edges
        rgb = raw.array if raw.array.ndim == 3 else np.repeat(raw.array[..., None], 3, axis=2)
        self._reader = self._reader or PaletteReader(_BLACK_AND_WHITE, unsure=np.inf, far=96)
        reading = self._reader.read(rgb)
        if _is_foreign(reading):
            raise InputError(
                f"{raw.where} is no edge map: neither black nor white are {reading.foreign_areas:.1%} of the picture "
                f"and {reading.foreign_drawing:.0%} of what is drawn; "
                "give white edges on black, or leave --maps out to have edges made"
            )
        return reading.values


def open_maps(
    path: str | Path, spec: MapSpec, schema: LabelSchema | None = None, *, size: tuple[int, int] | None = None
) -> MapSource:
    """Open maps that somebody made, for a model of `spec`.

    Args:
        path: A map file, a video, or a folder of pictures or keypoints, or COCO's panoptic JSON.
        spec: What the model paints from.
        schema: What the labels mean, where the file does not say (`--maps-schema`).
        size: (width, height) of the video, for what has no size of its own: folders of keypoints.

    Raises:
        InputError: The path cannot be read, or holds another kind of map, or nothing says what its ids mean.
        SchemaMismatch: The labels do not fit the model's schema, even by name; the message lists the classes.
        UsageError: `schema` contradicts what the file says, or the model paints from no labels; or `size` is missing.
    """
    path = Path(path)
    if schema is not None and spec.kind != "labels":
        raise UsageError(f"--maps-schema is for label maps, but the model paints from '{spec.kind}' maps; leave it out")
    if not path.exists():
        raise InputError(f"there are no maps at {path}; check the path")
    source = _open_panoptic(path, spec, schema) if spec.kind == "labels" else None
    if source is None:
        source = _open_folder(path, spec, schema, size) if path.is_dir() else _open_video(path, spec, schema)
    next(iter(source))  # what is wrong with the first map is better known before the work begins
    return source


def _open_panoptic(path: Path, spec: MapSpec, schema: LabelSchema | None) -> MapSource | None:
    panoptic = PanopticFolder.open(path)
    if panoptic is None:
        return None
    found = _agreed(path, panoptic.schema, schema)
    return MapSource(path, spec, lambda _: panoptic.maps(), found, len(panoptic.files))


def _open_folder(path: Path, spec: MapSpec, schema: LabelSchema | None, size: tuple[int, int] | None) -> MapSource:
    keypoints = KeypointFolder.open(path, spec, size)
    if keypoints is not None:
        return MapSource(path, spec, lambda _: keypoints.maps(), length=len(keypoints.files))
    folder = MapFolder.open(path, spec.kind)
    if spec.kind != "labels":
        stored = None if folder.stored is None else folder.stored.spec
        return MapSource(path, spec, lambda start: folder.maps(None, start), length=len(folder.files), stored=stored)
    found = _agreed(path, folder.schema, schema) or folder.schema_of_palette(spec.label_schema)
    if found is None and folder.is_colour_coded():
        found = spec.label_schema
    if found is None:
        raise InputError(
            f"nothing in {path} says what its ids mean; give --maps-schema ({', '.join(SCHEMAS)}, or a schema.json), "
            "or put a schema.json beside the PNGs"
        )
    chosen = found
    return MapSource(path, spec, lambda start: folder.maps(chosen, start), chosen, len(folder.files))


def _open_video(path: Path, spec: MapSpec, schema: LabelSchema | None) -> MapSource:
    stored = stored_spec(path)
    if stored is not None:
        if stored.kind != spec.kind:
            raise other_kind(path, stored, spec.kind)
        found = _agreed(path, stored.schema, schema)
        return MapSource(path, spec, lambda start: stored_maps(path, start), found, stored=stored)
    if spec.kind in (*DRAWN_KINDS, "flow", "depth"):
        what = "keypoints" if spec.kind in DRAWN_KINDS else "16-bit PNGs as KITTI's"
        raise InputError(
            f"{path} is a video, but '{spec.kind}' maps are read from files that v2v stored or a folder of {what}"
        )
    if spec.kind != "labels":
        return MapSource(path, spec, lambda _: rgb_frames(path))
    codec = grey_codec(path)
    if codec is not None:
        if codec not in LOSSLESS:
            raise InputError(
                f"{path} is grey and '{codec}' is lossy: its values are no ids; store ids with FFV1 or as PNGs"
            )
        if schema is None:
            raise InputError(f"nothing in {path} says what its ids mean; give --maps-schema ({', '.join(SCHEMAS)})")
        return MapSource(path, spec, lambda _: grey_frames(path), schema)
    chosen = schema or spec.label_schema
    matrix = _fitting_matrix(path, chosen)
    source = MapSource(path, spec, lambda _: rgb_frames(path, matrix), chosen)
    if spec.label_schema.void[next(iter(source)).array].all():
        raise InputError(
            f"{path}: the first map is void everywhere; if the video holds ids as grey levels, store them as PNGs "
            "or in FFV1 grey instead"
        )
    return source


def _is_foreign(reading: PaletteReading) -> bool:
    return reading.foreign_areas > _FOREIGN_AREAS or reading.foreign_drawing > _FOREIGN_DRAWING


def _agreed(path: Path, declared: LabelSchema | None, given: LabelSchema | None) -> LabelSchema | None:
    if declared is not None and given is not None and declared != given:
        raise UsageError(
            f"{path} says that its schema is '{declared.name}', but --maps-schema says '{given.name}'; "
            "leave the option out"
        )
    return declared or given


def _fitting_matrix(path: Path, schema: LabelSchema) -> Colorspace | None:
    """The YCbCr matrix that brings an untagged video's first frame nearest to the palette; None if it is tagged."""
    if not is_untagged(path):
        return None
    reader = PaletteReader.of_schema(schema)
    candidates = (Colorspace.ITU601, Colorspace.ITU709)
    return min(candidates, key=lambda matrix: reader.distance(next(rgb_frames(path, matrix)).array))


def _suggestion(rgb: NDArray[np.uint8], tried: LabelSchema) -> str:
    """What to do about colours that do not fit: name the built-in schemas that they do fit, if any."""
    fitting = [
        f"--maps-schema {schema.name}"
        for schema in SCHEMAS.values()
        if schema != tried and not _is_foreign(PaletteReader.of_schema(schema).read(rgb))
    ]
    if fitting:
        return f"it looks like {' or '.join(fitting)}"
    return f"no built-in schema ({', '.join(SCHEMAS)}) has them; give the palette as --maps-schema SCHEMA.json"
