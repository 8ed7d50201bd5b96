"""What a run cost, worked out when it is over and booked with the step that ends its record.

The switch's own meter is an upper bound. Where AWS tells more, that counts: the billable seconds of jobs, the moment at
which instances ended. Jobs that no sweep saw running are booked by themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from costwatch.adapters.ledger import DEPLOYED
from costwatch.core import forecast, grouping
from costwatch.core.actuals import Actual, EndedJob, actual_usd
from costwatch.core.estimator import Confidence, InstanceGroup
from costwatch.core.heartbeats import pulse_key
from costwatch.core.known_jobs import JobKey, KnownJob
from costwatch.core.model import Member, Run, RunId, RunKind
from costwatch.core.money import burn_rate, spent_usd
from costwatch.core.record import RunRecord
from costwatch.core.run_cost import (
    ACCRUED,
    RUN_SECONDS,
    Booked,
    Outcome,
    Owners,
    Progress,
    RunCost,
    cost_of,
    gpu_hours,
    progress_of,
)
from costwatch.core.step import Step
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import SweepReport

SHORTEST_BILLED: Final = timedelta(seconds=60)
"""Of every start of an EC2 instance."""
_READ_APART: Final = 8
"""Of a run of more members one query for the region's heartbeats is cheaper than a call for each."""
LISTS_LAG: Final = timedelta(minutes=10)
"""A list may not show at once what has just begun: so far back it is looked at again."""
MOST_AT_ONCE: Final = 200
"""So many jobs that no sweep saw running are looked at by one: the next one goes on."""


def settled(w: Watchdog, record: RunRecord, members: Sequence[Member], ended_at: datetime, outcome: Outcome) -> RunCost:
    """What the run of `record` cost. `members`: as they are now, in any state; empty: AWS knows them no more.

    Raises AwsError where the children of a tuning job cannot be read: then it is tried again with its end.
    """
    if not record.run_id.kind.service.is_sagemaker:
        ended_at = _billed_until(record.start, ended_at)
    actual = _actual(w, record, members, ended_at)
    return cost_of(record, ended_at=ended_at, outcome=outcome, actual=actual, progress=_progress(w, record))


def with_cost(step: Step, cost: RunCost) -> Step:
    """The step that ends a record, with what the run cost."""
    *before, last = step.entries
    return replace(step, cost=cost, entries=(*before, replace(last, evidence=(*last.evidence, *cost.evidence))))


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


# --- jobs that no sweep saw running -------------------------------------------------------------------------


def book_job(w: Watchdog, region: str, member: Member) -> None:
    """Book a job that is over, unless its record or another run counts it, or it is booked. Raises AwsError."""
    if member.parent is not None and member.parent.kind.has_children:
        return
    name, service = member.id, member.service
    run_id = grouping.run_id_of(member, account=w.account, region=region, run_tag=w.policy.tags.run)
    run = Run(run_id, (member,))
    record = w.ledger.record(run.id)
    if record is not None and name in record.member_ids:
        return
    at = member.ended_at or w.now()
    cast = forecast.forecast(run, None, w.prices, w.ledger.past_runs(w.account, forecast.family_of(run)), at)
    actual = _of_jobs(w, run.id, [member]) if not service.has_children else _of_children(w, run.id)
    hours = max(at - (run.start or at), timedelta(0))
    tags, names = member.tags or {}, w.policy.tags
    cost = RunCost(
        run_id=run.id,
        name=run.name,
        started_at=run.start,
        ended_at=at,
        outcome=outcome_of([member]),
        owners=Owners(*(tags.get(each, "") for each in (names.owner, names.team, names.project, names.model))),
        family=cast.family,
        capacity=member.capacity,
        actual_usd=actual.usd if actual is not None else None,
        basis=actual.basis if actual is not None else ACCRUED,
        price_note="",
        gpu_hours=actual.gpu_hours if actual is not None else gpu_hours(member.capacity, hours),
        saved_by_spot_usd=actual.saved_by_spot_usd if actual is not None else None,
        forecast=cast,
    )
    w.ledger.book_cost(cost)


