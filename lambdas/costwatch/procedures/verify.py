"""After the act, and for runs that vanished: what does the world show, and is the record's story over?

Nothing here warns or stops anybody, so both the sweep and the event hints may do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from costwatch.core import durations, endings, grouping, ladder, stopping
from costwatch.core.model import Member
from costwatch.core.policy import Action, Mode
from costwatch.core.record import RunRecord, Status, StopAttempt
from costwatch.core.run_cost import Outcome, RunCost, cost_of
from costwatch.core.step import Step
from costwatch.errors import AwsError
from costwatch.procedures import costs, vitals
from costwatch.procedures.kinds import kind_of
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import Failure, SweepReport

STILL_RUNNING_AFTER = timedelta(minutes=15)
"""A stop that was accepted and shows no effect for this long has failed and is tried again."""

_NOT_BY_US = "; somebody else stopped it, the terminate was never accepted"


def reconcile(w: Watchdog, record: RunRecord, report: SweepReport, *, acts: bool = False) -> None:
    """Bring a record in line with the world: verify a stop, close what ended, supersede what changed its run.

    `acts`: whether what a stop has left behind may be ended, which only the sweep's role can.
    Raises AwsError when the world cannot be read; then nothing is concluded.
    """
    members = _members(w, record)
    if record.status in (Status.STOPPING, Status.FAILED) and record.stop is not None:
        if record.stop.requested_at is not None and record.status is Status.STOPPING:
            _verify(w, record, members, report, acts=acts)
        else:
            _settle(w, record, members)
        return
    alive = [m for m in members.values() if m.alive]
    now = w.now()
    if not alive:
        if all(m.gone for m in members.values()):
            w.save(_ended(w, record, list(members.values()), now))
        return
    # Alive and still of this run: a listing that lags. Only what was regrouped ends this record.
    now_of = [grouping.run_id_now(m, record.run_id, run_tag=w.policy.tags.run) for m in alive]
    if record.run_id not in now_of:
        ids = ", ".join(m.id for m in alive)
        cost = cost_of(record, ended_at=now, outcome=Outcome.REGROUPED, actual=None)
        w.save(endings.superseded(record, f"{ids} runs on and belongs to {now_of[0]} now", now, cost))


def wind_up(w: Watchdog, region: str, why: str, report: SweepReport) -> None:
    """Nobody is judged in `region` now: what was begun there is verified all the same, and no notice counts later."""
    for record in w.ledger.open_records(w.account, region, report.skip).values():
        with report.isolating(str(record.run_id)):
            left = _wound_up(w, record, why, report) if record.stop is not None else record
            if left is not None:
                w.save(ladder.unwatched(left, why, w.now()))


def _wound_up(w: Watchdog, record: RunRecord, why: str, report: SweepReport) -> RunRecord | None:
    """What is left of a record whose stop was begun; None: it is over. A claim that came to nothing is given back."""
    if record.status in (Status.STOPPING, Status.FAILED):
        reconcile(w, record, report, acts=True)
    left = w.ledger.record(record.run_id)
    stop = left.stop if left is not None and left.status is Status.STOPPING else None
    if left is None or stop is None or stop.requested_at is not None or w.now() < stop.lease_until:
        return left
    w.save(stopping.given_up(left, why, w.now()))
    return w.ledger.record(record.run_id)


def _settle(w: Watchdog, record: RunRecord, members: dict[str, Member]) -> None:
    """A stop that was claimed, or failed, and never settled: if all is gone or going, it was done."""
    now = w.now()
    stop = record.stop
    if stop is None or any(m.alive for m in members.values()):
        return
    if stop.requested_at is None and now < stop.lease_until:
        return  # whoever holds the lease may be acting right now
    if any(m.finished for m in members.values()):
        w.save(_ended(w, record, list(members.values()), now))
        return
    if _halted_by_others(stop, members):
        if all(m.gone for m in members.values()):
            w.save(_ended(w, record, list(members.values()), now, note=_NOT_BY_US))
        return
    seen = ", ".join(f"{i} {members[i].state if i in members else 'gone'}" for i in stop.members)
    if record.status is Status.FAILED:
        seen += " after an attempt that failed: it took effect late, or somebody else ended it"
    w.save(stopping.stop_requested(record, now, seen=seen))


def _verify(w: Watchdog, record: RunRecord, members: dict[str, Member], report: SweepReport, *, acts: bool) -> None:
    now = w.now()
    stop = record.stop
    if stop is None or stop.requested_at is None:
        return
    relaunched = kind_of(w, record.run_id).relaunched(record, stop, members)
    if relaunched:
        cost = _stopped_cost(w, record, members, stop.requested_at)
        if w.save(endings.came_back(record, relaunched, now, cost)):
            report.came_back += 1
        return
    alive = [m for m in members.values() if m.alive]
    if alive:
        since = now - stop.requested_at
        if since > STILL_RUNNING_AFTER:
            ids = ", ".join(m.id for m in alive)
            limit = durations.show(STILL_RUNNING_AFTER)
            w.save(stopping.failed(record, f"{ids} still runs more than {limit} after the stop was accepted", now))
        return
    if not all(m.gone for m in members.values()):
        return
    if _halted_by_others(stop, members):
        # A describe may lag behind a terminate that was accepted, but not for so long.
        if now - stop.requested_at > STILL_RUNNING_AFTER:
            w.save(_ended(w, record, list(members.values()), now, note=_NOT_BY_US))
        return
    finished = [m for m in members.values() if m.finished]
    kept = [m for m in members.values() if m.keeps_pool]
    if finished:
        w.save(_ended(w, record, finished, now))
    elif kept:
        _end_pools(w, record, kept, report, acts=acts)
    elif stop.gone_since is None:
        w.save(stopping.gone_once(record, now))
    elif now - stop.gone_since >= w.policy.sweep_every / 2:
        # Half an interval apart: an event's look just before a sweep's is not a second look.
        pools = [m.pool_billed for m in members.values() if m.pool_billed is not None]
        cost = _stopped_cost(w, record, members, stop.requested_at)
        w.save(endings.verified(record, now, pool_kept=sum(pools, timedelta(0)) if pools else None, cost=cost))


def _end_pools(w: Watchdog, record: RunRecord, kept: list[Member], report: SweepReport, *, acts: bool) -> None:
    """A stopped job's warm pool bills on: gone includes it. Where nobody may end it any more it ends by itself.

    It is looked at again in a later sweep, whatever SageMaker says now: only the world ends a stop's story.
    """
    selector = w.policy.selector(record.selector)
    allowed = selector is not None and selector.mode is Mode.ENFORCE and record.mode is Mode.ENFORCE
    for member in kept if acts and allowed else ():
        if member.pool == "Available":
            try:
                kind_of(w, record.run_id).end_pool(member)
            except AwsError as error:
                report.failures.append(Failure(str(record.run_id), str(error), error.retry))


def _halted_by_others(stop: StopAttempt, members: dict[str, Member]) -> bool:
    """What was to be terminated and is stopped: that was somebody else, and nothing was done to its disks."""
    return stop.action is Action.TERMINATE and any(m.halted for m in members.values())


def _members(w: Watchdog, record: RunRecord) -> dict[str, Member]:
    """The record's members as they are now; the claim's, where there is one. Unknown ones are absent: gone."""
    claimed = record.stop is not None and record.status in (Status.STOPPING, Status.FAILED)
    ids = record.stop.members if record.stop is not None and claimed else record.member_ids
    return kind_of(w, record.run_id).read(record.run_id, ids)


def _stopped_cost(w: Watchdog, record: RunRecord, members: Mapping[str, Member], requested_at: datetime) -> RunCost:
    """What it cost until the last of what was stopped was gone; what came back is another run's."""
    gone = [member for member in members.values() if member.gone]
    last = max((m.ended_at for m in gone if m.ended_at is not None), default=requested_at)
    return costs.settled(w, record, gone, last, Outcome.STOPPED_BY_COSTWATCH)


def _ended(w: Watchdog, record: RunRecord, members: list[Member], now: datetime, *, note: str = "") -> Step:
    last = max((m.ended_at for m in members if m.ended_at is not None), default=now)
    finished = bool(members) and all(m.state == "Completed" for m in members)
    how = "; ".join(sorted({f"{m.id} {m.state}" + (f": {m.end_reason}" if m.end_reason else "") for m in members}))
    cost = costs.settled(w, record, members, last, costs.outcome_of(members) if members else Outcome.ENDED)
    how = f"{how or 'it is gone'}{note}"
    done_at = vitals.said_done_at(w, record) if record.would_stop_at is not None else None
    return endings.ended(record, ended_at=last, finished=finished, how=how, now=now, cost=cost, done_at=done_at)
