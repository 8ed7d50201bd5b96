"""One step of a record as data: what it becomes, what is recorded and said. Saved by one conditional write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from costwatch.core import liveness, times
from costwatch.core.deadman import Decision
from costwatch.core.exemptions import Exemption
from costwatch.core.messages import Message
from costwatch.core.record import (
    Entry,
    RunRecord,
    Transition,
)
from costwatch.core.run_cost import RunCost


@dataclass(frozen=True, slots=True)
class Step:
    """From `before` (None: a new record) to `after` (None: the record ends), with what to record and say."""

    before: RunRecord | None
    after: RunRecord | None
    entries: tuple[Entry, ...]
    messages: tuple[Message, ...] = ()
    exempted: Exemption | None = None
    """What it grants the run and each of its members, whatever becomes of the record."""
    cost: RunCost | None = None
    """What the run cost, where it is over: written with the step, so it is counted once."""

    @property
    def version(self) -> int:
        """The version the row has after this step."""
        return (self.before.version if self.before else 0) + 1


def decision_entry(now: datetime, transition: Transition, reason: str, decision: Decision, **evidence: str) -> Entry:
    """A timeline entry with the decision's rule and facts; empty facts are left out."""
    deadline = decision.deadline
    facts = {
        "selector": decision.selector.name if decision.selector else "",
        "deadline": times.to_key(deadline.at) if deadline else "",
        "started": times.to_key(decision.start) if decision.start else "",
        "last_heartbeat": times.to_key(decision.vitals.last_at) if decision.vitals else "",
        "progress": liveness.steps_text(decision.vitals),
        **evidence,
    }
    return Entry(
        now,
        transition,
        reason,
        rule=deadline.rule if deadline else "",
        mode=decision.mode.value,
        evidence=tuple((key, value) for key, value in facts.items() if value),
    )


def spent_evidence(record: RunRecord, at: datetime) -> tuple[tuple[str, str], ...]:
    """What it had cost by `at`, with its price, and what the record alone knows of it: the record may end here."""
    known = {
        "name": record.name if record.name != record.run_id.name else "",
        "owner": record.owner,
        "team": record.team,
        "members": ", ".join(record.stop.members if record.stop else record.member_ids),
        "capacity": record.capacity_text,
        "hourly_rate_usd": str(record.hourly_rate_usd) if record.hourly_rate_usd is not None else "unknown",
    }
    return (
        ("spent_usd", spent_text(record, at)),
        ("price", record.price_note),
        *((name, value) for name, value in known.items() if value),
    )


def spent_text(record: RunRecord, at: datetime) -> str:
    """USD with cents, or `unknown`."""
    spent = record.spent_usd(at)
    return f"{spent:.2f}" if spent is not None else "unknown"
