"""Heartbeats, in batches from their queue. The format is the training client's: see client/README.md."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from costwatch import names
from costwatch.core import durations, times
from costwatch.core.heartbeats import LONGEST_ANNOUNCED, LONGEST_STEP, Beat, BeatKind
from costwatch.core.policy import Service
from costwatch.errors import MalformedEvent
from costwatch.intake.reading import body_of, mapping, shown, text_of, unknown


@dataclass(frozen=True, slots=True)
class Canary:
    """The sweep's own beat: it proves the way that all beats take. `sent_at`: aware UTC, the sweep's clock."""

    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message of a queue, by the id it is asked for again under."""

    id: str
    what: Beat | Canary


@dataclass(frozen=True, slots=True)
class Refused:
    """One message of a queue that no function can use."""

    event: object
    reason: str


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """A batch from the queue of heartbeats, in its order."""

    arrived: tuple[Arrived, ...]
    refused: tuple[Refused, ...]


_BEATS: Final = {
    names.DETAIL_HEARTBEAT: BeatKind.BEAT,
    names.DETAIL_STARTED: BeatKind.STARTED,
    names.DETAIL_DONE: BeatKind.DONE,
}
_BEATING: Final = {each.value: each for each in (Service.EC2, Service.TRAINING, Service.PROCESSING)}
_INSTANCE_ID: Final = re.compile(r"i-[0-9a-f]{8,17}")
_JOB_NAME: Final = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,62}")
_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+){1,2}-[1-9]")
_FUTURE: Final = timedelta(minutes=5)
_LONGEST_TEXT: Final = 256
_MOST_BYTES: Final = 4096
"""Of metrics and of a fingerprint: a row holds several of each, and DynamoDB's has an end."""
_LONGEST_PROBLEM: Final = 1000
_MOST_METRICS: Final = 20


def heartbeats(event: object, *, account: str) -> Heartbeats:
    """A batch of what trainers of `account`, and the sweep, sent. Each message is judged by itself.

    Raises MalformedEvent where the whole is no batch of SQS messages.
    """
    records = body_of(event).get("Records")
    if not isinstance(records, list):
        raise MalformedEvent("Records is missing or no list; expected a batch of SQS messages")
    arrived: list[Arrived] = []
    refused: list[Refused] = []
    for record in records:
        message = body_of(record)
        message_id = text_of(message, "messageId")
        try:
            what = _what(message, account)
        except MalformedEvent as error:
            refused.append(Refused(message.get("body"), str(error)))
            continue
        except Exception as error:  # noqa: BLE001 - whatever one message does to us, the others of its batch are taken
            refused.append(Refused(message.get("body"), f"it could not be read: {error!r}"))
            continue
        if what is not None:
            arrived.append(Arrived(message_id, what))
    return Heartbeats(tuple(arrived), tuple(refused))


def _what(message: Mapping[str, Any], account: str) -> Beat | Canary | None:
    """None: somebody only tried the way."""
    try:
        body = body_of(json.loads(text_of(message, "body")))
        json.dumps(body, ensure_ascii=False).encode("utf-8")  # half a character can be written in JSON and nowhere else
    except UnicodeEncodeError:
        raise MalformedEvent("the message's body is no Unicode") from None
    except (ValueError, RecursionError):
        raise MalformedEvent("the message's body is no JSON") from None
    if body.get("source") != names.SOURCE_CLIENT:
        raise unknown(body)
    if body.get("account") != account:
        # The envelope's account is EventBridge's word, the detail's the sender's.
        raise MalformedEvent(f"account is {shown(body.get('account'))}; only beats sent from {account} are taken")
    detail, kind = mapping(body, "detail"), body.get("detail-type")
    if kind == names.DETAIL_CANARY:
        return _canary(detail, _arrival(message))
    if kind == names.DETAIL_CHECK:
        return None
    if not isinstance(kind, str) or kind not in _BEATS:
        raise unknown(body)
    return _beat(detail, _BEATS[kind], account, _arrival(message))


def _canary(detail: Mapping[str, Any], received_at: datetime) -> Canary:
    """One from the future would prove the way when it is broken: whoever may beat could send it."""
    sent_at = _moment(text_of(detail, "detail.sent_at"), "detail.sent_at")
    if sent_at - received_at > _FUTURE:
        raise MalformedEvent(f"detail.sent_at is {durations.show(sent_at - received_at)} after the canary arrived")
    return Canary(sent_at)


