"""What to encode with, and opening an encoder that holds exactly what it is given.

What is peculiar:

- **Odd sizes.** 4:2:0 chroma covers two by two pixels, and H.264 and H.265 crop in units of chroma samples, so neither
  can say "319 wide" in yuv420p. The size is what counts here: an odd picture is written as yuv444p of the same depth.
  VLC, mpv, Chrome and everything built on FFmpeg play that; QuickTime and Safari do not, and for them an even output
  size has to be asked for. ProRes takes odd 4:2:2 sizes but FFmpeg's encoder garbles their last column, so it gets
  4:4:4 too. VP9, AV1, FFV1 and MJPEG hold odd sizes in any format and are left alone.
- **No B-frames** unless ``options={"bf": ...}`` asks for them. Without them decoding order is presentation order, so
  the container's sample durations are the frame durations, exactly, at a variable rate too, and no edit list has to
  hide a delay. The price, measured at the same ``crf`` on driving and face clips: 17 to 61 % more bytes, part of
  which is quality (B-frames are quantised more coarsely).
- ``crf`` and ``preset`` go to whatever the encoder calls them, and are left out where it has no such thing.
- Pictures are 8 bits deep inside the program. In a deeper pixel format they are stored with the same colours, in finer
  steps; what that buys is less banding from the encoder.
- **The same frames give the same bytes.** x264's macroblock tree, in its AVX-512 form, sometimes reads what happens to
  lie in memory (seen with av 18: 2 to 3 of 100 encodings of ten small frames differ; none with AVX2, none without the
  tree). So where there is AVX-512, x264 is told to stay with AVX2, unless ``x264-params`` says ``asm=`` itself.
- x265 and SVT-AV1 write to stderr by themselves, past FFmpeg's log; they are told not to.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import av
from av.codec.context import Flags, OptionType
from av.container import OutputContainer
from av.video.stream import VideoStream

from v2vcli.errors import OutputError, UsageError
from v2vcli.video.codecs import find_encoder, in_place_of, stored_format
from v2vcli.video.colour import tag_encoder
from v2vcli.video.failures import plain
from v2vcli.video.frame import ColourTags

_FULL_CHROMA = {
    "yuv420p": "yuv444p",
    "yuvj420p": "yuvj444p",
    "yuv422p": "yuv444p",
    "yuvj422p": "yuvj444p",
    "nv12": "yuv444p",
    "yuv420p10le": "yuv444p10le",
    "yuv422p10le": "yuv444p10le",
    "p010le": "yuv444p10le",
}
_QUANTISER_CODECS = ("mjpeg", "mpeg4", "mpeg2video")  # no crf; a fixed quantiser of 2 (best) to 31 instead
_CPU_AVX_512F = 13  # OpenCV's number for it; its Python module has no name
_REPEATABLE = "asm=avx2,fma3,bmi2"
_NUMERIC_PRESETS = {  # x264's names on SVT-AV1's scale
    "ultrafast": "12",
    "superfast": "11",
    "veryfast": "10",
    "faster": "9",
    "fast": "8",
    "medium": "6",
    "slow": "5",
    "slower": "4",
    "veryslow": "3",
    "placebo": "1",
}


@dataclass(frozen=True)
class Encoding:
    """How the output video is encoded. What is left out is filled in from `codecs`, at construction.

    Attributes:
        codec: an FFmpeg encoder, for example ``libx264``, ``libx265``, ``libsvtav1``, ``ffv1``, ``h264_nvenc``.
        crf: constant quality, lower is better; left out with ``bit_rate``, and of encoders that have no such scale.
        preset: speed against size, in x264's words; None where an encoder has none of its own.
        pix_fmt: stored pixel format; see the module's note on odd sizes.
        options: further encoder options, as ``ffmpeg -NAME VALUE`` takes them; they win over the other fields.
        bit_rate: bits per second to aim at on average, in place of ``crf`` (``-b:v``).
        gop: most frames from one key frame to the next (``-g``).
        movflags: of mp4 and mov, as ffmpeg takes them: with a sign they are added to those set here.
        at_once: the encoder keeps no frame back, at the price of size. A pipe's writer sees to it by itself.
    """

    codec: str = "libx264"
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    bit_rate: int | None = None
    gop: int | None = None
    movflags: str | None = None
    at_once: bool = False

    def __post_init__(self) -> None:
        """Fill in what is left out, and refuse what no encoder could do.

        Raises:
            OutputError: unknown encoder or pixel format, or one the encoder does not take.
            UsageError: a value beyond the encoder's scale, which some take in silence, or two that exclude each other.
        """
        encoder = find_encoder(self.codec)
        if self.crf is not None and self.bit_rate is not None:
            raise UsageError(f"-crf {self.crf:g} and -b:v {self.bit_rate}: quality or bit rate, give one of them")
        if self.crf is not None and encoder.worst is not None and not 0 <= self.crf <= encoder.worst:
            raise UsageError(f"-crf {self.crf:g}: {self.codec} goes from 0 (best) to {encoder.worst:g}")
        if self.bit_rate is not None and self.bit_rate < 1000:
            raise UsageError(f"-b:v {self.bit_rate}: below 1000 bits a second; 2M is two million")
        if self.bit_rate is not None and not encoder.rated:
            raise UsageError(f"-b:v {self.bit_rate}: {self.codec} has no bit rate to set; leave it out")
        if self.gop is not None and self.gop < 1:
            raise UsageError(f"-g {self.gop}: give at least 1, which makes every frame a key frame")
        if self.crf is None and self.bit_rate is None:
            object.__setattr__(self, "crf", encoder.crf)
        if self.preset is None:
            object.__setattr__(self, "preset", encoder.preset)
        object.__setattr__(self, "pix_fmt", stored_format(encoder, self.pix_fmt or encoder.pix_fmt))

    @property
    def stored(self) -> str:
        """The pixel format, which is always known once constructed."""
        assert self.pix_fmt is not None
        return self.pix_fmt

    def usable(self, width: int, height: int) -> tuple[Encoding, str | None]:
        """The same with a software encoder where the one asked for needs hardware that is not here; what to warn of."""
        encoder = find_encoder(self.codec)
        twin, warning = in_place_of(encoder, self.pix_fmt_for(width, height), width, height)
        if twin.name == encoder.name:
            return self, None
        plain_format = {hard: asked for asked, hard in encoder.deep}.get(self.stored, self.stored)
        # options are the hardware encoder's own; its presets p1 to p7 mean nothing to others
        named = self.preset if self.preset in _NUMERIC_PRESETS else None
        quality = self.crf if self.crf != encoder.crf else None
        return (
            replace(self, codec=twin.name, pix_fmt=plain_format, preset=named, crf=quality, options={}),
            warning,
        )

    def pix_fmt_for(self, width: int, height: int) -> str:
        """The pixel format that really is written for pictures of this size."""
        if find_encoder(self.codec).even and (width % 2 or height % 2):
            return _FULL_CHROMA.get(self.stored, self.stored)
        return self.stored

    def encoder_options(self) -> dict[str, str]:
        """Options for this encoder: the fields under its names, then ``options``, then silence."""
        supported = av.CodecContext.create(self.codec, "w").supported_options.private
        kinds = {option.name: option.type for option in supported}
        encoder = find_encoder(self.codec)
        chosen: dict[str, str] = {}
        if (encoder.even and not self.codec.startswith("prores")) or self.codec == "mpeg4":
            chosen["bf"] = "0"
        if self.crf is not None:
            if "crf" in kinds:
                chosen["crf"] = f"{self.crf:g}"
            elif "cq" in kinds:
                chosen |= {"cq": f"{self.crf:g}", "rc": "vbr"}
            elif self.codec in _QUANTISER_CODECS:
                quantiser = str(min(31, max(2, round(self.crf / 6))))
                # not "+qscale": that is read from each frame, where PyAV cannot put it
                chosen |= {"qmin": quantiser, "qmax": quantiser}
        if self.bit_rate is not None:
            chosen["b"] = str(self.bit_rate)
        if self.gop is not None:
            chosen["g"] = str(self.gop)
        if self.preset is not None and "preset" in kinds:
            numeric = kinds["preset"] == OptionType.INT and self.codec == "libsvtav1"
            chosen["preset"] = _NUMERIC_PRESETS.get(self.preset, self.preset) if numeric else self.preset
        if self.at_once:
            chosen |= encoder.at_once
            if self.codec == "libsvtav1" and self.bit_rate is not None:
                chosen["maxrate"] = str(self.bit_rate)  # it varies the rate only if it may look ahead
        chosen |= self.options
        if self.codec == "libx264" and _has_avx512() and "asm=" not in chosen.get("x264-params", ""):
            chosen["x264-params"] = ":".join(filter(None, (chosen.get("x264-params"), _REPEATABLE)))
        if self.codec == "libx265":
            given = chosen.get("x265-params")
            chosen["x265-params"] = ":".join(filter(None, (given, "log-level=none")))
        if self.codec == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "0")  # the only handle it has; read when the encoder starts
        return chosen


def _has_avx512() -> bool:
    import cv2

    return bool(cv2.checkHardwareSupport(_CPU_AVX_512F))


def open_encoder(
    container: OutputContainer,
    encoding: Encoding,
    *,
    width: int,
    height: int,
    time_base: Fraction,
    rate: Fraction,
    sample_aspect: Fraction,
    tags: ColourTags,
) -> VideoStream:
    """Add a video stream to a container and open its encoder.

    Raises:
        OutputError: the container cannot hold the codec, or the encoder refuses size, option or time base.
    """
    options = encoding.encoder_options()
    pix_fmt = encoding.pix_fmt_for(width, height)
    try:
        stream = container.add_stream(
            encoding.codec, rate=rate.limit_denominator(1_000_000), options=options, width=width, height=height
        )
    except (av.FFmpegError, ValueError) as error:
        raise OutputError(
            f"a {container.format.name} file cannot hold {encoding.codec} video; choose .mp4 or .mkv, or another -c:v"
        ) from error
    assert isinstance(stream, VideoStream)
    stream.time_base = time_base
    context = stream.codec_context
    context.time_base = time_base
    context.pix_fmt = pix_fmt
    context.sample_aspect_ratio = sample_aspect
    context.flags |= int(Flags.frame_duration)  # durations travel through the encoder with their frames
    tag_encoder(context, tags)
    if encoding.codec in ("libx265", "hevc_nvenc") and container.format.name in ("mp4", "mov"):
        context.codec_tag = "hvc1"  # QuickTime and Safari ignore HEVC under FFmpeg's default, hev1
    try:
        context.open()
    except (av.FFmpegError, ValueError) as error:
        raise OutputError(_refusal(encoding.codec, f"{width}x{height} {pix_fmt}", options, plain(error))) from error
    unknown = sorted(set(context.options) & set(encoding.options))
    if unknown:
        raise OutputError(f"{encoding.codec} has no option {', '.join(unknown)}; check its spelling")
    return stream


def _refusal(codec: str, picture: str, options: Mapping[str, str], reason: str) -> str:
    """Why an encoder did not open, as one line with the options as they are given to ffmpeg."""
    if codec.endswith("_nvenc"):
        return f"{codec}: no usable NVIDIA encoder was found here, or it refuses {picture} ({reason}); try -c:v libx264"
    given = " ".join(f"-{name} {value}" for name, value in options.items())
    advice = "try -pix_fmt yuvj420p" if codec == "mjpeg" else "change -c:v, -pix_fmt or the size"
    return f"{codec} refuses {picture}{' with ' if given else ''}{given} ({reason}); {advice}"
