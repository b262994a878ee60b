"""Where models come from: a path, a bundled name, or a hub id.

Peculiar:
- a bundled name never touches the network, and `HF_HUB_OFFLINE=1` is honoured before any request is made;
- what looks like a path is one, so that a mistyped path is answered at once and never sent to the hub;
- the hub is asked once before the download: huggingface_hub itself tries for half a minute, line after line.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from v2vcli.errors import ModelError

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
    """The file of a hub id, from the cache where the hub cannot be reached."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # what it warns of is said below, in one line
    repository, _, revision = name.partition("@")
    version = revision or None
    try:
        get_hf_file_metadata(hf_hub_url(repository, HUB_FILE, revision=version))  # asks once, without retries
        return Path(hf_hub_download(repository, HUB_FILE, revision=version))
    except HFValidationError:
        raise ModelError(
            f"{name}: no hub id (user/repo or user/repo@revision), and there is no such file here; check the name"
        ) from None
    except HfHubHTTPError as error:
        refusal = f"the hub refused ({' '.join(str(error).split())[:200]})"
        advice = "check the name, or log in: hf auth login"
    except Exception:  # no network, a timeout, or HF_HUB_OFFLINE: their classes change with the library's HTTP backend
        refusal = "not in the cache and the hub cannot be reached"
        advice = f"where there is a network: hf download {repository} {HUB_FILE}"
        advice += f" --revision {revision}" if revision else ""
    with suppress(LocalEntryNotFoundError):
        return Path(hf_hub_download(repository, HUB_FILE, revision=version, local_files_only=True))
    raise ModelError(f"{name}: {refusal}, and there is no such file here; {advice}")
