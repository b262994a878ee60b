"""Weights of third-party networks: where they lie, how they get there, and what is said when they are not there.

A maker of maps names its network ``FAMILY:MODEL``: ``torchvision:deeplabv3_resnet50``, ``hf:user/repo[@revision]``.

What is peculiar:

- Nothing is kept twice: files lie where their own libraries look for them, ``$TORCH_HOME/hub/checkpoints`` (default
  ``~/.cache/torch``) and ``$HF_HOME/hub`` (default ``~/.cache/huggingface``).
- What is in the cache is used as it is, and nobody is asked whether there is something newer; `pull` asks.
- With ``HF_HUB_OFFLINE=1`` or ``V2V_OFFLINE=1`` no request is made, of either family.
- A server is asked once, for `PATIENCE` seconds, before anything is downloaded: the libraries themselves would try for
  minutes where no packet comes back.
- Of a hub repository only configuration and weights are fetched, as safetensors where it has them; the same network in
  the formats of other frameworks stays there.
"""

from __future__ import annotations

import difflib
import errno
import json
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from v2vcli.errors import ModelError, UsageError

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum  # type: ignore[attr-defined]  # public, but not listed in __all__

PATIENCE: Final = 10.0
"""Seconds within which a server must answer the first question."""

FORBIDDEN: Final = "V2V_OFFLINE or HF_HUB_OFFLINE forbids to fetch them"
"""Why nothing was fetched where the environment says so."""

TORCHVISION: Final = "torchvision"
HUB: Final = "hf"

_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
_YES: Final = ("1", "on", "yes", "true")
_HASH: Final = re.compile(r"-([0-9a-f]{8,})\.[a-z]+$")
_HUB_ID: Final = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_BESIDE_WEIGHTS: Final = (".json", ".txt", ".model", ".jinja")  # configuration, vocabularies, templates
_SHARD_LISTS: Final = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_WHOLE: Final = ("model.safetensors", "pytorch_model.bin")


class HubId(NamedTuple):
    """A repository of the hub, at a revision (branch, tag or commit); None is its main branch."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.repository if self.revision is None else f"{self.repository}@{self.revision}"


def offline() -> bool:
    """Whether the environment forbids requests: ``HF_HUB_OFFLINE``, ``TRANSFORMERS_OFFLINE`` or ``V2V_OFFLINE``."""
    names = ("V2V_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").lower() in _YES for name in names)


def missing_weights(model: str, path: Path, reason: str) -> ModelError:
    """The error for weights that are neither here nor to be had, in the one form it has everywhere.

    Args:
        model: as ``v2v models pull`` takes it.
        path: the file or folder of the cache in which they were looked for.
        reason: why they could not be fetched.
    """
    return ModelError(
        f"{model}: its weights are not here ({reason}); where there is a network: v2v models pull {model}; "
        f"it puts them at {path}"
    )


def pull(model: str, *, progress: bool = False) -> Path:
    """Fetch the weights of a third-party network, or bring them up to date, and say where they are.

    Args:
        model: ``torchvision:MODEL`` or ``hf:USER/REPO[@REVISION]``.
        progress: show bars on stderr; huggingface_hub shows its own in any case.

    Raises:
        UsageError: no such family, or torchvision has no such model.
        ModelError: they are neither here nor to be had; what is here already is left alone.
    """
    family, _, name = model.partition(":")
    if family == TORCHVISION:
        return fetch(torchvision_weights(name).url, model, progress=progress)
    if family == HUB:
        return _pull_repository(hub_id(name))
    raise UsageError(
        f"{model}: nothing that can be fetched; give torchvision:MODEL, hf:USER/REPO[@REVISION], face-alignment:2d, or "
        "USER/REPO[@REVISION] for a model of v2v"
    )


# ---- torchvision, and whatever else is one file at an address


def torchvision_weights(name: str) -> WeightsEnum:
    """The weights that torchvision itself takes for a model by default.

    Raises:
        UsageError: torchvision has no such model, or no weights for it; the message has the nearest name.
    """
    from torchvision.models import get_model_weights, list_models  # type: ignore[attr-defined]

    known = list_models()
    if name not in known:
        raise UsageError(f"torchvision:{name}: torchvision has no such model{nearest(name, known)}")
    weights: WeightsEnum | None = getattr(get_model_weights(name), "DEFAULT", None)
    if weights is None:
        raise UsageError(f"torchvision:{name}: torchvision has no weights for it; choose another model")
    return weights


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean X?`` for a mistyped name; empty where nothing is near."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def torch_file(url: str) -> Path:
    """Where torch keeps the file of an address, and looks for it first."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]


