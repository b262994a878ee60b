from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from v2vcli.errors import UsageError
from v2vcli.video import VideoReader
from v2vcli.worlds import WORLDS, open_world
from v2vcli.worlds.sample import ambience, main, write_sample


@pytest.mark.parametrize("world", WORLDS)
def test_a_sample_plays_and_has_sound(world: str, tmp_path: Path) -> None:
    path = write_sample(tmp_path / "sample.mp4", world, 6, 96, 64, rate=Fraction(12))
    with VideoReader(path) as reader:
        assert (reader.info.width, reader.info.height, reader.info.has_audio) == (96, 64, True)
        frames = list(reader)
    assert [f.pts for f in frames] == [Fraction(i, 12) for i in range(6)]
    source = open_world(world, 1, 96, 64, Fraction(12))
    difference = np.abs(frames[5].image.astype(int) - source.frame(5).image).mean()
    assert difference < 6, "what is in the file is what the world rendered"
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == "aac"
        heard = np.concatenate([f.to_ndarray() for f in container.decode(stream)], axis=1)
    assert heard.shape[1] / 48_000 == pytest.approx(0.5, abs=0.06) and np.abs(heard).max() > 0.02


def test_the_same_sample_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = write_sample(tmp_path / "a.mp4", "head", 3, 64, 64)
    second = write_sample(tmp_path / "b.mp4", "head", 3, 64, 64)
    assert first.read_bytes() == second.read_bytes()


def test_silent_sample(tmp_path: Path) -> None:
    with VideoReader(write_sample(tmp_path / "s.mkv", "street", 2, 64, 48, audio=False)) as reader:
        assert not reader.info.has_audio


def test_ambience_stays_in_range() -> None:
    sound = ambience(2.0, 3)
    assert sound.shape == (2, 96_000) and np.abs(sound).max() < 1 and sound.std() > 0.02


def test_unknown_worlds_and_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="street, head"):
        open_world("moon", 1, 64, 64)
    with pytest.raises(UsageError, match="at least 16x16"):
        open_world("street", 1, 8, 64)


def test_the_module_writes_a_sample_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        main([str(tmp_path / "demo.mp4"), "--frames", "2", "--size", "64x48"])
        assert capsys.readouterr().out.strip() == str(tmp_path / "demo.mp4")
    with pytest.raises(SystemExit):
        main([str(tmp_path / "demo.mp4"), "--size", "64"])
    assert "WIDTHxHEIGHT" in capsys.readouterr().err
