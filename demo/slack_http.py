"""HTTP for the local Slack: the Web API under /api/, the page for people at /, and what that page asks and says.

It listens on 127.0.0.1, where any web page may knock too. So nothing is answered under another name (a name that was
made to lead here would make that page's origin ours), nothing that a foreign page sends is taken, and a click must
carry the token that only our own page has been given.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from demo.slack_clicks import SlackClickError

CLICK_HEADER: Final = "X-Page-Token"


class DroppedConnection(Exception):
    """The connection ends before the answer."""


class Served(Protocol):
    """What is behind the server."""

    @property
    def page_token(self) -> str:
        """Which its pages carry."""

    @property
    def forced_status(self) -> int | None:
        """The HTTP status that stands in for every answer of the API, while there is one."""

    def take_rate_limit(self) -> int | None:
        """The Retry-After of this call in seconds, when it is one of the limited."""

    @property
    def granted_scopes(self) -> str:
        """What the token may, as a header of the answer says."""

    def answer(self, method: str, token: str | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """One call of the Web API."""

    def page(self, *, viewer: str = "") -> str:
        """The page, for that person."""

    def news(self, version: str, viewer: str = "") -> dict[str, Any]:
        """What has changed since."""

    def clicked(self, click: Mapping[str, Any]) -> dict[str, Any]:
        """A click on the page."""


def handler_of(slack: Served) -> type[BaseHTTPRequestHandler]:
    """The handler of its server."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
            """Nothing: the terminal belongs to the story."""

        def do_POST(self) -> None:
            if self._is_foreign():
                return
            if urlsplit(self.path).path == "/click":
                self._serve_click()
            else:
                self._serve_api()

        def do_GET(self) -> None:
            if self._is_foreign():
                return
            address = urlsplit(self.path)
            asked = dict(parse_qsl(address.query))
            if address.path == "/":
                self._send_bytes(200, slack.page(viewer=asked.get("as", "")).encode(), "text/html")
            elif address.path == "/messages.json":
                self._send(200, slack.news(asked.get("version", ""), asked.get("as", "")))
            else:
                self._serve_api()

        def _is_foreign(self) -> bool:
            """Whether this comes by another name or from another page; it is refused then."""
            port = self.connection.getsockname()[1]
            own = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
            origin = self.headers.get("Origin")
            foreign = self.headers.get("Host", "") not in own or (
                origin is not None and origin.removeprefix("http://") not in own
            )
            if foreign:
                self._read()
                self._send(403, {"ok": False, "error": "This Slack answers to its own page and to clients only."})
            return foreign

        def _serve_click(self) -> None:
            token = self.headers.get(CLICK_HEADER, "")
            body = self._read()
            if not hmac.compare_digest(token.encode(), slack.page_token.encode()):
                self._send(403, {"ok": False, "error": "This page is out of date. Please load it again."})
                return
            try:
                click = json.loads(body)
                if not isinstance(click, dict):
                    raise SlackClickError("a click is a JSON object")
                self._send(200, slack.clicked(click))
            except SlackClickError as refused:
                self._send(409, {"ok": False, "error": f"Not possible: {refused}."})
            except (ValueError, KeyError, TypeError):
                self._send(400, {"ok": False, "error": "That is no click."})

        def _serve_api(self) -> None:
            arguments = self._arguments()
            if slack.forced_status is not None:
                self._send(slack.forced_status, {"ok": False, "error": "internal_error"})
                return
            wait_seconds = slack.take_rate_limit()
            if wait_seconds is not None:
                self._send(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": str(wait_seconds)})
                return
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
            method = urlsplit(self.path).path.removeprefix("/api/")
            try:
                body = slack.answer(method, bearer or arguments.get("token"), arguments)
            except DroppedConnection:
                self.close_connection = True  # no answer: the client sees the connection end
                return
            # Slack names the scopes of a token that it takes.
            self._send(200, body, {"X-OAuth-Scopes": slack.granted_scopes} if body["ok"] else None)

        def _read(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _arguments(self) -> dict[str, Any]:
            arguments: dict[str, Any] = dict(parse_qsl(urlsplit(self.path).query))
            body = self._read().decode()
            if "json" in (self.headers.get("Content-Type") or ""):
                arguments.update(json.loads(body or "{}"))
            else:
                arguments.update(parse_qsl(body))
            return arguments

        def _send(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
            self._send_bytes(status, json.dumps(body).encode(), "application/json", headers)

        def _send_bytes(
            self, status: int, payload: bytes, content_type: str, headers: Mapping[str, str] | None = None
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", f"{content_type}; charset=utf-8")
            self.send_header("Content-Length", str(len(payload)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("X-Frame-Options", "DENY")  # nobody lays our buttons under theirs
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

    return Handler
