"""What a job will cost: from its specification and the prices, before it runs or at its start. Pure.

Every amount is USD, a Decimal, not rounded; None is unknown and spreads to every sum it is part of. It holds, where all
three are known: worst case >= p90 >= expected.

    hours = runtime in seconds / 3600            (billed by the second; an EC2 start is billed 60 seconds at least)
    instances = hours x count x price            (SageMaker: BillableTimeInSeconds x InstanceCount x price)
    volumes = hours x count x GB x price / 720   (a month of 30 days)
    warm pool = time it is kept x count x price  (at most, when no other job takes it over)
    discount = (multiplier - 1) x list price     (a line of its own, negative; spot has none)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from costwatch.core import accelerators, durations, families, storage
from costwatch.core.families import PastRun
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.prices import Discount, PriceTable, Rate, SpotRate, Trust, VolumeUse, hourly_rate
from costwatch.errors import InputError

_MICROSECOND: Final = timedelta(microseconds=1)
_HOUR: Final = timedelta(hours=1) // _MICROSECOND
_LEAST_EC2: Final = timedelta(seconds=60)
_INSTANCES: Final = "instance-hour"
_STORED: Final = "GB-month"

DEFAULT_MAX_RUNTIME: Final = timedelta(days=1)
"""What SageMaker takes where a training or processing job names no maximum."""
LONGEST: Final = {
    Service.TRAINING: timedelta(days=28),
    Service.PROCESSING: timedelta(seconds=777_600),
    Service.TUNING: timedelta(days=28),  # of each training job it starts
    Service.AUTOML: timedelta(days=28),
    Service.EC2: durations.LONGEST,
}
"""What the services themselves take for a maximum runtime, as the API's documentation gives it."""
LONGEST_TUNING: Final = timedelta(seconds=15_768_000)
"""The longest that a tuning job as a whole may take."""
LONGEST_WARM_POOL: Final = timedelta(seconds=21_600)

# No job of anybody's is larger, and up to here 28 digits lose nothing that could be seen.
_MOST: Final = 100_000
UNBOUNDED_JOBS: Final = _MOST
"""Of a tuning job that names no number: as many as fit into its own runtime, which is then the bound."""
_MOST_GB: Final = 65_536
BY_COST: Final = "the median cost of its last "
"""So the basis begins of what is expected by the dollars of past runs, not by the hours."""


class Confidence(StrEnum):
    """How far the dollars can be trusted: the weakest of the prices they are made of."""

    PREPAID = "prepaid"
    """Nothing more is paid; the list value stands beside it."""
    LIST = "list"
    SPOT_P90 = "spot-p90"
    STALE = "stale"
    SEED = "seed"
    UNKNOWN = "unknown"


_WEAKNESS: Final = {each: number for number, each in enumerate(Confidence)}


@dataclass(frozen=True, slots=True)
class InstanceGroup:
    """So many instances of one type. SageMaker's types begin with `ml.`."""

    instance_type: str
    count: int


