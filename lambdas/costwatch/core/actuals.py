"""What a run that is over has cost, from what AWS says it billed and the prices. Pure.

Every amount is USD, a Decimal, not rounded; None is unknown and spreads to every sum it is part of: a type without a
price costs None, never 0.

    time = BillableTimeInSeconds where it is told, else start to end   (an EC2 start is billed 60 seconds at least)
    instances = time x count x price, of every group
    warm pool = time it was kept after the job x count x price
    volumes = (time + kept) x count x GB x price / 720                 (SageMaker's, on types without local disks)
    negotiated = instances and warm pool x multiplier
    saved by managed spot = (start to end - billable) x count x price x multiplier
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from costwatch.core import accelerators, storage
from costwatch.core.estimator import Confidence, InstanceGroup
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.prices import Discount, PriceTable, Trust, VolumeUse, hourly_rate

BILLABLE: Final = "billable seconds"
RUN: Final = "run seconds"

_MICROSECOND: Final = timedelta(microseconds=1)
_HOUR: Final = timedelta(hours=1)
_NOTHING: Final = timedelta(0)
_LEAST_EC2: Final = timedelta(seconds=60)
_VOLUME_KIND: Final = "gp2"
_OF_TRUST: Final = {Trust.FRESH: Confidence.LIST, Trust.STALE: Confidence.STALE, Trust.SEED: Confidence.SEED}
_WEAKNESS: Final = {each: number for number, each in enumerate(Confidence)}


@dataclass(frozen=True, slots=True)
class EndedJob:
    """What decides about the cost of a job that is over, or of an EC2 run that ended. A child is a job like any other.

    `groups`: what was billed: of several acceptable types the selected one. Empty: unknown.
    `billable`: BillableTimeInSeconds of one instance; None: it is not told, as of processing and EC2.
    `running`: start to end, of managed spot TrainingTimeInSeconds; zero: it never started; None: unknown.
    `volume_gb`: attached to every instance by SageMaker. EC2's volumes are not counted: they may outlive the run.
    `pool_kept`: ResourceRetainedBillableTimeInSeconds, for which the instances were kept after the job.
    """

    service: Service
    region: str
    groups: tuple[InstanceGroup, ...]
    billable: timedelta | None
    running: timedelta | None
    purchase: PurchaseOption = PurchaseOption.ON_DEMAND
    volume_gb: int = 0
    pool_kept: timedelta = _NOTHING


@dataclass(frozen=True, slots=True)
class Actual:
    """What it cost. `usd` None: a price, a type or the time is unknown."""

    usd: Decimal | None
    """Instances, warm pool and volumes, after what was negotiated. Of prepaid capacity: the volumes alone."""
    hours: Decimal
    """Instance-hours billed for the job itself, without its warm pool; 0 where its time or its machines are unknown."""
    gpu_hours: Decimal | None
    """The same of all accelerators; None: of some type it is unknown how many it has."""
    basis: str
    """`billable seconds` or `run seconds`."""
    saved_by_spot_usd: Decimal | None
    """Against the price on demand; None: it was no spot, or what it saved is unknown."""
    confidence: Confidence
    price_as_of: date | None
    """The oldest day among the prices."""
    instances_usd: Decimal | None = None
    """Of `usd` the instances and the warm pool."""
    volumes_usd: Decimal | None = None
    """Of `usd` the attached storage; 0: there is none that is billed."""
    list_value_usd: Decimal | None = None
    """Instances and warm pool at list price: what prepaid capacity was worth, what a discount was taken from."""
    discounts: tuple[Discount, ...] = ()
    """What was negotiated and is taken off."""
    unpriced: tuple[str, ...] = ()
    """What has no known price, such as `ml.p9.48xlarge in us-east-1`."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One amount with the prices it is made of; `usd` None: unknown."""

    usd: Decimal | None
    confidence: Confidence
    as_of: date | None
    what: str = ""
    list_usd: Decimal | None = None
    saved_usd: Decimal | None = None
    discount: Discount | None = None


def actual_usd(job: EndedJob, prices: PriceTable) -> Actual:
    """Price `job`. Clocks that disagree (an end before the start) count as no time."""
    basis = BILLABLE if job.billable is not None else RUN
    time = _billed(job)
    if time == _NOTHING and job.pool_kept <= _NOTHING:
        return _nothing(basis)
    prepaid = job.purchase is PurchaseOption.CAPACITY_BLOCK
    machines = [_instances(job, group, time, prices) for group in job.groups] if time is not None else []
    volumes = [part for group in job.groups for part in _volume(job, group, time, prices)] if time is not None else []
    known = time is not None and bool(job.groups)
    instances_usd = _total(part.usd for part in machines) if known else None
    volumes_usd = _total(part.usd for part in volumes) if known else None
    usd = _total((instances_usd, volumes_usd))
    parts = [*machines, *volumes]
    return Actual(
        usd=usd,
        hours=_hours(time) * sum(group.count for group in job.groups) if time is not None else Decimal(0),
        gpu_hours=_gpu_hours(job, time) if known else None,
        basis=basis,
        saved_by_spot_usd=_total(part.saved_usd for part in machines)
        if known and job.purchase is PurchaseOption.SPOT
        else None,
        confidence=_confidence(parts, prepaid=prepaid) if known and usd is not None else Confidence.UNKNOWN,
        price_as_of=min((part.as_of for part in parts if part.as_of is not None), default=None),
        instances_usd=instances_usd,
        volumes_usd=volumes_usd,
        list_value_usd=_total(part.list_usd for part in machines) if known else None,
        discounts=tuple(dict.fromkeys(part.discount for part in machines if part.discount is not None)),
        unpriced=tuple(dict.fromkeys(f"{part.what} in {job.region}" for part in parts if part.what)),
    )