def book_over(
    w: Watchdog,
    region: str,
    records: Mapping[RunId, RunRecord],
    known: Mapping[JobKey, KnownJob],
    over: Collection[JobKey],
    report: SweepReport,
) -> set[JobKey]:
    """Book the jobs that are over and have no record: events are hints, and may be lost.

    Those are, of the `known` ones, which a sweep saw in progress, what is `over`; and what began and ended since the
    last sweep. What has a record is closed by its own end; what is known to be another's child is counted there. At
    most `MOST_AT_ONCE` are looked at; the next sweep goes on after them. Returns what must stay known until then, or
    since it could not be read just now. Raises AwsError, and then all are looked at again by the next one.
    """
    if w.ledger.origin != DEPLOYED:
        return set()  # a look from a laptop books nothing
    now = w.now()
    before = w.ledger.booked(w.account, region)
    of_runs = {name for run_id, record in records.items() if run_id.kind.is_job for name in record.member_ids}
    of_others = {job.key for job in known.values() if job.member.parent and job.member.parent.kind.has_children}
    seen = [key for key in over if key[1] not in of_runs and key not in of_others]
    began = w.sagemaker(region).over_since(before.until - LISTS_LAG) if before is not None else []
    passed = of_runs | (before.looked_at if before is not None else frozenset())
    fresh = sorted((job.created_at, job.key) for job in began if job.name not in passed and job.key not in of_others)
    later = _book_each(w, region, seen[:MOST_AT_ONCE], report) | set(seen[MOST_AT_ONCE:])
    room = MOST_AT_ONCE - min(len(seen), MOST_AT_ONCE)
    again = _book_each(w, region, [key for _, key in fresh[:room]], report) | {key for _, key in fresh[room:]}
    # From before the first that is not booked yet.
    until = min((created_at for created_at, key in fresh if key in again), default=now)
    looked_at = frozenset(job.name for job in began if job.key not in again)
    w.ledger.keep_booked(w.account, region, Booked(min(until, now), looked_at))
    return later


def _book_each(w: Watchdog, region: str, jobs: Iterable[JobKey], report: SweepReport) -> set[JobKey]:
    """Returns those that are not over yet, or could not be read just now."""
    again: set[JobKey] = set()
    for service, name in jobs:
        with report.isolating(f"cost of {region} {service.value} {name}"):
            try:
                member = w.sagemaker(region).job(name, service)
                if member is not None and member.gone:
                    book_job(w, region, member)
                elif member is not None:
                    again.add((service, name))
            except TransientAwsError:
                again.add((service, name))
                raise
    return again


# --- what AWS tells -----------------------------------------------------------------------------------------


def _actual(w: Watchdog, record: RunRecord, members: Sequence[Member], ended_at: datetime) -> Actual | None:
    kind = record.run_id.kind
    if kind.has_children:
        return _of_children(w, record.run_id)
    if kind in (RunKind.TRAINING, RunKind.PROCESSING):
        return _of_jobs(w, record.run_id, members)
    if kind.service.is_sagemaker:
        return None
    return _of_instances(w, record, members, ended_at)


def _of_children(w: Watchdog, run_id: RunId) -> Actual | None:
    """All that a tuning job ever started, each counted once. None: an AutoML job's are on no list of their own.

    Raises TransientAwsError; what may not be read at all is left to the meter.
    """
    if run_id.kind is not RunKind.TUNING:
        return None
    try:
        children = w.sagemaker(run_id.region).children_ever(run_id.name)
    except PermanentAwsError as error:
        w.log("children not read", {"run": str(run_id), "reason": str(error)})
        return None
    return _of_jobs(w, run_id, children)


def _of_jobs(w: Watchdog, run_id: RunId, members: Sequence[Member]) -> Actual | None:
    found = [actual_usd(_ended_job(member, run_id.region), w.prices) for member in members]
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
    since, until = member.clock.running_since, member.ended_at
    running = None if until is None else max(until - since, timedelta(0)) if since is not None else timedelta(0)
    volume = member.spec.volume if member.spec is not None else None
    kept = member.keeps_pool
    return EndedJob(
        service=member.service,
        region=region,
        groups=tuple(InstanceGroup(kind, count) for kind, count in member.capacity),
        billable=member.billable,
        running=running,
        purchase=member.purchase,
        volume_gb=volume.gb if volume is not None else 0,
        # A pool that is still kept may be kept as long as the job says.
        pool_kept=member.pool_billed or (member.spec.warm_pool if kept and member.spec is not None else timedelta(0)),
    )


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
        gpu_hours=gpu_hours(record.capacity, hours),
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
