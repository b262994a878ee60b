"""The reference's folders as footage: ``train_A/CLIP/*``, ``train_B``, ``train_inst`` and their like, as they are.

| maps | what the frames are | what the maps are made from |
|---|---|---|
| labels | ``train_B`` | ``train_A``: PNGs of ids in the source's ``schema``; ``train_inst``: of instances, if wanted |
| rgb | ``train_B`` | ``train_A``: pictures |
| edges | ``train_B`` | the frames themselves |
| face | ``train_img`` | ``train_keypoints``: text, 68 lines of ``x,y`` |
| pose | ``train_img`` | ``train_openpose``: JSON; ``train_densepose``: PNGs, if wanted |

Clips, and frames within them, go by sorted name. There have to be as many in each folder; names need not be the same.

Peculiar, as in the reference (golden README, sections 9 and 11):
- faces are cropped: a square around the landmarks of the window's first frame, the same for the whole window;
- of frames with poses the middle half is taken (`middle_columns`), and what detectors miss is missed on purpose now
  and then (`PoseDropout`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from v2vcli.errors import InputError, RecipeError, SchemaMismatch
from v2vcli.maps.drawn.face import Box, face_box, face_map
from v2vcli.maps.drawn.keypoints import FaceSettings, PoseSettings
from v2vcli.maps.drawn.pose import PoseDropout, middle_columns, pose_map
from v2vcli.maps.files.openpose import read_openpose
from v2vcli.maps.schema import SCHEMAS
from v2vcli.maps.spec import MapFrame, MapSpec, resize_image
from v2vcli.train.clip_sampling import ClipWindow
from v2vcli.train.footage import Fit, MapMaker, Moment, Pictures, Size, loaded_size
from v2vcli.train.recipe import DataRecipe, SourceRecipe

PHASE = "train"
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
SUFFIXES = {"openpose": frozenset({".json"}), "keypoints": frozenset({".txt"})}
"""Of the files in each folder; pictures in those that are not named here."""
DROPOUT = PoseDropout()


@dataclass(frozen=True, eq=False)
class LayoutFootage:
    """One clip of the layout. Follows `Footage`, with one stretch.

    Attributes:
        clip: its name.
        files: by folder (``A``, ``B``, ``inst``, ...), one file for each frame.
        spec: what its maps are.
        load_size: of the recipe.
        fit: of the recipe.
        maker: makes maps from frames, where that is how they are made.
        weight: see `Footage`.
    """

    clip: Path
    files: dict[str, tuple[Path, ...]]
    spec: MapSpec
    load_size: Size
    fit: Fit
    maker: MapMaker | None = None
    weight: float = 1.0

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.clip)

    @property
    def source(self) -> str:
        """The kind of source."""
        return "layout"

    @property
    def resident(self) -> bool:
        """Never: it is on the disk."""
        return False

    @property
    def photos(self) -> tuple[Path, ...]:
        """The frames' files."""
        return self.files[_photos(self.spec)]

    @property
    def stretches(self) -> NDArray[np.int64]:
        """All frames, which follow one another."""
        return np.array([len(self.photos)], np.int64)

    def read(self, stretch: int, window: ClipWindow, rng: np.random.Generator) -> Moment:
        """Read a window's files; `rng` is for the parts that poses lack."""
        photos = [read_photo(self.photos[index]) for index in window.indices]
        if len(shapes := {photo.shape for photo in photos}) > 1:
            raise InputError(f"{self.name}: its frames have several shapes, {sorted(shapes)}; bring them to one")
        if self.spec.kind == "face":
            return self._faces(window, photos)
        if self.spec.kind == "pose":
            columns = middle_columns(photos[0].shape[1])
            drawn = [self._pose(index, photo, rng) for index, photo in zip(window.indices, photos, strict=True)]
            maps = [MapFrame(each.spec, np.ascontiguousarray(each.array[:, columns])) for each in drawn]
            photos = [photo[:, columns] for photo in photos]
        else:
            maps = [self._stored(index) for index in window.indices] if self.maker is None else []
        size = loaded_size((photos[0].shape[1], photos[0].shape[0]), self.load_size, self.fit)
        maps = [each.resized(*size) for each in maps] if self.maker is None else self.maker(photos, size)
        images = np.stack([resize_image(np.ascontiguousarray(photo), *size) for photo in photos])
        return Moment(images, maps, key=self._key(), numbers=list(window.indices))

    def _stored(self, index: int) -> MapFrame:
        """The map in ``train_A``, with what is in ``train_inst``."""
        file = self.files["A"][index]
        if self.spec.kind == "rgb":
            return MapFrame(self.spec, read_photo(file))
        ids = read_ids(file)
        if ids.max(initial=0) > 255:
            raise InputError(f"{file}: a label map holds ids of a byte, this has {ids.max()}; are these instances?")
        labels = ids.astype(np.uint8)
        schema = self.spec.label_schema
        if unknown := schema.unknown_ids(labels):
            raise SchemaMismatch(
                f"{file}: has ids {unknown} that schema '{schema.name}' does not know; set data.source.schema "
                f"({', '.join(SCHEMAS)})"
            )
        if not self.spec.instance_edges:
            return MapFrame(self.spec, labels)
        instances = read_ids(self.files["inst"][index]).astype(np.int32)
        if instances.shape != labels.shape:
            raise InputError(f"{self.files['inst'][index]}: is not of the size of {file}; make it anew")
        return MapFrame(self.spec, labels, instances)

    def _faces(self, window: ClipWindow, photos: Sequence[Pictures]) -> Moment:
        """Cropped to the face of the window's first frame, then scaled."""
        landmarks = [read_landmarks(self.files["keypoints"][index]) for index in window.indices]
        height, width = photos[0].shape[:2]
        try:
            box: Box = face_box(landmarks[0], width, height)
            drawn = [
                face_map(points, photo, self.spec.face or FaceSettings())
                for points, photo in zip(landmarks, photos, strict=True)
            ]
        except InputError as error:
            raise InputError(f"{self.files['keypoints'][window.start]} and the frames after it: {error}") from None
        if box.right - box.left < 2 or box.bottom - box.top < 2:
            raise InputError(f"{self.files['keypoints'][window.start]}: its face lies outside the picture")
        size = loaded_size((box.right - box.left, box.bottom - box.top), self.load_size, self.fit)
        maps = [
            MapFrame(each.spec, box.of(each.array), None if each.instances is None else box.of(each.instances))
            for each in drawn
        ]
        images = np.stack([resize_image(np.ascontiguousarray(box.of(photo)), *size) for photo in photos])
        return Moment(images, [each.resized(*size) for each in maps])

    def _pose(self, index: int, photo: Pictures, rng: np.random.Generator) -> MapFrame:
        settings = self.spec.pose or PoseSettings()
        densepose = None
        if settings.densepose:
            # DensePose writes part, u, v as OpenCV's blue, green, red: the part comes last when read as RGB
            densepose = read_photo(self.files["densepose"][index])
        file = self.files["openpose"][index]
        people = read_openpose(file)
        try:
            return pose_map(people, photo.shape[1], photo.shape[0], settings, densepose, DROPOUT, rng)
        except InputError as error:
            raise InputError(f"{file}: {error}") from None

    def _key(self) -> str:
        """Names the frames' files as they are now."""
        facts = "".join(f"{file} {file.stat().st_mtime_ns} " for file in (self.photos[0], self.photos[-1]))
        return hashlib.sha256(f"{facts} {len(self.photos)}".encode()).hexdigest()[:20]