@dataclass(frozen=True, slots=True)
class Volume:
    """Storage attached to every instance, GB. SageMaker's is always `gp2`."""

    gb: int
    kind: str = "gp2"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What moves money in a job. Durations are those of one job; a tuning job runs `jobs` of them.

    `expected_runtime` None: it is taken from past runs, else the maximum. `warm_pool`: how long the instances are kept
    after the job. `zone`: of EC2 spot, empty where nobody knows it yet.
    """

    service: Service
    region: str
    groups: tuple[InstanceGroup, ...]
    max_runtime: timedelta
    purchase: PurchaseOption = PurchaseOption.ON_DEMAND
    expected_runtime: timedelta | None = None
    volume: Volume | None = None
    warm_pool: timedelta = timedelta(0)
    zone: str = ""
    jobs: int = 1
    """Training jobs that a tuning job starts, in all."""
    parallel: int = 1
    """How many of them run at once."""
    total_runtime: timedelta | None = None
    """The longest that a tuning job itself may take; None: it names none."""


@dataclass(frozen=True, slots=True)
class LineItem:
    """One line. `unit_price_usd` per `unit`; amounts are of the whole line."""

    what: str
    quantity: Decimal
    """Expected, in `unit`."""
    unit: str
    unit_price_usd: Decimal | None
    hourly_usd: Decimal | None
    """What it costs an hour while the job runs at its widest."""
    expected_usd: Decimal | None
    p90_usd: Decimal | None
    worst_case_usd: Decimal | None
    confidence: Confidence
    price_as_of: date | None
    source: str = ""
    list_value_usd: Decimal | None = None
    """Of prepaid capacity: what the expected hours would cost at list price."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A forecast. `gpu_hours`: expected, of all accelerators. `price_as_of`: the oldest day among the prices."""

    spec: JobSpec
    line_items: tuple[LineItem, ...]
    hourly_usd: Decimal | None
    expected_usd: Decimal | None
    p90_usd: Decimal | None
    worst_case_usd: Decimal | None
    gpu_hours: Decimal | None
    confidence: Confidence
    price_as_of: date | None
    expected_runtime: timedelta
    """Of one job, also of a tuning job: what its past runs took says nothing of how long one of its jobs takes."""
    p90_runtime: timedelta
    basis: str
    """Where what is expected is from, as a sentence's part: `declared`, `the median of its last 11 runs`, ..."""
    list_value_usd: Decimal | None = None
    """Of prepaid capacity, expected, at list price; None: nothing is prepaid, or it is unknown."""
    unpriced: tuple[str, ...] = ()
    """What has no known price, such as `ml.p9.48xlarge in us-east-1`."""
    notes: tuple[str, ...] = ()
    """What one must know to read the dollars, a clause each: `managed spot training: ...`."""


@dataclass(frozen=True, slots=True)
class _Runtimes:
    """Expected and p90 of one job, and where they are from."""

    expected: timedelta
    p90: timedelta
    basis: str


@dataclass(frozen=True, slots=True)
class _Spans:
    """What is billed of one instance of a group: expected, p90 and at most."""

    expected: timedelta
    p90: timedelta
    worst: timedelta


@dataclass(frozen=True, slots=True)
class _Sums:
    """USD. `basis`: where they are from, if not from the runtimes; `runs`: of so many past runs they are the cost."""

    expected_usd: Decimal | None
    p90_usd: Decimal | None
    worst_usd: Decimal | None
    basis: str = ""
    runs: int = 0

    def notes(self, lines: _Sums) -> Iterator[str]:
        """Where they are not what the lines add up to, which one would take them for."""
        if (self.expected_usd, self.p90_usd) == (lines.expected_usd, lines.p90_usd):
            return
        if self.basis:
            yield f"expected and p90 are what its last {self.runs} runs cost, and not the sums of the lines"
        elif self.runs:
            yield f"the p90 is by what its last {self.runs} runs cost, and not the sum of the lines"
        else:
            yield "past runs cost more than was forecast, so the p90 is above the sum of its lines"


def estimate(spec: JobSpec, prices: PriceTable, past: Sequence[PastRun] = ()) -> Estimate:
    """Price `spec`. `past`: earlier runs of its family. Raises InputError that names the field that is wrong."""
    check(spec)
    runtimes = _runtimes(spec, past)
    spans = _Spans(*(_all_jobs(spec, each) for each in (runtimes.expected, runtimes.p90, spec.max_runtime)))
    items = [item for group in spec.groups for item in _group_items(spec, group, spans, prices)]
    sums = _Sums(
        expected_usd=_total(item.expected_usd for item in items),
        p90_usd=_total(item.p90_usd for item in items),
        worst_usd=_total(item.worst_case_usd for item in items),
    )
    judged = _by_past_runs(spec, sums, past)
    prepaid = spec.purchase is PurchaseOption.CAPACITY_BLOCK
    return Estimate(
        spec=spec,
        line_items=tuple(items),
        hourly_usd=_total(item.hourly_usd for item in items),
        expected_usd=judged.expected_usd,
        p90_usd=judged.p90_usd,
        worst_case_usd=judged.worst_usd,
        gpu_hours=_gpu_hours(spec, spans.expected),
        confidence=_overall(items, prepaid=prepaid),
        price_as_of=min((item.price_as_of for item in items if item.price_as_of is not None), default=None),
        expected_runtime=runtimes.expected,
        p90_runtime=runtimes.p90,
        basis=judged.basis or runtimes.basis,
        list_value_usd=_total(i.list_value_usd for i in items if i.unit == _INSTANCES) if prepaid else None,
        unpriced=tuple(
            dict.fromkeys(f"{i.what} in {spec.region}" for i in items if i.confidence is Confidence.UNKNOWN)
        ),
        notes=(*_notes(spec, prices), *judged.notes(sums)),
    )


