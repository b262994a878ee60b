"""What is asked for, as one frozen value: the command line and the Python API fill it in, the engine carries it out.

Peculiar: whatever can be found wrong without opening a file is found here, at construction; and nothing heavy is
imported (no torch, av, cv2), so that a mistyped option is answered at once. Times, rates and sizes may be given as
text; after construction they are `Fraction` and pairs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, cast, get_args

from v2vcli.engine.maker_names import MakerNames
from v2vcli.engine.modes import modes_in_words
from v2vcli.errors import UsageError
from v2vcli.values import Time, frame_rate, seconds, size

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]
Cuts = Literal["auto", "none"]


@dataclass(frozen=True, kw_only=True)
class ClipRequest:
    """The stretch of a video that is worked on, and how.

    Attributes:
        input: the video.
        output: what is made of it.
        mode: an entry of `engine.modes.MODES`; None infers it from the model.
        model: path, bundled name or hub id; None takes the mode's own.
        segmenter: what makes label maps, FAMILY:MODEL as in `engine.maker_names`; None takes the bundled one.
        pose: what makes pose maps.
        face: what makes face maps.
        edges: what makes edge maps; None takes the bundled one.
        maps: maps that somebody already made, in step with the video; the same as a maker ``file:PATH``.
        maps_schema: what their ids mean where the file does not say: a built-in schema's name or a schema file.
        track: follow instances from frame to frame, so that each keeps its id.
        relabel: edits of the label maps, as `maps.edits.parse_edit` reads them, in order.
        device: ``auto`` is CUDA where PyTorch finds it.
        overwrite: replace what exists under the output's name.
        start: begin here, counted from the beginning of the file (``-ss``).
        duration: so much of it (``-t``).
        end: or up to here, counted from the beginning of the file (``-to``).
        rate: frames per second of the output; None keeps every frame and its time (``-r``).
        size: (width, height) of the output; None keeps the input's (``-s``).
        smooth_maps: how much label maps made here hold on to the frames before, from 0 to below 1;
            see `maps.smoothing.LabelSmoother`.
        window: frames worked on at once; None leaves it to the device.
        tolerant: step over damage in the input with a warning.
    """

    input: Path
    output: Path
    mode: str | None = None
    model: str | None = None
    segmenter: str | None = None
    pose: str | None = None
    face: str | None = None
    edges: str | None = None
    maps: Path | None = None
    maps_schema: str | None = None
    track: bool = False
    relabel: tuple[str, ...] = ()
    device: Device = "auto"
    overwrite: bool = False
    start: Fraction | None = None
    duration: Fraction | None = None
    end: Fraction | None = None
    rate: Fraction | None = None
    size: tuple[int, int] | None = None
    smooth_maps: float = 0.93
    window: int | None = None
    tolerant: bool = False

    def __post_init__(self) -> None:
        """Read what was given as text, and refuse contradictions.

        Raises:
            UsageError: a value is out of its range, or two exclude each other.
        """
        self._set("input", Path(self.input))
        self._set("output", Path(self.output))
        _require_name(self.output, "-o")
        for name, option in (("start", "-ss"), ("duration", "-t"), ("end", "-to")):
            given = cast(Time | None, getattr(self, name))
            self._set(name, None if given is None else seconds(given, option))
        self._set("rate", None if self.rate is None else frame_rate(self.rate, "-r"))
        self._set("size", None if self.size is None else size(self.size, "-s"))
        self._one_of("device", get_args(Device))
        if self.duration is not None and self.end is not None:
            raise UsageError("-t and -to both say where to end; give one of them")
        if self.duration == 0:
            raise UsageError("-t 0 leaves nothing to convert; give a longer stretch")
        if self.end is not None and self.end <= (self.start or 0):
            raise UsageError(
                f"-to {float(self.end):g} is not after -ss {float(self.start or 0):g}; nothing lies between"
            )
        if not 0 <= self.smooth_maps < 1:
            raise UsageError(f"--smooth-maps {self.smooth_maps:g}: give a number from 0 (off) to below 1")
        if self.window is not None and not 1 <= self.window <= 256:
            raise UsageError(f"--window {self.window}: give a number of frames from 1 to 256")
        edits = cast(str | tuple[str, ...], self.relabel)
        self._set("relabel", (edits,) if isinstance(edits, str) else tuple(edits))
        self._read_makers()

    @property
    def makers(self) -> MakerNames:
        """What the options that choose makers of maps say."""
        return MakerNames(self.segmenter, self.pose, self.face, self.edges)

    def _read_makers(self) -> None:
        """One place where maps come from; ``file:PATH`` is ``--maps PATH``."""
        given = None if self.maps is None else Path(self.maps)
        chosen = self.makers.chosen
        if given is not None and chosen is not None and chosen.path != given:
            raise UsageError(
                f"--maps {given} and --{chosen.option.name} {chosen} both say where the maps come from; give one"
            )
        self._set("maps", given if chosen is None else chosen.path)
        if self.maps_schema is not None and self.maps is None:
            raise UsageError("--maps-schema says what the ids of --maps mean; give --maps too, or leave it out")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _one_of(self, name: str, choices: tuple[str, ...]) -> None:
        if getattr(self, name) not in choices:
            raise UsageError(f"--{name} {getattr(self, name)}: choose {' or '.join(choices)}")


@dataclass(frozen=True, kw_only=True)
class ConvertRequest(ClipRequest):
    """One conversion: a `ClipRequest`, and how it is painted and written.

    Attributes:
        save_maps: keep the maps here (``.mkv`` or a folder).
        side_by_side: write the input left of what was painted; the output is twice as wide.
        precision: ``auto`` is fp32 on a CPU and bf16 on CUDA.
        codec: an FFmpeg encoder; None goes by the output's extension (``-c:v``).
        crf: constant quality, lower is better (``-crf``).
        preset: speed against size (``-preset``).
        pix_fmt: stored pixel format (``-pix_fmt``).
        paint_size: (width, height) to paint at, or ``"input"``; None is the model's own area at the video's aspect.
        audio: copy it.
        cuts: ``auto`` forgets the painted past where a new shot begins.
    """

    save_maps: Path | None = None
    side_by_side: bool = False
    precision: Precision = "auto"
    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    paint_size: tuple[int, int] | Literal["input"] | None = None
    audio: bool = True
    cuts: Cuts = "auto"

    def __post_init__(self) -> None:
        """As `ClipRequest`.

        Raises:
            UsageError: a value is out of its range, or two exclude each other.
        """
        super().__post_init__()
        if self.mode is None and self.model is None:
            raise UsageError(f"give --mode ({modes_in_words()}) or --model; `v2v models list` shows the models")
        if self.save_maps is not None:
            self._set("save_maps", Path(self.save_maps))
            _require_name(self.save_maps, "--save-maps")
        if self.paint_size is not None and self.paint_size != "input":
            self._set("paint_size", size(self.paint_size, "--paint-size"))
        self._one_of("precision", get_args(Precision))
        self._one_of("cuts", get_args(Cuts))
        if self.crf is not None and not 0 <= self.crf <= 63:
            raise UsageError(f"-crf {self.crf:g}: give a quality from 0 (best) to 51 (63 for AV1)")
        if self.save_maps is not None:
            output, maps = (Path(os.path.realpath(path)) for path in (self.output, self.save_maps))
            if output == maps:
                raise UsageError(f"--save-maps and -o are both {self.output}; give two names")
            if maps in output.parents:
                raise UsageError(f"-o {self.output} lies in the folder of --save-maps; give a name outside it")


def _require_name(path: Path, option: str) -> None:
    if path.name in ("", ".."):
        raise UsageError(f"{option} '{path}': not a name; give that of the file (or of a new folder of maps) to make")


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
            _require_name(self.preview, "--preview")
            if os.path.realpath(self.preview) == os.path.realpath(self.output):
                raise UsageError(f"--preview and -o are both {self.output}; give two names")
