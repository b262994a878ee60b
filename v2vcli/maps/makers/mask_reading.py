"""What a network of masks says, read as a label map: MaskFormer's inference, and that of those that came after it.

Such a network tells a fixed number of queries: for each the probabilities of the classes, the last of which is "no
object", and a mask. There are three ways to read them (Cheng et al., *Per-Pixel Classification is Not All You Need for
Semantic Segmentation*, section 3.4; *Masked-attention Mask Transformer*, section 4.1).

What is peculiar:

- Reading is done here and not by the image processors of transformers, whose panoptic reading gives a segment pixels
  that are not in its mask, numbers two objects alike where stuff is fused between them, and takes the map's aspect
  ratio for the picture's.
- A panoptic reading leaves no pixel open: what is in no segment has the class of its best mask ("general inference"),
  because a painter wants to know of every pixel.
- Pictures that were cut into pieces along their longer side (EoMT's semantic models) are put together again, the mean
  where pieces overlap.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from v2vcli.maps.label_schema import VOID

MASK_THRESHOLD = 0.5
"""Probability from which a pixel is in a mask."""
LEAST_SEEN = 0.8
"""Share of its mask that a segment must keep where masks overlap."""


def panoptic(
    classes_QC: Tensor, masks_QHW: Tensor, size: tuple[int, int], things: Collection[int], threshold: float
) -> tuple[Tensor, Tensor]:
    """Each pixel belongs to the query with the largest product of the probabilities of its class and of its mask.

    Args:
        classes_QC: Logits of the classes, "no object" last.
        masks_QHW: Logits of the masks.
        size: (height, width) of the map.
        things: Ids of the classes that have instances.
        threshold: Probability that a query's class must exceed to be a segment.

    Returns:
        (height, width) uint8 ids, `VOID` where no query found an object at all, and int32 instances: 1, 2, ... in the
        order of the queries, 0 where none is.
    """
    scores, classes = classes_QC.softmax(dim=1).max(dim=1)
    found = classes < classes_QC.shape[1] - 1
    if not bool(found.any()):
        return _nothing(size, classes_QC.device)
    scores, classes, masks = scores[found], classes[found], _resized(masks_QHW[found], size).sigmoid_()
    weighted = scores[:, None, None] * masks
    labels = classes[weighted.argmax(dim=0)]
    sure = (scores > threshold).nonzero()[:, 0]
    if not len(sure):
        return labels.to(torch.uint8), torch.zeros_like(labels, dtype=torch.int32)
    inside = masks[sure] >= MASK_THRESHOLD
    owner = weighted[sure].argmax(dim=0)
    owned = inside.gather(0, owner[None])[0]
    seen = owner[owned].bincount(minlength=len(sure))
    kept = (seen > 0) & (seen >= LEAST_SEEN * inside.sum(dim=(1, 2)))
    owned &= kept[owner]
    classes = classes[sure]
    thing = kept & torch.isin(classes, torch.tensor(sorted(things), device=classes.device, dtype=classes.dtype))
    numbers = torch.where(thing, thing.cumsum(dim=0), 0)
    labels = torch.where(owned, classes[owner], labels)
    return labels.to(torch.uint8), torch.where(owned, numbers[owner], 0).to(torch.int32)


def instances(classes_QC: Tensor, masks_QHW: Tensor, size: tuple[int, int], threshold: float) -> tuple[Tensor, Tensor]:
    """Objects alone: where they overlap, the surer one is seen.

    Args:
        classes_QC: Logits of the classes, "no object" last.
        masks_QHW: Logits of the masks.
        size: (height, width) of the map.
        threshold: What the product of an object's class and the mean of its mask must reach.

    Returns:
        (height, width) uint8 ids, `VOID` where no object is, and int32 instances: 1 is the surest, 0 none.
    """
    scores, classes = classes_QC.softmax(dim=1)[:, :-1].max(dim=1)
    likely = scores >= threshold  # the mean of a mask is at most 1
    if not bool(likely.any()):
        return _nothing(size, classes_QC.device)
    scores, classes, masks = scores[likely], classes[likely], _resized(masks_QHW[likely], size).sigmoid_()
    inside = masks >= MASK_THRESHOLD
    area = inside.sum(dim=(1, 2))
    scores = scores * (masks * inside).sum(dim=(1, 2)) / area.clamp(min=1)
    order = scores.argsort(descending=True, stable=True)
    order = order[scores[order] >= threshold]
    if not len(order):
        return _nothing(size, classes_QC.device)
    covered = inside[order]
    first = covered.to(torch.uint8).argmax(dim=0)  # the first of the largest: the surest that is there
    any_there = covered.any(dim=0)
    labels = torch.where(any_there, classes[order][first], VOID)
    return labels.to(torch.uint8), torch.where(any_there, first + 1, 0).to(torch.int32)


def semantic_scores(classes_QC: Tensor, masks_QHW: Tensor) -> Tensor:
    """(C, H, W): of each class the sum over the queries of its probability times the mask's."""
    return torch.einsum("qc,qhw->chw", classes_QC.softmax(dim=1)[:, :-1], masks_QHW.sigmoid())


def best_class(scores_CHW: Tensor, size: tuple[int, int]) -> Tensor:
    """(height, width) uint8: the class with the best score, at the size of the map."""
    return _resized(scores_CHW, size).argmax(dim=0).to(torch.uint8)


def stitched(pieces: Sequence[Tensor], spans: Sequence[tuple[int, int]], side: int, *, vertical: bool) -> Tensor:
    """Scores of a picture from those of its pieces.

    Args:
        pieces: (C, h, w) each, of squares that are `side` pixels wide and high.
        spans: From where to where each lies along the longer side of the picture, in pixels.
        side: Of the squares, and shorter side of the picture.
        vertical: The picture is higher than wide.

    Returns:
        (C, H, W), the mean where pieces overlap.
    """
    length = max(end for _, end in spans)
    total = torch.zeros(len(pieces[0]), side, length, device=pieces[0].device)
    count = torch.zeros(length, device=total.device)
    for piece, (start, end) in zip(pieces, spans, strict=True):
        square = _resized(piece, (side, side))
        total[:, :, start:end] += square.mT if vertical else square
        count[start:end] += 1
    total /= count
    return total.mT if vertical else total


def cropped(masks_QHW: Tensor, content: tuple[int, int], padded: tuple[int, int]) -> Tensor:
    """Masks without the padding at the right and at the bottom.

    Args:
        masks_QHW: At any size.
        content: (height, width) of the picture that the network saw.
        padded: (height, width) of the same with its padding.
    """
    if content == padded:
        return masks_QHW
    return _resized(masks_QHW, padded)[:, : content[0], : content[1]]


def _resized(planes: Tensor, size: tuple[int, int]) -> Tensor:
    resized = functional.interpolate(planes[None].float(), size, mode="bilinear", align_corners=False)
    return resized[0]


def _nothing(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    return (
        torch.full(size, VOID, dtype=torch.uint8, device=device),
        torch.zeros(size, dtype=torch.int32, device=device),
    )
