"""An HTTP API on 127.0.0.1: what API Gateway does between a POST and a function, in payload format 2.0.

    with HttpFront(handler) as front:
        urllib.request.urlopen(front.url, data=b"payload=...")

As API Gateway does: header names in lower case, repeated ones joined by commas, a body that is no text base64-encoded
(a form is none to it), 404 for what no route names, 413 above ten megabytes, 500 for a function that fails.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

__all__ = ["HttpFront", "http_event"]

Handler = Callable[[dict[str, Any], Any], Any]
"""(event, context) -> what a function answers: the shape of Lambda's own entry point."""

SLACK_ROUTE: Final = ("POST", "/slack")
_LARGEST_BODY_BYTES: Final = 10 * 2**20
_TEXT: Final = re.compile(r"text/.*|application/(json|javascript|xml)")
_API_ID: Final = "a1b2c3d4e5"
_numbers = itertools.count(1)


class HttpFront:
    """Listens until the block ends; requests run at once, each in a thread of its own.

    `handler` is a function's `handler(event, context)`; it may be set anew while the front runs. `context` is handed to
    it. `routes`: method and path of what reaches it.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        context: Any = None,
        routes: Sequence[tuple[str, str]] = (SLACK_ROUTE,),
        port: int = 0,
    ) -> None:
        self.handler = handler
        self.context = context
        self.failures: list[BaseException] = []
        """What the handler raised, in order: the caller sees a 500 and nothing else."""
        self._routes = tuple(routes)
        self._port = port
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler_of(self))
        server.daemon_threads = True
        self._server, self._port = server, server.server_address[1]
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="embedded-http-api", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)

    @property
    def url(self) -> str:
        """Of the first route: what is given to Slack as the request URL."""
        return f"http://127.0.0.1:{self._port}{self._routes[0][1]}"

    def answer(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body for one request, without the network."""
        if len(body) > _LARGEST_BODY_BYTES:
            return _of_the_gateway(413, "Request Entity Too Large")
        if (method, urlsplit(target).path) not in self._routes:
            return _of_the_gateway(404, "Not Found")
        try:
            return _understood(self.handler(http_event(method, target, headers, body), self.context))
        except Exception as error:  # noqa: BLE001 -- whatever a function raises, API Gateway answers so
            self.failures.append(error)
            return _of_the_gateway(500, "Internal Server Error")


def http_event(
    method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes, *, source_ip: str = "127.0.0.1"
) -> dict[str, Any]:
    """The event that a function gets for one request. `target`: path and query as the request line has them."""
    address = urlsplit(target)
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    now, path, is_text = time.time(), unquote(address.path), _is_text(joined.get("content-type", ""))
    host = f"{_API_ID}.execute-api.us-east-1.amazonaws.com"
    event = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": address.query,
        "headers": joined,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": _API_ID,
            "domainName": host,
            "domainPrefix": _API_ID,
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": source_ip,
                "userAgent": joined.get("user-agent", ""),
            },
            "requestId": f"front-{next(_numbers):08d}=",
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": bool(body) and not is_text,
    }
    if body:  # API Gateway leaves it out where there is none
        event["body"] = body.decode("utf-8", "replace") if is_text else base64.b64encode(body).decode()
    return event


def _is_text(content_type: str) -> bool:
    message = Message()
    message["content-type"] = content_type
    return bool(content_type) and _TEXT.fullmatch(message.get_content_type()) is not None


def _understood(answer: Any) -> tuple[int, Mapping[str, str], bytes]:
    """What API Gateway makes of a function's answer; without a status it is the body of a 200 itself."""
    if not isinstance(answer, Mapping) or "statusCode" not in answer:
        return 200, {"content-type": "application/json"}, json.dumps(answer).encode()
    body = answer.get("body", "")
    content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    headers = {"content-type": "text/plain;charset=UTF-8"} | dict(answer.get("headers", {}))
    return int(answer["statusCode"]), headers, content


def _of_the_gateway(status: int, message: str) -> tuple[int, Mapping[str, str], bytes]:
    return status, {"content-type": "application/json"}, json.dumps({"message": message}).encode()


def _handler_of(front: HttpFront) -> type[BaseHTTPRequestHandler]:
    class Served(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
            """Nothing: the terminal belongs to the story."""

        def _serve(self) -> None:
            said = self.headers.get("Content-Length") or "0"
            length = int(said) if said.isdecimal() else 0
            if length > _LARGEST_BODY_BYTES:
                self.close_connection = True  # what follows is not read
                status, headers, body = _of_the_gateway(413, "Request Entity Too Large")
            else:
                content = self.rfile.read(length)
                status, headers, body = front.answer(self.command, self.path, self.headers.items(), content)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        setattr(Served, f"do_{method}", Served._serve)
    return Served
