"""A step of a stage, rehearsed: how much memory it wants, before there is data or a device to try it on.

The stage's own task takes a step on PyTorch's ``meta`` device, where tensors have shapes and no content. What is alive
at most is added up (`v2vcli.models.live_bytes`): weights, running means, optimisers, clips, activations, gradients.

Peculiar:
- the longest chunks of the stage are rehearsed, since that is where memory runs out, and no more of them than it takes
  until every discriminator is at work; clips wait in host memory, so a longer one adds nothing;
- bf16 is autocast, which knows no meta device: here convolutions are given bf16 instead, as it would give them;
- what is left out: the chunk that a GPU is sent ahead, the face's discriminator (it looks at pixels), noise, RAFT's own
  memory, and whatever the device's libraries hold for themselves. PyTorch's CPU build, in float32, was found to
  allocate 0 to 13 % more; GPUs and bf16 were not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from v2vcli.maps.spec import MapSpec
from v2vcli.models.catalog import find_model
from v2vcli.models.checkpoint import read_info
from v2vcli.models.image_generator import ImageGenerator
from v2vcli.models.live_bytes import LiveBytes
from v2vcli.models.segmenter import Segmenter, SegmenterConfig
from v2vcli.train.batches import Sampler
from v2vcli.train.clip_loading import ClipBatch, Clips
from v2vcli.train.drawing import FlowMaker
from v2vcli.train.networks import image_generator_config
from v2vcli.train.painting import ImageTask, VideoTask
from v2vcli.train.perceptual import ENDS, VGG, Perceptual, SegmenterPerceptual, VggPerceptual
from v2vcli.train.recipe import Recipe, StageRecipe
from v2vcli.train.stage_schedule import StageSchedule

Painting = ImageTask | VideoTask
META = torch.device("meta")
SOME_WINDOWS = 1000
"""An epoch of so many is as good as any here: only the end of the stage is looked at."""
CONVOLUTIONS: frozenset[Callable[..., Any]] = frozenset((torch.conv2d, torch.conv_transpose2d))


@dataclass(frozen=True)
class StepNeeds:
    """What a step of a stage wants, of one process.

    Attributes:
        parameters: trained ones, network by network.
        weights: bytes of all weights, running means of them included.
        besides: bytes of what else is alive at most: optimisers, clips, activations, gradients.
    """

    parameters: Mapping[str, int]
    weights: int
    besides: int

    @property
    def memory(self) -> int:
        """Bytes in all."""
        return self.weights + self.besides


def rehearse(recipe: Recipe, stage: StageRecipe, spec: MapSpec, *, processes: int = 1) -> StepNeeds:
    """Take a step of `stage` on the meta device.

    Args:
        recipe: the recipe.
        stage: one of its stages.
        spec: what it is painted from.
        processes: so many share each batch.

    Raises:
        ModelError: the segmenter that the perceptual loss wants is not there.
    """
    if stage.kind == "segment":
        return _rehearse_segmenter(recipe, stage, spec, max(1, stage.batch // processes))
    sampler = _Nothing(recipe, stage, spec, max(1, stage.batch // processes))
    with META:
        task = _task(recipe, stage, spec, sampler)
        perceptual = _with_perceptual(task, recipe)
    modules = [*task.modules.values(), *_frozen(task), *perceptual]
    if recipe.precision.kind == "bf16":
        _halve(modules)
    weights = {id(each): each for module in modules for each in module.parameters()}
    trained = {name: sum(each.numel() for each in module.parameters()) for name, module in task.modules.items()}
    with _Answering(weights.values()) as live:
        for _ in range(2 if stage.kind != "video" else 1):  # what the step before left is still there
            task.step(sampler.schedule.steps - 1, stage.rate)
    besides = live.peak
    if isinstance(task, VideoTask) and sampler.frames - 1 <= stage.chunk:
        besides += 2 * 4 * sum(trained.values())  # one chunk: Adam's moments came after the peak, and stay
    return StepNeeds(trained, sum(each.nbytes for each in weights.values()), besides)


def _rehearse_segmenter(recipe: Recipe, stage: StageRecipe, spec: MapSpec, batch: int) -> StepNeeds:
    """As `rehearse`. A segmenter's own task looks at its labels, so this is its step without them."""
    width, height = stage.size
    with META:
        network = Segmenter(SegmenterConfig(len(spec.label_schema.classes), recipe.model.widths))
        ids = torch.zeros(batch, height // 2, width // 2, dtype=torch.int64)
    optimiser = torch.optim.AdamW(network.parameters())
    weights = list(network.parameters())
    with _Answering(weights) as live:
        for _ in range(2):
            logits = network.half_logits(torch.empty(batch, 3, height, width, device=META))
            optimiser.zero_grad(set_to_none=True)
            functional.cross_entropy(logits, ids).backward()
            optimiser.step()
    size = sum(each.nbytes for each in weights)
    return StepNeeds({"segmenter": sum(each.numel() for each in weights)}, 2 * size, live.peak)


class _Nothing:
    """A sampler whose clips have shapes and no content."""

    def __init__(self, recipe: Recipe, stage: StageRecipe, spec: MapSpec, batch: int) -> None:
        self.schedule = StageSchedule(stage, past=recipe.model.past, windows=SOME_WINDOWS * stage.batch)
        self._spec, self._stage, self._batch = spec, stage, batch
        plan, judges = self.schedule.at(self.schedule.steps - 1), recipe.discriminator_of(stage)
        unpainted = 1 if stage.start == "painted" else recipe.model.past
        # the coarsest temporal discriminator is at work after so many frames
        wanted = judges.temporal_frames ** (judges.temporal_scales - 1) * (judges.temporal_frames - 1) + 1
        chunks = -(-wanted // plan.chunk)
        self.frames = plan.frames
        if stage.kind == "video":
            self.frames = min(plan.frames, unpainted + chunks * plan.chunk)

    def clips_batch(self, draw: int, spec: MapSpec, device: torch.device) -> Clips:
        """As `Sampler.clips_batch`; the sampler is its own clips."""
        return self

    def part(self, window: slice, coming: slice | None = None) -> ClipBatch:
        """As `Clips.part`."""
        (width, height), frames = self._stage.size, window.stop - window.start

        def nothing(channels: int) -> Tensor:
            return torch.empty(self._batch, frames, channels, height, width, device=META)

        return ClipBatch(nothing(3), nothing(self._spec.channels), nothing(2), nothing(1), window.start)

    def flow_maker(self, device: torch.device) -> FlowMaker:
        """A flow teacher that sees no motion."""
        return lambda images: (np.zeros((*images.shape[:3], 2), np.float32), np.ones(images.shape[:3], np.bool_))


def _task(recipe: Recipe, stage: StageRecipe, spec: MapSpec, sampler: _Nothing) -> Painting:
    """The stage's task, with what starts or finds things out left out of the recipe."""
    quiet = recipe.model_copy(
        update={
            "losses": recipe.losses.model_copy(update={"perceptual_model": None}),
            "precision": recipe.precision.model_copy(update={"kind": "fp32", "compile": False}),
        }
    )
    judges = recipe.discriminator_of(stage).model_copy(update={"face": False})
    plain = stage.model_copy(update={"noise": 0.0, "discriminator": judges})
    drawn_from = cast(Sampler, sampler)
    if stage.kind == "image":
        return ImageTask(quiet, plain, drawn_from, spec, META, None)
    # built to start from real frames, as there is no checkpoint to find an image generator in
    video = VideoTask(quiet, plain.model_copy(update={"start": "real"}), drawn_from, spec, META, None)
    if video.first is None and any(each.kind == "image" for each in recipe.stage):
        video.first = ImageGenerator(image_generator_config(recipe, spec)).requires_grad_(False)
    if video.first is not None:
        video.stage = plain
    return video


def _with_perceptual(task: Painting, recipe: Recipe) -> list[nn.Module]:
    """Give the task the recipe's perceptual loss; returns its networks."""
    name = recipe.losses.perceptual_model
    if recipe.losses.perceptual == 0 or name is None:
        return []
    perceptual: Perceptual
    modules: list[nn.Module]
    if name == VGG:
        from torchvision.models import vgg19

        found = VggPerceptual(vgg19(weights=None, init_weights=False).features[: ENDS[-1]])
        perceptual, modules = found, list(found.slices)
    else:
        network = Segmenter(SegmenterConfig(**read_info(find_model(name)).parts["segmenter"]))
        perceptual, modules = SegmenterPerceptual(network), [network]
    task.perceptual = perceptual
    if isinstance(task, VideoTask):
        task.video_step = replace(task.video_step, perceptual=perceptual)
    return modules


def _frozen(task: Painting) -> Iterator[nn.Module]:
    """Networks that are there and not trained: running means, and the image generator of a video stage."""
    yield from (average.network for average in task.averages.values())
    if isinstance(task, VideoTask) and task.first is not None:
        yield task.first


class _Answering(LiveBytes):
    """Counts what is on the meta device, and says 1 where a step asks for a number: is it finite? what is logged?"""

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operation, or answer."""
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return 1
        brought = func is torch.ops.aten._to_copy.default and (kwargs or {}).get("device") == torch.device("cpu")
        if brought and args[0].is_meta:
            return torch.ones(args[0].shape, dtype=args[0].dtype)
        return super().__torch_dispatch__(func, types, args, kwargs)

    def _count(self, tensor: Tensor) -> None:
        if tensor.is_meta:
            super()._count(tensor)


class _Halved(TorchFunctionMode):
    """Convolutions take and give bf16, as under autocast; each weight is brought to it once."""

    def __init__(self) -> None:
        super().__init__()
        self._copies: dict[tuple[int, bool], Tensor] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the function, on bf16 if it is a convolution."""
        if func in CONVOLUTIONS:
            args = [self._half(each) for each in args]
        return func(*args, **(kwargs or {}))

    def begin(self, *_: Any) -> None:
        """Before a convolution runs."""
        self.__enter__()  # type: ignore[no-untyped-call]

    def end(self, *_: Any) -> None:
        """After it."""
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def _half(self, value: Any) -> Any:
        if isinstance(value, nn.Parameter):
            key = id(value), torch.is_grad_enabled()  # a copy made without gradients leads none back
            if key not in self._copies:
                self._copies[key] = value.to(torch.bfloat16)
            return self._copies[key]
        return value.to(torch.bfloat16) if isinstance(value, Tensor) else value


def _halve(modules: Iterable[nn.Module]) -> None:
    """Have the convolutions of these networks run in bf16, also where checkpointing runs them again."""
    mode = _Halved()
    for module in modules:
        for part in module.modules():
            if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
                part.register_forward_pre_hook(mode.begin)
                part.register_forward_hook(mode.end)
