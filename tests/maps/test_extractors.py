"""The segmentation extractor, with small networks whose answer is known."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from v2vcli.errors import ModelError, UsageError
from v2vcli.maps.makers.edges import CannyExtractor
from v2vcli.maps.makers.extractors import MapExtractor, SegmentationExtractor, label_map
from v2vcli.maps.schema import Colour, LabelClass, LabelSchema
from v2vcli.maps.spec import MapSpec

COLOURS: list[Colour] = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
SPEC = MapSpec("labels", LabelSchema("rgb3", tuple(LabelClass(f"c{i}", i, c) for i, c in enumerate(COLOURS))))


class ChannelNetwork:
    """Segments pure red, green and blue: its logits are the colours, at half size; remembers what it was given."""

    def __init__(self):
        self.batches = []

    def __call__(self, pixels):
        self.batches.append(pixels)
        return functional.avg_pool2d(pixels, 2)


def stripes(width, height):
    picture = np.zeros((height, width, 3), np.uint8)
    for i, colour in enumerate(COLOURS):
        picture[:, i * width // 3 : (i + 1) * width // 3] = colour
    return picture


def test_it_finds_the_stripes_at_any_map_size_in_batches():
    network = ChannelNetwork()
    extractor = SegmentationExtractor(network, SPEC, "cpu", (48, 32), batch=2)
    images = [stripes(96, 64), stripes(300, 100), stripes(48, 32)[:, ::-1]]
    for size in ((96, 64), (24, 16), (48, 10)):
        maps = extractor.extract(images, size)
        assert [m.size for m in maps] == [size] * 3
        assert all(m.spec == SPEC and m.instances is None for m in maps)
        truth = (np.arange(size[0]) * 3 // size[0]).astype(np.uint8)
        for m, expected in zip(maps, (truth, truth, truth[::-1]), strict=True):
            assert np.mean(m.array != expected[None]) < 0.03  # a border may move by a pixel
    assert [tuple(b.shape) for b in network.batches[:2]] == [(2, 3, 32, 48), (1, 3, 32, 48)]
    assert network.batches[0].min() == -1
    assert network.batches[0].max() == 1
    assert extractor.extract([], (8, 8)) == []


def test_logits_are_interpolated_before_the_best_class_is_taken():
    logits = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 3.0], [0, 0, 0, 0]]).view(1, 3, 1, 4)
    extractor = SegmentationExtractor(lambda _: logits, SPEC, "cpu", (4, 1))
    got = extractor.extract([np.zeros((1, 4, 3), np.uint8)], (16, 1))[0].array[0]
    expected = functional.interpolate(logits, (1, 16), mode="bilinear", align_corners=False)[0, :, 0].argmax(0)
    assert got.tolist() == expected.tolist()
    assert got.tolist() != logits[0, :, 0].argmax(0).repeat_interleave(4).tolist()


def test_a_network_of_another_schema_is_refused():
    extractor = SegmentationExtractor(lambda p: p.repeat(1, 2, 1, 1), SPEC, "cpu", (8, 8))
    with pytest.raises(ModelError, match=r"gives \(1, 6, 8, 8\) for 1 images, but 'rgb3' has 3 classes"):
        extractor.extract([stripes(9, 9)], (8, 8))


@pytest.mark.parametrize(
    ("spec", "size", "message"),
    [
        (MapSpec("edges"), (8, 8), "not 'edges'"),
        (MapSpec("labels", SPEC.schema, instance_edges=True), (8, 8), "with instance edges; give the maps with --maps"),
        (SPEC, (0, 8), "impossible"),
    ],
)
def test_what_it_cannot_make_is_refused(spec, size, message):
    with pytest.raises(UsageError, match=message):
        SegmentationExtractor(ChannelNetwork(), spec, "cpu", size)


def test_both_extractors_follow_the_protocol():
    assert isinstance(SegmentationExtractor(ChannelNetwork(), SPEC, "cpu", (8, 8)), MapExtractor)
    assert isinstance(CannyExtractor(), MapExtractor)


@pytest.mark.parametrize("seed", range(12))
def test_borders_alone_are_interpolated_and_nothing_else_comes_of_it(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    width, height = (int(n) for n in torch.randint(1, 40, (2,), generator=generator))
    planes = int(torch.randint(2, 20, (1,), generator=generator))
    coarse = torch.randn(1, planes, 4, 5, generator=generator) * (4 if seed % 3 else 1)
    # smooth fields have large areas and borders between them, and noise is all borders
    logits = functional.interpolate(coarse, (height, width), mode="bicubic") if seed % 4 else coarse
    size = (logits.shape[3] + seed, logits.shape[2] * 2)
    dense = functional.interpolate(logits, size[::-1], mode="bilinear", align_corners=False)[0]
    found = label_map(logits[0], size)
    assert found.shape == size[::-1] and found.dtype == np.uint8
    chosen = dense.gather(0, torch.from_numpy(found.astype(np.int64))[None])[0]
    assert torch.all(chosen >= dense.max(dim=0).values - 1e-5)  # rounding may decide between equals
    assert np.mean(found != dense.argmax(dim=0).numpy()) < 0.001
