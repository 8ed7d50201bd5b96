"""What Slack does when somebody clicks: the block_actions payload, its signature, and its way to the app.

Slack sends each interaction once. Retries with X-Slack-Retry-Num are documented for its Events API alone, so here they
come only where a test asks for them.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from demo.slack_elements import MAX_INPUT_CHARACTERS, length
from demo.slack_messages import Element, SlackMessage, elements, filled
from demo.slack_people import Person

TIMEOUT_SECONDS: Final = 3.0
SAID: Final = {
    "operation_timeout": "This app took too long to answer. Please try again.",
    "http_error": "This app answered with an error. Please try again.",
    "unreachable": "This app could not be reached. Please try again.",
    "not_configured": "This app is not configured to handle interactive responses.",
}
"""What a person reads beside what they clicked, by the reason why it failed."""

Values = Mapping[tuple[str, str], str]
"""(block id, action id) -> what was written, or the value of the option that was chosen."""


class SlackClickError(ValueError):
    """Slack would not let this person do that; the text says why."""


@dataclass(frozen=True)
class Installation:
    """Where the app is installed, and as what. `verification_token` is Slack's deprecated one: it proves nothing."""

    team_id: str = "T0EMBEDDED"
    domain: str = "embedded"
    app_id: str = "A0COSTWATCH"
    bot_id: str = "B0COSTWATCH"
    bot_user_id: str = "U0COSTWATCH"
    bot_name: str = "costwatch"
    verification_token: str = "embedded-verification-token"


@dataclass(frozen=True)
class Delivery:
    """One request to the app. `status`: None when no answer came in time; `error`: a key of SAID, or empty.

    `body` is what was signed. `retry_number` is 0 for the first request of a click.
    """

    payload: Mapping[str, Any]
    body: bytes
    headers: Mapping[str, str]
    status: int | None
    error: str
    retry_number: int = 0

    @property
    def ok(self) -> bool:
        """Whether Slack takes it for acknowledged: HTTP 200 within three seconds."""
        return not self.error


# --- what was clicked --------------------------------------------------------------------------------


def find_element(message: SlackMessage, action_id: str, block_id: str = "") -> Element:
    """The element, `block_id` telling apart those of one action id. Raises SlackClickError."""
    found = [
        each
        for each in elements(message.blocks)
        if each.action_id == action_id and block_id in ("", each.block_id) and each.dispatches
    ]
    if not found:
        raise SlackClickError(f"the message has nothing to click called {action_id!r}: it may have changed")
    if len(found) > 1:
        raise SlackClickError(f"{action_id!r} stands in several blocks: say which")
    return found[0]