def check(spec: JobSpec) -> None:
    """Raises InputError for what no job could be: the sentence names the field and what was expected."""
    if not spec.groups:
        raise InputError("instance_type: the job names neither an instance type nor instance groups")
    for group in spec.groups:
        _whole("instance_count", group.count, "instances")
        if not group.instance_type:
            raise InputError("instance_type: it is empty; expected one such as ml.p4d.24xlarge")
        if group.instance_type.startswith("ml.") is not spec.service.is_sagemaker:
            expected = f"ml.{group.instance_type}" if spec.service.is_sagemaker else group.instance_type[3:]
            kind = "SageMaker" if spec.service.is_sagemaker else "EC2"
            raise InputError(f"instance_type: {group.instance_type!r} is no type of {kind}; did you mean {expected!r}?")
    _between("max_runtime", spec.max_runtime, LONGEST[spec.service])
    if spec.expected_runtime is not None:
        _between("expected_runtime", spec.expected_runtime, durations.LONGEST)
        if spec.expected_runtime > spec.max_runtime:
            shown = durations.short(spec.expected_runtime), durations.short(spec.max_runtime)
            raise InputError(f"expected_runtime: {shown[0]} is longer than max_runtime, {shown[1]}")
    _check_tuning(spec)
    _check_attached(spec)
    if spec.service is Service.PROCESSING and spec.purchase is not PurchaseOption.ON_DEMAND:
        raise InputError("purchase: a processing job is on-demand; expected neither spot nor prepaid capacity")


def _check_tuning(spec: JobSpec) -> None:
    _whole("jobs", spec.jobs, "training jobs")
    _whole("parallel", spec.parallel, "training jobs at once")
    if spec.total_runtime is not None:
        _between("total_runtime", spec.total_runtime, LONGEST_TUNING)
    if spec.service is not Service.TUNING and (spec.jobs, spec.parallel, spec.total_runtime) != (1, 1, None):
        raise InputError("jobs, parallel, total_runtime: only a tuning job starts several jobs")


def _check_attached(spec: JobSpec) -> None:
    """Volumes and warm pools."""
    if spec.volume is not None:
        _whole("volume_gb", spec.volume.gb, "GB", _MOST_GB)
        if spec.service.is_sagemaker and spec.volume.kind != "gp2":
            raise InputError(f"volume_kind: SageMaker attaches gp2 and nothing else, not {spec.volume.kind!r}")
    if spec.warm_pool and spec.service not in (Service.TRAINING, Service.TUNING):
        raise InputError("warm_pool: only training jobs keep their instances")
    if spec.warm_pool < timedelta(0) or spec.warm_pool > LONGEST_WARM_POOL:
        raise InputError(f"warm_pool: expected at most {durations.short(LONGEST_WARM_POOL)}, and not less than zero")


def _whole(field: str, value: int, what: str, most: int = _MOST) -> None:
    if not 1 <= value <= most:
        raise InputError(f"{field}: {value} is no number of {what}; expected 1 to {most:,}")


def _between(field: str, value: timedelta, longest: timedelta) -> None:
    if value <= timedelta(0):
        raise InputError(f"{field}: expected a duration longer than zero, such as 12h")
    if value > longest:
        raise InputError(
            f"{field}: {durations.short(value)} is above the service's limit of {durations.short(longest)}"
        )


