"""Slack's interactive payloads: a form with one field, `payload`, that holds a JSON object."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from costwatch.errors import MalformedEvent

FORM: Final = "application/x-www-form-urlencoded"
BLOCK_ACTIONS: Final = "block_actions"
_MOST_FIELDS: Final = 16
_FORM_TEXT: Final = re.compile(rb"[!#-\[\]-~]*")
"""Whatever else there is, a form encodes; so its text is as long in JSON as it is here."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Of what kind a payload is and where from; empty what it does not say, or not as text."""

    kind: str
    app_id: str
    workspace: str
    organisation: str


def is_form(content_type: str) -> bool:
    """Whether a Content-Type header, its parameters aside, says so."""
    return content_type.partition(";")[0].strip().lower() == FORM


def payload_of(body: bytes) -> Mapping[str, Any]:
    """The JSON object in the form's one `payload` field. Raises MalformedEvent."""
    if not _FORM_TEXT.fullmatch(body):
        raise MalformedEvent("the body is not form-encoded")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict",
                          max_num_fields=_MOST_FIELDS)  # fmt: skip
    except ValueError:  # its text would quote the body
        raise MalformedEvent("the body is not form-encoded") from None
    payloads = [value for name, value in pairs if name == "payload"]
    if len(payloads) != 1:
        raise MalformedEvent(f"the form has {len(payloads)} payload fields; expected one")
    try:
        payload = json.loads(payloads[0])
    except (ValueError, RecursionError):
        raise MalformedEvent("payload is no JSON") from None
    if not isinstance(payload, dict):
        raise MalformedEvent("payload is no JSON object")
    return payload


def envelope(payload: Mapping[str, Any]) -> Envelope:
    """What the door looks at; nothing is raised."""
    return Envelope(
        kind=_text(payload.get("type")),
        app_id=_text(payload.get("api_app_id")),
        workspace=_id(payload.get("team")),
        organisation=_id(payload.get("enterprise")),
    )


def _id(value: object) -> str:
    return _text(value.get("id")) if isinstance(value, Mapping) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
