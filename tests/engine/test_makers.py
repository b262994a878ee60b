"""From FAMILY:MODEL to maps that a model paints from: opened, fitted or refused; instances and edits on their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import v2vcli
from tests.engine.material import LABELS, SIZE, picture, read, save_painter, save_segmenter, times, write_clip
from v2vcli.engine.maker_names import MakerNames, parse_maker
from v2vcli.engine.makers import fitted, maker_for, maker_source, map_kind, open_maker
from v2vcli.engine.mapping import Guides, extracted, guided, refined
from v2vcli.engine.request import ConvertRequest
from v2vcli.engine.windows import Window
from v2vcli.errors import ModelError, SchemaMismatch, UsageError
from v2vcli.maps.files.sources import open_maps
from v2vcli.maps.files.store import MapWriter
from v2vcli.maps.label_schema import LabelClass, LabelSchema
from v2vcli.maps.makers.extractors import MapExtractor
from v2vcli.maps.schema import CITYSCAPES19, VOC21
from v2vcli.maps.spec import CannySettings, MapFrame, MapSpec
from v2vcli.video.frame import Frame

CPU = torch.device("cpu")
WITH_INSTANCES = MapSpec("labels", schema=CITYSCAPES19, instance_edges=True)
TRAFFIC = LabelSchema("traffic", (LabelClass("road", 0, (1, 1, 1)), LabelClass("car", 3, (2, 2, 2), True)))
LOSSLESS = {"codec": "libx264rgb", "pix_fmt": "rgb24", "crf": 0}


class Things:
    """A maker that tells a car on a street, and gives it a new number in every frame."""

    def __init__(self, *, instances: bool = True) -> None:
        self.spec = MapSpec("labels", schema=TRAFFIC, instance_edges=instances)
        self._seen = 0

    def extract(self, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> list[MapFrame]:
        """A car in the left upper quarter."""
        maps = []
        for _ in images:
            self._seen += 1
            labels, numbers = np.zeros(size[::-1], np.uint8), np.zeros(size[::-1], np.int32)
            labels[: size[1] // 2, : size[0] // 2], numbers[: size[1] // 2, : size[0] // 2] = 3, self._seen
            maps.append(MapFrame(self.spec, labels, numbers if self.spec.instance_edges else None))
        return maps


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("V2V_OFFLINE", "1")
    return tmp_path / "torch" / "hub" / "checkpoints"


def save_lraspp(folder: Path) -> None:
    """LRASPP with random weights, where torch looks for it."""
    from torchvision.models.segmentation import LRASPP_MobileNet_V3_Large_Weights, lraspp_mobilenet_v3_large

    torch.manual_seed(0)
    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)
    folder.mkdir(parents=True)
    url = LRASPP_MobileNet_V3_Large_Weights.DEFAULT.value.url
    torch.save(network.state_dict(), folder / url.rsplit("/", 1)[1])


def test_bundled_makers_need_no_choice() -> None:
    for spec in (MapSpec("edges", edges=CannySettings(high=50.0)), LABELS):
        maker = maker_for(spec, MakerNames(), CPU, SIZE)
        assert maker.spec == spec and isinstance(maker, MapExtractor)
        [made] = maker.extract([picture(0)], (20, 10))
        assert made.size == (20, 10) and made.spec == spec
    fine, coarse = (
        maker_for(MapSpec("edges", edges=CannySettings(high=high)), MakerNames(edges="canny"), CPU, SIZE)
        for high in (10.0, 900.0)
    )
    assert fine.extract([picture(0)], SIZE)[0].array.any() and not coarse.extract([picture(0)], SIZE)[0].array.any()


@pytest.mark.parametrize(
    ("spec", "makers", "says"),
    [
        (LABELS, {"pose": "hf:user/repo"}, "--pose hf:user/repo makes 'pose' maps, but 'labels' maps .* --segmenter"),
        (MapSpec("rgb"), {}, "'rgb' maps are made from frames by nothing here; give them with --maps"),
        (MapSpec("rgb"), {"edges": "canny"}, "makes 'edges' maps, but 'rgb' maps .* leave it out"),
        (MapSpec("pose"), {}, "nothing bundled makes 'pose' maps; give --pose torchvision:keypointrcnn"),
        (MapSpec("edges"), {"edges": "file:x"}, "holds maps that are made already"),
        (LABELS, {"segmenter": "torchvision:keypointrcnn_resnet51_fpn"}, "did you mean keypointrcnn_resnet50_fpn"),
    ],
)
def test_what_cannot_be_made_is_one_line(spec: MapSpec, makers: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        maker_for(spec, MakerNames(**makers), CPU, SIZE)
    assert "\n" not in str(caught.value)


def test_the_kind_of_map_without_a_model() -> None:
    assert map_kind("seg2street", MakerNames()) == "labels"
    assert map_kind(None, MakerNames(pose="file:x")) == "pose"
    assert [map_kind("edge2face", MakerNames(**given)) for given in ({}, {"face": "file:x"})] == ["edges", "face"]
    with pytest.raises(UsageError, match="give --edges instead"):
        map_kind("edge2face", MakerNames(pose="file:x"))
    with pytest.raises(UsageError, match="nothing says which maps are wanted"):
        map_kind(None, MakerNames())


def test_who_made_the_maps_is_told_with_its_version(tmp_path: Path) -> None:
    source = maker_source(parse_maker("segmenter", "street"))
    assert source.startswith("bundled:street-segmenter ") and len(source.split()[1]) == 12
    one, two = (save_segmenter(tmp_path / f"{n}.safetensors", size=(64 * n, 32)) for n in (1, 2))
    first, second = (maker_source(parse_maker("segmenter", str(path))) for path in (one, two))
    assert first.split()[0] == f"v2v:{one}" and first.split()[1] != second.split()[1]
    assert maker_source(parse_maker("edges", "canny")) == "bundled:canny"


def test_torchvision_paints(clip: Path, torch_home: Path, tmp_path: Path) -> None:
    save_lraspp(torch_home)
    voc = save_painter(tmp_path / "voc.safetensors", MapSpec("labels", schema=VOC21))
    named = {"segmenter": "torchvision:lraspp_mobilenet_v3_large", "device": "cpu", "duration": "0.12"}
    v2vcli.convert(clip, tmp_path / "a.mp4", model=str(voc), save_maps=tmp_path / "m.mkv", smooth_maps=0, **named)
    assert times(tmp_path / "a.mp4") == times(clip)[:3]
    maker = open_maker(parse_maker("segmenter", named["segmenter"]), CPU, SIZE)
    made = maker.extract([frame.image for frame in read(clip)[:3]], SIZE)
    for kept, expected in zip(open_maps(tmp_path / "m.mkv", maker.spec), made, strict=True):
        np.testing.assert_array_equal(kept.array, expected.array)
    street = save_painter(tmp_path / "street.safetensors", LABELS)
    with pytest.raises(SchemaMismatch, match=r"aeroplane.*bottle"):
        v2vcli.convert(clip, tmp_path / "b.mp4", model=str(street), **named)
    assert not (tmp_path / "b.mp4").exists()


def test_weights_that_are_not_there(clip: Path, torch_home: Path, tmp_path: Path) -> None:
    street = save_painter(tmp_path / "street.safetensors", LABELS)
    with pytest.raises(ModelError) as caught:
        v2vcli.convert(clip, tmp_path / "o.mp4", model=str(street), segmenter="torchvision:deeplabv3_resnet50")
    message = str(caught.value)
    assert "v2v models pull torchvision:deeplabv3_resnet50" in message and str(torch_home) in message
    assert "\n" not in message and not torch_home.exists()


def test_instances_pass_through_remapping() -> None:
    maker = fitted(Things(), WITH_INSTANCES, "things")
    [made] = maker.extract([picture(0)], (8, 4))
    assert made.spec == maker.spec == WITH_INSTANCES
    road, car = CITYSCAPES19.class_named("road").id, CITYSCAPES19.class_named("car").id
    np.testing.assert_array_equal(made.array, np.where(made.instances == 1, car, road))
    assert made.instances is not None and (made.instances > 0).sum() == 8
    with pytest.raises(ModelError, match=r"labels with instances, which things does not tell; .*maskrcnn"):
        fitted(Things(instances=False), WITH_INSTANCES, "things")
    assert fitted(Things(), LABELS, "things").spec == LABELS


def test_a_model_with_instance_edges_is_fed(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("v2vcli.engine.makers.load_segmenter", lambda *_: Things())
    model = str(save_painter(tmp_path / "model.safetensors", WITH_INSTANCES))
    found = {}
    for track in (False, True):
        out = tmp_path / f"{track}.mkv"
        asked = {"model": model, "track": track, "save_maps": out, "smooth_maps": 0, "device": "cpu"}
        v2vcli.convert(clip, tmp_path / f"{track}.mp4", **asked)
        found[track] = [
            int(each.instances.max()) for each in open_maps(out, WITH_INSTANCES) if each.instances is not None
        ]
    assert found == {False: list(range(1, 26)), True: [1] * 25}
    assert [frame.image.tobytes() for frame in read(tmp_path / "True.mp4")] == [
        frame.image.tobytes() for frame in read(tmp_path / "False.mp4")
    ]  # edges of instances are the same, however they are numbered


def test_following_needs_instances(clip: Path, tmp_path: Path) -> None:
    street = str(save_painter(tmp_path / "street.safetensors", LABELS))
    with pytest.raises(UsageError, match="--track follows instances, and these maps tell none"):
        v2vcli.convert(clip, tmp_path / "o.mp4", model=street, track=True, device="cpu")
    assert not (tmp_path / "o.mp4").exists()


def labelled(folder: Path, clip: Path, relabelled: bool = False) -> Path:
    """Maps of a clip: road, a car on the left, and a person on the right from 0.4 s on."""
    road, car, person, bus = (CITYSCAPES19.class_named(name).id for name in ("road", "car", "person", "bus"))
    with MapWriter(folder, LABELS) as writer:
        for index, (pts, _) in enumerate(times(clip)):
            labels = np.full(SIZE[::-1], road, np.uint8)
            labels[4:12, 4:20] = bus if relabelled and index >= 5 else car
            labels[4:12, 40:50] = person if index >= 10 else road
            writer.write(MapFrame(LABELS, labels), pts)
    return folder


@pytest.mark.parametrize("part", [{}, {"start": "0.2", "duration": "0.4"}])
def test_edits_are_painted(clip: Path, tmp_path: Path, part: dict[str, str]) -> None:
    asked = {"model": str(save_painter(tmp_path / "street.safetensors", LABELS)), "device": "cpu", **part, **LOSSLESS}
    maps, by_hand = labelled(tmp_path / "maps", clip), labelled(tmp_path / "by-hand", clip, relabelled=True)
    edited = v2vcli.convert(clip, tmp_path / "a.mp4", maps=maps, relabel=["car@0.2-=bus"], **asked)
    v2vcli.convert(clip, tmp_path / "b.mp4", maps=by_hand, **asked)
    v2vcli.convert(clip, tmp_path / "c.mp4", maps=maps, **asked)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert (tmp_path / "a.mp4").read_bytes() != (tmp_path / "c.mp4").read_bytes()
    assert not [warning for warning in edited.warnings if "--relabel" in warning]


def test_edits_that_cannot_be_done(clip: Path, edge_model: Path, tmp_path: Path) -> None:
    street = str(save_painter(tmp_path / "street.safetensors", LABELS))
    maps = labelled(tmp_path / "maps", clip)
    for model, relabel, says in (
        (street, "car", "write WHAT=CLASS"),
        (street, "cra=bus", "did you mean 'car'"),
        (str(edge_model), "car=bus", "--relabel is for label maps, and these are 'edges' maps"),
    ):
        with pytest.raises(UsageError, match=says):
            v2vcli.convert(clip, tmp_path / "o.mp4", model=model, relabel=[relabel], device="cpu")
    with pytest.raises(UsageError, match="--track is for label maps"):
        v2vcli.convert(clip, tmp_path / "o.mp4", model=str(edge_model), track=True, device="cpu")
    assert not (tmp_path / "o.mp4").exists()
    done = v2vcli.convert(clip, tmp_path / "o.mp4", model=street, maps=maps, relabel=["train=bus"], device="cpu")
    assert any("--relabel 'train=bus' changed nothing" in warning for warning in done.warnings)


def test_what_is_remembered_is_forgotten_at_a_cut() -> None:
    frames = tuple(Frame(picture(t), t, 1, t) for t in range(2))
    given = [Window(frames, True), Window(frames, False), Window(frames, True)]

    def count(
        images: Sequence[NDArray[np.uint8]], maps: Sequence[MapFrame], before: int | None, guides: Guides
    ) -> tuple[list[MapFrame], int]:
        assert len(guides) == len(images)
        total = (before or 0) + len(images)
        return [replace(each, array=np.full_like(each.array, total)) for each in maps], total

    through = guided()(extracted(Things(), (4, 4))(given))
    found = list(refined(count, last=True)(refined(count, last=False)(through)))
    assert [window.maps[0].array[0, 0] for window in found] == [2, 4, 2]
    assert [window.guides for window in found] == [()] * 3


def test_a_maker_beside_a_mode(clip: Path, tmp_path: Path) -> None:
    asked = {"input": clip, "output": tmp_path / "o.mp4", "mode": "pose2body"}
    with pytest.raises(UsageError, match="no model that paints from 'pose' maps is bundled; give one with --model"):
        from v2vcli.engine.convert import convert

        convert(ConvertRequest(**asked, pose="file:" + str(tmp_path)))
    write_clip(tmp_path / "in.mp4", [picture(0)])
    with pytest.raises(UsageError, match=r"--face file:.* makes 'face' maps, but 'edges' maps"):
        v2vcli.convert(clip, tmp_path / "o.mp4", mode="edge2face", face=f"file:{tmp_path}", device="cpu")
