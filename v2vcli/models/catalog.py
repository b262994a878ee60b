"""Where models come from: a path, a bundled name, or a hub id.

Peculiar: a bundled name never touches the network, and `HF_HUB_OFFLINE=1` is honoured before any request is made.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from v2vcli.errors import ModelError

HUB_FILE = "model.safetensors"
"""The file a hub repository must hold."""


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
    path = Path(name).expanduser()
    if path.is_file():
        return path
    bundled = bundled_models()
    if name in bundled:
        return bundled[name]
    if path.suffix == ".safetensors" or name.count("/") != 1 or not re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", name):
        raise ModelError(f"{name}: no such model file or bundled model; bundled are: {', '.join(bundled) or 'none'}")
    return _from_hub(name)


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    command = f"hf download {repository} {HUB_FILE}" + (f" --revision {revision}" if revision else "")
    try:
        return Path(hf_hub_download(repository, HUB_FILE, revision=revision or None))
    except LocalEntryNotFoundError:
        raise ModelError(
            f"{name}: not in the cache and the hub cannot be reached; where there is a network: {command}"
        ) from None
    except HfHubHTTPError as error:
        raise ModelError(
            f"{name}: the hub refused ({' '.join(str(error).split())[:200]}); check the name, or log in: hf auth login"
        ) from None
