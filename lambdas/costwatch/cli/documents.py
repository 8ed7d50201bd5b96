"""Records and entries as documents for `--json`, and as the sentences that tables show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from costwatch.adapters.ledger import TimelineRow
from costwatch.cli.session import Deployment
from costwatch.core import times
from costwatch.core.forecast import Forecast
from costwatch.core.messages import Message
from costwatch.core.record import Pause, RunRecord, Status
from costwatch.core.sweeps import SweepDone
from costwatch.core.would_haves import WouldHaves
from costwatch.errors import UnreadableRow


def standing(record: RunRecord, now: datetime) -> str:
    """Why the run stands where it stands, as one sentence; empty when its clock merely runs."""
    if record.exemption is not None and record.exemption.active(now):
        return record.exemption.sentence
    if record.hold is not None:
        since = ""
        if record.released_key == record.hold.key:
            since = "; released since, the next sweep looks at it"
        elif any(extension.at >= record.hold.since for extension in record.extensions):
            since = "; extended since, the next sweep looks at it"
        return f"{record.hold.id}: {record.hold.reason}{since}"
    stop = record.stop
    if record.status is Status.STOPPING and stop is not None:
        if stop.requested_at is None:
            return f"being stopped, attempt {stop.attempt}, by {stop.owner}"
        return f"stopped at {times.to_key(stop.requested_at)}; each sweep looks whether it came back"
    if record.status is Status.WOULD_STOP:
        return f"would have been stopped at {times.to_key(record.would_stop_at)}" if record.would_stop_at else ""
    return warned(record)


def hourly_rate_usd(record: RunRecord) -> Decimal | None:
    """What it burns now: nothing more once its stop was accepted. None: unknown, never 0."""
    return Decimal(0) if _stopped_at(record) is not None else record.hourly_rate_usd


def spent_usd(record: RunRecord, now: datetime) -> Decimal | None:
    """From its start to `now`, or to when its stop was accepted."""
    return record.spent_usd(_stopped_at(record) or now)


def _stopped_at(record: RunRecord) -> datetime | None:
    return record.stop.requested_at if record.stop is not None and record.status is Status.STOPPING else None


def warned(record: RunRecord) -> str:
    """The notice and its delivery; empty without one."""
    notice = record.notice
    if notice is None:
        return ""
    asked = f"warned at {times.to_key(notice.requested_at)}"
    if notice.accepted_at is None:
        return f"{asked}; the notice is not accepted for delivery yet"
    earliest = f"; not stopped before {times.to_key(notice.stops_at)}" if notice.stops_at else ""
    return f"{asked}, accepted by {notice.via} at {times.to_key(notice.accepted_at)}{earliest}"


def status(
    deployed: Deployment,
    records: Sequence[RunRecord],
    pause: Pause | None,
    unsent: Sequence[Message],
    now: datetime,
    *,
    unreadable: Sequence[UnreadableRow],
    closed: WouldHaves,
    last_sweep: SweepDone | None,
) -> dict[str, Any]:
    """`costwatch status --json`. Totals count what has a price, and say how many have none."""
    # No loop may call its variable `record`, as the function below: Python 3.12.1 takes the one for the other.
    rates = [hourly_rate_usd(each) for each in records]
    spent = [spent_usd(each, now) for each in records]
    return {
        "at": times.to_key(now),
        "regions": list(deployed.regions),
        "policy_digest": deployed.policy_digest,
        "config_commit": deployed.config_commit,
        "last_sweep": _swept(last_sweep) if last_sweep is not None else None,
        "paused": _pause(pause) if pause is not None and pause.active(now) else None,
        "totals": {
            "runs": len(records),
            "held": sum(each.status is Status.HELD for each in records),
            "hourly_rate_usd": _sum(rates),
            "spent_usd": _sum(spent),
            "without_price": sum(rate is None for rate in rates),
        },
        "would_haves_7d": would_haves(closed),
        "undelivered": [message(each) for each in unsent],
        "unreadable": [str(row) for row in unreadable],
        "runs": [record(each, now) for each in records],
    }


def record(r: RunRecord, now: datetime) -> dict[str, Any]:
    """One open run."""
    return {
        "run": str(r.run_id),
        "name": r.name,
        "status": r.status.value,
        "standing": standing(r, now),
        "mode": r.mode.value,
        "selector": r.selector,
        "owner": r.owner,
        "team": r.team,
        "started": _time(r.start),
        "deadline": _time(r.deadline),
        "clock_evidence": r.clock_evidence,
        "members": list(r.member_ids),
        "capacity": r.capacity_text,
        "restarts": r.restarts,
        "hourly_rate_usd": _usd(hourly_rate_usd(r)),
        "spent_usd": _usd(spent_usd(r, now), cents=True),
        "price_note": r.price_note,
        "project": r.project,
        "model": r.model,
        "forecast": r.forecast and forecast(r.forecast),
        "notice": r.notice
        and {
            "requested_at": _time(r.notice.requested_at),
            "accepted_at": _time(r.notice.accepted_at),
            "via": r.notice.via,
            "stops_at": _time(r.notice.stops_at),
        },
        "hold": r.hold
        and {
            "id": r.hold.id,
            "code": r.hold.code.value,
            "reason": r.hold.reason,
            "since": _time(r.hold.since),
            "released": r.released_key == r.hold.key,
        },
        "exemption": r.exemption
        and {"by": r.exemption.by, "until": _time(r.exemption.until), "reason": r.exemption.reason},
        "extensions": [
            {"by": e.by, "at": _time(e.at), "seconds": int(e.duration.total_seconds()), "until": _time(e.until)}
            for e in r.extensions
        ],
    }


def forecast(f: Forecast) -> dict[str, Any]:
    """What a run was expected to cost when it was first seen."""
    return {
        "made_at": _time(f.made_at),
        "expected_usd": _usd(f.expected_usd, cents=True),
        "p90_usd": _usd(f.p90_usd, cents=True),
        "worst_case_usd": _usd(f.worst_case_usd, cents=True),
        "confidence": f.confidence.value,
        "price_as_of": f.price_as_of.isoformat() if f.price_as_of is not None else None,
        "runtime_seconds": int(f.runtime.total_seconds()) if f.runtime is not None else None,
        "basis": f.basis,
        "family": f.family,
    }


def would_haves(found: WouldHaves) -> dict[str, Any]:
    """What enforce would have done, closed with the truth."""
    return {
        "closed": found.closed,
        "would_have_destroyed": found.destroyed,
        "would_have_destroyed_usd": _usd(found.destroyed_usd, cents=True),
        "ran_on": found.ran_on,
        "ran_on_usd": _usd(found.ran_on_usd, cents=True),
        "net_usd": _usd(found.net_usd, cents=True),
        "without_price": found.unknown,
        "doubtful": found.doubtful,
    }


def entry(row: TimelineRow) -> dict[str, Any]:
    """One line of a timeline."""
    return {
        "at": times.to_text(row.entry.at),
        "run": row.run_id,
        "origin": row.origin,
        "transition": row.entry.transition.value,
        "reason": row.entry.reason,
        "rule": row.entry.rule,
        "mode": row.entry.mode,
        "actor": row.entry.actor,
        "evidence": dict(row.entry.evidence),
        "policy_digest": row.stamp.policy_digest,
        "config_commit": row.stamp.config_commit,
    }


def message(m: Message) -> dict[str, Any]:
    """Something still to be said."""
    return {"id": m.id, "kind": m.kind.value, "audience": m.audience.value, "run": m.facts.get("run")}


def about(m: Message) -> str:
    """The same for people: `warning to the owner about churn`."""
    name = m.facts.get("name", "")
    return f"{m.kind.value} to the {m.audience.value}{f' about {name}' if name else ''}"


def _swept(done: SweepDone) -> dict[str, Any]:
    return {
        "began_at": times.to_key(done.began_at),
        "completed_at": times.to_key(done.completed_at),
        "failures": done.failures,
        "mode": done.mode.value,
        "policy_digest": done.policy_digest,
        "config_commit": done.config_commit,
        "version": done.version,
    }


def _pause(pause: Pause) -> dict[str, Any]:
    return {"until": _time(pause.until), "since": _time(pause.since), "by": pause.by, "reason": pause.reason}


def _time(moment: datetime | None) -> str | None:
    return times.to_key(moment) if moment is not None else None


def _usd(amount: Decimal | None, *, cents: bool = False) -> str | None:
    if amount is None:
        return None
    return f"{amount:.2f}" if cents else str(amount)


def _sum(amounts: Sequence[Decimal | None]) -> str | None:
    """Of what is known; None when nothing of it is, which is not 0."""
    known = [amount for amount in amounts if amount is not None]
    return f"{sum(known, Decimal(0)):.2f}" if known or not amounts else None