def _runtimes(spec: JobSpec, past: Sequence[PastRun]) -> _Runtimes:
    """Within what the job is allowed."""
    # The ledger knows a tuning job as one run: how long that took says nothing of one of its jobs.
    known = families.runtimes(past) if spec.service is not Service.TUNING else None
    if spec.expected_runtime is not None:
        expected = spec.expected_runtime
        # Nobody declares a tail: with past runs it is theirs, else it may take all that it is allowed.
        tail = known.p90 if known is not None else spec.max_runtime
        return _Runtimes(expected, max(expected, min(tail, spec.max_runtime)), "declared")
    if known is not None:
        expected, p90 = min(known.expected, spec.max_runtime), min(known.p90, spec.max_runtime)
        return _Runtimes(expected, p90, f"the median of its last {known.runs} runs")
    most = spec.max_runtime
    return _Runtimes(most, most, "its maximum runtime: nothing is known of how long it takes")


def _by_past_runs(spec: JobSpec, lines: _Sums, past: Sequence[PastRun]) -> _Sums:
    """The sums as the family's past runs say them. The worst case stays the worst case, and bounds the others."""
    expected_usd, p90_usd, worst_usd = lines.expected_usd, lines.p90_usd, lines.worst_usd
    if expected_usd is None or p90_usd is None or worst_usd is None:
        return lines
    if spec.service is not Service.TUNING:
        error = families.error_p90(past)
        # Where the family's forecasts were too low before, this one says so.
        return lines if error is None else replace(lines, p90_usd=max(p90_usd, min(expected_usd * error, worst_usd)))
    known = families.costs(past)
    if known is None:
        return lines
    median, high, runs = known
    basis = ""
    if spec.expected_runtime is None:
        expected_usd, basis = min(median, worst_usd), f"{BY_COST}{runs} runs"
    return _Sums(expected_usd, max(expected_usd, min(high, worst_usd)), worst_usd, basis, runs)


def _all_jobs(spec: JobSpec, runtime: timedelta) -> timedelta:
    """What is billed of one instance of a group where each job takes `runtime`."""
    billed = max(runtime, _LEAST_EC2) if spec.service is Service.EC2 else runtime
    total = billed * spec.jobs
    if spec.total_runtime is not None:
        # What runs when its time is up is stopped: no more than `parallel` jobs over the whole of it.
        total = min(total, spec.total_runtime * _at_once(spec))
    return total


def _notes(spec: JobSpec, prices: PriceTable) -> Iterator[str]:
    types = dict.fromkeys(group.instance_type for group in spec.groups)
    if spec.purchase is PurchaseOption.SPOT and spec.service.is_sagemaker:
        yield "managed spot training at list price, its upper bound: what it saves is known when it is over"
    elif spec.purchase is PurchaseOption.SPOT:
        for name in types:
            if _spot_rate(spec, name, prices) is None:
                yield f"{name} at list price, which spot does not exceed: no spot price of the last days is known"
    if spec.volume is not None and spec.service.is_sagemaker:
        for name in types:
            if storage.has_local_disks(name):
                yield f"{name} brings its own disks, so no volume is attached"


def _group_items(spec: JobSpec, group: InstanceGroup, spans: _Spans, prices: PriceTable) -> Iterator[LineItem]:
    rate = hourly_rate(prices, spec.service, group.instance_type, spec.region)
    if rate is not None and rate.hourly_rate_usd <= 0:
        rate = None  # nothing is free: a price of 0 is one that was not read
    spot = _spot_rate(spec, group.instance_type, prices)
    if spot is not None:
        yield _spot_item(group, spans, spot, rate)
    elif spec.purchase is PurchaseOption.CAPACITY_BLOCK:
        yield _prepaid(_instances(spec, group, spans, rate))
    else:
        at_list = [_instances(spec, group, spans, rate)]
        if spec.warm_pool:
            at_list.append(_warm_pool(spec, group, at_list[0]))
        yield from at_list
        # What was negotiated is for on-demand: spot at list price is a bound, and a bound gets no discount.
        spot_at_list = spec.purchase is PurchaseOption.SPOT
        discount = prices.discount(spec.service, group.instance_type) if not spot_at_list else None
        if discount is not None and rate is not None:
            yield from (_discounted(item, discount) for item in at_list)
    yield from _volume_items(spec, group, spans, prices)


