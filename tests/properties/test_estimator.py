"""Whatever the job and its prices: order, additivity, monotony, and unknown that is never lost."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from costwatch.core.estimator import Estimate, InstanceGroup, JobSpec, Volume, estimate
from costwatch.core.families import PastRun
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.prices import VolumeUse
from tests.support.priced import HOUR, LIST, Priced

SLACK = Decimal("1e-15")
"""Twenty-eight digits are kept, so a sum made another way may differ in its last one."""
SUMS = ("hourly_usd", "expected_usd", "p90_usd", "worst_case_usd")
EC2_TYPES = sorted(name for name in LIST if not name.startswith("ml."))
ML_TYPES = sorted(name for name in LIST if name.startswith("ml."))
PRICE = st.decimals("0.0001", "200", places=6).map(str)
SECONDS = st.integers(1, 8 * 86_400)
"""Room for more below the 9 days that a processing job may take."""


def _in_order(one: str, other: str) -> tuple[str, str]:
    return (one, other) if Decimal(one) <= Decimal(other) else (other, one)


@st.composite
def price_tables(draw: st.DrawFn) -> Priced:
    """Every type has a price; spot is below it now and then; discounts only lower."""
    rates = {name: draw(PRICE) for name in LIST}
    spot = {
        name: (low, high)
        for name in EC2_TYPES
        if draw(st.booleans())
        for low, high in [_in_order(draw(PRICE), draw(PRICE))]
    }
    volumes = {(use, kind): draw(PRICE) for use in VolumeUse for kind in ("gp2", "gp3")}
    off = {name: str(draw(st.decimals("0.05", "1", places=3))) for name in LIST if draw(st.booleans())}
    return Priced(rates=rates, spot=spot, volumes=volumes, multipliers=off)


@st.composite
def jobs(
    draw: st.DrawFn, *, services: tuple[Service, ...] = tuple(s for s in Service if s is not Service.AUTOML)
) -> JobSpec:
    service = draw(st.sampled_from(services))
    names = st.sampled_from(ML_TYPES if service.is_sagemaker else EC2_TYPES)
    groups = draw(st.lists(st.builds(InstanceGroup, names, st.integers(1, 64)), min_size=1, max_size=4))
    seconds = draw(SECONDS)
    tuning = service is Service.TUNING
    bought = [PurchaseOption.ON_DEMAND, *([PurchaseOption.SPOT] if service is not Service.PROCESSING else [])]
    return JobSpec(
        service=service,
        region="us-east-1",
        groups=tuple(groups),
        max_runtime=timedelta(seconds=seconds),
        purchase=draw(st.sampled_from(bought)),
        expected_runtime=draw(st.none() | st.integers(1, seconds).map(lambda taken: timedelta(seconds=taken))),
        volume=draw(st.none() | st.builds(Volume, st.integers(1, 16_384))),
        warm_pool=timedelta(seconds=draw(st.integers(0, 21_600))) if service is Service.TRAINING else timedelta(0),
        jobs=draw(st.integers(1, 50)) if tuning else 1,
        parallel=draw(st.integers(1, 60)) if tuning else 1,
        total_runtime=draw(st.none() | SECONDS.map(lambda taken: timedelta(seconds=taken))) if tuning else None,
    )


def past_runs(known: bool) -> st.SearchStrategy[tuple[PastRun, ...]]:
    """`known`: they finished and their dollars are known, so something can be concluded."""
    dollars = st.decimals("0.01", "9000", places=2)
    run = st.builds(
        PastRun,
        st.just("run"),
        st.datetimes(datetime(2026, 1, 1), datetime(2026, 11, 1)),
        st.integers(60, 2_000_000).map(lambda taken: timedelta(seconds=taken)),
        dollars if known else st.none() | dollars,
        dollars if known else st.none() | dollars,
        st.just(True) if known else st.booleans(),
    )
    return st.lists(run, min_size=3 if known else 0, max_size=8).map(tuple)


PAST = past_runs(known=True) | past_runs(known=False)


def known(made: Estimate, name: str) -> Decimal:
    amount = getattr(made, name)
    assert isinstance(amount, Decimal)
    return amount


def near(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= SLACK * max(Decimal(1), abs(one), abs(other))


@given(jobs(), price_tables(), PAST)
@settings(deadline=None)
def test_the_worst_case_is_no_less_than_p90_and_that_no_less_than_expected(
    spec: JobSpec, prices: Priced, past: tuple[PastRun, ...]
) -> None:
    made = estimate(spec, prices, past)
    expected, p90, worst = (known(made, name) for name in SUMS[1:])
    assert worst >= p90 >= expected > 0
    assert made.p90_runtime >= made.expected_runtime


@given(jobs(), price_tables(), st.integers(0, 3))
@settings(deadline=None)
def test_groups_add_up(spec: JobSpec, prices: Priced, cut: int) -> None:
    cut = min(cut, len(spec.groups))
    parts = [replace(spec, groups=groups) for groups in (spec.groups[:cut], spec.groups[cut:]) if groups]
    whole = estimate(spec, prices)
    for name in (*SUMS, "gpu_hours"):
        assert near(known(whole, name), sum((known(estimate(part, prices), name) for part in parts), Decimal(0)))


@given(jobs(), price_tables(), st.integers(1, 10_000))
@settings(deadline=None)
def test_more_time_never_costs_less(spec: JobSpec, prices: Priced, more: int) -> None:
    longer = replace(spec, max_runtime=spec.max_runtime + timedelta(seconds=more))
    grown = [replace(spec, expected_runtime=spec.max_runtime), longer]
    if spec.total_runtime is not None:
        grown.append(replace(spec, total_runtime=spec.total_runtime + timedelta(seconds=more)))
    before = estimate(spec, prices)
    for each in grown:
        after = estimate(each, prices)
        assert all(known(after, name) >= known(before, name) for name in SUMS)


@given(jobs(), price_tables(), st.integers(1, 64))
@settings(deadline=None)
def test_more_machines_jobs_and_storage_never_cost_less(spec: JobSpec, prices: Priced, more: int) -> None:
    first, *others = spec.groups
    grown = [replace(spec, groups=(InstanceGroup(first.instance_type, first.count + more), *others))]
    if spec.volume is not None:
        grown.append(replace(spec, volume=Volume(spec.volume.gb + more)))
    if spec.service is Service.TUNING:
        grown += [replace(spec, jobs=spec.jobs + more), replace(spec, parallel=spec.parallel + more)]
    if spec.service is Service.TRAINING:
        grown.append(replace(spec, warm_pool=min(6 * HOUR, spec.warm_pool + timedelta(minutes=more))))
    before = estimate(spec, prices)
    for each in grown:
        after = estimate(each, prices)
        assert all(known(after, name) >= known(before, name) for name in SUMS)


@given(jobs(), price_tables(), st.integers(2, 50))
@settings(deadline=None)
def test_so_many_times_the_machines_cost_so_many_times_as_much(spec: JobSpec, prices: Priced, times: int) -> None:
    more = tuple(InstanceGroup(group.instance_type, group.count * times) for group in spec.groups)
    one, many = estimate(spec, prices), estimate(replace(spec, groups=more), prices)
    for name in (*SUMS, "gpu_hours"):
        assert near(known(many, name), times * known(one, name))


@given(jobs(), price_tables(), st.integers(0, 4), st.booleans())
@settings(deadline=None)
def test_one_unknown_price_makes_every_sum_unknown(spec: JobSpec, prices: Priced, at: int, zero: bool) -> None:
    name = "ml.p9.48xlarge" if spec.service.is_sagemaker else "p9.48xlarge"
    if zero:
        prices = replace(prices, rates={**prices.rates, name: "0"})
    groups = list(spec.groups)
    groups.insert(at, InstanceGroup(name, 1))
    made = estimate(replace(spec, groups=tuple(groups)), prices)
    assert [getattr(made, each) for each in SUMS] == [None] * 4
    assert any(each.startswith(name) for each in made.unpriced)


@given(jobs(), price_tables())
@settings(deadline=None)
def test_a_discount_never_raises_a_sum_nor_makes_it_free(spec: JobSpec, prices: Priced) -> None:
    lower, full = estimate(spec, prices), estimate(spec, replace(prices, multipliers={}))
    for name in SUMS:
        assert 0 < known(lower, name) <= known(full, name)


@given(jobs(), price_tables(), PAST)
@settings(deadline=None)
def test_no_amount_and_no_quantity_is_ever_a_float(spec: JobSpec, prices: Priced, past: tuple[PastRun, ...]) -> None:
    made = estimate(spec, prices, past)
    allowed = (Decimal, date, str, tuple, timedelta, JobSpec, type(None))
    names: list[tuple[object, str]] = [(made, field.name) for field in fields(made)]
    names += [(item, field.name) for item in made.line_items for field in fields(item)]
    for part, name in names:
        assert isinstance(getattr(part, name), allowed), name


@given(jobs(), price_tables())
@settings(deadline=None)
def test_the_lines_are_the_whole_of_it(spec: JobSpec, prices: Priced) -> None:
    made = estimate(spec, prices)
    for name in SUMS:
        assert sum((known_line(item, name) for item in made.line_items), Decimal(0)) == known(made, name)


def known_line(item: object, name: str) -> Decimal:
    amount = getattr(item, name)
    assert isinstance(amount, Decimal)
    return amount
