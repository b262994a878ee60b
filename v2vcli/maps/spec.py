"""What a model is told to paint (`MapSpec`) and one such map (`MapFrame`).

A `MapSpec` is stored in the checkpoint of a model and in the files that hold maps; a `MapFrame` always carries the
spec it was made for, so that a map of the wrong kind or schema cannot reach a network unnoticed.
This module imports neither torch nor OpenCV at module level: the command line reads it to print help.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import InputError, SchemaMismatch, UsageError
from v2vcli.maps.label_schema import LabelSchema

MapKind: TypeAlias = Literal["labels", "edges", "rgb"]


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


@dataclass(frozen=True)
class MapSpec:
    """What a model paints from.

    Attributes:
        kind: `labels`, `edges` or `rgb`.
        schema: The label schema; for labels only, and then required.
        instance_edges: Whether a plane with the edges of the instances follows the label planes.
        edges: How edge maps are made; for edges only, default settings where None is given.

    Raises:
        UsageError: The fields contradict each other.
    """

    kind: MapKind
    schema: LabelSchema | None = None
    instance_edges: bool = False
    edges: CannySettings | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(MapKind):
            raise UsageError(f"map kind {self.kind!r} is not one of {', '.join(get_args(MapKind))}")
        if (self.kind == "labels") != (self.schema is not None):
            raise UsageError(
                f"a map spec of kind '{self.kind}' {'needs a' if self.kind == 'labels' else 'has no'} schema"
            )
        if self.instance_edges and self.kind != "labels":
            raise UsageError(f"instance edges belong to label maps, not to '{self.kind}' maps")
        if self.kind == "edges" and self.edges is None:
            object.__setattr__(self, "edges", CannySettings())
        if self.kind != "edges" and self.edges is not None:
            raise UsageError(f"Canny settings belong to edge maps, not to '{self.kind}' maps")

    @property
    def channels(self) -> int:
        """Channels of what `conditioning.map_tensor` makes: label planes (+1 with instance edges), 1, or 3."""
        if self.kind == "labels":
            return self.label_schema.planes + self.instance_edges
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
        return {
            "kind": self.kind,
            "schema": self.schema.as_dict() if self.schema else None,
            "instance_edges": self.instance_edges,
            "edges": asdict(self.edges) if self.edges else None,
        }

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
        schema, edges = data.get("schema"), data.get("edges")
        try:
            return cls(
                kind=data["kind"],
                schema=None if schema is None else LabelSchema.from_dict(schema, f"{where}: schema"),
                instance_edges=bool(data.get("instance_edges", False)),
                edges=None if edges is None else CannySettings(**edges),
            )
        except (TypeError, UsageError) as e:  # TypeError: a surplus or missing Canny setting
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
        array: labels (H, W) uint8 ids; edges (H, W) uint8, 0 or 255; rgb (H, W, 3) uint8.
        instances: (H, W) int32 ids that differ wherever objects differ, or None; labels only.

    Raises:
        InputError: Shape or type does not fit the kind.
    """

    spec: MapSpec
    array: NDArray[np.uint8]
    instances: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        shape = "(H, W, 3)" if self.spec.kind == "rgb" else "(H, W)"
        fits = self.array.ndim == 3 and self.array.shape[2] == 3 if self.spec.kind == "rgb" else self.array.ndim == 2
        if self.array.dtype != np.uint8 or not fits or 0 in self.array.shape:
            raise InputError(
                f"a '{self.spec.kind}' map is {shape} uint8, not {self.array.shape} {self.array.dtype}; check its maker"
            )
        if self.instances is not None and (
            self.spec.kind != "labels" or self.instances.dtype != np.int32 or self.instances.shape != self.array.shape
        ):
            raise InputError(
                f"instances are (H, W) int32 beside a label map of the same size, not {self.instances.shape} "
                f"{self.instances.dtype} beside a '{self.spec.kind}' map of {self.array.shape}; check its maker"
            )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.array.shape[1], self.array.shape[0]

    def resized(self, width: int, height: int) -> MapFrame:
        """Bring the map to another size.

        Labels and instances take the nearest pixel (centre-aligned), rgb is averaged over areas. Edges stay thin lines:
        when shrinking, a pixel is an edge where a one-pixel line crosses its area (nearest would drop most of them).
        """
        if (width, height) == self.size:
            return self
        if width < 1 or height < 1:
            raise UsageError(f"a map cannot be resized to {width}x{height}; give a size of at least 1x1")
        if self.spec.kind == "labels":
            rows, columns = _nearest(self.array.shape[0], height)[:, None], _nearest(self.array.shape[1], width)
            instances = None if self.instances is None else self.instances[rows, columns]
            return MapFrame(self.spec, self.array[rows, columns], instances)
        if self.spec.kind == "edges":
            return MapFrame(self.spec, _resized_edges(self.array, width, height))
        return MapFrame(self.spec, resize_image(self.array, width, height))

    def picture(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB to look at: colourised labels, white on black edges, rgb as it is.

        Raises:
            SchemaMismatch: A label map has ids that its schema does not know.
        """
        if self.spec.kind == "labels":
            return self.spec.label_schema.colourise(self.array)
        return np.repeat(self.array[..., None], 3, axis=2) if self.spec.kind == "edges" else self.array


def resize_image(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize a picture, (H, W) or (H, W, 3) uint8: averaged over areas when shrinking, bilinear when enlarging."""
    if image.shape[:2] == (height, width):
        return image
    import cv2

    shrinks = width <= image.shape[1] and height <= image.shape[0]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


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
