"""A hub and a network for tests: a cache in the hub's layout, a server that answers as the hub does, a dead network."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlparse

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write_cached(cache: Path, repository: str, files: Mapping[str, bytes], *, revision: str = "main") -> Path:
    """Lay `files` into a cache as huggingface_hub does: blobs, links to them for a commit, a name for the commit."""
    root = cache / f"models--{repository.replace('/', '--')}"
    folder = root / "snapshots" / COMMIT
    for name, content in files.items():
        blob = root / "blobs" / hashlib.sha256(content).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    ref = root / "refs" / revision
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(COMMIT)
    return folder


class Attempts:
    """Connections that somebody tried to make."""

    def __init__(self) -> None:
        self.made: list[object] = []

    def refuse(self, *arguments: object, **options: object) -> None:
        """Stand in for what would open one."""
        self.made.append(arguments)
        raise OSError("there is no network in this test")


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    """A network on which every connection fails, and is remembered: code that catches errors cannot hide one."""
    tried = Attempts()
    monkeypatch.setattr(socket.socket, "connect", tried.refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", tried.refuse)
    monkeypatch.setattr(socket, "create_connection", tried.refuse)
    monkeypatch.setattr(socket, "getaddrinfo", tried.refuse)
    return tried


@contextmanager
def serving(files: Mapping[str, Mapping[str, bytes]]) -> Iterator[tuple[str, list[str]]]:
    """Answer as the hub does, for repositories of `files`; others are not found.

    Yields:
        The address, and the requests as they come in, ``METHOD path``.
    """
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = urlparse(self.path).path
            requests.append(f"{self.command} {path}")
            status, content, headers = _reply(files, path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _reply(files: Mapping[str, Mapping[str, bytes]], path: str) -> tuple[int, bytes, dict[str, str]]:
    parts = path.strip("/").split("/")
    as_json = {"Content-Type": "application/json"}
    if parts[:2] == ["api", "models"] and (held := files.get("/".join(parts[2:4]))) is not None:
        if parts[4:5] == ["tree"]:
            tree = [{"type": "file", "path": n, "size": len(c), "oid": _etag(c)} for n, c in held.items()]
            return 200, json.dumps(tree).encode(), as_json
        info = {"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": [{"rfilename": name} for name in held]}
        return 200, json.dumps(info).encode(), as_json
    if parts[2:3] == ["resolve"] and (content := files.get("/".join(parts[:2]), {}).get("/".join(parts[4:]))):
        return 200, content, {"ETag": f'"{_etag(content)}"', "X-Repo-Commit": COMMIT}
    if (content := files.get("", {}).get(path.strip("/"))) is not None:  # a plain file
        return 200, content, {}
    return 404, b"{}", {**as_json, "X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository Not Found"}


def _etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
