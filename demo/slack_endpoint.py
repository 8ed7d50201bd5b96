"""A Slack on 127.0.0.1: the Web API methods that slack_sdk.WebClient calls here, in Slack's shapes, with its limits.

Give `base_url` to WebClient (it ends with `/api/`, as WebClient wants). What was posted is in `messages`, in order, and
at `page_url` for people.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from demo import slack_page
from demo.slack_limits import SlackRefusal, check_message
from demo.slack_text import render_text

__all__ = ["DEFAULT_TOKEN", "SlackEndpoint", "SlackMessage", "render_text"]

DEFAULT_TOKEN: Final = "xoxb-embedded"

_ID = re.compile(r"[CGDU][A-Z0-9]{2,}")  # channel names are lower case, ids are not


@dataclass(frozen=True)
class SlackMessage:
    """One accepted message, as it stands now.

    `channel` is what the caller asked for, `to` the email of the person for a direct message. `number` counts accepted
    messages from 1; `at` and `edited_at` are the endpoint's clock, aware.
    """

    number: int
    ts: str
    channel: str
    channel_id: str
    to: str | None
    text: str
    blocks: list[dict[str, Any]]
    thread_ts: str | None
    at: datetime
    edited_at: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class _DroppedConnection(Exception):
    pass


# --- the server ----------------------------------------------------------------------------------------


def _stable_id(prefix: str, name: str) -> str:
    return prefix + hashlib.sha256(name.encode()).hexdigest()[:9].upper()


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SlackEndpoint:
    """`with SlackEndpoint(users=["dana@example.com"]) as slack:` listens until the block ends.

    Everything may be changed while it runs, from any thread: `users` (email -> user id), `unknown_channels`, `go_down`,
    `rate_limit`, `fail_after_accept`. Any other channel exists.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | list[str] | tuple[str, ...] = (),
        token: str = DEFAULT_TOKEN,
        clock: Callable[[], datetime] = _utc_now,
        port: int = 0,
    ) -> None:
        self.users: dict[str, str] = (
            dict(users) if isinstance(users, Mapping) else {email: _stable_id("U", email) for email in users}
        )
        self.token = token
        self.clock = clock
        self.unknown_channels: set[str] = set()
        self.messages: list[SlackMessage] = []
        self.calls: list[str] = []  # every method that was called, refused ones too
        self._port = port
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._status: int | None = None
        self._rate_limited: list[int] = []
        self._drops_after_accept = 0
        self._sequence = itertools.count(1)

    # --- life ------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _listen(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler_of(self))
        server.daemon_threads = True
        self._port = server.server_address[1]
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="embedded-slack", daemon=True
        )
        self._thread.start()

    def _close(self) -> None:
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)

    @property
    def base_url(self) -> str:
        """For WebClient(base_url=...). Stays the same while the endpoint is down."""
        return f"http://127.0.0.1:{self._port}/api/"

    @property
    def page_url(self) -> str:
        """Where a browser shows what was posted; answers as long as the endpoint listens."""
        return f"http://127.0.0.1:{self._port}/"

    def page(self, *, live: bool = True) -> str:
        """That page. Not `live`: to be kept as a file, which asks nobody for news."""
        return slack_page.page(list(self.messages), dict(self.users), now=self.clock(), live=live)

    def news(self, version: str) -> dict[str, Any]:
        """What has changed for a page that shows `version`; only the version where nothing has."""
        kept = list(self.messages)
        if slack_page.version(kept) == version:
            return {"version": version, "now": int(self.clock().timestamp())}
        return slack_page.update(kept, dict(self.users), now=self.clock())

    # --- knobs -----------------------------------------------------------------------------------------

    def go_down(self, status: int | None = None) -> None:
        """Refuse connections, or answer everything with an HTTP status such as 500, until `come_up`."""
        if status is None:
            self._close()
        self._status = status

    def come_up(self) -> None:
        """Answer again, on the same port."""
        self._status = None
        if self._server is None:
            self._listen()

    def rate_limit(self, times: int, retry_after_seconds: int = 1) -> None:
        """The next `times` calls get HTTP 429 with Retry-After."""
        self.rate_limits([retry_after_seconds] * times)

    def rate_limits(self, retry_after_seconds: Sequence[int]) -> None:
        """The next calls get HTTP 429 with these values of Retry-After, in this order."""
        with self._lock:
            self._rate_limited = list(reversed(retry_after_seconds))

    def fail_after_accept(self, times: int = 1) -> None:
        """The next `times` messages are posted and the connection breaks before the answer: nobody is told so."""
        self._drops_after_accept = times

    def reset(self) -> None:
        """No message, no knob; users, token and clock stay."""
        with self._lock:
            self.messages.clear()
            self.calls.clear()
            self.unknown_channels.clear()
            self._rate_limited = []
            self._drops_after_accept = 0
        self.come_up()

    def to(self, address: str) -> list[SlackMessage]:
        """The messages to a channel (as the caller named it, or its id) or to a person (email)."""
        return [each for each in self.messages if address in (each.channel, each.channel_id, each.to)]

    def render(self, message: SlackMessage) -> str:
        """`render_text` with the names of this endpoint's users."""
        return render_text(message, {user_id: email.split("@")[0] for email, user_id in self.users.items()})

    # --- the methods -----------------------------------------------------------------------------------

    def answer(self, method: str, token: str | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """One call, already parsed; the JSON body Slack would send."""
        with self._lock:
            self.calls.append(method)
            try:
                return {"ok": True, **self._method(method, token)(arguments)}
            except SlackRefusal as refused:
                body: dict[str, Any] = {"ok": False, "error": refused.error}
                if refused.messages:
                    body["response_metadata"] = {"messages": list(refused.messages)}
                return body

    def _method(self, name: str, token: str | None) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        known = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "conversations.open": self._open,
            "users.lookupByEmail": self._lookup,
        }
        if name not in known:
            raise SlackRefusal("unknown_method")
        if not token:
            raise SlackRefusal("not_authed")
        if token != self.token:
            raise SlackRefusal("invalid_auth")
        return known[name]

    @property
    def limits_left(self) -> int:
        """How many of the next calls will be limited."""
        with self._lock:
            return len(self._rate_limited)

    def take_rate_limit(self) -> int | None:
        """The Retry-After of this call in seconds, when it is one of the limited."""
        with self._lock:
            return self._rate_limited.pop() if self._rate_limited else None

    @property
    def forced_status(self) -> int | None:
        """The HTTP status that stands in for every answer, while there is one."""
        return self._status

    def _auth_test(self, _arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {"url": "https://embedded.slack.com/", "team": "Embedded", "user": "costwatch", "user_id": "U0COSTWATCH"}

    def _lookup(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        email = str(arguments.get("email", ""))
        user_id = self.users.get(email)
        if user_id is None:
            raise SlackRefusal("users_not_found")
        name = email.partition("@")[0]
        return {"user": {"id": user_id, "name": name, "profile": {"email": email}, "deleted": False}}

    def _email_of(self, user_id: str) -> str | None:
        return next((email for email, each in self.users.items() if each == user_id), None)

    def _open(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        users = str(arguments.get("users", ""))
        if not users:
            raise SlackRefusal("users_list_not_supplied")
        if self._email_of(users) is None:
            raise SlackRefusal("user_not_found")
        return {"channel": {"id": _stable_id("D", users)}}

    def _resolve(self, channel: str) -> tuple[str, str | None]:
        """Channel id and, for a direct message, the person's email."""
        if not channel or channel in self.unknown_channels or channel.removeprefix("#") in self.unknown_channels:
            raise SlackRefusal("channel_not_found")
        if _ID.fullmatch(channel) and channel[0] in "DU":
            for email, user_id in self.users.items():
                if channel in (user_id, _stable_id("D", user_id)):
                    return _stable_id("D", user_id), email
            raise SlackRefusal("channel_not_found")
        if _ID.fullmatch(channel):
            return channel, None
        return _stable_id("C", channel.removeprefix("#")), None

    @staticmethod
    def _blocks(arguments: Mapping[str, Any]) -> list[Any]:
        blocks = arguments.get("blocks") or []
        if isinstance(blocks, str):  # form bodies carry JSON as text
            try:
                blocks = json.loads(blocks)
            except ValueError:
                raise SlackRefusal("invalid_blocks_format") from None
        if not isinstance(blocks, list):
            raise SlackRefusal("invalid_blocks_format")
        return blocks

    def _shown(self, message: SlackMessage) -> dict[str, Any]:
        return {
            "channel": message.channel_id,
            "ts": message.ts,
            "text": message.text,
            "message": {"type": "message", "text": message.text, "ts": message.ts, "blocks": message.blocks},
        }

    def _post_message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        channel = str(arguments.get("channel", ""))
        channel_id, to = self._resolve(channel)
        text = str(arguments.get("text") or "")
        blocks = self._blocks(arguments)
        check_message(text, blocks)
        number = next(self._sequence)
        at = self.clock()
        message = SlackMessage(
            number=number,
            ts=f"{int(at.timestamp())}.{number:06d}",
            channel=channel,
            channel_id=channel_id,
            to=to,
            text=text,
            blocks=blocks,
            thread_ts=arguments.get("thread_ts") or None,
            at=at,
            metadata=dict(arguments.get("metadata") or {}),
        )
        self.messages.append(message)
        self._maybe_drop()
        return self._shown(message)

    def _update(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        channel_id, _ = self._resolve(str(arguments.get("channel", "")))
        ts = str(arguments.get("ts", ""))
        for position, message in enumerate(self.messages):
            if message.ts == ts and message.channel_id == channel_id:
                text = str(arguments.get("text") or "")
                blocks = self._blocks(arguments)
                check_message(text, blocks)
                edited = replace(message, text=text, blocks=blocks, edited_at=self.clock())
                self.messages[position] = edited
                self._maybe_drop()
                return self._shown(edited)
        raise SlackRefusal("message_not_found")

    def _maybe_drop(self) -> None:
        if self._drops_after_accept > 0:
            self._drops_after_accept -= 1
            raise _DroppedConnection


def _handler_of(slack: SlackEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
            """Nothing: the terminal belongs to the story."""

        def _send(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
            self._send_bytes(status, json.dumps(body).encode(), "application/json", headers)

        def _send_bytes(
            self, status: int, payload: bytes, content_type: str, headers: Mapping[str, str] | None = None
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", f"{content_type}; charset=utf-8")
            self.send_header("Content-Length", str(len(payload)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        def _arguments(self) -> dict[str, Any]:
            arguments: dict[str, Any] = dict(parse_qsl(urlsplit(self.path).query))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if "json" in (self.headers.get("Content-Type") or ""):
                arguments.update(json.loads(body or "{}"))
            else:
                arguments.update(parse_qsl(body))
            return arguments

        def _serve(self) -> None:
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
            except _DroppedConnection:
                self.close_connection = True  # no answer: the client sees the connection end
                return
            self._send(200, body)

        def do_POST(self) -> None:
            self._serve()

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path == "/":
                self._send_bytes(200, slack.page().encode(), "text/html")
            elif address.path == "/messages.json":
                self._send(200, slack.news(dict(parse_qsl(address.query)).get("version", "")))
            else:
                self._serve()

    return Handler
