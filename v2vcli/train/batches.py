"""Batches out of clips: prepared ahead, and split among processes; `clip_loading` brings them to the device.

Peculiar: no iterator state. What a batch holds is a function of (seed, stage, draw), see `v2vcli.train.drawing`; so a
resumed run sees exactly the batches that the uninterrupted one would have seen, and so does a run with more workers.
What needs a network (RAFT's flow) is done here, on the device; everything else may have been done by a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2vcli.errors import RecipeError, SchemaMismatch
from v2vcli.maps.schema import LabelSchema
from v2vcli.maps.spec import MapSpec
from v2vcli.train.clip_loading import Clips, DrawnClips, as_tensor
from v2vcli.train.distributed import World
from v2vcli.train.drawing import Drawer, FlowMaker, LabelledSample, Sample, Uncut, cut_flow, recoloured, with_flow
from v2vcli.train.flow import teacher_flow
from v2vcli.train.footage import Footage
from v2vcli.train.prefetch import Prefetcher
from v2vcli.train.recipe import DataRecipe, StageRecipe
from v2vcli.train.stage_schedule import Shot, StageSchedule, windows_per_epoch

__all__ = ["LabelledBatch", "Sampler", "recoloured", "shots"]

AHEAD = 2
"""Clips that are prepared ahead for each worker, on top of the batch in hand."""


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Pictures with the ids a segmenter should find, at half their resolution, where it is trained.

    Shapes: images (B, 3, H, W) in [-1, 1]; ids (B, H/2, W/2) int64 in `schemas[b]`.
    """

    images: Tensor
    ids: Tensor
    schemas: list[LabelSchema]


def shots(clips: Sequence[Footage]) -> list[Shot]:
    """What windows are drawn from, for `windows_per_epoch`."""
    return [Shot(clip.source, int(frames)) for clip in clips for frames in clip.stretches]


