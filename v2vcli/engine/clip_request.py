"""What is asked for of a stretch of a video: what `request.ConvertRequest` and `request.SegmentRequest` have in common.

Peculiar: whatever can be found wrong without opening a file is found here, at construction; and nothing heavy is
imported (no torch, av, cv2), so that a mistyped option is answered at once. Times, rates and sizes may be given as
text; after construction they are `Fraction` and pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, cast, get_args

from v2vcli.engine.maker_names import MakerNames
from v2vcli.errors import UsageError
from v2vcli.values import Time, frame_rate, seconds, size

Device = Literal["auto", "cpu", "cuda"]
STREAM = Path("-")
"""Standard input, or standard output."""


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
        frames: no more than so many of it (``-frames:v``).
        rate: frames per second of the output; None keeps every frame and its time (``-r``).
        size: (width, height) of the output; None keeps the input's (``-s``).
        input_format: what the input is, as FFmpeg calls it; None finds out (``-f`` before ``-i``).
        input_size: (width, height) of raw video, which has no header (``-s`` before ``-i``).
        input_pix_fmt: of raw video; None is yuv420p.
        input_rate: frames per second of raw video and of single pictures; None is 25.
        smooth_maps: how much label maps made here hold on to the frames before, from 0 to below 1;
            see `maps.over_time.smoothing.LabelSmoother`.
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
    frames: int | None = None
    rate: Fraction | None = None
    size: tuple[int, int] | None = None
    input_format: str | None = None
    input_size: tuple[int, int] | None = None
    input_pix_fmt: str | None = None
    input_rate: Fraction | None = None
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
        require_name(self.output, "-o")
        for name, option in (("start", "-ss"), ("duration", "-t"), ("end", "-to")):
            given = cast(Time | None, getattr(self, name))
            self._set(name, None if given is None else seconds(given, option))
        self._set("rate", None if self.rate is None else frame_rate(self.rate, "-r"))
        self._set("size", None if self.size is None else size(self.size, "-s"))
        self._read_input()
        self._one_of("device", get_args(Device))
        if self.frames is not None and self.frames < 1:
            raise UsageError(f"-frames:v {self.frames} leaves nothing to convert; give 1 or more")
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

    def _read_input(self) -> None:
        """What is said of the input itself."""
        if self.input_size is not None:
            self._set("input_size", size(self.input_size, "--input-size"))
        if self.input_rate is not None:
            self._set("input_rate", frame_rate(self.input_rate, "--input-rate"))
        raw = self.input_format == "rawvideo"
        if raw and self.input_size is None:
            raise UsageError("raw video has no header; say its size with --input-size WxH (or -s WxH before -i)")
        if not raw and (self.input_size is not None or self.input_pix_fmt is not None):
            raise UsageError(
                "--input-size and --input-pix-fmt (-s and -pix_fmt before -i) say what raw video is; give -f rawvideo"
                " before -i too, or put them after the input if they are the output's"
            )

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


def require_name(path: Path, option: str) -> None:
    """Refuse what cannot be the name of a file.

    Raises:
        UsageError: it is empty, or a folder's.
    """
    if path.name in ("", ".."):
        raise UsageError(f"{option} '{path}': not a name; give that of the file (or of a new folder of maps) to make")
