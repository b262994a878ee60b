"""Where models come from: a path, a bundled name, or a hub id.

Peculiar:
- a bundled name never touches the network, and with ``HF_HUB_OFFLINE=1`` or ``V2V_OFFLINE=1`` nothing does;
- what looks like a path is one, so that a mistyped path is answered at once and never sent to the hub;
- the cache is looked up by `try_to_load_from_cache`, since ``hf_hub_download(local_files_only=True)`` may still make a
  request of its own (huggingface_hub 2.4 asks for a list of agents to name in its headers);
- the hub is asked once before the download: huggingface_hub itself tries for half a minute, line after line.
"""

from __future__ import annotations

import logging
import re
from importlib.resources import files
from pathlib import Path

from v2vcli.errors import ModelError
from v2vcli.maps.makers.weights import (
    FORBIDDEN,
    HUB,
    HubId,
    hub_refusal,
    missing_weights,
    offline,
    pull,
    repository_cache,
)

HUB_FILE = "model.safetensors"
"""The file a hub repository must hold."""

_FOREIGN = (".pth", ".pt", ".ckpt", ".bin", ".onnx")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


def bundled_models() -> dict[str, Path]:
    """Name -> file of every model that came with the program."""
    folder = Path(str(files("v2vcli") / "assets"))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def find_model(name: str) -> Path:
    """The file of a model.

    Args:
        name: a path to a ``.safetensors`` file, a bundled name, or ``user/repo[@revision]`` on the Hugging Face hub.

    Raises:
        ModelError: nothing of that name; the message says what there is, or which command fetches it.
    """
    path = _expanded(name)
    if path.is_file():
        return path
    bundled = bundled_models()
    if name in bundled:
        return bundled[name]
    if name and path.is_dir():
        raise ModelError(f"{name}: is a folder; give the .safetensors file in it")
    if path.suffix.lower() in _FOREIGN:
        raise ModelError(f"{name}: no such model file; and only .safetensors files written by v2v can be opened")
    if _is_path(name):
        raise ModelError(f"{name}: no such model file; check the path, or see `v2v models list`")
    if not _HUB_ID.fullmatch(name):
        raise ModelError(f"{name}: no such model file or bundled model; bundled are: {', '.join(bundled) or 'none'}")
    return _from_hub(name)


def pull_model(name: str, *, progress: bool = False) -> list[Path]:
    """Fetch a model, or bring it up to date, and say which files or folders it is: what ``v2v models pull`` does.

    Args:
        name: as `find_model` takes it, also after ``v2v:``; or a third-party network as ``--segmenter``, ``--pose`` and
            ``--face`` take it.
        progress: show bars on stderr.

    Raises:
        UsageError: it names nothing that could be fetched.
        ModelError: it is neither here nor to be had.
    """
    own = name.removeprefix("v2v:")
    if ":" not in own or _is_path(own):
        return [find_model(own)]
    family, _, model = name.partition(":")
    if family == "face-alignment":
        from v2vcli.maps.makers.face_makers import fetch_weights

        return fetch_weights(model, progress=progress)
    return _pull_transformers(model) if family == HUB else [pull(name, progress=progress)]


def _pull_transformers(model: str) -> list[Path]:
    """``USER/REPO[@REVISION][#TASK][+DETECTOR]``: a model, and for one of poses what finds the people."""
    named, _, detector = model.partition("+")
    folder = pull(f"{HUB}:{named.partition('#')[0]}")
    if not detector and b'"VitPose' not in (folder / "config.json").read_bytes():
        return [folder]
    from v2vcli.maps.makers.transformers_pose import DETECTOR, WHOLE_FRAME

    return [folder] if detector == WHOLE_FRAME else [folder, pull(f"{HUB}:{detector or DETECTOR}")]


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # ~somebody who does not exist
        return Path(name)


def _is_path(name: str) -> bool:
    """Whether a name can only be meant as that of a file here."""
    if name.startswith((".", "/", "~")) or name.lower().endswith((".safetensors", *_FOREIGN)):
        return True
    first, slash, _ = name.partition("/")
    return bool(slash) and Path(first).is_dir()


def _from_hub(name: str) -> Path:
    """The file of a hub id: brought up to date where the hub answers, else from the cache."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # what it warns of is said below, in one line
    repository, _, revision = name.partition("@")
    version = revision or None
    reason = FORBIDDEN
    try:
        if not offline():
            try:
                get_hf_file_metadata(hf_hub_url(repository, HUB_FILE, revision=version))  # asks once, without retries
                return Path(hf_hub_download(repository, HUB_FILE, revision=version))
            except HFValidationError:
                raise
            except Exception as error:  # no network, a timeout, a refusal: classes change with the library's backend
                reason = hub_refusal(error)
        cached = try_to_load_from_cache(repository, HUB_FILE, revision=version)
    except HFValidationError:
        raise ModelError(
            f"{name}: no hub id (user/repo or user/repo@revision), and there is no such file here; check the name"
        ) from None
    if isinstance(cached, str):
        return Path(cached)
    raise missing_weights(name, repository_cache(HubId(repository, version)), reason)
