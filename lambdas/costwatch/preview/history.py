"""The past as values: jobs that SageMaker remembers, the runs they formed, what they cost, what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from costwatch.core import families, grouping
from costwatch.core.actuals import Actual, EndedJob, actual_usd
from costwatch.core.estimator import JobSpec, estimate
from costwatch.core.model import Member, Run, RunKind
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.prices import PriceTable, VolumeUse
from costwatch.errors import InputError
from costwatch.scan.inventory import Gap

COMPLETED: Final = "Completed"
_ZERO: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class PastJob:
    """One job as SageMaker describes it now: over, or still in progress.

    `billed`: what decides about its cost; None: it is not over, or has no machines of its own (tuning, AutoML).
    `specs`: what it asked for when it was created, one for each definition of a tuning job; empty: it cannot be told.
    `started`: so many training jobs a tuning job says that it started; None: it does not say.
    """

    member: Member
    region: str
    created: datetime
    billed: EndedJob | None = None
    specs: tuple[JobSpec, ...] = ()
    image: str = ""
    checkpoints: bool = False
    started: int | None = None

    @property
    def is_over(self) -> bool:
        return self.member.gone

    @property
    def key(self) -> tuple[str, Service, str]:
        return self.region, self.member.service, self.member.id


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Jobs that `--max-jobs` kept out: the oldest of a kind in a region. `total` None: nobody said how many."""

    region: str
    service: Service
    taken: int
    total: int | None


