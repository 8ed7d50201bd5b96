"""What a run cost, worked out when it is over, for the step that ends its record.

Where AWS tells more than the switch's own meter, that counts: the billable seconds of jobs, the moment at which
instances ended. Nothing here may keep a record from being closed, or a sweep from what it is for: what cannot be worked
out, or would take too long, is left to the meter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from costwatch.core.actuals import Actual, EndedJob, actual_usd
from costwatch.core.estimator import Confidence, InstanceGroup
from costwatch.core.heartbeats import pulse_key
from costwatch.core.model import Member, Run, RunId, RunKind
from costwatch.core.money import burn_rate, spent_usd
from costwatch.core.policy import Service
from costwatch.core.record import RunRecord
from costwatch.core.run_cost import RUN_SECONDS, Outcome, Progress, RunCost, cost_of, gpu_hours_of, progress_of
from costwatch.core.step import Step
from costwatch.errors import AwsError, PermanentAwsError
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import DATA_ERRORS

SHORTEST_BILLED: Final = timedelta(seconds=60)
"""Of every start of an EC2 instance."""
_READ_APART: Final = 8
"""Of a run of more members one query for the region's heartbeats is cheaper than a call for each."""
_DESCRIBED: Final = 50
"""So many children of a tuning job are described, each a call; of more the list says how long each ran."""
SECONDS_TO_DESCRIBE: Final = 30.0
"""With less time left none is."""


def settled(w: Watchdog, record: RunRecord, members: Sequence[Member], ended_at: datetime, outcome: Outcome) -> RunCost:
    """What the run of `record` cost. `members`: as they are now, in any state; empty: AWS knows them no more.

    Raises TransientAwsError where the children of a tuning job cannot be listed: then it is tried again with its end.
    """
    if not record.run_id.kind.service.is_sagemaker:
        ended_at = _billed_until(record.start, ended_at)
    starts = [m.clock.running_since for m in members if m.service.is_sagemaker and m.clock.running_since is not None]
    actual: Actual | None = None
    try:
        actual = _actual(w, record, members, ended_at)
    except DATA_ERRORS as error:
        w.log("actual cost not worked out", {"run": str(record.run_id), "reason": f"{type(error).__name__}: {error}"})
    return cost_of(
        record,
        ended_at=ended_at,
        outcome=outcome,
        actual=actual,
        progress=_progress(w, record),
        started_at=min(starts, default=None),
    )


def restarted(step: Step | None, previous: RunRecord | None, run: Run) -> Step | None:
    """The step with which a new start takes the place of `previous`: what that cost is booked, as an upper bound."""
    if step is None or previous is None or previous.start is None:
        return step
    ended_at = run.start if run.start is not None else step.entries[0].at
    cost = cost_of(previous, ended_at=max(ended_at, previous.start), outcome=Outcome.STARTED_ANEW, actual=None)
    first, *others = step.entries
    return replace(step, cost=cost, entries=(replace(first, evidence=(*first.evidence, *cost.evidence)), *others))


def outcome_of(members: Collection[Member]) -> Outcome:
    """How a run ended that was not stopped by us, as its members show it. `Server.` says that EC2 ended an instance."""
    jobs = [member for member in members if member.service.is_sagemaker]
    if not jobs:
        return Outcome.STOPPED if any(m.end_reason.startswith("Server.") for m in members) else Outcome.ENDED
    states = {member.state for member in jobs}
    if states == {"Completed"}:
        return Outcome.FINISHED
    return Outcome.FAILED if "Failed" in states else Outcome.STOPPED


# --- what AWS tells -----------------------------------------------------------------------------------------


_UNKNOWN: Final = Actual(
    usd=None, hours=Decimal(0), gpu_hours=None, basis="nothing: its jobs are on no list", saved_by_spot_usd=None,
    confidence=Confidence.UNKNOWN, price_as_of=None,
)  # fmt: skip


def _actual(w: Watchdog, record: RunRecord, members: Sequence[Member], ended_at: datetime) -> Actual | None:
    kind = record.run_id.kind
    if kind.has_children:
        head = next((m for m in members if m.id == record.run_id.name and m.service is kind.service), None)
        return of_children(w, record.run_id, head)
    if kind in (RunKind.TRAINING, RunKind.PROCESSING):
        return of_jobs(w, record.run_id.region, members)
    if kind.service.is_sagemaker:
        return None
    return _of_instances(w, record, members, ended_at)


