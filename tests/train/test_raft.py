"""RAFT as teacher: weights or one clear line; there and back has to agree. No weights are used here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.train.footage_files import drifting
from tests.train.whole_clips import whole
from v2vcli.errors import ModelError
from v2vcli.maps.spec import MapFrame, MapSpec
from v2vcli.train.batches import Sampler
from v2vcli.train.clip_sampling import ClipWindow
from v2vcli.train.clips import Clip
from v2vcli.train.footage import Moment
from v2vcli.train.raft import RaftFlow, raft_flow
from v2vcli.train.recipe import DataRecipe, StageRecipe

CPU = torch.device("cpu")


class Brightness(nn.Module):
    """Knows one motion: from a brighter frame to a darker one everything lies `motion` further, and back."""

    def __init__(self, motion: float, back: float | None = None) -> None:
        super().__init__()
        self.motion, self.back = motion, -motion if back is None else back
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, current: Tensor, previous: Tensor) -> list[Tensor]:
        self.shapes.append(tuple(current.shape))
        later = current.mean((1, 2, 3)) > previous.mean((1, 2, 3))
        u = torch.where(later, self.motion, self.back)[:, None, None].expand(-1, *current.shape[-2:])
        return [torch.zeros_like(current[:, :2]), torch.stack((u, torch.zeros_like(u)), 1)]


def brighter(frames: int, width: int, height: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.stack([np.full((height, width, 3), 10 * t, np.uint8) for t in range(frames)])


def test_flow_goes_back_in_time_in_pixels_of_the_frames() -> None:
    network = Brightness(4.0)
    flow, confidence = RaftFlow(network, CPU)(brighter(7, 200, 130))
    assert all(shape[-2:] == (128, 200) for shape in network.shapes)
    assert np.allclose(flow[1:, ..., 0], 4.0)
    assert np.allclose(flow[..., 1], 0)
    assert not flow[0].any() and not confidence[0].any()
    assert confidence[1:, :, :195].all()
    assert not confidence[1:, :, 197:].any()  # leads out of the frame


def test_flow_that_does_not_return_is_not_believed() -> None:
    _, confidence = RaftFlow(Brightness(4.0, back=-1.0), CPU)(brighter(3, 128, 128))
    assert not confidence.any()


@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_weights_that_are_not_here(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    import torchvision.models._api as api

    monkeypatch.setattr(api, "load_state_dict_from_url", offline)
    with pytest.raises(ModelError) as caught:
        raft_flow(name, CPU)
    text = str(caught.value)
    assert "\n" not in text
    assert f'data.teacher = "{name}" are not here (no network)' in text
    assert str(tmp_path / "checkpoints" / f"{name}_C_T") in text
    assert 'or set data.teacher = "dis", which needs none' in text


def test_a_damaged_file_is_no_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models.optical_flow import Raft_Small_Weights

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    file = tmp_path / "checkpoints" / Raft_Small_Weights.DEFAULT.url.rsplit("/", 1)[1]
    file.parent.mkdir()
    file.write_bytes(b"half of it")
    with pytest.raises(ModelError, match=r"damaged, or not RAFT's weights .*; remove it and try again"):
        raft_flow("raft_small", CPU)


def test_the_networks_are_torchvisions_and_give_flow_of_the_frames_size() -> None:
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    flow, confidence = RaftFlow(raft_small(weights=None), CPU)(drifting(2, 136, 128))
    assert flow.shape == (2, 128, 136, 2)
    assert np.isfinite(flow).all()
    assert confidence.shape == (2, 128, 136)


def test_the_sampler_asks_the_network_before_cutting_and_remembers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def finds(name: str, device: torch.device) -> object:
        def flow(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
            nonlocal asked
            asked += 1
            assert images.shape[1:3] == (32, 48)
            return np.full((*images.shape[:3], 2), 2.0, np.float32), np.ones(images.shape[:3], np.bool_)

        assert name == "raft_small"
        return flow

    monkeypatch.setattr("v2vcli.train.raft.raft_flow", finds)

    class Named(Clip):
        def read(self, stretch: int, window: ClipWindow, rng: np.random.Generator) -> Moment:
            maps = [MapFrame(self.spec, self.maps[t]) for t in window.indices]
            return Moment(self.images[list(window.indices)], maps, key="k", numbers=list(window.indices))

    images = drifting(4, 48, 32)
    named = Named("n", images, np.asarray(images[..., 0], np.uint8) // 128 * 255, MapSpec("edges"), None, None)
    recipe = DataRecipe.model_validate(
        {"load_size": (48, 32), "teacher": "raft_small", "cache": str(tmp_path), "flip": False}
        | {"source": [{"world": "head"}], "scale": (1.5, 1.5)}
    )
    stage = StageRecipe(name="s", kind="video", size=(32, 24), frames=4, steps=9)
    for _ in range(2):
        batch = whole(Sampler([named], recipe, stage, (0, 0)).clips_batch(0, MapSpec("edges"), CPU))
        assert torch.allclose(batch.flow_BT2HW[:, 1:], torch.tensor(3.0))  # in pixels of the scaled frame
        assert batch.flow_BT2HW[:, 0].eq(0).all()
        assert batch.confidence_BT1HW[:, 1:].eq(1).all()
    assert asked == 1
