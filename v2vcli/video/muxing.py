"""What a container has to be told so that times, tags and pipes come out right.

What is peculiar:

- An mp4's clocks are set so that every time is a whole number of ticks; a pipe's mp4 is cut into fragments of one
  frame, with its index put off until the first frame is known, so that a late start can be said.
- Through a pipe every packet goes at once: FFmpeg is told to flush, Matroska to end its clusters early, and packets do
  not wait for those of a stream that has none (`max_interleave_delta`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from v2vcli.errors import OutputError
from v2vcli.video.animation import CLOCKS, LOOPING
from v2vcli.video.containers import ContainerFormat
from v2vcli.video.encoding import Encoding
from v2vcli.video.timing import movie_timescale, unit_time_base

_QUICKTIME = ("mp4", "mov", "ipod", "3gp", "3g2", "psp")
_MATROSKA = ("matroska", "webm")
_MPEG_TS_CLOCK = Fraction(1, 90_000)
# what an iTunes-style tag list can name; anything else needs QuickTime's free-form one
_ITUNES_TAGS = {
    *("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping"),
    *("lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "creation_time", "language"),
}
_FRAGMENTS = "+frag_every_frame+delay_moov+default_base_moof"
_Y4M_FORMATS = (
    *("yuv420p", "yuv422p", "yuv444p", "yuv411p", "gray", "yuvj420p", "yuvj422p", "yuvj444p"),
    *("yuv420p10le", "yuv422p10le", "yuv444p10le", "gray10le"),
)


def time_bases(
    container: ContainerFormat, codec: str, time_base: Fraction, start: Fraction | None, rate: Fraction
) -> list[Fraction]:
    """Time bases to try for the encoder, the most exact one that may do first."""
    exact = unit_time_base(time_base, start or Fraction(0)) or unit_time_base(time_base)
    coarse = 1 / max(rate, Fraction(1, 1001)).limit_denominator(1001)  # slower ones would be rounded to none at all
    if container.timing in ("even", "none"):
        return [coarse]
    if container.name in CLOCKS:
        return [CLOCKS[container.name]]
    if container.name == "mpegts":
        return [_MPEG_TS_CLOCK]
    wanted = [exact, coarse] if exact is not None else [coarse]
    if codec == "mpeg4":
        return [t for t in wanted if t.denominator < 2**16] or [Fraction(1, 25)]  # the bitstream has 16 bits
    return wanted


def require_pix_fmt(container: ContainerFormat, pix_fmt: str, where: str) -> None:
    """Check that a container of raw frames can say their pixel format.

    Raises:
        OutputError: it cannot.
    """
    if container.name == "yuv4mpegpipe" and pix_fmt not in _Y4M_FORMATS:
        raise OutputError(f"{where}: yuv4mpegpipe cannot hold {pix_fmt}; choose -pix_fmt yuv420p or yuv444p, or -f nut")


def header_options(
    container: ContainerFormat,
    encoding: Encoding,
    *,
    piped: bool,
    clock: int,
    sample_rates: Sequence[int],
    tags: Iterable[str],
) -> dict[str, str]:
    """Options for the muxer.

    Args:
        container: the kind of it.
        encoding: its ``movflags`` are added to, or take the place of, those chosen here.
        piped: there is no going back.
        clock: ticks a second of the video stream.
        sample_rates: of the audio streams.
        tags: names of the container's tags.
    """
    options: dict[str, str] = dict(LOOPING.get(container.name, {}))
    if piped:
        options |= {"flush_packets": "1", "max_interleave_delta": "1"}
    if container.name in _QUICKTIME:
        flags = _FRAGMENTS if piped else "+faststart"
        given = encoding.movflags or ""
        flags = flags + given if given.startswith(("+", "-")) or not given else f"+{given}"
        if {key.lower().split("-")[0] for key in tags} - _ITUNES_TAGS:
            flags += "+use_metadata_tags"
        options |= {
            "movflags": flags,
            "video_track_timescale": str(clock),
            "movie_timescale": str(movie_timescale([clock, *sample_rates])),
        }
        if piped:
            # a fragment ends only with a second packet of one stream: where the first of another ends it, FFmpeg takes
            # that stream to begin with the packet after
            options["min_frag_duration"] = "1"
    elif container.name in _MATROSKA:
        # or audio that starts before 0 (encoder priming) would move the video
        options["avoid_negative_ts"] = "disabled"
        if piped:
            options["cluster_time_limit"] = "1"
    elif container.name == "yuv4mpegpipe":
        options["strict"] = "unofficial"  # more than 8 bits
    return options


def timing_warning(container: ContainerFormat, where: str) -> str | None:
    """What to say beforehand of a container that keeps no exact times."""
    if container.alone or container.timing in ("exact", "milliseconds") or container.name == "mpegts":
        return None  # said when frames come whose times it cannot hold
    return f"{where}: {container.name} keeps no exact times; use .mp4, .mov or .mkv if they matter"
