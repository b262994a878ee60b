"""Training painters: the image generator alone, then the video generator with its own frames fed back.

Peculiar:
- the image generator comes first and the video generator's hallucination branch starts from it: trained jointly from
  scratch, the warp path takes over before the hallucination has learnt to draw;
- a video clip is painted in chunks, each an optimiser step; the past crosses from chunk to chunk as a detached value,
  so roll-outs are as long as the clip while memory is that of a chunk;
- past frames are given noise, and clips start from the image generator's own first frame, as they will in use.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from v2vcli.maps.spec import MapSpec
from v2vcli.models.checkpoint import ModelInfo, read_info, save_model
from v2vcli.models.discriminators import DiscriminatorConfig, MultiScaleDiscriminator, image_input, temporal_input
from v2vcli.models.generator import GeneratorConfig, PastFrames, StepOutput, Vid2VidGenerator
from v2vcli.models.image_generator import ImageGenerator, ImageGeneratorConfig
from v2vcli.train import losses
from v2vcli.train.batches import ClipBatch, Sampler
from v2vcli.train.distributed import average_gradients
from v2vcli.train.perceptual import Perceptual, perceptual_loss
from v2vcli.train.recipe import DiscriminatorRecipe, Recipe, StageRecipe
from v2vcli.train.samples import Row, sample_rows
from v2vcli.train.task import Average, Scalars, start_from
from v2vcli.train.temporal import frames_before

BETAS = (0.5, 0.999)
K = 3
"""Frames the temporal discriminator sees at once (the paper's K)."""
PAST_GAIN = 0.1
"""Norm scales of the past encoder at the start, so that the trained hallucination is not shouted down."""


def generator_config(recipe: Recipe, spec: MapSpec) -> GeneratorConfig:
    """The video generator a recipe asks for."""
    m = recipe.model
    foreground: tuple[int, ...] = ()
    if m.foreground and spec.schema is not None:
        foreground = tuple(sorted(label.id for label in spec.schema.classes if label.foreground))
    return GeneratorConfig(
        spec.channels, m.past, m.width, m.downsamplings, m.blocks, foreground=foreground, kernel=m.kernel
    )


def image_generator_config(recipe: Recipe, spec: MapSpec) -> ImageGeneratorConfig:
    """The image generator a recipe asks for."""
    m = recipe.model
    return ImageGeneratorConfig(spec.channels, m.image_width, m.downsamplings, m.image_blocks, "frame", m.kernel)


def discriminator(shape: DiscriminatorRecipe, channels: int) -> MultiScaleDiscriminator:
    """A discriminator of the recipe's shape for `channels` inputs."""
    return MultiScaleDiscriminator(
        DiscriminatorConfig(channels, shape.width, shape.layers, shape.scales, "frame", shape.cap)
    )


def start_from_image_generator(generator: Vid2VidGenerator, image_generator: ImageGenerator) -> None:
    """Copy the image generator into the hallucination branch where shapes allow, and make the past whisper.

    The map encoder's first convolution sees K + 1 maps where the image generator's sees one: the copy goes to the
    planes of the current map, and the older ones start at zero.
    """
    coarse = generator.coarse
    mine = coarse.state_dict()
    for key, value in image_generator.state_dict().items():
        if key not in mine:
            continue
        if mine[key].shape == value.shape:
            mine[key] = value
        elif key == "map_encoder.1.weight" and mine[key].shape[0] == value.shape[0]:
            mine[key] = torch.zeros_like(mine[key])
            mine[key][:, -value.shape[1] :] = value
    coarse.load_state_dict(mine)
    for part in coarse.past_encoder.modules():
        if isinstance(part, nn.InstanceNorm2d) and part.affine:
            nn.init.constant_(part.weight, PAST_GAIN)


class _Painting:
    """What the two painting tasks share: optimisers, the image discriminator, and how a painted frame is judged."""

    def __init__(
        self, recipe: Recipe, stage: StageRecipe, sampler: Sampler, spec: MapSpec, device: torch.device
    ) -> None:
        self.recipe, self.stage, self.sampler, self.spec, self.device = recipe, stage, sampler, spec, device
        self.weights = recipe.losses
        self.form = losses.GAN_FORMS[self.weights.form]
        self.perceptual: Perceptual | None = None
        if self.weights.perceptual > 0 and self.weights.perceptual_model is not None:
            self.perceptual = perceptual_loss(
                self.weights.perceptual_model,
                fallback=self.weights.perceptual_fallback,
                normalised=self.weights.imagenet_input,
                device=device,
            )
        self.judge = discriminator(recipe.discriminator, spec.channels + 3).to(device)
        self.modules: dict[str, nn.Module] = {"judge": self.judge}
        self.averages: dict[str, Average] = {}
        self.optimisers: dict[str, torch.optim.Adam] = {}
        self.shown: list[Tensor] = []
        self.last: dict[str, Tensor] = {}

    def _optimise(self, name: str, module: nn.Module) -> None:
        self.optimisers[name] = torch.optim.Adam(module.parameters(), lr=self.stage.rate, betas=BETAS)

    def _take_step(self, objectives: dict[str, Tensor], rate: float) -> None:
        """Step every optimiser on its own objective; all objectives were computed before any step."""
        for name, objective in objectives.items():
            optimiser = self.optimisers[name]
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            parameters = [p for group in optimiser.param_groups for p in group["params"]]
            gradients = torch.autograd.grad(objective, parameters, allow_unused=True)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            average_gradients(parameters)
        for name in objectives:
            self.optimisers[name].step()

    def _judged(self, maps: Tensor, fake: Tensor, real: Tensor) -> tuple[dict[str, Tensor], Tensor | None]:
        """Generator terms of painted frames against the real ones, and the image discriminator's objective if judged.

        `fake` may hold several paintings of the same N frames, one after the other: (copies N, 3, H, W).
        """
        w, copies = self.weights, len(fake) // len(real)
        maps_fake, wanted = maps.repeat(copies, 1, 1, 1), real.repeat(copies, 1, 1, 1)
        terms = {"pixel": w.pixel * (fake - wanted).abs().mean()}
        if w.gradient > 0:
            terms["gradient"] = w.gradient * losses.gradient_loss(fake, wanted)
        if self.perceptual is not None:
            terms["perceptual"] = w.perceptual * self.perceptual(fake, wanted)
        if not self.stage.judged:
            return terms, None
        # norms are per frame, so real and fake may share a pass
        seen = self.judge(torch.cat((image_input(maps_fake, fake.detach()), image_input(maps, real))))
        seen_fake = [[layer[: len(fake)] for layer in scale] for scale in seen]
        seen_real = [[layer[len(fake) :] for layer in scale] for scale in seen]
        objective = 0.5 * (self.form.fake(seen_fake) + self.form.real(seen_real))
        judged = self.judge(image_input(maps_fake, fake))
        matched = [[layer.repeat(copies, 1, 1, 1) for layer in scale] for scale in seen_real]
        terms["gan"] = w.gan * self.form.painter(judged)
        terms["feature"] = w.feature_matching * losses.feature_matching(judged, matched)
        return terms, objective

    def state(self) -> dict[str, Any]:
        """Networks, averages, optimisers."""
        return {
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "averages": {name: average.state() for name, average in self.averages.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, average in self.averages.items():
            average.load_state(state["averages"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])

    def publish(self, path: Path, frames_seen: int) -> None:
        """The averaged networks, as `v2v convert --model` loads them."""
        arch = "vid2vid" if "generator" in self.averages else "pix2pixHD"
        info = ModelInfo.of_training(self.recipe.name, arch, self.spec, self.stage.size, self.recipe, frames_seen)
        save_model(path, info, {name: average.network for name, average in self.averages.items()})

    def picture(self) -> NDArray[np.uint8] | None:
        """The last batch: one row hallucinated (of a video), one painted, one real."""
        if not self.shown:
            return None
        rows = [np.hstack([_bytes(image) for image in row]) for row in self.shown]
        return np.vstack(rows)

    def samples(self) -> list[Row]:
        """The last batch, of videos the whole first clip; none before the first step."""
        return sample_rows(self.spec, **self.last) if self.last else []


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
        self.network = ImageGenerator(image_generator_config(recipe, spec)).to(device)
        if start is not None:
            start_from(self.network, start, "image_generator")
        self.modules["image_generator"] = self.network
        self.averages["image_generator"] = Average(self.network, recipe.ema)
        self._optimise("image_generator", self.network)
        self._optimise("judge", self.judge)

    def step(self, draw: int, rate: float) -> Scalars:
        """One batch of frames."""
        batch = self.sampler.clips_batch(draw, self.spec, self.device)
        maps, real = batch.maps_BTCHW.flatten(0, 1), batch.images_BT3HW.flatten(0, 1)
        fake = self.network(maps)
        terms, objective = self._judged(maps, fake, real)
        objectives = {"image_generator": torch.stack(list(terms.values())).sum()}
        if objective is not None:
            objectives["judge"] = objective
        self._take_step(objectives, rate)
        self.averages["image_generator"].update(self.network)
        self.shown = [fake.detach(), real]
        self.last = {"maps_NCHW": maps, "painted_N3HW": fake.detach(), "real_N3HW": real}
        return {
            **{name: term.item() for name, term in terms.items()},
            **({} if objective is None else {"judge": objective.item()}),
            "frames": float(len(real)),
        }


class VideoTask(_Painting):
    """The video generator: everything above, and flow, warp and temporal GAN terms, on clips."""

    def __init__(
        self, recipe: Recipe, stage: StageRecipe, sampler: Sampler, spec: MapSpec, device: torch.device, start: Path
    ) -> None:
        """Start from the checkpoint `start`: its video generator if it has one, else its image generator."""
        super().__init__(recipe, stage, sampler, spec, device)
        self.first = first = ImageGenerator(image_generator_config(recipe, spec)).to(device).requires_grad_(False)
        start_from(first, start, "image_generator")
        self.network = Vid2VidGenerator(generator_config(recipe, spec)).to(device)
        if "generator" in read_info(start).parts:
            start_from(self.network, start, "generator")
        else:
            start_from_image_generator(self.network, first)
        self.temporal_judge = discriminator(recipe.discriminator, 3 * K + 2 * (K - 1)).to(device)
        self.modules |= {"generator": self.network, "temporal_judge": self.temporal_judge}
        self.averages = {"generator": Average(self.network, recipe.ema), "image_generator": Average(first, recipe.ema)}
        self._optimise("generator", self.network)
        self._optimise("judge", self.judge)
        self._optimise("temporal_judge", self.temporal_judge)
        self.generator_noise = torch.Generator(device="cpu")

    def step(self, draw: int, rate: float) -> Scalars:
        """One batch of clips, one optimiser step per chunk."""
        batch = self.sampler.clips_batch(draw, self.spec, self.device)
        self.generator_noise.manual_seed(draw)
        with torch.no_grad():
            painted = self.first(batch.maps_BTCHW[:, 0])
        past = self.network.start(painted, batch.maps_BTCHW[:, 0])
        logged: list[Scalars] = []
        self.last = {}
        for begin in range(1, self.stage.frames, self.stage.chunk):
            scalars, past = self._chunk(
                batch, slice(begin, min(begin + self.stage.chunk, self.stage.frames)), past, rate
            )
            logged.append(scalars)
        # a short last chunk has no temporal terms: each term is averaged over the chunks that have it
        values = {name: [each[name] for each in logged if name in each] for name in {**logged[0], **logged[-1]}}
        mean = {name: sum(each) / len(each) for name, each in values.items()}
        return mean | {"frames": float(batch.images_BT3HW.shape[0] * self.stage.frames)}

    def _chunk(self, batch: ClipBatch, window: slice, past: PastFrames, rate: float) -> tuple[Scalars, PastFrames]:
        """Paint the frames of `window` after `past`, judge them, and step."""
        maps, real = batch.maps_BTCHW[:, window], batch.images_BT3HW[:, window]
        real_before = batch.images_BT3HW[:, window.start - 1 : window.stop - 1].flatten(0, 1)
        teacher, confidence = batch.flow_BT2HW[:, window].flatten(0, 1), batch.confidence_BT1HW[:, window].flatten(0, 1)
        before = past.images_BK3HW[-1]  # the real length of the past the temporal discriminator may look at is K - 1

        outputs: list[StepOutput] = []
        encoded, past = self.network.encode(maps, past)
        for frame in encoded:
            output, _ = self.network.step(frame, self._noisy(past))
            past = past.after_frames([image.detach() for image in output.frames])  # never back-propagated through time
            outputs.append(output)

        frames, raw = _gathered(outputs, "frame"), _gathered(outputs, "hallucinated")
        flow, real_flat, maps_flat = _gathered(outputs, "flow"), real.flatten(0, 1), maps.flatten(0, 1)
        w = self.weights
        # the hallucinated frame is judged beside the blended one, else warping excuses it from learning to draw
        terms, objective = self._judged(maps_flat, torch.cat((frames, raw)), real_flat)
        painted_before = frames_before(frames.unflatten(0, real.shape[:2]), before[:, -1]).flatten(0, 1)
        terms["flow"] = w.flow * losses.flow_loss(flow, teacher, confidence)
        terms["flow_warp"] = w.flow_warp * losses.flow_warp_loss(flow, real_flat, real_before, confidence)
        terms["frame_warp"] = w.frame_warp * losses.frame_warp_loss(frames, painted_before, teacher, confidence)
        objectives = {} if objective is None else {"judge": objective}
        if self.stage.judged and real.shape[1] >= K:
            terms |= self._judged_in_time(frames.unflatten(0, real.shape[:2]), batch, window, objectives)
        objectives["generator"] = torch.stack(list(terms.values())).sum()
        self._take_step(objectives, rate)
        self.averages["generator"].update(self.network)
        self.shown = [raw.detach(), frames.detach(), real_flat]
        self._keep_for_samples(outputs, maps[0], real[0])
        scalars = {name: term.item() for name, term in terms.items()}
        scalars["mask"] = _gathered(outputs, "mask").mean().item()
        return scalars | {name: objectives[name].item() for name in objectives if name != "generator"}, past

    def _keep_for_samples(self, outputs: list[StepOutput], maps_TCHW: Tensor, real_T3HW: Tensor) -> None:
        """Add a chunk of the first clip of the batch to what `samples` shows."""
        chunk = {"maps_NCHW": maps_TCHW, "real_N3HW": real_T3HW}
        for column, name in _COLUMNS.items():
            chunk[column] = torch.cat([getattr(output, name)[:1].detach() for output in outputs])
        self.last = {name: torch.cat((self.last.get(name, each[:0]), each)) for name, each in chunk.items()}

    def _judged_in_time(
        self, frames_BT3HW: Tensor, batch: ClipBatch, window: slice, objectives: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Temporal discriminator on every K consecutive frames of the chunk, with the teacher's flow between them."""
        real, flow = batch.images_BT3HW[:, window], batch.flow_BT2HW[:, window]
        starts = range(real.shape[1] - K + 1)

        def windows(frames: Tensor) -> Tensor:
            return torch.cat([temporal_input(frames[:, t : t + K], flow[:, t + 1 : t + K]) for t in starts])

        seen_fake, seen_real = self.temporal_judge(windows(frames_BT3HW.detach())), self.temporal_judge(windows(real))
        objectives["temporal_judge"] = 0.5 * (self.form.fake(seen_fake) + self.form.real(seen_real))
        judged = self.temporal_judge(windows(frames_BT3HW))
        return {
            "temporal_gan": self.weights.temporal * self.form.painter(judged),
            "temporal_feature": self.weights.temporal
            * self.weights.feature_matching
            * losses.feature_matching(judged, seen_real),
        }

    def _noisy(self, past: PastFrames) -> PastFrames:
        """The past as the generator is shown it: its own frames are not perfect, and must not be trusted blindly."""
        if self.stage.noise == 0:
            return past
        return replace(past, images_BK3HW=tuple(self._disturbed(images) for images in past.images_BK3HW))

    def _disturbed(self, images_BK3HW: Tensor) -> Tensor:
        """Images with noise for every pixel and for every whole frame."""
        shape = images_BK3HW.shape
        noise = torch.randn(shape, generator=self.generator_noise) + torch.randn(
            (*shape[:3], 1, 1), generator=self.generator_noise
        )
        return (images_BK3HW + self.stage.noise * noise.to(self.device)).clamp(-1, 1)


_COLUMNS = {
    "painted_N3HW": "frame",
    "hallucinated_N3HW": "hallucinated",
    "flow_N2HW": "flow",
    "mask_N1HW": "mask",
}
"""What of a step's output is shown, and as what `sample_rows` knows it."""


def _gathered(outputs: list[StepOutput], name: str) -> Tensor:
    """One field of T outputs of B sequences, as (B T, ...)."""
    return torch.stack([getattr(output, name) for output in outputs], 1).flatten(0, 1)


def _bytes(image_3HW: Tensor) -> NDArray[np.uint8]:
    """(3, H, W) in [-1, 1] -> (H, W, 3) uint8."""
    return ((image_3HW.permute(1, 2, 0).clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy()
