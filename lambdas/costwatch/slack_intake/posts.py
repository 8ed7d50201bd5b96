"""What API Gateway hands over for a POST of Slack's (payload format 2.0), down to the raw bytes that were signed."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from costwatch import names

METHOD: Final = "POST"
LARGEST_BODY_BYTES: Final = 200_000
"""An entry on the bus may have 256 KB, its names and the signature included; a card and its state take some 60 KB."""

_RETRY: Final = re.compile(r"[0-9]{1,4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Post:
    """Nothing of it is verified. A header that is not there, or there twice, or no text, is empty."""

    body: bytes
    content_type: str
    timestamp: str
    signature: str
    retry: str
    """X-Slack-Retry-Num, a number; empty in a first attempt."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """`status` is HTTP's, `reason` is for the log."""

    status: int
    reason: str


def slack_post(event: object) -> Post | NotTaken:
    """Whatever arrives is one or the other; nothing is raised."""
    if not isinstance(event, Mapping):
        return NotTaken(400, "the event is no object")
    if event.get("rawPath") != names.SLACK_PATH:
        return NotTaken(404, f"the path is not {names.SLACK_PATH}")
    if _method(event) != METHOD:
        return NotTaken(405, f"the method is not {METHOD}")
    body = _body(event)
    if isinstance(body, NotTaken):
        return body
    given = event.get("headers")
    headers = given if isinstance(given, Mapping) else {}
    retry = _header(headers, "x-slack-retry-num")
    return Post(
        body=body,
        content_type=_header(headers, "content-type"),
        timestamp=_header(headers, "x-slack-request-timestamp"),
        signature=_header(headers, "x-slack-signature"),
        retry=retry if _RETRY.fullmatch(retry) else "",
    )


def _method(event: Mapping[Any, Any]) -> object:
    context = event.get("requestContext")
    http = context.get("http") if isinstance(context, Mapping) else None
    return http.get("method") if isinstance(http, Mapping) else None


def _body(event: Mapping[Any, Any]) -> bytes | NotTaken:
    """As it came over the wire: API Gateway encodes a form, which is no text to it."""
    text = event.get("body")
    if text is None:
        return b""
    encoded = event.get("isBase64Encoded", False)
    if not isinstance(text, str) or not isinstance(encoded, bool):
        return NotTaken(400, "body is no text, or isBase64Encoded neither true nor false")
    # Before it is decoded: base64 takes four characters for three bytes.
    if len(text) > LARGEST_BODY_BYTES * (4 if encoded else 3) // 3 + 4:
        return _too_large()
    try:
        body = base64.b64decode(text, validate=True) if encoded else text.encode()
    except (binascii.Error, ValueError):  # no base64, or half of a surrogate pair
        return NotTaken(400, "body is not what isBase64Encoded says")
    return _too_large() if len(body) > LARGEST_BODY_BYTES else body


def _too_large() -> NotTaken:
    return NotTaken(413, f"the body is larger than {LARGEST_BODY_BYTES} bytes")


def _header(headers: Mapping[Any, Any], name: str) -> str:
    """By its name in any case."""
    found = [value for key, value in headers.items() if isinstance(key, str) and key.lower() == name]
    return found[0] if len(found) == 1 and isinstance(found[0], str) else ""
