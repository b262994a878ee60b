"""Training painters: single frames (`ImageTask`), then videos, with their own frames fed back (`VideoTask`).

Peculiar:
- what a step computes is in `v2vcli.train.step`; here is what a recipe makes of it: which networks, from what they
  start, what is logged, saved and published;
- the image generator comes first and the video generator's hallucination branch starts from it, see
  `v2vcli.train.networks`;
- past frames may be given noise, and clips start from the image generator's own first frame, as they will in use.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from v2vcli.errors import RecipeError
from v2vcli.maps.spec import MapSpec
from v2vcli.models.checkpoint import ModelInfo, read_info, save_model
from v2vcli.models.covst import Covst
from v2vcli.models.discriminators import MultiScaleDiscriminator, image_channels, temporal_channels
from v2vcli.models.generator import PastFrames, Vid2VidGenerator
from v2vcli.models.image_generator import ImageGenerator
from v2vcli.train import networks, objectives
from v2vcli.train.batches import Sampler
from v2vcli.train.clip_loading import ClipBatch, Clips
from v2vcli.train.distributed import World
from v2vcli.train.flow import between
from v2vcli.train.losses import GAN_FORMS
from v2vcli.train.objectives import Judge, LossWeights
from v2vcli.train.optimisers import Optimisers
from v2vcli.train.perceptual import Perceptual, perceptual_loss
from v2vcli.train.precision import Precision
from v2vcli.train.recipe import Recipe, StageRecipe
from v2vcli.train.samples import Row, sample_rows
from v2vcli.train.step import ClipState, Judges, Painting, StepOptions, VideoStep, scalars
from v2vcli.train.task import Average, Scalars
from v2vcli.train.temporal import TemporalSampling


class _Painting:
    """What the two painting tasks share: discriminators, optimisers, averages, and what becomes of them."""

    def __init__(
        self, recipe: Recipe, stage: StageRecipe, sampler: Sampler, spec: MapSpec, device: torch.device
    ) -> None:
        self.recipe, self.stage, self.sampler, self.spec, self.device = recipe, stage, sampler, spec, device
        w, p = recipe.losses, recipe.precision
        blank = 1.0 if stage.kind == "video" and stage.start == "blank" else 0.0
        self.weights = LossWeights(
            **{name: getattr(w, name) for name in LossWeights.__dataclass_fields__ if name != "mask"},
            mask=blank if w.mask is None else w.mask,
        )
        self.precision = Precision(p.kind, device.type, p.checkpointing, p.channels_last, p.compile)
        self.perceptual: Perceptual | None = None
        if w.perceptual > 0 and w.perceptual_model is not None:
            perceptual = perceptual_loss(
                w.perceptual_model, fallback=w.perceptual_fallback, normalised=w.imagenet_input, device=device
            )
            self.perceptual = self.precision.comparing(perceptual)
        self.shape = recipe.discriminator_of(stage)
        self.modules: dict[str, nn.Module] = {}
        self.averages: dict[str, Average] = {}
        self.published: dict[str, nn.Module] = {}
        self.kept: dict[str, Tensor] = {}

    def _train(self, part: str, network: nn.Module) -> None:
        """Train this network, and publish its average as `part` of the model."""
        network.to(self.device)
        self.averages[part] = Average(network, self.recipe.ema)
        self.published[part] = self.averages[part].network
        self.precision.prepared(network)
        self.modules[part] = network

    def _judge(self, name: str, channels: int, *, face: bool = False) -> Judge:
        """A new discriminator."""
        config = networks.discriminator_config(self.shape, channels)
        network = MultiScaleDiscriminator(config.for_faces() if face else config).to(self.device)
        self.precision.prepared(network)
        self.modules[name] = network
        form, joined = GAN_FORMS[self.recipe.losses.form], config.per_frame
        # the face's shares the image discriminator's divisor, as in the reference
        return Judge(self.precision.judging(network), form, joined, config.scales)

    def _optimisers(self, painter: nn.Module) -> Optimisers:
        o = self.recipe.optimiser
        judges = {name: network for name, network in self.modules.items() if name.endswith("judge")}
        return Optimisers(
            {"painter": painter, **judges}, rate=self.stage.rate, betas=o.betas, fused=o.fused, patience=o.patience
        )

    optimisers: Optimisers

    def state(self) -> dict[str, Any]:
        """Networks, averages, optimisers."""
        return {
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "averages": {name: average.state() for name, average in self.averages.items()},
            "optimisers": self.optimisers.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, average in self.averages.items():
            average.load_state(state["averages"][name])
        self.optimisers.load_state(state["optimisers"])

    def publish(self, path: Path, frames_seen: int) -> None:
        """The averaged networks, as `v2v convert --model` loads them."""
        arch = "pix2pixHD" if list(self.published) == ["image_generator"] else self.recipe.model.arch
        info = ModelInfo.of_training(self.recipe.name, arch, self.spec, self.stage.size, self.recipe, frames_seen)
        save_model(path, info, self.published)

    def samples(self) -> list[Row]:
        """The batch of the last step, of videos the whole first clip; none if it was not to be kept."""
        return sample_rows(self.spec, **self.kept) if self.kept else []

    def _counted(self, values: Scalars, frames: int) -> Scalars:
        """What is logged of a draw, besides its terms."""
        skipped = {"skipped": float(self.optimisers.skipped)} if self.optimisers.skipped else {}
        return values | skipped | {"frames": float(frames)}


class ImageTask(_Painting):
    """The image generator: GAN, feature matching, pixel and perceptual terms on single frames."""

    def __init__(
        self,
        recipe: Recipe,
        stage: StageRecipe,
        sampler: Sampler,
        spec: MapSpec,
        device: torch.device,
        start: Path | None,
    ) -> None:
        """Start anew, or from the image generator in the checkpoint `start`."""
        super().__init__(recipe, stage, sampler, spec, device)
        self.network = ImageGenerator(networks.image_generator_config(recipe, spec))
        if start is not None:
            networks.start_from(self.network, start, "image_generator")
        self._train("image_generator", self.network)
        self.judge = self._judge("judge", image_channels(spec.channels))
        self.optimisers = self._optimisers(self.network)

    def step(self, draw: int, rate: float, *, keep: bool = False) -> Scalars:
        """One batch of frames."""
        clips = self.sampler.clips_batch(draw, self.spec, self.device)
        batch = clips.part(slice(0, clips.frames))
        maps, real = batch.maps_BTCHW.flatten(0, 1), batch.images_BT3HW.flatten(0, 1)
        with self.precision.networks():
            fake = self.precision.forgetful(self.network)(self.precision.laid_out(maps)).float()
        judged = {}
        if self.stage.judged:
            judged["judge"] = objectives.image_terms(self.judge, maps, [fake], real, self.weights, self.perceptual)
            terms = judged["judge"].terms
        else:
            terms = objectives.picture_terms([fake], real, self.weights, self.perceptual)
        painter = objectives.total(terms)
        moved = {"painter": painter} | {name: each.objective for name, each in judged.items()}
        values: Scalars = {}
        if self.optimisers.step(moved, rate):
            self.averages["image_generator"].update(self.network)
            values = scalars(painter, terms, judged, None)
        self.kept = {"maps_NCHW": maps, "painted_N3HW": fake.detach(), "real_N3HW": real} if keep else {}
        return self._counted(values, len(real))


class VideoTask(_Painting):
    """A painter of videos: everything above, and flow, warp and temporal GAN terms, on clips."""

    def __init__(
        self,
        recipe: Recipe,
        stage: StageRecipe,
        sampler: Sampler,
        spec: MapSpec,
        device: torch.device,
        start: Path | None,
        world: World | None = None,
    ) -> None:
        """Start from the checkpoint `start`: its video painter if it has one, else its image generator; or anew."""
        super().__init__(recipe, stage, sampler, spec, device)
        self.world = world or World()
        parts = () if start is None else read_info(start).parts
        self.first: ImageGenerator | None = None
        self.network: Vid2VidGenerator | Covst
        if recipe.model.arch == "covst":
            self.network = Covst(networks.covst_config(recipe, spec))
            if start is not None:
                networks.start_from_stylisation(self.network, start)
            self._train("covst", self.network)
            self.first = self.network.image_generator
        else:
            self.network = self._vid2vid(start, parts)
        if self.first is None and stage.start == "painted":
            raise RecipeError(
                f"stage {stage.name!r} starts clips from an image generator: put an image stage before it, or give "
                '--start, or set stage.start to "real" or "blank"'
            )
        self.video_step = self._step()
        self.optimisers = self.video_step.optimisers

    def _vid2vid(self, start: Path | None, parts: Any) -> Vid2VidGenerator:
        """The video generator, and the image generator that goes with it into the model, if there is one."""
        network = Vid2VidGenerator(networks.generator_config(self.recipe, self.spec, self.recipe.scales_of(self.stage)))
        if start is not None and "image_generator" in parts:
            self.first = ImageGenerator(networks.image_generator_config(self.recipe, self.spec))
            networks.start_from(self.first, start, "image_generator")
            self.first.requires_grad_(False).to(self.device)
            self.published["image_generator"] = self.first
        if start is not None and "generator" in parts:
            networks.start_from_coarser(network, start)
        elif self.first is not None:
            networks.start_from_image_generator(network, self.first)
        self._train("generator", network)
        return network

    def _step(self) -> VideoStep:
        stage, shape, size = self.stage, self.shape, self.stage.size
        judges = Judges(
            self._judge("judge", image_channels(self.spec.channels)),
            [
                self._judge(f"temporal{scale}_judge", temporal_channels(shape.temporal_frames))
                for scale in range(shape.temporal_scales)
            ],
            self._judge("face_judge", image_channels(self.spec.channels), face=True) if shape.face else None,
            min(size),
        )
        options = StepOptions(
            chunk=stage.chunk,
            backprop=stage.backprop,
            noise=stage.noise,
            judged=stage.judged,
            paintings=self.recipe.losses.paintings,
            spatial_scales=len(self.network.scales) if isinstance(self.network, Vid2VidGenerator) else 1,
        )
        return VideoStep(
            painter=self.network,
            judges=judges,
            optimisers=self._optimisers(self.network),
            weights=self.weights,
            options=options,
            sampling=TemporalSampling(shape.temporal_frames, shape.temporal_scales),
            # looked for when it is needed: no network is loaded for one temporal judge
            flow_between=between(lambda images: self.sampler.flow_maker(self.device)(images)),
            perceptual=self.perceptual,
            precision=self.precision,
        )

    def step(self, draw: int, rate: float, *, keep: bool = False) -> Scalars:
        """One batch of clips, one step of the optimisers per chunk."""
        plan = self.sampler.schedule.at(draw)
        if isinstance(self.network, Vid2VidGenerator):
            self.network.freeze_coarser(plan.finest_alone)
        options = replace(self.video_step.options, chunk=plan.chunk, backprop=plan.backprop)
        clips = self.sampler.clips_batch(draw, self.spec, self.device)
        logged: list[Scalars] = []
        self.kept = {}
        begun = self._begin(clips, draw)
        for report, clip in replace(self.video_step, options=options).walk(clips, begun, rate):
            if report.stepped:
                self._average()
                logged.append(report.scalars)
            if keep:
                self._keep(report.painting, clip)
        # a first chunk may have no temporal terms yet: each term is averaged over the chunks that have it
        names = dict.fromkeys(name for each in logged for name in each)
        values = {name: [each[name] for each in logged if name in each] for name in names}
        mean = {name: sum(each) / len(each) for name, each in values.items()}
        return self._counted(mean, len(begun.before_B3HW) * clips.frames)

    def _begin(self, clips: Clips, draw: int) -> ClipState:
        """The past that clips start from, and the first frame to paint."""
        given = clips.part(slice(0, 1 if self.stage.start == "painted" else self.recipe.model.past))
        maps, real = given.maps_BTCHW, given.images_BT3HW
        match self.stage.start:
            case "painted":
                assert self.first is not None
                with torch.no_grad(), self.precision.networks():
                    before = self.first(self.precision.laid_out(maps[:, 0])).float()
                    past: Any = self.network.start(before, maps[:, 0])
            case "real" | "blank" as start:
                before = real[:, -1]
                past = self._given(maps, real if start == "real" else None)
        noise: list[torch.Generator] = []
        if self.stage.noise > 0:  # a clip's own, whichever process has it
            offset = self.world.share(self.stage.batch).start
            seeds = [(draw << 20) + offset + index for index in range(len(maps))]
            noise = [torch.Generator(self.device).manual_seed(seed) for seed in seeds]
        return ClipState(past, before, given.frames, noise=noise)

    def _given(self, maps_BKCHW: Tensor, images_BK3HW: Tensor | None) -> Any:
        """A past of frames that are not painted, or of none."""
        if isinstance(self.network, Covst):
            image = None if images_BK3HW is None else images_BK3HW[:, -1]
            with torch.no_grad(), self.precision.networks():
                return self.network.start(image, maps_BKCHW[:, -1])
        scales = len(self.network.scales)
        if images_BK3HW is None:
            return PastFrames.blank(maps_BKCHW, scales)
        return PastFrames.starting(images_BK3HW, maps_BKCHW, scales)

    def _average(self) -> None:
        for part, average in self.averages.items():
            average.update(self.modules[part])

    def _keep(self, painting: Painting, clip: ClipBatch) -> None:
        """Remember a chunk of the first clip, in host memory."""
        chunk = {"maps_NCHW": clip.maps_BTCHW[0], "real_N3HW": clip.images_BT3HW[0]} | _columns(painting)
        for name, each in chunk.items():
            self.kept[name] = torch.cat((self.kept.get(name, each[:0].cpu()), each.cpu()))


def _columns(painting: Painting) -> dict[str, Tensor]:
    """What of the first clip's painting is shown, as `sample_rows` knows it; flow and mask at the frames' size."""
    size = painting.frame.shape[-2:]
    found = {
        "painted_N3HW": painting.frame,
        "hallucinated_N3HW": painting.hallucinated,
        "flow_N2HW": painting.flow,
        "mask_N1HW": painting.mask,
    }
    return {
        name: each[0] if each.shape[-2:] == size else F.interpolate(each[0], size)
        for name, each in found.items()
        if each is not None
    }
