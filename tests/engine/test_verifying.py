"""--verify: a finished file against what was written."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

import v2vcli
from tests.engine.material import SIZE
from v2vcli.engine.request import ConvertRequest
from v2vcli.engine.verifying import Verification
from v2vcli.errors import OutputError

TIMES = [Fraction(n, 25) for n in range(25)]


def _verification(path: Path, times: list[Fraction], size: tuple[int, int] = SIZE) -> Verification:
    request = ConvertRequest(input=path, output=path.with_name("out.mp4"), mode="edge2face", verify=True)
    verification = Verification(request, size)
    verification.wrote(times)
    return verification


def test_what_was_written_is_there(clip: Path) -> None:
    _verification(clip, TIMES).check(clip)
    _verification(clip, [7 + time for time in TIMES]).check(clip)  # from the first frame on


@pytest.mark.parametrize(
    ("times", "says"),
    [
        (TIMES[:24], "more frames where 24 were written"),
        ([*TIMES, Fraction(1)], "25 frames where 26 were written"),
        ([*TIMES[:9], Fraction(9, 25) + Fraction(3, 100), *TIMES[10:]], "frame 9 comes 0.36"),
    ],
)
def test_what_is_missing_or_late_is_found(clip: Path, times: list[Fraction], says: str) -> None:
    with pytest.raises(OutputError, match=says):
        _verification(clip, times).check(clip)


def test_damage_is_found(clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:-2000])
    with pytest.raises(OutputError, match="--verify"):
        _verification(cut, TIMES).check(cut)
    with pytest.raises(OutputError, match="64x32"):
        _verification(clip, TIMES, (32, 64)).check(clip)


def test_a_file_that_fails_gets_no_name(
    edge_model: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Verification, "wrote", lambda self, times: None)
    with pytest.raises(OutputError, match="more frames where 0 were written"):
        v2vcli.convert(clip, tmp_path / "out.mp4", model=str(edge_model), duration="0.1", verify=True)
    assert list(tmp_path.iterdir()) == []
