"""What a model is told to paint (`MapSpec`) and one such map (`MapFrame`).

A `MapSpec` is stored in the checkpoint of a model and in the files that hold maps; a `MapFrame` always carries the
spec it was made for, so that a map of the wrong kind or schema cannot reach a network unnoticed.
This module imports neither torch nor OpenCV at module level: the command line reads it to print help.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError, SchemaMismatch, UsageError
from v2vcli.maps.drawn.keypoints import (
    FACE_CURVES,
    FaceSettings,
    Points,
    PoseSettings,
    checked_landmarks,
    checked_people,
)
from v2vcli.maps.label_schema import LabelSchema
from v2vcli.maps.resizing import resize_edges, resize_flow, resize_image, resize_nearest, resize_planes

__all__ = ["DRAWN_KINDS", "CannySettings", "MapFrame", "MapKind", "MapSpec", "brief", "resize_image"]

MapKind: TypeAlias = Literal["labels", "edges", "rgb", "face", "pose", "flow", "depth"]
_BRIEF: Final = 400
DRAWN_KINDS: Final = ("face", "pose")
"""Kinds that are drawn from keypoints (`maps.drawn.face`, `maps.drawn.pose`)."""


@dataclass(frozen=True)
class CannySettings:
    """How edge maps are made (`v2vcli.maps.makers.edges.canny`). A model needs edges made as in its training.

    Thresholds are on the L2 norm of the 3x3 Sobel gradient of the blurred luma (0..255): a step of d gives up to 4 d.

    Attributes:
        low: Hysteresis threshold below which there is no edge; None: `auto_ratio` times the upper one.
        high: Threshold above which an edge starts; None: automatic, the `auto_quantile` of the image's gradient, which
            makes the amount of edges independent of exposure and contrast.
        blur_sigma: Gaussian blur before the gradient, in pixels of the map; 0 for none.
        auto_quantile: Share of the pixels whose gradient lies below the automatic upper threshold, 0..1.
        auto_ratio: Lower over upper threshold where `low` is None, 0..1.
        auto_floor: The automatic upper threshold never falls below this: sensor noise in a flat picture is no edge.
        distance: Networks are given a second plane, the distance from the nearest edge (`conditioning.map_tensor`); the
            edges themselves are the same.

    Raises:
        UsageError: A value is out of range, or `low` is given without `high`, or above it.
    """

    low: float | None = None
    high: float | None = None
    blur_sigma: float = 1.0
    auto_quantile: float = 0.9
    auto_ratio: float = 0.4
    auto_floor: float = 20.0
    distance: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.distance, bool):
            raise UsageError(f"Canny distance is {self.distance!r}; give true or false")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "distance" or (value is None and field.name in ("low", "high")):
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


def brief(message: object) -> str:
    """A message on one line of bearable length, whatever the file it quotes has in it."""
    line = " ".join(str(message).split())
    return line if len(line) <= _BRIEF else f"{line[: _BRIEF - 3]}..."


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
        kind: `labels`, `edges`, `rgb`, `face`, `pose`, `flow` or `depth`.
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

        Label planes (+1 with instance edges); 1 for edges, or 2 with the distance from them; 3 for rgb; 15 for faces,
        or 1 without distances; 3 for poses, or 6 with DensePose; 3 for flow and 2 for depth, each with a plane that
        says where it is known.
        """
        if self.kind == "labels":
            return self.label_schema.planes + self.instance_edges
        if self.face is not None:
            return 1 + len(FACE_CURVES) * self.face.distances
        if self.pose is not None:
            return 6 if self.pose.densepose else 3
        if self.edges is not None:
            return 1 + self.edges.distance
        return 2 if self.kind == "depth" else 3

    @property
    def planes(self) -> int | None:
        """Third dimension of `MapFrame.array`; None where it has two: labels, edges and depth."""
        if self.kind in ("labels", "edges", "depth"):
            return None
        return self.channels

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
            raise InputError(brief(f"{where}: unknown key {', '.join(surplus)}; was it written by a newer v2v?"))
        schema = data.get("schema")
        try:
            return cls(
                kind=data["kind"],
                schema=None if schema is None else LabelSchema.from_dict(schema, f"{where}: schema"),
                instance_edges=bool(data.get("instance_edges", False)),
                **{name: _settings(name, data[name]) for name in _SETTINGS if data.get(name) is not None},
            )
        except (TypeError, UsageError) as e:  # TypeError: a surplus setting, or none at all
            raise InputError(brief(f"{where}: {e}")) from e
        except InputError as e:
            raise InputError(brief(e)) from e

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
        except (ValueError, RecursionError) as e:
            raise InputError(f"{where} is not JSON ({e}); write it anew") from e
        return cls.from_dict(data, where)


