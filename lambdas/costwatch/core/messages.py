"""What is to be said to people, as facts. The words are made at the moment of sending (see cards)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from costwatch.core import times
from costwatch.core.policy import Mode
from costwatch.core.record import RunRecord


class Audience(StrEnum):
    OWNER = "owner"
    """The owner, else the team's channel, else the platform channel, else SNS."""
    PLATFORM = "platform"
    """The platform channel, else SNS."""
    APPROVERS = "approvers"
    """The team's channel, else the platform channel, else SNS."""
    CARD = "card"
    """Whoever sees the card that was clicked: in its place, and in its thread."""
    BUS = "bus"
    """Pipelines, by an event; no person reads it."""


class MessageKind(StrEnum):
    WARNING = "warning"
    STOPPED = "stopped"
    WOULD_STOP = "would stop"
    HELD = "held"
    FAILED = "failed"
    CAME_BACK = "came back"
    VERIFIED = "verified"
    MALFORMED_TAG = "malformed tag"
    LET_FINISH = "let finish"
    STALLED = "stalled"
    MASS_SILENCE = "mass silence"
    UNWATCHED = "unwatched"
    SUMMARY = "summary"
    WEEK = "weekly digest"
    EXEMPTION_ASKED = "exemption asked for"
    APPROVER_GROUP = "approver group"
    CLICKED = "clicked"
    APPROVAL = "approval"
    APPROVAL_WOULD = "would ask for approval"
    APPROVAL_REMINDER = "approval reminder"
    APPROVAL_ANSWERED = "approval answered"
    APPROVAL_UNUSED = "approval unused"
    NEARLY_USED_UP = "money nearly used up"
    RUN_STOPPED = "run stopped event"
    RES_VERDICT = "verdict about a model"
    RES_EVENT = "verdict event"


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to say once. `id` is made of facts, so a retry makes the same row and not a second message."""

    id: str
    kind: MessageKind
    audience: Audience
    facts: Mapping[str, str]


def heard(mode: Mode) -> bool:
    """Whether people hear single messages in `mode`: in observe only the daily summary speaks."""
    return mode in (Mode.WARN, Mode.ENFORCE)


def about(
    record: RunRecord, kind: MessageKind, audience: Audience, *, version: int, detail: str = "", **facts: str
) -> Message:
    """A message about `record` as it will stand at `version`; the run's own facts come along.

    `detail` tells apart several messages of one kind in one step.
    """
    common = {
        "run": str(record.run_id),
        "name": record.name,
        "owner": record.owner,
        "team": record.team,
        "selector": record.selector,
        "mode": record.mode.value,
        "capacity": record.capacity_text,
        "clock": record.clock_evidence,
        "price_note": record.price_note,
        "start": times.to_text(record.start) if record.start else "",
        "deadline": times.to_text(record.deadline) if record.deadline else "",
        "hourly_rate_usd": str(record.hourly_rate_usd) if record.hourly_rate_usd is not None else "",
    }
    if record.forecast is not None:
        common["forecast"] = record.forecast.sentence
    if record.rate_since is not None:
        before = record.spent_before_usd
        common["rate_since"] = times.to_text(record.rate_since)
        common["spent_before_usd"] = str(before) if before is not None else ""
    # Versions begin anew with every episode; its start keeps the messages of two episodes apart.
    episode = times.to_key(record.start) if record.start else "-"
    suffix = f"#{detail}" if detail else ""
    message_id = f"{record.run_id}#{episode}#{version:06d}#{kind.value}{suffix}"
    return Message(message_id, kind, audience, {**common, **facts})
