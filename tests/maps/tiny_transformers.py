"""Models of transformers, tiny and random, saved as the library saves them; and networks that say what a test wants."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from v2vcli.maps.makers.transformers_loading import REQUIREMENT, OpenedModel
from v2vcli.maps.schema import CITYSCAPES19

transformers = pytest.importorskip("transformers", reason=f"the extra [hf] is not installed: {REQUIREMENT}")

CITYSCAPES = [c.name for c in CITYSCAPES19.classes]
SIDE = 64

_SWIN = {"image_size": SIDE, "embed_dim": 8, "depths": [1] * 4, "num_heads": [1] * 4, "window_size": 4}
_STAGES = [f"stage{n}" for n in range(1, 5)]
_SQUARE = {"height": SIDE, "width": SIDE}


def labelled(names: list[str]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}


def save(folder: Path, config: Any, kind: str, processor: Any, seed: int = 0) -> Path:
    """A model of random weights, in `folder`, with its processor."""
    torch.manual_seed(seed)
    getattr(transformers, kind)(config).save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    return folder


def segformer(folder: Path, names: list[str] = CITYSCAPES) -> Path:
    config = transformers.SegformerConfig(
        depths=[1] * 4,
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        **labelled(names),
    )
    processor = transformers.SegformerImageProcessor(size=_SQUARE)
    return save(folder, config, "SegformerForSemanticSegmentation", processor)


def eomt(folder: Path, names: list[str] = CITYSCAPES, *, cuts: bool = False) -> Path:
    config = transformers.EomtConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=8,
        num_queries=10,
        num_blocks=1,
        num_upscale_blocks=1,
        num_register_tokens=1,
        **labelled(names),
    )
    size = {"shortest_edge": SIDE, "longest_edge": None if cuts else SIDE}
    processor = transformers.EomtImageProcessor(size=size, do_split_image=cuts, do_pad=not cuts)
    return save(folder, config, "EomtForUniversalSegmentation", processor)


def mask2former(folder: Path, names: list[str] = CITYSCAPES) -> Path:
    config = transformers.Mask2FormerConfig(
        backbone_config=transformers.SwinConfig(**_SWIN, out_features=_STAGES),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        dim_feedforward=16,
        num_queries=10,
        **labelled(names),
    )
    processor = transformers.Mask2FormerImageProcessor(size=_SQUARE)
    return save(folder, config, "Mask2FormerForUniversalSegmentation", processor)


def maskformer(folder: Path, names: list[str] = CITYSCAPES) -> Path:
    decoder = transformers.DetrConfig(
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        num_queries=10,
    )
    config = transformers.MaskFormerConfig(
        backbone_config=transformers.SwinConfig(**_SWIN, out_features=_STAGES),
        decoder_config=decoder,
        fpn_feature_size=32,
        mask_feature_size=32,
        **labelled(names),
    )
    processor = transformers.MaskFormerImageProcessor(size=_SQUARE)
    return save(folder, config, "MaskFormerForInstanceSegmentation", processor)


def oneformer(folder: Path, names: list[str] = CITYSCAPES) -> Path:
    """As the published ones: trained with texts, and with the names of classes in another repository of the hub."""
    config = transformers.OneFormerConfig(
        backbone_config=transformers.SwinConfig(**_SWIN, out_features=_STAGES),
        num_queries=10,
        conv_dim=32,
        mask_dim=32,
        hidden_dim=32,
        num_attention_heads=2,
        dim_feedforward=16,
        encoder_feedforward_dim=16,
        encoder_layers=1,
        decoder_layers=2,
        query_dec_layers=1,
        text_encoder_width=64,
        text_encoder_num_layers=1,
        text_encoder_context_length=16,
        text_encoder_proj_layers=1,
        text_encoder_n_ctx=4,
        text_encoder_vocab_size=600,
        task_seq_len=32,
        max_seq_len=32,
        is_training=True,
        **labelled(names),
    )
    save(folder, config, "OneFormerForUniversalSegmentation", transformers.OneFormerImageProcessor(size=_SQUARE))
    processor = json.loads((folder / "preprocessor_config.json").read_text())
    processor |= {"repo_path": "shi-labs/oneformer_demo", "class_info_file": "cityscapes_panoptic.json"}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    letters = [letter + end for end in ("", "</w>") for letter in string.ascii_lowercase]
    vocabulary = {token: n for n, token in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CLIPTokenizer"}')
    return folder


def vitpose(folder: Path, points: int = 17, experts: int = 1) -> Path:
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[64, 48],
        patch_size=[16, 16],
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_experts=experts,
        part_features=4 if experts > 1 else 0,
        out_indices=[2],
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=points)
    processor = transformers.VitPoseImageProcessor(size={"height": 64, "width": 48})
    return save(folder, config, "VitPoseForPoseEstimation", processor)


def rtdetr(folder: Path, names: list[str]) -> Path:
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, layer_type="basic", out_features=_STAGES[1:]
    )
    config = transformers.RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=16,
        encoder_in_channels=[8, 16, 16],
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        num_queries=10,
        decoder_in_channels=[16] * 3,
        decoder_ffn_dim=16,
        decoder_attention_heads=2,
        decoder_layers=1,
        decoder_n_points=2,
        num_denoising=0,
        anchor_image_size=None,
        **labelled(names),
    )
    return save(folder, config, "RTDetrForObjectDetection", transformers.RTDetrImageProcessor(size=_SQUARE))


class Says(nn.Module):
    """A network whose outputs a test has decided, for a batch of one; larger batches get them as often."""

    def __init__(self, **outputs: torch.Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, pixel_values: torch.Tensor, **_: Any) -> Any:
        count = len(pixel_values)
        repeated = {name: value.repeat(count, *[1] * (value.ndim - 1)) for name, value in self.outputs.items()}
        return transformers.utils.ModelOutput(**repeated)


def opened(name: str, config: Any, processor: Any, **outputs: torch.Tensor) -> OpenedModel:
    """A model whose network says `outputs`, read by a real processor."""
    return OpenedModel(name, Says(**outputs), config, processor, torch.device("cpu"))


def queries(names: list[str], *said: tuple[str, float, NDArray[np.bool_]]) -> dict[str, torch.Tensor]:
    """Outputs of a network of masks: for each query a class (or none), how sure it is of it (0..1), its mask."""
    classes = torch.zeros(1, len(said), len(names) + 1)
    masks = torch.stack([torch.where(torch.from_numpy(mask), 8.0, -8.0) for _, _, mask in said])
    for query, (name, sure, _) in enumerate(said):
        probabilities = torch.full((len(names) + 1,), (1 - sure) / len(names))
        probabilities[names.index(name) if name else -1] = sure
        classes[0, query] = probabilities.log()
    return {"class_queries_logits": classes, "masks_queries_logits": masks[None]}


def pictures(count: int = 5, width: int = 160, height: int = 90, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Soft blobs of colour, each picture another."""
    import cv2

    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 5, 8, 3), dtype=np.uint8)
    return [np.asarray(cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC)) for one in coarse]
