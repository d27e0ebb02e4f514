"""A hub for tests, on this machine: models from folders, by the paths and headers that huggingface.co answers with."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BRANCH = "main"


@dataclass
class Hub:
    """What the server knows, and what it was asked for."""

    models: Mapping[str, Path]  # name -> folder; each has one commit, which its branch is at
    endpoint: str = ""
    refused: dict[str, tuple[int, str]] = field(
        default_factory=dict
    )  # name -> status and word, unless there is a token
    token: str = "hf_right"
    cut: dict[str, int] = field(default_factory=dict)  # file -> bytes after which the connection breaks, once
    closed: dict[str, int] = field(default_factory=dict)  # the same, where the server hangs up in good order
    short: dict[str, int] = field(default_factory=dict)  # file -> bytes that are missing of it, once, in all order
    down: set[str] = field(default_factory=set)  # files that cannot be sent
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range


@contextmanager
def serving(models: Mapping[str, Path]) -> Iterator[Hub]:
    """Inside, a hub with these models is up."""
    hub = Hub(models)

    class Handler(_Handler):
        known = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False  # closed together with their sockets
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    known: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = urlsplit(self.path).path
        self.known.asked.append((self.command, path, self.headers.get("Range", "")))
        parts = path.strip("/").split("/")
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        refusal = self._refusal(name, parts)
        if refusal is not None:
            self._send(refusal[0], {"X-Error-Code": refusal[1]} if refusal[1] else {}, b"", body)
        elif parts[0] == "api":
            self._send(200, {"Content-Type": "application/json"}, json.dumps(self._told(name, parts)).encode(), body)
        else:
            self._file(name, "/".join(parts[4:]), body)

    def _refusal(self, name: str, parts: list[str]) -> tuple[int, str] | None:
        """Status and word of what is not given; pages of a gated model are public, its files are not."""
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given and given != self.known.token:
            return 401, ""
        if name in self.known.refused and given != self.known.token:
            status, word = self.known.refused[name]
            if word != "GatedRepo" or parts[0] != "api":
                return status, word
        if name not in self.known.models:
            return (404, "RepoNotFound") if given else (401, "RepoNotFound")
        revision = (parts[5] if len(parts) > 5 else BRANCH) if parts[0] == "api" else parts[3]
        return None if revision in (BRANCH, COMMIT) else (404, "RevisionNotFound")

    def _told(self, name: str, parts: list[str]) -> Any:
        folder = self.known.models[name]
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        if parts[4:5] == ["tree"]:
            return [
                {"type": "file", "path": file, "size": path.stat().st_size, "oid": _digest(path)}
                for file, path in files.items()
            ]
        return {"id": name, "modelId": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]}

    def _file(self, name: str, file: str, body: bool) -> None:
        if body and file in self.known.down:
            self._send(503, {}, b"", body)
            return
        data = (self.known.models[name] / file).read_bytes()
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_digest(self.known.models[name] / file)}"'}
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        rest = data[start:]
        if body and file in self.known.short:
            rest = rest[: len(rest) - self.known.short.pop(file)]
        cut = self.known.cut.pop(file, None) if body else None
        closed = self.known.closed.pop(file, None) if body else None
        self._send(206 if start else 200, headers, rest, body, cut, closed)

    def _send(
        self,
        status: int,
        headers: Mapping[str, str],
        data: bytes,
        body: bool,
        cut: int | None = None,
        closed: int | None = None,
    ) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data[: closed if cut is None else cut])
        self.close_connection = self.close_connection or closed is not None
        if cut is not None:  # as where a network goes down: nothing is closed in order
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Nothing: stderr is the test's."""


def _digest(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
