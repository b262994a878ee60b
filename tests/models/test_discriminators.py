"""Discriminators: shapes, widths and inputs. Their numbers are compared in tests/golden/test_discriminators.py."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from v2vcli.models.discriminators import (
    DiscriminatorConfig,
    MultiScaleDiscriminator,
    image_channels,
    image_input,
    predictions,
    temporal_channels,
    temporal_input,
)


def test_every_layer_of_every_scale() -> None:
    network = MultiScaleDiscriminator(DiscriminatorConfig(5, width=4, layers=3, scales=2))
    result = network(torch.rand(1, 5, 33, 48))
    assert [len(scale) for scale in result] == [5, 5]
    assert result[0][0].shape == (1, 4, 17, 25)
    assert result[0][-1].shape[1] == 1
    assert result[1][0].shape == (1, 4, 9, 13)
    assert [tensor is scale[-1] for tensor, scale in zip(predictions(result), result, strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("width", "narrow_first", "expected"),
    [(8, False, (8, 8, 8, 8, 8)), (8, True, (8, 16, 32, 64, 64)), (64, True, (64,) * 5)],
)
def test_widths_of_the_resolutions(width: int, narrow_first: bool, expected: tuple[int, ...]) -> None:
    config = DiscriminatorConfig(5, width, layers=1, scales=5, narrow_first=narrow_first)
    assert config.first_widths == expected
    first = [stages[0][0] for stages in MultiScaleDiscriminator(config).scales]  # type: ignore[index]
    assert tuple(conv.out_channels for conv in first if isinstance(conv, nn.Conv2d)) == expected


@pytest.mark.parametrize(("scales", "faces"), [(1, 1), (2, 1), (3, 1), (4, 2)])
def test_faces_are_judged_at_fewer_resolutions(scales: int, faces: int) -> None:
    config = DiscriminatorConfig(9, 8, scales=scales, narrow_first=True)
    assert config.for_faces() == DiscriminatorConfig(9, 8, scales=faces, narrow_first=True)


def test_where_norms_are_per_frame_a_shared_pass_changes_nothing() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 24, 24)
    for norm, same in {"frame": True, "instance": True, "batch": False}.items():
        config = DiscriminatorConfig(3, 4, norm=norm)  # type: ignore[arg-type]
        network = MultiScaleDiscriminator(config)
        together, alone = predictions(network(x))[0][:1], predictions(network(x[:1]))[0]
        assert config.per_frame is same
        assert torch.allclose(together, alone, atol=1e-5) is same, norm


def test_inputs() -> None:
    x = temporal_input(torch.zeros(2, 3, 3, 8, 8), torch.full((2, 2, 2, 8, 8), 20.0))
    assert x.shape == (2, temporal_channels(3), 8, 8) == (2, 13, 8, 8)
    assert x[:, 9:].eq(1).all()
    assert image_input(torch.zeros(2, 6, 8, 8), torch.zeros(2, 3, 8, 8)).shape[1] == image_channels(6)


def test_a_discriminator_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="scales"):
        DiscriminatorConfig(9, scales=0)