def _nothing(basis: str) -> Actual:
    """What never ran costs nothing, whatever its type would have cost: this 0 is known."""
    zero = Decimal(0)
    return Actual(zero, zero, zero, basis, None, Confidence.LIST, None, zero, zero, zero)


def _billed(job: EndedJob) -> timedelta | None:
    """Of one instance. What never started is not billed, not even EC2's minute."""
    time = job.billable if job.billable is not None else job.running
    if time is None:
        return None
    time = max(time, _NOTHING)
    return max(time, _LEAST_EC2) if job.service is Service.EC2 and time else time


def _instances(job: EndedJob, group: InstanceGroup, time: timedelta, prices: PriceTable) -> _Part:
    """The instances of a group with their warm pool."""
    kind, count = group.instance_type, group.count
    rate = hourly_rate(prices, job.service, kind, job.region)
    hours = _hours(time + max(job.pool_kept, _NOTHING)) * count
    if job.purchase is PurchaseOption.CAPACITY_BLOCK:
        # Paid before: nothing more is paid, also where its list value is unknown.
        value = rate.hourly_rate_usd * hours if rate is not None else None
        return _Part(Decimal(0), Confidence.PREPAID, rate.as_of if rate is not None else None, list_usd=value)
    ec2_spot = job.purchase is PurchaseOption.SPOT and job.service is Service.EC2
    spot = prices.spot_hourly_rate(kind, job.region) if ec2_spot else None
    if spot is not None:
        usd = spot.p50_usd * hours
        at_list = rate.hourly_rate_usd * hours if rate is not None else None
        saved = max(at_list - usd, Decimal(0)) if at_list is not None else None
        return _Part(usd, Confidence.SPOT_P90, spot.as_of, list_usd=at_list, saved_usd=saved)
    if rate is None:
        return _Part(None, Confidence.UNKNOWN, None, what=kind)
    discount = prices.discount(job.service, kind)
    paid = rate.hourly_rate_usd * (discount.multiplier if discount is not None else 1)
    return _Part(
        usd=paid * hours,
        confidence=_OF_TRUST[rate.trust],
        as_of=rate.as_of,
        list_usd=rate.hourly_rate_usd * hours,
        saved_usd=_saved_by_managed_spot(job, paid * count),
        discount=discount,
    )


def _saved_by_managed_spot(job: EndedJob, hourly_usd: Decimal) -> Decimal | None:
    """1 - billable / training, in dollars. An EC2 spot instance without a known spot price shows no saving."""
    if job.service is Service.EC2 or job.billable is None or job.running is None:
        return None
    return _hours(max(job.running - max(job.billable, _NOTHING), _NOTHING)) * hourly_usd


def _volume(job: EndedJob, group: InstanceGroup, time: timedelta, prices: PriceTable) -> Iterable[_Part]:
    """Nothing where none is billed."""
    if job.volume_gb <= 0 or job.service is Service.EC2 or storage.has_local_disks(group.instance_type):
        return
    hours = _hours(time + max(job.pool_kept, _NOTHING)) * group.count
    if not hours:
        return
    use = VolumeUse.PROCESSING if job.service is Service.PROCESSING else VolumeUse.TRAINING
    rate = prices.volume_rate(use, _VOLUME_KIND, job.region)
    if rate is None:
        yield _Part(None, Confidence.UNKNOWN, None, what=f"{_VOLUME_KIND} volumes of {use} jobs")
        return
    yield _Part(storage.hourly_usd(job.volume_gb, rate.gb_month_usd) * hours, _OF_TRUST[rate.trust], rate.as_of)


def _confidence(parts: Iterable[_Part], *, prepaid: bool) -> Confidence:
    """The weakest; what prepaid capacity is attached to does not hide that it is prepaid."""
    if prepaid:
        return Confidence.PREPAID
    return max((part.confidence for part in parts), key=_WEAKNESS.__getitem__)


def _gpu_hours(job: EndedJob, time: timedelta | None) -> Decimal | None:
    if time is None:
        return None
    counts = [(accelerators.count(group.instance_type), group.count) for group in job.groups]
    return _total(each * count * _hours(time) if each is not None else None for each, count in counts)


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Unknown as soon as one of them is."""
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _hours(duration: timedelta) -> Decimal:
    return Decimal(duration // _MICROSECOND) / (_HOUR // _MICROSECOND)
