"""What is meant as a path never goes to the hub; what is meant for the hub is answered in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from v2vcli.errors import ModelError
from v2vcli.models.catalog import find_model


@pytest.mark.parametrize(
    "name", ["./mine", "../mine", "~/mine", "/none/mine", "here/mine", "a/b.pth", "a/b.safetensors"]
)
def test_a_mistyped_path_is_not_asked_of_the_hub(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    monkeypatch.setattr("v2vcli.models.catalog._from_hub", lambda name: pytest.fail("asked the hub"))
    with pytest.raises(ModelError, match="no such model file") as caught:
        find_model(name)
    assert ("only .safetensors" in str(caught.value)) == name.endswith(".pth")


def test_no_hub_id() -> None:
    with pytest.raises(ModelError, match="no such file here"):
        find_model("a/b--c")
