"""Does the output show what its map asked for: maps made from the output are compared with those it was painted from.

The figure is bounded by the maker of the maps: a segmenter that is right on 85 % of real pixels cannot confirm more of
painted ones. Compare figures made with one extractor only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from v2vcli.errors import UsageError
from v2vcli.evaluation.registry import Context, Measurement, Moment, metric

if TYPE_CHECKING:
    from v2vcli.maps.label_schema import LabelSchema
    from v2vcli.maps.makers.extractors import MapExtractor
    from v2vcli.maps.spec import MapFrame

_KINDS_DIFFER = "the extractor makes {} and the maps asked for are {}: give the extractor of the mode that painted them"

EDGE_REACH = 2.0
"""How far from an asked edge pixel an output edge may lie and still answer it, in map pixels."""


@metric("map_agreement", unit="0..1", better="higher", needs=("maps",))
class MapAgreement:
    """Share of what the map asked for that is found in the output: of label pixels, or of edge pixels within 2 px."""

    def __init__(self, context: Context) -> None:
        if context.extractor is None:
            raise UsageError("map_agreement makes maps from the output: give the extractor that belongs to the mode")
        self._extractor = context.extractor
        self._kind = _agreement_for(context.extractor)

    def update(self, moment: Moment) -> None:
        """Make the map of the output frame, at the asked map's size, and compare."""
        asked = moment.asked
        assert asked is not None
        height, width = asked.array.shape[:2]
        (found,) = self._extractor.extract([moment.output], (width, height))
        self._kind.add(asked, found)

    def measurement(self) -> Measurement:
        """See `LabelAgreement` and `EdgeAgreement`."""
        return self._kind.measurement()


def _agreement_for(extractor: MapExtractor) -> LabelAgreement | EdgeAgreement:
    match extractor.spec.kind:
        case "labels":
            return LabelAgreement()
        case "edges":
            return EdgeAgreement()
        case kind:
            raise UsageError(f"map_agreement compares labels or edges, not {kind} maps: leave it out with --metrics")


class LabelAgreement:
    """Share of pixels with the asked label; pixels asked to be void are left out, pixels found void count as wrong.

    Labels are compared in the schema of the asked maps: what the extractor finds is remapped to it by name.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((256, 256), dtype=np.int64)  # [asked id, found id], over all frames
        self._schema: LabelSchema | None = None

    def add(self, asked: MapFrame, found: MapFrame) -> None:
        """Count one frame's pairs of labels.

        Raises:
            UsageError: the asked maps are no label maps.
            SchemaMismatch: the two schemas do not fit, even by name.
        """
        if asked.spec.schema is None or found.spec.schema is None:
            raise UsageError(_KINDS_DIFFER.format("labels", asked.spec.kind))
        self._schema = asked.spec.schema
        ids = found.array
        if found.spec.schema != asked.spec.schema:
            ids = found.spec.schema.remap_table(asked.spec.schema)[ids]
        pairs = asked.array.astype(np.int64).ravel() * 256 + ids.ravel()
        self._counts += np.bincount(pairs, minlength=256 * 256).reshape(256, 256)

    def measurement(self) -> Measurement:
        """Pixel agreement over the video; ``mean_iou`` over the classes that were asked for or found."""
        if self._schema is None:
            return Measurement(None, note="no map to compare with")
        void = self._schema.void
        counts = self._counts.copy()
        counts[void, :] = 0
        total = int(counts.sum())
        if not total:
            return Measurement(None, note="the maps asked for are void everywhere")
        hits = np.diagonal(counts)
        union = counts.sum(axis=0) + counts.sum(axis=1) - hits
        union[void] = 0
        present = union > 0
        iou = float(np.mean(hits[present] / union[present]))
        return Measurement(int(hits.sum()) / total, {"mean_iou": iou, "pixels": total}, "labels")


class EdgeAgreement:
    """Share of asked edge pixels with an output edge within `EDGE_REACH` pixels (Euclidean), over the video."""

    def __init__(self) -> None:
        self._asked = self._answered = 0
        self._found = self._wanted = 0

    def add(self, asked: MapFrame, found: MapFrame) -> None:
        """Count one frame's edge pixels.

        Raises:
            UsageError: the asked maps are no edge maps.
        """
        if asked.spec.kind != "edges":
            raise UsageError(_KINDS_DIFFER.format("edges", asked.spec.kind))
        asked_edges, found_edges = asked.array > 0, found.array > 0
        self._asked += int(np.count_nonzero(asked_edges))
        self._found += int(np.count_nonzero(found_edges))
        self._answered += int(np.count_nonzero(asked_edges & _near(found_edges)))
        self._wanted += int(np.count_nonzero(found_edges & _near(asked_edges)))

    def measurement(self) -> Measurement:
        """The share; ``precision`` is the converse, the share of output edges near an asked one: noise lowers it."""
        if not self._asked:
            return Measurement(None, note="the maps asked for hold no edge")
        details: dict[str, float] = {"edge_pixels": self._asked}
        if self._found:
            details["precision"] = self._wanted / self._found
        return Measurement(self._answered / self._asked, details, f"edges within {EDGE_REACH:g} px")


def _near(edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W) bool: pixels with an edge pixel within `EDGE_REACH`."""
    import cv2

    if not edges.any():
        return np.zeros_like(edges)  # distanceTransform has no meaning without a pixel to measure from
    distance = cv2.distanceTransform((~edges).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance <= EDGE_REACH)