def values_of(message: SlackMessage, inputs: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Inputs by action id alone, as a test names them. Raises SlackClickError for one that the message has not."""
    known = {each.action_id: each for each in elements(message.blocks) if each.is_stateful}
    missing = sorted(set(inputs) - set(known))
    if missing:
        raise SlackClickError(f"the message has no input called {', '.join(missing)}")
    return {(known[name].block_id, name): value for name, value in inputs.items()}


def state_of(message: SlackMessage, values: Values) -> dict[str, dict[str, Any]]:
    """`state.values`: each input of the message, with its initial value where none is given. Raises SlackClickError."""
    state: dict[str, dict[str, Any]] = {}
    left = dict(values)
    for element in elements(message.blocks):
        if element.is_stateful:
            given = left.pop((element.block_id, element.action_id), None)
            state.setdefault(element.block_id, {})[element.action_id] = _state(element, given)
    if left:
        raise SlackClickError(f"the message has no input called {next(iter(left))[1]!r}: it may have changed")
    return state


def _state(element: Element, given: str | None) -> dict[str, Any]:
    spec = element.spec
    if element.kind == "static_select":
        initial = spec.get("initial_option")
        return {"type": element.kind, "selected_option": _option(element, given) if given else initial}
    text = spec.get("initial_value", "") if given is None else given
    most, least = spec.get("max_length", MAX_INPUT_CHARACTERS), spec.get("min_length", 0)
    if length(text) > most:
        raise SlackClickError(f"{element.action_id}: must be less than {most + 1} characters")
    if text and length(text) < least:
        raise SlackClickError(f"{element.action_id}: must be at least {least} characters")
    return {"type": element.kind, "value": text or None}


def _option(element: Element, value: str) -> Mapping[str, Any]:
    options: Iterable[Mapping[str, Any]] = element.spec["options"]
    found = next((each for each in options if each["value"] == value), None)
    if found is None:
        known = ", ".join(str(each["value"]) for each in options)
        raise SlackClickError(f"{element.action_id}: {value!r} is none of its options ({known})")
    return found


def action_of(element: Element, state: Mapping[str, Mapping[str, Any]], action_ts: str) -> dict[str, Any]:
    """The entry of `actions`: what was used, without what only the page needs."""
    sent = ("type", "action_id", "text", "value", "style", "confirm", "placeholder", "initial_option", "url")
    action = {name: element.spec[name] for name in sent if name in element.spec}
    if element.is_stateful:
        action |= {key: value for key, value in state[element.block_id][element.action_id].items() if key != "type"}
    return {**action, "block_id": element.block_id, "action_ts": action_ts}


# --- the payload -------------------------------------------------------------------------------------


def payload_of(
    installation: Installation,
    message: SlackMessage,
    person: Person,
    action: Mapping[str, Any],
    state: Mapping[str, Any],
    *,
    channel_name: str,
    trigger_id: str,
    response_url: str,
) -> dict[str, Any]:
    """A block_actions payload as Slack sends it. Ephemeral messages come without `message`."""
    container = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": message.channel_id,
        "is_ephemeral": message.only_for is not None,
    }
    thread = {"thread_ts": message.thread_ts} if message.thread_ts else {}
    payload: dict[str, Any] = {
        "type": "block_actions",
        "user": {"id": person.id, "username": person.name, "name": person.name, "team_id": installation.team_id},
        "api_app_id": installation.app_id,
        "token": installation.verification_token,
        "container": container | thread,
        "trigger_id": trigger_id,
        "team": {"id": installation.team_id, "domain": installation.domain},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": message.channel_id, "name": channel_name},
        "message": as_slack_shows(installation, message),
        "state": {"values": state},
        "response_url": response_url,
        "actions": [action],
    }
    if message.only_for is not None:
        del payload["message"]
    return payload


def as_slack_shows(installation: Installation, message: SlackMessage) -> dict[str, Any]:
    """The message object of payloads and answers."""
    shown: dict[str, Any] = {
        "type": "message",
        "user": installation.bot_user_id,
        "bot_id": installation.bot_id,
        "app_id": installation.app_id,
        "team": installation.team_id,
        "ts": message.ts,
        "text": message.text,
        "blocks": filled(message.blocks),
    }
    if message.is_marked_edited and message.edited_at:
        shown["edited"] = {"user": installation.bot_id, "ts": f"{int(message.edited_at.timestamp())}.000000"}
    if message.thread_ts:
        shown["thread_ts"] = message.thread_ts
    return shown


# --- its way to the app ------------------------------------------------------------------------------


def form_body(payload: Mapping[str, Any]) -> bytes:
    """`payload=` and the JSON, with the escaped slashes of Slack's own."""
    text = json.dumps(payload, separators=(",", ":")).replace("/", "\\/")
    return urlencode({"payload": text}).encode()


def signed(secret: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that prove it is Slack's: `v0=` and HMAC-SHA256 over v0:timestamp:body, hexadecimal."""
    digest = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(timestamp), "X-Slack-Signature": f"v0={digest}"}


def send(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int | None, str]:
    """Status and error, after three seconds at most. Nothing is followed, retried or sent through a proxy."""
    address = urlsplit(url)
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    if address.scheme not in kinds or not address.hostname:
        return None, "not_configured"
    began = time.monotonic()
    connection = kinds[address.scheme](address.hostname, address.port, timeout=TIMEOUT_SECONDS)
    try:
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        connection.request("POST", target, body, dict(headers))
        answer = connection.getresponse()
        answer.read()
    except TimeoutError:
        return None, "operation_timeout"
    except (OSError, http.client.HTTPException):
        return None, "unreachable"
    finally:
        connection.close()
    if time.monotonic() - began > TIMEOUT_SECONDS:
        return None, "operation_timeout"
    return answer.status, "" if answer.status == http.client.OK else "http_error"
