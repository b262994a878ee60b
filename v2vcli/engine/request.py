"""What is asked for, as one frozen value: the command line and the Python API fill it in, the engine carries it out.

Peculiar: whatever can be found wrong without opening a file is found here, at construction; and nothing heavy is
imported (no torch, av, cv2), so that a mistyped option is answered at once. Times, rates and sizes may be given as
text; after construction they are `Fraction` and pairs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from v2vcli.engine.clip_request import STREAM, ClipRequest, Device, require_name
from v2vcli.engine.modes import modes_in_words
from v2vcli.errors import UsageError
from v2vcli.values import bit_rate, size

__all__ = ["STREAM", "ClipRequest", "ConvertRequest", "Device", "Precision", "SegmentRequest"]

Precision = Literal["auto", "fp32", "bf16"]
FIRST_FRAMES = ("auto", "paint", "zeros", "input")
"""What ``--first-frame`` takes beside the name of a picture."""
WARMUP = 8
"""Frames painted before ``-ss`` unless it is said otherwise."""


@dataclass(frozen=True, kw_only=True)
class ConvertRequest(ClipRequest):
    """One conversion: a `ClipRequest`, and how it is painted and written.

    Attributes:
        save_maps: keep the maps here (``.mkv`` or a folder).
        side_by_side: write the input left of what was painted; the output is twice as wide.
        overlay: write what was painted over the input, half and half.
        precision: ``auto`` is fp32 on a CPU and bf16 on CUDA.
        output_format: the container, as FFmpeg calls it; None goes by the output's extension (``-f``).
        codec: an FFmpeg encoder; None goes by the output's extension (``-c:v``).
        crf: constant quality, lower is better (``-crf``).
        bit_rate: bits per second instead of a constant quality; may be text, ``2.5M`` (``-b:v``).
        preset: speed against size (``-preset``).
        gop: frames from one key frame to the next, at most (``-g``).
        pix_fmt: stored pixel format (``-pix_fmt``).
        movflags: of mp4 and mov, in the place of our own (``-movflags``).
        paint_size: (width, height) to paint at, or ``"input"``; None is the model's own area at the video's aspect.
        audio: keep it.
        audio_codec: ``copy``, bit for bit where the container can hold it, or an encoder (``-c:a``).
        subtitles: copy them.
        tags: copy the input's (``-map_metadata -1`` does not).
        cuts: ``auto`` forgets the painted past where a new shot begins; ``none`` never does; else a file that lists
            where they begin, see `engine.cut_list`.
        first_frame: what a shot's first frame is painted after: ``paint`` is what the model's image generator makes of
            its map, ``zeros`` nothing, ``input`` the input's frame, else a picture's path, for the first shot alone;
            ``auto`` is ``paint`` where the model can, else ``zeros``.
        warmup: with ``start``, paint up to so many frames before it, which are not written, so that the first one that
            is kept is as steady as if all had been painted.
        live: hand every frame on as soon as it has come: one frame at once, and an encoder that holds none back.
        verify: decode the output before it gets its name.
    """

    save_maps: Path | None = None
    side_by_side: bool = False
    overlay: bool = False
    precision: Precision = "auto"
    output_format: str | None = None
    codec: str | None = None
    crf: float | None = None
    bit_rate: int | None = None
    preset: str | None = None
    gop: int | None = None
    pix_fmt: str | None = None
    movflags: str | None = None
    paint_size: tuple[int, int] | Literal["input"] | None = None
    audio: bool = True
    audio_codec: str = "copy"
    subtitles: bool = True
    tags: bool = True
    cuts: str = "auto"
    first_frame: str = "auto"
    warmup: int = WARMUP
    live: bool = False
    verify: bool = False

    def __post_init__(self) -> None:
        """As `ClipRequest`.

        Raises:
            UsageError: a value is out of its range, or two exclude each other.
        """
        super().__post_init__()
        if self.mode is None and self.model is None:
            raise UsageError(f"give --mode ({modes_in_words()}) or --model; `v2v models list` shows the models")
        if self.paint_size is not None and self.paint_size != "input":
            self._set("paint_size", size(self.paint_size, "--paint-size"))
        self._one_of("precision", get_args(Precision))
        self._read_encoding()
        self._set("cuts", str(self.cuts))
        self._set("first_frame", str(self.first_frame))
        if not 0 <= self.warmup <= 256:
            raise UsageError(f"--warmup {self.warmup}: give a number of frames from 0 to 256")
        if self.side_by_side and self.overlay:
            raise UsageError("--side-by-side and --overlay are two ways to show the input; give one of them")
        if self.live and self.window not in (None, 1):
            raise UsageError(f"--live works on one frame at once, --window {self.window} on more; give one of them")
        if self.verify and self.output == STREAM:
            raise UsageError("--verify reads the output before it gets its name, and a pipe has none; leave it out")
        if self.save_maps is not None:
            self._set("save_maps", Path(self.save_maps))
            require_name(self.save_maps, "--save-maps")
            self._require_apart(self.save_maps)

    def _read_encoding(self) -> None:
        """The numbers that the encoder is given."""
        if self.crf is not None and not 0 <= self.crf <= 63:
            raise UsageError(f"-crf {self.crf:g}: give a quality from 0 (best) to 51 (63 for AV1)")
        if self.gop is not None and not 1 <= self.gop <= 10_000:
            raise UsageError(f"-g {self.gop}: give a number of frames from 1 to 10000")
        if self.bit_rate is not None:
            self._set("bit_rate", bit_rate(cast(str | int, self.bit_rate), "-b:v"))
            if self.crf is not None:
                raise UsageError("-crf is a constant quality and -b:v a bit rate; give one of them")

    def _require_apart(self, maps: Path) -> None:
        output, folder = (Path(os.path.realpath(path)) for path in (self.output, maps))
        if output == folder:
            raise UsageError(f"--save-maps and -o are both {self.output}; give two names")
        if folder in output.parents:
            raise UsageError(f"-o {self.output} lies in the folder of --save-maps; give a name outside it")


@dataclass(frozen=True, kw_only=True)
class SegmentRequest(ClipRequest):
    """Only the maps of a video. ``size`` is theirs, the input's by default; ``model`` may be a segmenter.

    Without ``mode``, ``model`` and a maker they are label maps of a street.

    Attributes:
        preview: a video to make of the maps over the frames, None for none.
        stats: count the classes.
    """

    preview: Path | None = None
    stats: bool = False

    def __post_init__(self) -> None:
        """As `ClipRequest`."""
        super().__post_init__()
        if self.mode is None and self.model is None and self.makers.chosen is None:
            self._set("mode", "seg2street")
        if self.preview is not None:
            self._set("preview", Path(self.preview))
            require_name(self.preview, "--preview")
            if os.path.realpath(self.preview) == os.path.realpath(self.output):
                raise UsageError(f"--preview and -o are both {self.output}; give two names")
