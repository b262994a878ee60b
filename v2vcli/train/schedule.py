"""What changes from epoch to epoch: learning rate, clip length, frames per chunk, which scales are trained.

`v2vcli.train.stage_schedule` says the same of a stage of a recipe, draw by draw.

It is the schedule of vid2vid's published trainings (Wang et al. 2018, section 4, "Implementation details": coarse to
fine in space, progressively longer clips in time), as a pure function of the epoch, so that a resumed run needs to
remember nothing but which epoch it is in.

Peculiar:
- the rate falls in steps of one epoch and never reaches zero: the first epoch of the decay still has the full rate,
  the last one has ``rate / decay_epochs``;
- clip length, frames per chunk and back-propagated frames double at the same moments;
- when the coarse scales join the finest one, they follow the same rate. (The reference goes on stepping its old
  optimiser there, quirk Q3: its coarse networks are then never updated and its rate no longer falls.)
"""

from __future__ import annotations

from dataclasses import dataclass

LONGEST = 128
"""No clip is read longer than this, however often its length has doubled."""


@dataclass(frozen=True)
class EpochPlan:
    """What holds during one epoch.

    Attributes:
        rate: learning rate of the generator and of the image discriminator.
        temporal_rate: that of the temporal discriminators.
        clip_frames: frames painted of each clip (`past` more are read), if the clip has as many.
        chunk_frames: frames painted between two optimiser steps.
        backpropagated_frames: the past is detached whenever so many frames of the chunk have been painted.
        finest_alone: only the finest spatial scale is trained; what the coarser ones paint is detached.
    """

    rate: float
    temporal_rate: float
    clip_frames: int
    chunk_frames: int
    backpropagated_frames: int
    finest_alone: bool


@dataclass(frozen=True)
class Schedule:
    """The schedule of one training stage, in epochs (passes over the clips); the first epoch is number 1.

    Attributes:
        rate: learning rate at the start.
        constant_epochs: for so many epochs it stays.
        decay_epochs: for so many more it falls linearly.
        clip_frames: frames painted of each clip at the start.
        doubling_epochs: after every so many epochs that number doubles.
        chunk_frames: most frames painted between two optimiser steps, as many as memory holds.
        chunk_unit: chunks are multiples of this (the reference spreads a chunk's frames over several devices).
        backpropagated_frames: most frames that gradients flow back through; 1: never through time.
        finest_alone_epochs: for so many epochs only the finest spatial scale is trained.
        temporal_rate_decays: whether the temporal discriminators' rate falls with the others'. In the reference it
            does not (quirk Q4).

    Raises:
        ValueError: a number is out of its range.
    """

    rate: float = 2e-4
    constant_epochs: int = 10
    decay_epochs: int = 10
    clip_frames: int = 30
    doubling_epochs: int = 5
    chunk_frames: int = 1
    chunk_unit: int = 1
    backpropagated_frames: int = 1
    finest_alone_epochs: int = 0
    temporal_rate_decays: bool = True

    def __post_init__(self) -> None:
        """Check the numbers."""
        counts = (self.clip_frames, self.doubling_epochs, self.chunk_frames, self.chunk_unit)
        if self.rate <= 0 or min(*counts, self.backpropagated_frames, self.epochs) < 1:
            raise ValueError(f"rate, frames and epochs of a schedule must be positive, got {self}")
        if min(self.constant_epochs, self.decay_epochs, self.finest_alone_epochs) < 0:
            raise ValueError(f"a schedule cannot have a negative number of epochs, got {self}")
        if self.chunk_frames % self.chunk_unit:
            raise ValueError(f"chunks of {self.chunk_frames} frames are no multiple of {self.chunk_unit}")

    @property
    def epochs(self) -> int:
        """Epochs of the whole stage."""
        return self.constant_epochs + self.decay_epochs

    def at(self, epoch: int, *, longest_clip: int, past: int = 2) -> EpochPlan:
        """What holds during `epoch`.

        Args:
            epoch: from 1 to `epochs`.
            longest_clip: frames of the longest clip there is to read.
            past: frames of each clip that are read and not painted, because they are the past of the first painted one.

        Raises:
            ValueError: there is no such epoch, or no clip is longer than `past`.
        """
        if not 1 <= epoch <= self.epochs:
            raise ValueError(f"epoch {epoch} of a schedule with epochs 1 to {self.epochs}")
        room = min(LONGEST, longest_clip) - past
        if room < 1:
            raise ValueError(f"the longest clip has {longest_clip} frames: too few for a past of {past} and one more")
        growth = 1 << (epoch - 1) // self.doubling_epochs
        chunk = grown_chunk(self.clip_frames, self.chunk_frames, growth, self.chunk_unit)
        rate = self.rate * epoch_decay(epoch, self.constant_epochs, self.decay_epochs)
        return EpochPlan(
            rate=rate,
            temporal_rate=rate if self.temporal_rate_decays else self.rate,
            clip_frames=min(room, self.clip_frames * growth),
            chunk_frames=chunk,
            backpropagated_frames=portion(chunk, min(self.backpropagated_frames, growth)),
            finest_alone=epoch <= self.finest_alone_epochs,
        )


def epoch_decay(epoch: int, constant_epochs: int, decay_epochs: int) -> float:
    """What the rate is multiplied by in `epoch` (from 1): 1 for `constant_epochs`, then linearly down to above 0."""
    fallen = epoch - 1 - constant_epochs
    return 1.0 if fallen <= 0 else 1.0 - fallen / decay_epochs


def grown_chunk(clip_frames: int, chunk_frames: int, growth: int, unit: int = 1) -> int:
    """Frames per chunk, a multiple of `unit`, when clips are `growth` times as long as their `clip_frames` at first."""
    units = min(chunk_frames, clip_frames) // unit or 1
    return min(chunk_frames, units * growth * unit)


def portion(whole: int, most: int) -> int:
    """Frames in each portion, when `whole` frames are divided into as few as can be with at most `most` in each."""
    return whole // -(-whole // most)
