"""A click in Slack, from the bus: first as it was signed, then, once that is verified, as what somebody wants."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from costwatch import names
from costwatch.errors import MalformedEvent
from costwatch.intake.reading import body_of, mapping, text_of, unknown
from costwatch.slack_intake.payload import BLOCK_ACTIONS, envelope, payload_of

CAP_BLOCK: Final = "cap"
REASON_BLOCK: Final = "reason"
NO_CAP: Final = "none"
LONGEST_REASON: Final = 1000
_LONGEST_CAP: Final = timedelta(days=365)
_LONGEST_ID: Final = 64
_SECONDS: Final = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SignedClick:
    """What Slack posted to the door, with the two headers that prove it. Nothing of it is verified yet."""

    body: bytes
    timestamp: str
    signature: str
    retry: str
    """X-Slack-Retry-Num; empty in a first attempt."""


@dataclass(frozen=True, slots=True)
class Click:
    """Who pressed what, where. `action` is the word before the colon of the action id, `value` the button's.

    `cap` None: none was chosen, or there is no choice. `at`: when it was pressed, aware UTC.
    """

    user_id: str
    user_name: str
    team_id: str
    organisation_id: str
    app_id: str
    channel_id: str
    message_ts: str
    action_ts: str
    action: str
    value: str
    at: datetime
    cap: timedelta | None = None
    reason: str = ""
    text: str = ""
    """The push text of the card."""
    blocks: Sequence[Any] = field(default=(), repr=False)
    """The card as Slack shows it: only ever drawn again, never decided by."""

    @property
    def id(self) -> str:
        """The same for one press, however often Slack or the bus delivers it."""
        return f"{self.team_id}#{self.channel_id}#{self.message_ts}#{self.user_id}#{self.action}#{self.action_ts}"

    @property
    def card_at(self) -> datetime:
        """When the card was posted, aware UTC: a message's `ts` is a time."""
        return _moment(self.message_ts, "container.message_ts")


def signed_click(event: object) -> SignedClick:
    """What the function behind the door takes. Raises MalformedEvent for anything else."""
    body = body_of(event)
    if (body.get("source"), body.get("detail-type")) != (names.SOURCE_SLACK, names.DETAIL_SLACK_INTERACTION):
        raise unknown(body)
    detail = mapping(body, "detail")
    raw = text_of(detail, "detail.body")
    retry = detail.get("retry", "")
    if not isinstance(retry, str):
        raise MalformedEvent("detail.retry is no text")
    try:
        signed = raw.encode("ascii")
    except UnicodeEncodeError:
        raise MalformedEvent("detail.body is no form: it is not ASCII") from None
    return SignedClick(signed, text_of(detail, "detail.timestamp"), text_of(detail, "detail.signature"), retry)


def click(body: bytes) -> Click:
    """What a verified body says. Raises MalformedEvent for what is no press of a button in a message."""
    payload = payload_of(body)
    seen = envelope(payload)
    if seen.kind != BLOCK_ACTIONS:
        raise MalformedEvent(f"payload.type is {seen.kind[:80]!r}; expected {BLOCK_ACTIONS}")
    user = mapping(payload, "user")
    pressed = _only_action(payload)
    channel, ts = _place(payload)
    action_ts = _id_of(pressed, "actions[0].action_ts")
    message = payload.get("message")
    shown: Mapping[str, Any] = message if isinstance(message, Mapping) else {}
    return Click(
        user_id=_id_of(user, "user.id"),
        user_name=_optional(user, "name") or _optional(user, "username"),
        team_id=seen.workspace,
        organisation_id=seen.organisation,
        app_id=seen.app_id,
        channel_id=channel,
        message_ts=ts,
        action_ts=action_ts,
        action=text_of(pressed, "actions[0].action_id").partition(":")[0],
        value=_optional(pressed, "value"),
        at=_moment(action_ts, "actions[0].action_ts"),
        cap=_cap(payload),
        reason=_reason(payload),
        text=_optional(shown, "text"),
        blocks=tuple(_listed(shown.get("blocks"))),
    )


def _only_action(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    actions = payload.get("actions")
    if not isinstance(actions, list) or len(actions) != 1 or not isinstance(actions[0], Mapping):
        raise MalformedEvent("payload.actions is no list of one action")
    return actions[0]


def _place(payload: Mapping[str, Any]) -> tuple[str, str]:
    """Channel and `ts` of the message that was clicked in."""
    container = payload.get("container")
    if isinstance(container, Mapping) and container.get("message_ts"):
        ts, channel = _id_of(container, "container.message_ts"), container.get("channel_id")
        if isinstance(channel, str) and channel:
            return _id_of(container, "container.channel_id"), _checked_ts(ts, "container.message_ts")
        return _id_of(mapping(payload, "channel"), "channel.id"), _checked_ts(ts, "container.message_ts")
    ts = _id_of(mapping(payload, "message"), "message.ts")
    return _id_of(mapping(payload, "channel"), "channel.id"), _checked_ts(ts, "message.ts")


def _checked_ts(ts: str, path: str) -> str:
    _moment(ts, path)
    return ts


def _cap(payload: Mapping[str, Any]) -> timedelta | None:
    """What was chosen as a cap, in whole seconds; None: nothing, or no cap."""
    element = _element(payload, CAP_BLOCK)
    if element is None or element.get("selected_option") is None:
        return None
    value = text_of(mapping(element, "state.cap.selected_option"), "state.cap.selected_option.value")
    if value == NO_CAP:
        return None
    seconds = int(value) if value.isascii() and value.isdigit() and len(value) <= 9 else 0
    if not 0 < seconds <= _LONGEST_CAP.total_seconds():
        raise MalformedEvent(f"the chosen cap is {value[:80]!r}; expected seconds, at most 365 days, or {NO_CAP!r}")
    return timedelta(seconds=seconds)


def _reason(payload: Mapping[str, Any]) -> str:
    element = _element(payload, REASON_BLOCK)
    value = element.get("value") if element is not None else None
    if value is not None and not isinstance(value, str):
        raise MalformedEvent("the reason is no text")
    return " ".join((value or "").split())[:LONGEST_REASON]


def _element(payload: Mapping[str, Any], block: str) -> Mapping[str, Any] | None:
    """The state of a block's one input."""
    state = payload.get("state")
    values = state.get("values") if isinstance(state, Mapping) else None
    found = values.get(block) if isinstance(values, Mapping) else None
    element = found.get(block) if isinstance(found, Mapping) else None
    return element if isinstance(element, Mapping) else None


def _listed(blocks: object) -> Iterator[Any]:
    yield from blocks if isinstance(blocks, list) else ()


def _id_of(body: Mapping[str, Any], path: str) -> str:
    """An id of Slack's: it becomes a part of keys."""
    found = text_of(body, path)
    if len(found) > _LONGEST_ID or not found.isascii() or not found.isprintable() or "#" in found:
        raise MalformedEvent(f"{path} is {found[:80]!r}; expected an id of Slack's")
    return found


def _optional(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _moment(ts: str, path: str) -> datetime:
    if not _SECONDS.fullmatch(ts):
        raise MalformedEvent(f"{path} is {ts[:80]!r}; expected seconds since 1970")
    return datetime.fromtimestamp(float(ts), UTC)
