"""A real web server on loopback that can be told to serve badly."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from midigen.corpora import download

CONTENT = bytes(number * number % 251 for number in range(300_000))
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves one file, as well or badly as the server's fields say."""

    server: Server

    def do_GET(self) -> None:
        server, content = self.server, self.server.content
        server.ranges.append(self.headers.get("Range"))
        if self.path in server.redirects:
            self.answer(302, {"Location": server.redirects[self.path], "Content-Length": "0"})
            return
        if server.statuses and (status := server.statuses.pop(0)) != 200:
            self.answer(status, {"Content-Length": "0"})
            return
        headers = {"Content-Type": server.content_type} | ({"ETag": server.etag} if server.etag else {})
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(asked[1]) if asked and server.knows_ranges and self.headers["If-Range"] == server.etag else 0
        if start >= len(content) > 0:
            self.answer(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
            return
        if start:
            first = start + server.range_error
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self.answer(206 if start else 200, headers | {"Content-Length": str(len(content) - start + server.excess)})
        limit = server.cuts.pop(0) if server.cuts else len(content)
        for at in range(start, min(start + limit, len(content)), server.chunk):
            self.wfile.write(content[at : min(at + server.chunk, start + limit)])
            time.sleep(server.pause)
        self.close_connection = True

    def answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.etag = '"one"'
        self.content_type = "application/zip"
        self.knows_ranges = True
        self.range_error = 0
        self.excess = 0
        self.chunk = 1 << 16
        self.pause = 0.0
        self.statuses: list[int] = []
        self.cuts: list[int] = []
        """After how many bytes the connection breaks, request by request."""
        self.redirects: dict[str, str] = {}
        self.ranges: list[str | None] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error here."""

    def address(self, path: str = "/file.zip") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "BACK_OFF_SECONDS", 0.01)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()
