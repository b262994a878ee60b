"""How terms add up, with discriminators that are plain functions. The reference's sums: tests/golden/test_losses.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from v2vcli.train import objectives
from v2vcli.train.face_region import FaceRegion
from v2vcli.train.losses import HINGE
from v2vcli.train.objectives import Judge, LossWeights, Motion
from v2vcli.train.temporal import TemporalWindows

ASKED: list[tuple[int, ...]] = []


def _shows_images(x: Tensor) -> list[list[Tensor]]:
    """Two resolutions of one layer, the image's first channel, and a prediction, its mean."""
    ASKED.append(tuple(x.shape))
    image = x[:, -3:-2]
    return [[image, image.mean((2, 3), keepdim=True)]] * 2


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    ASKED.clear()


def _pictures(value: float, count: int = 2) -> Tensor:
    return torch.full((count, 3, 4, 4), value)


MAPS = torch.zeros(2, 5, 4, 4)


def test_image_terms_by_hand() -> None:
    weights = LossWeights(gan=2.0, feature_matching=3.0, perceptual=5.0)
    judged = objectives.image_terms(
        Judge(_shows_images),
        MAPS,
        [_pictures(0.5), _pictures(-1.0)],
        _pictures(0.25),
        weights,
        perceptual=lambda fake, real: fake.mean() - real.mean(),
    )
    # two resolutions each; feature matching is 4 / 1 per layer, averaged over resolutions
    assert judged.terms["gan"].item() == pytest.approx(2 * (2 * 0.25 + 2 * 4.0))
    assert judged.terms["feature_matching"].item() == pytest.approx(3 * 4 * (0.25 + 1.25))
    assert judged.terms["perceptual"].item() == pytest.approx(5 * ((0.5 - 0.25) + (-1.0 - 0.25)))
    assert judged.real.item() == pytest.approx(2 * 2 * 0.75**2)  # once for each painting
    assert judged.fake.item() == pytest.approx(2 * 0.25 + 2 * 1.0)
    assert judged.objective.item() == pytest.approx(0.5 * (2.25 + 2.5))
    assert objectives.total(judged.terms).item() == pytest.approx(sum(term.item() for term in judged.terms.values()))


def test_hinge_is_another_form() -> None:
    judged = objectives.image_terms(
        Judge(_shows_images, HINGE), MAPS, [_pictures(0.5)], _pictures(0.25), LossWeights(feature_matching=0.0)
    )
    assert set(judged.terms) == {"gan"}
    assert judged.terms["gan"].item() == pytest.approx(-2 * 0.5)
    assert judged.objective.item() == pytest.approx(0.5 * (2 * 0.75 + 2 * 1.5))


@pytest.mark.parametrize(("joined", "passes"), [(True, [2, 4]), (False, [2, 2, 2, 2, 2])])
def test_how_often_the_discriminator_is_asked(joined: bool, passes: list[int]) -> None:
    """About the real ones, and all paintings; or about each by itself, and again for the painter's sake."""
    paintings = [_pictures(0.5), _pictures(-1.0)]
    objectives.image_terms(Judge(_shows_images, joined=joined), MAPS, paintings, _pictures(0.0), LossWeights())
    assert [shape[0] for shape in ASKED] == passes
    assert {shape[1] for shape in ASKED} == {5 + 3}


def test_face_terms_look_at_the_box_and_count_twice() -> None:
    fake, real = _pictures(0.0), _pictures(1.0)
    fake[..., 1:3, 2:4] = 0.5
    judge = Judge(_shows_images, resolutions=4)
    judged = objectives.face_terms(judge, MAPS, fake, real, FaceRegion(1, 3, 2, 4), LossWeights())
    assert judged is not None
    assert {shape[1:] for shape in ASKED} == {(8, 2, 2)}
    assert judged.terms["face_gan"].item() == pytest.approx(2 * 2 * 0.25)
    assert judged.terms["face_feature_matching"].item() == pytest.approx(2 * 10 * 4 * (0.5 + 0.5) / 4)
    assert objectives.face_terms(judge, MAPS, fake, real, None, LossWeights()) is None


def test_temporal_terms_are_named_by_their_scale() -> None:
    shown = TemporalWindows(torch.zeros(1, 3, 3, 4, 4), torch.ones(1, 3, 3, 4, 4), torch.full((1, 2, 2, 4, 4), 20.0))
    judged = objectives.temporal_terms(Judge(_shows_images), shown, LossWeights(temporal=3.0), scale=1)
    assert set(judged.terms) == {"temporal1_gan", "temporal1_feature_matching"}
    assert {shape[1] for shape in ASKED} == {13}
    # what the stand-in looks at is the last three channels: flow, 1 in units of 20 pixels, the same for real and fake
    assert judged.terms["temporal1_gan"].item() == judged.terms["temporal1_feature_matching"].item() == 0.0
    assert judged.fake.item() == pytest.approx(2.0)


def test_motion_terms() -> None:
    still, ones = torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4)
    one, two = _pictures(1.0, 1), _pictures(2.0, 1)
    motion = Motion(one, two, two, one, still, ones, flow=still + 0.5, mask=ones / 4)
    terms = objectives.motion_terms(motion, LossWeights(mask=2.0), spatial_scales=3)
    assert {name: round(term.item(), 5) for name, term in terms.items()} == {
        "flow": 10 * 0.5 / 4,
        "flow_warp": 10.0,
        "frame_warp": 10.0,
        "mask": 2 * 0.25,
    }
    without = Motion(one, two, two, one, still, ones)
    assert set(objectives.motion_terms(without, LossWeights(mask=2.0))) == {"frame_warp"}
    assert "mask" not in objectives.motion_terms(motion, LossWeights())