def _beat(detail: Mapping[str, Any], kind: BeatKind, account: str, received_at: datetime) -> Beat:
    """Whose beat it is must be right; what else it says and cannot be used is left out and noted."""
    if detail.get("v") != 1:
        raise MalformedEvent(f"detail.v is {shown(detail.get('v'))}; this version reads 1")
    member = mapping(detail, "detail.member")
    service = _BEATING.get(text_of(member, "detail.member.service"))
    if service is None:
        raise MalformedEvent(f"detail.member.service is {shown(member['service'])}; expected {', '.join(_BEATING)}")
    name = text_of(member, "detail.member.id")
    if not (_INSTANCE_ID if service is Service.EC2 else _JOB_NAME).fullmatch(name):
        raise MalformedEvent(f"detail.member.id is {shown(name)}, which is no id of {service.value}")
    if text_of(member, "detail.member.account") != account:
        raise MalformedEvent(f"detail.member.account is {shown(member['account'])}; the beat came from {account}")
    region = text_of(member, "detail.member.region")
    if not _REGION.fullmatch(region):
        raise MalformedEvent(f"detail.member.region is {shown(region)}; expected a region such as us-east-1")
    seq: Any = detail.get("seq")
    if not _is_whole(seq, least=1):
        raise MalformedEvent(f"detail.seq is {shown(seq)}; expected a whole number from 1")
    told = _Told(detail)
    step, total = told.whole("step", least=0), told.whole("total", least=1)
    if step is not None and total is not None and step > total:
        told.problem(f"step {step} is beyond total {total}")
        total = None
    sent_at = told.moment("at")
    if sent_at is not None and sent_at - received_at > _FUTURE:
        told.problem(f"its clock is {durations.show(sent_at - received_at)} ahead; arrival counts")
    return Beat(
        service=service,
        member_id=name,
        account=account,
        region=region,
        received_at=received_at,
        kind=kind,
        session=told.text("session"),
        seq=seq,
        step=step,
        total=total,
        checkpoint=told.text("checkpoint"),
        next_within=told.seconds("next_within_seconds"),
        metrics=told.numbers("metrics"),
        fingerprint=told.texts("fingerprint"),
        problem="; ".join(told.problems)[:_LONGEST_PROBLEM],
    )


class _Told:
    """What a beat says beside whose it is. What is absent or null is not said; what cannot be used is a problem."""

    def __init__(self, detail: Mapping[str, Any]) -> None:
        self._detail = detail
        self.problems: list[str] = []

    def problem(self, sentence: str) -> None:
        self.problems.append(sentence)

    def whole(self, name: str, *, least: int) -> int | None:
        expected = f"a whole number from {least} to {LONGEST_STEP:,}"
        found: int | None = self._read(name, lambda v: _is_whole(v, least=least), expected)
        return found

    def text(self, name: str) -> str:
        found = self._read(name, lambda v: isinstance(v, str) and len(v) <= _LONGEST_TEXT, "a short text")
        return str(found) if found is not None else ""

    def seconds(self, name: str) -> timedelta | None:
        """A longer phase is taken for the longest that there may be."""
        found = self._read(name, lambda v: _is_number(v) and v > 0, "seconds")
        if found is None:
            return None
        most = LONGEST_ANNOUNCED.total_seconds()
        if found > most:
            self.problem(f"{name} is {shown(found)}; no phase is longer than {durations.show(LONGEST_ANNOUNCED)}")
        return timedelta(seconds=min(found, most))

    def moment(self, name: str) -> datetime | None:
        text = self.text(name)
        try:
            return times.parse_rfc3339(text) if text else None
        except ValueError as error:
            self.problem(f"{name}: {error}")
            return None

    def numbers(self, name: str) -> dict[str, str]:
        found = self._named(name, _is_number, "numbers")
        return {key: repr(value) for key, value in found.items()}

    def texts(self, name: str) -> dict[str, str]:
        found = self._named(
            name, lambda v: isinstance(v, str | int) and len(str(v)[:300]) <= _LONGEST_TEXT, "short texts"
        )
        return {key: str(value) for key, value in found.items()}

    def _named(self, name: str, fits: Callable[[Any], bool], expected: str) -> dict[str, Any]:
        found = self._read(name, lambda v: isinstance(v, Mapping), f"{expected} by name") or {}
        pairs = list(found.items())[:_MOST_METRICS]
        kept = {key: value for key, value in pairs if value is not None and len(key) <= _LONGEST_TEXT and fits(value)}
        if len(kept) < sum(value is not None for value in found.values()):
            self.problem(f"{name}: at most {_MOST_METRICS} {expected}")
        if sum(len(f"{key}{value}".encode("utf-8", "replace")) for key, value in kept.items()) > _MOST_BYTES:
            self.problem(f"{name}: more than {_MOST_BYTES} bytes")
            return {}
        return kept

    def _read(self, name: str, fits: Callable[[Any], bool], expected: str) -> Any:
        value = self._detail.get(name)
        if value is None or fits(value):
            return value
        self.problem(f"{name} is {shown(value)}; expected {expected}")
        return None


def _is_whole(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LONGEST_STEP


def _is_number(value: object) -> bool:
    """A whole number has no bounds in JSON; one that is too large for a float is none here."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max


def _arrival(message: Mapping[str, Any]) -> datetime:
    """When SQS took the message: the sender cannot set it."""
    text = text_of(mapping(message, "attributes"), "attributes.SentTimestamp")
    try:
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise MalformedEvent(f"attributes.SentTimestamp is {shown(text)}; expected milliseconds") from None


def _moment(text: str, path: str) -> datetime:
    try:
        return times.parse_rfc3339(text)
    except ValueError as error:
        raise MalformedEvent(f"{path}: {error}") from None
