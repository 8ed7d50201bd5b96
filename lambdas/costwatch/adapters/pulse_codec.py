"""Pulses to table items and back: times as fixed-width UTC text, durations as seconds in text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from costwatch.core import times
from costwatch.core.beat_path import Path
from costwatch.core.heartbeats import Pulse, Session
from costwatch.core.policy import Service

Body = Mapping[str, Any]


def pulse_to_item(service: Service, member_id: str, pulse: Pulse) -> dict[str, Any]:
    """Without keys and stamp. Absent values are left out."""
    body = {
        "service": service.value,
        "member": member_id,
        "sessions": [_session_to_item(session) for session in pulse.sessions],
        "longest_gap_seconds": _seconds(pulse.longest_gap),
        "quiet_until": _text(pulse.quiet_until),
        "done_at": _text(pulse.done_at),
    }
    return {name: value for name, value in body.items() if value is not None}


def pulse_from_item(item: Body) -> Pulse:
    """The inverse of `pulse_to_item`; unknown attributes (keys, stamp) are ignored."""
    return Pulse(
        sessions=tuple(_session_from_item(each) for each in item["sessions"]),
        longest_gap=_duration(item["longest_gap_seconds"]),
        quiet_until=_time(item, "quiet_until"),
        done_at=_time(item, "done_at"),
    )


def _session_to_item(session: Session) -> dict[str, Any]:
    body = {
        "session": session.id,
        "seq": session.seq,
        "beats": session.beats,
        "first_at": times.to_text(session.first_at),
        "last_at": times.to_text(session.last_at),
        "longest_gap_seconds": _seconds(session.longest_gap),
        "quiet_until": _text(session.quiet_until),
        "done_at": _text(session.done_at),
        "step": session.step,
        "step_at": _text(session.step_at),
        "first_step": session.first_step,
        "first_step_at": _text(session.first_step_at),
        "advances": session.advances,
        "longest_step_gap_seconds": _seconds(session.longest_step_gap),
        "total": session.total,
        "checkpoint": session.checkpoint,
        "checkpoint_at": _text(session.checkpoint_at),
        "metrics": dict(session.metrics),
        "fingerprint": dict(session.fingerprint),
        "problem": session.problem,
    }
    return {name: value for name, value in body.items() if value is not None}


def _session_from_item(item: Body) -> Session:
    return Session(
        id=item["session"],
        seq=int(item["seq"]),
        beats=int(item["beats"]),
        first_at=times.from_text(item["first_at"]),
        last_at=times.from_text(item["last_at"]),
        longest_gap=_duration(item["longest_gap_seconds"]),
        quiet_until=_time(item, "quiet_until"),
        done_at=_time(item, "done_at"),
        step=_whole(item, "step"),
        step_at=_time(item, "step_at"),
        first_step=_whole(item, "first_step"),
        first_step_at=_time(item, "first_step_at"),
        advances=int(item["advances"]),
        longest_step_gap=_duration(item["longest_step_gap_seconds"]),
        total=_whole(item, "total"),
        checkpoint=item["checkpoint"],
        checkpoint_at=_time(item, "checkpoint_at"),
        metrics=dict(item["metrics"]),
        fingerprint=dict(item["fingerprint"]),
        problem=item["problem"],
    )


def path_to_item(path: Path) -> dict[str, Any]:
    return {
        "last_sent_at": times.to_text(path.last_sent_at),
        "unbroken_since": times.to_text(path.unbroken_since),
    }


def path_from_item(item: Body) -> Path:
    return Path(times.from_text(item["last_sent_at"]), times.from_text(item["unbroken_since"]))


def _seconds(duration: timedelta) -> Decimal:
    return Decimal(str(duration.total_seconds()))


def _duration(seconds: Any) -> timedelta:
    return timedelta(microseconds=round(Decimal(seconds) * 1_000_000))


def _whole(item: Body, name: str) -> int | None:
    return int(item[name]) if item.get(name) is not None else None


def _time(item: Body, name: str) -> datetime | None:
    return times.from_text(item[name]) if item.get(name) else None


def _text(moment: datetime | None) -> str | None:
    return times.to_text(moment) if moment is not None else None