def open_layout(
    data: DataRecipe,
    source: SourceRecipe,
    spec: MapSpec,
    makers: Callable[[str], MapMaker],
    report: Callable[[str], None],
) -> list[LayoutFootage]:
    """The footage of a recipe's ``layout`` source: one for each clip. The first frame of each is read, as a check.

    Raises:
        RecipeError: a folder is missing, clips or frames do not match in number (the message names the clip), or too
            many clips cannot be read.
        SchemaMismatch: labels outside the source's schema.
    """
    root = Path(data.root).expanduser() / (source.layout or "")
    own = spec
    if spec.kind == "labels" and source.schema_name is not None:
        if source.schema_name not in SCHEMAS:
            raise RecipeError(f"data.source.schema is {source.schema_name!r}; known: {', '.join(SCHEMAS)}")
        own = MapSpec("labels", schema=SCHEMAS[source.schema_name], instance_edges=spec.instance_edges)
    maker = makers("edges") if spec.kind == "edges" else None
    clips = _matched(root, _folders(own))
    found, bad = list[LayoutFootage](), 0
    for files in clips:
        clip = files[_photos(own)][0].parent
        kept = max(1, round(len(files[_photos(own)]) * (1 - source.hold_out)))
        footage = LayoutFootage(
            clip,
            {name: each[:kept] for name, each in files.items()},
            own,
            data.load_size,
            data.fit,
            maker,
            source.weight,
        )
        try:
            footage.read(0, ClipWindow(0, 1, 1), np.random.default_rng(0))
        except InputError as error:
            bad += 1
            report(f"left out: clip {clip.name}: {error}")
            if bad > data.max_bad_files:
                raise RecipeError(
                    f"{bad} clips cannot be read, more than data.max_bad_files = {data.max_bad_files}; the last: "
                    f"{error}"
                ) from None
        else:
            found.append(footage)
    if not found:
        raise RecipeError(f"{root}: none of its {len(clips)} clips can be read; see the lines above")
    return found


