"""A click as Slack signs it and an HTTP API hands it over: the size of one on a card with inputs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any, Final
from urllib.parse import urlencode

from bench.endpoint.small_services import SLACK_SIGNING_SECRET

APP: Final = "A0123456789"


def event() -> dict[str, Any]:
    """Signed now."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "Expected $707. " * 20}}
    payload = {
        "type": "block_actions",
        "api_app_id": APP,
        "team": {"id": "T0123456789"},
        "user": {"id": "U0123456789"},
        "message": {"ts": "1795000000.000100", "blocks": [section] * 12},
        "actions": [{"action_id": "approve", "value": "a-1", "action_ts": "1795000001.5"}],
    }
    body = urlencode({"payload": json.dumps(payload)})
    timestamp = str(int(time.time()))
    signed = hmac.new(SLACK_SIGNING_SECRET.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256)
    return {
        "version": "2.0",
        "routeKey": "POST /slack",
        "rawPath": "/slack",
        "rawQueryString": "",
        "headers": {
            "content-type": "application/x-www-form-urlencoded",
            "x-slack-request-timestamp": timestamp,
            "x-slack-signature": f"v0={signed.hexdigest()}",
        },
        "requestContext": {"http": {"method": "POST", "path": "/slack"}, "stage": "$default"},
        "body": base64.b64encode(body.encode()).decode(),
        "isBase64Encoded": True,
    }
