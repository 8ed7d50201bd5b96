"""What a run costs an hour and has cost so far. USD as Decimal; rounded once, when shown.

Unknown stays unknown: a type without a price makes the whole rate None, never 0. Prepaid capacity is
not unknown: its marginal cost is $0, with its list value beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from costwatch.core.model import Member, Run
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.prices import PriceTable, Rate

_CENT = Decimal("0.01")
_SECONDS_PER_HOUR = 3600
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Burn:
    """What a run's living members cost an hour, USD.

    `hourly_rate_usd` is the marginal rate: what stopping the run ends. None when any type that is not prepaid has
    no price. `list_rate_usd` counts prepaid capacity at its list price too; None when any type has no price.
    `as_of` is the oldest day among the prices used, None when none was. `note` is the sentence a card quotes.
    """

    hourly_rate_usd: Decimal | None
    list_rate_usd: Decimal | None
    unknown_types: tuple[str, ...]
    as_of: date | None
    note: str
    by_member: Mapping[str, Decimal | None] = field(default_factory=dict)
    """The marginal rate of each living member, by its id."""


def burn_rate(run: Run, prices: PriceTable) -> Burn:
    """Price the members of `run` that are alive. None alive: $0.

    Spot is priced at list price and says so. A member in a Local Zone or Wavelength Zone has no known price here,
    since prices differ there from their region's; nor has one that is no shared Linux. Attached storage is not
    included.
    """
    paid: dict[str, int] = {}
    prepaid: dict[str, int] = {}
    rates: dict[str, Rate | None] = {}
    by_member: dict[str, Decimal | None] = {}
    alive = tuple(member for member in run.members if member.alive)
    for member in alive:
        is_prepaid = member.purchase is PurchaseOption.CAPACITY_BLOCK
        counts = prepaid if is_prepaid else paid
        own: dict[str, int] = {}
        for name, instance_type, count in _capacity(member, run.id.region):
            counts[name] = counts.get(name, 0) + count
            own[name] = own.get(name, 0) + count
            rates[name] = _rate(member.service, instance_type, run.id.region, prices)
        by_member[member.id] = Decimal(0) if is_prepaid else _total(own, rates)
    unknown = tuple(sorted(name for name, rate in rates.items() if rate is None))
    paid_rate, prepaid_rate = _total(paid, rates), _total(prepaid, rates)
    as_of = min((rate.as_of for rate in rates.values() if rate is not None), default=None)
    return Burn(
        hourly_rate_usd=paid_rate,
        list_rate_usd=None if paid_rate is None or prepaid_rate is None else paid_rate + prepaid_rate,
        unknown_types=unknown,
        as_of=as_of,
        note=_note(
            paid,
            prepaid,
            prepaid_rate=prepaid_rate,
            unknown=unknown,
            as_of=as_of,
            spot=any(member.purchase is PurchaseOption.SPOT for member in alive),
        ),
        by_member=by_member,
    )


def spent_usd(hourly_rate_usd: Decimal | None, elapsed: timedelta) -> Decimal | None:
    """`hourly_rate_usd` over `elapsed`, to the microsecond and not rounded. Unknown rate: unknown.

    A negative `elapsed` (clocks that disagree) counts as zero.
    """
    if hourly_rate_usd is None:
        return None
    microseconds = max(0, elapsed // _MICROSECOND)
    return hourly_rate_usd * microseconds / (_SECONDS_PER_HOUR * 1_000_000)


def show_usd(amount_usd: Decimal | None) -> str:
    """`$25.25`, `$1,212.04`, `-$3.00`, or `unknown`. Half a cent goes to the even cent."""
    if amount_usd is None:
        return "unknown"
    cents = amount_usd.quantize(_CENT, rounding=ROUND_HALF_EVEN)
    return f"{'-' if cents < 0 else ''}${abs(cents):,.2f}"


def _capacity(member: Member, region: str) -> tuple[tuple[str, str | None, int], ...]:
    """(name to show, instance type to price, count). Type None: nothing to look a price up by."""
    if member.has_children:
        return ()  # it has no instances of its own
    if not member.capacity:
        return ((f"{member.id} (type unknown)", None, 1),)
    if not in_region(member.zone, region):
        return tuple((f"{kind} in {member.zone}", None, count) for kind, count in member.capacity)
    if member.priced_apart:
        return tuple((f"{kind} ({member.priced_apart})", None, count) for kind, count in member.capacity)
    # Beside training jobs in one run: the same type has another price there.
    what = " (processing)" if member.service is Service.PROCESSING and member.parent is not None else ""
    return tuple((f"{kind}{what}", kind, count) for kind, count in member.capacity)


def in_region(zone: str, region: str) -> bool:
    """Whether `zone` is an availability zone proper (`us-east-1a`); jobs have none and are billed by region."""
    return not zone or (zone.startswith(region) and len(zone) == len(region) + 1)


def _rate(service: Service, instance_type: str | None, region: str, prices: PriceTable) -> Rate | None:
    if instance_type is None:
        return None
    if service is Service.TRAINING:
        return prices.training_hourly_rate(instance_type, region)
    if service is Service.PROCESSING:
        return prices.processing_hourly_rate(instance_type, region)
    return prices.ec2_hourly_rate(instance_type, region)


def _total(counts: Mapping[str, int], rates: Mapping[str, Rate | None]) -> Decimal | None:
    total = Decimal(0)
    for name, count in counts.items():
        rate = rates[name]
        if rate is None:
            return None
        total += rate.hourly_rate_usd * count
    return total


def _note(
    paid: Mapping[str, int],
    prepaid: Mapping[str, int],
    *,
    prepaid_rate: Decimal | None,
    unknown: tuple[str, ...],
    as_of: date | None,
    spot: bool,
) -> str:
    if not paid and not prepaid:
        return "nothing is running"
    day = f" (as of {as_of.isoformat()})" if as_of is not None else ""
    parts = []
    if paid:
        label = "list price, spot costs less" if spot else "list price"
        known = any(name not in unknown for name in paid)
        parts.append(f"{_shown(paid)}, {label}{day}" if known else _shown(paid))
    if prepaid:
        value = "list value unknown" if prepaid_rate is None else f"list value {show_usd(prepaid_rate)}/h"
        parts.append(f"{_shown(prepaid)} prepaid: $0.00 more an hour, {value}")
    if unknown:
        parts.append(f"no known price for {', '.join(unknown)}")
    return "; ".join(parts)


def _shown(counts: Mapping[str, int]) -> str:
    return " + ".join(f"{count} x {name}" for name, count in sorted(counts.items()))
