"""When a run's time is up, and by which rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from costwatch.core import durations, times
from costwatch.core.overrides import Overrides
from costwatch.core.policy import Selector
from costwatch.core.record import RunRecord


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the run's time is up (UTC), by which rule, and the cap nothing can pass."""

    at: datetime
    rule: str
    hard_cap_at: datetime
    evidence: str


def deadline_of(
    start: datetime,
    selector: Selector,
    found: Overrides,
    record: RunRecord | None,
    declared: timedelta | None = None,
) -> Deadline:
    """Deadline tag, else start + max-runtime tag, else start + the selector's; then extensions; then the hard cap.

    `declared`: the job's own limit, which comes before the selector's where that says `max_runtime: declared`.
    """
    hard_cap_at = start + selector.limits.hard_cap
    if found.only_hard_cap:
        at, rule = (
            hard_cap_at,
            f"hard cap {durations.short(selector.limits.hard_cap)}, a malformed tag sets no other limit",
        )
    elif found.deadline is not None:
        at, rule = found.deadline, "deadline tag"
    elif found.max_runtime is not None:
        at, rule = start + found.max_runtime, f"max-runtime tag {durations.short(found.max_runtime)}"
    elif selector.limits.declared and declared is not None:
        at, rule = start + declared, f"its own MaxRuntimeInSeconds {durations.short(declared)}"
    else:
        limit = selector.limits.max_runtime
        at, rule = start + limit, f"max_runtime {durations.short(limit)} of selector {selector.name}"
    extended_until = record.extended_until if record else None
    if extended_until is not None and extended_until > at:
        at, rule = extended_until, f"{rule}, extended"
    if at > hard_cap_at:
        at, rule = hard_cap_at, f"hard cap {durations.short(selector.limits.hard_cap)}"
    return Deadline(at=at, rule=rule, hard_cap_at=hard_cap_at, evidence=f"started {times.to_key(start)}")


def overdue_or_soon(deadline: Deadline, now: datetime) -> str:
    """How far past the deadline `now` is, or how long before it, as one sentence."""
    if now > deadline.at:
        return f"over its limit by {durations.show(now - deadline.at)} ({deadline.rule}, {deadline.evidence})"
    return f"its time is up in {durations.show(deadline.at - now)} ({deadline.rule}, {deadline.evidence})"
