"""Models of transformers, opened: configuration, weights and image processor, from a folder and from nowhere else.

What is peculiar:

- A hub id becomes a folder first (`maps.makers.weights.hub_folder`); from there on a model of the hub and one of a
  local folder take the same way, and the library makes no request of its own. OneFormer's image processor would: it
  asks another repository for the names of classes, which are in the configuration anyway.
- Which class opens a model is what its configuration says in ``architectures``. Code that comes with a model is not
  run, and weights are read as tensors alone.
- The library fills weights that are missing with random numbers and says so in its log. Here that is an error: a map of
  noise looks like a map.
- Half precision is bfloat16 by autocast, and on CUDA alone: large vision transformers leave the range of float16.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from v2vcli.errors import ModelError
from v2vcli.maps.makers.weights import HUB, hub_folder

REQUIREMENT: Final = "transformers>=5.23"
"""What pip installs for the extra ``hf``; pyproject.toml says the same. In 5.0 processors are others still."""

_ONEFORMER: Final = "oneformer"


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A network and what belongs to it.

    Attributes:
        name: As it was asked for, without its family.
        network: On `device`, in evaluation mode, float32.
        config: Its configuration.
        processor: Brings pictures into the network's form, and reads its outputs.
        device: Where it runs.
    """

    name: str
    network: nn.Module
    config: Any
    processor: Any
    device: torch.device

    @property
    def architecture(self) -> str:
        """The class of the network."""
        return type(self.network).__name__

    @property
    def class_names(self) -> list[str]:
        """Of the configuration's ``id2label``, in the order of the ids.

        Raises:
            ModelError: The ids have gaps.
        """
        named: Mapping[int, str] = self.config.id2label
        if sorted(named) != list(range(len(named))):
            raise ModelError(f"{HUB}:{self.name}: its id2label names {sorted(named)}, not every id from 0 up")
        return [str(named[number]) for number in range(len(named))]

    def prepared(self, images: Sequence[NDArray[np.uint8]], *, on_device: bool = True, **more: Any) -> dict[str, Any]:
        """What the network takes, on its device.

        Args:
            images: (H, W, 3) uint8 RGB each.
            on_device: Prepare them there; a processor that works in numpy is slow at that.
            more: For the processor.
        """
        pictures: list[Any] = list(images)
        order = "channels_last"
        if on_device and getattr(self.processor, "image_processor", self.processor).backend == "torchvision":
            pictures = [torch.from_numpy(image).to(self.device).permute(2, 0, 1) for image in images]
            order = "channels_first"
        made = self.processor(images=pictures, return_tensors="pt", input_data_format=order, **more)
        return dict(made.to(self.device))

    def run(self, inputs: Mapping[str, Any], *, half: bool = True) -> Any:
        """The network's outputs, in float32.

        Args:
            inputs: From `prepared`.
            half: Compute in bfloat16 where that is safe, on CUDA.
        """
        with torch.autocast("cuda", torch.bfloat16, enabled=half and self.device.type == "cuda"):
            outputs = self.network(**inputs)
        for name, value in outputs.items():
            if isinstance(value, Tensor) and value.is_floating_point():
                outputs[name] = value.float()
        return outputs


def require_transformers() -> Any:
    """The library, quiet.

    Raises:
        ModelError: it is not installed, or cannot be imported; the message has the command that installs it.
    """
    if importlib.util.find_spec("transformers") is None:
        raise ModelError(f"{HUB}: models need the package transformers, which is not here; pip install '{REQUIREMENT}'")
    try:
        import transformers
    except Exception as error:  # versions that do not fit each other: ImportError, RuntimeError, AttributeError
        raise ModelError(
            f"{HUB}: transformers cannot be imported ({one_line(error)}); pip install --upgrade '{REQUIREMENT}'"
        ) from error
    transformers.utils.logging.set_verbosity_error()  # what matters of its log is an error here, in one line
    transformers.utils.logging.disable_progress_bar()
    return transformers


def one_line(error: Exception) -> str:
    """An error of a library, shortened."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def find_folder(name: str) -> Path:
    """The folder of a model: a local one, else that of a hub id, from the cache or fetched.

    Raises:
        UsageError: it is neither a folder nor a hub id.
        ModelError: there is no such folder, it holds no model, or the hub's is neither here nor to be had.
    """
    try:
        folder = Path(name).expanduser()
    except RuntimeError:  # ~somebody who does not exist
        folder = Path(name)
    if not folder.is_dir():
        if name.startswith((".", "/", "~")):
            raise ModelError(f"{HUB}:{name}: no such folder; check the path, or give a hub id USER/REPO")
        return hub_folder(name)
    if not (folder / "config.json").is_file():
        raise ModelError(f"{HUB}:{name}: the folder has no config.json; give what save_pretrained wrote")
    return folder


def architecture_of(name: str, folder: Path) -> str:
    """The class that a model's configuration names.

    Raises:
        ModelError: it cannot be read, or names none.
    """
    transformers = require_transformers()
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # of many classes: damaged, of an unknown type, or of a type that needs code of its own
        raise ModelError(f"{HUB}:{name}: {_not_opened(folder, error)}") from error
    named = getattr(config, "architectures", None) or [""]
    return str(named[0])


def open_model(name: str, folder: Path, architecture: str, device: torch.device) -> OpenedModel:
    """Open a model with weights and image processor.

    Args:
        name: for messages.
        folder: where it lies, as `find_folder` says.
        architecture: the library's class for it, as `architecture_of` says.
        device: where it is to run.

    Raises:
        ModelError: it is damaged, incomplete, or the library has no such class.
    """
    transformers = require_transformers()
    kind = getattr(transformers, architecture, None)
    if kind is None:
        raise ModelError(
            f"{HUB}:{name}: is a {architecture}, which transformers {transformers.__version__} does not have; "
            f"pip install --upgrade '{REQUIREMENT}'"
        )
    here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **here)
        if config.model_type == _ONEFORMER:
            config.is_training = False  # else it expects texts for its contrastive loss
        network, report = kind.from_pretrained(
            folder,
            config=config,
            output_loading_info=True,
            dtype=torch.float32,
            weights_only=True,
            local_files_only=True,
        )
        processor = _processor(transformers, config, folder, here)
    except Exception as error:  # of many classes: damaged files, keys of other shapes, packages that are missing
        raise ModelError(f"{HUB}:{name}: {_not_opened(folder, error)}") from error
    parameters = {key for key, _ in network.named_parameters()}
    if lacking := sorted(parameters & set(report["missing_keys"])):
        raise ModelError(
            f"{HUB}:{name}: its weights lack {len(lacking)} of {len(parameters)} ({lacking[0]}, ...): it was not "
            f"trained as a {architecture}; choose another model"
        )
    network = network.to(device).eval().requires_grad_(False)
    return OpenedModel(name, network, config, processor, device)


def _processor(transformers: Any, config: Any, folder: Path, here: dict[str, Any]) -> Any:
    if config.model_type != _ONEFORMER:
        return transformers.AutoImageProcessor.from_pretrained(folder, **here)
    images = transformers.AutoImageProcessor.from_pretrained(folder, class_info_file="", **here)
    tokens = transformers.AutoTokenizer.from_pretrained(folder, **here)
    length = config.task_seq_len
    return transformers.OneFormerProcessor(images, tokens, max_seq_length=length, task_seq_length=length)


def _not_opened(folder: Path, error: Exception) -> str:
    return f"transformers cannot open it ({one_line(error)}); it lies at {folder}"