def _folders(spec: MapSpec) -> tuple[str, ...]:
    """What comes after ``train_`` in the names of the folders that are read, frames first."""
    match spec.kind:
        case "face":
            return ("img", "keypoints")
        case "pose":
            densepose = spec.pose is not None and spec.pose.densepose
            return ("img", "openpose", "densepose") if densepose else ("img", "openpose")
        case "edges":
            return ("B",)
        case _:
            return ("B", "A", "inst") if spec.instance_edges else ("B", "A")


def _photos(spec: MapSpec) -> str:
    return _folders(spec)[0]


def _matched(root: Path, folders: Sequence[str]) -> list[dict[str, tuple[Path, ...]]]:
    """Every clip's files by folder."""
    clips: dict[str, list[Path]] = {}
    for name in folders:
        folder = root / f"{PHASE}_{name}"
        if not folder.is_dir():
            raise RecipeError(
                f"{folder}: no such folder; the layout wants {', '.join(f'{PHASE}_{n}' for n in folders)}"
            )
        clips[name] = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
        if not clips[name]:
            raise RecipeError(f"{folder}: there are no clips in it; each is a folder of frames")
    first = folders[0]
    for name in folders[1:]:
        if len(clips[name]) != len(clips[first]):
            missing = {each.name for each in clips[first]} ^ {each.name for each in clips[name]}
            raise RecipeError(
                f"{root}: {len(clips[first])} clips in {PHASE}_{first} but {len(clips[name])} in {PHASE}_{name}"
                f"{f' ({min(missing)} is in one alone)' if missing else ''}; there has to be one for each"
            )
    return [_matched_frames(dict(zip(folders, same, strict=True))) for same in zip(*clips.values(), strict=True)]


def _matched_frames(clip: dict[str, Path]) -> dict[str, tuple[Path, ...]]:
    """One clip's files by folder; as many in each."""
    files = {
        name: tuple(sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES.get(name, PICTURES)))
        for name, folder in clip.items()
    }
    first = next(iter(clip))
    if not files[first]:
        raise RecipeError(f"clip {clip[first]}: there are no frames in it; remove the folder, or fill it")
    for name, folder in clip.items():
        if len(files[name]) != len(files[first]):
            raise RecipeError(
                f"clip {folder}: {len(files[name])} files, but {len(files[first])} frames in {clip[first]}; "
                "there has to be one for each frame"
            )
    return files


def read_photo(file: Path) -> Pictures:
    """(H, W, 3) uint8 RGB.

    Raises:
        InputError: it is no picture.
    """
    try:
        with Image.open(file) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{file}: cannot be read as a picture ({error}); make it anew") from None


def read_ids(file: Path) -> NDArray[np.integer[Any]]:
    """(H, W) pixel values of a grey or paletted picture, where the value is the id.

    Raises:
        InputError: it is no picture, or one of colours.
    """
    try:
        with Image.open(file) as picture:
            ids = np.asarray(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{file}: cannot be read as a picture ({error}); make it anew") from None
    if ids.ndim != 2 or ids.dtype.kind not in "iu":
        raise InputError(f"{file}: holds colours, not ids; ids are grey or paletted PNGs")
    return ids


def read_landmarks(file: Path) -> NDArray[np.float64]:
    """(68, 2) x, y in pixels.

    Raises:
        InputError: it is not 68 lines of two numbers.
    """
    try:
        points = np.loadtxt(file, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: no landmarks ({error}); 68 lines of x,y are wanted") from None
    if points.shape != (68, 2):
        raise InputError(f"{file}: {points.shape} numbers; 68 lines of x,y are wanted")
    return points