def fetch(url: str, model: str, *, progress: bool = False) -> Path:
    """The file of an address: from torch's cache, else downloaded into it and, where its name has a hash, checked.

    Args:
        url: of the file.
        model: as ``v2v models pull`` takes it.
        progress: show a bar on stderr.

    Raises:
        ModelError: it is neither here nor to be had.
    """
    file = torch_file(url)
    if file.is_file():
        return file
    if offline():
        raise missing_weights(model, file, FORBIDDEN)
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    from torch.hub import download_url_to_file

    digest = _HASH.search(file.name)
    try:
        with urlopen(Request(url, method="HEAD"), timeout=PATIENCE):
            pass  # that it answers is all: the download itself has no time limit
        file.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(url, str(file), digest and digest[1], progress=progress)
    except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: the hash is another
        raise missing_weights(model, file, f"{url}: {_one_line(error)}") from None
    return file


# ---- the hub


def hub_id(name: str) -> HubId:
    """Read ``USER/REPO[@REVISION]``, with or without ``hf:`` before it.

    Raises:
        UsageError: it is no such id.
    """
    match = _HUB_ID.fullmatch(name.removeprefix(f"{HUB}:"))
    if match is None:
        raise UsageError(f"{name}: no hub id; give USER/REPO or USER/REPO@REVISION")
    return HubId(match[1], match[2])


def hub_folder(name: str) -> Path:
    """The folder with configuration and weights of a repository: from the cache, else fetched into it.

    Whoever loads from that folder makes no request of its own.

    Args:
        name: a hub id, with or without ``hf:``.

    Raises:
        UsageError: it is no hub id.
        ModelError: it is neither here nor to be had.
    """
    repository = hub_id(name)
    return cached_repository(repository) or _pull_repository(repository)


def cached_repository(wanted: HubId) -> Path | None:
    """The folder of a repository in the cache; None where it is not, or not whole. Makes no request."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(wanted.repository, revision=wanted.revision, local_files_only=True, allow_patterns=[])
        )
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return folder if _is_whole(folder) else None


def repository_cache(wanted: HubId) -> Path:
    """Where the hub's cache keeps a repository."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser() / f"models--{wanted.repository.replace('/', '--')}"


def hub_refusal(error: Exception) -> str:
    """In a few words, why the hub gave nothing."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    if isinstance(error, HFValidationError):
        return "this is no hub id"
    if isinstance(error, HfHubHTTPError) and not isinstance(error, OfflineModeIsEnabled):
        return f"the hub refused: {_one_line(error)}; check the name, or log in: hf auth login"
    if isinstance(error, OSError) and error.errno in _DISK:
        return f"{error.strerror}: {error.filename or 'the cache'}"
    return "the hub cannot be reached"


def _pull_repository(wanted: HubId) -> Path:
    model, place = f"{HUB}:{wanted}", repository_cache(wanted)
    if offline():
        if (folder := cached_repository(wanted)) is not None:
            return folder
        raise missing_weights(model, place, FORBIDDEN)
    from huggingface_hub import HfApi, snapshot_download

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # what it warns of is said here, in one line
    try:
        info = HfApi().model_info(wanted.repository, revision=wanted.revision, timeout=PATIENCE)
        names = wanted_files(sibling.rfilename for sibling in info.siblings or ())
        folder = Path(snapshot_download(wanted.repository, revision=wanted.revision, allow_patterns=names))
    except Exception as error:  # no network, a timeout, no such repository: classes change with the library's backend
        raise missing_weights(model, place, hub_refusal(error)) from None
    if not _is_whole(folder):
        raise ModelError(f"{model}: holds no configuration with weights of PyTorch ({folder}); choose another model")
    return folder


def wanted_files(names: Iterable[str]) -> list[str]:
    """Of a repository's files, those that PyTorch loads a network from: safetensors, else ``.bin``, and what is beside.

    Files in folders (other frameworks, checkpoints of a training) are left out.
    """
    here = [name for name in names if "/" not in name]
    weights = [name for name in here if name.endswith(".safetensors")]
    weights = weights or [name for name in here if name.startswith("pytorch_model") and name.endswith(".bin")]
    return sorted(weights + [name for name in here if name.endswith(_BESIDE_WEIGHTS)])


def _is_whole(folder: Path) -> bool:
    """Whether configuration and weights are there, every part of them."""
    if not (folder / "config.json").is_file():
        return False
    for name in _SHARD_LISTS:
        if (folder / name).is_file():
            try:
                listed: Any = json.loads((folder / name).read_bytes())["weight_map"].values()
            except (ValueError, KeyError, AttributeError, TypeError):
                continue
            if all((folder / part).is_file() for part in listed):
                return True
    return any((folder / name).is_file() for name in _WHOLE)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
