"""A stand-in for the app's door: records what Slack posts, checks that it is signed, answers what the test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from slack_sdk.signature import Clock, SignatureVerifier


@dataclass(frozen=True)
class Knock:
    """One request. `is_signed`: by slack-sdk's own verifier."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    is_signed: bool

    @property
    def payload(self) -> Any:
        """What `payload=` holds."""
        return json.loads(parse_qs(self.body.decode())["payload"][0])

    @property
    def action(self) -> Any:
        """The one thing that was used."""
        (action,) = self.payload["actions"]
        return action

    @property
    def values(self) -> Any:
        """block -> action -> the text, or the value of the chosen option."""
        state = self.payload["state"]["values"]
        return {block: {name: _value(each) for name, each in actions.items()} for block, actions in state.items()}


def _value(state: Mapping[str, Any]) -> str | None:
    option = state.get("selected_option")
    return option["value"] if option else state.get("value")


@dataclass
class Door:
    """`react` is called with each payload before the answer, `wait_seconds` passed before it too."""

    url: str
    knocks: list[Knock] = field(default_factory=list)
    status: int = 200
    wait_seconds: float = 0
    react: Callable[[Any], object] = lambda _payload: None

    def wait_for(self, count: int, *, timeout_seconds: float = 5) -> list[Knock]:
        """The knocks, once there are that many. Raises AssertionError after the timeout."""
        ends = time.monotonic() + timeout_seconds
        while len(self.knocks) < count:
            assert time.monotonic() < ends, f"{len(self.knocks)} of {count} clicks came"
            time.sleep(0.01)
        return self.knocks


@contextmanager
def open_door(secret: str, clock: Callable[[], datetime]) -> Iterator[Door]:
    """Listens on 127.0.0.1 until the block ends."""

    class SlackClock(Clock):
        def now(self) -> float:
            return clock().timestamp()

    verifier = SignatureVerifier(secret, clock=SlackClock())

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
            """Nothing."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = dict(self.headers.items())
            knock = Knock(self.path, headers, body, verifier.is_valid_request(body, headers))
            door.knocks.append(knock)
            if knock.is_signed:
                door.react(knock.payload)
            time.sleep(door.wait_seconds)
            self.send_response(door.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    door = Door(f"http://127.0.0.1:{server.server_address[1]}/slack")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield door
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
