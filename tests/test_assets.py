"""What is bundled opens, fits the limits, has a card, and paints."""

from __future__ import annotations

import stat
from fractions import Fraction
from pathlib import Path

import pytest

import v2vcli
from v2vcli.models.catalog import bundled_models
from v2vcli.models.checkpoint import load_model, read_info
from v2vcli.video import VideoReader
from v2vcli.worlds.sample import write_sample

NAMES = ("edge2face", "seg2street", "street-segmenter")


def test_the_three_are_there_and_small() -> None:
    models = bundled_models()
    assert tuple(sorted(models)) == NAMES
    sizes = [path.stat().st_size / 1e6 for path in models.values()]
    assert max(sizes) <= 12
    assert sum(sizes) <= 30


@pytest.mark.parametrize("name", NAMES)
def test_each_has_a_card_and_says_the_same(name: str) -> None:
    path = bundled_models()[name]
    info, networks = load_model(path)
    card = path.with_suffix(".md").read_text()
    assert info.name == name
    assert networks
    for said in (info.licence, f"{info.provenance['frames_seen']:,} frames seen", str(info.provenance["data"])):
        assert said in card
    for heading in ("## Measured", "hours", "recipe"):
        assert heading in card
    assert path.stat().st_mode & stat.S_IROTH, "other users of this machine must be able to read it"


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "world"), [("seg2street", "street"), ("edge2face", "head")])
def test_a_generated_sample_is_converted(tmp_path: Path, mode: str, world: str) -> None:
    sample = write_sample(tmp_path / "sample.mp4", world, frames=6, width=160, height=96)
    result = v2vcli.convert(sample, tmp_path / "out.mp4", mode=mode, device="cpu")
    assert result.model == mode
    assert read_info(bundled_models()[mode]).spec.kind == {"seg2street": "labels", "edge2face": "edges"}[mode]
    with VideoReader(sample) as reader:
        asked = [(frame.pts, frame.duration) for frame in reader]
    with VideoReader(tmp_path / "out.mp4") as reader:
        frames = list(reader)
    assert [(frame.pts, frame.duration) for frame in frames] == asked
    assert asked[1][0] - asked[0][0] == Fraction(1, 25)
    # a picture, not a flat colour
    assert all(frame.image.std() > 10 for frame in frames)
