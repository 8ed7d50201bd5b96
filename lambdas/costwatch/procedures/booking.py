"""Jobs that are over and have no record are booked by themselves: their event says so, or the next sweep finds them.

A record books what its run cost with the step that closes it. What began and ended between two sweeps, and what no
selector picks, has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from typing import Final

from costwatch.adapters.ledger import DEPLOYED
from costwatch.core import forecast, grouping
from costwatch.core.known_jobs import JobKey, KnownJob
from costwatch.core.model import Member, Run, RunId
from costwatch.core.policy import Service
from costwatch.core.record import RunRecord
from costwatch.core.run_cost import ACCRUED, Booked, Owners, RunCost, gpu_hours
from costwatch.errors import TransientAwsError
from costwatch.procedures.costs import of_children, of_jobs, outcome_of
from costwatch.procedures.ports import Watchdog
from costwatch.procedures.report import Failure, SweepReport

LISTS_LAG: Final = timedelta(minutes=10)
"""A list may not show at once what has just begun: so far back it is looked at again."""
MOST_AT_ONCE: Final = 200
"""So many jobs are looked at by one sweep: the next one goes on."""
SECONDS_TO_BOOK: Final = 150.0
"""With less time left none is: the rest is kept for stopping and telling."""


def book_job(w: Watchdog, region: str, member: Member) -> None:
    """Book a job that is over, unless its record or another run counts it, or it is booked. Raises AwsError."""
    if member.parent is not None and member.parent.kind.has_children:
        return
    run_id = grouping.run_id_of(member, account=w.account, region=region, run_tag=w.policy.tags.run)
    run = Run(run_id, (member,))
    record = w.ledger.record(run_id)
    if record is not None and member.id in record.member_ids:
        return
    at = member.ended_at or w.now()
    cast = forecast.forecast(run, None, w.prices, w.ledger.past_runs(w.account, forecast.family_of(run)), at)
    actual = of_children(w, run_id, member) if member.has_children else of_jobs(w, region, [member])
    hours = max(at - (run.start or at), timedelta(0))
    tags, names = member.tags or {}, w.policy.tags
    w.ledger.book_cost(
        RunCost(
            run_id=run_id,
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
    )


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
    most `MOST_AT_ONCE` are looked at, while there is time; the next sweep goes on after them. Returns what must stay
    known until then, or since it could not be read just now. Raises AwsError, and then all are looked at again by the
    next one.
    """
    if w.ledger.origin != DEPLOYED:
        return set()  # a look from a laptop books nothing
    now = w.now()
    before = w.ledger.booked(w.account, region)
    elsewhere = _of_runs(records) | {
        job.key for job in known.values() if job.member.parent and job.member.parent.kind.has_children
    }
    began, errors = w.sagemaker(region).over_since(before.until - LISTS_LAG) if before is not None else ([], [])
    for error in errors:
        report.fail(Failure(f"{region} jobs that are over", str(error), error.retry))
    passed = elsewhere | (before.looked_at if before is not None else frozenset())
    fresh = sorted((job.created_at, job.key) for job in began if job.key not in passed)
    seen = [key for key in over if key not in elsewhere]
    books = _Books(w, region, report)
    for key in (*seen, *(key for _, key in fresh)):
        books.book(key)
    # From before the first that is not booked yet; what could not be listed is listed again.
    until = min((created_at for created_at, key in fresh if key in books.again), default=now)
    until = min(until, before.until) if errors and before is not None else until
    looked_at = frozenset(job.key for job in began if job.key not in books.again)
    kept = {
        name
        for service, name in over
        if service is Service.TRAINING and (spec := known[service, name].member.spec) is not None and spec.warm_pool
    }
    pools = kept | books.pools | (before.pools if before is not None else frozenset())
    w.ledger.keep_booked(w.account, region, Booked(min(until, now), looked_at, books.pools_left(pools)))
    return books.again & set(seen)


def _of_runs(records: Mapping[RunId, RunRecord]) -> set[JobKey]:
    """Jobs that have a record, or a part in one."""
    found: set[JobKey] = set()
    for run_id, record in records.items():
        kind = run_id.kind
        if kind.has_children:
            found.add((kind.service, run_id.name))
            found.update((service, n) for n in record.member_ids for service in (Service.TRAINING, Service.PROCESSING))
        elif kind.service.is_sagemaker:
            found.update((kind.service, name) for name in record.member_ids)
    return found


@dataclass
class _Books:
    """One sweep's. `again`: what is not over yet, could not be read just now, or had to wait."""

    w: Watchdog
    region: str
    report: SweepReport
    again: set[JobKey] = field(default_factory=set)
    pools: set[str] = field(default_factory=set)
    _looked: int = 0

    def book(self, key: JobKey) -> None:
        service, name = key
        if not self._may_look():
            self.again.add(key)
            return
        with self.report.isolating(f"cost of {self.region} {service.value} {name}"):
            try:
                job = self.w.sagemaker(self.region).job(name, service)
                if job is not None and job.gone:
                    book_job(self.w, self.region, job)
                    self.pools |= {name} if job.keeps_pool else set()
                elif job is not None:
                    self.again.add(key)
            except TransientAwsError:
                self.again.add(key)
                raise

    def pools_left(self, names: Iterable[str]) -> frozenset[str]:
        """Book again the jobs whose pools have ended; those whose pools are still kept."""
        left: set[str] = set()
        for name in sorted(names):
            if not self._may_look():
                left.add(name)
                continue
            with self.report.isolating(f"warm pool of {self.region} {name}"):
                try:
                    left |= {name} if self._pool_is_kept(name) else set()
                except TransientAwsError:
                    left.add(name)
                    raise
        return frozenset(left)

    def _pool_is_kept(self, name: str) -> bool:
        w = self.w
        job = w.sagemaker(self.region).job(name, Service.TRAINING)
        if job is None or job.ended_at is None or (job.gone and not job.keeps_pool and job.pool_billed is None):
            return False
        if job.keeps_pool:
            return True
        actual = of_jobs(w, self.region, [job])
        for cost in w.ledger.costs(w.account, job.ended_at.astimezone(UTC).date(), self.report.skip):
            same = (cost.run_id.region, cost.name, cost.started_at) == (self.region, name, job.clock.running_since)
            if same and cost.run_id.kind.service is Service.TRAINING and actual is not None:
                w.ledger.book_again(replace(cost, actual_usd=actual.usd))
        return False

    def _may_look(self) -> bool:
        self._looked += 1
        return self._looked <= MOST_AT_ONCE and self.w.seconds_left() >= SECONDS_TO_BOOK