def of_children(w: Watchdog, run_id: RunId, head: Member | None) -> Actual | None:
    """All that a tuning job ever started, each counted once. An AutoML job's are on no list of their own: unknown.

    Raises TransientAwsError; what may not be read at all is left to the meter (None).
    """
    if run_id.kind is not RunKind.TUNING:
        return _UNKNOWN
    sagemaker = w.sagemaker(run_id.region)
    try:
        listed = sagemaker.children_listed(run_id.name)
        if len(listed) <= _DESCRIBED and w.seconds_left() >= SECONDS_TO_DESCRIBE:
            described = (sagemaker.job(child.name, Service.TRAINING) for child in listed)
            return of_jobs(w, run_id.region, [child for child in described if child is not None])
    except PermanentAwsError as error:
        w.log("children not read", {"run": str(run_id), "reason": str(error)})
        return None
    spec = head.spec if head is not None else None
    if spec is None:
        return None
    # Without billable seconds: what managed spot saved is not in it, so it is an upper bound.
    jobs = [
        EndedJob(
            service=Service.TRAINING,
            region=run_id.region,
            groups=spec.groups,
            billable=None,
            running=_ran(child.started_at, child.ended_at),
            purchase=spec.purchase,
            volume_gb=spec.volume.gb if spec.volume is not None else 0,
        )
        for child in listed
    ]
    return _together([actual_usd(job, w.prices) for job in jobs])


def of_jobs(w: Watchdog, region: str, members: Sequence[Member]) -> Actual | None:
    return _together([actual_usd(_ended_job(member, region), w.prices) for member in members])


def _together(found: Sequence[Actual]) -> Actual | None:
    if len(found) < 2:
        return found[0] if found else None
    return replace(
        found[0],
        usd=_sum(each.usd for each in found),
        hours=sum((each.hours for each in found), Decimal(0)),
        gpu_hours=_sum(each.gpu_hours for each in found),
        saved_by_spot_usd=_sum(each.saved_by_spot_usd or Decimal(0) for each in found),
    )


def _ended_job(member: Member, region: str) -> EndedJob:
    volume = member.spec.volume if member.spec is not None else None
    return EndedJob(
        service=member.service,
        region=region,
        groups=tuple(InstanceGroup(kind, count) for kind, count in member.capacity),
        billable=member.billable,
        running=_ran(member.clock.running_since, member.ended_at),
        purchase=member.purchase,
        volume_gb=volume.gb if volume is not None else 0,
        # A pool that is still kept is booked when it ends: until then nobody knows how long it will be.
        pool_kept=member.pool_billed or timedelta(0),
    )


def _ran(since: datetime | None, until: datetime | None) -> timedelta | None:
    """None: it has not ended, as far as is known. What never started ran for no time."""
    if until is None:
        return None if since is not None else timedelta(0)
    return max(until - since, timedelta(0)) if since is not None else timedelta(0)


def _of_instances(w: Watchdog, record: RunRecord, members: Sequence[Member], ended_at: datetime) -> Actual | None:
    """The meter's sum, less what it counted for each instance after its own end. None: not all tell when that was."""
    total = record.spent_usd(ended_at)
    here = {member.id: member for member in members}
    for seen in record.members:
        member = here.get(seen.id)
        if member is None or member.ended_at is None:
            return None
        late = ended_at - _billed_until(seen.running_since, member.ended_at)
        if late > timedelta(0):
            alive = replace(member, state="running")
            counted = spent_usd(burn_rate(Run(record.run_id, (alive,)), w.prices).by_member.get(seen.id), late)
            total = total - counted if total is not None and counted is not None else None
    hours = max(ended_at - record.start, timedelta(0)) if record.start is not None else timedelta(0)
    return Actual(
        usd=total,
        hours=Decimal(hours // timedelta(seconds=1)) / 3600 * sum(count for _, count in record.capacity),
        gpu_hours=gpu_hours_of(record, total, hours),
        basis=RUN_SECONDS,
        saved_by_spot_usd=None,
        confidence=Confidence.UNKNOWN if total is None else Confidence.LIST,
        price_as_of=None,
    )


def _progress(w: Watchdog, record: RunRecord) -> Progress:
    """What its heartbeats told last. Rows that cannot be read say nothing: nothing is decided by it."""
    if record.start is None:
        return Progress()
    run_id = record.run_id
    keys = [pulse_key(run_id.kind.service, name) for name in record.member_ids]
    try:
        if len(keys) <= _READ_APART:
            pulses = w.pulses.of_members(Run(run_id, ()), keys)
        else:
            found = w.pulses.of_region(run_id.account, run_id.region, lambda _row: None)
            pulses = {each: found[each] for each in keys if each in found}
    except AwsError:
        return Progress()
    return progress_of(pulses.values(), record.start)


def _billed_until(start: datetime | None, ended_at: datetime) -> datetime:
    return max(ended_at, start + SHORTEST_BILLED) if start is not None else ended_at


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