@dataclass(frozen=True, eq=False)
class MapFrame:
    """One map: an array and the spec that says what it means.

    Attributes:
        spec: Kind and schema.
        array: labels (H, W) uint8 ids; edges (H, W) uint8, 0 or 255; rgb (H, W, 3) uint8; face and pose (H, W, C)
            uint8, C = `spec.channels`; flow (H, W, 3) and depth (H, W) uint16 as `maps.files.kitti` encodes them.
        instances: (H, W) int32 ids that differ wherever objects differ (of a face: its parts), or None; labels and
            faces only.
        keypoints: What a face or pose was drawn from, float64 in pixels of the map: face (68, 2) x, y; pose
            (people, 137, 3) x, y, confidence (`maps.drawn.keypoints`). None where it is not known.

    Raises:
        InputError: Shape or type does not fit the kind.
    """

    spec: MapSpec
    array: NDArray[Any]
    instances: NDArray[np.int32] | None = None
    keypoints: Points | None = None

    def __post_init__(self) -> None:
        planes = () if self.spec.planes is None else (self.spec.planes,)
        dtype = np.dtype(np.uint16 if self.spec.kind in ("flow", "depth") else np.uint8)
        if (
            self.array.dtype != dtype
            or self.array.ndim != 2 + len(planes)
            or self.array.shape[2:] != planes
            or 0 in self.array.shape[:2]
        ):
            shape = f"(H, W, {planes[0]})" if planes else "(H, W)"
            raise InputError(
                f"a '{self.spec.kind}' map is {shape} {dtype}, not {self.array.shape} {self.array.dtype}; "
                "check its maker"
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
        if self.keypoints is not None:
            if self.spec.kind not in DRAWN_KINDS or self.keypoints.dtype != np.float64:
                raise InputError(
                    f"keypoints are float64 beside a face or pose map, not {self.keypoints.dtype} beside a "
                    f"'{self.spec.kind}' map; check its maker"
                )
            (checked_landmarks if self.spec.kind == "face" else checked_people)(self.keypoints)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.array.shape[1], self.array.shape[0]

    def resized(self, width: int, height: int) -> MapFrame:
        """Bring the map to another size.

        Labels, poses, depth, flow and instances take the nearest pixel (centre-aligned), flow in pixels of the new
        size; rgb is averaged over areas, faces are interpolated (over areas of twice the new pixel when shrinking).
        Edges stay thin lines. Keypoints are scaled; one that was not found (0, 0) stays so.
        """
        if (width, height) == self.size:
            return self
        if width < 1 or height < 1:
            raise UsageError(f"a map cannot be resized to {width}x{height}; give a size of at least 1x1")
        instances = None if self.instances is None else resize_nearest(self.instances, width, height)
        keypoints = None if self.keypoints is None else self.keypoints.copy()
        if keypoints is not None:
            keypoints[..., :2] *= (width / self.size[0], height / self.size[1])
        resize = _RESIZING.get(self.spec.kind, resize_nearest)
        return MapFrame(self.spec, resize(self.array, width, height), instances, keypoints)

    def picture(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB to look at.

        Colourised labels, white on black edges (of a face: on blue that fades with the distance), rgb and skeletons as
        they are (on DensePose, darkened), flow by direction and speed, depth brighter where it is nearer.

        Raises:
            SchemaMismatch: A label map has ids that its schema does not know.
        """
        if self.spec.kind == "labels":
            return self.spec.label_schema.colourise(self.array)
        from v2vcli.maps.pictures import map_picture

        return map_picture(self.spec, self.array)


_RESIZING: Final[dict[MapKind, Callable[[NDArray[Any], int, int], NDArray[Any]]]] = {
    "edges": resize_edges,
    "rgb": resize_image,
    "face": resize_planes,
    "flow": resize_flow,
}
"""How arrays are brought to another size, where it is not by the nearest pixel."""
