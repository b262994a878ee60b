"""The tables of a recipe, but for its stages: model, data, losses, discriminators, optimiser, precision, log.

Peculiar: every table is strict and frozen, and every field says what it means, in one line: `docs/recipes.md` is made
of those lines. Defaults are what recipes meant before a field was there, so that old run folders can be gone on with.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from v2vcli.maps.schema import SCHEMAS

Weight = Annotated[float, Field(ge=0.0)]
Size = tuple[PositiveInt, PositiveInt]
"""(width, height) in pixels."""


class RecipeTable(BaseModel):
    """A table of a recipe: unknown keys are errors, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRecipe(RecipeTable):
    """What is trained. Widths, blocks and so on are those of `GeneratorConfig` and `ImageGeneratorConfig`."""

    arch: Literal["vid2vid", "pix2pixHD", "covst", "segmenter"] = Field(
        default="vid2vid",
        description="what comes out: a video painter with its image generator, an image generator alone, the baseline "
        "that warps features, or a segmenter; the stages have to fit",
    )
    maps: Literal["labels", "edges", "rgb", "face", "pose"] = Field(
        default="labels", description="what is painted from (of a segmenter: what it gives)"
    )
    schema_name: str | None = Field(
        default=None, alias="schema", description="label schema; without one, cityscapes19 for labels"
    )
    instance_edges: bool = Field(
        default=False, description="whether a plane with the edges of instances follows the label planes"
    )
    foreground: bool = Field(
        default=False, description="whether classes of the foreground get a branch of their own (H_F)"
    )
    width: int = Field(default=16, ge=1, description="channels of the coarsest scale at its full resolution")
    downsamplings: int = Field(default=3, ge=1, le=6, description="halvings within the coarsest scale")
    blocks: int = Field(default=4, ge=1, description="residual blocks of the coarsest scale")
    finer: int = Field(
        default=0, ge=0, le=4, description="finer scales on top of the coarsest, each at twice the resolution"
    )
    finer_blocks: int = Field(default=3, ge=1, description="residual blocks in each decoder of a finer scale")
    flow: bool = Field(default=True, description="whether frames are warped from the last one at all")
    kernel: Literal[3, 5, 7] = Field(default=7, description="side of the first and last convolution of every branch")
    past: int = Field(
        default=2,
        ge=0,
        le=4,
        description="painted frames that are looked at; 0 (without flow): each frame is on its own",
    )
    image_width: int = Field(default=16, ge=1, description="channels of the image generator at its full resolution")
    image_downsamplings: int | None = Field(
        default=None,
        ge=1,
        le=6,
        description="halvings within the image generator; without it, as many as downsamplings",
    )
    image_blocks: int = Field(default=4, ge=1, description="residual blocks of the image generator")
    image_enhancers: int = Field(
        default=0, ge=0, le=4, description="stages around the image generator, each at twice the resolution"
    )
    image_enhancer_blocks: int = Field(default=3, ge=1, description="residual blocks of each of them")
    widths: tuple[PositiveInt, ...] = Field(
        default=(24, 48, 96, 128, 160), min_length=2, description="channels of a segmenter, resolution by resolution"
    )

    @model_validator(mode="after")
    def _labels_have_a_schema(self) -> Self:
        if self.maps != "labels" and (self.schema_name is not None or self.foreground or self.instance_edges):
            raise ValueError(f"schema, foreground, instance_edges belong to label maps, not to {self.maps!r} maps")
        if self.schema_name is not None and self.schema_name not in SCHEMAS:
            raise ValueError(f"schema {self.schema_name!r} is not one of {', '.join(SCHEMAS)}")
        if self.width % (1 << self.finer):
            raise ValueError(f"width {self.width} cannot be halved for each of {self.finer} finer scales")
        if self.image_width % (1 << self.image_enhancers):
            raise ValueError(f"image_width {self.image_width} cannot be halved {self.image_enhancers} times")
        if self.past < int(self.flow):
            raise ValueError("past 0 has no frame to warp: set flow to false")
        return self

    @property
    def image_halvings(self) -> int:
        """How often the image generator halves its map."""
        own = self.downsamplings if self.image_downsamplings is None else self.image_downsamplings
        return own + self.image_enhancers


