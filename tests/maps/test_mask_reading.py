"""Masks with a class each, read as label maps: against the paper's inference, written out pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from v2vcli.maps.label_schema import VOID
from v2vcli.maps.makers.mask_reading import best_class, cropped, instances, panoptic, semantic_scores, stitched

CLASSES = 6
THINGS = (1, 4)


def said(seed: int, queries: int = 8, side: int = 12) -> tuple[Tensor, Tensor]:
    """Classes, some of them sure and some none, and masks that tile the picture and overlap a little."""
    generator = torch.Generator().manual_seed(seed)
    classes = 4 * torch.randn(queries, CLASSES + 1, generator=generator)
    owner = torch.randint(queries, (4, 4), generator=generator)
    coarse = torch.where(torch.arange(queries)[:, None, None] == owner, 7.0, -5.0)[:, None]
    coarse = coarse + 3 * torch.randn(coarse.shape, generator=generator)
    return classes, torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")[:, 0]


def panoptic_written_out(classes: Tensor, masks: Tensor, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    scores, best = classes.softmax(1).max(1)
    shares = masks.sigmoid()
    queries = [q for q in range(len(best)) if best[q] < CLASSES]
    sure = [q for q in queries if scores[q] > threshold]
    height, width = masks.shape[1:]
    labels, numbers = np.full((height, width), VOID, np.uint8), np.zeros((height, width), np.int32)
    owner: dict[tuple[int, int], int] = {}
    for y in range(height):
        for x in range(width):
            if queries:
                labels[y, x] = best[max(queries, key=lambda q: float(scores[q] * shares[q, y, x]))]
            if sure:
                first = max(sure, key=lambda q: float(scores[q] * shares[q, y, x]))
                if shares[first, y, x] >= 0.5:
                    owner[y, x] = first
    objects = 0
    for q in sure:
        mine = [place for place, who in owner.items() if who == q]
        if not mine or len(mine) < 0.8 * int((shares[q] >= 0.5).sum()):
            continue
        objects += int(best[q]) in THINGS
        for place in mine:
            labels[place] = best[q]
            numbers[place] = objects if int(best[q]) in THINGS else 0
    return labels, numbers


@pytest.mark.parametrize("seed", range(12))
def test_panoptic_is_the_papers(seed: int) -> None:
    classes, masks = said(seed)
    labels, numbers = panoptic(classes, masks, (12, 12), THINGS, 0.5)
    expected, objects = panoptic_written_out(classes, masks, 0.5)
    assert np.array_equal(labels.numpy(), expected)
    assert np.array_equal(numbers.numpy(), objects)
    assert labels.dtype == torch.uint8 and numbers.dtype == torch.int32


def test_the_panoptic_cases_have_objects_and_open_pixels() -> None:
    read = [panoptic(*said(seed), (12, 12), THINGS, 0.5) for seed in range(12)]
    assert max(int(numbers.max()) for _, numbers in read) >= 2
    assert all((labels != VOID).all() for labels, _ in read)


def test_a_panoptic_object_is_one_class() -> None:
    for seed in range(30):
        labels, numbers = panoptic(*said(seed, 20), (40, 30), THINGS, 0.3)
        for number in range(1, int(numbers.max()) + 1):
            inside = labels[numbers == number].unique()
            assert len(inside) == 1 and int(inside) in THINGS


def test_instances_are_sorted_by_how_sure_they_are() -> None:
    classes = torch.full((3, CLASSES + 1), -9.0)
    for query, (label, logit) in enumerate([(1, 1.0), (4, 9.0), (2, 5.0)]):
        classes[query, label] = logit
        classes[query, -1] = 0.0
    masks = torch.full((3, 10, 10), -9.0)
    masks[0, :, :6] = 9
    masks[1, :5, 4:8] = 9  # over the first: it is surer
    masks[2, 8:, 8:] = 9
    labels, numbers = instances(classes, masks, (10, 10), 0.5)
    assert (labels[:5, 4:8] == 4).all() and (numbers[:5, 4:8] == 1).all()
    assert (labels[8:, 8:] == 2).all() and (numbers[8:, 8:] == 2).all()
    assert (labels[:, :4] == 1).all() and (numbers[:, :4] == 3).all()
    assert (labels[5:, 4:6] == 1).all()
    assert (labels[:8, 8:] == VOID).all() and (numbers[:8, 8:] == 0).all()


def test_an_unsure_mask_is_no_object() -> None:
    classes = torch.tensor([[9.0] + [-9.0] * CLASSES])
    masks = torch.full((1, 4, 4), 0.1)  # everywhere a little more than not
    for threshold, found in ((0.5, True), (0.6, False)):
        labels, numbers = instances(classes, masks, (4, 4), threshold)
        assert bool((labels == (0 if found else VOID)).all())
        assert bool((numbers == int(found)).all())


def test_semantic_adds_up_what_queries_say() -> None:
    classes = torch.log(torch.tensor([[0.6, 0.2, 0.2], [0.3, 0.6, 0.1], [0.1, 0.6, 0.3]]))
    masks = torch.logit(torch.tensor([[[0.9, 0.9]], [[0.1, 0.8]], [[0.1, 0.8]]]))
    scores = semantic_scores(classes, masks)
    assert torch.allclose(scores[:, 0, 0], torch.tensor([0.54 + 0.03 + 0.01, 0.18 + 0.06 + 0.06]))
    assert best_class(scores, (1, 2)).tolist() == [[0, 1]]


@pytest.mark.parametrize("vertical", [False, True])
def test_pieces_are_put_together_again(vertical: bool) -> None:
    whole = torch.randn(3, 20, 8) if vertical else torch.randn(3, 8, 20)
    spans = [(0, 8), (6, 14), (12, 20)]
    pieces = [whole[:, a:b] if vertical else whole[:, :, a:b] for a, b in spans]
    assert torch.allclose(stitched(pieces, spans, 8, vertical=vertical), whole)


def test_padding_is_cut_off() -> None:
    masks = torch.zeros(2, 16, 16)
    masks[:, :8] = 1
    seen = cropped(masks, (32, 64), (64, 64))
    assert seen.shape == (2, 32, 64)
    assert (seen[:, :30] == 1).all()
    assert cropped(masks, (64, 64), (64, 64)) is masks
