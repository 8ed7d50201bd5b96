"""After the act, and for runs that vanished: what does the world show, and is the record's story over?

Nothing here warns or stops anybody, so both the sweep and the event hints may do it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from costwatch.core import durations, endings, grouping, stopping, times
from costwatch.core.model import Member, RunKind
from costwatch.core.policy import Action, Service
from costwatch.core.record import RunRecord, Status, StopAttempt
from costwatch.core.step import Step
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import SweepReport

STILL_RUNNING_AFTER = timedelta(minutes=15)
"""A stop that was accepted and shows no effect for this long has failed and is tried again."""


def reconcile(w: Watchdog, record: RunRecord, report: SweepReport) -> None:
    """Bring a record in line with the world: verify a stop, close what ended, supersede what changed its run.

    Raises AwsError when the world cannot be read; then nothing is concluded.
    """
    members = _members(w, record)
    if record.status in (Status.STOPPING, Status.FAILED) and record.stop is not None:
        if record.stop.requested_at is not None and record.status is Status.STOPPING:
            _verify(w, record, members, report)
        else:
            _settle(w, record, members)
        return
    alive = [m for m in members.values() if m.alive]
    now = w.now()
    if not alive:
        if all(m.gone for m in members.values()):
            w.save(_ended(record, list(members.values()), now))
        return
    # Alive and still of this run: a listing that lags. Only what was regrouped ends this record.
    now_of = [grouping.run_id_now(m, record.run_id, run_tag=w.policy.tags.run) for m in alive]
    if record.run_id not in now_of:
        ids = ", ".join(m.id for m in alive)
        w.save(endings.superseded(record, f"{ids} runs on and belongs to {now_of[0]} now", now))


def _settle(w: Watchdog, record: RunRecord, members: dict[str, Member]) -> None:
    """A stop that was claimed, or failed, and never settled: if all is gone or going, it was done."""
    now = w.now()
    stop = record.stop
    if stop is None or any(m.alive for m in members.values()):
        return
    if stop.requested_at is None and now < stop.lease_until:
        return  # whoever holds the lease may be acting right now
    if any(m.finished for m in members.values()):
        w.save(_ended(record, list(members.values()), now))
        return
    seen = ", ".join(f"{i} {members[i].state if i in members else 'gone'}" for i in stop.members)
    if record.status is Status.FAILED:
        seen += " after an attempt that failed: it took effect late, or somebody else ended it"
    w.save(stopping.stop_requested(record, now, seen=seen))


def _verify(w: Watchdog, record: RunRecord, members: dict[str, Member], report: SweepReport) -> None:
    now = w.now()
    stop = record.stop
    if stop is None or stop.requested_at is None:
        return
    relaunched = _started_again(record, stop, members) or _relaunched(w, record)
    if relaunched:
        if w.save(endings.came_back(record, relaunched, now)):
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
    finished = [m for m in members.values() if m.finished]
    if finished:
        w.save(_ended(record, finished, now))
    elif stop.gone_since is None:
        w.save(stopping.gone_once(record, now))
    elif now - stop.gone_since >= w.policy.sweep_every / 2:
        # Half an interval apart: an event's look just before a sweep's is not a second look.
        w.save(endings.verified(record, now))


def _started_again(record: RunRecord, stop: StopAttempt, members: dict[str, Member]) -> str:
    """Who started a stopped instance, as a sentence; empty when nobody did."""
    if stop.action is not Action.STOP or record.run_id.kind.service is Service.TRAINING:
        return ""
    for member in members.values():
        since = member.clock.running_since
        if member.alive and since is not None and stop.requested_at is not None and since > stop.requested_at:
            return f"{member.id} was started again at {times.to_key(since)} (CloudTrail knows by whom)"
    return ""


def _relaunched(w: Watchdog, record: RunRecord) -> str:
    """What brought the run back, as a sentence; empty when nothing did."""
    stop = record.stop
    if stop is None or record.run_id.kind.service is Service.TRAINING:
        return ""
    ec2 = w.ec2(record.run_id.region)
    for request in ec2.spot_requests(stop.spot_requests).values():
        other = request.instance_id is not None and request.instance_id not in stop.members
        opens = request.would_relaunch and stop.action is Action.TERMINATE
        if other or opens:
            what = f"launched {request.instance_id}" if other else "is open and will launch another instance"
            return f"spot request {request.id} ({request.type}, {request.state}; {request.status}) {what}"
    if record.run_id.kind is RunKind.TAGGED:
        for member in ec2.instances_by_tag(w.policy.tags.run, record.run_id.name):
            if member.id not in stop.members:
                launched = member.clock.running_since
                when = f" at {times.to_key(launched)}" if launched else ""
                by = f" by {member.parent.label}" if member.parent else ""
                by = by or (f" by spot request {member.spot_request_id}" if member.spot_request_id else "")
                return f"{member.id} was launched{when}{by or ' by somebody (CloudTrail knows who)'} with the run's tag"
    return ""


def _members(w: Watchdog, record: RunRecord) -> dict[str, Member]:
    """The record's members as they are now; the claim's, where there is one. Unknown ones are absent: gone."""
    claimed = record.stop is not None and record.status in (Status.STOPPING, Status.FAILED)
    ids = record.stop.members if record.stop is not None and claimed else record.member_ids
    if record.run_id.kind.service is Service.TRAINING:
        found = (w.sagemaker(record.run_id.region).job(name) for name in ids)
        return {member.id: member for member in found if member is not None}
    return w.ec2(record.run_id.region).instances_by_id(ids)


def _ended(record: RunRecord, members: list[Member], now: datetime) -> Step:
    last = max((m.ended_at for m in members if m.ended_at is not None), default=now)
    finished = bool(members) and all(m.state == "Completed" for m in members)
    how = "; ".join(sorted({f"{m.id} {m.state}" + (f": {m.end_reason}" if m.end_reason else "") for m in members}))
    return endings.ended(record, ended_at=last, finished=finished, how=how or "it is gone", now=now)
