from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import v2vcli
from tests.engine.material import (
    LABELS,
    RGB,
    SIZE,
    audio_packets,
    picture,
    read,
    save_painter,
    save_segmenter,
    times,
    with_sound,
    write_clip,
)
from v2vcli.engine.progress import Progress
from v2vcli.errors import InputError, ModelError, OutputError, SchemaMismatch, UsageError
from v2vcli.maps.makers.edges import CannyExtractor
from v2vcli.maps.schema import VOC21
from v2vcli.maps.spec import MapSpec

LOSSLESS = {"codec": "libx264rgb", "pix_fmt": "rgb24", "crf": 0}


def test_frame_in_is_frame_out_at_a_variable_rate(edge_model: Path, tmp_path: Path) -> None:
    gaps = [1, 3, 1, 7, 2, 40, 1, 1, 5, 9]
    stamps = [Fraction(5 + sum(gaps[:n]), 90) for n in range(len(gaps) + 1)]
    source = write_clip(
        tmp_path / "in.mp4", [picture(t) for t in range(10)], times=stamps, time_base=Fraction(1, 90), rate=Fraction(30)
    )
    assert [pts for pts, _ in times(source)] == stamps[:-1]
    result = v2vcli.convert(source, tmp_path / "out.mp4", model=str(edge_model))
    assert times(tmp_path / "out.mp4") == times(source)
    assert result.progress.frames == 10
    assert result.progress.media == stamps[-1] - stamps[0]
    assert {frame.image.shape for frame in read(tmp_path / "out.mp4")} == {(SIZE[1], SIZE[0], 3)}


