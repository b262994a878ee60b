"""Map agreement: counted by hand for labels and edges, with void, remapping, and nothing to find."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from v2vcli.errors import SchemaMismatch, UsageError
from v2vcli.evaluation import Context, Measurement, Moment
from v2vcli.evaluation.agreement import MapAgreement
from v2vcli.maps.label_schema import VOID, LabelClass, LabelSchema
from v2vcli.maps.makers.edges import CannyExtractor
from v2vcli.maps.spec import MapFrame, MapSpec

SCHEMA = LabelSchema(
    "three",
    (
        LabelClass("road", 0, (10, 0, 0)),
        LabelClass("sky", 1, (0, 10, 0)),
        LabelClass("car", 2, (0, 0, 10), foreground=True),
        LabelClass("unlabelled", 3, (0, 0, 0), void=True),
    ),
)
LABELS = MapSpec("labels", SCHEMA)
EDGES = MapSpec("edges")


class RedChannel:
    """An extractor whose map is the picture's red channel, so that a test decides what is found."""

    def __init__(self, spec: MapSpec) -> None:
        self.spec = spec

    def extract(self, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> list[MapFrame]:
        maps = [MapFrame(self.spec, np.ascontiguousarray(image[..., 0])) for image in images]
        return [found.resized(*size) for found in maps]


def _picture(red: Sequence[Sequence[int]] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(np.asarray(red, np.uint8)[..., None], 3, axis=2)


def _measure(spec: MapSpec, *pairs: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]]) -> Measurement:
    """Agreement of (asked, found) pairs of maps in one schema."""
    measuring = MapAgreement(Context(4, 2, RedChannel(spec)))
    for index, (asked, found) in enumerate(pairs):
        measuring.update(Moment(index, _picture(found), asked=MapFrame(spec, np.asarray(asked, np.uint8))))
    return measuring.measurement()


def test_labels_are_counted_pixel_by_pixel_over_all_frames() -> None:
    found = _measure(LABELS, ([[0, 0, 1, 1]], [[0, 0, 1, 0]]), ([[2, 2, 2, 2]], [[2, 2, 1, 1]]))
    assert found.value == pytest.approx(5 / 8)
    # road: 2 of 3 in the union; sky: 1 of 4; car: 2 of 4
    assert found.details["mean_iou"] == pytest.approx((2 / 3 + 1 / 4 + 2 / 4) / 3)
    assert found.details["pixels"] == 8


def test_pixels_asked_to_be_void_are_left_out_and_pixels_found_void_are_wrong() -> None:
    found = _measure(LABELS, ([[0, 0, 3, VOID]], [[0, 3, 0, 1]]))
    assert found.value == pytest.approx(1 / 2)
    assert found.details["pixels"] == 2
    assert found.details["mean_iou"] == pytest.approx(1 / 2), "void is no class of the mean"
    assert _measure(LABELS, ([[3, VOID]], [[0, 1]])).value is None


def test_found_labels_are_remapped_to_the_asked_schema_by_name() -> None:
    swapped = LabelSchema("swapped", (LabelClass("sky", 0, (1, 1, 1)), LabelClass("road", 1, (2, 2, 2))))
    measuring = MapAgreement(Context(4, 1, RedChannel(MapSpec("labels", swapped))))
    measuring.update(Moment(0, _picture([[1, 1, 0, 0]]), asked=MapFrame(LABELS, np.array([[0, 0, 1, 0]], np.uint8))))
    assert measuring.measurement().value == pytest.approx(3 / 4)


def test_schemas_that_do_not_fit_are_refused() -> None:
    other = LabelSchema("animals", (LabelClass("zebra", 0, (1, 1, 1)),))
    measuring = MapAgreement(Context(4, 1, RedChannel(MapSpec("labels", other))))
    with pytest.raises(SchemaMismatch, match="zebra"):
        measuring.update(Moment(0, _picture([[0, 0]]), asked=MapFrame(LABELS, np.zeros((1, 2), np.uint8))))


def _edge_columns(*columns: int) -> NDArray[np.uint8]:
    edges = np.zeros((10, 30), np.uint8)
    edges[:, list(columns)] = 255
    return edges


@pytest.mark.parametrize(("shift", "share"), [(0, 1.0), (2, 1.0), (3, 0.0)])
def test_an_edge_within_two_pixels_answers(shift: int, share: float) -> None:
    found = _measure(EDGES, (_edge_columns(10), _edge_columns(10 + shift)))
    assert found.value == share
    assert found.details["precision"] == share


def test_the_reach_is_a_circle_not_a_square() -> None:
    asked, output = np.zeros((9, 9), np.uint8), np.zeros((9, 9), np.uint8)
    asked[4, 4] = 255
    output[6, 6] = 255  # 2.83 away
    assert _measure(EDGES, (asked, output)).value == 0
    output[5, 5] = 255  # 1.41 away
    assert _measure(EDGES, (asked, output)).value == 1


def test_noise_lowers_precision_not_the_share() -> None:
    found = _measure(EDGES, (_edge_columns(10, 20), _edge_columns(10, 3, 15)))
    assert found.value == pytest.approx(1 / 2)
    assert found.details["precision"] == pytest.approx(1 / 3)


def test_no_edge_found_and_no_edge_asked() -> None:
    assert _measure(EDGES, (_edge_columns(10), _edge_columns())).value == 0
    assert _measure(EDGES, (_edge_columns(), _edge_columns(10))).value is None


def test_the_output_is_searched_at_the_size_of_the_asked_map(texture: NDArray[np.uint8]) -> None:
    extractor = CannyExtractor()
    small = (texture.shape[1] // 2, texture.shape[0] // 2)
    (asked,) = extractor.extract([texture], small)
    measuring = MapAgreement(Context(texture.shape[1], texture.shape[0], extractor))
    measuring.update(Moment(0, texture, asked=asked))
    assert measuring.measurement().value == 1


def test_a_flat_picture_has_none_of_the_edges(texture: NDArray[np.uint8]) -> None:
    extractor = CannyExtractor()
    (asked,) = extractor.extract([texture], (192, 96))
    measuring = MapAgreement(Context(192, 96, extractor))
    measuring.update(Moment(0, np.full_like(texture, 99), asked=asked))
    assert measuring.measurement().value == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MapAgreement(Context(4, 4)), "give the extractor"),
        (lambda: MapAgreement(Context(4, 4, RedChannel(MapSpec("rgb")))), "not rgb maps"),
    ],
)
def test_without_a_map_to_compare_it_is_refused(make: Callable[[], MapAgreement], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_labels_and_edges_do_not_compare() -> None:
    for extractor, asked in ((LABELS, EDGES), (EDGES, LABELS)):
        measuring = MapAgreement(Context(4, 1, RedChannel(extractor)))
        with pytest.raises(UsageError, match=f"makes {extractor.kind} and the maps asked for are {asked.kind}"):
            measuring.update(Moment(0, _picture([[0, 0]]), asked=MapFrame(asked, np.zeros((1, 2), np.uint8))))
