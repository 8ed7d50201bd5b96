"""The price book: what the daily refresh read, with the day of each part, and the order in which prices are trusted.

A book is one document of plain JSON values, kept as it was read, so that opening it costs nothing per price:

    {"format": 1, "written_at": "2026-11-14T04:00:00.000000Z",
     "rates":   {<kind of price>: {<region>: {<as_of>: {<name>: "25.251286"}}}},
     "spot":    {<region>: {<as_of>: {<zone>: {<instance type>: ["9.1", "11.4"]}}}},
     "spot_days": 14}

Kinds of price: `ec2`, `training`, `processing` (USD per instance and hour, by instance type); `ec2-volume`,
`training-volume`, `processing-volume` (USD per GB and month, by kind of volume). Spot: median and 90% quantile.
A part of one kind and region is replaced as a whole; one that could not be read stays with its day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final

from costwatch.core import times
from costwatch.core.policy import Service
from costwatch.core.prices import Discount, PriceTable, Rate, SpotRate, Trust, VolumeRate, VolumeUse

FORMAT_VERSION: Final = 1
STALE_AFTER: Final = timedelta(days=3)
"""A price read longer ago is stale; exactly so old it is fresh."""
SOURCE: Final = "AWS Price List"
SPOT_SOURCE: Final = "EC2 spot price history"


class PriceKind(StrEnum):
    EC2 = "ec2"
    TRAINING = "training"
    PROCESSING = "processing"
    EC2_VOLUME = "ec2-volume"
    TRAINING_VOLUME = "training-volume"
    PROCESSING_VOLUME = "processing-volume"


_VOLUMES: Final = {
    VolumeUse.EC2: PriceKind.EC2_VOLUME,
    VolumeUse.TRAINING: PriceKind.TRAINING_VOLUME,
    VolumeUse.PROCESSING: PriceKind.PROCESSING_VOLUME,
}


@dataclass(frozen=True, slots=True)
class PriceBook:
    """The document above. A price in it that is no positive number is unknown, never 0."""

    document: Mapping[str, Any]

    @property
    def written_at(self) -> datetime:
        """When a refresh last wrote it, UTC."""
        return times.from_text(self.document["written_at"])

    @property
    def oldest(self) -> date | None:
        """The day of its oldest part, UTC; None: it is empty."""
        return min((as_of for _, _, as_of in self.parts()), default=None)

    def parts(self) -> Iterator[tuple[str, str, date]]:
        """(kind of price or `spot`, region, day it was read) of every part."""
        for kind, regions in (*self.document["rates"].items(), ("spot", self.document["spot"])):
            for region, days in regions.items():
                for day in days:
                    yield kind, region, date.fromisoformat(day)

    def price(self, kind: PriceKind, region: str, name: str) -> tuple[Decimal, date] | None:
        """A price with the day it was read."""
        for day, prices in self.document["rates"].get(kind.value, {}).get(region, {}).items():
            amount = _positive(prices.get(name))
            if amount is not None:
                return amount, date.fromisoformat(day)
        return None

    def spot(self, region: str, instance_type: str, zone: str = "") -> SpotRate | None:
        """Of `zone`, or of the one with the highest 90% quantile, since nobody can know where a request is filled."""
        found: list[SpotRate] = []
        for day, zones in self.document["spot"].get(region, {}).items():
            for name, types in zones.items():
                if zone in ("", name) and instance_type in types:
                    p50, p90 = (_positive(text) for text in types[instance_type])
                    if p50 is not None and p90 is not None:
                        as_of = date.fromisoformat(day)
                        days = int(self.document["spot_days"])
                        found.append(SpotRate(p50, max(p50, p90), name, days, as_of, SPOT_SOURCE))
        return max(found, key=lambda rate: (rate.p90_usd, rate.zone), default=None)

    def types(self, kind: PriceKind | None = None) -> frozenset[str]:
        """Every instance type with a price of `kind`, or of any, in any region."""
        kinds = [kind] if kind is not None else [PriceKind.EC2, PriceKind.TRAINING, PriceKind.PROCESSING]
        return frozenset(
            name
            for each in kinds
            for days in self.document["rates"].get(each.value, {}).values()
            for prices in days.values()
            for name in prices
        )


def empty_book(now: datetime) -> PriceBook:
    return PriceBook(_document({}, {}, spot_days=0, now=now))


def with_rates(book: PriceBook, kind: PriceKind, region: str, rates: Mapping[str, str], now: datetime) -> PriceBook:
    """The book with the part of `kind` in `region` read anew, prices as text. What is gone from it is unknown then."""
    every = {each: dict(regions) for each, regions in book.document["rates"].items()}
    every.setdefault(kind.value, {})[region] = {_day(now): dict(rates)}
    return PriceBook(_document(every, book.document["spot"], spot_days=book.document["spot_days"], now=now))


def with_spot(
    book: PriceBook, region: str, quantiles: Mapping[str, Mapping[str, tuple[str, str]]], *, days: int, now: datetime
) -> PriceBook:
    """The book with the spot prices of `region` read anew: (median, 90% quantile) as text by zone and type."""
    zones = {zone: {kind: list(pair) for kind, pair in types.items()} for zone, types in quantiles.items()}
    spot = {**book.document["spot"], region: {_day(now): zones}}
    return PriceBook(_document(book.document["rates"], spot, spot_days=days, now=now))


@dataclass(frozen=True, slots=True)
class TrustedPrices:
    """Implements PriceTable: the book where it has a price, fresh or flagged stale; else the seed, flagged.

    `now`: by which staleness is judged, UTC. `multipliers`: `ec2:p4d.24xlarge`, `ec2:p4d` or `ec2` (see `discount`).
    """

    book: PriceBook | None
    seed: PriceTable
    now: datetime
    multipliers: Mapping[str, Decimal] = field(default_factory=dict)

    def ec2_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        return self._rate(PriceKind.EC2, instance_type, region) or self.seed.ec2_hourly_rate(instance_type, region)

    def training_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        found = self._rate(PriceKind.TRAINING, instance_type, region)
        return found or self.seed.training_hourly_rate(instance_type, region)

    def processing_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        found = self._rate(PriceKind.PROCESSING, instance_type, region)
        return found or self.seed.processing_hourly_rate(instance_type, region)

    def spot_hourly_rate(self, instance_type: str, region: str, zone: str = "") -> SpotRate | None:
        """None where the quantiles are stale: a spot price of last week says nothing, the list price bounds it."""
        found = self.book.spot(region, instance_type, zone) if self.book is not None else None
        return found if found is not None and self._trust(found.as_of) is Trust.FRESH else None

    def volume_rate(self, use: VolumeUse, kind: str, region: str) -> VolumeRate | None:
        found = self.book.price(_VOLUMES[use], region, kind) if self.book is not None else None
        if found is None:
            return self.seed.volume_rate(use, kind, region)
        return VolumeRate(found[0], found[1], SOURCE, self._trust(found[1]))

    def discount(self, service: Service, instance_type: str) -> Discount | None:
        """The multiplier of the type itself, else of its family, else of the whole service.

        Services are `ec2` and `sagemaker`; the types of the latter are written as they are, with `ml.`.
        """
        prefix = "ec2" if service is Service.EC2 else "sagemaker"
        family = instance_type.rpartition(".")[0]
        for key in (f"{prefix}:{instance_type}", f"{prefix}:{family}", prefix):
            if key in self.multipliers:
                return Discount(key, self.multipliers[key])
        return None

    def _rate(self, kind: PriceKind, instance_type: str, region: str) -> Rate | None:
        found = self.book.price(kind, region, instance_type) if self.book is not None else None
        return Rate(found[0], found[1], SOURCE, self._trust(found[1])) if found is not None else None

    def _trust(self, as_of: date) -> Trust:
        return Trust.STALE if is_stale(as_of, self.now) else Trust.FRESH


def is_stale(as_of: date, now: datetime) -> bool:
    """Whether a price of that day is too old to be taken for today's; a day of the future is not."""
    return now.astimezone(UTC).date() - as_of > STALE_AFTER


def _positive(text: object) -> Decimal | None:
    """A missing price, a price of 0 and what is no number are all the same: unknown."""
    if not isinstance(text, str):
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount > 0 else None


def _document(rates: Mapping[str, Any], spot: Mapping[str, Any], *, spot_days: int, now: datetime) -> dict[str, Any]:
    return {
        "format": FORMAT_VERSION,
        "written_at": times.to_text(now),
        "rates": rates,
        "spot": spot,
        "spot_days": spot_days,
    }


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()