SOURCES = ("video", "stills", "world", "videos", "layout")


class SourceRecipe(RecipeTable):
    """Where clips come from: exactly one of ``video``, ``stills``, ``world``, ``videos``, ``layout``."""

    video: str | None = Field(default=None, description="a video file, below data.root")
    stills: str | None = Field(default=None, description="a folder of pictures that do not follow one another")
    world: Literal["street", "head"] | None = Field(default=None, description="a procedural world, rendered on the fly")
    videos: str | None = Field(
        default=None,
        description="a folder that is searched, with its folders, for videos; cuts are never inside a clip",
    )
    layout: str | None = Field(
        default=None,
        description="a folder as the reference wants it: train_A/CLIP/*.png, train_B, train_inst, and so on",
    )
    labels: str | None = Field(
        default=None,
        description='of video, stills, videos: a folder of PNGs of ids, or "segmenter:NAME" that makes them',
    )
    control: str | None = Field(default=None, description="of a video, for rgb maps: the control video in step with it")
    schema_name: str | None = Field(default=None, alias="schema", description="schema of the ids in a folder of labels")
    hold_out: float = Field(default=0.0, ge=0.0, lt=1.0, description="the last share of each video is never trained on")
    seeds: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] = Field(
        default=(0, 1), description="of a world: [first, last + 1], one clip each"
    )
    frames: int = Field(default=12, ge=1, description="of a world: frames of each seed")
    weight: float = Field(default=1.0, gt=0.0, description="how often it is drawn, relative to its length")

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in SOURCES) != 1:
            raise ValueError(f"a source is one of {', '.join(SOURCES)}")
        if self.seeds[0] >= self.seeds[1]:
            raise ValueError(f"seeds are [first, last + 1]; {list(self.seeds)} names none")
        return self


class DataRecipe(RecipeTable):
    """Clips, the size they are loaded at, augmentation, and what is kept of what was computed."""

    root: str = Field(default=".", description="folder that sources are named from")
    load_size: Size = Field(description="(width, height) frames are scaled to, before a stage's size is cut from them")
    fit: Literal["stretch", "cover"] = Field(
        default="stretch", description="scaled to load_size exactly, or to cover it at the frame's own aspect"
    )
    flip: bool = Field(default=True, description="mirror a clip as often as not (never poses)")
    scale: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = Field(
        default=(1.0, 1.0), description="each clip is scaled by a factor between these, on top of load_size"
    )
    stride: int = Field(default=1, ge=1, description="most frames from one read frame to the next, drawn for each clip")
    jitter: float = Field(
        default=0.0, ge=0.0, le=1.0, description="of a segmenter: how much colours are changed at random"
    )
    teacher: Literal["exact", "dis", "raft_small", "raft_large"] = Field(
        default="exact",
        description="where flow comes from: worlds' own, and DIS for the rest; or one method for everything",
    )
    cache: str | None = Field(
        default=None,
        description="folder that made maps and flow are kept in; without it maps go to the user's own cache "
        "(`~/.cache/v2v`), and flow is found anew each time",
    )
    workers: int = Field(
        default=0, ge=0, description="processes that prepare clips ahead; 0: none, the same clips in any case"
    )
    max_bad_files: int = Field(
        default=10,
        ge=0,
        description="of videos and layout: so many files may be unreadable, and are left out and named",
    )
    source: tuple[SourceRecipe, ...] = Field(min_length=1, description="where clips come from, one table each")


