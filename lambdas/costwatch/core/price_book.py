"""The price book: what the daily refresh read, with the day of each part, and the order in which prices are trusted.

A book is one document of plain JSON values, kept as it was read, so that opening it costs nothing per price:

    {"format": 1, "written_at": "2026-11-14T04:00:00.000000Z",
     "rates":   {<kind of price>: {<region>: {<as_of>: {<name>: "25.251286"}}}},
     "spot":    {<region>: {<as_of>: {<zone>: {<instance type>: ["9.1", "11.4"]}}}},
     "spot_days": 14,
     "since":   {<kind of price or "spot">: {<region>: "2026-11-14T04:00:00.000000Z"}}}

Kinds of price: `ec2`, `training`, `processing` (USD per instance and hour, by instance type); `ec2-volume`,
`training-volume`, `processing-volume` (USD per GB and month, by kind of volume). Spot: median and 90% quantile, and the
days they are about where these are fewer than `spot_days`.
A part of one kind and region is replaced as a whole; one that could not be read stays with its day. `since`: when a
part was read, or first tried in vain: what was never read gets older too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final

from costwatch.core import times
from costwatch.core.policy import Service
from costwatch.core.prices import Discount, PriceTable, Rate, SpotRate, Trust, VolumeRate, VolumeUse

FORMAT_VERSION: Final = 1
SPOT: Final = "spot"
STALE_AFTER: Final = timedelta(days=3)
"""A price read longer ago is stale; exactly so old it is fresh."""
SOURCE: Final = "AWS Price List"
SPOT_SOURCE: Final = "EC2 spot price history"
LEAST_USD: Final = Decimal("1e-9")
MOST_USD: Final = Decimal("1e7")
"""Nothing costs less or more an hour, or a GB and month: what is outside of them was not read, and is unknown."""


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
    """The document above. A price in it that cannot be read is unknown: never 0, and never an error to who asks."""

    document: Mapping[str, Any]

    @property
    def written_at(self) -> datetime:
        """When a refresh last wrote it, UTC."""
        return times.from_text(self.document["written_at"])

    @property
    def oldest(self) -> date | None:
        """The day of its oldest part, UTC; None: it is empty."""
        return min((as_of for _, _, as_of in self.parts()), default=None)

    def age(self, now: datetime, regions: Collection[str]) -> timedelta | None:
        """Of its oldest part in `regions`, to the second; None: it has none there. Never below zero."""
        since = (
            times.from_text(text)
            for kinds in self.document["since"].values()
            for region, text in kinds.items()
            if region in regions
        )
        oldest = min(since, default=None)
        return max(now - oldest, timedelta()) if oldest is not None else None

    def parts(self) -> Iterator[tuple[str, str, date]]:
        """(kind of price or `spot`, region, day it was read) of every part."""
        for kind, regions in (*self.document["rates"].items(), (SPOT, self.document["spot"])):
            for region, days in regions.items():
                for day in days:
                    yield kind, region, date.fromisoformat(day)

    def price(self, kind: PriceKind, region: str, name: str) -> tuple[Decimal, date] | None:
        """A price with the day it was read."""
        for day, prices in _part(self.document, "rates", kind.value, region).items():
            amount, as_of = _positive(_mapping(prices).get(name)), _date(day)
            if amount is not None and as_of is not None:
                return amount, as_of
        return None

    def spot(self, region: str, instance_type: str, zone: str = "") -> SpotRate | None:
        """Of `zone`, or of the one with the highest 90% quantile, since nobody can know where a request is filled."""
        found = (rate for rate in self.spot_zones(region, instance_type) if zone in ("", rate.zone))
        return max(found, key=lambda rate: (rate.p90_usd, rate.zone), default=None)

    def spot_zones(self, region: str, instance_type: str) -> list[SpotRate]:
        """The spot price of a type in every zone that has one, by zone."""
        found: list[SpotRate] = []
        for day, zones in _part(self.document, "spot", region).items():
            for zone, types in _mapping(zones).items():
                quantiles, as_of = self._quantiles(_mapping(types).get(instance_type)), _date(day)
                if quantiles is not None and as_of is not None:
                    p50, p90, days = quantiles
                    found.append(SpotRate(p50, max(p50, p90), zone, days, as_of, SPOT_SOURCE))
        return sorted(found, key=lambda rate: rate.zone)

    def _quantiles(self, entry: object) -> tuple[Decimal, Decimal, int] | None:
        """Median, 90% quantile and the days they are about; None: one of them cannot be read."""
        match entry:
            case [median, high]:
                days = self.document.get("spot_days")
            case [median, high, days]:
                pass
            case _:
                return None
        p50, p90 = _positive(median), _positive(high)
        if p50 is None or p90 is None or not isinstance(days, int) or days <= 0:
            return None
        return p50, p90, days

    def names(self, kind: PriceKind, region: str) -> frozenset[str]:
        """Every name in the part of `kind` in `region`: instance types, or kinds of volume."""
        return frozenset(name for prices in _part(self.document, "rates", kind.value, region).values()
                         for name in _mapping(prices))  # fmt: skip

    def types(self, kind: PriceKind | None = None, region: str = "") -> frozenset[str]:
        """Every instance type with a price of `kind`, or of any, in `region` or in any."""
        kinds = [kind] if kind is not None else [PriceKind.EC2, PriceKind.TRAINING, PriceKind.PROCESSING]
        return frozenset(
            name
            for each in kinds
            for where, days in _part(self.document, "rates", each.value).items()
            if region in ("", where)
            for prices in _mapping(days).values()
            for name in _mapping(prices)
        )


def empty_book(now: datetime) -> PriceBook:
    return PriceBook(_document({}, {}, {}, spot_days=0, now=now))


def book_of(document: Any) -> PriceBook:
    """A document that was kept somewhere. Raises ValueError for one that this version does not read."""
    try:
        if document["format"] != FORMAT_VERSION:
            raise ValueError(f"its format is {document['format']!r}, this version reads {FORMAT_VERSION}")
        book = PriceBook(document)
        _ = book.written_at, book.oldest, int(document["spot_days"])
        _ = book.age(book.written_at, {region for kinds in document["since"].values() for region in kinds})
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"it is no price book: {type(error).__name__}: {error}") from error
    return book


def with_rates(book: PriceBook, kind: PriceKind, region: str, rates: Mapping[str, str], now: datetime) -> PriceBook:
    """The book with the part of `kind` in `region` read anew, prices as text. What is gone from it is unknown then."""
    every = {each: dict(regions) for each, regions in book.document["rates"].items()}
    every.setdefault(kind.value, {})[region] = {_day(now): dict(rates)}
    since = _since(book, kind.value, region, now)
    return PriceBook(_document(every, book.document["spot"], since, spot_days=book.document["spot_days"], now=now))


Quantiles = tuple[str, str] | tuple[str, str, int]
"""Median and 90% quantile as text, USD per hour; and the days they are about, where these are not the book's."""


