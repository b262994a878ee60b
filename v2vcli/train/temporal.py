"""Which frames the temporal discriminators are shown: windows of K painted frames at several frame rates.

D_V at temporal scale s sees K frames spaced K^s apart and the flows between them (Wang et al. 2018, the temporally
multi-scale video discriminator). A clip is painted in chunks, so a window reaches back into earlier ones. What they
left is a value: it goes into `TemporalSampling.windows` and comes out again, detached; gradients reach frames of the
newest chunk alone.

Peculiar:
- two ways to choose. *Dense* (the default): every scale looks back from the newest frame, then from K frames earlier,
  as long as windows fit and end in the new chunk. *Sparse*: scale s is only ever given the clip's frames 0, K^s,
  2 K^s, ..., fewer windows and a shorter history;
- scale 0 uses the chunk's own flows; coarser scales have the flow between their frames estimated anew. (The
  reference's sparse way pairs spaced frames with the flow of a single step instead; that is not reproduced.)
- the functions on positions are pure and know nothing of tensors: they are what is compared with the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Window = tuple[int, ...]
"""Positions of K frames in a history, oldest first."""
FlowTeacher = Callable[[Tensor, Tensor], Tensor]
"""Frames and the frames before them, (N, 3, H, W) each in [-1, 1] -> flow in pixels, (N, 2, H, W), see `warp`."""


def dense_windows(length: int, new: int, frames: int, spacing: int) -> list[Window]:
    """Windows of `frames` positions, `spacing` apart, newest window first.

    Args:
        length: of the history, the new frames included.
        new: how many of them are new; every window ends at one of these.
        frames: in a window (K).
        spacing: between its frames (K^s).
    """
    ends = min(length - spacing * (frames - 1), new)
    newest = length - 1
    return [
        tuple(newest - back - spacing * older for older in range(frames - 1, -1, -1)) for back in range(0, ends, frames)
    ]


def dense_history(frames: int, scales: int) -> int:
    """How many frames the dense way keeps from chunk to chunk: what the coarsest scale looks back on."""
    return int(frames ** (scales - 1) * (frames - 1))


def sparse_windows(stored: int, new: int, frames: int) -> tuple[int, list[Window]]:
    """One scale's windows after `new` of its frames joined `stored` older ones.

    Returns:
        How many of the oldest are forgotten for good, and the windows as positions in the rest, oldest window first.
    """
    # a history that was all shown keeps only what the next window may still need
    forgotten = stored - (frames - 1) if stored and stored % frames == 0 else 0
    length = stored - forgotten + new
    if length < frames:
        return forgotten, []
    surplus = length % frames
    return forgotten + surplus, [tuple(range(at, at + frames)) for at in range(0, length - surplus, frames)]


@dataclass(frozen=True, eq=False)
class ClipFrames:
    """T consecutive frames of B clips: real, painted, and the flow from each to the frame before it.

    Shapes: (B, T, 3, H, W) twice, in [-1, 1]; (B, T, 2, H, W) in pixels.
    """

    real_BT3HW: Tensor
    fake_BT3HW: Tensor
    flow_BT2HW: Tensor

    def __len__(self) -> int:
        """T."""
        return int(self.real_BT3HW.shape[1])

    def at(self, positions: Sequence[int]) -> ClipFrames:
        """The frames at these positions."""
        chosen = torch.tensor(positions, dtype=torch.long, device=self.real_BT3HW.device)
        return ClipFrames(*(each.index_select(1, chosen) for each in self._tensors()))

    def without_oldest(self, count: int) -> ClipFrames:
        """All but the first `count`."""
        return ClipFrames(*(each[:, count:] for each in self._tensors()))

    def then(self, later: ClipFrames) -> ClipFrames:
        """These, followed by `later`."""
        pairs = zip(self._tensors(), later._tensors(), strict=True)
        return ClipFrames(*(torch.cat(pair, 1) for pair in pairs))

    def detached(self) -> ClipFrames:
        """The same numbers, with no way back for gradients; copied, so that no larger tensor is kept alive."""
        return ClipFrames(*(each.detach().clone() for each in self._tensors()))

    def _tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.real_BT3HW, self.fake_BT3HW, self.flow_BT2HW


@dataclass(frozen=True, eq=False)
class TemporalWindows:
    """What one temporal discriminator is shown after a chunk; N = windows times clips, windows outermost.

    Shapes: (N, K, 3, H, W) twice, in [-1, 1]; (N, K - 1, 2, H, W) in pixels, each flow leading to the frame before.
    """

    real_NK3HW: Tensor
    fake_NK3HW: Tensor
    flow_NK2HW: Tensor


@dataclass(frozen=True, eq=False)
class TemporalState:
    """What sampling remembers of a clip: frames painted so far, and one history (dense) or one per scale (sparse)."""

    painted: int = 0
    histories: tuple[ClipFrames | None, ...] = field(default=())


@dataclass(frozen=True)
class TemporalSampling:
    """How windows are chosen.

    Attributes:
        frames: in a window (K, the reference's tD).
        scales: temporal scales, one discriminator each; scale s looks at frames K^s apart.
        sparse: the sparse way; see the module.
    """

    frames: int = 3
    scales: int = 2
    sparse: bool = False

    def __post_init__(self) -> None:
        """Refuse windows without a flow."""
        if self.frames < 2 or self.scales < 1:
            raise ValueError(f"temporal sampling needs windows of 2 frames and 1 scale at least, got {self}")

    def windows(
        self, state: TemporalState, chunk: ClipFrames, flow_between: FlowTeacher
    ) -> tuple[list[TemporalWindows | None], TemporalState]:
        """What each temporal scale is shown after `chunk`, and what the next chunk has to know.

        Args:
            state: `TemporalState()` at the first frame of a clip, later what this returned.
            chunk: the newly painted frames; frames that were given and not painted never enter.
            flow_between: estimates the flow of scales >= 1, from real frames.

        Returns:
            Per scale its windows, or None where it has none yet; and the new state.
        """
        choose = self._sparse if self.sparse else self._dense
        return choose(state, chunk, flow_between)

    def _dense(
        self, state: TemporalState, chunk: ClipFrames, flow_between: FlowTeacher
    ) -> tuple[list[TemporalWindows | None], TemporalState]:
        before = state.histories[0] if state.histories else None
        history = chunk if before is None else before.then(chunk)
        shown = []
        for scale in range(self.scales):
            chosen = dense_windows(len(history), len(chunk), self.frames, self.frames**scale)
            shown.append(_gathered(history, chosen, flow_between if scale else None))
        kept = history.without_oldest(max(0, len(history) - dense_history(self.frames, self.scales)))
        return shown, TemporalState(state.painted + len(chunk), (kept.detached(),))

    def _sparse(
        self, state: TemporalState, chunk: ClipFrames, flow_between: FlowTeacher
    ) -> tuple[list[TemporalWindows | None], TemporalState]:
        shown, kept = [], []
        for scale in range(self.scales):
            before = state.histories[scale] if state.histories else None
            mine = [at for at in range(len(chunk)) if (state.painted + at) % self.frames**scale == 0]
            history = chunk.at(mine) if before is None else before.then(chunk.at(mine))
            forgotten, chosen = sparse_windows(0 if before is None else len(before), len(mine), self.frames)
            history = history.without_oldest(forgotten)
            shown.append(_gathered(history, chosen, flow_between if scale else None))
            kept.append(history.detached())
        return shown, TemporalState(state.painted + len(chunk), tuple(kept))


def _gathered(history: ClipFrames, windows: list[Window], flow_between: FlowTeacher | None) -> TemporalWindows | None:
    """The windows' tensors, one below the other; flow is read off the history, or estimated between their frames."""
    if not windows:
        return None
    real, fake = (
        torch.cat([frames[:, window] for window in windows]) for frames in (history.real_BT3HW, history.fake_BT3HW)
    )
    if flow_between is None:
        flow = torch.cat([history.flow_BT2HW[:, window[1:]] for window in windows])
    else:
        with torch.no_grad():
            estimated = flow_between(real[:, 1:].flatten(0, 1), real[:, :-1].flatten(0, 1))
        flow = estimated.unflatten(0, (len(real), len(windows[0]) - 1))
    return TemporalWindows(real, fake, flow)


def frames_before(frames_BT3HW: Tensor, before_B3HW: Tensor) -> Tensor:
    """The painted frame before each painted frame of a chunk, detached: what `frame_warp_loss` compares it with.

    Args:
        frames_BT3HW: the chunk as painted.
        before_B3HW: the frame before its first: the last painted one of the chunk before, at the start of a clip the
            *real* frame before (also where that one was never shown to the generator).
    """
    return torch.cat((before_B3HW[:, None], frames_BT3HW[:, :-1]), 1).detach()