class LossRecipe(RecipeTable):
    """Weights of the loss terms; see `v2vcli.train.losses` for each."""

    form: Literal["lsgan", "hinge"] = Field(default="lsgan", description="form of the GAN objectives")
    gan: Weight = Field(default=1.0, description="image GAN")
    feature_matching: Weight = Field(default=10.0, description="what the discriminators see, layer by layer")
    perceptual: Weight = Field(default=0.0, description="what another network sees, layer by layer")
    perceptual_model: str | None = Field(
        default=None, description='that network: "vgg19", or a segmenter by name or path'
    )
    perceptual_fallback: str | None = Field(
        default=None, description="the segmenter to take where VGG-19's weights are not to be had; without it, an error"
    )
    imagenet_input: bool = Field(default=True, description="normalise for VGG; false as the reference does")
    pixel: Weight = Field(default=0.0, description="difference of pixels")
    gradient: Weight = Field(default=0.0, description="difference of gradients between neighbours")
    flow: Weight = Field(default=10.0, description="painted flow against the teacher's")
    flow_warp: Weight = Field(
        default=10.0, description="real frame before, warped by the painted flow, against the real frame"
    )
    frame_warp: Weight = Field(
        default=10.0, description="painted frame before, warped by the teacher's flow, against this one"
    )
    mask: Weight | None = Field(
        default=None,
        description="occlusion mask where the teacher is believed, so that frames are warped there; without it 1 in "
        "stages that start blank, as in the reference, else 0",
    )
    temporal: Weight = Field(default=1.0, description="temporal GAN, and its feature matching")
    face: Weight = Field(default=2.0, description="GAN of the face alone, and its feature matching")
    paintings: Literal["sum", "mean"] = Field(
        default="sum",
        description="of a video, frames are judged as painted and as hallucinated, before anything is warped into "
        "them: both count in full, as in the paper, or half each",
    )

    @model_validator(mode="after")
    def _perceptual_has_a_model(self) -> Self:
        if self.perceptual > 0 and self.perceptual_model is None:
            raise ValueError('perceptual needs a perceptual_model: "vgg19", or a segmenter by name or path')
        return self


class DiscriminatorRecipe(RecipeTable):
    """Shape of the image and temporal discriminators; a stage may have its own."""

    width: PositiveInt = Field(default=32, description="channels of the first layer")
    layers: PositiveInt = Field(default=3, description="layers with stride 2")
    scales: PositiveInt = Field(default=2, description="resolutions they look at, each half the one before")
    cap: PositiveInt = Field(default=256, description="no layer is wider than this")
    temporal_frames: int = Field(default=3, ge=2, le=5, description="frames a temporal discriminator sees at once")
    temporal_scales: int = Field(
        default=1,
        ge=1,
        le=4,
        description="temporal discriminators: each sees frames temporal_frames times as far apart as the one before",
    )
    face: bool = Field(default=False, description="of poses: whether one more looks at the face alone")


class OptimiserRecipe(RecipeTable):
    """Adam's settings; the rate is each stage's."""

    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        default=(0.5, 0.999), description="decay of the mean and of the mean square of gradients"
    )
    fused: bool = Field(default=False, description="one kernel for all parameters; rounding differs a little")
    patience: int = Field(
        default=10,
        ge=1,
        description="steps with gradients that are not finite are skipped; after so many in a row the run ends",
    )


class PrecisionRecipe(RecipeTable):
    """Number formats and memory layout: what is traded for speed and memory."""

    kind: Literal["fp32", "bf16"] = Field(
        default="fp32", description="of convolutions; warps, losses, weights and optimisers are fp32 in any case"
    )
    checkpointing: bool = Field(
        default=False,
        description="forget a frame's activations and compute them again for the gradient: less memory, slower",
    )
    channels_last: bool = Field(default=True, description="memory layout of images: colours beside each other, faster")
    compile: bool = Field(
        default=False, description="compile networks: minutes at the start of each stage, faster from then"
    )


class LogRecipe(RecipeTable):
    """What is written down while it trains."""

    every: int = Field(default=20, ge=1, description="steps between two lines of stats.jsonl")
    samples_every: int = Field(
        default=0, ge=0, description="steps between two strips of samples; 0: whenever the state is saved"
    )
    tensorboard: bool = Field(default=True, description="also write for TensorBoard, where it is installed")