class Sampler:
    """Draws batches for one stage. A context manager: leaving it ends the workers.

    Attributes:
        clips: all footage; what is too short for the stage is never drawn.
        schedule: the stage laid out for these clips: how many draws there are, and what holds for each.
    """

    def __init__(
        self,
        clips: Sequence[Footage],
        data: DataRecipe,
        stage: StageRecipe,
        seed: tuple[int, int],
        *,
        past: int = 2,
        world: World = World(),  # noqa: B008 - frozen
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Check that the stage can be drawn from the clips.

        Args:
            clips: all footage.
            data: the recipe's data table.
            stage: the recipe's stage.
            seed: (recipe's seed, number of the stage).
            past: painted frames that the model looks at.
            world: which share of every batch this process takes.
            report: told of files that are left out.

        Raises:
            RecipeError: no clip is long enough, or the batch cannot be shared evenly.
        """
        self.clips = list(clips)
        self._data, self._stage, self._seed = data, stage, seed
        self._report = report
        self._places = range(stage.batch)[world.share(stage.batch)]
        self._clips_ahead: Prefetcher[tuple[int, int, int], Sample] | None = None
        self._labelled_ahead: Prefetcher[tuple[int, int], LabelledSample] | None = None
        self._left_out: set[str] = set()
        self._spec: MapSpec | None = None
        self._network: FlowMaker | None = None
        longest = self._require_long_enough()
        windows = windows_per_epoch(stage, self.clips[0].spec.kind, shots(self.clips)) if stage.epochs else None
        self.schedule = StageSchedule(stage, past=past, windows=windows, longest=longest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; safe to call twice."""
        for ahead in (self._clips_ahead, self._labelled_ahead):
            if ahead is not None:
                ahead.close()

    def clips_batch(self, draw: int, spec: MapSpec, device: torch.device) -> Clips:
        """The `draw`-th batch of clips: this process's share of it, to be brought to the device part by part.

        Raises:
            SchemaMismatch: a source's labels do not fit the model's, or have ids that their schema does not know.
            RecipeError: more files cannot be read than the recipe allows.
            BrokenProcessPool: a worker died.
        """
        drawer = Drawer(self.clips, self._data, self._stage, self._seed, spec)
        if self._clips_ahead is None or self._spec != spec:
            self.close()
            self._require_schemas(spec)
            self._spec, self._clips_ahead = spec, Prefetcher(partial(_clip, drawer), self._workers)
        keys = [(draw, place, self._frames(draw)) for place in self._places]
        coming = ((later, place, self._frames(later)) for later in self._later(draw) for place in self._places)
        samples = self._clips_ahead.get(keys, coming)
        self._tell(line for sample in samples for line in sample.left_out)
        flows = [self._flow(sample, drawer, device) for sample in samples]
        return DrawnClips(samples, flows, device)

    def labelled_batch(self, draw: int, device: torch.device) -> LabelledBatch:
        """The `draw`-th batch of single labelled pictures, scaled, cropped, mirrored and recoloured at random."""
        if self._labelled_ahead is None:
            drawer = Drawer(self.clips, self._data, self._stage, self._seed, None)
            self._labelled_ahead = Prefetcher(partial(_labelled, drawer), self._workers)
        keys = [(draw, place) for place in self._places]
        coming = ((later, place) for later in self._later(draw) for place in self._places)
        samples = self._labelled_ahead.get(keys, coming)
        self._tell(line for sample in samples for line in sample.left_out)
        ids = np.stack([sample.ids for sample in samples])
        return LabelledBatch(
            as_tensor(np.stack([sample.image for sample in samples]), device),
            torch.from_numpy(ids.astype(np.int64)).to(device),
            [sample.schema for sample in samples],
        )

    @property
    def _workers(self) -> int:
        """None where all clips lie in memory: sending them to workers would cost more than cutting them."""
        return 0 if all(clip.resident for clip in self.clips) else self._data.workers

    def _frames(self, draw: int) -> int:
        return self.schedule.at(draw).frames

    def _later(self, draw: int) -> range:
        """Draws that are prepared while `draw` is trained on."""
        if self._workers == 0:
            return range(0)
        draws = -(-AHEAD * self._workers // len(self._places))
        return range(draw + 1, min(self.schedule.steps, draw + 1 + draws))

    def _flow(
        self, sample: Sample, drawer: Drawer, device: torch.device
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(T, H, W, 2) and (T, H, W); zero where a stage has no use for flow."""
        if sample.flow is not None and sample.confidence is not None:
            return sample.flow, sample.confidence
        if sample.uncut is None:
            shape = sample.images.shape[:3]
            return np.zeros((*shape, 2), np.float32), np.zeros(shape, np.float32)
        return self._found(sample.uncut, drawer, device)

    def _found(
        self, uncut: Uncut, drawer: Drawer, device: torch.device
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """By the network that the recipe names, on the device."""
        return cut_flow(with_flow(uncut.moment, self.flow_maker(device), drawer.flow_cache()), uncut.plan)

    def flow_maker(self, device: torch.device) -> FlowMaker:
        """What finds flow where none is known: the network that the recipe names, on the device, or DIS."""
        if self._data.teacher not in ("raft_small", "raft_large"):
            return teacher_flow
        if self._network is None:
            from v2vcli.train.raft import raft_flow

            self._network = raft_flow(self._data.teacher, device)
        return self._network

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line not in self._left_out:
                self._left_out.add(line)
                self._report(f"left out: {line}")
        if len(self._left_out) > self._data.max_bad_files:
            raise RecipeError(
                f"more than data.max_bad_files = {self._data.max_bad_files} files cannot be read; they are named above"
            )

    def _require_long_enough(self) -> int:
        """Frames of the longest stretch."""
        frames = self._stage.frames
        longest = max(self.clips, key=lambda clip: int(clip.stretches.max(initial=0)), default=None)
        length = 0 if longest is None else int(longest.stretches.max(initial=0))
        if longest is None or length < frames:
            most = "" if longest is None else f"; the longest, of {longest.name}, has {length}"
            raise RecipeError(
                f"stage {self._stage.name!r} reads {frames} frames at a time; no clip is that long{most}; "
                "set stage.frames lower, or give longer clips"
            )
        return length

    def _require_schemas(self, spec: MapSpec) -> None:
        """Before the first step, not when the clip is drawn."""
        for clip in self.clips:
            if clip.spec.schema is None or spec.schema is None:
                continue
            try:
                clip.spec.schema.remap_table(spec.schema)
            except SchemaMismatch as error:
                raise SchemaMismatch(f"{clip.name}: {error}") from None


def _clip(drawer: Drawer, key: tuple[int, int, int]) -> Sample:
    return drawer.clip(*key)


def _labelled(drawer: Drawer, key: tuple[int, int]) -> LabelledSample:
    return drawer.labelled(*key)
