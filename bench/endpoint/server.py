"""HTTP/1.1 over loopback: a thread for each connection, kept alive, with nothing between socket and answer.

The standard library's own handler parses headers as mail; that would be a good part of what a quick client waits for.
"""

from __future__ import annotations

import json
import socketserver
import time
from collections.abc import Callable
from typing import Final, cast

from bench.endpoint.account import Account, Answer

HOST: Final = "127.0.0.1"
_LONGEST_HEADER: Final = 65536


class Server(socketserver.ThreadingTCPServer):
    """`delay` in seconds passes before each answer of an AWS call; paths that begin with `/__` are for the benchmark.

    `GET /__calls`: calls by operation. `DELETE /__calls`: forget them. `POST /__reset`: the state of the start.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, account: Account, *, port: int = 0, delay: float = 0.0) -> None:
        super().__init__((HOST, port), _Connection)
        self.account = account
        self.delay = delay

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        control: dict[tuple[str, str], Callable[[], object]] = {
            ("GET", "/__calls"): self.account.calls,
            ("DELETE", "/__calls"): self.account.forget_calls,
            ("POST", "/__reset"): self.account.reset,
        }
        if (method, path) in control:
            return Answer(200, "application/json", json.dumps(control[method, path]()).encode())
        if path.startswith("/__") or method != "POST":
            return Answer(404, "text/plain", b"no such path")
        if self.delay:
            time.sleep(self.delay)
        return self.account.answer(headers, body)


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    rbufsize = 65536

    def handle(self) -> None:
        while self._one():
            pass

    def _one(self) -> bool:
        """Answer one request; False when the connection is over."""
        try:
            line = self.rfile.readline(_LONGEST_HEADER)
            if not line.strip():
                return False
            method, path, _ = line.decode("latin-1").split(" ", 2)
            headers = self._headers()
            body = self.rfile.read(int(headers.get("content-length", "0")))
            answer = cast(Server, self.server).answer(method, path, headers, body)
            head = (
                f"HTTP/1.1 {answer.status} {'OK' if answer.status == 200 else 'Refused'}\r\n"
                f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n\r\n"
            )
            if len(answer.body) < _LONGEST_HEADER:
                self.wfile.write(head.encode() + answer.body)
            else:
                self.wfile.write(head.encode())
                self.wfile.write(answer.body)
        except ConnectionError:
            return False
        return headers.get("connection", "").lower() != "close"

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := self.rfile.readline(_LONGEST_HEADER).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return headers
