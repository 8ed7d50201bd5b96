"""What Slack posts when somebody clicks, as API Gateway hands it to a function."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from costwatch.core.slack_signature import signed
from demo.embedded.http_front import http_event

SECRET: Final = "8f742231b10e8888abcd99yyyzzz85a5"
APP, WORKSPACE, ORGANISATION = "A0123456789", "T0123456789", "E0123456789"


def payload(**changes: Any) -> dict[str, Any]:
    """A press of Approve; `changes` replace its keys."""
    return {
        "type": "block_actions",
        "api_app_id": APP,
        "team": {"id": WORKSPACE, "domain": "example"},
        "enterprise": None,
        "user": {"id": "U0123456789", "username": "maria"},
        "channel": {"id": "C0123456789"},
        "message": {"ts": "1795000000.000100"},
        "actions": [{"action_id": "approve", "block_id": "decide", "value": "a-1", "action_ts": "1795000001.5"}],
        **changes,
    }


def form(content: Mapping[str, Any] | None = None) -> bytes:
    """The body that Slack sends for a payload."""
    return urlencode({"payload": json.dumps(payload() if content is None else content)}).encode()


def headers(body: bytes, at: datetime, *, secret: str = SECRET, **more: str) -> dict[str, str]:
    """As Slack makes them at that moment; a name in `more` stands for one with dashes."""
    timestamp = str(int(at.timestamp()))
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": signed(body, timestamp, secret=secret),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def slack_event(at: datetime, body: bytes | None = None, *, secret: str = SECRET, **more: str) -> dict[str, Any]:
    """One click at `at`, as the function gets it."""
    content = form() if body is None else body
    return http_event("POST", "/slack", list(headers(content, at, secret=secret, **more).items()), content)
