"""Training the street segmenter on sources whose label sets differ.

Peculiar: it always predicts the finest set (Cityscapes' 19 classes); a source with coarser labels (CamVid's 11) is
compared with the sums of probabilities of the classes that make up each of its own, so no label has to be guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from v2vcli.maps.schema import SCHEMAS, LabelSchema
from v2vcli.maps.spec import MapSpec
from v2vcli.models.checkpoint import ModelInfo, save_model
from v2vcli.models.segmenter import Segmenter, SegmenterConfig
from v2vcli.train.batches import LabelledBatch, Sampler
from v2vcli.train.clip_sampling import ClipWindow
from v2vcli.train.clips import Clip
from v2vcli.train.distributed import average_gradients
from v2vcli.train.footage import Footage
from v2vcli.train.losses import grouped_cross_entropy
from v2vcli.train.recipe import Recipe, StageRecipe
from v2vcli.train.samples import Row, image_pictures
from v2vcli.train.task import Average, Scalars, start_from

WEIGHT_DECAY = 0.02
WEIGHT_LIMITS = (0.4, 2.5)
COUNTED = 64
"""Stretches of each footage that is not in memory, whose labels are counted to estimate how rare each is."""


def fine_to_coarse(fine: LabelSchema, coarse: LabelSchema, device: torch.device) -> torch.Tensor:
    """(classes,) int64: the id in `coarse` of every class of `fine`, in the order of its ids; void where none."""
    table = fine.remap_table(coarse)
    return torch.from_numpy(table[: len(fine.classes)].astype(np.int64)).to(device)


def _label_counts(clip: Footage) -> NDArray[np.float64]:
    """(256,) pixels of each id, of a clip in memory or estimated from some frames of other footage."""
    if isinstance(clip, Clip):
        return np.bincount(clip.maps.ravel(), minlength=256).astype(np.float64)
    lengths = clip.stretches
    chosen = np.unique(np.linspace(0, len(lengths) - 1, COUNTED).round().astype(np.int64))
    found = np.zeros(256)
    for stretch in chosen:
        window = ClipWindow(int(lengths[stretch]) // 2, 1, 1)
        made = clip.read(int(stretch), window, np.random.default_rng(0)).maps[0]
        found += np.bincount(made.array.ravel(), minlength=256) * (lengths.sum() / len(chosen))
    return found


def rarity_weights(clips: Sequence[Footage]) -> dict[str, torch.Tensor]:
    """By schema name, (256,) weight of each id: rarer classes count more, by the root of how rare, within limits."""
    counts: dict[str, NDArray[np.float64]] = {}
    for clip in clips:
        name = clip.spec.label_schema.name
        found = _label_counts(clip)
        counts[name] = counts.get(name, np.zeros(256)) + clip.weight * found
    weights = {}
    for name, found in counts.items():
        present = found > 0
        typical = np.median(found[present])
        weight = np.sqrt(typical / np.maximum(found, 1.0)).clip(*WEIGHT_LIMITS)
        weights[name] = torch.from_numpy(np.where(present, weight, 1.0).astype(np.float32))
    return weights


class SegmentTask:
    """Cross-entropy on single labelled pictures, AdamW."""

    def __init__(
        self, recipe: Recipe, stage: StageRecipe, sampler: Sampler, device: torch.device, start: Path | None
    ) -> None:
        """Start anew, or from the segmenter in the checkpoint `start`."""
        self.recipe, self.sampler, self.device = recipe, sampler, device
        self.schema = SCHEMAS[recipe.model.schema_name or "cityscapes19"]
        self.network = (
            Segmenter(SegmenterConfig(len(self.schema.classes), recipe.model.widths))
            .to(device)
            .to(memory_format=torch.channels_last)
        )
        if start is not None:
            start_from(self.network, start, "segmenter")
        self.modules: dict[str, nn.Module] = {"segmenter": self.network}
        self.average = Average(self.network, recipe.ema)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=stage.rate, weight_decay=WEIGHT_DECAY)
        self.size = stage.size
        self.weights = {name: weight.to(device) for name, weight in rarity_weights(sampler.clips).items()}
        self.last: LabelledBatch | None = None

    def step(self, draw: int, rate: float, *, keep: bool = False) -> Scalars:
        """One batch of labelled pictures."""
        batch = self.sampler.labelled_batch(draw, self.device)
        self.last = batch if keep else None
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        logits = self.network.half_logits(batch.images.contiguous(memory_format=torch.channels_last))
        losses = [
            grouped_cross_entropy(
                each, ids, fine_to_coarse(self.schema, schema, self.device), self.weights[schema.name]
            )
            for each, ids, schema in zip(logits, batch.ids, batch.schemas, strict=True)
        ]
        loss = torch.stack(losses).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.network.parameters())
        self.optimiser.step()
        self.average.update(self.network)
        return {"loss": loss.item(), "frames": float(len(batch.images))}

    def state(self) -> dict[str, Any]:
        """Network, average, optimiser."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.network.load_state_dict(state["network"])
        self.average.load_state(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])

    def publish(self, path: Path, frames_seen: int) -> None:
        """The averaged network, with the labels it gives."""
        spec = MapSpec("labels", schema=self.schema)
        info = ModelInfo.of_training(self.recipe.name, "segmenter", spec, self.size, self.recipe, frames_seen)
        save_model(path, info, {"segmenter": self.average.network})

    @torch.no_grad()
    def samples(self) -> list[Row]:
        """The batch of the last step, if it was kept: pictures and what the averaged network sees in them."""
        if self.last is None:
            return []
        found = self.average.network(self.last.images).argmax(1).cpu().numpy().astype(np.uint8)
        pictures = zip(image_pictures(self.last.images), self.schema.colourise(found), strict=True)
        return [{"picture": picture, "segmented": labels} for picture, labels in pictures]
