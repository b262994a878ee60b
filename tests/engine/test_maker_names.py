"""What --segmenter, --pose, --face and --edges take, and what is said of what they do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from v2vcli.engine.maker_names import OPTIONS, MakerNames, parse_maker
from v2vcli.engine.request import ConvertRequest, SegmentRequest
from v2vcli.errors import UsageError


@pytest.mark.parametrize(
    ("option", "text", "found"),
    [
        ("segmenter", "street", "bundled:street-segmenter"),
        ("segmenter", "bundled:street", "bundled:street-segmenter"),
        ("segmenter", "street-segmenter", "bundled:street-segmenter"),
        ("segmenter", "runs/mine/model.safetensors", "v2v:runs/mine/model.safetensors"),
        ("segmenter", "v2v:user/repo@main", "v2v:user/repo@main"),
        ("segmenter", "torchvision:deeplabv3_resnet50", "torchvision:deeplabv3_resnet50"),
        ("segmenter", "hf:user/repo@v1:2", "hf:user/repo@v1:2"),
        ("segmenter", "file:a:b/maps.mkv", "file:a:b/maps.mkv"),
        ("pose", "torchvision:keypointrcnn_resnet50_fpn", "torchvision:keypointrcnn_resnet50_fpn"),
        ("pose", "file:json/", "file:json/"),
        ("edges", "canny", "bundled:canny"),
    ],
)
def test_names_are_read(option: str, text: str, found: str) -> None:
    name = parse_maker(option, text)
    assert (str(name), name.option.name) == (found, option)


@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        ("segmenter", "torchvison:deeplabv3_resnet50", "there is no family 'torchvison', did you mean 'torchvision'?"),
        ("segmenter", "stret", "nothing of that name is bundled, did you mean 'street'?"),
        ("segmenter", "user/repo", "names no family; write bundled:street, v2v:mine.safetensors, torchvision:"),
        ("segmenter", "torchvision", "names no model; write torchvision:MODEL, for example torchvision:deeplabv3"),
        ("segmenter", "hf:", "names no model"),
        ("segmenter", "", "names no model; write bundled:MODEL, for example bundled:street"),
        ("segmenter", "face-alignment:2d", "nothing of family 'face-alignment' makes 'labels' maps; write bundled:"),
        ("pose", "bundled:x", "nothing of family 'bundled' makes 'pose' maps; write torchvision:keypointrcnn"),
        ("pose", "body", "names no family; write torchvision:"),
        ("edges", "hed", "nothing of that name is bundled; write bundled:canny or file:"),
        ("face", "dlib:68", "there is no family 'dlib'; write face-alignment:"),
    ],
)
def test_what_cannot_be_understood_is_one_line_with_the_nearest(option: str, text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_maker(option, text)
    message = str(caught.value)
    assert message.startswith(f"--{option} {text}: ") and says in message and "\n" not in message


def test_examples_can_be_parsed() -> None:
    for option in OPTIONS.values():
        for family, model in option.examples.items():
            assert parse_maker(option.name, f"{family}:{model}").family == family


def test_one_maker_for_one_kind() -> None:
    assert MakerNames().chosen is None
    assert str(MakerNames(edges="canny").chosen) == "bundled:canny"
    with pytest.raises(UsageError, match="--segmenter and --edges contradict each other"):
        MakerNames(segmenter="street", edges="canny")


def test_a_file_is_a_maker_and_the_other_way_round() -> None:
    request = SegmentRequest(input=Path("in.mp4"), output=Path("out.mkv"), pose="file:json")
    assert (request.maps, request.mode) == (Path("json"), None)
    asked = {"input": Path("in.mp4"), "output": Path("out.mp4"), "model": "mine"}
    assert ConvertRequest(**asked, segmenter="file:a", maps_schema="voc21").maps == Path("a")
    assert ConvertRequest(**asked, segmenter="file:a", maps=Path("a")).maps == Path("a")
    for edits in ("a=b", ["a=b"]):
        assert ConvertRequest(**asked, maps="a", relabel=edits).relabel == ("a=b",)  # type: ignore[arg-type]
    for other in ({"maps": Path("b")}, {"maps": Path("a"), "segmenter": "street"}):
        with pytest.raises(UsageError, match="both say where the maps come from; give one"):
            ConvertRequest(**{**asked, "segmenter": "file:a", **other})
    with pytest.raises(UsageError, match="give --maps too"):
        ConvertRequest(**asked, segmenter="street", maps_schema="voc21")


def test_a_request_is_light() -> None:
    heavy = {"torch", "torchvision", "transformers", "av", "cv2", "numpy"}
    code = f"import sys, v2vcli.engine.request, v2vcli.cli.convert; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
