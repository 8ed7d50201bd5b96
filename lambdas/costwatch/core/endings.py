"""How a record ends: verified gone, came back, ended by itself, superseded."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from costwatch.core import durations
from costwatch.core.messages import Audience, MessageKind, about
from costwatch.core.money import show_usd, spent_usd
from costwatch.core.policy import Action, Service
from costwatch.core.record import (
    Entry,
    RunRecord,
    Transition,
)
from costwatch.core.step import Step, spent_evidence


def verified(record: RunRecord, now: datetime, *, pool_kept: timedelta | None = None) -> Step:
    """Final: a second look, in a later sweep, found everything gone (or stopped, its disks there) and nothing back.

    `pool_kept`: how long the job's warm pool went on billing after it; None: it had none.
    """
    rate = record.hourly_rate_usd
    burn = f"{show_usd(rate)}/h" if rate is not None else "rate unknown (no price)"
    instances = record.run_id.kind.service is Service.EC2
    keeps_disks = instances and record.stop is not None and record.stop.action is Action.STOP
    final = Transition.VERIFIED_STOPPED if keeps_disks else Transition.VERIFIED_GONE
    disks = ", its disks stay" if keeps_disks else ""
    reason = f"{final.value}{disks}, nothing came back; burn stopped: {burn}"
    # What was stopped costs nothing more: the looks that verify it come later.
    stopped_at = record.stop.requested_at if record.stop is not None else None
    evidence = spent_evidence(record, stopped_at or now)
    if pool_kept is not None:
        cost = spent_usd(rate, pool_kept)
        reason += f"; its warm pool was kept for {durations.show(pool_kept)}: {show_usd(cost)}"
        seconds = str(int(pool_kept.total_seconds()))
        evidence += (
            ("warm_pool_seconds", seconds),
            ("warm_pool_usd", f"{cost:.2f}" if cost is not None else "unknown"),
        )
    entry = Entry(now, final, reason, mode=record.mode.value, evidence=evidence)
    message = about(record, MessageKind.VERIFIED, Audience.PLATFORM, version=record.version + 1, reason=reason)
    return Step(record, None, (entry,), (message,))


def came_back(record: RunRecord, relaunched: str, now: datetime) -> Step:
    """Something relaunched what was stopped: say so loudly; what came back is a new run with its own clock."""
    entries = (
        Entry(now, Transition.CAME_BACK, relaunched, mode=record.mode.value),
        Entry(now, Transition.SUPERSEDED, "what came back is watched as a new run", mode=record.mode.value),
    )
    message = about(record, MessageKind.CAME_BACK, Audience.PLATFORM, version=record.version + 1, reason=relaunched)
    return Step(record, None, entries, (message,))


def superseded(record: RunRecord, reason: str, now: datetime) -> Step:
    """A new start: this episode is over."""
    spent = spent_evidence(record, now)
    return Step(record, None, (Entry(now, Transition.SUPERSEDED, reason, mode=record.mode.value, evidence=spent),))


def ended(record: RunRecord, *, ended_at: datetime, finished: bool, how: str, now: datetime) -> Step:
    """It ended without us. A would-have is closed with what really happened.

    `finished`: it is known to have completed its work (a SageMaker job), not merely to be gone.
    """
    reason = f"ended by itself: {how}"
    if record.would_stop_at is not None:
        later = max(ended_at - record.would_stop_at, timedelta(0))
        at_stop, ended_usd = record.spent_by_would_stop_usd, record.spent_usd(ended_at)
        more = max(ended_usd - at_stop, Decimal(0)) if at_stop is not None and ended_usd is not None else None
        if finished:
            work = f"{show_usd(at_stop)} of work" if at_stop is not None else "work of unknown cost"
            reason = f"finished by itself {durations.show(later)} later: would have destroyed {work}"
        else:
            reason = f"ran {durations.show(later)} more: {show_usd(more)} ({how})"
    entry = Entry(
        now, Transition.ENDED_BY_ITSELF, reason, mode=record.mode.value, evidence=spent_evidence(record, ended_at)
    )
    return Step(record, None, (entry,))