@dataclass(frozen=True, slots=True)
class RegionHistory:
    """What one region remembers. `undescribed`: jobs that are listed and could not be described, with the reason."""

    region: str
    answered: bool
    jobs: tuple[PastJob, ...] = ()
    gaps: tuple[Gap, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    undescribed: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """USD. `usd` None: unknown. `storage_left_out`: its volumes have no known price and are not in it."""

    usd: Decimal | None
    actual: Actual
    storage_left_out: bool = False

    @property
    def known(self) -> Decimal:
        """0 where it is unknown: for sums that say beside them what is not in them."""
        return self.usd or Decimal(0)


@dataclass(frozen=True, slots=True)
class PricedJob:
    """A job with what it cost. `cost` None: it is not over, or has no machines of its own."""

    job: PastJob
    cost: Cost | None
    running: Cost | None
    """The same without its warm pool: what the job itself burned from its start to its end."""

    def usd_after(self, moment: datetime) -> Decimal | None:
        """Of its own cost the part that fell after `moment`, by time; None: unknown, 0: nothing did."""
        start, end = self.job.member.clock.running_since, self.job.member.ended_at
        if self.running is None or start is None or end is None or end <= max(start, moment):
            return Decimal(0)
        if self.running.usd is None:
            return None
        return self.running.usd * _share(end - max(start, moment), end - start)


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run of the past: a job, or a tuning or AutoML job with all its children."""

    run: Run
    jobs: tuple[PricedJob, ...]

    @property
    def head(self) -> PricedJob | None:
        """The job itself; None: only its children are in the history."""
        service = self.run.id.kind.service
        named = [each for each in self.jobs if each.job.member.service is service]
        if not self.run.id.kind.has_children:
            return named[0] if named else None
        return next((each for each in named if each.job.member.id == self.run.id.name), None)

    @property
    def created(self) -> datetime | None:
        return self.head.job.created if self.head is not None else None

    @property
    def is_over(self) -> bool:
        return all(each.job.is_over for each in self.jobs)

    @property
    def ended(self) -> datetime | None:
        """When the last of its jobs was over; None: one is not, or no end is known. What never started has no end."""
        ends = [each.job.member.ended_at for each in self.jobs]
        return max((end for end in ends if end is not None), default=None) if self.is_over else None

    @property
    def runtime(self) -> timedelta | None:
        """Start to end, which is what a limit counts."""
        return max(self.ended - self.run.start, _ZERO) if self.ended is not None and self.run.start else None

    @property
    def finished(self) -> bool:
        """Whether it came to its own end with its work done."""
        return self.head is not None and self.head.job.member.state == COMPLETED

    @property
    def state(self) -> str:
        """Such as `Completed`, `Failed`, `MaxRuntimeExceeded`."""
        if self.head is None:
            return ""
        member = self.head.job.member
        return member.phase if member.phase == "MaxRuntimeExceeded" else member.state

    @property
    def prepaid(self) -> bool:
        return any(each.job.member.purchase is PurchaseOption.CAPACITY_BLOCK for each in self.jobs)

    @property
    def checkpoints(self) -> bool:
        return any(each.job.checkpoints for each in self.jobs)

    @property
    def usd(self) -> Decimal | None:
        """What all its jobs cost, as far as they are over; None: unknown for one of them, or one is not known."""
        return total(each.cost.usd for each in self.jobs if each.cost is not None) if self._is_whole else None

    def usd_after(self, moment: datetime) -> Decimal | None:
        """The part of that which fell after `moment`."""
        return total(each.usd_after(moment) for each in self.jobs) if self._is_whole else None

    @property
    def _is_whole(self) -> bool:
        """Whether all jobs that cost something are in it: of a tuning job the children may have been left out."""
        if not self.run.id.kind.has_children:
            return True
        services = [each.job.member.service for each in self.jobs]
        told = [each.job.started for each in self.jobs if each.job.started is not None]
        if services.count(Service.TRAINING) < sum(told):
            return False
        nothing_started = bool(told) and self.run.id.kind is RunKind.TUNING
        return nothing_started or any(not service.has_children for service in services)

    @property
    def types(self) -> tuple[str, ...]:
        kinds = {kind for each in self.jobs for kind, _count in each.job.member.capacity}
        kinds |= set(self.head.job.member.types) if self.head is not None else set()
        return tuple(sorted(kinds))

    @property
    def family(self) -> str:
        """The family's key, see `core.families`."""
        image = next((each.job.image for each in self.jobs if each.job.image), "")
        return families.family(self.run.id.name, image, self.types)


def past_runs(jobs: Iterable[PastJob], prices: PriceTable, *, account: str, run_tag: str) -> list[PastRun]:
    """The runs that `jobs` formed, sorted by id.

    What a monitoring schedule or a labeling job started over and over is a run each: together they would seem to have
    run for weeks.
    """
    priced = {job.key: _priced(job, prices) for job in _owned(jobs)}
    found: list[PastRun] = []
    by_region: dict[str, list[Member]] = {}
    for each in priced.values():
        by_region.setdefault(each.job.region, []).append(each.job.member)
    for region, members in sorted(by_region.items()):
        together = [m for m in members if m.parent is None or m.parent.kind.has_children]
        runs = grouping.runs(together, account=account, region=region, run_tag=run_tag)
        for member in members:
            if member.parent is not None and not member.parent.kind.has_children:
                run_id = grouping.run_id_of(member, account=account, region=region, run_tag=run_tag)
                runs.append(Run(run_id, (member,), parent=member.parent))
        for run in runs:
            own = tuple(priced[key] for m in run.members if (key := (region, m.service, m.id)) in priced)
            found.append(PastRun(run, own))
    return found


def forecast_usd(job: PastJob, prices: PriceTable) -> Decimal | None:
    """What it could cost at most when it was created: at its maximum runtime. None: unknown.

    Of several definitions the dearest: which one a tuning job takes is not known before. Where volumes have no known
    price they are left out, as they are from what was spent.
    """
    worst = [_worst_usd(spec, prices) for spec in job.specs]
    known = [usd for usd in worst if usd is not None]
    return max(known) if known and len(known) == len(worst) else None


def is_schedule(run: PastRun) -> bool:
    """Whether another controller starts it over and over, which this version does not stop."""
    return run.run.id.kind in (RunKind.SCHEDULE, RunKind.LABELING)


def total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Unknown as soon as one of them is."""
    found: list[Decimal | None] = list(amounts)
    return None if None in found else sum((each for each in found if each is not None), Decimal(0))


def known_total(amounts: Iterable[Decimal | None]) -> tuple[Decimal, int]:
    """The sum of what is known, and of how many it is not."""
    found: Sequence[Decimal | None] = list(amounts)
    known = [each for each in found if each is not None]
    return sum(known, Decimal(0)), len(found) - len(known)


def _owned(jobs: Iterable[PastJob]) -> list[PastJob]:
    """A tuning job that an AutoML job started says so nowhere; the training jobs it starts name both."""
    every = list(jobs)
    parents = [(job.region, job.member.parent) for job in every]
    owners = {(region, parent.via): replace(parent, via="") for region, parent in parents if parent and parent.via}
    return [
        replace(job, member=replace(job.member, parent=owners[job.region, job.member.id]))
        if job.member.service is Service.TUNING and (job.region, job.member.id) in owners
        else job
        for job in every
    ]


def _worst_usd(spec: JobSpec, prices: PriceTable) -> Decimal | None:
    use = VolumeUse.PROCESSING if spec.service is Service.PROCESSING else VolumeUse.TRAINING
    unpriced = spec.volume is not None and prices.volume_rate(use, spec.volume.kind, spec.region) is None
    try:
        return estimate(replace(spec, volume=None) if unpriced else spec, prices).worst_case_usd
    except InputError:
        return None  # AWS took it all the same: a limit of the service that this version does not know yet


def _priced(job: PastJob, prices: PriceTable) -> PricedJob:
    if job.billed is None:
        return PricedJob(job, None, None)
    return PricedJob(job, _cost(job.billed, prices), _cost(replace(job.billed, pool_kept=_ZERO), prices))


def _cost(billed: EndedJob, prices: PriceTable) -> Cost:
    actual = actual_usd(billed, prices)
    if actual.usd is not None:
        return Cost(actual.usd, actual)
    # A few cents an hour that have no known price are no reason to say nothing of the dollars: it is said instead.
    bare = actual_usd(replace(billed, volume_gb=0), prices)
    return Cost(bare.usd, bare, storage_left_out=bare.usd is not None)


def _share(part: timedelta, whole: timedelta) -> Decimal:
    microsecond = timedelta(microseconds=1)
    return Decimal(part // microsecond) / (whole // microsecond)
