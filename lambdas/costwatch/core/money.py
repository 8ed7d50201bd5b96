"""What a run costs an hour and has cost so far. USD as Decimal; rounded once, when shown.

Unknown stays unknown: a type without a price makes the whole rate None, never 0. Prepaid capacity is
not unknown: its marginal cost is $0, with its list value beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from costwatch.core import storage
from costwatch.core.model import Member, Run
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.prices import PriceTable, Trust, VolumeUse, hourly_rate

_CENT = Decimal("0.01")
_WIDE = Context(prec=400)
"""An amount is shown however large it is."""
_SECONDS_PER_HOUR = 3600
_MICROSECOND = timedelta(microseconds=1)


_LABELS: Final = {
    Trust.FRESH: "list price",
    Trust.STALE: "list price, not refreshed since",
    Trust.SEED: "list price",
}
"""For people; the day stands beside it."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What has one price: spot prices differ by zone."""

    name: str
    spot: bool
    zone: str


@dataclass(frozen=True, slots=True)
class _Price:
    """What one instance is taken to cost an hour, USD, and how that is known."""

    hourly_rate_usd: Decimal
    as_of: date
    label: str


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

    On-demand list prices, times what was negotiated. EC2 spot at the 90% quantile of its zone's recent days where that
    is known; else spot is priced at list price, without what was negotiated, and says so, as managed spot training
    always is: what that saves is known in the end. So the rate is an upper bound. A member in a Local Zone or
    Wavelength Zone has no known price, since prices differ there from their region's; nor has one that is no shared
    Linux. A job's own volume is included where its price is known, and said to be left out where it is not; volumes of
    instances are not included.
    """
    priced = _Priced(run.id.region, prices)
    for member in run.members:
        if member.alive:
            priced.add(member)
    return priced.burn()


class _Priced:
    """Living members, added up by what they are."""

    def __init__(self, region: str, prices: PriceTable) -> None:
        self._region = region
        self._prices = prices
        self._paid: dict[_Kind, int] = {}
        self._prepaid: dict[_Kind, int] = {}
        self._rates: dict[_Kind, _Price | None] = {}
        self._by_member: dict[str, Decimal | None] = {}
        self._volumes_usd = Decimal(0)
        self._without_volume = False

    def add(self, member: Member) -> None:
        prepaid = member.purchase is PurchaseOption.CAPACITY_BLOCK
        counts = self._prepaid if prepaid else self._paid
        own: dict[_Kind, int] = {}
        spot = member.purchase is PurchaseOption.SPOT
        for name, instance_type, count in _capacity(member, self._region):
            kind = _Kind(name, spot, member.zone if spot else "")
            if kind not in self._rates:
                self._rates[kind] = self._price(member, instance_type, prepaid=prepaid)
            counts[kind] = counts.get(kind, 0) + count
            own[kind] = own.get(kind, 0) + count
        volume_usd = self._volume_usd(member)
        self._volumes_usd += volume_usd
        rate = Decimal(0) if prepaid else _total(own, self._rates)
        self._by_member[member.id] = rate + volume_usd if rate is not None else None

    def burn(self) -> Burn:
        found = [price for price in self._rates.values() if price is not None]
        unknown = tuple(sorted({kind.name for kind, price in self._rates.items() if price is None}))
        paid, prepaid = _total(self._paid, self._rates), _total(self._prepaid, self._rates)
        hourly = paid + self._volumes_usd if paid is not None else None
        return Burn(
            hourly_rate_usd=hourly,
            list_rate_usd=None if hourly is None or prepaid is None else hourly + prepaid,
            unknown_types=unknown,
            as_of=min((price.as_of for price in found), default=None),
            note=self._note(prepaid, unknown),
            by_member=self._by_member,
        )

    def _price(self, member: Member, instance_type: str | None, *, prepaid: bool) -> _Price | None:
        if instance_type is None:
            return None
        spot = member.purchase is PurchaseOption.SPOT
        if spot and member.service is Service.EC2:
            quantiles = self._prices.spot_hourly_rate(instance_type, self._region, member.zone)
            if quantiles is not None:
                label = f"spot, 90% quantile of {quantiles.days} days"
                return _Price(quantiles.p90_usd, quantiles.as_of, label)
        rate = hourly_rate(self._prices, member.service, instance_type, self._region)
        if rate is None:
            return None
        label = _LABELS[rate.trust] + (", spot costs less" if spot else "")
        # What was negotiated is for on-demand: spot at list price is a bound, and a bound gets no discount.
        discount = None if prepaid or spot else self._prices.discount(member.service, instance_type)
        if discount is None:
            return _Price(rate.hourly_rate_usd, rate.as_of, label)
        return _Price(rate.hourly_rate_usd * discount.multiplier, rate.as_of, f"{label} x {discount.multiplier}")

    def _volume_usd(self, member: Member) -> Decimal:
        """An hour, of all instances of a job; 0 where its types bring disks of their own, and where it is unknown."""
        volume = member.spec.volume if member.spec is not None else None
        if volume is None or not member.service.is_sagemaker:
            return Decimal(0)
        count = sum(n for kind, n in member.capacity if not storage.has_local_disks(kind))
        use = VolumeUse.PROCESSING if member.service is Service.PROCESSING else VolumeUse.TRAINING
        rate = self._prices.volume_rate(use, volume.kind, self._region) if count else None
        self._without_volume |= bool(count) and rate is None
        return storage.hourly_usd(volume.gb, rate.gb_month_usd) * count if rate is not None else Decimal(0)

    def _note(self, prepaid_usd: Decimal | None, unknown: tuple[str, ...]) -> str:
        if not self._paid and not self._prepaid:
            return "nothing is running"
        parts = []
        if self._paid:
            parts.append("; ".join(self._labelled()))
        if self._prepaid:
            value = "list value unknown" if prepaid_usd is None else f"list value {show_usd(prepaid_usd)}/h"
            parts.append(f"{_shown(self._prepaid)} prepaid: $0.00 more an hour, {value}")
        if self._volumes_usd:
            parts.append("with its volumes")
        if self._without_volume:
            parts.append("without its volumes, which have no known price")
        if unknown:
            parts.append(f"no known price for {', '.join(unknown)}")
        return "; ".join(parts)

    def _labelled(self) -> Iterator[str]:
        """What is paid for, by how it is priced, as of the oldest day among its prices."""
        by_label: dict[str, dict[_Kind, int]] = {}
        for kind, count in self._paid.items():
            price = self._rates[kind]
            by_label.setdefault(price.label if price is not None else "", {})[kind] = count
        unpriced = by_label.pop("", {})
        for label, counts in by_label.items():
            as_of = min(price.as_of for kind in counts if (price := self._rates[kind]) is not None)
            yield f"{_shown(counts)}, {label} (as of {as_of.isoformat()})"
        if unpriced:
            yield _shown(unpriced)


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
    cents = amount_usd.quantize(_CENT, rounding=ROUND_HALF_EVEN, context=_WIDE)
    return f"{'-' if cents < 0 else ''}${cents.copy_abs():,.2f}"


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


def _total(counts: Mapping[_Kind, int], prices: Mapping[_Kind, _Price | None]) -> Decimal | None:
    total = Decimal(0)
    for kind, count in counts.items():
        price = prices[kind]
        if price is None:
            return None
        total += price.hourly_rate_usd * count
    return total


def _shown(counts: Mapping[_Kind, int]) -> str:
    by_name: dict[str, int] = {}
    for kind, count in counts.items():
        by_name[kind.name] = by_name.get(kind.name, 0) + count
    return " + ".join(f"{count} x {name}" for name, count in sorted(by_name.items()))