def _instances(spec: JobSpec, group: InstanceGroup, spans: _Spans, rate: Rate | None) -> LineItem:
    """At list price."""
    quantity = _over(spans.expected, group.count)
    if rate is None:
        return _unknown(group.instance_type, quantity, _INSTANCES)
    price = rate.hourly_rate_usd
    hourly = price * group.count
    return LineItem(
        what=group.instance_type,
        quantity=quantity,
        unit=_INSTANCES,
        unit_price_usd=price,
        hourly_usd=hourly * _at_once(spec),
        expected_usd=_over(spans.expected, hourly),
        p90_usd=_over(spans.p90, hourly),
        worst_case_usd=_over(spans.worst, hourly),
        confidence=_of_trust(rate.trust),
        price_as_of=rate.as_of,
        source=rate.source,
    )


def _spot_rate(spec: JobSpec, instance_type: str, prices: PriceTable) -> SpotRate | None:
    """Only EC2 has one: what managed spot training saves is known when it is over, and list price bounds it."""
    if not _is_spot(spec):
        return None
    found = prices.spot_hourly_rate(instance_type, spec.region, spec.zone)
    return found if found is not None and found.p50_usd > 0 else None


def _is_spot(spec: JobSpec) -> bool:
    return spec.purchase is PurchaseOption.SPOT and spec.service is Service.EC2


def _spot_item(group: InstanceGroup, spans: _Spans, spot: SpotRate, at_list: Rate | None) -> LineItem:
    """Expected at the median price, p90 at the 90% quantile; at worst at list price, which spot does not exceed.

    Without a list price nobody knows the worst case, and the line says so: unknown, beside what is known.
    """
    most = max(spot.p90_usd, at_list.hourly_rate_usd) if at_list is not None else None
    trusted = [Confidence.SPOT_P90, _of_trust(at_list.trust) if at_list is not None else Confidence.UNKNOWN]
    return LineItem(
        what=f"{group.instance_type} (spot, {spot.zone})",
        quantity=_over(spans.expected, group.count),
        unit=_INSTANCES,
        unit_price_usd=spot.p50_usd,
        hourly_usd=spot.p90_usd * group.count,
        expected_usd=_over(spans.expected, spot.p50_usd * group.count),
        p90_usd=_over(spans.p90, spot.p90_usd * group.count),
        worst_case_usd=_over(spans.worst, most * group.count) if most is not None else None,
        confidence=weakest(trusted),
        price_as_of=min(spot.as_of, at_list.as_of) if at_list is not None else spot.as_of,
        source=spot.source,
    )


def _warm_pool(spec: JobSpec, group: InstanceGroup, instances: LineItem) -> LineItem:
    """Kept as long as the job says, unless another one takes it over: so nobody can expect less of it."""
    kept = _over(spec.warm_pool, group.count * _at_once(spec))
    what = f"{group.instance_type} warm pool"
    if instances.unit_price_usd is None:
        return _unknown(what, kept, _INSTANCES)
    cost = _over(spec.warm_pool, instances.unit_price_usd * group.count * _at_once(spec))
    return replace(
        instances, what=what, quantity=kept, hourly_usd=Decimal(0), expected_usd=cost, p90_usd=cost, worst_case_usd=cost
    )


def _discounted(item: LineItem, discount: Discount) -> LineItem:
    """The line of a discount on `item`: negative where the multiplier is below 1."""
    off = discount.multiplier - 1
    return replace(
        item,
        what=f"{item.what}: negotiated, x {discount.multiplier} ({discount.key})",
        unit="discount",
        unit_price_usd=_times(item.unit_price_usd, off),
        hourly_usd=_times(item.hourly_usd, off),
        expected_usd=_times(item.expected_usd, off),
        p90_usd=_times(item.p90_usd, off),
        worst_case_usd=_times(item.worst_case_usd, off),
        source="prices.multipliers",
    )


