"""One step of training a painter of videos, top to bottom: paint a chunk, judge it, move every network.

A clip is walked in chunks: `VideoStep.begin`, then `VideoStep.chunk` for each. What crosses from chunk to chunk is a
value, `ClipState`, and always detached, so roll-outs are as long as the clip and memory is that of a chunk.

Peculiar:
- the frames that are looked back on are the painter's own, as they will be in use, and may be given noise;
- all objectives are computed, and differentiated, before any network moves (`v2vcli.train.optimisers`);
- this module knows no recipe: what it is made of are the fields of `VideoStep`, so that the reference's recorded steps
  are run through the very code that `v2v train` runs.

Shape suffixes: B clips, T frames, K past frames, C map channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from v2vcli.train import objectives
from v2vcli.train.clip_loading import ClipBatch, Clips
from v2vcli.train.face_region import face_region
from v2vcli.train.objectives import Judge, Judged, LossWeights, Motion, Terms
from v2vcli.train.optimisers import Optimisers
from v2vcli.train.perceptual import Perceptual
from v2vcli.train.precision import Precision
from v2vcli.train.task import Scalars
from v2vcli.train.temporal import ClipFrames, FlowTeacher, TemporalSampling, TemporalState, frames_before


class SequencePainter(Protocol):
    """What is trained: `Vid2VidGenerator`, `Covst`. Its past is a value of its own kind."""

    @property
    def encode(self) -> Any:
        """(B, T, C, H, W) maps, past -> what is known of each frame before the past is looked at, past."""

    @property
    def step(self) -> Any:
        """That of one frame, past -> its output (with ``.frame``), past."""


@dataclass(frozen=True, eq=False)
class Judges:
    """The discriminators.

    Attributes:
        image: frames with their maps, D_I.
        temporal: frames in time, D_V; scale s is asked about frames K^s apart.
        face: of poses, the face alone; ``face_size`` is the side that training crops to, see `face_region`.
    """

    image: Judge
    temporal: Sequence[Judge] = ()
    face: Judge | None = None
    face_size: int = 0


@dataclass(frozen=True)
class StepOptions:
    """What a step may do otherwise.

    Attributes:
        chunk: frames painted between two steps of the optimisers.
        backprop: the past is detached whenever so many frames of the chunk have been painted; 1: gradients never flow
            through time.
        noise: standard deviation of what is added to the past frames that the painter is shown.
        judged: whether there are discriminators.
        paintings: how the terms of a frame and of the same before blending are combined.
        raw_chunk: after a blank past, warp nothing in the whole first chunk, not only in its first frame. As the
            reference does, which knows no more of a chunk than that it is the first.
        spatial_scales: of the painter; flow errors are in pixels of the coarsest.
    """

    chunk: int = 1
    backprop: int = 1
    noise: float = 0.0
    judged: bool = True
    paintings: Literal["sum", "mean"] = "sum"
    raw_chunk: bool = False
    spatial_scales: int = 1


@dataclass(frozen=True, eq=False)
class ClipState:
    """Where clips stand between two chunks.

    Attributes:
        past: the painter's.
        before_B3HW: what the next frame is compared with along the flow: the last painted one, at first the one given.
        at: position of the next frame to paint.
        temporal: what the temporal discriminators may look back on.
        noise: one source for each clip, or none; it goes on from chunk to chunk.
    """

    past: Any
    before_B3HW: Tensor
    at: int
    temporal: TemporalState = field(default_factory=TemporalState)
    noise: Sequence[torch.Generator] = ()


@dataclass(frozen=True, eq=False)
class Painting:
    """T painted frames of B clips, float32; None where the painter has no such thing.

    Attributes:
        frame: (B, T, 3, H, W) in [-1, 1]. ``hallucinated``: before anything is blended from the past.
        flow: (B, T, 2, h, w) in its own pixels. ``mask``: (B, T, 1, h, w), 1 = newly painted.
    """

    frame: Tensor
    hallucinated: Tensor | None = None
    flow: Tensor | None = None
    mask: Tensor | None = None

    @classmethod
    def of(cls, outputs: Sequence[Any]) -> Painting:
        """From the outputs of T steps."""

        def stacked(name: str) -> Tensor | None:
            values = [tensor for output in outputs if (tensor := getattr(output, name, None)) is not None]
            return torch.stack(values, 1).float() if len(values) == len(outputs) else None

        frame = stacked("frame")
        assert frame is not None
        return cls(frame, stacked("hallucinated"), stacked("flow"), stacked("mask"))

    def detached(self) -> Painting:
        """To look at."""
        rest = (None if x is None else x.detach() for x in (self.hallucinated, self.flow, self.mask))
        return Painting(self.frame.detach(), *rest)


@dataclass(frozen=True, eq=False)
class ChunkReport:
    """What came of a chunk.

    Attributes:
        painting: of its frames, detached.
        scalars: by name, the painter's terms, their sum as ``painter``, and of each judge what it pays for real and
            for painted frames, as ``judge_real``, ``temporal0_judge_fake`` and so on.
        stepped: whether networks moved; not where a gradient was not finite.
    """

    painting: Painting
    scalars: Scalars
    stepped: bool


@dataclass(frozen=True, eq=False)
class VideoStep:
    """The step; its fields are what it is made of."""

    painter: SequencePainter
    judges: Judges
    optimisers: Optimisers
    weights: LossWeights
    options: StepOptions
    sampling: TemporalSampling
    flow_between: FlowTeacher
    perceptual: Perceptual | None = None
    precision: Precision = field(default_factory=Precision)

    def walk(self, clips: Clips, state: ClipState, rate: float) -> Iterator[tuple[ChunkReport, ClipBatch]]:
        """All chunks of the clips, one step each, with what they were made of; it ends where numbers are not finite."""
        while state.at < clips.frames:
            window = self._chunk_at(state.at, clips.frames)
            coming = self._chunk_at(window.stop, clips.frames) if window.stop < clips.frames else None
            # a frame earlier than what is painted: motion is to the frame before
            clip = clips.part(_with_one_before(window), None if coming is None else _with_one_before(coming))
            report, state = self.chunk(clip, state, rate)
            yield report, clip.part(slice(1, None))
            if not report.stepped:
                return  # the past may hold what was not finite

    def chunk(self, clip: ClipBatch, state: ClipState, rate: float) -> tuple[ChunkReport, ClipState]:
        """Paint the next frames of the clips, judge them, and step every optimiser at learning rate `rate`.

        Args:
            clip: the next frames, and the one before them, at least.
            state: where the clips stand.
            rate: learning rate of all optimisers.
        """
        window = self._chunk_at(state.at - clip.begin, clip.frames)
        maps, real = clip.maps_BTCHW[:, window], clip.images_BT3HW[:, window]
        painting, past = self.paint(maps, state)
        frames = ClipFrames(real, painting.frame, clip.flow_BT2HW[:, window])
        shown, temporal = self.sampling.windows(state.temporal, frames, self.flow_between)

        terms = self._motion(painting, clip, window, state.before_B3HW)
        judged = self._judge_frames(painting, maps.flatten(0, 1), real.flatten(0, 1), terms)
        for scale, judge in enumerate(self.judges.temporal if self.options.judged else ()):
            if (windows := shown[scale]) is not None:  # not before so many frames were painted
                judged[f"temporal{scale}_judge"] = objectives.temporal_terms(judge, windows, self.weights, scale)
                terms |= judged[f"temporal{scale}_judge"].terms
        painter = objectives.total(terms)

        moved = {"painter": painter} | {name: each.objective for name, each in judged.items()}
        stepped = self.optimisers.step(moved, rate)
        past, before = past.detached(), painting.frame[:, -1].detach()
        state = replace(state, past=past, before_B3HW=before, at=clip.begin + window.stop, temporal=temporal)
        return ChunkReport(painting.detached(), scalars(painter, terms, judged, painting.mask), stepped), state

    def _chunk_at(self, at: int, frames: int) -> slice:
        return slice(at, min(at + self.options.chunk, frames))

    def paint(self, maps_BTCHW: Tensor, state: ClipState) -> tuple[Painting, Any]:
        """Paint T frames, each with an eye on those before it, the painter's own."""
        # a painter that hallucinates after a blank past is told to go on doing so until the chunk ends
        raw = {"raw": True} if self.options.raw_chunk and not state.past.painted else {}
        encode, step = (self.precision.forgetful(each) for each in (self.painter.encode, self.painter.step))
        outputs = []
        with self.precision.networks():
            encoded, past = encode(maps_BTCHW, state.past)
            for t, frame in enumerate(encoded):
                if t % self.options.backprop == 0:
                    past = past.detached()
                output, after = step(frame, self._disturbed(past, state.noise), **raw)
                past = after if not state.noise else past.after(output)  # the noise is not remembered
                outputs.append(output)
        return Painting.of(outputs), past

    def _motion(self, painting: Painting, clip: ClipBatch, window: slice, before_B3HW: Tensor) -> Terms:
        """L_W and its kin: everything that compares a frame with the one before it."""
        motion = Motion(
            frame=painting.frame.flatten(0, 1),
            before=frames_before(painting.frame, before_B3HW).flatten(0, 1),
            real=clip.images_BT3HW[:, window].flatten(0, 1),
            real_before=clip.images_BT3HW[:, window.start - 1 : window.stop - 1].flatten(0, 1),
            teacher=clip.flow_BT2HW[:, window].flatten(0, 1),
            confidence=clip.confidence_BT1HW[:, window].flatten(0, 1),
            flow=None if painting.flow is None else painting.flow.flatten(0, 1),
            mask=None if painting.mask is None else painting.mask.flatten(0, 1),
        )
        return objectives.motion_terms(motion, self.weights, self.options.spatial_scales)

    def _judge_frames(self, painting: Painting, maps: Tensor, real: Tensor, terms: Terms) -> dict[str, Judged]:
        """L_I, and of poses the face's: adds to the painter's `terms`."""
        # the hallucinated frame is judged beside the blended one, else warping excuses it from learning to draw
        paintings = [each.flatten(0, 1) for each in (painting.frame, painting.hallucinated) if each is not None]
        share = 1 / len(paintings) if self.options.paintings == "mean" else 1.0
        judged: dict[str, Judged] = {}
        if self.options.judged:
            judge = self.judges.image
            judged["judge"] = objectives.image_terms(judge, maps, paintings, real, self.weights, self.perceptual)
            found = judged["judge"].terms
        else:
            found = objectives.picture_terms(paintings, real, self.weights, self.perceptual)
        terms |= {name: share * term for name, term in found.items()}
        if self.options.judged and self.judges.face is not None:
            region = face_region(maps, self.judges.face_size)
            face = objectives.face_terms(self.judges.face, maps, paintings[0], real, region, self.weights)
            # without a face the terms are zero, not missing: another process may have seen one
            judged["face_judge"] = face or objectives.nothing_judged("face_", maps.new_zeros(()))
            terms |= judged["face_judge"].terms
        return judged

    def _disturbed(self, past: Any, noise: Sequence[torch.Generator]) -> Any:
        """The past as the painter is shown it: its own frames are not perfect, and must not be trusted blindly."""
        if not noise:
            return past
        changed = past.changed(lambda images_BK3HW: disturbed(images_BK3HW, self.options.noise, noise))
        return changed


def _with_one_before(window: slice) -> slice:
    return slice(window.start - 1, window.stop)


def disturbed(images_BK3HW: Tensor, amount: float, noise: Sequence[torch.Generator]) -> Tensor:
    """Images with noise for every pixel and for every whole frame, each clip's from a source of its own."""
    shape, device = images_BK3HW.shape[1:], images_BK3HW.device

    def drawn(source: torch.Generator) -> Tensor:
        whole = torch.randn((*shape[:2], 1, 1), generator=source, device=device)
        return torch.randn(shape, generator=source, device=device) + whole

    added = torch.stack([drawn(source) for source in noise])
    return (images_BK3HW + amount * added).clamp(-1, 1)


def scalars(painter: Tensor, terms: Terms, judged: Mapping[str, Judged], mask: Tensor | None) -> Scalars:
    """Numbers to log, by name, see `ChunkReport`; brought from the device in one go."""
    values = {"painter": painter, **terms}
    for name, each in judged.items():
        values |= {f"{name}_real": each.real, f"{name}_fake": each.fake}
    if mask is not None:
        values["mask_mean"] = mask.mean()
    return dict(zip(values, torch.stack([each.detach() for each in values.values()]).tolist(), strict=True))
