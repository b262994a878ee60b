"""A batch on a local Ray cluster of two workers, of which one is killed; left out where Ray is not installed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.engine.material import picture, times, write_clip
from v2vcli.engine import ray_batch
from v2vcli.engine.archive import Archive
from v2vcli.engine.convert_batch import convert_all
from v2vcli.engine.convert_worker import ConvertWorker
from v2vcli.engine.ray_batch import everywhere, on_ray
from v2vcli.engine.request import ConvertRequest
from v2vcli.errors import ModelError, UsageError
from v2vcli.partfile import part_of

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray, the extra [ray], is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Begun once for these tests, as that takes seconds; two CPUs."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80 << 20)
    yield ray
    ray.shutdown()


@pytest.fixture
def wanted(tmp_path: Path, edge_model: Path) -> list[ConvertRequest]:
    first = write_clip(tmp_path / "a.mp4", [picture(t) for t in range(6)])
    clips = [first, *(Path(shutil.copy(first, tmp_path / f"{name}.mp4")) for name in "bcde")]
    clips[2].write_bytes(b"no video")
    return [
        ConvertRequest(input=clip, output=tmp_path / "out" / clip.name, model=str(edge_model), device="cpu", window=1)
        for clip in clips
    ]


def killed_by(path: Path, wounds: Path, lives: int) -> type[ray_batch.RemoteWorker]:
    """A worker that is killed by SIGKILL in the middle of one file, as often as said."""

    class Mortal(ray_batch.RemoteWorker):
        def attempt(self, request: ConvertRequest) -> Any:
            if request.input != path or len(list(wounds.iterdir())) >= lives:
                return super().attempt(request)

            def die(_: object) -> None:
                assert part_of(request.output).exists()
                (wounds / str(os.getpid())).touch()
                os.kill(os.getpid(), signal.SIGKILL)

            return ConvertWorker(request).attempt(request, die), False

    return Mortal


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("deaths", [1, 2])
def test_two_workers_one_of_which_is_killed(
    cluster: Any, wanted: list[ConvertRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    wounds = tmp_path / "wounds"
    wounds.mkdir()
    monkeypatch.setattr(ray_batch, "RemoteWorker", killed_by(wanted[1].input, wounds, deaths))
    archive = tmp_path / "done.jsonl"
    outcomes = convert_all(wanted, crew=on_ray("local", 2), archive=Archive(archive))
    assert len(list(wounds.iterdir())) == deaths, [str(outcome.error) for outcome in outcomes]
    states = [outcome.state for outcome in outcomes]
    # one death costs an attempt, the second the file; nobody else's
    assert states == ["done", "done" if deaths == 1 else "failed", "failed", "done", "done"]
    done = [outcome.request for outcome in outcomes if outcome.state == "done"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [request.output.name for request in done]
    assert all(times(request.output) == times(request.input) for request in done)
    if deaths == 2:
        assert "given up after 2 lost workers" in str(outcomes[1].error)
    monkeypatch.setattr(ray_batch, "RemoteWorker", None)  # the same record: nothing is left to do
    again = convert_all(done, crew=on_ray("local", 2), archive=Archive(archive))
    assert {outcome.state for outcome in again} == {"skipped"}


@needs_ray
@pytest.mark.slow
def test_a_model_that_is_not_there_ends_the_batch(cluster: Any, wanted: list[ConvertRequest], tmp_path: Path) -> None:
    for request in wanted:
        object.__setattr__(request, "model", str(tmp_path / "none.safetensors"))
    with pytest.raises(ModelError, match="no such model file"):
        convert_all(wanted, crew=on_ray("local", 2))


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_the_extra_it_says_what_to_install() -> None:
    with pytest.raises(UsageError, match=r"\[ray\]: pip install"):
        on_ray("local")


@needs_ray
def test_a_number_of_workers_is_one() -> None:
    with pytest.raises(UsageError, match="--gpus 0"):
        on_ray("local", 0)


def test_files_have_the_same_names_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.safetensors").touch()
    request = ConvertRequest(
        input=Path("a.mp4"), output=Path("out/a.mp4"), model="m.safetensors", pose="file:poses", save_maps=Path("m.mkv")
    )
    moved = everywhere(request)
    assert (moved.input, moved.output, moved.save_maps) == (
        tmp_path / "a.mp4",
        tmp_path / "out/a.mp4",
        tmp_path / "m.mkv",
    )
    assert (moved.model, moved.maps) == (str(tmp_path / "m.safetensors"), tmp_path / "poses")
    plain = ConvertRequest(input=Path("a"), output=Path("b"), mode="edge2face", segmenter="v2v:m.safetensors")
    assert everywhere(plain).model is None and everywhere(plain).cuts == "auto"
    assert everywhere(plain).segmenter == f"v2v:{tmp_path / 'm.safetensors'}"