def _volume_items(spec: JobSpec, group: InstanceGroup, spans: _Spans, prices: PriceTable) -> Iterator[LineItem]:
    volume = spec.volume
    if volume is None or (spec.service.is_sagemaker and storage.has_local_disks(group.instance_type)):
        return
    use = {Service.EC2: VolumeUse.EC2, Service.PROCESSING: VolumeUse.PROCESSING}.get(spec.service, VolumeUse.TRAINING)
    rate = prices.volume_rate(use, volume.kind, spec.region)
    what = f"{volume.gb} GB {volume.kind} for {group.instance_type}"
    # A warm pool's volumes stay as long as it does.
    kept = spec.warm_pool * _at_once(spec)
    gb = volume.gb * group.count
    quantity = _over(spans.expected + kept, gb) / storage.MONTH_HOURS
    if rate is None or rate.gb_month_usd <= 0:
        yield _unknown(what, quantity, _STORED)
        return
    monthly = gb * rate.gb_month_usd
    yield LineItem(
        what=what,
        quantity=quantity,
        unit=_STORED,
        unit_price_usd=rate.gb_month_usd,
        hourly_usd=monthly * _at_once(spec) / storage.MONTH_HOURS,
        expected_usd=_over(spans.expected + kept, monthly, storage.MONTH_HOURS),
        p90_usd=_over(spans.p90 + kept, monthly, storage.MONTH_HOURS),
        worst_case_usd=_over(spans.worst + kept, monthly, storage.MONTH_HOURS),
        confidence=_of_trust(rate.trust),
        price_as_of=rate.as_of,
        source=rate.source,
    )


def _prepaid(item: LineItem) -> LineItem:
    """Nothing more is paid for it, also where its list value is unknown."""
    nothing = Decimal(0)
    return replace(
        item,
        what=f"{item.what} (prepaid)",
        hourly_usd=nothing,
        expected_usd=nothing,
        p90_usd=nothing,
        worst_case_usd=nothing,
        confidence=Confidence.PREPAID,
        list_value_usd=item.expected_usd,
    )


def _unknown(what: str, quantity: Decimal, unit: str) -> LineItem:
    """No price: no amount."""
    return LineItem(what, quantity, unit, None, None, None, None, None, Confidence.UNKNOWN, None)


def _at_once(spec: JobSpec) -> int:
    return min(spec.parallel, spec.jobs)


def weakest(each: Iterable[Confidence], default: Confidence = Confidence.UNKNOWN) -> Confidence:
    """The least trusted of them; `default` where there are none."""
    return max(each, key=_WEAKNESS.__getitem__, default=default)


def _overall(items: Sequence[LineItem], *, prepaid: bool) -> Confidence:
    """Of all lines; what prepaid capacity is attached to does not hide that it is prepaid."""
    found = weakest(item.confidence for item in items)
    return Confidence.PREPAID if prepaid and found is not Confidence.UNKNOWN else found


def _gpu_hours(spec: JobSpec, span: timedelta) -> Decimal | None:
    counts = [(accelerators.count(group.instance_type), group.count) for group in spec.groups]
    return _total(_over(span, each * count) if each is not None else None for each, count in counts)


def _of_trust(trust: Trust) -> Confidence:
    return {Trust.FRESH: Confidence.LIST, Trust.STALE: Confidence.STALE, Trust.SEED: Confidence.SEED}[trust]


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Unknown as soon as one of them is."""
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _times(amount: Decimal | None, factor: Decimal) -> Decimal | None:
    return amount * factor if amount is not None else None


def _over(span: timedelta, each: Decimal | int, hours: int = 1) -> Decimal:
    """`each` for every `hours` of `span`. Divided last: so a price stays exact wherever it can."""
    return span // _MICROSECOND * Decimal(each) / (_HOUR * hours)
