"""Sound, subtitles, chapters and tags come along, unharmed where the container allows it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from v2vcli.errors import InputError, UsageError
from v2vcli.video import Encoding, VideoReader, VideoWriter

from .made import Maker, packets

FAST = Encoding(preset="ultrafast")
SMALL_VP9 = Encoding(codec="libvpx-vp9", crf=40, options={"deadline": "realtime", "cpu-used": "8"})


def _convert(source: Path, target: Path, **options: object) -> list[str]:
    settings = {"encoding": FAST, "copy_from": source} | options
    with VideoReader(source) as reader:
        info = reader.info
        with VideoWriter(
            target, width=info.width, height=info.height, time_base=info.time_base, rate=info.rate, **settings
        ) as writer:  # type: ignore[arg-type]
            for frame in reader:
                writer.write(frame)
    return writer.warnings


def _pts(path: Path) -> list[Fraction]:
    with VideoReader(path) as reader:
        return [frame.pts for frame in reader]


def test_audio_is_copied_bit_for_bit_with_its_times(make: Maker, tmp_path: Path) -> None:
    source = make("in.mp4", pts=[1001 * i for i in range(60)], time_base=Fraction(1, 30000), audio=True)
    before = packets(source, "audio")
    assert before[0][1] == Fraction(-1024, 44100)  # encoder priming: the hard case
    assert _convert(source, tmp_path / "out.mp4") == []
    assert packets(tmp_path / "out.mp4", "audio") == before
    assert _pts(tmp_path / "out.mp4") == _pts(source)


def test_priming_does_not_move_the_video_in_matroska(make: Maker, tmp_path: Path) -> None:
    source = make("in.mp4", pts=range(50), audio=True)
    _convert(source, tmp_path / "out.mkv")
    assert _pts(tmp_path / "out.mkv") == _pts(source)
    before, after = packets(source, "audio"), packets(tmp_path / "out.mkv", "audio")
    assert [b for b, _ in after] == [b for b, _ in before]
    assert all(abs(x - y) <= Fraction(1, 2000) for (_, x), (_, y) in zip(after, before, strict=True))  # type: ignore[operator]


def test_late_video_stays_in_step_with_its_audio(make: Maker, tmp_path: Path) -> None:
    source = make("late.mp4", pts=range(13, 60), audio=True)
    _convert(source, tmp_path / "out.mp4")
    assert _pts(tmp_path / "out.mp4")[0] == Fraction(13, 25) == _pts(source)[0]
    assert packets(tmp_path / "out.mp4", "audio") == packets(source, "audio")


def test_audio_can_be_left_out(make: Maker, tmp_path: Path) -> None:
    source = make("in.mp4", audio=True)
    assert _convert(source, tmp_path / "out.mp4", audio=False) == []
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert not reader.info.has_audio


def test_audio_the_container_cannot_hold_is_encoded_again(make: Maker, tmp_path: Path) -> None:
    source = make("in.mp4", pts=range(50), audio=True)
    warnings = _convert(source, tmp_path / "out.webm", encoding=SMALL_VP9)
    assert any("cannot hold aac; encoded again with libopus" in line for line in warnings)
    with av.open(str(tmp_path / "out.webm")) as container:
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
        assert container.streams.audio[0].codec_context.name in ("opus", "libopus")
    assert abs(len(sound) / 48000 - 49 / 25) < 0.1
    spectrum = np.abs(np.fft.rfft(sound[4800:52800]))
    assert abs(int(spectrum.argmax()) - 0.05 * 44100 / (2 * np.pi)) <= 1  # the same tone, in Hz


def test_audio_alone_that_is_broken_costs_no_video(make: Maker, tmp_path: Path) -> None:
    source = make("in.mp4", pts=range(50), audio=True)
    with av.open(str(source)) as container:
        places = [(p.pos, p.size) for p in container.demux(audio=0) if p.size]
    data = bytearray(source.read_bytes())
    for position, size in places[10:20]:
        data[position : position + size] = b"\xaa" * size
    source.write_bytes(bytes(data))
    _convert(source, tmp_path / "out.webm", encoding=SMALL_VP9)
    assert len(_pts(tmp_path / "out.webm")) == 50


def _with_subtitles(make: Maker, tmp_path: Path) -> Path:
    """A Matroska file with two lines of SubRip, made by muxing text packets beside copied video."""
    plain = make("plain.mkv", pts=range(50))
    path = tmp_path / "subtitled.mkv"
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        text = out.add_mux_stream("subrip", time_base=Fraction(1, 1000))
        text.metadata["language"] = "deu"
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
        for start, line in [(200, b"hello"), (1200, "grüß dich".encode())]:
            packet = av.Packet(line)
            packet.pts = packet.dts = start
            packet.duration, packet.time_base, packet.stream = 700, Fraction(1, 1000), text
            out.mux(packet)
    return path


def test_subtitles_are_copied_or_said_to_be_lost(make: Maker, tmp_path: Path) -> None:
    source = _with_subtitles(make, tmp_path)
    before = packets(source, "subtitles")
    assert len(before) == 2
    assert _convert(source, tmp_path / "out.mkv") == []
    assert packets(tmp_path / "out.mkv", "subtitles") == before
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.subtitles[0].language == "deu"
    warnings = _convert(source, tmp_path / "out.mp4")
    assert any("cannot hold subrip; left out" in line for line in warnings)


CHAPTERS: list[dict[str, object]] = [
    {"id": i, "start": s, "end": e, "time_base": Fraction(1, 1000), "metadata": {"title": t}}
    for i, (s, e, t) in enumerate([(0, 700, "one"), (700, 2000, "two")])
]


def _chapters(path: Path) -> list[tuple[Fraction, Fraction, str]]:
    with av.open(str(path)) as container:
        return [
            (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])  # type: ignore[operator]
            for c in container.chapters()
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_chapters(make: Maker, tmp_path: Path, suffix: str) -> None:
    source = make("in.mkv", pts=range(50), chapters=CHAPTERS)
    _convert(source, tmp_path / f"out{suffix}")
    assert _chapters(tmp_path / f"out{suffix}") == [
        (Fraction(0), Fraction(7, 10), "one"),
        (Fraction(7, 10), Fraction(2), "two"),
    ]


def test_chapters_are_cut_and_moved(make: Maker, tmp_path: Path) -> None:
    source = make("in.mkv", pts=range(50), chapters=CHAPTERS)
    start, end = Fraction(1), Fraction(3, 2)
    with (
        VideoReader(source, start=start, end=end) as reader,
        VideoWriter(
            tmp_path / "o.mkv",
            width=64,
            height=48,
            time_base=reader.info.time_base,
            rate=Fraction(25),
            copy_from=source,
            encoding=FAST,
            start=start,
            end=end,
        ) as writer,
    ):
        for frame in reader:
            writer.write(frame)
    assert _chapters(tmp_path / "o.mkv") == [(Fraction(0), Fraction(1, 2), "two")]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_tags_of_the_input_and_our_own_survive(make: Maker, tmp_path: Path, suffix: str) -> None:
    source = make("in.mp4", metadata={"title": "a title", "artist": "somebody"})
    own = {"comment": "synthetic: made by v2v", "v2v_model": "seg2street@1"}
    target = tmp_path / f"out{suffix}"
    _convert(source, target, metadata=own, encoding=SMALL_VP9 if suffix == ".webm" else FAST)
    with av.open(str(target)) as container:
        found = {key.lower(): value for key, value in container.metadata.items()}
    assert {"title": "a title", "artist": "somebody", **own}.items() <= found.items()
    assert "lavf" not in str(found.get("encoder", "lavf")).replace("Lavf", "lavf").removeprefix("lavf")


def test_common_tags_alone_stay_where_every_player_looks(make: Maker, tmp_path: Path) -> None:
    source = make("in.mkv", metadata={"title": "a title"})
    _convert(source, tmp_path / "out.mp4", metadata={"comment": "synthetic"})
    data = (tmp_path / "out.mp4").read_bytes()
    assert b"\xa9nam" in data and b"\xa9cmt" in data and b"mdta" not in data


def test_fonts_are_carried_over(make: Maker, tmp_path: Path) -> None:
    plain = make("plain.mkv")
    path = tmp_path / "font.mkv"
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        out.add_attachment("a.ttf", "font/ttf", b"not really a font")
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
    assert _convert(path, tmp_path / "out.mkv") == []
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [s.data for s in container.streams if s.type == "attachment"] == [b"not really a font"]  # type: ignore[attr-defined]


def test_a_missing_source_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        VideoWriter(
            tmp_path / "o.mp4",
            width=64,
            height=48,
            time_base=Fraction(1, 25),
            rate=None,
            copy_from=tmp_path / "nowhere.mp4",
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "codec, suffix", [("aac", ".mp4"), ("libopus", ".mkv"), ("flac", ".mkv"), ("libmp3lame", ".mov")]
)
def test_audio_is_encoded_with_what_is_asked_for(make: Maker, tmp_path: Path, codec: str, suffix: str) -> None:
    source = make("in.mp4", pts=range(50), audio=True)
    path = tmp_path / f"out{suffix}"
    assert _convert(source, path, audio_codec=codec) == []
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.codec.canonical_name == av.Codec(codec, "w").canonical_name
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)]).astype(float)
        rate = stream.codec_context.sample_rate
    assert abs(len(sound) / rate - 49 / 25) < 0.1
    spectrum = np.abs(np.fft.rfft(sound[rate // 10 : rate // 10 + rate]))
    assert abs(int(spectrum.argmax()) - 0.05 * 44100 / (2 * np.pi)) <= 1  # the same tone, in Hz
    assert _pts(path) == _pts(source)


def test_audio_encoders_that_are_none(make: Maker, tmp_path: Path) -> None:
    source = make("in.mp4", audio=True)
    for name in ("tape", "libx264"):
        with pytest.raises(UsageError, match=f"-c:a {name}: not an audio encoder"):
            _convert(source, tmp_path / "out.mp4", audio_codec=name)
    assert list(tmp_path.iterdir()) == [source]
    warnings = _convert(source, tmp_path / "out.webm", audio_codec="flac", encoding=SMALL_VP9)
    assert any("webm cannot hold it as flac" in line for line in warnings)


def test_subtitles_can_be_left_out(make: Maker, tmp_path: Path) -> None:
    source = _with_subtitles(make, tmp_path)
    assert _convert(source, tmp_path / "out.mkv", subtitles=False) == []
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_tags_can_be_left_out_but_for_our_own(make: Maker, tmp_path: Path) -> None:
    source = make("in.mp4", metadata={"title": "private", "artist": "me"})
    _convert(source, tmp_path / "out.mp4", keep_metadata=False, metadata={"comment": "synthetic"})
    with av.open(str(tmp_path / "out.mp4")) as container:
        tags = dict(container.metadata)
    assert tags["comment"] == "synthetic"
    assert not {"title", "artist"} & set(tags)


def _with_cover(make: Maker, tmp_path: Path, suffix: str) -> tuple[Path, bytes]:
    """A video with a cover picture, as music shops make them."""
    cover = cv2.imencode(".png", np.full((20, 30, 3), 90, np.uint8))[1].tobytes()
    plain = make(f"plain{suffix}", pts=range(30), audio=True)
    path = tmp_path / f"covered{suffix}"
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        copies = {s.index: out.add_stream_from_template(s) for s in source.streams}
        if suffix == ".mkv":
            out.add_attachment("cover.png", "image/png", cover)
        else:
            picture = out.add_stream("png", rate=25, width=30, height=20)
            picture.pix_fmt = "rgb24"
            picture.disposition = Disposition.attached_pic
        out.start_encoding()
        if suffix != ".mkv":
            packet = av.Packet(cover)
            packet.pts = packet.dts = 0
            packet.time_base, packet.stream = Fraction(1, 25), picture
            out.mux(packet)
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                out.mux(packet)
    return path, cover


@pytest.mark.parametrize("source_suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_cover_picture_comes_along(make: Maker, tmp_path: Path, source_suffix: str, suffix: str) -> None:
    source, cover = _with_cover(make, tmp_path, source_suffix)
    path = tmp_path / f"out{suffix}"
    assert _convert(source, path) == []
    with av.open(str(path)) as container:
        pictures = [s for s in container.streams.video if s.disposition & Disposition.attached_pic]
        assert len(container.streams.video) == 2 and len(pictures) == 1
        found = [bytes(packet) for packet in container.demux(pictures[0]) if packet.size]
    assert found == [cover]
    assert _pts(path) == _pts(source)
    assert [data for data, _ in packets(path, "audio")] == [data for data, _ in packets(source, "audio")]


def test_a_cover_picture_without_a_place_is_said_to_be_lost(make: Maker, tmp_path: Path) -> None:
    source, _ = _with_cover(make, tmp_path, ".mp4")
    for suffix, settings in [(".webm", {"encoding": SMALL_VP9, "audio": False}), (".mov", {}), (".m4v", {})]:
        warnings = _convert(source, tmp_path / f"out{suffix}", **settings)
        assert warnings == [f"{source}: the cover picture is not carried over"]
    warnings = _convert(source, tmp_path / "out.mp4", metadata={"shoe size": "43"})
    assert len(warnings) == 1 and "the cover picture is lost" in warnings[0]