def with_spot(
    book: PriceBook, region: str, quantiles: Mapping[str, Mapping[str, Quantiles]], *, days: int, now: datetime
) -> PriceBook:
    """The book with the spot prices of `region` read anew, by zone and type, over `days` where they do not say."""
    zones = {zone: {kind: list(each) for kind, each in types.items()} for zone, types in quantiles.items()}
    spot = {**book.document["spot"], region: {_day(now): zones}}
    since = _since(book, SPOT, region, now)
    return PriceBook(_document(book.document["rates"], spot, since, spot_days=days, now=now))


def with_failure(book: PriceBook, kind: PriceKind | None, region: str, now: datetime) -> PriceBook:
    """The book after a part could not be read (None: spot): as it was, and what was never read gets older from now."""
    name = kind.value if kind is not None else SPOT
    if region in book.document["since"].get(name, {}):
        return book
    document = book.document
    since = _since(book, name, region, now)
    return PriceBook(_document(document["rates"], document["spot"], since, spot_days=document["spot_days"], now=now))


def only_regions(book: PriceBook, regions: Collection[str]) -> PriceBook:
    """The book without the parts of regions that nobody asks about any more."""
    document = book.document

    def kept(parts: Mapping[str, Any]) -> dict[str, Any]:
        return {region: part for region, part in parts.items() if region in regions}

    return PriceBook(
        {
            **document,
            "rates": {kind: kept(parts) for kind, parts in document["rates"].items()},
            "spot": kept(document["spot"]),
            "since": {kind: kept(parts) for kind, parts in document["since"].items()},
        }
    )


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


def hours(age: timedelta) -> float:
    """Of the book, for a metric: a second more than 72 hours is more than 72."""
    return round(age.total_seconds() / 3600, 4)


def is_stale(as_of: date, now: datetime) -> bool:
    """Whether a price of that day is too old to be taken for today's; a day of the future is not."""
    return now.astimezone(UTC).date() - as_of > STALE_AFTER


def _positive(text: object) -> Decimal | None:
    """A missing price, a price of 0, one that nothing can have and what is no number are all the same: unknown."""
    if not isinstance(text, str):
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and LEAST_USD <= amount <= MOST_USD else None


def _part(document: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """What lies under these names; nothing where one of them is missing or is no part."""
    found: object = document
    for name in names:
        found = _mapping(found).get(name)
    return _mapping(found)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _date(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _since(book: PriceBook, kind: str, region: str, now: datetime) -> dict[str, Any]:
    since = book.document["since"]
    return {**since, kind: {**since.get(kind, {}), region: times.to_text(now)}}


def _document(
    rates: Mapping[str, Any], spot: Mapping[str, Any], since: Mapping[str, Any], *, spot_days: int, now: datetime
) -> dict[str, Any]:
    return {
        "format": FORMAT_VERSION,
        "written_at": times.to_text(now),
        "rates": rates,
        "spot": spot,
        "spot_days": spot_days,
        "since": since,
    }


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()