def test_what_is_written_is_what_the_model_paints(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    v2vcli.convert(clip, tmp_path / "out.mp4", model=str(edge_model), window=4, **LOSSLESS)
    extractor = CannyExtractor()
    maps = extractor.extract([frame.image for frame in read(clip)], SIZE)
    expected = list(v2vcli.load(edge_model, device="cpu").stream(maps, window=4))
    for frame, image in zip(read(tmp_path / "out.mp4"), expected, strict=True):
        np.testing.assert_array_equal(frame.image, image)


def test_the_same_command_twice_gives_the_same_bytes(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        v2vcli.convert(clip, tmp_path / name, model=str(edge_model), size="80x40")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_cut_makes_it_forget(edge_model: Path, tmp_path: Path) -> None:
    first, second = [picture(t) for t in range(10)], [picture(t, shot=1) for t in range(12)]
    both = write_clip(tmp_path / "both.mp4", first + second)
    alone = write_clip(tmp_path / "alone.mp4", second)
    for source in (both, alone):
        v2vcli.convert(source, source.with_suffix(".out.mp4"), model=str(edge_model), window=4, **LOSSLESS)
    after_the_cut = read(tmp_path / "both.out.mp4")[10:]
    for frame, expected in zip(after_the_cut, read(tmp_path / "alone.out.mp4"), strict=True):
        np.testing.assert_array_equal(frame.image, expected.image)
    v2vcli.convert(both, tmp_path / "none.mp4", model=str(edge_model), window=4, cuts="none", **LOSSLESS)
    remembered = read(tmp_path / "none.mp4")[10:]
    assert any((a.image != b.image).any() for a, b in zip(after_the_cut, remembered, strict=True))


@pytest.mark.parametrize("stored", ["maps.mkv", "maps"])
@pytest.mark.parametrize("part", [{}, {"start": "0.2", "duration": "0.5", "warmup": 0}, {"rate": "10"}])
def test_kept_maps_paint_the_same_frames(
    edge_model: Path, clip: Path, tmp_path: Path, stored: str, part: dict[str, object]
) -> None:
    options = {"model": str(edge_model), **part}
    v2vcli.convert(clip, tmp_path / "a.mp4", save_maps=tmp_path / stored, **options)
    v2vcli.convert(clip, tmp_path / "b.mp4", maps=tmp_path / stored, **options)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_maps_of_the_whole_video_serve_a_part_of_it(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    part = {"start": "0.4", "end": "0.8", "model": str(edge_model)}
    v2vcli.convert(clip, tmp_path / "whole.mp4", model=str(edge_model), save_maps=tmp_path / "maps.mkv")
    v2vcli.convert(clip, tmp_path / "a.mp4", **part)
    v2vcli.convert(clip, tmp_path / "b.mp4", maps=tmp_path / "maps.mkv", **part)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_maps_that_do_not_keep_step(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    model = str(edge_model)
    v2vcli.convert(clip, tmp_path / "a.mp4", model=model, duration="0.4", save_maps=tmp_path / "short.mkv")
    with pytest.raises(InputError, match="no map for frame 10"):
        v2vcli.convert(clip, tmp_path / "b.mp4", model=model, maps=tmp_path / "short.mkv")
    with pytest.raises(InputError, match="no map"):
        v2vcli.convert(clip, tmp_path / "b.mp4", model=model, maps=tmp_path / "short.mkv", rate="30")
    assert not (tmp_path / "b.mp4").exists()
    v2vcli.convert(clip, tmp_path / "c.mp4", model=model, save_maps=tmp_path / "long.mkv")
    result = v2vcli.convert(clip, tmp_path / "d.mp4", model=model, duration="0.4", maps=tmp_path / "long.mkv")
    assert len(read(tmp_path / "d.mp4")) == 10
    assert any("more maps" in warning for warning in result.warnings)


def test_maps_without_times_must_be_those_of_the_part(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    model = str(edge_model)
    v2vcli.convert(clip, tmp_path / "a.mp4", model=model, save_maps=tmp_path / "maps")
    v2vcli.convert(clip, tmp_path / "b.mp4", model=model, maps=tmp_path / "maps", start="0.2")  # ours hold times
    for file in (tmp_path / "maps").glob("*.png"):
        Image.fromarray(np.asarray(Image.open(file))).save(file)
    with pytest.raises(InputError, match="maps carry no times"):
        v2vcli.convert(clip, tmp_path / "c.mp4", model=model, maps=tmp_path / "maps", start="0.2")
    assert not (tmp_path / "c.mp4").exists()


def test_audio_is_copied_bit_for_bit(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    source = with_sound(tmp_path / "in.mp4", clip)
    v2vcli.convert(source, tmp_path / "out.mp4", model=str(edge_model))
    assert audio_packets(tmp_path / "out.mp4") == audio_packets(source) != []
    v2vcli.convert(source, tmp_path / "mute.mp4", model=str(edge_model), audio=False)
    with av.open(str(tmp_path / "mute.mp4")) as container:
        assert not container.streams.audio


def test_the_output_says_that_it_is_synthetic(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    for name in ("out.mp4", "out.mkv"):
        v2vcli.convert(clip, tmp_path / name, model=str(edge_model), duration="0.2")
        with av.open(str(tmp_path / name)) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
        assert tags["comment"].startswith(
            f"Synthetic video, painted by v2v {v2vcli.__version__} with the model tiny-edges"
        )


def test_side_by_side_and_another_size(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    v2vcli.convert(clip, tmp_path / "out.mp4", model=str(edge_model), side_by_side=True, **LOSSLESS)
    v2vcli.convert(clip, tmp_path / "alone.mp4", model=str(edge_model), **LOSSLESS)
    for both, source, alone in zip(read(tmp_path / "out.mp4"), read(clip), read(tmp_path / "alone.mp4"), strict=True):
        np.testing.assert_array_equal(both.image, np.hstack((source.image, alone.image)))
    result = v2vcli.convert(clip, tmp_path / "small.mp4", model=str(edge_model), size="30x30")
    with av.open(str(tmp_path / "small.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (30, 30) == (result.width, result.height)
        # the shape on the screen stays 2:1
        assert stream.sample_aspect_ratio == 2


def test_labels_are_remapped_or_refused(clip: Path, tmp_path: Path) -> None:
    painter = save_painter(tmp_path / "street.safetensors", LABELS)
    fitting = save_segmenter(tmp_path / "fitting.safetensors")
    foreign = save_segmenter(tmp_path / "foreign.safetensors", MapSpec("labels", schema=VOC21))
    result = v2vcli.convert(clip, tmp_path / "out.mp4", model=str(painter), mode="seg2street", segmenter=str(fitting))
    assert result.progress.frames == 25
    with pytest.raises(SchemaMismatch, match="aeroplane"):
        v2vcli.convert(clip, tmp_path / "no.mp4", model=str(painter), segmenter=f"v2v:{foreign}")
    assert not (tmp_path / "no.mp4").exists()


def test_an_rgb_model_needs_a_control_video(clip: Path, tmp_path: Path) -> None:
    model = save_painter(tmp_path / "rgb.safetensors", RGB)
    with pytest.raises(UsageError, match="--maps"):
        v2vcli.convert(clip, tmp_path / "out.mp4", model=str(model))
    v2vcli.convert(clip, tmp_path / "out.mp4", model=str(model), maps=clip)
    assert times(tmp_path / "out.mp4") == times(clip)


def test_mode_and_model_that_contradict(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="use --mode edge2face"):
        v2vcli.convert(clip, tmp_path / "out.mp4", model=str(edge_model), mode="seg2street")
    with pytest.raises(UsageError, match="seg2street, edge2face or pose2body"):
        v2vcli.convert(clip, tmp_path / "out.mp4", mode="dog2cat")
    segmenter = save_segmenter(tmp_path / "seg.safetensors")
    with pytest.raises(ModelError, match="not a model that paints"):
        v2vcli.convert(clip, tmp_path / "out.mp4", model=str(segmenter))


def test_progress_counts_to_the_end(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    v2vcli.convert(clip, tmp_path / "out.mp4", model=str(edge_model), window=4, progress=seen.append)
    assert [look.frames for look in seen] == [4, 8, 12, 16, 20, 24, 25]
    assert {look.total for look in seen} == {25}
    assert seen[-1].media == 1 and seen[-1].eta == 0
    assert seen[-1].speed == pytest.approx(seen[-1].fps / 25)


def test_bf16_is_close_to_fp32(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    for precision in ("fp32", "bf16"):
        part = {"duration": "0.2", "precision": precision}
        v2vcli.convert(clip, tmp_path / f"{precision}.mp4", model=str(edge_model), device="cpu", **part, **LOSSLESS)
    # the first frame only: what random weights feed back magnifies any difference
    full, half = (read(tmp_path / f"{precision}.mp4") for precision in ("fp32", "bf16"))
    assert len(full) == len(half) == 5
    assert 0 < np.abs(full[0].image.astype(int) - half[0].image).mean() < 4


def test_nothing_is_left_of_a_conversion_that_fails_on_the_way(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        v2vcli.convert(clip, tmp_path / "out.mp4", model=str(edge_model), save_maps=tmp_path / "m", progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("v2v-")]


def test_of_two_conversions_to_one_output_the_first_completes(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    out, maps = tmp_path / "out.mp4", tmp_path / "m"
    refused = []

    def second(progress: Progress) -> None:
        for names in ({"output": out}, {"output": tmp_path / "b.mp4", "save_maps": maps}):
            with pytest.raises(OutputError, match="another v2v is writing this") as caught:
                v2vcli.convert(clip, model=str(edge_model), overwrite=True, **names)  # type: ignore[arg-type]
            refused.append(str(caught.value))
        with pytest.raises(OutputError, match="another v2v is writing this"):
            v2vcli.convert(clip, out, model=str(tmp_path / "absent.safetensors"))

    v2vcli.convert(clip, out, model=str(edge_model), save_maps=maps, window=10, progress=second, **LOSSLESS)
    assert len(refused) >= 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "out.mp4"]
    v2vcli.convert(clip, tmp_path / "alone.mp4", model=str(edge_model), window=10, **LOSSLESS)
    assert out.read_bytes() == (tmp_path / "alone.mp4").read_bytes()
    assert len(list(maps.glob("*.png"))) == 25


def test_files_that_are_called_like_part_files_survive(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    kept = [tmp_path / "keep.part.mp4", tmp_path / "mm.part" / "deep" / "mine"]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")
    absent = str(tmp_path / "absent.safetensors")
    for model in (absent, str(edge_model)):
        with pytest.raises(OutputError, match=r"keep\.part\.mp4 is in the way: remove it"):
            v2vcli.convert(clip, tmp_path / "keep.mp4", model=model, overwrite=True)
        with pytest.raises(OutputError, match=r"mm\.part is in the way: remove it"):
            v2vcli.convert(clip, tmp_path / "o.mp4", model=model, overwrite=True, save_maps=tmp_path / "mm")
    assert [path.read_bytes() for path in kept] == [b"mine"] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keep.part.mp4", "mm.part"]


def test_the_output_is_looked_at_before_the_model(clip: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.mp4"
    taken.write_bytes(b"mine")
    absent = str(tmp_path / "absent.safetensors")
    with pytest.raises(OutputError, match="-y"):
        v2vcli.convert(clip, taken, model=absent)
    with pytest.raises(OutputError, match="does not exist"):
        v2vcli.convert(clip, tmp_path / "no" / "out.mp4", model=absent)
    with pytest.raises(OutputError, match="input itself"):
        v2vcli.convert(clip, clip, model=absent, overwrite=True)
    with pytest.raises(InputError, match="does not exist"):
        v2vcli.convert(tmp_path / "no.mp4", tmp_path / "out.mp4", model=absent)
    with pytest.raises(OutputError, match="unknown video encoder"):
        v2vcli.convert(clip, tmp_path / "out.mp4", model=absent, codec="h263plusplus")
    with pytest.raises(ModelError, match="absent"):
        v2vcli.convert(clip, tmp_path / "out.mp4", model=absent)
    assert taken.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [taken]
    with pytest.raises(TypeError, match="quality"):
        v2vcli.convert(clip, tmp_path / "out.mp4", mode="edge2face", quality=3)


def test_paint_size(edge_model: Path, clip: Path, tmp_path: Path) -> None:
    generator = v2vcli.load(edge_model, device="cpu")
    assert generator.paint_size(640, 320) == (64, 32)
    assert generator.paint_size(100, 70, "input") == (100, 70)
    assert generator.paint_size(1, 1, "input") == (8, 8)
    assert generator.paint_size(640, 320, (48, 40)) == (48, 40)
    with pytest.raises(UsageError, match="at least 8"):
        generator.paint_size(640, 320, (4, 40))
    v2vcli.convert(clip, tmp_path / "out.mp4", model=str(edge_model), paint_size="37x21", save_maps=tmp_path / "m.mkv")
    with av.open(str(tmp_path / "m.mkv")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (37, 21)
