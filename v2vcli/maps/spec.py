"""What a model is told to paint (`MapSpec`) and one such map (`MapFrame`).

A `MapSpec` is stored in the checkpoint of a model and in the files that hold maps; a `MapFrame` always carries the
spec it was made for, so that a map of the wrong kind or schema cannot reach a network unnoticed.
This module imports neither torch nor OpenCV at module level: the command line reads it to print help.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError, SchemaMismatch, UsageError
from v2vcli.maps.keypoints import FACE_CURVES, FaceSettings, PoseSettings
from v2vcli.maps.label_schema import LabelSchema

MapKind: TypeAlias = Literal["labels", "edges", "rgb", "face", "pose"]
DRAWN_KINDS: Final = ("face", "pose")
"""Kinds that are drawn from keypoints (`maps.face`, `maps.pose`): no file holds such maps yet."""


@dataclass(frozen=True)
class CannySettings:
    """How edge maps are made (`v2vcli.maps.edges.canny`). A model must be given edges made the way it was trained on.

    Thresholds are on the L2 norm of the 3x3 Sobel gradient of the blurred luma (0..255): a step of d gives up to 4 d.

    Attributes:
        low: Hysteresis threshold below which there is no edge; None: `auto_ratio` times the upper one.
        high: Threshold above which an edge starts; None: automatic, the `auto_quantile` of the image's gradient, which
            makes the amount of edges independent of exposure and contrast.
        blur_sigma: Gaussian blur before the gradient, in pixels of the map; 0 for none.
        auto_quantile: Share of the pixels whose gradient lies below the automatic upper threshold, 0..1.
        auto_ratio: Lower over upper threshold where `low` is None, 0..1.
        auto_floor: The automatic upper threshold never falls below this: sensor noise in a flat picture is no edge.

    Raises:
        UsageError: A value is out of range, or `low` is given without `high`, or above it.
    """

    low: float | None = None
    high: float | None = None
    blur_sigma: float = 1.0
    auto_quantile: float = 0.9
    auto_ratio: float = 0.4
    auto_floor: float = 20.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.name in ("low", "high"):
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
                raise UsageError(f"Canny {field.name} is {value!r}; give a number of at least 0")
        if self.auto_quantile > 1 or self.auto_ratio > 1:
            raise UsageError(
                f"Canny auto_quantile and auto_ratio are shares in 0..1, not {self.auto_quantile}, {self.auto_ratio}"
            )
        if self.low is not None and self.high is None:
            raise UsageError("Canny low is given without high; give both, or high alone, or neither")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise UsageError(f"Canny low {self.low} is above high {self.high}; swap them")


def _settings(name: str, data: object) -> Any:
    if not isinstance(data, dict):
        raise UsageError(f"'{name}' is {data!r}, not an object of settings")
    return _SETTINGS[name](**data)


_SETTINGS: Final[dict[str, Any]] = {"edges": CannySettings, "face": FaceSettings, "pose": PoseSettings}
"""Kinds of maps that can be made in more than one way, and the field of `MapSpec` that says how."""


@dataclass(frozen=True)
class MapSpec:
    """What a model paints from.

    Attributes:
        kind: `labels`, `edges`, `rgb`, `face` or `pose`.
        schema: The label schema; for labels only, and then required.
        instance_edges: Whether a plane with the edges of the instances follows the label planes.
        edges: How edge maps are made; for edges only, default settings where None is given.
        face: How face maps are drawn; for faces only, default settings where None is given.
        pose: How pose maps are drawn; for poses only, default settings where None is given.

    Raises:
        UsageError: The fields contradict each other.
    """

    kind: MapKind
    schema: LabelSchema | None = None
    instance_edges: bool = False
    edges: CannySettings | None = None
    face: FaceSettings | None = None
    pose: PoseSettings | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(MapKind):
            raise UsageError(f"map kind {self.kind!r} is not one of {', '.join(get_args(MapKind))}")
        if (self.kind == "labels") != (self.schema is not None):
            raise UsageError(
                f"a map spec of kind '{self.kind}' {'needs a' if self.kind == 'labels' else 'has no'} schema"
            )
        if self.instance_edges and self.kind != "labels":
            raise UsageError(f"instance edges belong to label maps, not to '{self.kind}' maps")
        for name, kind in _SETTINGS.items():
            if self.kind == name and getattr(self, name) is None:
                object.__setattr__(self, name, kind())
            if self.kind != name and getattr(self, name) is not None:
                raise UsageError(f"{kind.__name__} belong to '{name}' maps, not to '{self.kind}' maps")

    @property
    def channels(self) -> int:
        """Channels of what `conditioning.map_tensor` makes.

        Label planes (+1 with instance edges); 1 for edges, 3 for rgb; 15 for faces, or 1 without distances; 3 for
        poses, or 6 with DensePose.
        """
        if self.kind == "labels":
            return self.label_schema.planes + self.instance_edges
        if self.face is not None:
            return 1 + len(FACE_CURVES) * self.face.distances
        if self.pose is not None:
            return 6 if self.pose.densepose else 3
        return 1 if self.kind == "edges" else 3

    @property
    def label_schema(self) -> LabelSchema:
        """The schema of a label spec.

        Raises:
            SchemaMismatch: The maps are not labels.
        """
        if self.schema is None:
            raise SchemaMismatch(f"'{self.kind}' maps have no label schema; label maps were expected here")
        return self.schema

    def as_dict(self) -> dict[str, Any]:
        """Return plain types, for JSON."""
        plain = {
            "kind": self.kind,
            "schema": self.schema.as_dict() if self.schema else None,
            "instance_edges": self.instance_edges,
            "edges": asdict(self.edges) if self.edges else None,
        }
        if settings := self.face or self.pose:
            plain[self.kind] = asdict(settings)
        return plain

    @classmethod
    def from_dict(cls, data: object, where: str = "map spec") -> MapSpec:
        """Read what `as_dict` made.

        Raises:
            InputError: A key is missing, unknown or has the wrong type; `where` says in which file.
        """
        if not isinstance(data, dict) or "kind" not in data:
            raise InputError(f"{where} is not an object with a 'kind'; write it anew")
        if surplus := sorted(set(data) - {f.name for f in fields(cls)}):
            raise InputError(f"{where}: unknown key {', '.join(surplus)}; was it written by a newer v2v?")
        schema = data.get("schema")
        try:
            return cls(
                kind=data["kind"],
                schema=None if schema is None else LabelSchema.from_dict(schema, f"{where}: schema"),
                instance_edges=bool(data.get("instance_edges", False)),
                **{name: _settings(name, data[name]) for name in _SETTINGS if data.get(name) is not None},
            )
        except (TypeError, UsageError) as e:  # TypeError: a surplus setting, or none at all
            raise InputError(f"{where}: {e}") from e

    def to_json(self) -> str:
        """Serialise for a checkpoint's or a map file's metadata."""
        return json.dumps(self.as_dict())

    @classmethod
    def from_json(cls, text: str, where: str = "map spec") -> MapSpec:
        """Inverse of `to_json`.

        Raises:
            InputError: Not JSON, or not a map spec; `where` says in which file.
        """
        try:
            data = json.loads(text)
        except ValueError as e:
            raise InputError(f"{where} is not JSON ({e}); write it anew") from e
        return cls.from_dict(data, where)


@dataclass(frozen=True, eq=False)
class MapFrame:
    """One map: an array and the spec that says what it means.

    Attributes:
        spec: Kind and schema.
        array: labels (H, W) uint8 ids; edges (H, W) uint8, 0 or 255; rgb (H, W, 3) uint8; face and pose (H, W, C)
            uint8, C = `spec.channels`.
        instances: (H, W) int32 ids that differ wherever objects differ (of a face: its parts), or None; labels and
            faces only.

    Raises:
        InputError: Shape or type does not fit the kind.
    """

    spec: MapSpec
    array: NDArray[np.uint8]
    instances: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        planes = () if self.spec.kind in ("labels", "edges") else (self.spec.channels,)
        if self.array.dtype != np.uint8 or self.array.shape[2:] != planes or 0 in self.array.shape[:2]:
            shape = f"(H, W, {planes[0]})" if planes else "(H, W)"
            raise InputError(
                f"a '{self.spec.kind}' map is {shape} uint8, not {self.array.shape} {self.array.dtype}; check its maker"
            )
        if self.instances is not None and (
            self.spec.kind not in ("labels", "face")
            or self.instances.dtype != np.int32
            or self.instances.shape != self.array.shape[:2]
        ):
            raise InputError(
                f"instances are (H, W) int32 beside a label or face map of the same size, not {self.instances.shape} "
                f"{self.instances.dtype} beside a '{self.spec.kind}' map of {self.array.shape}; check its maker"
            )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.array.shape[1], self.array.shape[0]

    def resized(self, width: int, height: int) -> MapFrame:
        """Bring the map to another size.

        Labels, poses and instances take the nearest pixel (centre-aligned), rgb is averaged over areas, faces are
        interpolated (over areas of twice the new pixel when shrinking). Edges stay thin lines: when shrinking, a pixel
        is an edge where a one-pixel line crosses its area (nearest would drop most of them).
        """
        if (width, height) == self.size:
            return self
        if width < 1 or height < 1:
            raise UsageError(f"a map cannot be resized to {width}x{height}; give a size of at least 1x1")
        rows, columns = _nearest(self.array.shape[0], height)[:, None], _nearest(self.array.shape[1], width)
        instances = None if self.instances is None else self.instances[rows, columns]
        if self.spec.kind in ("labels", "pose"):
            return MapFrame(self.spec, self.array[rows, columns], instances)
        if self.spec.kind == "face":
            return MapFrame(self.spec, _interpolated(self.array, width, height), instances)
        if self.spec.kind == "edges":
            return MapFrame(self.spec, _resized_edges(self.array, width, height))
        return MapFrame(self.spec, resize_image(self.array, width, height))

    def picture(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB to look at.

        Colourised labels, white on black edges (of a face: on blue that fades with the distance), rgb and skeletons as
        they are (on DensePose, darkened).

        Raises:
            SchemaMismatch: A label map has ids that its schema does not know.
        """
        if self.spec.kind == "labels":
            return self.spec.label_schema.colourise(self.array)
        if self.spec.kind == "edges":
            return np.repeat(self.array[..., None], 3, axis=2)
        if self.spec.kind == "face":
            picture = np.repeat(self.array[..., :1], 3, axis=2)
            if self.spec.channels > 1:
                glow = 160 - np.minimum(self.array[..., 1:].min(axis=2), 32) * np.uint8(5)
                picture[..., 2] = np.maximum(picture[..., 2], glow)
            return picture
        if self.spec.channels == 6:
            skeleton, surface = self.array[..., 3:], self.array[..., :3] // 2
            surface[..., 2] *= 10  # a part number, 24 at most
            return np.where(skeleton.any(axis=2, keepdims=True), skeleton, surface)
        return self.array


def resize_image(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize a picture, (H, W) or (H, W, 3) uint8: averaged over areas when shrinking, bilinear when enlarging."""
    if image.shape[:2] == (height, width):
        return image
    import cv2

    shrinks = width <= image.shape[1] and height <= image.shape[0]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


def _interpolated(planes: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize (H, W, C) bilinearly, as Pillow does: over areas of twice the new pixel when shrinking."""
    from PIL import Image

    resized = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
        for plane in np.moveaxis(planes, 2, 0)
    ]
    return np.stack(resized, axis=2)


def _nearest(source: int, target: int) -> NDArray[np.intp]:
    """Index of the source pixel whose centre is nearest, for each target pixel."""
    return (np.arange(target) * 2 + 1) * source // (2 * target)


def _resized_edges(edges: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    shrink = max(edges.shape[1] / width, edges.shape[0] / height)
    if shrink <= 1:
        return edges[_nearest(edges.shape[0], height)[:, None], _nearest(edges.shape[1], width)]
    # A one-pixel line straight through a box of side s covers 1/s of it, one that only cuts a corner less than half.
    share = resize_image(edges, width, height)
    return np.where(share >= 255 * 0.5 / shrink, np.uint8(255), np.uint8(0))
