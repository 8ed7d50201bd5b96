"""How a record ends: verified gone, came back, ended by itself, superseded."""

from __future__ import annotations

from datetime import datetime, timedelta

from costwatch.core import durations
from costwatch.core.messages import Audience, MessageKind, about
from costwatch.core.money import show_usd, spent_usd
from costwatch.core.policy import Action, Service
from costwatch.core.record import (
    Entry,
    RunRecord,
    Transition,
)
from costwatch.core.run_cost import RunCost
from costwatch.core.step import Step, spent_evidence
from costwatch.core.would_haves import DESTROYED, RAN_ON, closed_evidence, doubtful_evidence


def verified(record: RunRecord, now: datetime, *, pool_kept: timedelta | None = None, cost: RunCost) -> Step:
    """Final: a second look, in a later sweep, found everything gone (or stopped, its disks there) and nothing back.

    `cost`: what it cost, booked with this step. `pool_kept`: how long the job's warm pool went on billing after it;
    None: it had none.
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
        pool_usd = spent_usd(rate, pool_kept)
        reason += f"; its warm pool was kept for {durations.show(pool_kept)}: {show_usd(pool_usd)}"
        seconds = str(int(pool_kept.total_seconds()))
        evidence += (
            ("warm_pool_seconds", seconds),
            ("warm_pool_usd", f"{pool_usd:.2f}" if pool_usd is not None else "unknown"),
        )
    entry = Entry(now, final, reason, mode=record.mode.value, evidence=evidence + cost.evidence)
    version = record.version + 1
    message = about(record, MessageKind.VERIFIED, Audience.PLATFORM, version=version, reason=reason, cost=cost.sentence)
    return Step(record, None, (entry,), (message,), cost=cost)


def came_back(record: RunRecord, relaunched: str, now: datetime, cost: RunCost) -> Step:
    """Something relaunched what was stopped: say so loudly; what came back is a new run with its own clock."""
    entries = (
        Entry(now, Transition.CAME_BACK, relaunched, mode=record.mode.value),
        Entry(
            now,
            Transition.SUPERSEDED,
            "what came back is watched as a new run",
            mode=record.mode.value,
            evidence=cost.evidence,
        ),
    )
    message = about(
        record,
        MessageKind.CAME_BACK,
        Audience.PLATFORM,
        version=record.version + 1,
        reason=relaunched,
        cost=cost.sentence,
    )
    return Step(record, None, entries, (message,), cost=cost)


def superseded(record: RunRecord, reason: str, now: datetime, cost: RunCost) -> Step:
    """Its members run on in another run, which counts them from now on; a would-have ends here, too."""
    evidence = spent_evidence(record, now) + cost.evidence
    at_stop = record.spent_by_would_stop_usd
    if record.would_stop_at is not None:
        more = cost.actual_usd - at_stop if cost.actual_usd is not None and at_stop is not None else None
        evidence += doubtful_evidence(more, at_stop)
    entry = Entry(now, Transition.SUPERSEDED, reason, mode=record.mode.value, evidence=evidence)
    return Step(record, None, (entry,), cost=cost)


def ended(
    record: RunRecord,
    *,
    ended_at: datetime,
    finished: bool,
    how: str,
    now: datetime,
    cost: RunCost,
    done_at: datetime | None = None,
) -> Step:
    """It ended without us. A would-have is closed with what really happened, at what it really cost.

    `finished`: it is known to have completed its work (a SageMaker job), not merely to be gone. `done_at`: when its own
    heartbeats said that its work was done. Until the moment of the would-have (inclusive) nothing would have been
    destroyed: it only ran on.
    """
    evidence = spent_evidence(record, ended_at) + cost.evidence
    reason = f"ended by itself: {how}"
    if record.would_stop_at is not None:
        later = max(ended_at - record.would_stop_at, timedelta(0))
        # What it cost in all is known better now; the meter had counted at least as much by then.
        at_stop, actual = record.spent_by_would_stop_usd, cost.actual_usd
        at_stop = min(at_stop, actual) if at_stop is not None and actual is not None else at_stop
        more = actual - at_stop if at_stop is not None and actual is not None else None
        worked_on = done_at is not None and done_at > record.would_stop_at
        if finished or worked_on:
            work = f"{show_usd(at_stop)} of work" if at_stop is not None else "work of unknown cost"
            reason = f"finished by itself {durations.show(later)} later: would have destroyed {work}"
            evidence += closed_evidence(DESTROYED, at_stop)
        else:
            told = "; its work was done before" if done_at is not None else ""
            reason = f"ran {durations.show(later)} more: {show_usd(more)} ({how}{told})"
            seen = record.run_id.kind.service.is_sagemaker or done_at is not None
            evidence += closed_evidence(RAN_ON, more) if seen else doubtful_evidence(more, at_stop)
    entry = Entry(now, Transition.ENDED_BY_ITSELF, reason, mode=record.mode.value, evidence=evidence)
    return Step(record, None, (entry,), cost=cost)
