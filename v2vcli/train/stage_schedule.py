"""A recipe's stage, draw by draw: rate, frames of each clip, chunks, which scales; and how many draws there are.

A *draw* is a batch of data; stages count them from 0. All is a pure function of the draw, so that a resumed run, and
every process of a distributed one, needs to know nothing but its number.

An *epoch* of a stage is so many windows, divided by the batch and rounded up:

| stage | source | windows in an epoch |
|---|---|---|
| image, segment | any | every frame once |
| video | video, videos, world | for each shot, as many clips of the stage's first length as fit into it side by side |
| video | layout | one for each folder; of pose maps, one for each frame that a clip may start from |

Of a layout it is the reference's epoch. Shots too short to be read from do not count. Windows are drawn, not dealt:
an epoch is as much data as there is, and not every frame of it. ``weight`` says what share of an epoch a source has,
not how long the epoch is.

Peculiar:
- the frames that a clip starts from are read and not painted (`StageRecipe.start`): it is the others that double;
- with ``grow_every``, chunks and back-propagated frames grow with clips, up to what the recipe says, as in the
  reference (`v2vcli.train.schedule`); without it they are what the recipe says from the beginning;
- in epochs the rate falls epoch by epoch, as in the reference; otherwise at every draw. It never reaches zero.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from v2vcli.errors import RecipeError
from v2vcli.train.recipe import StageRecipe
from v2vcli.train.schedule import epoch_decay, grown_chunk, portion

MOST_DOUBLINGS = 16
"""After so many nothing grows any more, whatever the recipe says."""


@dataclass(frozen=True)
class Shot:
    """What a window can be drawn from: `frames` frames of a source of some kind (a field of `SourceRecipe`)."""

    source: str
    frames: int


@dataclass(frozen=True)
class DrawPlan:
    """What holds for one draw.

    Attributes:
        rate: learning rate.
        frames: frames read of each clip, those it starts from included.
        chunk: frames painted between two steps of the optimisers.
        backprop: the past is detached whenever so many frames of a chunk have been painted.
        finest_alone: only the finest of the stage's scales is trained.
        epoch: the epoch it is in, from 1; 0 in a stage that is not measured in epochs.
    """

    rate: float
    frames: int
    chunk: int
    backprop: int
    finest_alone: bool
    epoch: int


@dataclass(frozen=True)
class _Stretch:
    """Draws between two doublings: the first of them, its position in the stage's unit, and how often clips doubled."""

    first: int
    position: int
    doublings: int


def windows_per_epoch(stage: StageRecipe, maps: str, shots: Iterable[Shot]) -> int:
    """How many windows an epoch of a stage has; the table is at the top of this module.

    Args:
        stage: whose epochs.
        maps: what is painted from, `ModelRecipe.maps`.
        shots: everything that windows are drawn from.
    """
    count = 0
    for shot in shots:
        if stage.kind != "video":
            count += shot.frames
        elif shot.frames >= stage.frames:
            if shot.source == "layout":
                count += shot.frames - stage.frames + 1 if maps == "pose" else 1
            else:
                count += shot.frames // stage.frames
    return count


class StageSchedule:
    """The schedule of one stage.

    Attributes:
        stage: what it was made from.
        steps: draws of the whole stage.
    """

    def __init__(
        self, stage: StageRecipe, *, past: int = 2, windows: int | None = None, longest: int | None = None
    ) -> None:
        """Lay the stage out.

        Args:
            stage: the recipe's.
            past: the model's; so many frames are read and not painted, where clips do not start from a painted one.
            windows: windows in an epoch, from `windows_per_epoch`; needed for a stage that is measured in epochs.
            longest: frames of the longest shot, beyond which no clip grows, as beyond ``stage.longest``; None: unknown.

        Raises:
            RecipeError: a stage in epochs without data.
        """
        self.stage = stage
        self._unpainted = 1 if stage.start == "painted" else past
        limit = stage.longest if longest is None else min(stage.longest, longest)
        self._limit = max(limit, stage.frames)
        self._per_epoch = 0
        if stage.epochs:
            if not windows:
                raise RecipeError(f"stage {stage.name!r} has epochs of no data: no shot has {stage.frames} frames")
            self._per_epoch = -(-windows // stage.batch)
        self._stretches, self.steps = self._laid_out()
        self._starts = [each.first for each in self._stretches]

    def at(self, draw: int) -> DrawPlan:
        """What holds for `draw`, from 0 to `steps` - 1."""
        stage = self.stage
        if not 0 <= draw < self.steps:
            raise ValueError(f"draw {draw} of a stage of {self.steps}")
        stretch = self._stretches[bisect_right(self._starts, draw) - 1]
        position = self._position(stretch, draw)
        growth = 1 << stretch.doublings
        chunk, backprop = stage.chunk, stage.backprop
        if stage.grow_every:
            chunk = grown_chunk(max(1, stage.frames - self._unpainted), chunk, growth)
            backprop = min(backprop, growth)
        return DrawPlan(
            rate=stage.rate * self._decay(position),
            frames=self._frames(stretch.doublings),
            chunk=chunk,
            backprop=portion(chunk, min(backprop, chunk)),
            finest_alone=position < stage.finest_alone,
            epoch=position + 1 if stage.epochs else 0,
        )

    def frames_before(self, draw: int) -> int:
        """Frames read in the draws before `draw`, of all clips; of `steps`, those of the whole stage."""
        read = 0
        for number, stretch in enumerate(self._stretches):
            if stretch.first >= draw:
                break
            ends = self._starts[number + 1] if number + 1 < len(self._starts) else self.steps
            read += (min(ends, draw) - stretch.first) * self._frames_per_draw(stretch.doublings)
        return read

    def _frames(self, doublings: int) -> int:
        return min(self._limit, self._unpainted + ((self.stage.frames - self._unpainted) << doublings))

    def _frames_per_draw(self, doublings: int) -> int:
        return self.stage.batch * self._frames(doublings)

    def _position(self, stretch: _Stretch, draw: int) -> int:
        """Where a draw begins, in the stage's unit; epochs that have begun are not counted before they are over."""
        if self.stage.epochs:
            return draw // self._per_epoch
        each = 1 if self.stage.steps else self._frames_per_draw(stretch.doublings)
        return stretch.position + (draw - stretch.first) * each

    def _laid_out(self) -> tuple[list[_Stretch], int]:
        """Stretches, and the number of draws."""
        stage, stretches, draw, position = self.stage, list[_Stretch](), 0, 0
        while position < stage.length:
            doublings = min(MOST_DOUBLINGS, position // stage.grow_every) if stage.grow_every else 0
            stretches.append(_Stretch(draw, position, doublings))
            end = stage.length
            if stage.grow_every and doublings < MOST_DOUBLINGS:
                end = min(end, (position // stage.grow_every + 1) * stage.grow_every)
            if stage.epochs:
                draws, position = (end - position) * self._per_epoch, end
            else:
                each = 1 if stage.steps else self._frames_per_draw(doublings)
                draws = -(-(end - position) // each)
                position += draws * each
            draw += draws
        return stretches, draw

    def _decay(self, position: int) -> float:
        """What the rate is multiplied by."""
        stage = self.stage
        if stage.epochs:
            falling = round(stage.decay * stage.epochs)
            return epoch_decay(position + 1, stage.epochs - falling, falling)
        left = (stage.length - position) / stage.length
        return min(1.0, left / stage.decay) if stage.decay > 0 else 1.0
